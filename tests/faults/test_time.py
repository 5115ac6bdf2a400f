"""Reading takes time linear in the size, not quadratic."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from opentracing_recorder import Trace, read_spans
from opentracing_recorder.captrace import snapshot
from opentracing_recorder.timeline import render_html, render_text

pytestmark = pytest.mark.long

# Four times the size takes four times as long; if quadratic, sixteen times.
_MOST = 8.0


def grows_with_its_size(read: Callable[[Any], object], small: Any, large: Any) -> bool:
    """Return if four times the size takes less than eight times as long."""
    least = [float("inf"), float("inf")]
    # Other work on the machine only adds time: a slow run is measured again.
    for _ in range(8):
        for index, given in enumerate((small, large)):
            gc.collect()
            gc.disable()  # its cost grows with all objects of the process
            try:
                start = time.process_time()
                read(given)
                least[index] = min(least[index], time.process_time() - start)
            finally:
                gc.enable()
        if least[1] <= _MOST * least[0]:
            return True
    return False


def spans(number: int, parent: Callable[[int], int]) -> list[dict[str, Any]]:
    """`number` spans of one trace, the last one first; `parent` gives the number of a parent."""
    return [
        {
            "trace_id": "1",
            "span_id": f"{each + 1:x}",
            "parent_id": f"{parent(each) + 1:x}" if each else None,
            "operation_name": f"step {each % 100}",
            "start_time": 1000.0 + each,
            "duration": 1.0,
            "references": [],
        }
        for each in reversed(range(number))
    ]


def a_chain(number: int) -> list[dict[str, Any]]:
    return spans(number, lambda each: each - 1)


def siblings(number: int) -> list[dict[str, Any]]:
    return spans(number, lambda each: 0)


def a_circle(number: int) -> list[dict[str, Any]]:
    found = a_chain(number)
    found[-1]["parent_id"] = found[0]["span_id"]
    return found


def one_id(number: int) -> list[dict[str, Any]]:
    return [{**each, "span_id": "1"} for each in a_chain(number)]


def sides_of_calls(number: int) -> list[dict[str, Any]]:
    """Clients and servers that share their ids, each pair with clocks that disagree."""
    clients = [{**each, "tags": {"span.kind": "client"}} for each in siblings(number // 2)]
    servers = [
        {**each, "service": "b", "tags": {"span.kind": "server"}, "start_time": float(number)}
        for number, each in enumerate(clients)
    ]
    return servers + clients


@pytest.mark.parametrize("make", [a_chain, siblings, a_circle, one_id, sides_of_calls])
@pytest.mark.parametrize(
    "read",
    [
        Trace.from_spans,
        snapshot,
        lambda found: render_text(Trace.from_spans(found), width=100),
        lambda found: render_html(Trace.from_spans(found)),
    ],
    ids=["trees", "snapshot", "text", "page"],
)
def test_trees_take_time_by_their_spans(
    read: Callable[[Any], object], make: Callable[[int], list[dict[str, Any]]]
) -> None:
    """The time to make or draw a tree of any shape grows with its spans."""
    size = 2500
    assert grows_with_its_size(read, make(size), make(4 * size))


LINES: dict[str, Callable[[int], bytes]] = {
    "torn spans": lambda size: b'{"trace_id":"1","tags":{"a":"' * size,
    "open objects": lambda size: b'{"trace_id":' * size,
    "lists of objects": lambda size: b'{"trace_id":[' + b'{"trace_id":1},' * size,
    "open lists": lambda size: b'{"trace_id":1,"a":[' * size,
    "torn in the end": lambda size: b'{"trace_id":"' * size + b'{"trace_id":"' + b"x" * 12 * size,
    "lines": lambda size: b"{}\n" * size,
}


@pytest.mark.parametrize("make", LINES.values(), ids=LINES.keys())
def test_lines_take_time_by_their_length(make: Callable[[int], bytes]) -> None:
    """Including lines in which every part looks like the start of a span."""

    def read(text: bytes) -> None:
        for _ in read_spans(text, lambda error: None):
            pass

    size = 10_000
    assert grows_with_its_size(read, make(size), make(4 * size))
