"""A thread, a timer and a pool under a span, and a span in a pool that fails."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import trace
from opentelemetry.instrumentation.threading import ThreadingInstrumentor


def run() -> list[str]:
    ThreadingInstrumentor().instrument()
    tracer = trace.get_tracer("shop")
    caught = []

    def work(name: str) -> None:
        with tracer.start_as_current_span(name):
            pass

    def fail() -> None:
        try:
            with tracer.start_as_current_span("failed"):
                raise ValueError("no such item")
        except ValueError as error:
            caught.append(str(error))

    with tracer.start_as_current_span("order"):
        timer = threading.Timer(0, work, ["timer"])
        for thread in (threading.Thread(target=work, args=["thread"]), timer):
            thread.start()
            thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work, "pool").result()
            pool.submit(fail).result()
    work("after")
    return caught
