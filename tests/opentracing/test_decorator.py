"""`traced`: a span for each call of a function, coroutine, generator or method."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import itertools
import logging
import pickle
import sys
import threading
import types
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import opentracing
from opentracing import Scope, ScopeManager, Span, SpanContext, Tracer, decorator, traced
from opentracing.scope_managers import ThreadLocalScopeManager
from opentracing.scope_managers.asyncio import AsyncioScopeManager
from opentracing.scope_managers.contextvars import ContextVarsScopeManager
from opentracing_recorder import BasicSpan, BasicTracer, ConstSampler, InMemoryRecorder

from ..runtimes import every_runtime


class InOrder(InMemoryRecorder):
    """Keeps the order of starts in outlines: some clocks tick only every few milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[int | None, int] = {}

    def span_started(self, span: BasicSpan) -> None:
        self._numbers[span.context.span_id] = len(self._numbers)

    def in_order(self) -> list[BasicSpan]:
        return sorted(self.spans, key=lambda span: self._numbers[span.context.span_id])


@pytest.fixture
def recorder() -> InMemoryRecorder:
    return InOrder()


@pytest.fixture
def tracer(recorder: InMemoryRecorder) -> Iterator[BasicTracer]:
    """The global tracer of the test, which leaves no span active."""
    with opentracing.use_tracer(BasicTracer(recorder)) as tracer:
        yield tracer  # type: ignore[misc]
    assert tracer.active_span is None


@pytest.fixture(autouse=True)
def _reports_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decorator._failures, "_next_time", float("-inf"))
    monkeypatch.setattr(decorator._failures, "_count", 0)


def mark(name: str) -> None:
    """A span of its own, whose parent shows which span was active."""
    opentracing.tracer.start_span(name).finish()


def _collected(make: Callable[[], object]) -> None:
    """Make an object and drop it."""
    make()
    gc.collect()


# Functions.


