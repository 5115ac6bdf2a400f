"""The tracer that OpenTelemetry's API gets, which starts spans of a BasicTracer."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as _trace_api
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind

from opentracing import tags
from opentracing.interrupts import reraise_interrupt
from opentracing.scope_managers.nesting import CLOSED

from ._json_safe import text_of
from ._opentelemetry_api_scope import (
    BAGGAGE_KEY,
    SPAN_KEY,
    CurrentScope,
    current,
    get_raw,
    opened,
    pruned,
    take_baggage,
)
from ._opentelemetry_api_span import (
    KINDS,
    OURS,
    BridgedSpan,
    UnsampledSpan,
    add_links,
    call,
    record_failure,
)
from ._opentelemetry_api_values import (
    FIT,
    RANDOM_TRACE_ID,
    Details,
    InstrumentationScope,
    Origin,
    cleaned_attributes,
    time_or_none,
    to_basic_context,
    usable_links,
    valid_context_of,
)

_logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from .opentelemetry_api import BasicTracerProvider


class BridgeTracer(_trace_api.Tracer):
    """Starts spans for one instrumentation scope."""

    def __init__(self, provider: BasicTracerProvider, scope: InstrumentationScope) -> None:
        self._provider = provider
        self._instrumentation_scope = scope
        shown = {"otel.scope.name": scope.name, "otel.scope.version": scope.version}
        shown = {key: text for key, text in shown.items() if text}
        self._origins = [
            Origin(
                provider,
                scope,
                kind,
                {tags.SPAN_KIND: KINDS[kind], **shown} if kind in KINDS else shown,
            )
            for kind in sorted(SpanKind, key=lambda kind: kind.value)
        ]

    @property
    def resource(self) -> Any:
        return self._provider.resource

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        provider = self._provider
        tracer = provider.tracer
        within: Any
        if context is not None and not isinstance(context, dict):
            _logger.warning("a context of type %s was left out", text_of(type(context)))
            context = None
        if context is None:
            held = current()
            within = get_raw(held, SPAN_KEY)
            if type(within) in OURS and within._scope is not None:
                held = pruned(held)
                within = get_raw(held, SPAN_KEY)
        else:
            held = context
            within = held.get(SPAN_KEY)

        # The parent, and what OpenTelemetry knows of it.
        parent: Any
        is_remote = False
        is_random = True
        if type(within) in OURS:
            parent = within.basic_span
            if within._details is not None:
                is_random = within._details.is_random
        elif within is None:
            # `active_span` unrolled, for one scope manager.
            parent = None if context is not None or provider._is_one else provider.active_span()
        else:
            parent = None
            given = valid_context_of(within)
            if given is not None:
                parent = to_basic_context(given)
                is_remote = given.is_remote
                if is_remote and provider.scope_manager.decides_anew:
                    parent.sampled = None
                is_random = bool(given.trace_flags & RANDOM_TRACE_ID)
            elif context is None:
                parent = provider.active_span()

        # The tags to start with.
        try:
            origin = self._origins[kind._value_]  # from 0; hashing a member costs more
        except Exception:  # no kind
            reraise_interrupt()
            origin = self._origins[0]
        own = origin.own
        first = origin.shown.copy()
        late = None
        length = provider.max_attribute_length
        if attributes is not None:
            try:
                if len(attributes) + len(first) > tracer.max_tags or length is not None:
                    late = attributes
                else:
                    for key, value in attributes.items():
                        if type(value) in FIT and type(key) is str and key and key not in own:
                            first[key] = value
                        else:
                            late = attributes
                            break
                    if tags.SAMPLING_PRIORITY in first:
                        late = attributes
                        del first[tags.SAMPLING_PRIORITY]
            except Exception:
                reraise_interrupt()
                late = attributes
        if start_time is not None:
            start_time = time_or_none(start_time)
        is_heard = tracer._places_spans or tracer._span_started is not None
        heard = first if is_heard else None
        cleaned = None
        if tracer._reads_start:
            heard = first
            if late is not None:
                cleaned = cleaned_attributes(late, None, length)
                heard = {**first, **cleaned[0]}
                heard.pop(tags.SAMPLING_PRIORITY, None)  # an attribute, and no decision
        span = tracer.start_span(
            name,
            parent,
            None,
            heard,
            None if start_time is None else start_time / 1e9,
            True,
        )
        items = get_raw(held, BAGGAGE_KEY)
        if items is not None:
            take_baggage(span, items)
        if not (span._plain or span.sampled):
            return UnsampledSpan(span, is_random)
        if heard is None:
            span.tags = first
        elif heard is not first:
            span.dropped_tags = 0  # they are counted below

        details = Details()
        details.origin = origin
        details.own = own
        span.opentelemetry = details  # type: ignore[attr-defined]
        made = BridgedSpan()
        made.basic_span = span
        made._details = details
        made._scope = None
        if length is not None:
            details.length = length
        if not is_random:
            details.is_random = False
        if is_remote:
            details.is_parent_remote = True
        if start_time is not None:
            details.start_time = start_time
        if not (record_exception and set_status_on_exception):
            made._records = (record_exception, set_status_on_exception)
        if late is not None:
            kept, dropped = cleaned or cleaned_attributes(late, None, length)
            made.set_attributes(kept)
            span.dropped_tags += dropped
        if links is not None and (
            usable := usable_links(links, length, provider.max_link_attributes)
        ):
            add_links(span, details, usable)
        for processor in provider.processors:
            call(processor, "on_start", made, context)
        return made

    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Any:
        made = _CurrentSpan()
        made._tracer = self
        made._arguments = (
            name, context, kind, attributes, links, start_time,
            record_exception, set_status_on_exception,
        )  # fmt: skip
        made._finish_on_close = end_on_exit
        made._state = CLOSED
        return made


class _CurrentSpan(CurrentScope):
    """A span that is current while its block runs; as a decorator, while a function runs."""

    __slots__ = ("_arguments", "_tracer")

    _arguments: tuple[Any, ...]
    _tracer: BridgeTracer

    def __enter__(self) -> Span:  # type: ignore[override]
        if self._state is not CLOSED:  # in a loop of scopes, closing would never end
            _logger.warning("start_as_current_span was entered again; the span goes on")
            return self._shown
        tracer = self._tracer
        span: Any = tracer.start_span(*self._arguments)
        opened(self, tracer._provider.scope_manager, span, current(), self._finish_on_close)
        return span  # type: ignore[no-any-return]

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            if exc_val is not None:
                record_failure(self._shown, exc_val, *self._arguments[-2:])
        finally:
            self.close()

    def _finish(self) -> None:
        if self._finish_on_close:
            shown: Any = self._shown
            span, details = shown.basic_span, shown._details
            if details is None or span.duration >= 0.0 or details.origin.provider.processors:
                shown.end()
            else:
                span.finish()  # `end` unrolled

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def again() -> _CurrentSpan:
            made: _CurrentSpan = self._tracer.start_as_current_span(*self._arguments)
            made._finish_on_close = self._finish_on_close
            return made

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_coroutine(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return await function(*args, **kwargs)

            return traced_coroutine

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        return traced
