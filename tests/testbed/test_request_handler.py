"""One handler, shared by all requests, starts and finishes a span for each."""

from __future__ import annotations

from opentracing import Span, SpanContext
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


class Handler:
    """Is called for each request and response, maybe in different units; keeps no span itself."""

    def __init__(self, tracer: BasicTracer, parent: SpanContext | None = None) -> None:
        self.tracer = tracer
        self.parent = parent

    def before_request(self, request: dict[str, Span]) -> None:
        request["span"] = self.tracer.start_span(
            "request", child_of=self.parent, ignore_active_span=True
        )

    def after_request(self, request: dict[str, Span]) -> None:
        request["span"].finish()


def test_requests_at_once_are_traces_of_their_own(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The spans of concurrent requests are not related to each other, nor to their sender's."""
    handler = Handler(tracer)

    async def handle(everybody: object) -> None:
        request: dict[str, Span] = {}
        handler.before_request(request)
        await everybody()  # type: ignore[operator]
        await runtime.call(handler.after_request, request)

    async def main() -> None:
        everybody = runtime.rendezvous(3)
        with tracer.start_active_span("sender"):
            for request in [runtime.spawn(handle, everybody) for _ in range(3)]:
                await request

    runtime.run(main)
    requests = recorder.find("request")
    assert [span.parent_id for span in requests] == [None] * 3
    assert len({span.context.trace_id for span in recorder.spans}) == 4


def test_requests_may_all_have_one_parent(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A handler made with a parent starts all its spans as children of it."""

    async def handle(handler: Handler) -> None:
        request: dict[str, Span] = {}
        await runtime.call(handler.before_request, request)
        await runtime.call(handler.after_request, request)

    async def main() -> None:
        with tracer.start_active_span("parent") as scope:
            handler = Handler(tracer, scope.span.context)
            for request in [runtime.spawn(handle, handler) for _ in range(3)]:
                await request

    runtime.run(main)
    parent = recorder.one("parent").context.span_id
    assert [span.parent_id for span in recorder.find("request")] == [parent] * 3
