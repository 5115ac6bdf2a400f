"""InMemoryRecorder: keeps finished spans in a list; for tests, demos and small scripts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from .recorder import Recorder
from .span import BasicSpan, is_failed


class InMemoryRecorder(Recorder):
    """Keeps every span, or the last `max_spans` of them. Safe to use from any thread."""

    def __init__(self, max_spans: int | None = None) -> None:
        if max_spans is not None:
            if isinstance(max_spans, bool) or not isinstance(max_spans, int):
                raise TypeError(f"max_spans must be an int or None, not {type(max_spans).__name__}")
            if max_spans < 1:
                raise ValueError(f"max_spans must be at least 1, not {max_spans}")
        # A deque's append, copy and clear are each one atomic step: no lock is needed.
        self._spans: deque[BasicSpan] = deque(maxlen=max_spans)

    def record_span(self, span: BasicSpan) -> None:
        self._spans.append(span)

    @property
    def spans(self) -> list[BasicSpan]:
        """The spans recorded so far, in the order in which they finished; a copy."""
        return list(self._spans.copy())

    def get_spans(self) -> list[BasicSpan]:
        """`spans`, under the name that basictracer gave it."""
        return self.spans

    def clear(self) -> None:
        """Forget the spans recorded so far."""
        self._spans.clear()

    def find(
        self,
        operation_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        error: bool | None = None,
    ) -> list[BasicSpan]:
        """The recorded spans that fit everything asked for, in the order in which they finished.

        `tags` are those a span must have, with equal values; `error` asks for spans that failed,
        or that did not.
        """
        wanted = {} if tags is None else tags
        return [
            span
            for span in self.spans
            if (operation_name is None or span.operation_name == operation_name)
            and all(key in span.tags and span.tags[key] == wanted[key] for key in wanted)
            and (error is None or is_failed(span.tags) is error)
        ]

    def one(
        self,
        operation_name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        error: bool | None = None,
    ) -> BasicSpan:
        """The one span that `find` finds; an `AssertionError` that lists the recorded otherwise."""
        found = self.find(operation_name, tags, error)
        if len(found) == 1:
            return found[0]
        names = ", ".join(repr(span.operation_name) for span in self.spans) or "none"
        raise AssertionError(
            f"{len(found)} spans fit operation_name={operation_name!r}, tags={tags!r},"
            f" error={error!r}; expected one. Recorded: {names}"
        )
