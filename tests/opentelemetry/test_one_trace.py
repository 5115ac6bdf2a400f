"""Code of both APIs, and what is instrumented, in one tree."""

from __future__ import annotations

from opentracing_recorder.captrace import CapTrace

from .one_trace import TREE, order


def test_a_request_through_both_apis_is_one_tree_in_captrace(captrace: CapTrace) -> None:
    """Two services, two clients, a library of each API: each span has its caller as parent."""
    order()
    assert captrace.outline(tags=["span.kind", "item"]) == TREE
    assert captrace.unfinished == []
