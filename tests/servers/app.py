"""A traced WSGI application, which notes the id of each span that it finishes.

TRACE_URL in the environment says where spans are sent to, OTLP, if it is there, in which form,
NOTES in which file ids are noted, and FLUSH, if it is there, to send what was recorded while the
application is loaded before that ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from opentracing import Format
from opentracing_recorder import BasicTracer
from opentracing_recorder.otlp import OTLPRecorder, OTLPTracer
from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

_URL = os.environ["TRACE_URL"]
tracer: BasicTracer
if "OTLP" in os.environ:
    tracer = OTLPTracer("app", recorder=OTLPRecorder("app", _URL, interval=0.1))
else:
    tracer = ZipkinTracer("app", recorder=ZipkinRecorder("app", _URL, interval=0.1))
_notes = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(*spans: Any) -> None:
    """Write the process and the ids, a line a span."""
    lines = [f"{os.getpid()} {span.context.span_id:016x}\n" for span in spans]
    os.write(_notes, "".join(lines).encode())


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the id of the request's trace, and that of the process."""
    headers = {
        key[5:].replace("_", "-"): value
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    caller = tracer.extract(Format.HTTP_HEADERS, headers)
    with tracer.start_active_span("request", caller) as scope:
        with tracer.start_active_span("query") as inner:
            pass
        answer = b"%032x %d" % (scope.span.context.trace_id, os.getpid())
    note(inner.span, scope.span)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer]


# Where the server loads the application before it forks, ids, a queue and a thread exist then.
with tracer.start_span("load") as loading:
    pass
note(loading)
if "FLUSH" in os.environ:
    tracer.flush()
