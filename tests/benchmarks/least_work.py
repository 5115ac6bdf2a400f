"""The least work that Python can do for the same record: what every figure is a ratio to.

A span is two objects with slots, two readings of the clock, two random ids, and a context variable
set and reset. Nothing is checked, and nothing can be configured. A decorator without a tracer is a
wrapper that only calls.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from random import Random
from time import time
from typing import Any

from workloads import (
    LEVELS,
    awaiting,
    exhausting,
    gather,
    nothing,
    nothing_awaited,
    nothing_generated,
    on_threads,
)


class _Context:
    __slots__ = ("baggage", "sampled", "span_id", "trace_id")

    def __init__(self, trace_id: int, span_id: int, sampled: bool) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.baggage = None


class _Span:
    __slots__ = (
        "context", "duration", "logs", "operation_name", "parent_id", "start_time", "tags", "tracer"
    )  # fmt: skip

    def __init__(self, context: _Context, operation_name: str, parent_id: int | None) -> None:
        self.tracer = None
        self.context = context
        self.operation_name = operation_name
        self.parent_id = parent_id
        self.start_time = time()
        self.duration = -1.0
        self.tags: dict[str, Any] = {}
        self.logs: list[Any] = []


_random_bits = Random().getrandbits
_active: ContextVar[Any] = ContextVar("active", default=None)
_recorded: list[Any] = []


def _root_span() -> None:
    span = _Span(_Context(_random_bits(64), _random_bits(64), True), "GET", None)
    span.duration = time() - span.start_time
    _recorded.append(span)
    _recorded.clear()


def active_span() -> None:
    """The unit of all cases but those that have a baseline of their own."""
    span = _Span(_Context(_random_bits(64), _random_bits(64), True), "GET", None)
    token = _active.set(span)
    _active.reset(token)
    span.duration = time() - span.start_time
    _recorded.append(span)
    _recorded.clear()


def _request() -> None:
    server = _Span(_Context(_random_bits(64), _random_bits(64), True), "GET", None)
    server_token = _active.set(server)
    server.tags["span.kind"] = "server"
    server.tags["http.method"] = "GET"
    server.tags["http.url"] = "http://shop/checkout"
    parent = _active.get().context
    context = _Context(parent.trace_id, _random_bits(64), parent.sampled)
    client = _Span(context, "charge", parent.span_id)
    client_token = _active.set(client)
    client.tags["span.kind"] = "client"
    client.tags["peer.service"] = "payment"
    client.logs.append((time(), {"event": "retry", "attempt": 1}))
    _active.reset(client_token)
    client.duration = time() - client.start_time
    _recorded.append(client)
    server.tags["http.status_code"] = 200
    _active.reset(server_token)
    server.duration = time() - server.start_time
    _recorded.append(server)
    _recorded.clear()


def _levels() -> None:
    open_spans = []
    span = _Span(_Context(_random_bits(64), _random_bits(64), True), "GET", None)
    open_spans.append((span, _active.set(span)))
    for _ in range(LEVELS - 1):
        parent = _active.get().context
        context = _Context(parent.trace_id, _random_bits(64), parent.sampled)
        span = _Span(context, "GET", parent.span_id)
        open_spans.append((span, _active.set(span)))
    for span, token in reversed(open_spans):
        _active.reset(token)
        span.duration = time() - span.start_time
        _recorded.append(span)
    _recorded.clear()


def _only_calls(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator written by hand; what it returns only calls."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def _only_awaits(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return call


def _only_yields(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return (yield from function(*args, **kwargs))

    return call


CASES: dict[str, Callable[[], Callable[[], object]]] = {
    "root span": lambda: _root_span,
    "active span": lambda: active_span,
    "request": lambda: _request,
    "request, not sampled": lambda: _request,
    "10 levels deep": lambda: _levels,
    "no-op decorated call": lambda: _only_calls(nothing),
    "no-op decorated coroutine": lambda: awaiting(_only_awaits(nothing_awaited)),
    "no-op decorated generator": lambda: exhausting(_only_yields(nothing_generated)),
    "asyncio.gather of 100 spans": lambda: gather(active_span),
    "8 threads": lambda: on_threads(active_span),
}
"""Factories of what is timed, by case, as every peer has them."""
