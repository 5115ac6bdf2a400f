"""Redis at REDIS_PORT: commands, a pipeline, a command that fails, and asyncio's client."""

from __future__ import annotations

import asyncio
import os

import redis
import redis.asyncio
from opentelemetry import trace
from opentelemetry.instrumentation.redis import RedisInstrumentor


async def _get(port: int, key: str) -> str:
    async with redis.asyncio.Redis(port=port, decode_responses=True) as client:
        return str(await client.get(key))


def run() -> list[str]:
    RedisInstrumentor().instrument()
    port = int(os.environ["REDIS_PORT"])
    client = redis.Redis(port=port, decode_responses=True)
    with trace.get_tracer("shop").start_as_current_span("order"):
        client.set("item", "pear")
        client.pipeline().set("other", "plum").get("other").execute()
        results = [client.get("item"), asyncio.run(_get(port, "other"))]
    try:
        client.lpush("item", "fig")
    except redis.ResponseError as error:
        results.append(str(error))
    return results
