"""A client calls a server in another unit; the trace travels in the message."""

from __future__ import annotations

from typing import Any

from opentracing import Format, tags
from opentracing_recorder import BasicTracer, InMemoryRecorder

from .runtimes import Runtime


def test_server_spans_go_below_their_client_s(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """If several clients call one server at once, each server span is a child of its client's."""

    async def serve(requests: Any, count: int) -> None:
        for _ in range(count):
            message, answered = await requests.get()
            caller = tracer.extract(Format.TEXT_MAP, message)
            with tracer.start_active_span(
                "serve", child_of=caller, tags={tags.SPAN_KIND: tags.SPAN_KIND_RPC_SERVER}
            ):
                answered.set()

    async def call(requests: Any, everybody: Any) -> None:
        with tracer.start_active_span("call") as scope:
            scope.span.set_tag(tags.SPAN_KIND, tags.SPAN_KIND_RPC_CLIENT)
            await everybody()
            message: dict[str, str] = {}
            tracer.inject(scope.span.context, Format.TEXT_MAP, message)
            answered = runtime.event()
            requests.put_nowait((message, answered))
            await answered.wait()
            assert tracer.active_span is scope.span

    async def main() -> None:
        requests, everybody = runtime.queue(), runtime.rendezvous(3)
        server = runtime.spawn(serve, requests, 3)
        for client in [runtime.spawn(call, requests, everybody) for _ in range(3)]:
            await client
        await server

    runtime.run(main)
    clients, servers = recorder.find("call"), recorder.find("serve")
    assert [client.parent_id for client in clients] == [None] * 3
    assert {(each.context.trace_id, each.context.span_id) for each in clients} == {
        (each.context.trace_id, each.parent_id) for each in servers
    }
    assert len(servers) == 3
