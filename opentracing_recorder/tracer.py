"""BasicTracer, which starts spans, gives them their place in a trace, and hands them to a recorder.

An application creates one tracer, installs it with `opentracing.set_global_tracer`, and closes it
at its end. As a context manager it closes itself::

    from opentracing import Format
    from opentracing_recorder import (
        BasicTracer,
        InMemoryRecorder,
        ProbabilisticSampler,
        TraceContextPropagator,
    )

    recorder = InMemoryRecorder(max_spans=1000)
    sampler = ProbabilisticSampler(0.5)
    propagators = {Format.HTTP_HEADERS: TraceContextPropagator()}
    with BasicTracer(
        recorder, sampler, propagators=propagators, trace_id_bits=128, service_name="shop"
    ) as tracer:
        with tracer.start_active_span("checkout"):
            pass

The class lists the arguments with their defaults. Every method may be called from any thread.

## Parents

The parent of a span is `child_of`, otherwise the first `child_of` among `references`, otherwise the
first reference, otherwise the active span, unless `ignore_active_span` is True. References to None
are ignored.

A context need not be ours to be a parent or to be injected. A context of your own, or of another
tracer, is read by its attributes: integers `trace_id` and `span_id`, and optionally `sampled`,
`baggage` or `_baggage`, and `is_remote`. Without both ids it starts a new trace, and nothing is
injected. A propagator of your own receives the object itself.

## Carriers

`inject` and `extract` take the carriers that libraries use::

    tracer = BasicTracer(InMemoryRecorder())
    span = tracer.start_span("call")
    headers = {}
    tracer.inject(span, Format.HTTP_HEADERS, headers)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    environ["REQUEST_METHOD"] = "GET"
    for carrier in (headers, pairs, environ):
        assert tracer.extract(Format.HTTP_HEADERS, carrier).span_id == span.context.span_id
    assert tracer.extract(Format.HTTP_HEADERS, None) is None

- A carrier is a mapping, or an iterable of pairs, such as ASGI's. Names and values are `str` or
  `bytes`. If a value is a list, as in ``multiValueHeaders`` of API Gateway, its first item counts.
- None, which many libraries use for "no headers", holds no trace.
- A mapping with the name ``REQUEST_METHOD`` is a WSGI environ; Django's ``request.META`` is one.
  Names have the form ``HTTP_TRACEPARENT`` there, and variables of the process such as
  ``TRACEPARENT`` are ignored. In other carriers the form ``HTTP_...`` is ignored.
- A process continues its parent's trace with ``tracer.extract(Format.TEXT_MAP, os.environ)``. The
  parent injects into a dict and adds it to the child's environment, in upper case if OpenTelemetry
  reads it. Names keep their hyphens, so use `TraceContextPropagator` if a shell is in between.

By default, `HTTP_HEADERS` and `TEXT_MAP` use the headers of the basictracer family, and `BINARY`
its message. `opentracing_recorder.propagator` lists the other formats.

## Errors

Constructors raise a TypeError or ValueError that names the argument. `extract` raises
`InvalidCarrierException` if the carrier has the wrong type, `SpanContextCorruptedException` if it
holds a malformed trace, and `UnsupportedFormatException` if the format is not registered.
Everything else that goes wrong, in a recorder, a sampler or a value, is logged and does not reach
the application.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import islice

from opentracing import (
    Reference,
    ReferenceType,
    Scope,
    ScopeManager,
    Span,
    SpanContext,
    Tracer,
    UnsupportedFormatException,
)
from opentracing.interrupts import reraise_interrupt

from . import _typing as t
from ._arguments import check_count, check_has, check_instance, check_range, check_type
from ._clock import system
from ._failure_log import FailureLog, unguarded, watch_after_recursion, watch_first_call
from ._hex_ids import random_bits
from ._json_safe import text_of
from ._process import renew, unforked
from .context import (
    NO_EXTRA,
    BasicSpanContext,
    ExtractedSpanContext,
    basic_context,
    copied_baggage,
)
from .recorder import NoopRecorder, Recorder, named, started_hook
from .span import BasicSpan, StartedSpan, context_of, text_tags

_MAX_REFERENCES = 10_000  # that are taken from an iterator, which may have no end

_NO_BAGGAGE = SpanContext.EMPTY_BAGGAGE


class BasicTracer(Tracer):
    """The reference tracer. Every method may be called from any thread.

    ::

        tracer = BasicTracer(InMemoryRecorder())

    - `recorder` takes each finished, sampled span (default: none is kept).
    - `sampler` decides which traces are kept (default: all).
    - `scope_manager` keeps the active span (default: `ContextVarsScopeManager`, which serves
      threads and asyncio alike).
    - `propagators` are added to the default ones, by format: text for TEXT_MAP and HTTP_HEADERS,
      binary for BINARY.
    - `trace_id_bits` is 64 or 128.
    - `max_tags` and `max_logs` limit each span.
    - `service_name` is shown with this tracer's spans (default: that of the recorder, if it has
      one when the tracer is made). A recorder sends spans under its own.

    Raises TypeError or ValueError for an argument that cannot serve, and names it.
    """

    def __init__(
        self,
        recorder: Recorder | None = None,
        sampler: t.Sampler | None = None,
        scope_manager: ScopeManager | None = None,
        *,
        propagators: Mapping[t.Any, t.Propagator] | None = None,
        trace_id_bits: int = 64,
        max_tags: int = 128,
        max_logs: int = 128,
        service_name: str | None = None,
    ) -> None:
        # Imported by the first tracer, and not by the first request: the children that a server
        # forks have them.
        from opentracing.scope_managers.contextvars import ContextVarsScopeManager

        from . import _rarely_needed  # noqa: F401
        from ._required_propagators import REQUIRED_PROPAGATORS
        from .sampler import ConstSampler

        if scope_manager is None:
            scope_manager = ContextVarsScopeManager()
        check_has("scope_manager", scope_manager, "activate")
        check_range("trace_id_bits", trace_id_bits, trace_id_bits in (64, 128), "64 or 128")
        if service_name is not None:
            check_type("service_name", service_name, str)
        super().__init__(scope_manager)
        self.recorder = NoopRecorder() if recorder is None else recorder
        self.sampler = ConstSampler(True) if sampler is None else sampler
        self.max_tags = check_count("max_tags", max_tags)
        self.max_logs = check_count("max_logs", max_logs)
        self.service_name = named(self.recorder) if service_name is None else service_name
        self._trace_id_bits = trace_id_bits
        self._new_id: Callable[[int], int] = random_bits
        self._propagators: dict[t.Any, t.Propagator] = dict(REQUIRED_PROPAGATORS)
        if propagators is not None:
            check_type("propagators", propagators, Mapping, "a mapping of formats to Propagators")
            for format, propagator in propagators.items():
                self.register_propagator(format, propagator)
        self._places_spans = type(self).place_span is not BasicTracer.place_span
        self._own_failures = FailureLog(self)
        self._delivered: bool | None = None  # what `close` returned

    @property
    def recorder(self) -> Recorder:
        """The recorder, which gets each finished, sampled span."""
        return unguarded(self._recorder)  # type: ignore[no-any-return]

    @recorder.setter
    def recorder(self, recorder: Recorder) -> None:
        check_has("recorder", recorder, "record_span")  # it need not derive from `Recorder`
        self._recorder = watch_first_call(self, "_recorder", recorder)
        self._recorder_failures = FailureLog(recorder, is_last=True)
        started = started_hook(recorder)
        self._span_started = (
            None if started is None else watch_first_call(self, "_span_started", started)
        )

    @property
    def sampler(self) -> t.Sampler:
        """The sampler, which decides which traces are kept."""
        return unguarded(self._sampler)  # type: ignore[no-any-return]

    @sampler.setter
    def sampler(self, sampler: t.Sampler) -> None:
        from .sampler import ConstSampler, reads_start

        check_has("sampler", sampler, "sampled")
        self._sampler = watch_first_call(self, "_sampler", sampler)
        self._sampler_failures = FailureLog(sampler, is_last=True)
        self._reads_start = reads_start(sampler)
        # The default is not asked.
        self._keeps_all = type(sampler) is ConstSampler and sampler.decision

    # Spans.

    def start_active_span(
        self,
        operation_name: str,
        child_of: Span | SpanContext | None = None,
        references: Sequence[Reference] | Reference | None = None,
        tags: Mapping[str, t.Any] | None = None,
        start_time: float | None = None,
        ignore_active_span: bool = False,
        finish_on_close: bool = True,
    ) -> Scope:
        # Keyword arguments, passed by position: that costs half.
        span = self.start_span(
            operation_name, child_of, references, tags, start_time, ignore_active_span
        )
        return self._scope_manager.activate(span, finish_on_close)

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        if (
            cls.start_span is not BasicTracer.start_span
            and cls.start_active_span is BasicTracer.start_active_span
        ):
            cls.start_active_span = _start_active_span  # type: ignore[method-assign]

    def start_span(
        self,
        operation_name: str | None = None,
        child_of: Span | SpanContext | None = None,
        references: Sequence[Reference] | Reference | None = None,
        tags: Mapping[str, t.Any] | None = None,
        start_time: float | None = None,
        ignore_active_span: bool = False,
    ) -> BasicSpan:
        parent: t.Any = child_of
        links = None
        if references is not None:
            links = _usable(references, self._known_context)
            if parent is None and links:
                parent = _parent_among(links)
        if parent is None and not ignore_active_span:
            scope = self._scope_manager.active
            if scope is not None:
                parent = scope.span

        # `isinstance` would load a lazy object to get its class.
        if type(parent) is StartedSpan and parent._own_context is None:
            # It has no context object yet: the span itself holds the fields.
            trace_id = parent._trace_id
            parent_id = parent._span_id
            sampled = parent._sampled
            baggage = parent._baggage
            given = None
        else:
            if not unforked[0]:
                renew()
            trace_id = parent_id = sampled = given = None
            baggage = _NO_BAGGAGE
            if parent is not None:
                given = context_of(parent)
                if given is not None:
                    kind = type(given)
                    if kind is not BasicSpanContext and kind is not ExtractedSpanContext:
                        given = self._known_context(given)
                    if given.has_trace:
                        trace_id = given.trace_id
                        parent_id = given.span_id
                    sampled = given.sampled
                    baggage = given._baggage
                    if baggage is not _NO_BAGGAGE:
                        # The child's own: a later change of the parent's does not reach it.
                        baggage = copied_baggage(baggage)

        # One id in 2**64 is 0, which means "none" on the wire: then the next one is taken. The
        # span's id comes first, as MockTracer's consecutive ids did in 2.4.
        new_id = self._new_id
        span_id = new_id(64) or new_id(64)
        if trace_id is None:
            bits = self._trace_id_bits
            trace_id = new_id(bits) or new_id(bits)
        if type(operation_name) is not str:
            operation_name = "" if operation_name is None else text_of(operation_name)
        if sampled is None:
            sampled = (
                True if self._keeps_all else self._sample(trace_id, operation_name, given, tags)
            )

        # The constructor of a span, unrolled: no second frame, and no context object, which few
        # spans need.
        span = StartedSpan()
        span._tracer = self
        span._own_context = None
        span._trace_id = trace_id
        span._span_id = span_id
        span._sampled = span._plain = sampled
        span._baggage = baggage
        span._logs = None
        span.operation_name = operation_name
        span.parent_id = parent_id
        span.duration = -1.0
        span.tags = {}
        if links:
            span.references = links
            span._baggage = baggage = _joined_baggage(baggage, links)
        clock = time.time
        if start_time is None and clock is system.time:
            span.start_time = clock()
            span._started = system.perf_counter()
        else:
            span._set_start_time(start_time)
        if tags is not None:
            tags = span._set_first_tags(tags)
        if given is not None:
            extra = given.extra
            if extra is not NO_EXTRA:
                # Only a context object has a place for it: all descendants have one then.
                span._plain = False
                span._own_context = BasicSpanContext(
                    trace_id, span_id, baggage, span._sampled, parent_id, extra
                )
        if self._places_spans:
            try:
                if given is None:
                    given = parent.context if type(parent) is StartedSpan else BasicSpanContext()
                self.place_span(span, given, tags)
            except Exception:
                reraise_interrupt()
                self._own_failures.report("place_span")
        if self._span_started is not None and (span._plain or span.sampled):
            try:
                self._span_started(span)
            except Exception:
                reraise_interrupt()
                watch_after_recursion(self, "_span_started")
                self._recorder_failures.report("span_started")
        return span

    _known_context = staticmethod(basic_context)
    """Reads a parent's context of another class; `MockTracer` has its own."""

    def place_span(
        self, span: BasicSpan, parent: BasicSpanContext, tags: Mapping[str, t.Any] | None
    ) -> None:
        """Give a new span other ids or another parent; for a subclass to override.

        Called for every span that is started, sampled or not, before a recorder's `span_started`
        sees it. It may set `span.context` (a `BasicSpanContext`: ids, decision, baggage) and
        `span.parent_id`; both are set already as they are by default.

        - `parent` is the context of the span's parent. That of a root has no trace:
          `parent.has_trace` is False.
        - `tags` are those given at the start, in text, also for a span that keeps none; None if
          none was given. They are not to be changed.

        An exception is logged, and never reaches the application: the span goes on as it is. A
        tracer whose class does not override this method does not pay for it.
        """

    def _sample(
        self, trace_id: int, operation_name: str, given: BasicSpanContext | None, tags: t.Any
    ) -> bool:
        try:
            if self._reads_start:
                first = {} if tags is None else text_tags(tags)
                parent = BasicSpanContext() if given is None else given
                return bool(self._sampler.sampled_start(trace_id, operation_name, first, parent))
            if given is not None and given.trace_id == trace_id:
                ask = getattr(self._sampler, "sampled_remote", None)
                if ask is not None:  # it is missing if the class does not derive from Sampler
                    return bool(ask(given, operation_name))
            return bool(self._sampler.sampled(trace_id, operation_name))
        except Exception:
            reraise_interrupt()
            watch_after_recursion(self, "_sampler")
            self._sampler_failures.report("sampled_start" if self._reads_start else "sampled")
            return True

    def record(self, span: BasicSpan) -> None:
        """Hand a finished span to the recorder; called by `BasicSpan.finish`."""
        try:
            self._recorder.record_span(span)
        except Exception:
            reraise_interrupt()
            watch_after_recursion(self, "_recorder")
            self._recorder_failures.report("record_span")

    # Propagation.

    def register_propagator(self, format: t.Any, propagator: t.Propagator) -> None:
        """Use `propagator` for `format` from now on.

        It need not derive from `Propagator`, and may have just one of its two methods: then the
        other one does nothing.
        """
        from .propagator import as_propagator

        check_instance("propagator", propagator)
        usable = as_propagator(
            propagator,
            f"the propagator for {text_of(format)!r} must be a Propagator,"
            f" not {type(propagator).__name__}",
        )
        try:
            self._propagators[format] = usable
        except TypeError:
            reraise_interrupt()
            raise TypeError(f"format must be hashable, not {type(format).__name__}") from None

    def register_required_propagators(self) -> None:
        """Does nothing: every tracer has them. basictracer requires this call."""

    def inject(self, span_context: SpanContext | Span, format: t.Any, carrier: t.Any) -> None:
        """Write a context (or a span's) into `carrier`; one without a trace writes nothing."""
        try:
            propagator = self._propagators[format]
        except (KeyError, TypeError):
            reraise_interrupt()
            raise self._unsupported(format) from None
        if type(span_context) is BasicSpanContext:  # nearly always: this saves a call
            propagator.inject(span_context, carrier)
            return
        context = context_of(span_context)
        if context is not None:
            propagator.inject(context, carrier)

    def extract(self, format: t.Any, carrier: t.Any) -> SpanContext | None:
        try:
            propagator = self._propagators[format]
        except (KeyError, TypeError):
            reraise_interrupt()
            raise self._unsupported(format) from None
        return propagator.extract(carrier)

    def _unsupported(self, format: t.Any) -> UnsupportedFormatException:
        known = ", ".join(sorted(text_of(each) for each in self._propagators))
        return UnsupportedFormatException(
            f"no propagator for the format {text_of(format)!r}; registered: {known}"
        )

    # The end.

    def flush(self, timeout: float | None = None) -> bool:
        """Have the recorder deliver what it holds, within `timeout` seconds.

        None means the recorder's default, or no limit. Returns whether all of it was delivered.
        """
        return self._call_recorder("flush", timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Close the recorder, within `timeout` seconds. A second call does nothing.

        None means the recorder's default, or no limit. Each call returns whether everything was
        delivered.
        """
        if self._delivered is None:
            self._delivered = False  # for a call on another thread meanwhile
            self._delivered = self._call_recorder("close", timeout)
        return self._delivered

    def _call_recorder(self, method: str, timeout: float | None) -> bool:
        call = getattr(self.recorder, method, None)
        if call is None:
            return True
        try:
            return bool(call(timeout))
        except Exception:
            reraise_interrupt()
            self._recorder_failures.report(method)
            return False

    def __repr__(self) -> str:
        recorder, sampler = text_of(self.recorder), type(self.sampler).__name__
        service = "" if self.service_name is None else f" {self.service_name!r}"
        return f"<{type(self).__name__}{service} recorder={recorder} sampler={sampler}>"

    # Copies. In another process, a copy would give the same ids again, and hand spans to a recorder
    # that nobody reads.

    def __reduce__(self) -> t.Any:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled: make one in each process, and send it the"
            " context of the span that is to be its parent"
        )

    def __copy__(self: t.TracerT) -> t.TracerT:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self: t.TracerT, memo: object) -> t.TracerT:
        return self

    def __enter__(self: t.TracerT) -> t.TracerT:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@wraps(BasicTracer.start_active_span)
def _start_active_span(self: BasicTracer, *args: t.Any, **kwargs: t.Any) -> Scope:
    # For a subclass with its own `start_span`, which may take keyword arguments alone.
    given = {**dict(zip(_PARAMETERS, args)), **kwargs}
    finish_on_close = given.pop("finish_on_close", True)
    return self._scope_manager.activate(self.start_span(**given), finish_on_close)


_PARAMETERS = BasicTracer.start_active_span.__code__.co_varnames[1:8]


def _usable(references: t.Any, known: Callable[[t.Any], BasicSpanContext]) -> tuple[Reference, ...]:
    """The references that refer to something, each to a context. One alone needs no list."""
    usable = []
    try:
        if issubclass(type(references), Reference):
            references = (references,)
        for each in islice(references, _MAX_REFERENCES):
            if issubclass(type(each), Reference):
                context = context_of(each.referenced_context)
                if context is not None:
                    usable.append(Reference(text_of(each.type), known(context)))
    except Exception:  # no iterable, or one that fails
        reraise_interrupt()
    return tuple(usable)


def _parent_among(links: tuple[Reference, ...]) -> t.Any:
    """The context of the first CHILD_OF, or of the first reference if there is none."""
    parents = (link for link in links if link.type == ReferenceType.CHILD_OF)
    return next(parents, links[0]).referenced_context


def _joined_baggage(baggage: Mapping[str, str], links: tuple[Reference, ...]) -> Mapping[str, str]:
    """The baggage of the parent and of all references. If a key is repeated, the first counts."""
    joined = dict(baggage)
    for link in links:
        context = link.referenced_context
        if isinstance(context, BasicSpanContext):
            for key, value in copied_baggage(context._baggage).items():
                joined.setdefault(key, value)
    return joined or _NO_BAGGAGE
