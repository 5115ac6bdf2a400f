"""B3Propagator: the headers of Zipkin and of all that is traced for it.

::

    from opentracing_recorder import B3Propagator

    b3 = B3Propagator(single_header=True)
    context = b3.extract({"X-B3-TraceId": "463ac35c9f6413ad", "X-B3-SpanId": "a2fb4a1d1a96d312"})
    assert context.sampled is None  # the sampler decides
    headers = {}
    b3.inject(context, headers)
    assert headers == {"b3": "463ac35c9f6413ad-a2fb4a1d1a96d312"}

The wire is that of https://github.com/openzipkin/b3-propagation: either the ``x-b3-*`` headers, or
one header named ``b3``. Limits and errors: see `opentracing_recorder.propagator`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from opentracing import SpanContext, SpanContextCorruptedException
from opentracing.interrupts import reraise_interrupt

from ._errors import shown
from ._hex_ids import hex_ids
from ._hex_ids_read import parse_hex_id, parse_hex_ids
from .context import NO_EXTRA, BasicSpanContext, RemoteSpanContext, basic_context
from .propagator import CarrierPropagator

_SINGLE = "b3"
_TRACE_ID = "x-b3-traceid"
_SPAN_ID = "x-b3-spanid"
_PARENT_ID = "x-b3-parentspanid"
_SAMPLED = "x-b3-sampled"
_FLAGS = "x-b3-flags"
_IDS = (_TRACE_ID, _SPAN_ID, _PARENT_ID)
_FIELDS = frozenset((_SINGLE, *_IDS, _SAMPLED, _FLAGS))

_ROOT = (_TRACE_ID, _SPAN_ID, _SAMPLED)
_USUAL = ((_SINGLE,), _ROOT, (*_ROOT, _PARENT_ID))

_DECISIONS = {"1": True, "0": False}
_WORDS = {"true": True, "false": False}  # of tracers from before the specification


class B3Propagator(CarrierPropagator):
    """B3 for any format with text carriers: TEXT_MAP and HTTP_HEADERS alike.

    Reads ``b3``; if it is missing or malformed, ``x-b3-*``. Writes ``x-b3-*``, or ``b3`` if
    `single_header` is True (default: False). Names are written in lower case, and the span's parent
    is written too.

    A decision may come without a trace id: then the context has no ids, and its `sampled` holds for
    the trace that starts. Without a decision, `sampled` is None. The debug flag is
    ``"debug": "1"`` in `extra`. B3 has no baggage: none is read or written.
    """

    def __init__(self, single_header: bool = False) -> None:
        self.single_header = single_header
        super().__init__(_field_of, _USUAL)

    def inject(self, span_context: SpanContext, carrier: Any) -> None:
        if type(span_context) is not BasicSpanContext:  # as it nearly always is
            span_context = basic_context(span_context)
        ids = hex_ids(span_context.trace_id, span_context.span_id, span_context.parent_id)
        if ids is None:
            return
        # An empty dict takes the entries as they are, without a call.
        entries = carrier if type(carrier) is dict and not carrier else {}
        debug = span_context.extra and span_context.is_debug
        sampled = span_context.sampled
        trace_id, span_id, parent = ids
        if not self.single_header:
            entries[_TRACE_ID], entries[_SPAN_ID] = trace_id, span_id
            if parent:
                entries[_PARENT_ID] = parent
            if debug:
                entries[_FLAGS] = "1"
            elif sampled is not None:
                entries[_SAMPLED] = "1" if sampled else "0"
        elif debug or sampled is not None:
            decision = "d" if debug else "1" if sampled else "0"
            value = f"{trace_id}-{span_id}-{decision}"
            entries[_SINGLE] = f"{value}-{parent}" if parent else value
        else:
            # No parent without a decision: many readers take what is third for one.
            entries[_SINGLE] = f"{trace_id}-{span_id}"
        if entries is not carrier:
            self._format.write(carrier, entries)

    def _read_usual(self, carrier: Any, names: tuple[str, ...], context: RemoteSpanContext) -> None:
        parent_id: Any = None
        if len(names) == 1:
            # No more of an endless one; a value that is no text fails here.
            parts = carrier[names[0]].split("-", 4)
            if len(parts) == 3:
                trace_id, span_id, sampled = parts
            else:
                trace_id, span_id, sampled, parent_id = parts
                if len(parent_id) != 16:
                    raise ValueError
        else:
            trace_id = carrier[names[0]]
            span_id = carrier[names[1]]
            sampled = carrier[names[2]]
            if len(names) == 4:
                parent_id = carrier[names[3]]
        context.trace_id, context.span_id = parse_hex_ids(trace_id, span_id)
        context.sampled = _DECISIONS[sampled]
        if parent_id is not None:
            context.parent_id = _parse_parent_id(_PARENT_ID, parent_id)

    def _from_any(self, carrier: Any) -> BasicSpanContext | None:
        fields = self._format.read_text(carrier)
        try:
            return _from_fields(fields)
        except SpanContextCorruptedException:
            # Some servers join repeated headers with commas. A header without a value is none.
            firsts = {field: value.partition(",")[0] for field, value in fields.items() if value}
            if firsts == fields:
                raise
            return _from_fields(firsts)


def _from_fields(fields: Mapping[str, str]) -> BasicSpanContext | None:
    if _SINGLE not in fields:
        return _from_several(fields)
    try:
        return _from_single(fields[_SINGLE])
    except SpanContextCorruptedException:
        with suppress(SpanContextCorruptedException):
            context = _from_several(fields)
            if context is not None:
                return context
        raise


def _from_several(fields: Mapping[str, str]) -> BasicSpanContext | None:
    sampled = None
    extra = NO_EXTRA
    if _SAMPLED in fields:
        sampled = _parse_sampled(fields[_SAMPLED])
    if _FLAGS in fields and fields[_FLAGS].strip(" \t") == "1":  # no other flag was ever defined
        sampled, extra = True, {"debug": "1"}
    try:
        return RemoteSpanContext(
            parse_hex_id(_TRACE_ID, fields[_TRACE_ID], 32),
            parse_hex_id(_SPAN_ID, fields[_SPAN_ID], 16),
            None,
            sampled,
            _parse_parent_id(_PARENT_ID, fields[_PARENT_ID]) if _PARENT_ID in fields else None,
            extra,
        )
    except KeyError as missing:
        reraise_interrupt()
        # As in Brave: a decision without a trace id counts, whatever other ids are present.
        is_decision = sampled is not None and _TRACE_ID not in fields
        if not is_decision and not fields.keys().isdisjoint(_IDS):
            found = ", ".join(field for field in _IDS if field in fields)
            message = f"found {found} without {missing.args[0]}"
            raise SpanContextCorruptedException(message) from None
    return None if sampled is None else RemoteSpanContext(sampled=sampled, extra=extra)


def _from_single(value: str) -> BasicSpanContext:
    """From ``traceid-spanid[-decision][-parentspanid]``, or from a decision alone."""
    parts = value.strip(" \t").split("-", 4)
    if len(parts) == 1:
        sampled, extra = _parse_single_decision(parts[0], value)
        return RemoteSpanContext(sampled=sampled, extra=extra)
    trace_id, span_id, *rest = parts
    decision = rest.pop(0) if rest and len(rest[0]) == 1 else None
    parent_id = rest.pop(0) if rest else None
    # Ids have their full length here: otherwise, one that was cut short would pass for another.
    if (
        rest
        or len(trace_id) not in (16, 32)
        or len(span_id) != 16
        or (parent_id is not None and len(parent_id) != 16)
    ):
        raise _invalid_single(value)
    sampled, extra = _parse_single_decision(decision, value)
    return RemoteSpanContext(
        parse_hex_id("b3's trace id", trace_id, 32),
        parse_hex_id("b3's span id", span_id, 16),
        None,
        sampled,
        None if parent_id is None else _parse_parent_id("b3's parent id", parent_id),
        extra,
    )


def _parse_single_decision(
    decision: str | None, value: str
) -> tuple[bool | None, Mapping[str, str]]:
    if decision is None:
        return None, NO_EXTRA
    if decision in _DECISIONS:
        return _DECISIONS[decision], NO_EXTRA
    if decision.lower() == "d":
        return True, {"debug": "1"}
    raise _invalid_single(value)


def _invalid_single(value: str) -> SpanContextCorruptedException:
    return SpanContextCorruptedException(
        f"{_SINGLE} got an invalid value {shown(value)},"
        " should be traceid-spanid-decision-parentspanid, the last two if known, or a decision"
    )


def _parse_sampled(value: str) -> bool:
    word = value.strip(" \t").lower()
    sampled = _DECISIONS.get(word, _WORDS.get(word))
    if sampled is None:
        raise SpanContextCorruptedException(
            f"{_SAMPLED} got an invalid value {shown(value)}, should be '1' or '0'"
        )
    return sampled


def _parse_parent_id(field: str, value: str) -> int | None:
    """The id; None if it is 0, which some senders write for a root."""
    return parse_hex_id(field, value, 16) if value.strip(" \t0") else None


def _field_of(name: str) -> str | None:
    field = name.lower()
    return field if field in _FIELDS else None