def test_each_call_has_a_span(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """The span is active while the function runs, and the result is the function's."""

    @traced
    def add(first: int, *, second: int = 2) -> int:
        mark("inside")
        return first + second

    assert add(1) == 3
    assert add(first=1, second=5) == 6
    assert recorder.outline() == "add\n  inside\nadd\n  inside"


@pytest.mark.parametrize(
    "decorate",
    [
        pytest.param(traced, id="bare"),
        pytest.param(traced(), id="called"),
        pytest.param(traced(tags=None), id="with keywords"),
    ],
)
def test_the_qualified_name_is_the_default(
    decorate: Any, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The operation is named for the function, with its class but not with its outer function."""

    class Cart:
        @decorate
        def add(self) -> None: ...

    Cart().add()
    assert [span.operation_name for span in recorder.spans] == ["Cart.add"]


def test_a_given_name_and_tags(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """Each span has the tags that were given at decoration, in a dict of its own."""
    tags = {"component": "shop"}

    @traced("named", tags=tags)
    def function() -> None:
        assert tracer.active_span is not None
        tracer.active_span.set_tag("late", 1)

    tags["changed"] = "later"
    function()
    recorder.spans[0].tags["changed"] = "afterwards"
    function()
    assert [span.operation_name for span in recorder.spans] == ["named", "named"]
    assert recorder.spans[1].tags == {"component": "shop", "late": 1}


def test_each_span_gets_a_dict_of_its_own() -> None:
    """A tracer that keeps or changes the tags it is given changes those of no other call."""
    given_tags: list[Any] = []

    class Keeping(Tracer):
        def start_active_span(self, *args: Any, **kwargs: Any) -> Scope:
            given_tags.append(kwargs["tags"])
            kwargs["tags"]["changed"] = True
            return super().start_active_span(*args)

        def start_span(self, *args: Any, **kwargs: Any) -> Span:
            given_tags.append(kwargs["tags"])
            kwargs["tags"]["changed"] = True
            return super().start_span(*args)

    decorate = traced(tags={"a": 1}, tracer=Keeping())
    for _ in range(2):
        decorate(lambda: None)()
        list(decorate(numbers)(1))
    assert len({id(each) for each in given_tags}) == 4
    assert given_tags == [{"a": 1, "changed": True}] * 4


def test_the_tracer_is_looked_up_at_each_call(recorder: InMemoryRecorder) -> None:
    """The global tracer counts at the time of the call, also where it is assigned or patched."""
    function = traced("f")(lambda: None)
    function()
    with opentracing.use_tracer(BasicTracer(recorder)):
        function()
    function()
    with mock.patch("opentracing.tracer", BasicTracer(recorder)):
        function()
    function()
    opentracing.tracer = BasicTracer(recorder)
    function()
    assert len(recorder.spans) == 3


def test_a_tracer_of_its_own(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """A tracer given at decoration is used instead of the global one."""
    own = InOrder()
    with tracer.start_active_span("outer"):
        traced("f", tracer=BasicTracer(own))(lambda: None)()
        list(traced("g", tracer=BasicTracer(own))(numbers)(1))
    assert recorder.outline() == "outer\n  make 0"
    assert own.outline() == "f\ng"


def test_an_exception_marks_the_span_and_is_raised(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The function's exception is the one that its caller sees, with no other as its context."""
    failure = ValueError("broken")

    @traced
    def fail() -> None:
        raise failure

    with pytest.raises(ValueError, match="broken") as caught:
        fail()
    assert caught.value is failure
    assert failure.__context__ is None
    (span,) = recorder.spans
    assert span.tags["error"] is True
    assert span.logs[0].key_values["message"] == "broken"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_other_exceptions_are_no_errors(
    kind: type[BaseException], tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A BaseException ends the span without a mark."""

    def fail() -> Any:
        raise kind

    def generate() -> Iterator[int]:
        yield fail()

    for function in (traced(fail), lambda: next(traced(generate)())):
        with pytest.raises(kind):
            function()
    assert [span.tags for span in recorder.spans] == [{}, {}]


# What survives.


class Sample:
    """Functions of each kind."""

    def function(self, first: int, *, second: str = "x") -> bool:
        """Its docstring."""
        return True

    async def coroutine(self, first: int, *, second: str = "x") -> bool:
        """Its docstring."""
        return True

    def generator(self, first: int, *, second: str = "x") -> Generator[int, None, bool]:
        """Its docstring."""
        yield 1
        return True

    async def async_generator(self, first: int, *, second: str = "x") -> AsyncGenerator[int, None]:
        """Its docstring."""
        yield 1


KINDS = ["function", "coroutine", "generator", "async_generator"]


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_survives(kind: str) -> None:
    """Name, docstring, module, signature, annotations and attributes are those of the function."""
    original = getattr(Sample, kind)
    own = types.FunctionType(original.__code__, globals(), original.__name__, None, None)
    own = functools.update_wrapper(own, original)
    own.attribute = "kept"  # type: ignore[attr-defined]
    decorated = traced(own)
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__"):
        assert getattr(decorated, name) == getattr(original, name)
    assert inspect.signature(decorated) == inspect.signature(original)
    assert decorated.attribute == "kept"  # type: ignore[attr-defined]
    assert decorated.__wrapped__ is own  # type: ignore[attr-defined]


PREDICATES = [
    inspect.isfunction,
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_survives(kind: str) -> None:
    """`inspect` sees the same kind of function, also in a method and in a partial function."""
    original = getattr(Sample, kind)
    for each in (original, getattr(Sample(), kind), functools.partial(original, None)):
        decorated = traced(each)
        for predicate in PREDICATES[1:]:
            assert predicate(decorated) is predicate(each)
        assert inspect.isfunction(decorated)


def test_results_are_of_the_same_kind(tracer: BasicTracer) -> None:
    """A call gives a generator, a coroutine or an async generator of Python's own types."""
    sample = Sample()
    generator = traced(sample.generator)(1)
    coroutine = traced(sample.coroutine)(1)
    async_generator = traced(sample.async_generator)(1)
    assert inspect.isgenerator(generator)
    assert inspect.iscoroutine(coroutine)
    assert inspect.isasyncgen(async_generator)
    assert generator.__name__ == "generator"
    assert coroutine.__qualname__ == "Sample.coroutine"
    coroutine.close()


def test_methods_of_each_kind(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """Methods, class methods, static methods and properties work, in either order of decorators."""

    class Shop:
        @traced
        def method(self) -> object:
            return self

        @classmethod
        @traced
        def class_below(cls) -> object:
            return cls

        @traced("class above")
        @classmethod
        def class_above(cls) -> object:
            return cls

        @staticmethod
        @traced
        def static_below(value: int) -> int:
            return value

        @traced(tags={"a": 1})
        @staticmethod
        def static_above(value: int) -> int:
            return value

        @property
        @traced
        def name(self) -> str:
            return "shop"

        @traced
        @staticmethod
        async def coroutine() -> int:
            return 1

    shop = Shop()
    assert shop.method() is shop
    assert shop.class_below() is Shop is Shop.class_above()
    assert shop.static_below(1) == Shop.static_above(1) == 1
    assert shop.name == "shop"
    assert isinstance(vars(Shop)["class_above"], classmethod)
    assert isinstance(vars(Shop)["static_above"], staticmethod)
    assert inspect.iscoroutinefunction(Shop.coroutine)
    assert [span.operation_name for span in recorder.spans] == [
        "Shop.method",
        "Shop.class_below",
        "class above",
        "Shop.static_below",
        "Shop.static_above",
        "Shop.name",
    ]


def test_abstract_methods_stay_abstract() -> None:
    """A class with a decorated abstract method has no instances."""

    class Base(abc.ABC):
        @traced
        @abc.abstractmethod
        def method(self) -> None: ...

    with pytest.raises(TypeError, match="abstract"):
        Base()  # type: ignore[abstract]


def picklable(value: int) -> int:
    return value + 1


picklable = traced(picklable)


def test_a_decorated_function_is_pickled_by_name() -> None:
    """A function of a module comes back as the decorated one."""
    assert pickle.loads(pickle.dumps(picklable)) is picklable


def picklable_sum(first: int, second: int) -> int:
    return first + second


class Called:
    """Instances are called."""

    def __call__(self) -> int:
        mark("inside")
        return 1


class CalledAsync:
    """Instances are called, and give coroutines."""

    async def __call__(self) -> int:
        mark("inside")
        return 1


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        pytest.param(len, [""], "len", id="builtin"),
        pytest.param(Called(), [], "Called", id="instance"),
        pytest.param(functools.partial(picklable_sum, 1), [2], "picklable_sum", id="partial"),
        pytest.param([].append, [1], "list.append", id="bound builtin"),
        pytest.param(functools.lru_cache(picklable), [1], "picklable", id="cached"),
        pytest.param(mock.Mock(), [], "Mock", id="mock"),
    ],
)
def test_any_callable_can_be_decorated(
    function: Any, arguments: Any, name: str, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A callable without a name gives the span that of its type."""
    traced(function)(*arguments)
    assert name in [span.operation_name for span in recorder.spans]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(CalledAsync, id="an instance whose call is one"),
        pytest.param(lambda: functools.partial(CalledAsync().__call__), id="a partial method"),
        pytest.param(lambda: mock.AsyncMock(side_effect=CalledAsync().__call__), id="a mock"),
        pytest.param(
            lambda: inspect.markcoroutinefunction(lambda: CalledAsync()()),
            id="a marked function",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12"),
        ),
    ],
)
def test_coroutine_functions_of_other_kinds(
    make: Any, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The span lasts until the coroutine ends."""
    run = traced("run")(make())

    async def main() -> int:
        return await run()

    assert inspect.iscoroutinefunction(run)
    assert asyncio.run(main()) == 1
    assert recorder.outline() == "run\n  inside"


def test_generators_that_can_be_awaited(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """A generator of `types.coroutine` can still be awaited."""

    @traced
    @types.coroutine
    def old() -> Generator[Any, Any, int]:
        mark("inside")
        yield from asyncio.sleep(0).__await__()
        mark("later")
        return 5

    async def main() -> int:
        return await old()

    assert asyncio.run(main()) == 5
    assert recorder.outline() == "old\n  inside\n  later"


# Bad input.


@pytest.mark.parametrize("value", [None, 1, b"name", [], property(), functools.partialmethod(len)])
def test_what_cannot_be_called_is_refused(value: Any) -> None:
    """It is a TypeError at decoration, in each form of the decorator."""
    for decorate in (traced, traced(), traced("name"), lambda it: traced(staticmethod(it))):
        with pytest.raises(TypeError, match=f"not {type(value).__name__}"):
            decorate(value)


def test_a_class_is_refused() -> None:
    """A decorated class would no longer be one."""
    with pytest.raises(TypeError, match="class Sample; decorate methods"):
        traced(Sample)


@pytest.mark.parametrize("tags", ["ab", 1, [("a", 1)], {"a"}])
def test_tags_that_are_no_mapping_are_refused(tags: Any) -> None:
    """It is a TypeError at decoration."""
    with pytest.raises(TypeError, match=f"mapping as tags, not {type(tags).__name__}"):
        traced("name", tags=tags)


# Coroutines.


def test_the_span_of_a_coroutine(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """It is active in the coroutine's task while that runs, and in no other."""

    @traced
    async def fetch(name: str) -> str:
        mark(name)
        await asyncio.sleep(0)
        mark(name)
        return name

    async def main() -> list[str]:
        with tracer.start_active_span("main"):
            tasks = [asyncio.ensure_future(fetch(name)) for name in "ab"]
            await asyncio.sleep(0)
            mark("outside")
            return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == ["a", "b"]
    assert recorder.outline() == "main\n  fetch\n    a\n    a\n  fetch\n    b\n    b\n  outside"


def test_a_cancelled_coroutine(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """Cancellation ends the span, and is no error."""

    @traced
    async def wait() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [span.tags for span in recorder.spans] == [{}]


def test_a_coroutine_that_is_never_awaited_has_no_span(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Python warns about the function's own name, and nothing is recorded."""

    @traced
    async def forgotten() -> None: ...

    with pytest.warns(RuntimeWarning, match="forgotten' was never awaited"):
        _collected(forgotten)
    assert recorder.spans == []


# Generators.


def numbers(count: int) -> Generator[int, Any, str]:
    for number in range(count):
        mark(f"make {number}")
        yield number
    return "all"


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Any:
    return request.param


def recorded(
    make_manager: Callable[[], ScopeManager], test: Callable[[], None]
) -> InMemoryRecorder:
    """The spans of a test on a scope manager, which keeps no scope and logs no warning."""
    recorder = InOrder()
    tracer = BasicTracer(recorder, scope_manager=make_manager())
    with opentracing.use_tracer(tracer):
        test()
        assert tracer.active_span is None
    return recorder


def check(make: Any, run: Any, test: Callable[[], None], outline: str) -> None:
    """Run a test in a place on its scope manager, and compare the trees of its spans."""
    recorders: list[InMemoryRecorder] = []
    run(lambda: recorders.append(recorded(make, test)))
    assert recorders[0].outline() == outline
    assert len({span.context.span_id for span in recorders[0].spans}) == len(recorders[0].spans)


@pytest.fixture(autouse=True)
def _no_warning_of_scopes(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [each for each in caplog.records if each.name == "opentracing.scope"] == []


@every_runtime
def test_a_generators_span_is_active_in_its_own_code_alone(make: Any, run: Any) -> None:
    """The consumer's spans between two items are children of the consumer's."""

    def test() -> None:
        with opentracing.tracer.start_active_span("consumer") as scope:
            for number in traced(numbers)(2):
                assert opentracing.tracer.active_span is scope.span
                mark(f"use {number}")

    check(make, run, test, "consumer\n  numbers\n    make 0\n    make 1\n  use 0\n  use 1")


def holding() -> Generator[str, Any, None]:
    with opentracing.tracer.start_active_span("outer"):
        with opentracing.tracer.start_active_span("inner"):
            yield "in inner"
            mark("inside inner")
        mark("inside outer")
        yield "in outer"
        mark("still inside outer")
    mark("outside")
    yield "out"


@every_runtime
def test_scopes_held_open_across_a_yield(make: Any, run: Any) -> None:
    """They are not the parents of the consumer's work, and active again when the code goes on."""

    def test() -> None:
        with opentracing.tracer.start_active_span("consumer") as scope:
            for each in traced(holding)():
                assert opentracing.tracer.active_span is scope.span
                with opentracing.tracer.start_active_span(f"use {each}"):
                    mark("use")

    check(
        make,
        run,
        test,
        "consumer\n"
        "  holding\n"
        "    outer\n"
        "      inner\n"
        "        inside inner\n"
        "      inside outer\n"
        "      still inside outer\n"
        "    outside\n"
        "  use in inner\n"
        "    use\n"
        "  use in outer\n"
        "    use\n"
        "  use out\n"
        "    use",
    )


@every_runtime
def test_generators_in_generators(make: Any, run: Any) -> None:
    """Each is the child of the one that runs it, whether by ``yield from`` or by a loop."""

    @traced
    def delegating() -> Iterator[Any]:
        with opentracing.tracer.start_active_span("held"):
            result = yield from traced(numbers)(1)
        mark(result)
        for each in traced(holding)():
            mark(f"got {each}")
            yield each

    def test() -> None:
        with opentracing.tracer.start_active_span("consumer"):
            for each in delegating():
                mark(f"use {each}")

    check(
        make,
        run,
        test,
        "consumer\n"
        "  delegating\n"
        "    held\n"
        "      numbers\n"
        "        make 0\n"
        "    all\n"
        "    holding\n"
        "      outer\n"
        "        inner\n"
        "          inside inner\n"
        "        inside outer\n"
        "        still inside outer\n"
        "      outside\n"
        "    got in inner\n"
        "    got in outer\n"
        "    got out\n"
        "  use 0\n"
        "  use in inner\n"
        "  use in outer\n"
        "  use out",
    )


@every_runtime
def test_two_generators_take_turns(make: Any, run: Any) -> None:
    """The scopes that one holds open are never the other's."""

    def test() -> None:
        for first, second in itertools.zip_longest(
            traced("first")(holding)(), traced("second")(holding)()
        ):
            assert opentracing.tracer.active_span is None
            assert first == second

    recorders: list[InMemoryRecorder] = []
    run(lambda: recorders.append(recorded(make, test)))
    one, other = recorders[0].outline().split("\nsecond\n")
    assert one == "first\n" + other


@every_runtime
@pytest.mark.parametrize("end", ["close", "throw", "garbage"])
def test_a_generator_ends_once(make: Any, run: Any, end: str) -> None:
    """Closing it, throwing into it or dropping it ends its span and those that it holds open."""

    def test() -> None:
        tracer = opentracing.tracer
        generator = traced("generator")(holding)()
        with tracer.start_active_span("first"):
            next(generator)
        with tracer.start_active_span("second"):
            if end == "close":
                generator.close()
                generator.close()
            elif end == "throw":
                with pytest.raises(asyncio.CancelledError):
                    generator.throw(asyncio.CancelledError())
            del generator
            gc.collect()
            mark("mine")

    check(make, run, test, "first\n  generator\n    outer\n      inner\nsecond\n  mine")


def test_a_generator_that_is_thrown_into_fails(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The exception marks its span, and those that it holds open."""
    generator = traced(holding)()
    next(generator)
    with pytest.raises(KeyError):
        generator.throw(KeyError("thrown"))
    assert [span.tags for span in recorder.spans] == [{"error": True}] * 3


def test_wrong_arguments_are_refused_at_the_first_step(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The function is called there; the coroutine's span has begun."""

    @traced
    def items(count: int) -> Iterator[int]:
        yield count

    @traced
    async def fetch(url: str) -> str:
        return url

    made: list[Any] = [items(), fetch()]  # type: ignore[call-arg]
    for each in made:
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            each.send(None)
    assert recorder.outline() == "fetch !"


def test_a_generator_that_never_starts_has_no_span(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Closing, dropping or throwing before the first item makes none."""
    traced(numbers)(1).close()
    with pytest.raises(KeyError):
        traced(numbers)(1).throw(KeyError("thrown"))
    generator = traced(numbers)(1)
    del generator
    gc.collect()
    assert recorder.spans == []


@pytest.mark.needs_os
@pytest.mark.parametrize("make", [ThreadLocalScopeManager, None, AsyncioScopeManager])
def test_steps_on_different_threads(make: Any) -> None:
    """Each step is active on its own thread, with the scopes that the generator holds open."""
    recorder = InOrder()
    tracer = BasicTracer(recorder, scope_manager=make and make())
    seen: list[Any] = []

    def step(generator: Iterator[str]) -> None:
        with tracer.start_active_span("consumer") as scope:
            seen.append(next(generator, None))
            assert tracer.active_span is scope.span
            mark(f"use {seen[-1]}")

    with opentracing.use_tracer(tracer):
        generator = traced(holding)()
        for _ in range(4):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(step, generator).result(10)
    assert seen == ["in inner", "in outer", "out", None]
    assert sorted(recorder.outline().split("\n")) == sorted(
        [
            "consumer",
            "  holding",
            "    outer",
            "      inner",
            "        inside inner",
            "      inside outer",
            "      still inside outer",
            "    outside",
            "  use in inner",
            *["consumer", "  use in outer"],
            *["consumer", "  use out"],
            *["consumer", "  use None"],
        ]
    )


def test_steps_in_different_contexts(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """Each step may run in a context of its own, and leaves no scope in it."""
    generator = traced(holding)()
    for _ in range(4):
        context = contextvars.copy_context()
        context.run(next, generator, None)
        assert context.run(lambda: tracer.active_span) is None
    assert recorder.outline() == (
        "holding\n"
        "  outer\n"
        "    inner\n"
        "      inside inner\n"
        "    inside outer\n"
        "    still inside outer\n"
        "  outside"
    )


def test_steps_inside_and_outside_tasks() -> None:
    """Scopes that were opened in a task are resumed without one, and the other way round."""

    async def step(generator: Iterator[str]) -> str | None:
        return next(generator, None)

    def test() -> None:
        for start in (0, 1):
            generator = traced(holding)()
            for turn in range(start, 4 + start):
                if turn % 2:
                    next(generator, None)
                else:
                    asyncio.run(step(generator))
                assert opentracing.tracer.active_span is None

    one, other = recorded(AsyncioScopeManager, test).outline().split("\nholding")
    assert one == "holding" + other
    assert one.count("\n") == 6


def test_a_suspended_scope_can_be_closed(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """A scope that the consumer closes between two steps finishes, and is not resumed."""

    @traced
    def giving() -> Iterator[Scope]:
        with tracer.start_active_span("outer"):
            scope = tracer.start_active_span("given")
            yield scope
            mark("inside outer")
            scope.close()

    with tracer.start_active_span("consumer") as consumer:
        for scope in giving():
            scope.close()
            assert tracer.active_span is consumer.span
            assert [span.operation_name for span in recorder.spans] == ["given"]
    assert recorder.outline() == "consumer\n  giving\n    outer\n      given\n      inside outer"


def test_a_task_keeps_the_scope_it_inherited(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """A task that the generator's code starts is a child of the scope open there, also later."""

    async def work() -> None:
        await asyncio.sleep(0)
        mark("in the task")

    @traced
    def starting() -> Iterator[asyncio.Future[None]]:
        with tracer.start_active_span("open"):
            yield asyncio.ensure_future(work())

    async def main() -> None:
        for task in starting():
            await task
            assert tracer.active_span is None

    asyncio.run(main())
    assert recorder.outline() == "starting\n  open\n    in the task"


def test_context_variables_of_the_application(tracer: BasicTracer) -> None:
    """A variable that a generator sets is set for its consumer, as without the decorator."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def setting() -> Iterator[str]:
        token = variable.set("by the generator")
        yield variable.get()
        yield variable.get()
        variable.reset(token)

    def consume(function: Callable[[], Iterator[str]]) -> list[str]:
        seen = []
        for each in function():
            seen += [each, variable.get()]
            variable.set("by the consumer")
        return seen

    seen = consume(setting)
    variable.set("unset")
    assert consume(traced(setting)) == seen
    assert seen[2] == "by the consumer"


def test_nothing_is_kept_alive(tracer: BasicTracer) -> None:
    """While the consumer works, the decorator keeps no item, no sent value and no exception."""

    class Thing(Exception): ...

    @traced
    def making() -> Generator[Thing, Thing | None, None]:
        try:
            yield Thing()
        except Thing:
            pass
        yield Thing()
        yield Thing()

    generator = making()
    kept = [weakref.ref(next(generator))]
    thrown = Thing()
    kept.append(weakref.ref(thrown))
    kept.append(weakref.ref(generator.throw(thrown)))
    del thrown
    sent = Thing()
    kept.append(weakref.ref(sent))
    kept.append(weakref.ref(generator.send(sent)))
    del sent
    if sys.implementation.name == "pypy":
        gc.collect()
    assert [each() for each in kept] == [None] * 5


def test_a_context_manager_may_be_decorated(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The block of a `contextmanager` is no child of the decorated function."""

    @contextlib.contextmanager
    @traced
    def transaction() -> Iterator[int]:
        mark("begin")
        try:
            yield 1
        except ValueError:
            mark("roll back")
        else:
            mark("commit")

    with tracer.start_active_span("request"):
        with transaction():
            mark("first")
        with transaction():
            raise ValueError
    assert recorder.outline() == (
        "request\n  transaction\n    begin\n    commit\n  first\n"
        "  transaction\n    begin\n    roll back"
    )


def stubborn(log: list[Any], ignores: bool = True) -> Generator[Any, Any, Any]:
    """Logs whatever arrives, and reacts to it in many ways."""
    item: Any = "start"
    while True:
        try:
            with opentracing.tracer.start_active_span("held"):
                item = yield item, mark("before")
                mark("after")
        except GeneratorExit:
            log.append("exit")
            if len(log) % 3 == 0 and ignores:
                item = "ignored"
            elif len(log) % 3 == 1:
                return "closed"
            else:
                raise
        except KeyError as error:
            log.append(repr(error))
            item = "caught"
        log.append(item)
        if item == "return":
            return "returned"
        if item == "fail":
            raise ValueError(item)


ACTIONS = st.lists(
    st.sampled_from(
        ["next", "send", "return", "fail", "key", "type", "stop", "exit", "close", "span", "end"]
    ),
    max_size=12,
)


def outcome(action: Callable[[], Any]) -> Any:
    """The value of a call, or its exception with those that led to it."""
    try:
        return action()
    except BaseException as error:
        chain: list[Any] = []
        each: BaseException | None = error
        while each is not None:
            chain.append((type(each), str(each), getattr(each, "value", None)))
            each = each.__cause__ or each.__context__
        return chain


def drive(generator: Any, actions: list[str], tracer: Any) -> list[Any]:
    """Do the actions, with spans of the consumer, and return what each gives."""
    thrown = {"key": KeyError("k"), "type": TypeError("t"), "stop": StopIteration(1)}
    seen: list[Any] = []
    scopes: list[Scope] = []
    for action in actions:
        active = tracer.active_span
        if action == "next":
            seen.append(outcome(lambda: next(generator)))
        elif action in ("send", "return", "fail"):
            seen.append(outcome(lambda action=action: generator.send(action)))  # type: ignore[misc]
        elif action in thrown:
            seen.append(outcome(lambda action=action: generator.throw(thrown[action])))  # type: ignore[misc]
        elif action == "exit":
            seen.append(outcome(lambda: generator.throw(GeneratorExit())))
        elif action == "close":
            seen.append(outcome(generator.close))
        elif action == "span":
            scopes.append(tracer.start_active_span("consumer"))
            continue
        elif scopes:
            scopes.pop().close()
            continue
        assert tracer.active_span is active
    for scope in reversed(scopes):
        scope.close()
    return seen


def check_parents(recorder: InMemoryRecorder) -> None:
    """Each span is recorded once, below the only one that may be its parent."""
    names = {span.context.span_id: span.operation_name for span in recorder.spans}
    assert len(names) == len(recorder.spans)
    assert list(names.values()).count("generator") == ("before" in names.values())
    allowed: dict[str, tuple[str | None, ...]] = {
        "consumer": (None, "consumer"),
        "generator": (None, "consumer"),
        "held": ("generator",),
        "before": ("held",),
        "after": ("held",),
    }
    for span in recorder.spans:
        assert (span.parent_id and names[span.parent_id]) in allowed[span.operation_name]


def driven(generator: Any, actions: list[str], tracer: Any) -> list[Any]:
    seen = drive(generator, actions, tracer)
    while inspect.getgeneratorstate(generator) not in (inspect.GEN_CREATED, inspect.GEN_CLOSED):
        outcome(generator.close)
    return seen


@every_runtime
@given(actions=ACTIONS)
def test_a_generator_behaves_as_undecorated(make: Any, run: Any, actions: list[str]) -> None:
    """Any sequence of steps gives the same values and exceptions, and the right parents."""

    def test() -> None:
        recorder = InOrder()
        tracer = BasicTracer(recorder, scope_manager=make())
        plain_log: list[Any] = []
        log: list[Any] = []
        expected = driven(stubborn(plain_log), actions, opentracing.tracer)
        with opentracing.use_tracer(tracer):
            assert driven(traced("generator")(stubborn)(log), actions, tracer) == expected
            assert tracer.active_span is None
        assert log == plain_log
        check_parents(recorder)

    run(test)


@given(actions=ACTIONS)
def test_a_generator_without_a_tracer_only_delegates(actions: list[str]) -> None:
    """With the no-op tracer, any sequence of steps gives what a ``yield from`` by hand gives.

    It closes the generator if GeneratorExit is thrown in. It drops what a closed generator returns,
    which `close` returns from Python 3.13.
    """
    plain_log: list[Any] = []
    log: list[Any] = []

    def by_hand() -> Any:
        return (yield from stubborn(plain_log, False))

    expected = driven(by_hand(), actions, BasicTracer())
    assert driven(traced(stubborn)(log, False), actions, BasicTracer()) == expected
    assert log == plain_log


# Async generators.


def drain(generator: Any) -> list[Any]:
    """The items of an async generator that waits for nothing, without an event loop."""

    async def collect() -> list[Any]:
        return [item async for item in generator]

    return finished(collect())


def finished(awaitable: Any) -> Any:
    """The result of an awaitable that waits for nothing."""
    steps = awaitable.__await__()
    with pytest.raises(StopIteration) as end:
        next(steps)
    return end.value.value


async def async_holding() -> AsyncGenerator[str, Any]:
    """Waits before and after each item, with a scope held open."""
    try:
        with opentracing.tracer.start_active_span("held"):
            await asyncio.sleep(0)
            mark("before")
            yield "first"
            await asyncio.sleep(0)
            mark("after")
            yield "second"
    finally:
        await asyncio.sleep(0)
        mark("clean up")


def in_loop(main: Callable[[], Any]) -> Callable[[], None]:
    return lambda: asyncio.run(main())


HELD = "async_holding\n    held\n      before"

every_task = pytest.mark.parametrize("make", [AsyncioScopeManager, ContextVarsScopeManager])


@every_task
def test_an_async_generator(make: Any) -> None:
    """Its span is active in its own code alone, also where that waits."""

    async def other() -> None:
        for _ in range(9):
            await asyncio.sleep(0)
            mark("other")

    async def main() -> None:
        task = asyncio.ensure_future(other())
        with opentracing.tracer.start_active_span("consumer") as scope:
            async for each in traced(async_holding)():
                assert opentracing.tracer.active_span is scope.span
                await asyncio.sleep(0)
                mark(f"use {each}")
            assert opentracing.tracer.active_span is scope.span
        await task

    outline = recorded(make, in_loop(main)).outline()
    assert "\n".join(line for line in outline.split("\n") if line != "other") == (
        f"consumer\n  {HELD}\n      after\n    clean up\n  use first\n  use second"
    )


@every_task
@pytest.mark.parametrize("end", ["aclose", "another task", "athrow", "garbage", "loop", "cycle"])
def test_an_async_generator_ends_once(
    make: Any, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its clean-up is done once and inside its span, whoever ends it, and nothing is logged."""
    kept: list[Any] = []

    async def main() -> None:
        generator = traced(async_holding)()
        with opentracing.tracer.start_active_span("consumer"):
            assert await generator.__anext__() == "first"
        if end == "aclose":
            await generator.aclose()
            await generator.aclose()
        elif end == "another task":
            await asyncio.ensure_future(generator.aclose())
        elif end == "athrow":
            with pytest.raises(asyncio.CancelledError):
                await generator.athrow(asyncio.CancelledError())
        elif end == "loop":
            kept.append(generator)
            return
        elif end == "cycle":
            cycle = [generator]
            cycle.append(cycle)
            del cycle
        del generator
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        mark("mine")

    outline = recorded(make, in_loop(main)).outline()
    assert outline == f"consumer\n  {HELD}\n    clean up" + ("" if end == "loop" else "\nmine")
    assert caplog.records == []


@every_task
def test_an_async_generator_cancelled_within_a_step(make: Any) -> None:
    """The cancellation ends it, its span and the scopes it holds, and is no error."""
    waits = []

    @traced
    async def waiting() -> AsyncGenerator[int, None]:
        with opentracing.tracer.start_active_span("held"):
            yield 1
            waits.append(asyncio.ensure_future(asyncio.sleep(3600)))
            await waits[0]

    async def consume() -> None:
        async for _ in waiting():
            pass

    async def main() -> None:
        task = asyncio.ensure_future(consume())
        while not waits:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert waits[0].cancelled()

    recorder = recorded(make, in_loop(main))
    assert recorder.outline() == "waiting\n  held"
    assert [span.tags for span in recorder.spans] == [{}, {}]


def test_an_async_generator_cancelled_between_steps(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The loop closes it when the consumer has gone."""

    async def consume() -> None:
        async for _ in traced(async_holding)():
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.ensure_future(consume())
        while not recorder.spans:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while len(recorder.spans) < 4:
            gc.collect()
            await asyncio.sleep(0)

    asyncio.run(main())
    assert recorder.outline() == "async_holding\n  held\n    before\n  clean up"


def test_an_async_generator_without_an_event_loop(
    tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Driven by hand, it does the same: exhausted, closed, or dropped."""

    @traced
    async def counting() -> AsyncGenerator[int, Any]:
        for number in range(2):
            with tracer.start_active_span("held"):
                yield number

    assert drain(counting()) == [0, 1]
    closed = counting()
    finished(closed.__anext__())
    finished(closed.aclose())
    dropped = counting()
    finished(dropped.__anext__())
    del dropped
    gc.collect()
    mark("mine")
    once = "\ncounting\n  held"
    assert recorder.outline() == f"counting\n  held\n  held{once}{once}\nmine"


def test_hooks_see_the_decorated_generator_alone(tracer: BasicTracer) -> None:
    """The hooks of an event loop get one generator for each call, and are installed afterwards."""
    seen: list[str] = []
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(lambda each: seen.append("first"), lambda each: seen.append("last"))
    try:
        generator = traced(Sample().async_generator)(1)
        installed = sys.get_asyncgen_hooks()
        assert finished(generator.__anext__()) == 1
        assert sys.get_asyncgen_hooks() == installed
        del generator
        gc.collect()
    finally:
        sys.set_asyncgen_hooks(*hooks)
    assert seen == ["first", "last"]


def test_an_async_generator_keeps_nothing_alive(tracer: BasicTracer) -> None:
    """While the consumer works, the decorator keeps no item, no sent value and no exception."""

    class Thing(Exception): ...

    @traced
    async def making() -> AsyncGenerator[Thing, Thing | None]:
        try:
            yield Thing()
        except Thing:
            pass
        yield Thing()
        yield Thing()

    generator = making()
    kept = [weakref.ref(finished(generator.__anext__()))]
    thrown = Thing()
    kept.append(weakref.ref(thrown))
    kept.append(weakref.ref(finished(generator.athrow(thrown))))
    del thrown
    sent = Thing()
    kept.append(weakref.ref(sent))
    kept.append(weakref.ref(finished(generator.asend(sent))))
    del sent
    gc.collect()
    assert [each() for each in kept] == [None] * 5
    finished(generator.aclose())


async def async_stubborn(log: list[Any]) -> AsyncGenerator[Any, Any]:
    """Logs whatever arrives, and reacts to it in many ways."""
    item: Any = "start"
    while True:
        try:
            with opentracing.tracer.start_active_span("held"):
                item = yield item, mark("before")
                mark("after")
        except GeneratorExit:
            log.append("exit")
            if len(log) % 3 == 1:
                return
            raise
        except KeyError as error:
            log.append(repr(error))
            item = "caught"
        log.append(item)
        if item == "return":
            return
        if item == "fail":
            raise ValueError(item)


class Stepped:
    """An async generator with the methods of a generator, for `drive`."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        return result(self._generator.asend(value))

    def throw(self, error: BaseException) -> Any:
        return result(self._generator.athrow(error))

    def close(self) -> Any:
        return result(self._generator.aclose())


def result(awaitable: Any) -> Any:
    """The result of an awaitable that waits for nothing; its exception is raised."""
    try:
        awaitable.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


@pytest.mark.parametrize("is_traced", [True, False])
@given(actions=ACTIONS)
def test_an_async_generator_behaves_as_undecorated(is_traced: bool, actions: list[str]) -> None:
    """Any sequence of steps gives the same values and exceptions, and the right parents."""
    recorder = InOrder()
    tracer = BasicTracer(recorder) if is_traced else Tracer()
    plain_log: list[Any] = []
    log: list[Any] = []
    plain = Stepped(async_stubborn(plain_log))
    expected = drive(plain, actions, opentracing.tracer)
    outcome(plain.close)
    with opentracing.use_tracer(tracer):
        generator = Stepped(traced("generator")(async_stubborn)(log))
        assert drive(generator, actions, tracer) == expected
        outcome(generator.close)
    assert log == plain_log
    check_parents(recorder)


# Tracers that fail.

PLACES = [
    "scope_manager",
    "start_active_span",
    "start_span",
    "activate",
    "active",
    "scope.__enter__",
    "scope.__exit__",
    "scope.close",
    "span",
    "set_tag",
    "log_kv",
    "finish",
]


class HostileError(Exception):
    """Raised by a tracer."""


class Hostile:
    """A tracer, with its scope manager, scope and span, which raises in one place."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.raised = 0

    def fail(self, place: str) -> None:
        if place == self.place:
            self.raised += 1
            raise HostileError(place)

    def tracer(self) -> Any:
        hostile = self

        class HostileSpan(Span):
            def set_tag(self, key: str, value: Any) -> Any:
                hostile.fail("set_tag")

            def log_kv(self, key_values: Any, timestamp: float | None = None) -> Any:
                hostile.fail("log_kv")

            def finish(self, finish_time: float | None = None) -> None:
                hostile.fail("finish")

        class HostileScope(Scope):
            @property
            def span(self) -> Span:
                hostile.fail("span")
                return self._span

            def close(self) -> None:
                hostile.fail("scope.close")

            def __enter__(self) -> Any:
                hostile.fail("scope.__enter__")
                return self

            def __exit__(self, *exc_info: Any) -> Any:
                super().__exit__(*exc_info)
                hostile.fail("scope.__exit__")
                self._span.finish()
                return True  # does not swallow the exception

        class HostileManager(ScopeManager):
            def activate(self, span: Span, finish_on_close: bool) -> Scope:
                hostile.fail("activate")
                return HostileScope(self, span)

            @property
            def active(self) -> Scope | None:
                hostile.fail("active")
                return None

        class HostileTracer(Tracer):
            @property
            def scope_manager(self) -> ScopeManager:
                hostile.fail("scope_manager")
                return self._scope_manager

            def start_active_span(self, *args: Any, **kwargs: Any) -> Scope:
                hostile.fail("start_active_span")
                return self.scope_manager.activate(self.start_span(*args, **kwargs), True)

            def start_span(self, *args: Any, **kwargs: Any) -> Span:
                hostile.fail("start_span")
                return HostileSpan(self, SpanContext())

        return HostileTracer(HostileManager())


def the_four(log: list[Any], failure: Exception | None) -> list[Callable[[], Any]]:
    """A call of each kind of decorated function, which logs that it runs."""

    def end() -> int:
        log.append("runs")
        if failure is not None:
            raise failure
        return 5

    @traced
    def function() -> int:
        return end()

    @traced
    async def coroutine() -> int:
        return end()

    @traced
    def generator() -> Generator[int, None, int]:
        yield 1
        return end()

    @traced
    async def async_generator() -> AsyncGenerator[int, None]:
        yield 1
        yield end()

    def exhaust() -> int:
        items = generator()
        assert next(items) == 1
        with pytest.raises(StopIteration) as ended:
            next(items)
        return ended.value.value  # type: ignore[no-any-return]

    return [function, lambda: result(coroutine()), exhaust, lambda: drain(async_generator())[1]]


@pytest.mark.parametrize("failure", [None, ValueError("its own")], ids=["returns", "raises"])
@pytest.mark.parametrize("place", PLACES)
def test_what_a_tracer_raises_replaces_nothing(
    place: str, failure: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Each function runs once, with its own result or exception, and one message is logged."""
    log: list[Any] = []
    hostile = Hostile(place)
    with opentracing.use_tracer(hostile.tracer()):
        for call in the_four(log, failure):
            if failure is None:
                assert call() == 5
            else:
                if "exhaust" in call.__qualname__:
                    continue
                with pytest.raises(ValueError, match="its own") as caught:
                    call()
                assert caught.value is failure
                assert failure.__context__ is None
    assert log == ["runs"] * (4 if failure is None else 3)
    assert bool(caplog.records) is bool(hostile.raised)
    if place not in ("span", "set_tag", "log_kv") or failure is not None:
        assert hostile.raised
        (record,) = caplog.records
        assert record.name == "opentracing.decorator"
        assert record.exc_info is not None
        assert record.exc_info[0] is HostileError


@pytest.mark.parametrize(
    "tracer",
    [
        None,
        1,
        object(),
        mock.Mock(side_effect=KeyError),
        mock.MagicMock(),
        mock.MagicMock(spec=Tracer),
    ],
    ids=lambda tracer: type(tracer).__name__,
)
def test_a_global_tracer_that_is_not_one(tracer: Any) -> None:
    """The functions run once and give their results, whatever stands in place of a tracer."""
    log: list[Any] = []
    with mock.patch("opentracing.tracer", tracer):
        assert [call() for call in the_four(log, None)] == [5] * 4
    assert log == ["runs"] * 4


def test_failures_are_counted_between_messages(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A message a minute says how often the tracer raised."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    function = traced(tracer=Hostile("start_active_span").tracer())(lambda: None)
    for seconds in (0, 1, 58, 60, 1):
        now[0] = 100.0 + seconds
        function()
    first, second = (each.getMessage() for each in caplog.records)
    assert "times" not in first
    assert "(3 times since the last such message)" in second


def test_a_log_handler_that_raises_replaces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function's result is its caller's, even if its tracer and its log handlers fail."""
    logger = logging.getLogger("opentracing.decorator")
    handled = []

    class Failing(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            handled.append(record)
            raise HostileError

    handler = Failing()
    logger.addHandler(handler)
    try:
        assert traced(tracer=Hostile("start_active_span").tracer())(lambda: 5)() == 5
    finally:
        logger.removeHandler(handler)
    assert len(handled) == 1


def test_an_endless_recursion_ends_as_undecorated() -> None:
    """Its RecursionError reaches the caller, and the function works again when there is space."""
    tracer = BasicTracer(sampler=ConstSampler(False))  # which formats no stack for each level

    @traced(tracer=tracer)
    def dive(depth: int) -> int:
        return dive(depth + 1) if depth else 5

    with pytest.raises(RecursionError):
        dive(1)
    assert dive(0) == 5


class Old:
    """The scope manager, scope and tracer of a library written for 2.4, which has no `nesting`."""

    class Scope(Scope):
        def __init__(self, manager: Any, span: Span, finish_on_close: bool) -> None:
            super().__init__(manager, span)
            self._finish_on_close = finish_on_close
            self._to_restore = manager.active

        def close(self) -> None:
            if self.manager.active is not self:
                return
            if self._finish_on_close:
                self.span.finish()
            self.manager.held = self._to_restore  # type: ignore[attr-defined]

    class Manager(ScopeManager):
        held: Any = None

        def activate(self, span: Span, finish_on_close: bool) -> Scope:
            self.held = Old.Scope(self, span, finish_on_close)
            return self.held

        @property
        def active(self) -> Scope | None:
            return self.held


def test_a_scope_manager_written_for_2_4() -> None:
    """Its spans are as without the decorator: a scope held open stays active for the consumer."""
    recorder = InOrder()
    tracer = BasicTracer(recorder, scope_manager=Old.Manager())
    with opentracing.use_tracer(tracer):
        with tracer.start_active_span("consumer"):
            for number in traced(numbers)(2):
                mark(f"use {number}")
        for each in traced(holding)():
            mark(f"use {each}")
        assert tracer.active_span is None
    assert recorder.outline() == (
        "consumer\n  numbers\n    make 0\n    make 1\n  use 0\n  use 1\n"
        "holding\n  outer\n    inner\n      use in inner\n      inside inner\n    inside outer\n"
        "    use in outer\n    still inside outer\n  outside\nuse out"
    )


@pytest.mark.needs_os
@pytest.mark.threads
def test_threads_call_one_function(tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """Calls on many threads at once have spans of their own."""

    @traced
    def function(number: int) -> int:
        mark(str(number))
        return sum(traced(numbers)(number))

    start = threading.Barrier(8)

    def work(number: int) -> list[int]:
        start.wait(10)
        return [function(number) for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert results == [[sum(range(number))] * 50 for number in range(8)]
    outline = recorder.outline()
    assert outline.count("function") == outline.count("\n  numbers") == 400
    assert outline.count("\n    make ") == 50 * sum(range(8))
    assert len(recorder.spans) == 400 * 3 + 50 * sum(range(8))
