"""The no-op tracer, and references."""

from __future__ import annotations

import copy
import pickle
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import pytest

import opentracing
from opentracing import (
    Format,
    Reference,
    SpanContext,
    Tracer,
    UnsupportedFormatException,
    child_of,
    follows_from,
)


def test_no_op_returns_the_same_objects() -> None:
    """Every span, scope and context of a no-op tracer is the same object."""
    tracer = Tracer()
    assert tracer.start_span("a") is tracer.start_span("b", references=child_of(None))
    assert tracer.start_span("a") is tracer._noop_span
    assert tracer.start_active_span("a") is tracer._noop_scope
    assert tracer.start_span().context is tracer._noop_span_context
    assert tracer.active_span is tracer.scope_manager.active.span  # type: ignore[union-attr]
    assert not hasattr(tracer.start_span("a"), "operation_name")
    assert tracer.scope_manager.active is tracer.scope_manager._noop_scope
    assert opentracing.start_child_span(tracer._noop_span, "c") is tracer._noop_span


@pytest.mark.parametrize("format", [Format.TEXT_MAP, Format.HTTP_HEADERS, Format.BINARY])
def test_no_op_inject_and_extract(format: str) -> None:
    """Inject writes nothing, for a span or a context; extract returns a context."""
    tracer = Tracer()
    carrier: dict[str, str] = {}
    tracer.inject(tracer.start_span(), format, carrier)
    tracer.inject(tracer.start_span().context, format, carrier)
    assert carrier == {}
    assert tracer.extract(format, carrier) is tracer._noop_span_context


@pytest.mark.parametrize("format", ["unknown", None, ["unhashable"]])
def test_unknown_format_is_refused(format: object) -> None:
    """Only the three formats are supported."""
    with pytest.raises(UnsupportedFormatException):
        Tracer().inject(SpanContext(), format, {})
    with pytest.raises(UnsupportedFormatException):
        Tracer().extract(format, {})


def test_close_can_be_repeated() -> None:
    """Closing a no-op tracer succeeds, each time."""
    tracer = Tracer()
    assert tracer.close()
    assert tracer.close(timeout=0)


def test_references_unpack() -> None:
    """A reference is a named pair."""
    context = SpanContext()
    kind, referenced = child_of(context)
    assert (kind, referenced) == ("child_of", context)
    assert follows_from(context) == Reference("follows_from", context)
    assert follows_from().referenced_context is None


def test_reference_is_a_named_tuple_of_two() -> None:
    """Its fields have names, and it works like any named tuple."""
    reference = child_of(SpanContext())
    assert isinstance(reference, tuple)
    assert reference._fields == ("type", "referenced_context")
    assert (reference.type, reference[1]) == ("child_of", reference.referenced_context)


def test_supported_formats_may_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The private list has the three formats, and the no-op tracer uses it."""
    assert sorted(Tracer._supported_formats) == ["binary", "http_headers", "text_map"]
    monkeypatch.setattr(Tracer, "_supported_formats", ["own"])
    Tracer().inject(SpanContext(), "own", {})
    assert Tracer().extract("own", {}) is not None
    with pytest.raises(UnsupportedFormatException):
        Tracer().extract("text_map", {})
    with pytest.raises(UnsupportedFormatException):
        Tracer().inject(SpanContext(), "text_map", {})


@pytest.mark.parametrize(
    "use",
    [
        repr,
        tuple,
        hash,
        lambda each: (each.type, each.referenced_context, each[0], each[-1]),
        lambda each: each._asdict(),
        lambda each: each._replace(type="b"),
        lambda each: each._replace(),
        lambda each: each._make(["b", 2]),
        lambda each: type(each)(type="b", referenced_context=2),
        lambda each: (each._fields, each._field_defaults),
        copy.copy,
        copy.deepcopy,
        lambda each: each < ("b", 0),
    ],
)
def test_reference_does_what_namedtuple_would(use: Callable[[Any], Any]) -> None:
    """It is written by hand, and a user notices no difference."""
    model = namedtuple("Reference", ["type", "referenced_context"])  # type: ignore[misc]
    made, wanted = use(Reference("a", 1)), use(model("a", 1))
    assert made == wanted
    assert type(made) is (Reference if type(wanted) is model else type(wanted))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_reference_can_be_pickled(protocol: int) -> None:
    """Unpickling gives an equal reference."""
    reference = Reference("a", {"b": 1})
    assert pickle.loads(pickle.dumps(reference, protocol)) == reference


@pytest.mark.parametrize("changes", [{"kind": "b"}, {"type": "b", "context": 2}])
def test_reference_has_no_other_field(changes: dict[str, Any]) -> None:
    """A name that is not one of its fields is refused."""
    with pytest.raises((TypeError, ValueError)):
        Reference("a", 1)._replace(**changes)  # type: ignore[arg-type]
