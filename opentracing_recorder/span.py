"""BasicSpan, a span while it is built and as recorders receive it.

A recorder reads the plain attributes of a finished span, or its JSON-safe form::

    from opentracing_recorder import BasicTracer, InMemoryRecorder

    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder, service_name="shop")
    span = tracer.start_span("order", tags={"price": 12.5}, start_time=1700000000.0)
    span.log_kv({"event": "packed"}, timestamp=1700000000.125)
    span.finish(finish_time=1700000000.25)

    (span,) = recorder.spans
    assert (span.operation_name, span.duration, span.parent_id) == ("order", 0.25, None)
    assert span.logs[0].key_values == {"event": "packed"}
    assert span.to_dict()["tags"] == {"price": 12.5}

- Times are seconds since the epoch, durations seconds. Without explicit times the duration is
  measured on the monotonic clock, so it is never negative. If a test has replaced `time.time`, for
  example with freezegun, the replacement measures the duration too.
- A finished span is frozen: setters change nothing, the first late call is logged, and a second
  `finish` does nothing.
- A span that is not sampled carries its ids and baggage, but keeps no tags and logs, and reaches no
  recorder. The tag ``sampling.priority`` overrules the sampler: above 0 the span and its later
  children are sampled, 0 drops them.
- By default, a span keeps at most 128 tags and 128 logs: of logs the oldest half and the newest
  half, of tags the oldest, but always ``error``, ``http.status_code`` and ``span.kind``.
  `dropped_tags` and `dropped_logs` count the rest.
- Nothing that an application passes to a span makes it raise. Operation names and keys of tags
  become text; values of tags and fields of logs stay as they are. A logged traceback is kept as
  text that names the exception's causes, and a logged exception as a copy without its traceback,
  so a span keeps no frames alive.
- Every method may be called from any thread.

The fields of its context live in the span itself until the context is read: most spans are started,
tagged and recorded without, and need no such object.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from functools import wraps
from itertools import islice
from types import TracebackType

from opentracing import Reference, Span, SpanContext, Tracer, logs, tags
from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._clock import now, number_or_none, system
from ._errors import loggable, without_frames
from ._failure_log import RateLimit, logger, since_last
from ._hex_ids import id_text
from ._json_safe import dict_of, json_safe, text_of
from ._process import RenewedLock
from .context import (
    BasicSpanContext,
    ExtractedSpanContext,
    basic_context,
    copied_baggage,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .tracer import BasicTracer
else:
    BasicTracer = Tracer  # `typing.get_type_hints` finds its base: an import would be a circle

__all__ = ["BasicSpan", "LogData"]

_PRIORITY = tags.SAMPLING_PRIORITY
# Backends read a span's outcome and its side of a call from these: ordinary tags make room for
# them. If the limit has no room for all, the first of them are kept.
_KEPT = (tags.ERROR, tags.HTTP_STATUS_CODE, tags.SPAN_KIND)

_STACK = logs.STACK
_ERROR_OBJECT = logs.ERROR_OBJECT

# Guards what happens rarely, for all spans: making a context or the list of logs, replacing
# baggage, passing a limit. A lock in each span would cost more than all of these.
_lock = RenewedLock()


class LogData:
    """One event of a span: its fields, and when it happened (seconds since the epoch)."""

    __slots__ = ("key_values", "timestamp")

    def __init__(self, key_values: dict[str, t.Any], timestamp: float | None = None) -> None:
        self.key_values = key_values
        self.timestamp = now() if timestamp is None else timestamp

    def __repr__(self) -> str:
        return f"LogData({self.key_values!r}, {self.timestamp!r})"


class _Log(LogData):
    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__  # `log_kv` sets the fields


class BasicSpan(Span):
    """A span that records what happens to it.

    Every method may be called from any thread. `finish` freezes the span: later calls change
    nothing, and the first of them is reported in the log. An un-sampled span keeps neither tags nor
    logs, but its context and baggage travel on.
    """

    __slots__ = (
        "_baggage",
        "_logs",
        "_own_context",
        "_plain",
        "_sampled",
        "_span_id",
        "_started",
        "_trace_id",
        "_tracer",
        "duration",
        "operation_name",
        "parent_id",
        "start_time",
        "tags",
    )

    _tracer: BasicTracer

    operation_name: str

    start_time: float
    """Seconds since the epoch."""

    duration: float
    """Seconds; -1 until the span is finished."""

    parent_id: int | None
    """The parent's span id, or None for the root of a trace."""

    tags: dict[str, t.Any]
    """The tags, in a dict that the span's owner may change: the application, then a recorder."""

    references: tuple[Reference, ...] = ()
    """The references given at start, each to a context; those to None are left out."""

    dropped_tags = 0
    """The number of tags left out because the span had reached its limit: the newest, but for
    ``error``, ``http.status_code`` and ``span.kind``.
    """

    dropped_logs = 0
    """The number of logs left out, from the middle, because the span had reached its limit."""

    def __init__(
        self,
        tracer: BasicTracer,
        operation_name: str | None = None,
        context: BasicSpanContext | None = None,
        parent_id: int | None = None,
        tags: Mapping[str, t.Any] | None = None,
        start_time: float | None = None,
    ) -> None:
        # BasicTracer.start_span sets the same fields without calling this.
        context = BasicSpanContext() if context is None else context
        self._tracer = tracer
        self._context = context
        self.operation_name = "" if operation_name is None else text_of(operation_name)
        self.parent_id = parent_id
        self.tags = {}
        self._logs = None
        self.duration = -1.0
        self._set_start_time(start_time)
        if tags is not None:
            self._set_first_tags(tags)

    # The context, which is made when it is first asked for.

    @property
    def context(self) -> BasicSpanContext:
        """The context that children and other processes continue from; valid after finish too."""
        return self._own_context or self._make_context()

    @context.setter
    def context(self, given: BasicSpanContext) -> None:
        """Give the span other ids, in `BasicTracer.place_span`; nobody may have seen it before."""
        context = basic_context(given)
        self._plain = False
        self._trace_id = context.trace_id
        self._span_id = context.span_id
        self._sampled = context.sampled
        self._baggage = context._baggage
        self._own_context = context

    # 2.4 keeps the context under this name; subclasses read it and assign it.
    _context = context

    @_lock.held
    def _make_context(self) -> BasicSpanContext:
        if self._own_context is None:
            self._plain = False
            self._own_context = BasicSpanContext(
                self._trace_id, self._span_id, self._baggage, self._sampled, self.parent_id
            )
        return self._own_context

    _own_context: BasicSpanContext | None
    _plain: bool | None
    """Whether the span is sampled and unfinished, with no context object that may say otherwise:
    then it keeps what it is given without further checks.
    """
    _trace_id: int | None
    _span_id: int | None
    _sampled: bool | None
    _baggage: Mapping[str, str]
    _logs: list[LogData] | None
    _started: float | None
    """Of `perf_counter`; None if the start is given or a replaced clock's; gone once finished."""

    @property
    def tracer(self) -> BasicTracer:
        """The tracer that started this span."""
        return self._tracer

    @property
    def sampled(self) -> bool:
        """Whether this span is kept: the context's decision as it stands."""
        context = self._own_context
        return bool(self._sampled if context is None else context.sampled)

    @property
    def finished(self) -> bool:
        """Whether `finish` was called."""
        return self.duration >= 0

    @property
    def logs(self) -> list[LogData]:
        """The logs, oldest first."""
        if self._logs is None:
            lock: t.Any = _lock.current
            try:
                lock.acquire()  # `_lock.held`, unrolled
                if self._logs is None:
                    self._logs = []
                lock.release()
            except BaseException:  # of a signal's handler, before the lock was taken or after
                if lock._is_owned():
                    lock.release()
                raise
        return self._logs

    # For the application.

    def set_operation_name(self: t.SpanT, operation_name: str) -> t.SpanT:
        """Replace the name given at start."""
        if self.duration >= 0.0:
            return self._called_late("set_operation_name")
        self.operation_name = text_of(operation_name)
        return self

    def set_tag(self: t.SpanT, key: str, value: t.Any) -> t.SpanT:
        """Attach one fact to the whole span; setting a key again replaces its value.

        ``sampling.priority`` above 0 keeps the span and its later children, 0 drops them.
        """
        if self._plain and type(key) is str and key != _PRIORITY:
            own = self.tags
            own[key] = value
            if len(own) > self._tracer.max_tags:
                self._drop_tags()
            return self
        if self.duration >= 0.0:
            return self._called_late("set_tag")
        if type(key) is not str:
            key = text_of(key)
        if key == _PRIORITY:
            self._set_sampling_priority(value)
        if self.sampled:
            self.tags[key] = value
            if len(self.tags) > _limit(self._tracer, "max_tags"):
                self._drop_tags()
        return self

    def set_tags(self: t.SpanT, tags: Mapping[str, t.Any]) -> t.SpanT:
        """Attach each item of `tags`, as `set_tag` does; pairs are accepted too, and None is none.

        If they cannot be read, that is logged.
        """
        for key, value in ({} if tags is None else first_tags(tags)).items():
            self.set_tag(key, value)
        return self

    def is_recording(self) -> bool:
        """Whether the span keeps what it is given: it is sampled, and not finished."""
        return self._plain is True or (self.duration < 0.0 and self.sampled)

    def log_kv(
        self: t.SpanT, key_values: Mapping[str, t.Any], timestamp: float | None = None
    ) -> t.SpanT:
        """Record an event with its fields, now or at `timestamp` (seconds since the epoch).

        The mapping is copied. A traceback is kept as the text of `traceback.format_exception`, with
        the causes of the exception beside it and the members of a group, of at most 50,000
        characters. An exception is kept as a copy without its traceback, so that a recorded span
        keeps no frame alive.
        """
        if not self._plain:
            if self.duration >= 0.0:
                return self._called_late("log_kv")
            if not self.sampled:
                return self
        try:
            fields = key_values.copy() if type(key_values) is dict else dict_of(key_values)
            if _STACK in fields or _ERROR_OBJECT in fields:
                _release_frames(fields)
        except Exception:
            reraise_interrupt()
            fields = {logs.EVENT: text_of(key_values)}
        # The constructor of a log, unrolled.
        log = _Log()
        log.key_values = fields
        if timestamp is not None:
            timestamp = number_or_none(timestamp)
        if timestamp is None:
            clock = time.time
            timestamp = clock() if clock is system.time else now()
        log.timestamp = timestamp
        own = self._logs
        if own is None:
            own = self.logs
        own.append(log)
        if len(own) > (self._tracer.max_logs if self._plain else _limit(self._tracer, "max_logs")):
            self._drop_logs(own)
        return self

    def set_baggage_item(self: t.SpanT, key: str, value: str) -> t.SpanT:
        """Attach an item that travels to every later descendant, over the wire as well."""
        if self.duration >= 0.0:
            return self._called_late("set_baggage_item")
        key, value = text_of(key), text_of(value)
        self._replace_baggage(key, value)
        try:
            tell = getattr(self._tracer.scope_manager, "baggage_set", None)
            if (
                tell is not None
            ):  # it keeps the baggage of the active span in a place of its own too
                tell(self)
        except Exception:  # the tracer is a stand-in
            reraise_interrupt()
        return self

    @_lock.held
    def _replace_baggage(self, key: str, value: str) -> None:
        self._own_context = self._make_context().with_baggage_item(key, value)

    def get_baggage_item(self, key: str) -> str | None:
        """The value of a baggage item, or None."""
        context = self._own_context
        # Not `context.baggage`, which would make a dict for a mere reader.
        baggage = self._baggage if context is None else context._baggage
        return baggage.get(text_of(key)) if baggage else None

    def finish(self, finish_time: float | None = None) -> None:
        """Freeze the span and hand it to the tracer's recorder, if it is sampled.

        `finish_time` is in seconds since the epoch, now by default. Without explicit times the
        duration is measured on a monotonic clock, or by `time.time` if that was replaced when the
        span started; it is never negative. A second call does nothing.
        """
        try:
            started = self._started
            # Under the GIL, deleting the slot is one atomic step: if two threads finish the span at
            # once, the later one gets the AttributeError. A lock would cost more.
            del self._started
        except AttributeError:
            reraise_interrupt()
            return
        if finish_time is None and started is not None:
            duration = system.perf_counter() - started
            self.duration = duration if duration > 0.0 else 0.0  # a clock may go back
        else:
            self.duration = self._wall_clock_duration(finish_time)
        try:
            is_kept = self._plain or self.sampled
            self._plain = False
            if is_kept:
                self._tracer.record(self)
        except RecursionError:  # of the recorder: the outermost call ends it
            raise
        except Exception:
            reraise_interrupt()
            self._not_recorded()

    # For recorders.

    def to_dict(self) -> dict[str, t.Any]:
        """The whole span as JSON-safe values, in this stable form::

            trace_id, span_id   text, hexadecimal: 16 digits (or 32 for a 128-bit trace id)
            parent_id           the same, or None
            operation_name      text
            service             the tracer's service name, or None
            start_time          float, seconds since the epoch
            duration            float, seconds; None while unfinished
            tags                {text: JSON-safe value}
            logs                [{"timestamp": seconds since the epoch, "fields": {text: value}}]
            references          [{"type": text, "trace_id": text, "span_id": text}]
            baggage             {text: text}
            dropped_tags, dropped_logs   int

        A value that has no JSON form is shown as text, or by its type.
        """
        context = self.context
        try:
            service = getattr(self._tracer, "service_name", None)
        except Exception:  # the tracer is a stand-in
            reraise_interrupt()
            service = None
        return {
            "trace_id": context.to_trace_id(),
            "span_id": context.to_span_id(),
            "parent_id": None if self.parent_id is None else id_text(self.parent_id),
            "operation_name": text_of(self.operation_name),
            "service": None if service is None else text_of(service),
            "start_time": self.start_time,
            "duration": self.duration if self.duration >= 0 else None,
            # Copied first, each in one atomic step: another thread may still be adding.
            "tags": json_safe(self.tags.copy()),
            "logs": [
                {"timestamp": log.timestamp, "fields": json_safe(log.key_values)}
                for log in list(self._logs or ())
            ],
            "references": [
                {
                    "type": text_of(kind),
                    "trace_id": text_of(referenced.to_trace_id()),
                    "span_id": text_of(referenced.to_span_id()),
                }
                for kind, referenced in self.references
                if isinstance(referenced, SpanContext)
            ],
            "baggage": {
                text_of(key): text_of(value)
                for key, value in copied_baggage(context._baggage).items()
            },
            "dropped_tags": self.dropped_tags,
            "dropped_logs": self.dropped_logs,
        }

    def __repr__(self) -> str:
        context = self.context
        kind = type(self)
        name = "BasicSpan" if kind in (StartedSpan, _TravelledSpan) else kind.__name__
        return f"<{name} {self.operation_name!r} {context.to_trace_id()}:{context.to_span_id()}>"

    # Copies. A pickle takes the context along: the rest belongs to the process that finishes the
    # span.

    def __reduce_ex__(self, protocol: t.SupportsIndex) -> t.Any:
        return _TravelledSpan, (self.context, self.operation_name, self.start_time)

    def __copy__(self: t.SpanT) -> t.SpanT:
        self._make_context()  # which is one for both
        kind = type(self)
        made = kind.__new__(kind)
        state: t.Any = object.__reduce_ex__(self, 2)[2]
        fields, slots = state
        for name, value in {**(fields or {}), **slots}.items():
            setattr(made, name, value)
        return made

    def __deepcopy__(self: t.SpanT, memo: object) -> t.SpanT:
        return self

    def _detached(self: t.SpanT, made: t.Any = None) -> t.SpanT:
        """A copy with tags and logs of its own, for one of several recorders.

        It is `made`, a `StartedSpan` without fields, if that is given and this is one too.
        """
        if type(self) is StartedSpan:  # `copy` unrolled, all fields but the one `finish` deletes
            made = StartedSpan() if made is None else made
            made._tracer = self._tracer
            made._own_context = self._own_context
            made._trace_id = self._trace_id
            made._span_id = self._span_id
            made._sampled = self._sampled
            made._plain = self._plain
            made._baggage = self._baggage
            made._logs = self._logs
            made.operation_name = self.operation_name
            made.parent_id = self.parent_id
            made.duration = self.duration
            made.start_time = self.start_time
            if self.__dict__:
                made.__dict__.update(self.__dict__)
        else:
            from copy import copy

            made = copy(self)
        made.tags = self.tags.copy()
        if self._logs is not None:
            made._logs = logs = []
            for log in self._logs:
                own: LogData
                if type(log) is _Log:
                    own = _Log()
                    own.timestamp = log.timestamp
                else:
                    from copy import copy

                    own = copy(log)
                own.key_values = log.key_values.copy()
                logs.append(own)
        return made  # type: ignore[no-any-return]

    # The rare paths.

    _why_frozen = "is finished"

    _now = staticmethod(now)

    def _set_start_time(self, start_time: float | None) -> None:
        start_time = number_or_none(start_time)
        is_real = start_time is None and time.time is system.time
        self._started = system.perf_counter() if is_real else None
        self.start_time = now() if start_time is None else start_time

    def _not_recorded(self) -> None:
        """Report that the tracer raised: a stand-in, or one with a `record` of its own."""
        times, error = _unrecorded.count(), sys.exc_info()[1]
        if times and error is not None and not sys.is_finalizing():
            logger(__name__).error(
                "%s could not record a span%s; the application goes on",
                type(self._tracer).__name__,
                since_last(times),
                exc_info=loggable(error),
            )

    def _wall_clock_duration(self, finish_time: float | None) -> float:
        finish_time = number_or_none(finish_time)
        duration = (now() if finish_time is None else finish_time) - self.start_time
        return min(max(0.0, duration), sys.float_info.max)

    def _set_first_tags(self, given: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Start with a copy of these tags, and return it."""
        first = text_tags(given)
        if tags.SAMPLING_PRIORITY in first:
            self._set_sampling_priority(first[tags.SAMPLING_PRIORITY])
        if self.sampled:
            self.tags = first
            self._drop_tags()
        return first

    def _set_sampling_priority(self, value: t.Any) -> None:
        try:
            sampled = bool((value if isinstance(value, int) else float(value)) > 0)
        except Exception:
            reraise_interrupt()
            return
        self._decide(sampled)

    @_lock.held  # a context made meanwhile could have the earlier decision
    def _decide(self, sampled: bool) -> None:
        self._sampled = sampled
        if self._own_context is not None:
            self._own_context.sampled = sampled
        else:
            self._plain = sampled and self.duration < 0

    def _drop_tags(self) -> None:
        limit = _limit(self._tracer, "max_tags")
        if len(self.tags) > limit:
            self._drop_tags_beyond(limit)

    # What these two return is freed after the lock: freeing may run code of the application.

    @_lock.held
    def _drop_tags_beyond(self, limit: int) -> list[object]:
        own, dropped = self.tags, []
        while (over := len(own) - limit) > 0:
            for key in _least_needed(own, over):
                dropped.append(own.pop(key, None))
                self.dropped_tags += 1
        return dropped

    @_lock.held
    def _drop_logs(self, own: list[LogData]) -> list[LogData]:
        """Drop from the middle, so that the oldest half and the newest half stay."""
        limit = _limit(self._tracer, "max_logs")
        dropped = []
        while len(own) > limit:
            dropped.append(own.pop(limit // 2))
            self.dropped_logs += 1
        return dropped

    def _called_late(self: t.SpanT, method: str, each: bool = False) -> t.SpanT:
        """Report the first late call, or `each`."""
        if sys.is_finalizing():  # logging may be gone
            return self
        # setdefault is one atomic step: the first late call wins, whichever thread it is on.
        if each or self.__dict__.setdefault("_late_call", mark := object()) is mark:
            caller = sys._getframe()
            # Out of this package, and out of the API's: log_event and __exit__ call setters too.
            while caller.f_back and _is_ours(str(caller.f_globals.get("__name__"))):
                caller = caller.f_back
            logger(__name__).warning(
                "span %.200r %s: %s, called at %s:%d, changes nothing%s",
                getattr(self, "operation_name", ""),  # a recorder may have done anything to it
                self._why_frozen,
                method,
                caller.f_code.co_filename,
                caller.f_lineno,
                "" if each else " (further such calls on this span are not reported)",
            )
        return self


def _is_ours(module: str) -> bool:
    return module == Span.__module__ or module.startswith(_PACKAGE)


_PACKAGE = __name__.rpartition(".")[0] + "."


def _least_needed(own: dict[str, t.Any], number: int) -> list[str]:
    """The newest ordinary keys, at most `number`; if there are none, the first of `_KEPT` to go."""
    keys = list(own)
    ordinary = (key for key in reversed(keys) if type(key) is not str or key not in _KEPT)
    return list(islice(ordinary, number)) or [max(keys, key=_KEPT.index)]


class StartedSpan(BasicSpan):
    """A `BasicSpan` that comes without fields: `BasicTracer.start_span` sets them.

    It has no constructor in Python, which would cost more.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__


class _TravelledSpan(BasicSpan):
    """A span that was pickled: its context, in a span that is finished for this process.

    It serves as a parent, for a scope and to inject.
    """

    __slots__ = ()

    _why_frozen = "came from another process, which finishes it"

    def __init__(self, context: BasicSpanContext, operation_name: str, start_time: float) -> None:
        self._context = context
        self.operation_name = operation_name
        self.parent_id = getattr(context, "parent_id", None)  # theirs, if it is of another make
        self.start_time = start_time
        self.duration = 0.0
        self.tags = {}
        self._logs = None

    def __copy__(self) -> _TravelledSpan:
        return type(self)(self.context, self.operation_name, self.start_time)

    @property
    def tracer(self) -> t.Any:
        """The global tracer of this process."""
        # Imported here: finalizers finish spans late. A module that only spans hold would be
        # emptied before they run.
        from opentracing import global_tracer

        return global_tracer()

    _tracer = tracer  # pyright: ignore[reportAssignmentType]


_finish = BasicSpan.finish


@wraps(_finish)
def _finish_without_gil(self: BasicSpan, finish_time: float | None = None) -> None:
    # Without the GIL, two threads may both find the slot and delete it. A dict has its own lock.
    if self.__dict__.setdefault("_finisher", mark := object()) is mark:
        _finish(self, finish_time)


if not getattr(sys, "_is_gil_enabled", lambda: True)():  # once off, it may come on, but not back
    BasicSpan.finish = _finish_without_gil  # type: ignore[method-assign]


_DEFAULT_LIMIT = 128  # BasicTracer's default for both

_unrecorded = RateLimit()
_bad_tags = RateLimit()


def _limit(tracer: t.Any, name: str) -> int:
    """A tracer's limit; that of a stand-in, which need not have one, is the default."""
    try:
        limit = getattr(tracer, name)
    except Exception:
        reraise_interrupt()
        return _DEFAULT_LIMIT
    return limit if type(limit) is int else _DEFAULT_LIMIT


def first_tags(given: t.Any) -> dict[t.Any, t.Any]:
    """A copy of the tags given for a span. If they cannot be read, that is logged: no tags.

    The log has no exception: a hostile value can make an endless text of it.
    """
    try:
        return given.copy() if type(given) is dict else dict_of(given)
    except Exception:
        reraise_interrupt()
    times = _bad_tags.count()
    if times and not sys.is_finalizing():
        logger(__name__).warning(
            "tags of a span must be a mapping; %s could not be read, and is left out%s",
            text_of(type(given)),
            since_last(times),
        )
    return {}


def text_tags(given: t.Any) -> dict[str, t.Any]:
    """A copy of the tags given for a new span, whose keys are text."""
    first = first_tags(given)
    for key in first:
        if type(key) is not str:
            return {text_of(key): value for key, value in first.items()}
    return first


def _release_frames(fields: dict[str, t.Any]) -> None:
    stack, error = fields.get(_STACK), fields.get(_ERROR_OBJECT)
    raised = error
    if isinstance(stack, tuple) and len(stack) == 3:  # what sys.exc_info() returns
        _, raised, stack = stack
    is_error = isinstance(raised, BaseException)
    if isinstance(stack, TracebackType) or (stack is None and is_error and _STACK in fields):
        from ._stack_text import stack_text

        fields[_STACK] = stack_text(raised if is_error else None, stack)
    if isinstance(error, BaseException):
        fields[_ERROR_OBJECT] = without_frames(error)


def context_of(value: t.Any) -> t.Any:
    """The context of what is given as a parent or to inject: of a span, or the context itself.

    None if it is neither, and never an exception. One of another make is for `basic_context`.
    """
    kind = type(value)
    if kind is BasicSpanContext or kind is ExtractedSpanContext:  # as it is nearly always
        return value
    if kind is StartedSpan:
        return value.context
    try:
        context = value if isinstance(value, SpanContext) else getattr(value, "context", value)
        # In 2.4 it need not say that it is one.
        is_context = isinstance(context, SpanContext) or basic_context(context).has_trace
        return context if is_context else None
    except Exception:  # a span of another make that raises is no parent
        reraise_interrupt()
        return None


def is_failed(tags: Mapping[str, t.Any]) -> bool:
    """Whether tags mark a span as failed: ``error`` is anything true but the text ``false``."""
    value = tags.get("error")
    try:
        return bool(value) and text_of(value).lower() != "false"
    except Exception:  # an array, say, is neither true nor false
        reraise_interrupt()
        return True
