"""The answers of OTLP's servers, of which some reject a part of a report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opentracing_recorder._otlp_reply import rejected_spans

NOTHING = (0, "")


def in_protobuf(**fields: Any) -> bytes:
    """A reply that the official messages write."""
    service = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
        reason="opentelemetry-proto is not installed",
    )
    reply = service.ExportTraceServiceResponse(
        partial_success=service.ExportTracePartialSuccess(**fields)
    )
    written: bytes = reply.SerializeToString()
    return written


def in_json(**fields: Any) -> bytes:
    return json.dumps({"partialSuccess": fields}).encode()


@given(st.integers(-(2**63), 2**63 - 1), st.text())
@example(3, "tag too long")
@example(0, "slow down")
@example(-1, "")
def test_a_rejection_is_read(rejected: int, message: str) -> None:
    """From both encodings; a number below zero is none."""
    expected = (max(0, rejected), message)
    assert rejected_spans(in_protobuf(rejected_spans=rejected, error_message=message)) == expected
    for number in (rejected, str(rejected)):  # 64 bits are text in OTLP's JSON
        body = in_json(rejectedSpans=number, errorMessage=message)
        assert rejected_spans(body) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"partialSuccess": {}}', b'{"partialSuccess": null}', b"\x0a\x00", b"\x12\x00"],
)
def test_a_whole_success_rejects_nothing(body: bytes) -> None:
    """Servers write it in several forms."""
    assert rejected_spans(body) == NOTHING


@pytest.mark.parametrize(
    "body",
    [
        b"ok",
        b"<html>accepted</html>",
        b"{",
        b'{"partialSuccess": 5}',
        b'{"partialSuccess": []}',
        b'{"partialSuccess": {"rejectedSpans": "many"}}',
        b'{"partialSuccess": {"rejectedSpans": 1e999}}',
        b'{"partialSuccess": {"rejectedSpans": [1]}}',
        b'{"partialSuccess": {"rejectedSpans": "' + b"9" * 50_000 + b'"}}',
        b'{"a":' * 10_000,
        b"{\xff}",
        b"\x0a\x05\x08",
        b"\x0a\x02\x08\x80",
        b"\x08" + b"\xff" * 9 + b"\x7f",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_reply_that_is_none_rejects_nothing(body: bytes) -> None:
    """The status says that the report was accepted."""
    assert rejected_spans(body) == NOTHING


_names = st.sampled_from(["rejectedSpans", "errorMessage", "other"])


@given(
    st.binary()
    | st.binary().map(lambda rest: b"{" + rest)
    | st.binary(max_size=100).map(lambda rest: b"\x0a%c" % len(rest) + rest)
    | st.recursive(
        st.none() | st.integers() | st.floats() | st.text(),
        lambda each: st.lists(each) | st.dictionaries(_names, each),
    ).map(lambda each: json.dumps({"partialSuccess": each}).encode())
)
def test_any_reply_is_read(body: bytes) -> None:
    """A number, and text that UTF-8 can write, come of all bytes."""
    rejected, message = rejected_spans(body)
    assert type(rejected) is int
    assert rejected >= 0
    message.encode()
