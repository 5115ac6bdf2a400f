"""Span and SpanContext: one timed operation, and the part of it that crosses process boundaries.

Both are complete no-ops. Tracers subclass them; instrumentation only calls them::

    import opentracing

    with opentracing.global_tracer().start_span("fetch") as span:
        span.set_tag("http.method", "GET").log_kv({"event": "sent"})
        span.set_baggage_item("tenant", "cafe")  # sent with every later call: keep it short
        print(span.get_baggage_item("tenant"))  # the no-op keeps nothing

which prints::

    None

- Setters return the span. Here, no method raises; nor does one of `opentracing_recorder.span`,
  whatever it is given.
- If an `Exception` leaves the ``with`` block, the span gets the tag `error` and a log, and the
  exception then propagates. `Span.record_exception` does the same for one that is caught. Other
  exceptions, such as a cancellation, are not logged. ``async with`` works too.
- A span may be used from any thread. A context is not changed after it was made.
- The tracer decides the meaning of a call after `finish`, except `context`, which is always valid.

`opentracing` has the guide to spans and baggage; `opentracing_recorder.span` is the span that is
recorded.
"""

from __future__ import annotations

from . import _typing as t
from . import logs, tags
from .interrupts import reraise_interrupt


class _EmptyBaggage(dict[str, str]):
    """A dict that stays empty. A dict, because code for 2.4 serializes and copies baggage.

    Copies of it are plain dicts, which can be written.
    """

    def __reduce__(self) -> tuple[t.Any, ...]:
        return dict, ()

    def _refuse(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
        raise TypeError("EMPTY_BAGGAGE is shared and cannot be changed; use set_baggage_item")

    __setitem__ = __ior__ = setdefault = update = _refuse


class SpanContext:
    """The part of a span that travels: to child spans, and over the wire to other processes.

    It has two halves: baggage, which belongs to the application, and the fields by which its tracer
    identifies the span. An instance is not changed after it was made.
    """

    EMPTY_BAGGAGE: t.Mapping[str, str] = _EmptyBaggage()
    """The `baggage` of a context that has none: equal to ``{}``, shared, immutable."""

    @property
    def baggage(self) -> t.Mapping[str, str]:
        """The baggage items; the caller must not change the mapping."""
        return SpanContext.EMPTY_BAGGAGE

    def to_trace_id(self) -> str:
        """The trace's id as text, for logs and error pages; ``""`` if there is none."""
        return ""

    def to_span_id(self) -> str:
        """The span's id as text, unique within its trace; ``""`` if there is none."""
        return ""


class Span:
    """One operation in a trace, from its start until `finish`.

    As a context manager it finishes itself, and logs an exception that leaves the block::

        with tracer.start_span("fetch") as span:
            span.set_tag("http.url", url)

    Setters return the span, for chaining. The tracer decides what they do after `finish`.
    """

    def __init__(self, tracer: t.Tracer | None, context: SpanContext) -> None:
        self._tracer = tracer
        self._context = context

    @property
    def context(self) -> SpanContext:
        """The context that children and other processes continue from; valid after finish too."""
        return self._context

    @property
    def tracer(self) -> t.Tracer:
        """The tracer that started this span."""
        return self._tracer  # type: ignore[return-value]  # None only inside ScopeManager's no-op

    def set_operation_name(self: t.SpanT, operation_name: str) -> t.SpanT:
        """Replace the name given at start."""
        return self

    def finish(self, finish_time: float | None = None) -> None:
        """Mark the operation as done, now or at `finish_time` (seconds since the epoch).

        Nothing but `context` has a defined meaning afterwards.
        """

    def set_tag(self: t.SpanT, key: str, value: t.Any) -> t.SpanT:
        """Attach one fact to the whole span: a string, a bool or a number.

        Setting a key again may replace the value; the tracer decides. Standard keys are in
        `opentracing.tags`.
        """
        return self

    def set_tags(self: t.SpanT, tags: t.Mapping[str, t.Any]) -> t.SpanT:
        """Attach each item of `tags`, as `set_tag` does.

        If `tags` is no mapping, and no iterable of pairs either, nothing is attached.
        """
        if type(self) is Span:
            return self
        try:
            given = dict(tags)
        except Exception:
            reraise_interrupt()
            return self
        for key, value in given.items():
            self.set_tag(key, value)
        return self

    def log_kv(
        self: t.SpanT, key_values: t.Mapping[str, t.Any], timestamp: float | None = None
    ) -> t.SpanT:
        """Record an event with its fields, now or at `timestamp` (seconds since the epoch).

        Values may be of any type. Standard keys are in `opentracing.logs`.
        """
        return self

    def record_exception(self: t.SpanT, error: BaseException) -> t.SpanT:
        """Mark the span as failed by `error`, which was caught: as when it leaves the block.

        Sets the tag `error`, and logs the exception with its traceback. Like there, what is no
        `Exception`, such as a cancellation or a text, is not recorded. The span is not finished::

            try:
                charge(card)
            except PaymentError as error:
                span.record_exception(error)
                charge(other_card)
        """
        if issubclass(type(error), Exception):
            # Not `error.__traceback__`, which may be a property that raises.
            base: t.Any = BaseException
            Span._on_error(self, type(error), error, base.__traceback__.__get__(error))
        return self

    def is_recording(self) -> bool:
        """Whether the span may keep what it is given: False if no tracer is installed, for example.

        Call it before you compute a costly tag. By default, a span of any tracer returns True:
        tracers written for 2.4 have no such method.
        """
        return type(self) is not Span

    def set_baggage_item(self: t.SpanT, key: str, value: str) -> t.SpanT:
        """Attach an item that travels to every later descendant, over the wire as well.

        Each call made downstream carries it: keep it small. Children started earlier do not see it.
        """
        return self

    def get_baggage_item(self, key: str) -> str | None:
        """The value of a baggage item, or None."""
        return None

    def __enter__(self: t.SpanT) -> t.SpanT:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: t.TracebackType | None,
    ) -> None:
        """Finish the span; an `Exception` on its way out is tagged and logged first."""
        try:
            if exc_val is not None:
                Span._on_error(self, exc_type, exc_val, exc_tb)
        finally:
            self.finish()

    async def __aenter__(self: t.SpanT) -> t.SpanT:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: t.TracebackType | None,
    ) -> None:
        # A tracer's own `__exit__` may return True.
        return self.__exit__(exc_type, exc_val, exc_tb)

    @staticmethod
    def _on_error(
        span: Span | None,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: t.TracebackType | None,
    ) -> None:
        # Cancellation, generator exit and interpreter exit pass through spans in normal operation:
        # none of them derives from Exception.
        if span is None or not isinstance(exc_val, Exception):
            return
        try:
            set_tag = span.set_tag
        except Exception:  # an object that is no span was activated
            reraise_interrupt()
            return
        try:
            message = str(exc_val)
        except Exception:
            reraise_interrupt()
            message = type(exc_val).__name__
        set_tag(tags.ERROR, True)
        span.log_kv(
            {
                logs.EVENT: tags.ERROR,
                logs.MESSAGE: message,
                logs.ERROR_OBJECT: exc_val,
                logs.ERROR_KIND: exc_type,
                logs.STACK: exc_tb,
            }
        )

    def log_event(self: t.SpanT, event: t.Any, payload: t.Any = None) -> t.SpanT:
        """Deprecated: use `log_kv`."""
        if payload is None:
            return self.log_kv({logs.EVENT: event})
        return self.log_kv({logs.EVENT: event, "payload": payload})

    def log(self: t.SpanT, **kwargs: t.Any) -> t.SpanT:
        """Deprecated: use `log_kv`. Takes ``event``, ``payload`` and ``timestamp``."""
        key_values = {key: kwargs[key] for key in (logs.EVENT, "payload") if key in kwargs}
        return self.log_kv(key_values, kwargs.get("timestamp"))
