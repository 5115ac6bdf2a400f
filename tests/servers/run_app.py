"""Applications without a tracer, which the command ``run`` traces: Flask's, ASGI's and Celery's.

QUEUE in the environment is the folder in which Celery's tasks wait. `python run_app.py COUNT`
queues tasks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from celery import Celery
from flask import Flask

import opentracing

app = Flask("shop")


@app.get("/")
def answer() -> str:
    """Answer with the id of the request's trace, and that of the process."""
    span: Any = opentracing.global_tracer().active_span
    return f"{span.context.to_trace_id()} {os.getpid()}"


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Trace each request by OpenTracing's API; lifespans are unknown."""
    assert scope["type"] == "http"
    with opentracing.global_tracer().start_active_span(scope["path"]):
        body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


queue = Path(os.environ.get("QUEUE", "queue"))
celery = Celery("shop")
celery.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": str(queue),
        "data_folder_out": str(queue),
        "control_folder": str(queue / "control"),
    },
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
)


@celery.task(name="work")
def work(number: int) -> None:
    """Trace one task by OpenTracing's API, and note it."""
    with opentracing.global_tracer().start_active_span(f"task {number}"):
        pass
    notes = os.open(queue.parent / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(notes, f"{number}\n".encode())
    os.close(notes)


if __name__ == "__main__":
    (queue / "control").mkdir(parents=True)
    for number in range(int(sys.argv[1])):
        work.delay(number)
