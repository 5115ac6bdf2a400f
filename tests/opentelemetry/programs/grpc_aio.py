"""A grpc.aio service and its client: unary and streamed calls, an abort, an exception."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient, GrpcAioInstrumentorServer


async def _echo(request: bytes, _: grpc.aio.ServicerContext) -> bytes:
    return request


async def _split(request: bytes, _: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    for part in request.split():
        yield part


async def _abort(_: bytes, context: grpc.aio.ServicerContext) -> None:
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such item")


async def _raise(_: bytes, __: grpc.aio.ServicerContext) -> None:
    raise ValueError("no such item")


async def _run() -> list[str]:
    unary = {"Echo": _echo, "Abort": _abort, "Raise": _raise}
    handlers = {name: grpc.unary_unary_rpc_method_handler(each) for name, each in unary.items()}
    handlers["Split"] = grpc.unary_stream_rpc_method_handler(_split)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Shop", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    results = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with trace.get_tracer("shop").start_as_current_span("order"):
            results.append((await channel.unary_unary("/Shop/Echo")(b"pear")).decode())
            async for part in channel.unary_stream("/Shop/Split")(b"fig plum"):
                results.append(part.decode())
            for method in ("Abort", "Raise"):
                try:
                    await channel.unary_unary(f"/Shop/{method}")(b"")
                except grpc.RpcError as error:
                    results.append(f"{error.code().name}: {error.details()}")
    await server.stop(30)
    return results


def run() -> list[str]:
    GrpcAioInstrumentorServer().instrument()
    GrpcAioInstrumentorClient().instrument()
    return asyncio.run(_run())
