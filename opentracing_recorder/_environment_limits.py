"""The limits of spans that OpenTelemetry's variables set."""

from __future__ import annotations

from typing import Any, NamedTuple

from opentracing.interrupts import reraise_interrupt
from opentracing.tags import SPAN_KIND

from ._environment_variables import number_of
from ._wrapping import Wrapping
from .recorder import Recorder
from .span import BasicSpan

_DEFAULT = 128
_ANY_COUNT = "OTEL_ATTRIBUTE_COUNT_LIMIT"
_ANY_LENGTH = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"


class Limits(NamedTuple):
    """Numbers of a span, an event or a link; lengths in characters, of which None is no limit."""

    max_tags: int
    max_logs: int
    max_links: int
    max_event_attributes: int
    max_link_attributes: int
    tag_length: int | None
    length: int | None

    def set_on_tracer(self, tracer: Any) -> None:
        """Set those that a BasicTracer has: here 0 is allowed, as in OpenTelemetry."""
        tracer.max_tags = self.max_tags
        tracer.max_logs = self.max_logs

    def set_on_provider(self, provider: Any) -> None:
        """Set those that a BasicTracerProvider has."""
        provider.max_links = self.max_links
        provider.max_event_attributes = self.max_event_attributes
        provider.max_link_attributes = self.max_link_attributes
        if self.tag_length is not None and self.length is not None:
            # The recorder cuts the rest.
            provider.max_attribute_length = max(self.tag_length, self.length)

    def cut(self, recorder: Recorder) -> Recorder:
        """`recorder`, behind one that cuts texts if there is a limit of their length."""
        if self.tag_length is None:
            return recorder
        return _CutTexts(recorder, self.tag_length, self.length)


def limits_of_environment() -> Limits:
    """The limits, each variable read once."""
    of_any = _number(_ANY_COUNT, _DEFAULT)
    length = number_of(_ANY_LENGTH, "no limit", 0)
    of_tags = number_of("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", f"that of {_ANY_LENGTH}", 0)
    return Limits(
        _number("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", of_any),
        _number("OTEL_SPAN_EVENT_COUNT_LIMIT", _DEFAULT),
        _number("OTEL_SPAN_LINK_COUNT_LIMIT", _DEFAULT),
        _number("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", of_any),
        _number("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", of_any),
        length if of_tags is None else of_tags,
        length,
    )


def _number(variable: str, default: int) -> int:
    number = number_of(variable, default, 0)
    return default if number is None else number


class _CutTexts(Wrapping):
    """Cuts the texts in tags and logs, whichever API they came by."""

    def __init__(self, recorder: Recorder, of_tags: int | None, of_logs: int | None) -> None:
        super().__init__(recorder)
        self._of_tags = of_tags
        self._of_logs = of_logs

    def record_span(self, span: BasicSpan) -> None:
        if self._of_tags is not None:
            # Those of OpenTelemetry's spans that show what is no attribute stay whole.
            own = getattr(getattr(span, "opentelemetry", None), "own", ())
            _cut(span.tags, self._of_tags, (SPAN_KIND, *own))
        if self._of_logs is not None:
            for log in span.logs:
                _cut(log.key_values, self._of_logs, ("event",))
        self.recorder.record_span(span)


def _cut(values: dict[str, Any], length: int, kept: tuple[str, ...]) -> None:
    for key, value in list(values.items()):
        if type(key) is str and key in kept:
            continue
        try:
            if isinstance(value, str):
                if len(value) > length:
                    values[key] = value[:length]
            elif type(value) is list or type(value) is tuple:  # others may have no end
                values[key] = type(value)(
                    each[:length] if isinstance(each, str) else each for each in value
                )
        except Exception:  # of the key's or the value's own methods
            reraise_interrupt()
