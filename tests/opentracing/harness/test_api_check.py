"""The tracers of this project pass the harness, and each check fails for a broken tracer."""

from __future__ import annotations

import subprocess
import sys
import unittest
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from opentracing import (
    Format,
    Scope,
    ScopeManager,
    Span,
    SpanContext,
    SpanContextCorruptedException,
    Tracer,
    UnsupportedFormatException,
)
from opentracing.harness._hooks import TracerHooks
from opentracing.harness.api_check import APICompatibilityCheckMixin
from opentracing.mocktracer import MockTracer
from opentracing.mocktracer.context import SpanContext as MockSpanContext
from opentracing.mocktracer.span import MockSpan
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing_recorder import BasicTracer


class ChecksOfAnyTracer(APICompatibilityCheckMixin):
    """The checks that a tracer can pass without a record of its spans are turned on."""

    def check_references(self) -> bool:
        return True

    def check_foreign_contexts(self) -> bool:
        return True

    def check_errors(self) -> bool:
        return True


class EveryCheck(ChecksOfAnyTracer):
    """All checks are turned on."""

    def is_parent(self, parent: Any, span: Any) -> bool:
        return span.parent_id == (None if parent is None else parent.context.span_id)

    def check_propagation(self) -> bool:
        return True


class TestMockTracer(EveryCheck):
    """MockTracer passes every check, with one tracer for all of them."""

    shared = MockTracer()

    def tracer(self) -> Tracer:
        return self.shared


class TestBasicTracer(EveryCheck):
    """BasicTracer passes every check."""

    def tracer(self) -> Tracer:
        return BasicTracer()


class TestNoopTracer(ChecksOfAnyTracer):
    """The no-op tracer passes the calls of the contract."""

    def tracer(self) -> Tracer:
        return Tracer()

    def check_baggage_values(self) -> bool:
        return False

    def check_scope_manager(self) -> bool:
        return False


class UnderUnittest(unittest.TestCase, EveryCheck):
    """Its name hides it from pytest; the test below runs it."""

    __test__ = False

    def tracer(self) -> Tracer:
        return MockTracer()


def checks_of(mixin: type) -> list[str]:
    return [name for name in dir(mixin) if name.startswith("test_")]


