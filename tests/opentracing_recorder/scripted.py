"""A backend that gives the answers of a test, for the tests of BatchRecorder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    BatchRecorder,
)

LONG = 10.0  # seconds that a test waits for what must happen; it fails then


class Scripted(BatchRecorder):
    """A backend that gives the answers of a script: an exception is raised, the rest returned.

    When the script is over, it accepts everything. While `gate` is not set, `send` hangs.
    """

    def __init__(self, *script: Any, **options: Any) -> None:
        super().__init__(**{"interval": 0.01, **options})
        self.script = list(script)
        self.batches: list[list[BasicSpan]] = []
        self.times: list[float] = []
        self.accepted: list[BasicSpan] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.released = 0
        self.tracer = BasicTracer(self)

    def send(self, spans: Sequence[BasicSpan]) -> int | None:
        self.batches.append(list(spans))
        self.times.append(time.monotonic())
        self.entered.release()
        self.gate.wait(LONG)
        answer = self.script.pop(0) if self.script else None
        if callable(answer):
            answer = answer(spans)
        if isinstance(answer, BaseException):
            raise answer
        self.accepted.extend(spans)
        return answer  # type: ignore[no-any-return]

    def release(self) -> None:
        self.released += 1

    def record(self, number: int = 1) -> list[BasicSpan]:
        """Record so many spans, named by their numbers."""
        spans = [self.tracer.start_span(str(each)) for each in range(number)]
        for span in spans:
            span.finish()
        return spans

    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]

    def wait_for_send(self) -> None:
        assert self.entered.acquire(timeout=LONG)


Backend = Callable[..., Scripted]


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for a state that no event announces."""
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]
