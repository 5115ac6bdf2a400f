"""PropagatorCheckMixin: the contract of a propagator, as tests for its author."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random
from typing import Any

from opentracing import InvalidCarrierException, SpanContext, SpanContextCorruptedException

from ._baggage import MAX_BAGGAGE_BYTES, MAX_BAGGAGE_ITEMS
from ._harness_threads import on_threads
from .context import BasicSpanContext
from .propagator import Propagator

_CONTEXTS = (
    BasicSpanContext(0x1C3B00DA, 0xDEADBEEF),
    BasicSpanContext(1, 1),
    BasicSpanContext(2**64 - 1, 2**64 - 1, None, False),
    BasicSpanContext((0xAB << 64) + 0xCD, 0xEF),
    BasicSpanContext(2**128 - 1, 2**63, None, False),
)
_BAGGAGE = {"guest": "amy", "note": "naïve ☃, a=b;c%20"}
_ODD_BAGGAGE = {
    "": "",
    " ": "\r\nx: y",
    "\x00": "\x00",
    "é☃": "🎉",
    "a" * 300: "b" * 300,
    "=,;": "=",
}
_JUNK = ("", " ", "0", "-1", "x", "\x00", "é☃", "1" * 99, "0x1", "1_0", "\u0661", "x" * 100_000)
_ODD = (None, 5, 1.5, True, b"\xff\xfe", object(), ["1"], {"a": "b"})
_LONGEST = 60.0  # seconds, for 99 round trips on each of eight threads
_UNRELATED = {"accept": "text/html", "x-unrelated": "1"}


class PropagatorHooks:
    """The methods that a test of a propagator overrides; only `propagator` is required."""

    def propagator(self) -> Propagator:
        """The propagator to test: a new one, or the same each time."""
        raise NotImplementedError(f"{type(self).__name__} must override propagator()")

    def carrier(self) -> Any:
        """An empty carrier: a dict by default, for a text format; otherwise a bytearray."""
        return {}

    def check_baggage(self) -> bool:
        """Whether the format carries baggage."""
        return True

    def check_128_bits(self) -> bool:
        """Whether the format carries trace ids of 128 bits."""
        return True

    def check_decision(self) -> bool:
        """Whether the format carries the decision; otherwise, contexts are sampled or undecided."""
        return True

    def check_headers(self) -> bool:
        """Whether the entries are valid HTTP headers: visible ASCII, names in any case."""
        return True


class PropagatorCheckMixin(PropagatorHooks):
    """Checks that a propagator keeps its contract::

        class TestMyPropagator(PropagatorCheckMixin):
            def propagator(self):
                return MyPropagator()

    With unittest, derive from `unittest.TestCase` as well.
    """

    def test_round_trip(self) -> None:
        """An injected context is extracted with both ids and the decision."""
        for context in self._contexts():
            carrier = self._injected(context)
            self._assert_same(context, self._extracted(carrier), f"after {carrier!r:.200}")

    def test_extracted_contexts_are_remote(self) -> None:
        """`is_remote` is true, because the span belongs to another process."""
        context = self._extracted(self._injected(_CONTEXTS[0]))
        assert getattr(context, "is_remote", False), f"is_remote is false on {context!r}"

    def test_baggage(self) -> None:
        """Baggage is extracted with its values, of any text."""
        self._only_if(self.check_baggage(), "check_baggage")
        carrier = self._injected(BasicSpanContext(1, 2, _BAGGAGE))
        context = self._extracted(carrier)
        found = {} if context is None else dict(context.baggage)
        assert found == _BAGGAGE, f"found {found!r} after {carrier!r:.200}"

    def test_odd_baggage(self) -> None:
        """Keys and values of any kind raise nothing, and the trace is not lost."""
        for key, value in _ODD_BAGGAGE.items():
            carrier = self._injected(BasicSpanContext(1, 2, {key: value}))
            found = self._extracted(carrier)
            self._assert_same(BasicSpanContext(1, 2), found, f"with baggage {key!r:.40}")

    def test_baggage_is_bounded(self) -> None:
        """At most 64 items and 8192 bytes are extracted; the trace continues."""
        for baggage in (
            {f"k{n}": "v" for n in range(200)},
            {f"k{n}": "x" * 999 for n in range(20)},
        ):
            found = self._extracted(self._injected(BasicSpanContext(1, 2, baggage)))
            self._assert_same(BasicSpanContext(1, 2), found, "with very much baggage")
            assert found is not None
            size = sum(len(f"{key}{value}".encode()) for key, value in found.baggage.items())
            assert len(found.baggage) <= MAX_BAGGAGE_ITEMS, f"took {len(found.baggage)} items"
            assert size <= MAX_BAGGAGE_BYTES, f"took {size} bytes of baggage"

    def test_nothing_to_inject(self) -> None:
        """A context without a trace, or of another tracer, writes nothing."""
        for context in (BasicSpanContext(), SpanContext(), BasicSpanContext(0, 0)):
            carrier = self._injected(context)
            assert carrier == self.carrier(), f"{context!r} wrote {carrier!r:.200}"

    def test_nothing_to_extract(self) -> None:
        """`extract` returns None for a carrier without a trace, and for None, for "no headers"."""
        carriers = [None, self.carrier()] + ([] if self._is_binary() else [dict(_UNRELATED)])
        for carrier in carriers:
            found = self._extracted(carrier)
            assert found is None, f"found {found!r} in {carrier!r}"

    def test_wrong_carriers(self) -> None:
        """An object that is no carrier raises `InvalidCarrierException`, from inject and extract.

        None raises it from inject only.
        """
        propagator = self.propagator()
        calls: list[tuple[str, Callable[[Any], Any]]] = [
            ("inject", partial(propagator.inject, _CONTEXTS[0])),
            ("extract", propagator.extract),
        ]
        for wrong in (None, 5, object(), {} if self._is_binary() else b"ab"):
            for name, call in calls[: 1 if wrong is None else 2]:
                try:
                    call(wrong)
                except InvalidCarrierException:
                    continue
                except Exception as error:
                    raise AssertionError(f"{name}: {wrong!r} raised {error!r}") from error
                raise AssertionError(f"{name} took {wrong!r} for a carrier")

    def test_damaged_carriers(self) -> None:
        """A damaged carrier gives a whole context, None, or `SpanContextCorruptedException`."""
        for carrier in self._damaged():
            context = self._extracted(carrier, may_be_broken=True)
            if context is not None and (context.trace_id or context.span_id):
                assert context.has_trace, f"{context!r} came of {carrier!r:.200}"

    def test_carriers_are_not_changed_by_reading(self) -> None:
        """`extract` does not change the carrier."""
        carrier = self._injected(BasicSpanContext(1, 2, _BAGGAGE))
        before = carrier.copy()
        self._extracted(carrier)
        assert carrier == before, f"{before!r:.200} became {carrier!r:.200}"

    def test_every_thread_may_use_it(self) -> None:
        """Each of several threads extracts the contexts that it has injected."""

        def travel(number: int) -> None:
            for span_id in range(1, 100):
                context = BasicSpanContext(number, span_id)
                self._assert_same(context, self._extracted(self._injected(context)), "")

        calls = [partial(travel, each) for each in range(1, 9)]
        on_threads("inject or extract on one of several threads", calls, _LONGEST)

    def test_text_is_written(self) -> None:
        """Only strings are written into a text carrier; its unrelated entries stay."""
        self._only_if_text()
        carrier = dict(_UNRELATED)
        self.propagator().inject(BasicSpanContext(1, 2, {**_BAGGAGE, **_ODD_BAGGAGE}), carrier)
        others = [each for pair in carrier.items() for each in pair if type(each) is not str]
        assert others == [], f"not strings: {others!r:.200}"
        kept = {key: carrier.get(key) for key in _UNRELATED}
        assert kept == _UNRELATED, f"unrelated entries became {kept!r}"

    def test_headers_are_safe(self) -> None:
        """Names and values are visible ASCII, without line breaks, whatever the baggage."""
        self._only_if_text()
        self._only_if(self.check_headers(), "check_headers")
        carrier = self._injected(BasicSpanContext(1, 2, {**_BAGGAGE, **_ODD_BAGGAGE}))
        for name, value in carrier.items():
            unsafe = [each for each in name if not "!" <= each <= "~"]
            unsafe += [each for each in value if not " " <= each <= "~"]
            assert unsafe == [], f"{name!r:.80}: {value!r:.80} holds {unsafe!r:.80}"

    def test_text_is_read_in_every_form(self) -> None:
        """Mappings, pairs, text, bytes, headers in any case and WSGI environs are read."""
        self._only_if_text()
        for context in self._contexts():
            pairs = list(self._injected(context).items())
            for name, carrier in _forms(pairs, self.check_headers()).items():
                self._assert_same(context, self._extracted(carrier), f"from {name}: {pairs!r:.200}")

    def test_text_replaces_what_is_stale(self) -> None:
        """The later of two injections into a mapping or a list of pairs replaces the earlier."""
        self._only_if_text()
        carriers: tuple[Any, ...] = ({}, [], _Repeating())
        for carrier in carriers:
            for context in self._contexts():
                self.propagator().inject(context, carrier)
                self._assert_same(context, self._extracted(carrier), f"after {carrier!r:.200}")

    def test_text_leaves_nothing_of_a_stranger(self) -> None:
        """Injection replaces all headers of the format that were copied from a request.

        They may be repeated, have names in any case, and baggage that the context does not have.
        """
        self._only_if_text()
        wanted = self._injected(BasicSpanContext(3, 4))
        stale = list(self._injected(BasicSpanContext(1, 2, _BAGGAGE)).items())
        changes: list[Callable[[str], Any]] = [str, str.encode]
        changes += [str.title] if self.check_headers() else []
        for change in changes:
            pairs = [(change(name), value) for name, value in stale]
            carriers: list[Any] = [dict(pairs), [*pairs, *pairs], _Repeating([*pairs, *pairs])]
            for carrier in carriers:
                before = f"{carrier!r:.200}"
                self.propagator().inject(BasicSpanContext(3, 4), carrier)
                entries = list(carrier.items() if isinstance(carrier, dict) else carrier)
                as_text = [tuple(map(_text, pair)) for pair in entries]
                assert sorted(as_text) == sorted(wanted.items()), (
                    f"{before} became {carrier!r:.200}"
                )

    def test_entries_are_removed(self) -> None:
        """`remove_from`, if it is overridden, removes all entries of the format, and no others."""
        self._only_if_text()
        own = getattr(type(self.propagator()), "remove_from", Propagator.remove_from)
        if own is Propagator.remove_from:
            raise unittest.SkipTest("remove_from() is not overridden")
        stale = self._injected(BasicSpanContext(1, 2, _BAGGAGE))
        carriers: list[Any] = [{**_UNRELATED, **stale}, [*_UNRELATED.items(), *stale.items()]]
        for carrier in carriers:
            self.propagator().remove_from(carrier)
            assert dict(carrier) == _UNRELATED, f"left {carrier!r:.200}"

    # What the checks share.

    def _contexts(self) -> list[BasicSpanContext]:
        limit = 1 << (128 if self.check_128_bits() else 64)
        return [
            each
            for each in _CONTEXTS
            if (each.trace_id or 0) < limit and (each.sampled or self.check_decision())
        ]

    def _is_binary(self) -> bool:
        return isinstance(self.carrier(), bytearray)

    def _only_if_text(self) -> None:
        if self._is_binary():
            raise unittest.SkipTest("carrier() is a bytearray; the checks of text are skipped")

    def _only_if(self, checked: bool, hook: str) -> None:
        if not checked:
            raise unittest.SkipTest(f"{hook}() is false")

    def _injected(self, context: SpanContext) -> Any:
        carrier = self.carrier()
        try:
            self.propagator().inject(context, carrier)
        except Exception as error:
            raise AssertionError(f"inject raised {error!r:.200} for {context!r:.200}") from error
        return carrier

    def _extracted(self, carrier: Any, may_be_broken: bool = False) -> BasicSpanContext | None:
        shown = f"{carrier!r:.200}"
        try:
            return self.propagator().extract(carrier)
        except Exception as error:
            is_short = len(str(error)) < 1000
            if may_be_broken and is_short and isinstance(error, SpanContextCorruptedException):
                return None
            raise AssertionError(f"extract raised {error!r:.200} for {shown}") from error

    def _assert_same(
        self, expected: BasicSpanContext, found: BasicSpanContext | None, where: str
    ) -> None:
        assert found is not None, f"found no trace {where}"
        for field in ("trace_id", "span_id", "sampled"):
            sent, read = getattr(expected, field), getattr(found, field)
            if field == "sampled" and read is None and not self.check_decision():
                continue
            assert read == sent, f"{field}: sent {sent!r}, found {read!r} {where}"

    def _damaged(self) -> Iterator[Any]:
        whole = self._injected(BasicSpanContext((1 << 64) - 5, 2, _BAGGAGE))
        random = Random(0)  # the same each time
        if self._is_binary():
            for length in range(len(whole)):
                yield whole[:length]
            for _ in range(500):
                damaged = whole.copy()
                for _ in range(random.randint(1, 4)):
                    damaged[random.randrange(len(damaged))] = random.randrange(256)
                yield damaged
            yield bytearray(random.getrandbits(8) for _ in range(1000))
            return
        for name in whole:
            yield {key: value for key, value in whole.items() if key != name}
            for junk in (*_JUNK, *_ODD):
                yield {**whole, name: junk}
            for _ in range(100):
                text = list(whole[name])
                for _ in range(random.randint(1, 3)):
                    text[random.randrange(len(text))] = chr(random.choice((0, 45, 48, 122, 9731)))
                yield {**whole, name: "".join(text)}
            yield [*whole.items(), (name, whole[name]), (name, "2")]
        yield {None: 1, 5: "a", b"\xff": b"\xff", **whole}


class _Repeating:
    """Headers as in grpc.aio.Metadata: `items` has the list of a name's values."""

    def __init__(self, pairs: Iterable[tuple[Any, Any]] = ()) -> None:
        self._lists: dict[Any, list[Any]] = {}
        for name, value in pairs:
            self._lists.setdefault(name, []).append(value)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return ((name, value) for name, values in self._lists.items() for value in values)

    def __len__(self) -> int:
        return sum(map(len, self._lists.values()))

    def __repr__(self) -> str:
        return repr(list(self))

    def keys(self) -> Any:
        return self._lists.keys()

    def items(self) -> Any:
        return self._lists.items()

    def __setitem__(self, name: Any, value: Any) -> None:
        self._lists.setdefault(name, [None])[0] = value

    def __delitem__(self, name: Any) -> None:
        del self._lists[name][0]
        if not self._lists[name]:
            del self._lists[name]


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _forms(pairs: list[tuple[str, str]], headers: bool) -> dict[str, Any]:
    forms: dict[str, Any] = {
        "pairs": pairs,
        "an iterator": iter(pairs),
        "bytes": [(name.encode(), value.encode()) for name, value in pairs],
        "a mapping of bytes": {name.encode(): value.encode() for name, value in pairs},
        "a mapping to lists": {name: [value] for name, value in pairs},
        "headers that may repeat a name": _Repeating(pairs),
        "unrelated entries around": {**_UNRELATED, **dict(pairs), "": None, 5: "x"},
    }
    if headers:
        forms["upper case"] = {name.upper(): value for name, value in pairs}
        forms["title case"] = {name.title(): value for name, value in pairs}
        environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in pairs}
        forms["a WSGI environ"] = {"REQUEST_METHOD": "GET", **environ}
    return forms
