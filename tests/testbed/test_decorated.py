"""Units run decorated functions: coroutines, generators and async generators, several at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from opentracing import traced
from opentracing_recorder import BasicSpan, BasicTracer, InMemoryRecorder

from .runtimes import Runtime

UNITS = 5


def test_decorated_units(runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder) -> None:
    """Each unit's spans are its own, though all units wait for each other inside the function."""

    async def main() -> None:
        meet = runtime.rendezvous(UNITS)

        @traced(tracer=tracer)
        def leaf(number: int) -> int:
            assert tracer.active_span is not None
            tracer.active_span.set_tag("number", number)
            return number

        @traced("unit", tracer=tracer)
        async def unit(number: int) -> int:
            before = leaf(number)
            await meet()
            return before + leaf(number)

        units = [runtime.spawn(unit, number) for number in range(UNITS)]
        assert [await each for each in units] == [2 * number for number in range(UNITS)]

    runtime.run(main)
    assert_one_trace_for_each(recorder, "unit", "leaf", "leaf")


def test_generators_whose_consumers_wait(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """The consumer's spans are not the generator's, though all consumers wait between two items."""

    @traced(tracer=tracer)
    def items(number: int) -> Iterator[int]:
        with tracer.start_active_span("held"):
            for _ in range(2):
                tracer.start_span("make", tags={"number": number}).finish()
                yield number

    async def main() -> None:
        meet = runtime.rendezvous(UNITS)

        async def consume(number: int) -> None:
            with tracer.start_active_span("consume", ignore_active_span=True) as scope:
                for item in items(number):
                    assert tracer.active_span is scope.span
                    await meet()
                    tracer.start_span("use", tags={"number": item}).finish()

        for each in [runtime.spawn(consume, number) for number in range(UNITS)]:
            await each

    runtime.run(main)
    assert_one_trace_for_each(recorder, "consume", "held", "items", "make", "make", "use", "use")
    for name, parent in (("use", "consume"), ("make", "held"), ("held", "items")):
        assert {parent_name(recorder, span) for span in recorder.find(name)} == {parent}


def test_async_generators_that_wait(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """An async generator's span is active in its own code, before and after that waits."""

    async def main() -> None:
        meet = runtime.rendezvous(UNITS)

        @traced("items", tracer=tracer)
        async def items(number: int) -> AsyncIterator[int]:
            with tracer.start_active_span("held"):
                for _ in range(2):
                    await meet()
                    tracer.start_span("make", tags={"number": number}).finish()
                    yield number

        async def consume(number: int) -> None:
            with tracer.start_active_span("consume", ignore_active_span=True) as scope:
                async for item in items(number):
                    assert tracer.active_span is scope.span
                    tracer.start_span("use", tags={"number": item}).finish()

        for each in [runtime.spawn(consume, number) for number in range(UNITS)]:
            await each

    runtime.run(main)
    assert_one_trace_for_each(recorder, "consume", "held", "items", "make", "make", "use", "use")
    for name, parent in (("use", "consume"), ("make", "held"), ("held", "items")):
        assert {parent_name(recorder, span) for span in recorder.find(name)} == {parent}


def test_a_generator_that_units_pass_on(
    runtime: Runtime, tracer: BasicTracer, recorder: InMemoryRecorder
) -> None:
    """Each step of a generator may be another unit's, which gets its own active span back."""

    @traced(tracer=tracer)
    def items() -> Iterator[int]:
        with tracer.start_active_span("held"):
            for number in range(UNITS):
                tracer.start_span("make").finish()
                yield number

    async def step(generator: Iterator[int]) -> int:
        with tracer.start_active_span("step", ignore_active_span=True) as scope:
            item = next(generator, -1)
            assert tracer.active_span is scope.span
            return item

    async def main() -> None:
        generator = items()
        seen = [await runtime.spawn(step, generator) for _ in range(UNITS + 1)]
        assert seen == [*range(UNITS), -1]

    runtime.run(main)
    assert len(recorder.find("step")) == UNITS + 1
    assert {parent_name(recorder, span) for span in recorder.find("make")} == {"held"}
    assert parent_name(recorder, recorder.one("held")) == "items"
    assert parent_name(recorder, recorder.one("items")) == "step"


def assert_one_trace_for_each(recorder: InMemoryRecorder, *names: str) -> None:
    """Each unit has a trace with spans of these names, and those with tags are of one number."""
    traces: dict[Any, list[BasicSpan]] = {}
    for span in recorder.spans:
        traces.setdefault(span.context.trace_id, []).append(span)
    assert len(traces) == UNITS
    numbers = set()
    for spans in traces.values():
        assert sorted(span.operation_name for span in spans) == sorted(names)
        (number,) = {span.tags["number"] for span in spans if "number" in span.tags}
        numbers.add(number)
    assert numbers == set(range(UNITS))


def parent_name(recorder: InMemoryRecorder, span: BasicSpan) -> str | None:
    """The operation name of a span's parent."""
    names = {each.context.span_id: each.operation_name for each in recorder.spans}
    return names.get(span.parent_id)
