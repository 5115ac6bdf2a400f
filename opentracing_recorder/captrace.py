r"""CapTrace, which records the traces of one test; pytest's fixture `captrace` is one.

The fixture installs a `BasicTracer` as the global tracer for one test, records what is traced, and
puts back the tracer that was there, whatever the test does::

    import opentracing
    import pytest


    def charge(card):  # the code under test
        with opentracing.global_tracer().start_active_span("charge", tags={"card": card}):
            if card == "expired":
                raise ValueError("the card has expired")


    def checkout(card):
        tracer = opentracing.global_tracer()
        with tracer.start_active_span("checkout"):
            with tracer.start_active_span("look up stock"):
                pass
            receipt = tracer.start_span("send receipt")
            charge(card)
            receipt.finish()


    def test_checkout(captrace):
        checkout("good")
        expected = "checkout\n  look up stock\n  send receipt\n  charge card='good'"
        assert captrace.outline(tags=["card"]) == expected


    def test_an_expired_card(captrace):
        with pytest.raises(ValueError):
            checkout("expired")
        failed = captrace.one("charge", error=True)
        assert failed.logs[0].key_values["message"] == "the card has expired"
        assert [span.operation_name for span in captrace.unfinished] == ["send receipt"]


    def test_snapshot(captrace):
        checkout("good")
        assert captrace.as_dicts()[0]["span_id"] == "0000000000000001"

If a test fails, its report ends with the traces, and with the spans that were started and never
finished, each with the line that started it.

| Member | Returns |
|---|---|
| `spans` | the finished spans, in the order in which they finished |
| `find(operation_name, tags, error)` | the spans that match all arguments |
| `one(...)` | the only match; otherwise it raises an AssertionError that shows the trees |
| `wait_for(..., count=1, timeout=5.0)` | matches, once there are `count`; `timeout` is in seconds |
| `outline(tags=())` | the names as trees, siblings by start, with ``!`` if failed, and these tags |
| `as_dicts()` | the spans in `to_dict` form; ids count from 1, times are steps through the tree |
| `unfinished` | the spans that were started and not finished |
| `tracer`, `recorder` | the tracer, and its `InMemoryRecorder` |

Each test has a tracer of its own, so a scope left open in one test is never active in another. This
holds for tests of coroutines too, with pytest-asyncio or anyio. The global tracer is one for the
whole process, so a thread that outlives its test finds the next test's tracer.
`opentracing_recorder.pytest_plugin` lists the options.

Code that is instrumented for OpenTelemetry's API is caught too, with no set-up: if
``opentelemetry-api`` is imported, before the test or in it, its global provider records here while
the test runs. `captrace.tracer` and OpenTelemetry then have one active span. Afterwards the
provider and the current context are put back. A provider that the code under test sets meanwhile
is ignored, as OpenTelemetry's rule is for all but the first. A tracer that was taken from a
provider before the test stays with that provider.

Without pytest, `CapTrace` is a context manager, and `opentracing_recorder.trace` has the trees::

    from opentracing_recorder import Trace
    from opentracing_recorder.captrace import CapTrace

    with CapTrace() as captrace:
        checkout("good")
    captrace.one("checkout")
    (trace,) = Trace.from_spans(captrace.spans)

Spans read `time.time`. A test that replaces it, or uses freezegun, decides all their times, and the
durations of spans that start meanwhile. time-machine moves start times and logs, but not durations,
which come from the monotonic clock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import count
from types import FrameType, TracebackType
from typing import IO, Any

import opentracing
from opentracing import logs
from opentracing.interrupts import reraise_interrupt
from opentracing.scope_managers.contextvars import no_parent_scope

from ._captrace_opentelemetry import opentelemetry_captured
from ._errors import shown
from .in_memory import InMemoryRecorder, shortened
from .span import BasicSpan
from .timeline import render_text
from .trace import AnySpan, Trace, TraceNode
from .tracer import BasicTracer

__all__ = ["CapTrace", "snapshot"]

_OURS = tuple(
    f"{name}." for name in ("opentracing", "opentracing_recorder", "opentelemetry", "contextlib")
)
_MAX_UNFINISHED = 50  # spans that a message lists; a test may start any number


class CapTrace(InMemoryRecorder):
    """Records what is traced in one test, by its own `tracer`.

    As a context manager, which the fixture enters for the test, it installs its tracer as the
    global one, with no span active, and puts back what was there, whatever the block does::

        with CapTrace() as captrace:
            opentracing.global_tracer().start_span("checkout").finish()
        assert captrace.outline() == "checkout"
    """

    def __init__(self) -> None:
        super().__init__()
        self._starts: list[tuple[BasicSpan, str]] = []  # each span, and the line that started it
        self.tracer = BasicTracer(self)
        """A `BasicTracer` of its own: no scope that another test left open is active in it."""
        self._installed = ExitStack()

    def __enter__(self) -> CapTrace:
        self._installed.enter_context(no_parent_scope())
        self._installed.enter_context(opentracing.use_tracer(self.tracer))
        self._installed.enter_context(opentelemetry_captured(self.tracer))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._installed.close()

    def __repr__(self) -> str:
        return f"<CapTrace: {len(self.spans)} spans, {len(self.unfinished)} unfinished>"

    def span_started(self, span: BasicSpan) -> None:
        """Remember the span, and the line of code that started it."""
        self._starts.append((span, _line_outside(sys._getframe(1))))

    @property
    def recorder(self) -> InMemoryRecorder:
        """The recorder of `tracer`, which is this object."""
        return self

    @property
    def started(self) -> int:
        """The number of spans started so far."""
        return len(self._starts)

    @property
    def unfinished(self) -> list[BasicSpan]:
        """The spans started and not finished so far, in the order in which they started."""
        return [span for span, _ in self._starts if not span.finished]

    def in_order(self) -> list[BasicSpan]:
        """The finished spans, in the order in which they started."""
        # Not by the clock alone: some tick only every few milliseconds.
        recorded = {id(span) for span in self.spans}
        return [span for span, _ in self._starts if id(span) in recorded]

    def as_dicts(self) -> list[dict[str, Any]]:
        """The finished spans in `to_dict` form, the same each time; see `snapshot`."""
        return snapshot(self.in_order())

    def timeline(self, width: int | None = None, *, stream: IO[str] | None = None) -> str:
        """The traces as `render_text` draws them, and below them the spans never finished.

        At most 200 lines are drawn, and 50 of the spans below are listed.
        """
        traces = Trace.from_spans([*self.spans, *self.unfinished])
        lines = shortened(render_text(traces, width=width, stream=stream).splitlines())
        unfinished = self.describe_unfinished()
        return "\n".join([*lines, *(["", "Never finished:", unfinished] if unfinished else [])])

    def describe_unfinished(self, since: int = 0) -> str:
        """A line for each span never finished, with the line of code that started it.

        `since` leaves out that many of the spans started first; `started` counts them. At most 50
        spans are listed.
        """
        lines = [
            f"  {shown(span.operation_name)}, started at {line}"
            for span, line in self._starts[since:]
            if not span.finished
        ]
        return "\n".join(shortened(lines, _MAX_UNFINISHED))

    def _shown(self, tags: Iterable[str] | None) -> str:
        unfinished = self.describe_unfinished()
        return super()._shown(tags) + (f"\nNever finished:\n{unfinished}" if unfinished else "")


def _line_outside(frame: FrameType) -> str:
    """The line of code outside the tracer that led into it, as ``path:line``."""
    outer: FrameType | None = frame
    while outer is not None and f"{outer.f_globals.get('__name__')}.".startswith(_OURS):
        frame, outer = outer, outer.f_back
    frame = outer or frame
    path = frame.f_code.co_filename
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # no working directory, or another drive
        reraise_interrupt()
        relative = path
    return f"{path if relative.startswith(os.pardir) else relative}:{frame.f_lineno}"


def snapshot(spans: Iterable[AnySpan]) -> list[dict[str, Any]]:
    """The `to_dict` form of spans, in the order of their trees, without what differs by chance.

    Ids count from 1, and keep their width. Times count steps through the tree from 0, one a second:
    a span's start, its logs, its children, its end. The text of a traceback, which names files and
    lines, is ``"..."``.
    """
    times = map(float, count())
    trace_ids: dict[str, str] = {}
    span_ids: dict[str, str] = {}
    found: list[dict[str, Any]] = []
    for trace in Trace.from_spans(spans):
        # Not recursive: a chain of spans may be longer than the interpreter's stack.
        waiting: list[tuple[TraceNode, dict[str, Any] | None]]
        waiting = [(root, None) for root in reversed(trace.roots)]
        while waiting:
            node, entered = waiting.pop()
            if entered is not None:
                if node.duration is not None:
                    entered["duration"] = next(times) - entered["start_time"]
                continue
            fields = {
                **node.fields,
                "trace_id": _numbered(node.trace_id, trace_ids),
                "span_id": _numbered(node.span_id, span_ids),
                "start_time": next(times),
                "logs": [
                    {"timestamp": next(times), "fields": _without_stack(log["fields"])}
                    for log in node.logs
                ],
                "references": [dict(each) for each in node.fields.get("references", ())],
            }
            found.append(fields)
            waiting.append((node, fields))
            waiting.extend((child, None) for child in reversed(node.children))
    for fields in found:
        # Now that every recorded span has its number, those of spans elsewhere follow.
        fields["parent_id"] = _numbered(fields["parent_id"], span_ids)
        for reference in fields["references"]:
            reference["trace_id"] = _numbered(reference["trace_id"], trace_ids)
            reference["span_id"] = _numbered(reference["span_id"], span_ids)
    return found


def _numbered(id: Any, known: dict[str, str]) -> Any:
    """The number of an id, as long as the id; an empty id or None stays."""
    return known.setdefault(id, f"{len(known) + 1:0{len(id)}x}") if id else id


def _without_stack(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, logs.STACK: "..."} if logs.STACK in fields else fields
