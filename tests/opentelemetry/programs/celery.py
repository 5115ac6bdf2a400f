"""Celery's producer and a worker process at REDIS_PORT: a task that succeeds, and one that fails.

The result is the worker's spans; their parents are named by the task that was sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import Any

from celery import Celery
from celery.signals import after_task_publish
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor

_URL = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0"
app = Celery("shop", broker=_URL, backend=_URL)
app.conf.worker_redirect_stdouts = False  # the spans go there


@app.task(name="add")
def add(first: int, second: int) -> int:
    return first + second


@app.task(name="fail")
def fail() -> None:
    raise ValueError("no such item")


def _work() -> None:
    options = ["--pool=solo", "--without-gossip", "--without-mingle", "--hostname=shop@localhost"]
    with contextlib.suppress(SystemExit):
        app.worker_main(["--quiet", "worker", "--loglevel=CRITICAL", *options])


def run() -> Any:
    CeleryInstrumentor().instrument()
    if "WORKER" in os.environ:
        return _work()
    app.backend.client.flushdb()  # the results of another run
    senders = {}

    @after_task_publish.connect(weak=False)
    def published(sender: str, headers: dict[str, str], **_: Any) -> None:
        _, trace_id, span_id, _ = headers["traceparent"].split("-")
        senders[f"remote {trace_id} {span_id}"] = f"sender of {sender}"

    command = [sys.executable, *sys.argv]
    worker = subprocess.Popen(
        command, env={**os.environ, "WORKER": "1"}, stdout=subprocess.PIPE, text=True
    )
    try:
        with trace.get_tracer("shop").start_as_current_span("order"):
            results = [
                add.apply_async((1, 2), task_id="a"),
                fail.apply_async(task_id="b"),
            ]
        assert results[0].get(timeout=30) == 3
        assert isinstance(results[1].get(timeout=30, propagate=False), ValueError)
        worker.terminate()  # it ends after the task that runs
        output = worker.communicate(timeout=30)[0]
    finally:
        worker.kill()
    _, spans = json.loads(output.splitlines()[-1])
    for span in spans:
        span["parent"] = senders.get(span["parent"], span["parent"])
        for of_the_process in ("celery.hostname", "celery.reply_to"):
            del span["attributes"][of_the_process]
    return spans
