"""Recorder: the base class for places where finished spans go, and how to write one.

A recorder takes each finished, sampled span of a tracer. This one appends them to a file::

    import json
    import os
    import tempfile
    import threading

    from opentracing_recorder import BasicTracer, Recorder

    class FileRecorder(Recorder):
        def __init__(self, path):
            # Unbuffered: nothing waits that a forked child would write once more.
            self._file = open(path, "ab", buffering=0)
            # Re-entrant: a finalizer, or a signal's handler, may finish a span meanwhile.
            self._lock = threading.RLock()

        def record_span(self, span):
            line = json.dumps(span.to_dict()).encode() + b"\\n"
            with self._lock:
                if not self._file.closed:  # spans may finish later than that
                    self._file.write(line)

        def close(self, timeout=None):
            with self._lock:
                self._file.close()  # a second call does nothing
            return True

    path = os.path.join(tempfile.mkdtemp(), "spans.jsonl")
    with BasicTracer(FileRecorder(path), service_name="shop") as tracer:
        tracer.start_span("order", tags={"item": "teapot"}).finish()
    with open(path, encoding="utf-8") as file:
        assert json.loads(file.read())["tags"] == {"item": "teapot"}

`BasicSpan.to_dict` is the form to store and send: it is JSON-safe, and stable. The span's plain
attributes are ``operation_name``, ``context``, ``parent_id``, ``start_time``, ``duration``,
``tags``, ``logs`` and ``references``. ``examples/sqlite_recorder.py`` is a recorder for a database;
for a network, `opentracing_recorder.batch` has the queue, the thread and the retries.

The contract:

- `Recorder.record_span` is the one method to write. It is called once for each span, on the thread
  that finished it, possibly on several at once, with no lock held. The application waits for it.
- An exception never reaches the application: the tracer logs it, at most once a minute, with the
  number of times. An interrupt, such as KeyboardInterrupt, is no `Exception` and goes through.
- A recorder may trace some of its calls. Those spans are recorded by it too, so a span in every
  call recurses without end; the tracer stops that. It notices a recursion at the recorder's first
  span, or at a RecursionError, and logs it once. From then on, a span that the recorder finishes
  within its own call does not come back to it. If the recorder swallows RecursionErrors, the tracer
  notices only a recursion at the first span.
- `Recorder.flush` and `Recorder.close` take a timeout in seconds (None: the recorder's default, or
  no limit), return in time, and return whether all was delivered. ``tracer.close()`` calls
  ``close`` once. If others may close the recorder too, it accepts a second call, and a span after
  it.
- `span_started` is optional, and called with each sampled span at its start.
- `service_name` is optional: the name that spans are sent under, as text. A tracer to which none is
  given has it.

Prove a recorder with the harness, under pytest or unittest. It tries threads, values of every type,
repeated and late calls, and a fork. If the spans stay in this process's memory, override
`check_fork` to return False::

    from opentracing_recorder.harness import RecorderCheckMixin

    class TestFileRecorder(RecorderCheckMixin):
        path = os.path.join(tempfile.mkdtemp(), "spans.jsonl")

        def recorder(self):
            return FileRecorder(self.path)

        def delivered(self, recorder):
            with open(self.path, encoding="utf-8") as file:
                return [json.loads(line)["operation_name"] for line in file]

`CompositeRecorder` hands each span to several recorders; `NoopRecorder` keeps none.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable

from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._arguments import check_has, check_type
from ._failure_log import FailureLog
from ._json_safe import text_of
from .span import BasicSpan

__all__ = ["CompositeRecorder", "NoopRecorder", "Recorder"]


class Recorder(ABC):
    """Takes each finished, sampled span of a tracer."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @abstractmethod
    def record_span(self, span: BasicSpan) -> None:
        """Take one finished span.

        Called once for each span, on the thread that finished it, possibly on several at once: be
        quick, and do not block. An exception is logged, and never reaches the application. The span
        is this recorder's own: a change of its tags or logs reaches no other recorder.
        """

    def span_started(self, span: BasicSpan) -> None:  # noqa: B027
        """See a span at its start; does nothing by default.

        Called for every sampled span, with the ids that will be recorded, on the thread that starts
        it. The span is the application's, which goes on to change it. An exception is logged, and
        never reaches the application. A recorder that does not override this method does not pay
        for it: the tracer looks when it gets the recorder.
        """

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what was recorded before this call, within `timeout` seconds.

        None means the recorder's default, or no limit. Returns whether all of it was delivered.
        """
        return True

    def close(self, timeout: float | None = None) -> bool:
        """Flush, then release what is held, within `timeout` seconds. A second call does nothing.

        None means the recorder's default, or no limit. Returns whether everything was delivered.
        """
        return True


class NoopRecorder(Recorder):
    """Keeps nothing. It is a tracer's recorder by default."""

    def record_span(self, span: BasicSpan) -> None:
        pass