def test_unittest_runs_every_check() -> None:
    """unittest alone finds and runs the checks."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(UnderUnittest)
    result = suite.run(unittest.TestResult())
    assert (result.testsRun, result.failures, result.errors, result.skipped) == (
        len(checks_of(APICompatibilityCheckMixin)),
        [],
        [],
        [],
    )


@pytest.mark.needs_os
def test_it_loads_only_the_standard_library_and_the_api() -> None:
    """It needs no installation: neither pytest nor mock, nor this project's recorder."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r};"
        "from opentracing.harness import api_check, scope_check;"
        "print(*{'pytest', 'mock', 'six', 'opentracing_recorder'} & set(sys.modules))"
    )
    command = [sys.executable, "-S", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "\n"


def test_the_tracer_must_be_given() -> None:
    """Without `tracer`, the error names the method."""
    with pytest.raises(NotImplementedError, match=r"TracerHooks must override tracer\(\)"):
        TracerHooks().tracer()


def test_defaults_are_those_of_2_4_and_no_more() -> None:
    """A suite written for 2.4 runs the checks of 2.4; all others are off by default."""
    mixin = APICompatibilityCheckMixin()
    assert (mixin.check_baggage_values(), mixin.check_scope_manager()) == (True, True)
    turned_off = [
        mixin.check_references(),
        mixin.check_foreign_contexts(),
        mixin.check_errors(),
        mixin.check_propagation(),
    ]
    assert turned_off == [False] * 4
    assert mixin.is_parent(None, None) is False


@pytest.mark.parametrize(
    "check",
    [
        "test_start_span_single_reference",
        "test_start_span_foreign_parent",
        "test_span_error_is_reported",
        "test_text_map_round_trip",
    ],
)
def test_what_is_not_turned_on_is_skipped(check: str) -> None:
    """The skip names the method that turns the check on."""
    with pytest.raises(unittest.SkipTest, match=r"check_\w+\(\) is false"):
        getattr(APICompatibilityCheckMixin(), check)()


# Broken tracers, each with the checks that must fail.

Call = Callable[..., Any]
ROUND_TRIPS = ("test_text_map_round_trip", "test_http_headers_round_trip", "test_binary_round_trip")
FORMATS = (Format.TEXT_MAP, Format.HTTP_HEADERS, Format.BINARY)

BROKEN: list[tuple[str, Callable[[], Tracer]]] = []


def fails(*checks: str) -> Callable[[type], type]:
    def add(broken: type) -> type:
        BROKEN.extend((check, broken) for check in checks)
        return broken

    return add


def overrides(name: str, *checks: str) -> Callable[[Call], Call]:
    """A tracer with this method, which is given the true one before the arguments."""

    def add(method: Call) -> Call:
        def override(self: MockTracer, *arguments: Any) -> Any:
            return method(partial(getattr(MockTracer, name), self), *arguments)

        fails(*checks)(type(method.__name__, (MockTracer,), {name: override}))
        return method

    return add


def with_span(*checks: str) -> Callable[[type], type]:
    """A tracer that starts spans of the given class."""

    def add(broken: type) -> type:
        class BrokenTracer(MockTracer):
            def start_span(self, *args: Any, **kwargs: Any) -> Any:
                span = super().start_span(*args, **kwargs)
                span.__class__ = broken  # type: ignore[assignment]
                return span

        BrokenTracer.__name__ = broken.__name__
        fails(*checks)(BrokenTracer)
        return broken

    return add


def with_scope(*checks: str) -> Callable[[type], type]:
    """A tracer whose manager returns scopes of the given class."""

    def add(broken: type) -> type:
        class Manager(ScopeManager):
            active = None

            def activate(self, span: Span, finish_on_close: bool) -> Scope:
                self.active = broken(self, span, finish_on_close)
                return self.active

        def make() -> Tracer:
            return MockTracer(Manager())

        make.__name__ = broken.__name__
        BROKEN.extend((check, make) for check in checks)
        return broken

    return add


@with_span("test_start_span", "test_span_logs")
class LogsRaise(MockSpan):
    def log_kv(self, key_values: Any, timestamp: float | None = None) -> Any:
        raise NotImplementedError


@with_span("test_start_span_with_times")
class FinishTakesNoTime(MockSpan):
    def finish(self) -> None:  # type: ignore[override]
        super().finish()


@fails("test_set_operation_name")
class WantsAName(MockTracer):
    def start_span(self, operation_name: Any = None, *args: Any, **kwargs: Any) -> Any:
        return super().start_span(operation_name.upper(), *args, **kwargs)


@with_span("test_span_as_context_manager", "test_span_left_by_non_error")
class LeavesUnfinished(MockSpan):
    def __exit__(self, *exception: Any) -> None:
        pass


@with_span("test_span_as_context_manager", "test_span_left_by_non_error")
class Swallows(MockSpan):
    def __exit__(self, *exception: Any) -> bool:  # type: ignore[override]
        super().__exit__(*exception)
        return True


@with_span("test_span_left_by_non_error")
class FinishesOnlyForExceptions(MockSpan):
    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        if exc_val is None or isinstance(exc_val, Exception):
            super().__exit__(exc_type, exc_val, exc_tb)


@with_span("test_span_error_is_reported")
class ReportsNothing(MockSpan):
    def __exit__(self, *exception: Any) -> None:
        self.finish()


@with_span("test_span_error_is_reported")
class TagsWithoutLog(MockSpan):
    def __exit__(self, *exception: Any) -> None:
        self.set_tag("error", True).log_kv({"event": "error"})
        self.finish()


@with_span("test_span_non_error_is_not_reported")
class ReportsEverything(MockSpan):
    def __exit__(self, *exception: Any) -> None:
        self.set_tag("error", True)
        self.finish()


@with_span("test_span_tag_value_types")
class TakesOnlyText(MockSpan):
    def set_tag(self, key: str, value: Any) -> Any:
        value.encode()
        return super().set_tag(key, value)


@with_span("test_span_tags_with_chaining")
class TakesOnlyAscii(MockSpan):
    def set_tag(self, key: str, value: Any) -> Any:
        f"{key}{value}".encode("ascii")
        return super().set_tag(key, value)


@with_span("test_setters_return_the_span", "test_span_baggage")
class ReturnsNothing(MockSpan):
    def set_baggage_item(self, key: str, value: str) -> Any:
        super().set_baggage_item(key, value)


@with_span("test_set_tags")
class TakesNoTags(MockSpan):
    def set_tags(self, tags: Any) -> Any:
        raise NotImplementedError


@with_span("test_is_recording")
class DoesNotSay(MockSpan):
    def is_recording(self) -> Any:
        return None


@with_span("test_recorded_exception_is_reported")
class RecordsNothing(MockSpan):
    def record_exception(self, error: Any) -> Any:
        return self


@with_span("test_recorded_exception_is_reported")
class FinishesAtAnError(MockSpan):
    def record_exception(self, error: Any) -> Any:
        super().record_exception(error).finish()
        return self


@with_span("test_span_as_async_context_manager")
class SwallowsInTasks(MockSpan):
    async def __aexit__(self, *exception: Any) -> bool:  # type: ignore[override]
        await super().__aexit__(*exception)
        return True


@with_span("test_span_as_async_context_manager")
class LeavesTasksUnfinished(MockSpan):
    async def __aexit__(self, *exception: Any) -> None:
        pass


@with_span("test_context_after_finish")
class ForgetsItsContext(MockSpan):
    @property
    def context(self) -> Any:
        return None if self.finished else super().context


@with_span("test_span_baggage", "test_baggage_is_inherited")
class ForgetsBaggage(MockSpan):
    def get_baggage_item(self, key: str) -> None:
        return None


@with_span("test_context_baggage", "test_baggage_is_inherited_from_active_span")
class KeepsBaggageToItself(MockSpan):
    def set_baggage_item(self, key: str, value: str) -> Any:
        return self


@fails("test_active_span")
class HidesTheActiveSpan(MockTracer):
    @property
    def active_span(self) -> None:  # type: ignore[override]
        return None


@fails("test_start_active_span", "test_start_span_references_to_none")
class StartsNoRoots(MockTracer):
    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        span = super().start_span(*args, **kwargs)
        span.parent_id = span.parent_id or 1
        return span


@fails(
    "test_start_active_span_parent",
    "test_start_span_propagation",
    "test_start_span_references_to_none_in_active_span",
    "test_baggage_is_inherited_from_active_span",
)
class IgnoresTheActiveSpan(MockTracer):
    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        return super().start_span(*args, **{**kwargs, "ignore_active_span": True})


@fails(
    "test_start_active_span_ignore_active_span", "test_start_span_propagation_ignore_active_span"
)
class NeverIgnoresTheActiveSpan(MockTracer):
    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        return super().start_span(*args, **{**kwargs, "ignore_active_span": False})


@fails("test_start_active_span_not_finish_on_close")
class AlwaysFinishes(MockTracer):
    def start_active_span(self, *args: Any, **kwargs: Any) -> Scope:
        return super().start_active_span(*args, **{**kwargs, "finish_on_close": True})


@fails(
    "test_start_active_span_finish_on_close",
    "test_start_active_span_default_finish_on_close",
    "test_active_span_left_by_exception",
)
class NeverFinishes(MockTracer):
    def start_active_span(self, *args: Any, **kwargs: Any) -> Scope:
        return super().start_active_span(*args, **{**kwargs, "finish_on_close": False})


@fails("test_start_active_span_default_finish_on_close")
class FinishesWhenAsked(MockTracer):
    def start_active_span(self, *args: Any, **kwargs: Any) -> Scope:
        return super().start_active_span(*args, **{"finish_on_close": False, **kwargs})


class ForgetfulScope(Scope):
    """A scope that restores nothing when it closes."""

    def __init__(self, manager: Any, span: Span, finish_on_close: bool) -> None:
        super().__init__(manager, span)
        self.finish_on_close = finish_on_close

    def close(self) -> None:
        self.manager.active = None  # type: ignore[misc]
        if self.finish_on_close:
            self.span.finish()


with_scope("test_start_active_span_restores_the_outer_one")(ForgetfulScope)


@with_scope("test_active_span_left_by_exception")
class ClosesOnlyForExceptions(ForgetfulScope):
    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        if exc_val is None or isinstance(exc_val, Exception):
            self.close()


@with_scope("test_active_span", "test_active_span_left_by_exception")
class StaysActive(ForgetfulScope):
    def close(self) -> None:
        self.span.finish()


@fails("test_tracer_start_active_span_scope", "test_start_active_span_restores_the_outer_one")
class ActivatesNothing(MockTracer):
    def start_active_span(self, *args: Any, finish_on_close: bool = True, **kwargs: Any) -> Scope:
        return Scope(self.scope_manager, self.start_span(*args, **kwargs))


@fails("test_tracer_start_span_scope")
class ActivatesWhatItStarts(MockTracer):
    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        span = super().start_span(*args, **kwargs)
        self.scope_manager.activate(span, True)
        return span


@fails("test_start_span_with_parent", "test_start_span_child_of_reference")
class RefusesReferences(MockTracer):
    def start_span(self, *args: Any, references: Any = None, **kwargs: Any) -> Any:
        assert references is None
        return super().start_span(*args, **kwargs)


@fails("test_start_child_span", "test_start_span_child_of_span")
class IgnoresParentSpans(MockTracer):
    def start_span(self, *args: Any, child_of: Any = None, **kwargs: Any) -> Any:
        context = child_of if isinstance(child_of, SpanContext) else None
        return super().start_span(*args, child_of=context, **kwargs)


@fails("test_start_span_child_of_context")
class IgnoresParentContexts(MockTracer):
    def start_span(self, *args: Any, child_of: Any = None, **kwargs: Any) -> Any:
        span = child_of if isinstance(child_of, Span) else None
        return super().start_span(*args, child_of=span, **kwargs)


@fails("test_start_span_child_of_reference")
class IgnoresReferences(MockTracer):
    def start_span(self, *args: Any, references: Any = None, **kwargs: Any) -> Any:
        return super().start_span(*args, **kwargs)


@fails("test_start_span_child_of_other_than_active_span")
class PrefersTheActiveSpan(MockTracer):
    def start_span(self, *args: Any, child_of: Any = None, **kwargs: Any) -> Any:
        return super().start_span(*args, child_of=self.active_span or child_of, **kwargs)


@fails("test_start_span_references_to_none", "test_start_span_reference_after_one_to_none")
class WantsAllReferences(MockTracer):
    def start_span(self, *args: Any, references: Any = None, **kwargs: Any) -> Any:
        for each in references or ():
            assert each.referenced_context is not None
        return super().start_span(*args, references=references, **kwargs)


@fails("test_start_span_single_reference")
class WantsAList(MockTracer):
    def start_span(self, *args: Any, references: Any = None, **kwargs: Any) -> Any:
        references = [each for each in references or () if each.referenced_context]
        return super().start_span(*args, references=references, **kwargs)


@fails("test_start_span_reference_after_one_to_none")
class TakesTheFirstReference(MockTracer):
    def start_span(self, *args: Any, references: Any = None, **kwargs: Any) -> Any:
        return super().start_span(*args, references=(references or [])[:1], **kwargs)


@fails("test_start_span_foreign_parent")
class TakesItsOwnOnly(MockTracer):
    def start_span(self, *args: Any, child_of: Any = None, **kwargs: Any) -> Any:
        assert isinstance(getattr(child_of, "context", child_of), (MockSpanContext, type(None)))
        return super().start_span(*args, child_of=child_of, **kwargs)


@fails("test_baggage_is_inherited", "test_baggage_is_inherited_from_active_span")
class DropsBaggage(MockTracer):
    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        span = super().start_span(*args, **kwargs)
        span.context._baggage = {}
        return span


@fails("test_baggage_goes_to_later_children_only", "test_baggage_does_not_go_up")
class SharesBaggage(MockTracer):
    def __init__(self) -> None:
        super().__init__()
        self.baggage: dict[str, str] = {}

    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        span = super().start_span(*args, **kwargs)
        span.context._baggage = self.baggage
        span.set_baggage_item = self.baggage.__setitem__  # type: ignore[assignment]
        return span


@overrides("extract", "test_text_propagation", "test_binary_propagation")
def adds_baggage(extract: Call, format: Any, carrier: Any) -> Any:
    context: Any = extract(format, carrier)
    return context.with_baggage_item("noise", "1")


@overrides("inject", "test_binary_propagation", "test_mandatory_formats")
def has_no_binary(inject: Call, span_context: Any, format: Any, carrier: Any) -> None:
    if format == Format.BINARY:
        raise UnsupportedFormatException(format)
    inject(span_context, format, carrier)


@overrides("extract", "test_unknown_format")
def knows_all_formats(extract: Call, format: Any, carrier: Any) -> Any:
    return extract(format if format in FORMATS else "text_map", carrier)


@overrides("inject", "test_unknown_format")
def injects_any_format(inject: Call, span_context: Any, format: Any, carrier: Any) -> None:
    if format in FORMATS:
        inject(span_context, format, carrier)


@overrides("inject", "test_injection_into_text_carriers")
def clears_the_carrier(inject: Call, span_context: Any, format: Any, carrier: Any) -> None:
    carrier.clear()
    inject(span_context, format, carrier)


@overrides("inject", "test_injection_into_text_carriers")
def injects_numbers(inject: Call, span_context: Any, format: Any, carrier: Any) -> None:
    inject(span_context, format, carrier)
    carrier["sampled"] = 1


@overrides("extract", "test_extraction_from_text_carriers", "test_text_map_round_trip")
def is_disturbed_by_others(extract: Call, format: Any, carrier: Any) -> Any:
    if "accept" in carrier:
        raise ValueError("accept")
    return extract(format, carrier)


@overrides("extract", *ROUND_TRIPS)
def loses_the_trace(extract: Call, format: Any, carrier: Any) -> Any:
    extract(format, carrier)


@overrides("extract", *ROUND_TRIPS)
def loses_baggage(extract: Call, format: Any, carrier: Any) -> Any:
    context: Any = extract(format, carrier)
    return MockSpanContext(context.trace_id, context.span_id)


@overrides("extract", "test_http_headers_round_trip")
def minds_the_case(extract: Call, format: Any, carrier: Any) -> Any:
    own = {key: value for key, value in carrier.items() if key.islower()}
    return extract(format, own)


@overrides("inject", "test_binary_round_trip")
def replaces_the_carrier(inject: Call, span_context: Any, format: Any, carrier: Any) -> None:
    carrier.clear()
    inject(span_context, format, carrier)


@overrides("inject", "test_binary_invalid_carrier")
def takes_any_carrier(inject: Call, span_context: Any, format: Any, carrier: Any) -> None:
    if isinstance(carrier, bytearray):
        inject(span_context, format, carrier)


@overrides("extract", "test_extraction_without_a_trace")
def finds_a_trace_in_nothing(extract: Call, format: Any, carrier: Any) -> Any:
    try:
        return extract(format, carrier)
    except SpanContextCorruptedException:
        return MockSpanContext(1, 1)


@overrides("extract", "test_extraction_without_a_trace")
def raises_for_nothing(extract: Call, format: Any, carrier: Any) -> Any:
    return carrier["ot-tracer-traceid"]


@pytest.mark.parametrize(
    ("check", "broken"), BROKEN, ids=[f"{broken.__name__}-{check}" for check, broken in BROKEN]
)
def test_check_fails_for_a_broken_tracer(check: str, broken: Callable[[], Tracer]) -> None:
    """The check fails for the broken tracer: it neither passes nor is skipped."""
    mixin = EveryCheck()
    tracer = broken()
    mixin.tracer = lambda: tracer  # type: ignore[method-assign]
    with pytest.raises(Exception) as raised:  # noqa: PT011  # a broken tracer may raise anything
        getattr(mixin, check)()
    assert not isinstance(raised.value, unittest.SkipTest)


def test_every_check_is_proved_to_fail() -> None:
    """The table above has every check."""
    assert {check for check, _ in BROKEN} == set(checks_of(APICompatibilityCheckMixin))


def test_the_scope_manager_used_for_broken_scopes_is_not_what_fails() -> None:
    """The stand-in manager passes the checks with whole scopes."""
    mixin = EveryCheck()
    mixin.tracer = lambda: MockTracer(ThreadLocalScopeManager())  # type: ignore[method-assign]
    mixin.test_start_active_span_restores_the_outer_one()
    mixin.test_active_span_left_by_exception()
