"""MockSpan: a span whose every attribute a test can read and change at any time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import opentracing.mocktracer  # whose names annotations take: `tracer` imports this module
from opentracing.interrupts import reraise_interrupt
from opentracing_recorder import BasicSpan, LogData
from opentracing_recorder.span import first_tags

from .context import SpanContext

_MockSpanT = TypeVar("_MockSpanT", bound="MockSpan")

__all__ = ["LogData", "MockSpan"]


class MockSpan(BasicSpan):
    """A span that keeps all that it is given, unchanged.

    It has no limits and no sampling. `finish` does not freeze it: as in 2.4, a test sees what
    instrumentation does to a finished span, such as finishing it again.
    """

    operation_name: Any
    """A string; None if none was given."""

    finish_time: float = -1
    """Seconds since the epoch; -1 until the span is finished."""

    finished: bool = False
    """Whether `finish` was called; tests assign it."""

    def __init__(
        self,
        tracer: opentracing.mocktracer.MockTracer,
        operation_name: str | None = None,
        context: SpanContext | None = None,
        parent_id: int | None = None,
        tags: Mapping[str, Any] | None = None,
        start_time: float | None = None,
    ) -> None:
        context = SpanContext() if context is None else context
        super().__init__(tracer, operation_name, context, parent_id, None, start_time)
        self.operation_name = operation_name
        self.tags = {} if tags is None else first_tags(tags)

    @property
    def tracer(self) -> opentracing.mocktracer.MockTracer:
        """The tracer that started this span."""
        return self._tracer  # type: ignore[return-value]

    @property
    def logs(self) -> list[LogData]:
        """The logs, in the order in which they were made."""
        return super().logs

    @logs.setter
    def logs(self, logs: list[LogData]) -> None:
        self._logs = logs

    def set_operation_name(self: _MockSpanT, operation_name: str) -> _MockSpanT:
        """Replace the name given at start."""
        self.operation_name = operation_name
        return self

    def set_tag(self: _MockSpanT, key: str, value: Any) -> _MockSpanT:
        """Attach one fact to the whole span; setting a key again replaces its value."""
        try:
            self.tags[_key(key)] = value
        except Exception:  # of a key that collides with it
            reraise_interrupt()
            self.tags[type.__repr__(type(key))] = value
        return self

    def is_recording(self) -> bool:
        """Whether the span is not finished."""
        return not self.finished

    def log_kv(
        self: _MockSpanT, key_values: Mapping[str, Any], timestamp: float | None = None
    ) -> _MockSpanT:
        """Keep the very mapping, with the values that are in it: exceptions, tracebacks, mocks."""
        self.logs.append(LogData(key_values, timestamp))  # type: ignore[arg-type]
        return self

    def set_baggage_item(self: _MockSpanT, key: str, value: str) -> _MockSpanT:
        """Attach an item that travels to every later descendant, over the wire as well."""
        self._context = self.context.with_baggage_item(_key(key), value)
        return self

    def get_baggage_item(self, key: str) -> str | None:
        """The value of a baggage item, or None."""
        return self.context.baggage.get(_key(key))

    def finish(self, finish_time: float | None = None) -> None:
        """Set the finish time, and add the span to the tracer's finished spans, at each call."""
        self.finish_time = self._now() if finish_time is None else finish_time
        self.finished = True  # pyright: ignore[reportIncompatibleMethodOverride]
        self.duration = self._wall_clock_duration(self.finish_time)
        try:
            self._tracer.record(self)
        except RecursionError:  # see BasicSpan.finish
            raise
        except Exception:  # the tracer is a stand-in
            reraise_interrupt()
            self._not_recorded()


def _key(key: Any) -> Any:
    """The key as it is, or by its type if no dict takes it."""
    if type(key) is str:
        return key
    try:
        if not issubclass(type(key), tuple):  # the hash of a tuple may never end
            hash(key)
            return key
    except Exception:
        reraise_interrupt()
    return type.__repr__(type(key))
