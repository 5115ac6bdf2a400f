"""Each request has a listener, which finishes the span when the response arrives."""

from __future__ import annotations

from typing import Any

from opentracing import Span
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


class Listener:
    """Keeps the span of its request until the response arrives, in any unit."""

    def __init__(self, span: Span) -> None:
        self.span = span

    def on_response(self, response: str) -> None:
        self.span.set_tag("response", response)
        self.span.finish()


def test_responses_out_of_order_finish_each_its_own_span(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """In whatever order the responses arrive, each finishes the span of its request."""

    async def answer(name: str, listener: Listener, may_answer: Any) -> None:
        await may_answer.wait()
        await runtime.call(listener.on_response, f"{name}'s response")

    async def main() -> None:
        sent = []
        with tracer.start_active_span("sender") as sender:
            for name in ("first", "second", "third"):
                with tracer.start_active_span(name, finish_on_close=False) as scope:
                    may_answer = runtime.event()
                    listener = Listener(scope.span)
                    sent.append((may_answer, runtime.spawn(answer, name, listener, may_answer)))
                assert tracer.active_span is sender.span
        for may_answer, answered in reversed(sent):
            may_answer.set()
            await answered

    runtime.run(main)
    sender, *requests = recorder.spans
    assert [span.operation_name for span in requests] == ["third", "second", "first"]
    assert [span.parent_id for span in requests] == [sender.context.span_id] * 3
    assert [span.tags["response"] for span in requests] == [
        f"{span.operation_name}'s response" for span in requests
    ]
