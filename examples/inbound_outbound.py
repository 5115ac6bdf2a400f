"""The two halves of instrumentation, as functions to copy: inbound and outbound requests.

    python examples/inbound_outbound.py

`before_request` continues the caller's trace. `before_http_request` starts a child span and injects
its context into an outgoing request. It gets the current span from a function, so that a scope
manager or the application's own storage may keep that span.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import opentracing
from opentracing import Format, Span, Tracer, tags
from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace
from opentracing_recorder.timeline import render_text


@dataclass
class Request:
    """The parts of a request that instrumentation needs, for any framework."""

    operation: str
    full_url: str
    headers: dict[str, str] = field(default_factory=dict)
    remote_ip: str | None = None
    remote_port: int | None = None
    caller_name: str | None = None
    service_name: str | None = None


def before_request(request: Request, tracer: Tracer) -> Span:
    """Inbound: the server span, a child of the caller's if the request carries a trace."""
    try:
        caller = tracer.extract(Format.HTTP_HEADERS, request.headers)
    except opentracing.SpanContextCorruptedException:
        caller = None  # a broken header must not fail the request: a new trace starts
    # The only parent of a request is its caller, even if a span is active on the accepting thread.
    span = tracer.start_span(request.operation, child_of=caller, ignore_active_span=True)
    span.set_tag(tags.SPAN_KIND, tags.SPAN_KIND_RPC_SERVER)
    span.set_tag(tags.HTTP_URL, request.full_url)
    if request.remote_ip:
        span.set_tag(tags.PEER_HOST_IPV4, request.remote_ip)
    if request.remote_port:
        span.set_tag(tags.PEER_PORT, request.remote_port)
    if request.caller_name:
        span.set_tag(tags.PEER_SERVICE, request.caller_name)
    return span


def before_http_request(
    request: Request, current_span_extractor: Callable[[], Span | None]
) -> Span:
    """Outbound: the client span, a child of the current one, and its context in the headers."""
    tracer = opentracing.global_tracer()
    span = tracer.start_span(request.operation, child_of=current_span_extractor())
    span.set_tag(tags.SPAN_KIND, tags.SPAN_KIND_RPC_CLIENT)
    span.set_tag(tags.HTTP_URL, request.full_url)
    if request.service_name:
        span.set_tag(tags.PEER_SERVICE, request.service_name)
    tracer.inject(span, Format.HTTP_HEADERS, request.headers)
    return span


def send(request: Request) -> Request:
    """The network: a request that is sent on one side arrives on the other."""
    return Request(
        operation=f"serve {request.operation}",
        full_url=request.full_url,
        headers=dict(request.headers),
        remote_ip="127.0.0.1",
        caller_name="shop",
    )


def with_scope_manager(request: Request) -> None:
    """The tracer's scope manager keeps the current span; it serves threads and asyncio."""
    tracer = opentracing.global_tracer()
    span = before_request(request, tracer)
    with tracer.scope_manager.activate(span, finish_on_close=True):
        outgoing = Request("charge", "http://payment/charge", service_name="payment")
        with before_http_request(outgoing, lambda: tracer.active_span):
            serve(send(outgoing))


_request_local = threading.local()


def with_own_storage(request: Request) -> None:
    """The application keeps the current span itself, here in a thread-local."""
    with before_request(request, opentracing.global_tracer()) as span:
        _request_local.span = span
        try:
            outgoing = Request("charge", "http://payment/charge", service_name="payment")
            with before_http_request(outgoing, lambda: _request_local.span):
                serve(send(outgoing))
        finally:
            del _request_local.span


def serve(request: Request) -> None:
    """The other service: its span is a child of the client's."""
    before_request(request, opentracing.global_tracer()).finish()


def main() -> None:
    """Serve one request with each storage, and show both traces."""
    recorder = InMemoryRecorder()
    with opentracing.use_tracer(BasicTracer(recorder)):
        with_scope_manager(Request("checkout", "http://shop/checkout", remote_ip="127.0.0.1"))
        with_own_storage(Request("checkout", "http://shop/checkout", remote_ip="127.0.0.1"))
    print(render_text(Trace.from_spans(recorder.spans)))


if __name__ == "__main__":
    main()
