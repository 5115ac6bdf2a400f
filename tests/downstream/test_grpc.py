"""grpcio-opentracing between a real gRPC client and server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_opentracing import open_tracing_client_interceptor, open_tracing_server_interceptor
from grpc_opentracing.grpcext import intercept_channel, intercept_server


def charge(request: bytes, context: Any) -> bytes:
    if request == b"expired":
        context.set_code(grpc.StatusCode.FAILED_PRECONDITION)
        context.set_details("the card has expired")
    return b"charged " + request


def items(request: bytes, context: Any) -> Iterator[bytes]:
    yield from (b"tea", b"pot")


HANDLERS = grpc.method_handlers_generic_handler(
    "Payment",
    {
        "Charge": grpc.unary_unary_rpc_method_handler(charge),
        "Items": grpc.unary_stream_rpc_method_handler(items),
    },
)


@pytest.fixture
def channel(tracer: Any) -> Iterator[Any]:
    """A traced channel to a traced server."""
    server = intercept_server(
        grpc.server(ThreadPoolExecutor(max_workers=2)), open_tracing_server_interceptor(tracer)
    )
    server.add_generic_rpc_handlers((HANDLERS,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield intercept_channel(channel, open_tracing_client_interceptor(tracer))
    server.stop(None).wait()


def by_kind(spans: Any) -> tuple[Any, Any]:
    (client,) = [span for span in spans() if span.tags["span.kind"] == "client"]
    (server,) = [span for span in spans() if span.tags["span.kind"] == "server"]
    return client, server


@pytest.mark.parametrize("method", ["Charge", "Items"])
def test_a_call_is_one_trace_on_both_sides(spans: Any, channel: Any, method: str) -> None:
    """The server's span is a child of the client's, for a single answer and for a stream."""
    if method == "Charge":
        assert channel.unary_unary("/Payment/Charge")(b"visa") == b"charged visa"
    else:
        assert list(channel.unary_stream("/Payment/Items")(b"")) == [b"tea", b"pot"]
    client, server = by_kind(spans)
    assert client.operation_name == server.operation_name == f"/Payment/{method}"
    assert client.parent_id is None
    assert server.parent_id == client.context.span_id
    assert server.context.trace_id == client.context.trace_id
    assert server.tags["peer.ipv4"] == "127.0.0.1"


def test_a_failed_call_is_an_error_on_both_sides(spans: Any, channel: Any) -> None:
    """Each side's span says so; the client's exception passes through."""
    with pytest.raises(grpc.RpcError):
        channel.unary_unary("/Payment/Charge")(b"expired")
    client, server = by_kind(spans)
    assert client.tags["error"] is server.tags["error"] is True
    assert server.logs[-1].key_values["message"] == "the card has expired"