class CompositeRecorder(Recorder):
    """Hands each span to several recorders, in the order given. If one fails, the others go on.

    The first gets the span itself. Each of the others gets a copy with tags and logs of its own.
    """

    def __init__(self, recorders: Iterable[Recorder]) -> None:
        check_type("recorders", recorders, Iterable, "Recorders")
        self._recorders = [(each, FailureLog(each)) for each in recorders]
        for each, _ in self._recorders:
            check_has("recorder", each, "record_span")
        hooks = [(started_hook(each), failures) for each, failures in self._recorders]
        self._hooks = [(hook, failures) for hook, failures in hooks if hook is not None]

    @property
    def recorders(self) -> tuple[Recorder, ...]:
        """The recorders, in the order in which they are called."""
        return tuple(each for each, _ in self._recorders)

    @property
    def stats(self) -> t.Any:
        """The recorders' `Stats`, added up field by field; None if none of them counts.

        A span that two of them count is counted twice.
        """
        found = [getattr(each, "stats", None) for each in self.recorders]
        counted: list[t.Any] = [each for each in found if hasattr(type(each), "_fields")]
        if not counted:
            return None
        kind = type(counted[0])
        return kind(*map(sum, zip(*(each for each in counted if type(each) is kind))))

    @property
    def service_name(self) -> str | None:
        """The name of the first recorder that has one; None if none has."""
        return next(filter(None, map(named, self.recorders)), None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(map(text_of, self.recorders))}>"

    def record_span(self, span: BasicSpan) -> None:
        # Copied before the first of them may change it.
        spans = [span, *(_detached(span) for _ in self._recorders[1:])]
        for (recorder, failures), own in zip(self._recorders, spans):
            try:
                recorder.record_span(own)
            except Exception:
                reraise_interrupt()
                failures.report("record_span")

    def span_started(self, span: BasicSpan) -> None:
        for hook, failures in self._hooks:
            try:
                hook(span)
            except Exception:
                reraise_interrupt()
                failures.report("span_started")

    def flush(self, timeout: float | None = None) -> bool:
        return self._each_within(timeout, "flush")

    def close(self, timeout: float | None = None) -> bool:
        return self._each_within(timeout, "close")

    def _each_within(self, timeout: float | None, method: str) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        delivered = True
        for recorder, failures in self._recorders:
            left = None
            if timeout is not None and deadline is not None:  # `min`: the clock may go back
                left = min(timeout, max(0.0, deadline - time.monotonic()))
            call = getattr(recorder, method, None)
            if call is None:  # one written for basictracer
                continue
            try:
                delivered = bool(call(left)) and delivered
            except Exception:
                reraise_interrupt()
                failures.report(method)
                delivered = False
        return delivered


def _detached(span: t.Any) -> t.Any:
    try:
        return span._detached()
    except Exception:  # a stand-in, or a subclass that cannot be copied: it is shared, not lost
        reraise_interrupt()
        return span


def named(recorder: t.Any) -> str | None:
    """The recorder's `service_name`; None if it has none, or no text."""
    name = getattr(recorder, "service_name", None)
    return name if isinstance(name, str) else None


def started_hook(recorder: t.Any) -> t.Any:
    """The recorder's `span_started`; None if it is missing or does nothing."""
    hook: t.Any = getattr(recorder, "span_started", None)
    function = getattr(hook, "__func__", None)
    if function is Recorder.span_started:
        return None
    if function is CompositeRecorder.span_started and not hook.__self__._hooks:
        return None
    return hook
