"""A gRPC service and its client: unary and streamed calls, an abort, an exception."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient, GrpcInstrumentorServer


def _echo(request: bytes, _: grpc.ServicerContext) -> bytes:
    return request


def _split(request: bytes, _: grpc.ServicerContext) -> Iterator[bytes]:
    yield from request.split()


def _join(requests: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
    return b" ".join(requests)


def _abort(_: bytes, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.NOT_FOUND, "no such item")


def _raise(_: bytes, __: grpc.ServicerContext) -> None:
    raise ValueError("no such item")


def run() -> list[str]:
    GrpcInstrumentorServer().instrument()
    GrpcInstrumentorClient().instrument()
    unary = {"Echo": _echo, "Abort": _abort, "Raise": _raise}
    handlers = {name: grpc.unary_unary_rpc_method_handler(each) for name, each in unary.items()}
    handlers["Split"] = grpc.unary_stream_rpc_method_handler(_split)
    handlers["Join"] = grpc.stream_unary_rpc_method_handler(_join)
    results = []
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Shop", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with (
            grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
            trace.get_tracer("shop").start_as_current_span("order"),
        ):
            results.append(channel.unary_unary("/Shop/Echo")(b"pear").decode())
            results += [each.decode() for each in channel.unary_stream("/Shop/Split")(b"fig plum")]
            results.append(channel.stream_unary("/Shop/Join")(iter([b"a", b"b"])).decode())
            for method in ("Abort", "Raise"):
                try:
                    channel.unary_unary(f"/Shop/{method}")(b"")
                except grpc.RpcError as error:
                    results.append(f"{error.code().name}: {error.details()}")
        server.stop(None).wait()
    return results
