"""Checks of inject and extract."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from opentracing import (
    Format,
    InvalidCarrierException,
    Span,
    SpanContextCorruptedException,
    UnsupportedFormatException,
    child_of,
)

from ._hooks import TracerHooks, beyond_the_contract

_TEXT_FORMATS = (Format.TEXT_MAP, Format.HTTP_HEADERS)
_UNRELATED = {"accept": "text/html", "x-unrelated": "1"}


class PropagationChecks(TracerHooks):
    """The checks of `APICompatibilityCheckMixin` about inject and extract."""

    def test_text_propagation(self) -> None:
        """A context without baggage comes back from a text map without baggage."""
        self._assert_no_baggage_after(Format.TEXT_MAP, {})

    def test_binary_propagation(self) -> None:
        """A context without baggage comes back from a bytearray without baggage."""
        self._assert_no_baggage_after(Format.BINARY, bytearray())

    def test_mandatory_formats(self) -> None:
        """Every tracer has the three formats, and can extract the carriers that it injects into."""
        carriers: dict[str, Any] = {
            Format.TEXT_MAP: {},
            Format.HTTP_HEADERS: {},
            Format.BINARY: bytearray(),
        }
        with self.tracer().start_span(operation_name="order") as span:
            for format, carrier in carriers.items():
                span.tracer.inject(span.context, format, carrier)
                span.tracer.extract(format, carrier)

    def test_unknown_format(self) -> None:
        """An unknown format raises `UnsupportedFormatException`."""
        unknown = "a format that nobody registered"
        with self.tracer().start_span(operation_name="order") as span:
            _assert_refused(UnsupportedFormatException, span, unknown)

    def test_injection_into_text_carriers(self) -> None:
        """Injection adds only strings to a text carrier, and leaves unrelated entries alone."""
        with self.tracer().start_span(operation_name="order") as span:
            span.set_baggage_item("guest", "amy")
            for format in _TEXT_FORMATS:
                carrier: dict[Any, Any] = dict(_UNRELATED)
                span.tracer.inject(span.context, format, carrier)
                kept = {key: carrier.get(key) for key in _UNRELATED}
                assert kept == _UNRELATED, f"{format}: unrelated entries became {kept!r}"
                texts = [*carrier, *carrier.values()]
                others = [each for each in texts if not isinstance(each, str)]
                assert others == [], f"{format}: not strings: {others!r}"

    def test_extraction_from_text_carriers(self) -> None:
        """An extracted context can be a parent, also if the carrier has unrelated entries."""
        tracer = self.tracer()
        with tracer.start_span(operation_name="order") as span:
            for format in _TEXT_FORMATS:
                carrier = dict(_UNRELATED)
                tracer.inject(span.context, format, carrier)
                extracted = tracer.extract(format, carrier)
                tracer.start_span("cook", child_of=extracted).finish()
                tracer.start_span("cook", references=[child_of(extracted)]).finish()

    def test_text_map_round_trip(self) -> None:
        """A trace and its baggage continue from a text map."""
        self._assert_round_trip(Format.TEXT_MAP, dict(_UNRELATED))

    def test_http_headers_round_trip(self) -> None:
        """A trace and its baggage continue from headers, whose names may arrive in another case."""
        for change in (str.upper, str.title, str.lower):
            self._assert_round_trip(Format.HTTP_HEADERS, dict(_UNRELATED), change)

    def test_binary_round_trip(self) -> None:
        """A trace and its baggage continue from a bytearray, to which injection appends."""
        self._assert_round_trip(Format.BINARY, bytearray())
        with self.tracer().start_span(operation_name="order") as span:
            carrier = bytearray(b"before")
            span.tracer.inject(span.context, Format.BINARY, carrier)
        assert carrier.startswith(b"before"), f"the bytes before are lost: {bytes(carrier)!r}"

    def test_binary_invalid_carrier(self) -> None:
        """A dict as a binary carrier raises `InvalidCarrierException`."""
        beyond_the_contract(self, "check_propagation")
        with self.tracer().start_span(operation_name="order") as span:
            _assert_refused(InvalidCarrierException, span, Format.BINARY)

    def test_extraction_without_a_trace(self) -> None:
        """A carrier without a trace gives None, or a `SpanContextCorruptedException`."""
        beyond_the_contract(self, "check_propagation")
        empty: list[dict[str, str]] = [{}, dict(_UNRELATED)]
        carriers: list[Any] = [(format, each) for format in _TEXT_FORMATS for each in empty]
        for format, carrier in (*carriers, (Format.BINARY, bytearray())):
            try:
                extracted = self.tracer().extract(format, carrier)
            except SpanContextCorruptedException:
                continue
            assert extracted is None, f"{format}: found {extracted!r} in {carrier!r}"

    def _assert_no_baggage_after(self, format: str, carrier: Any) -> None:
        tracer = self.tracer()
        with tracer.start_span(operation_name="order") as span:
            tracer.inject(span_context=span.context, format=format, carrier=carrier)
            extracted = tracer.extract(format=format, carrier=carrier)
            assert extracted is not None, f"nothing was found in {carrier!r}"
            assert extracted.baggage == {}, f"found {extracted.baggage!r}"

    def _assert_round_trip(
        self, format: str, carrier: Any, change: Callable[[str], str] | None = None
    ) -> None:
        """Fail unless a trace continues from the carrier, whose names `change` has changed."""
        beyond_the_contract(self, "check_propagation")
        tracer = self.tracer()
        with tracer.start_span(operation_name="order") as span:
            span.set_baggage_item("guest", "amy")
            tracer.inject(span.context, format, carrier)
            if change is not None:
                carrier = {change(name): value for name, value in carrier.items()}
            child = tracer.start_span("cook", child_of=tracer.extract(format, carrier))
            assert self.is_parent(span, child), f"the trace does not continue from {carrier!r}"
            if self.check_baggage_values():
                found = child.get_baggage_item("guest")
                assert found == "amy", f"baggage: found {found!r} after {carrier!r}"
            child.finish()


def _assert_refused(expected: type[Exception], span: Span, format: str) -> None:
    """Fail unless inject and extract, with a dict, raise the exception."""
    tracer = span.tracer
    for call in (partial(tracer.inject, span.context), tracer.extract):
        try:
            call(format, {})
        except expected:
            continue
        raise AssertionError(f"expected {expected.__name__}; nothing was raised")
