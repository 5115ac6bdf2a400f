"""A recorder that calls a function, for the tests of hostile recorders."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opentracing_recorder import BasicSpan, InMemoryRecorder


class Calling(InMemoryRecorder):
    """Calls a test's function with each span, and keeps the span."""

    def __init__(self, action: Callable[[BasicSpan], object]) -> None:
        super().__init__()
        self.action = action

    def record_span(self, span: BasicSpan) -> None:
        try:
            self.action(span)
        finally:
            super().record_span(span)

    def names(self) -> list[str]:
        return [span.operation_name for span in self.spans]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]
