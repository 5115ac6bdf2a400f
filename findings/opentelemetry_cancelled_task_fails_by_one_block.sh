#!/bin/bash
# opentelemetry-sdk 1.45.2 (CPython 3.11): whether a cancelled task fails its span depends on which of two blocks it
# leaves. `with tracer.start_span(...)` records every BaseException and sets the status ERROR: asyncio's CancelledError,
# SystemExit, GeneratorExit of a generator that is closed early. `with tracer.start_as_current_span(...)` records
# only an Exception, and leaves the status of the same task UNSET.
# Output seen:
#     start_span: ERROR, events: exception (CancelledError)
#     start_as_current_span: UNSET, events: none
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet opentelemetry-sdk==1.45.2

cat >"$folder/seen.py" <<'END'
import asyncio

from opentelemetry.sdk.trace import TracerProvider

tracer = TracerProvider().get_tracer("lib")


async def work(block, started, spans):
    with block as span:
        spans.append(span)
        started.set()
        await asyncio.Event().wait()


async def cancelled(block):
    started, spans = asyncio.Event(), []
    task = asyncio.create_task(work(block, started, spans))
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (span,) = spans
    events = [f"{event.name} ({event.attributes['exception.type'].split('.')[-1]})" for event in span.events]
    return f"{span.status.status_code.name}, events: {', '.join(events) or 'none'}"


async def main():
    print("start_span:", await cancelled(tracer.start_span("x")))
    print("start_as_current_span:", await cancelled(tracer.start_as_current_span("x")))


asyncio.run(main())
END

seen=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$seen"
test "$seen" = "start_span: ERROR, events: exception (CancelledError)
start_as_current_span: UNSET, events: none"
