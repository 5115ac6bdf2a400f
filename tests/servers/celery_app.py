"""A traced Celery application, and its producer: `python celery_app.py COUNT` queues tasks.

TRACE_URL in the environment says where spans are sent, INTERVAL after how many seconds at most,
MAX_TASKS after how many tasks a child ends, and QUEUE in which folder the tasks wait: Celery's
broker of files needs no server. With INSTRUMENTED, Celery is instrumented for OpenTelemetry.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from celery import Celery
from celery.signals import worker_process_shutdown
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor

from opentracing_recorder import BasicTracer
from opentracing_recorder.opentelemetry_api import BasicTracerProvider, OpenTelemetryScopeManager
from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

recorder = ZipkinRecorder("app", os.environ["TRACE_URL"], interval=float(os.environ["INTERVAL"]))
tracer: BasicTracer
if "INSTRUMENTED" in os.environ:
    tracer = BasicTracer(recorder, scope_manager=OpenTelemetryScopeManager(), trace_id_bits=128)
    trace.set_tracer_provider(BasicTracerProvider(tracer))
    CeleryInstrumentor().instrument()
else:
    tracer = ZipkinTracer("app", recorder=recorder)

queue = Path(os.environ["QUEUE"])
queue.mkdir(exist_ok=True)
control = queue / "control"
control.mkdir(exist_ok=True)

app = Celery("app")
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": str(queue),
        "data_folder_out": str(queue),
        "control_folder": str(control),
    },
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
    worker_max_tasks_per_child=int(os.environ.get("MAX_TASKS", 0)) or None,
    worker_pool_restarts=True,
)


@app.task(name="work")
def work(number: int) -> None:
    """Trace one task, and note which process did it."""
    with tracer.start_active_span(f"task {number}"):
        pass
    notes = os.open(queue.parent / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(notes, f"{os.getpid()} {number}\n".encode())
    os.close(notes)


@worker_process_shutdown.connect
def leave(**_: object) -> None:
    """Trace what Celery calls last in each child."""
    tracer.start_span("leave").finish()


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        work.delay(number)
