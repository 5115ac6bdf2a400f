"""Ids: never 0, never repeated, whatever the application does to its own random numbers."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from opentracing_recorder import (
    BasicTracer,
)


def test_trace_id_bits() -> None:
    """128-bit trace ids are longer than 64 bits, and shown with 32 digits."""
    tracer = BasicTracer(trace_id_bits=128)
    wide = [tracer.start_span("x").context for _ in range(20)]
    assert max(each.trace_id or 0 for each in wide) >= 1 << 64
    assert all((each.span_id or 0) < 1 << 64 for each in wide)


def test_ids_ignore_the_seed_and_are_never_zero() -> None:
    """`random.seed` does not repeat them, and a generated 0 is drawn again."""
    tracer = BasicTracer()
    ids = []
    for _ in range(2):
        random.seed(1)
        ids.append(tracer.start_span("x").context.trace_id)
    assert ids[0] != ids[1]
    numbers = iter([0, 5, 6])
    tracer._new_id = lambda bits: next(numbers)
    assert tracer.start_span("x").context.span_id == 5


def test_trace_ids_have_64_bits_by_default() -> None:
    """Every service of the basictracer family can read 64 bits."""
    tracer = BasicTracer()
    assert all((tracer.start_span("x").context.trace_id or 0) < 1 << 64 for _ in range(20))


def test_a_trace_id_of_zero_is_drawn_again() -> None:
    """An id of 0 means none on the wire, so another is drawn."""
    tracer = BasicTracer()
    numbers = iter([6, 0, 5])
    tracer._new_id = lambda bits: next(numbers)
    assert tracer.start_span("x").context.trace_id == 5


@pytest.mark.needs_os
def test_two_processes_make_different_ids() -> None:
    """The ids come from the system's entropy, not from a fixed start."""
    script = "from opentracing_recorder._hex_ids import random_bits; print(random_bits(64))"
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"]
    ids = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)]
    assert ids[0] != ids[1]
