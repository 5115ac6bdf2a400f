"""Files that a real Collector's file exporter wrote are read."""

from __future__ import annotations

import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from opentracing import follows_from
from opentracing_recorder import (
    BasicTracer,
    CompositeRecorder,
    InMemoryRecorder,
    NotASpan,
    read_spans,
    write_spans,
)
from opentracing_recorder.__main__ import main

from .conftest import Collector, CollectorWith, in_json, in_protobuf
from .test_otlp_fields import record_by_opentelemetry

pytestmark = pytest.mark.needs_os


WAYS = {"protobuf": in_protobuf, "json": in_json}


def in_file(collector: Collector, way: str, number: int) -> list[dict[str, Any]]:
    """The spans that came by a way, as soon as there are so many in the collector's file."""
    deadline = time.monotonic() + 30
    while True:
        skipped: list[NotASpan] = []
        spans = list(read_spans(collector.file, skipped.append)) if collector.file.exists() else []
        found = [each for each in spans if each["tags"].pop("way") == way]
        if len(found) == number and not skipped:
            return found
        assert time.monotonic() < deadline, (len(found), skipped)
        time.sleep(0.05)  # nothing tells when the collector writes


@pytest.mark.parametrize("way", WAYS)
def test_the_files_of_the_collector_are_read(
    way: str, shared_collector: CollectorWith, tmp_path: Path
) -> None:
    """Spans of this tracer come back as they are, but for what OTLP has no place for."""
    collector, kept = shared_collector(), InMemoryRecorder()
    recorder = WAYS[way](collector, resource_attributes={"way": way}, semantic_names=False)
    both = CompositeRecorder([recorder, kept])
    with BasicTracer(both, service_name="shop", trace_id_bits=128) as tracer:
        with tracer.start_active_span("checkout", tags={"items": 3, "paid": True, "rate": 0.5}):
            with tracer.start_active_span("call", tags={"span.kind": "client"}) as call:
                call.span.log_kv({"event": "retry", "attempt": 2})
            references = [follows_from(call.span.context)]
            tracer.start_span("after", references=references, tags={"names": ["a", "b"]}).finish()
            with suppress(LookupError), tracer.start_active_span("raises"):
                raise LookupError("sold out")
        assert tracer.flush(30)
    spans = {each["span_id"]: each for each in in_file(collector, way, len(kept.spans))}
    for recorded in kept.spans:
        expected, found = recorded.to_dict(), spans[recorded.context.to_span_id()]
        for times in ("start_time", "duration"):
            assert found.pop(times) == pytest.approx(expected.pop(times), abs=1e-9, rel=1e-15)
        logs, own_logs = found.pop("logs"), expected.pop("logs")
        assert [each["timestamp"] for each in logs] == pytest.approx(
            [each["timestamp"] for each in own_logs]
        )
        if recorded.operation_name != "raises":
            assert [each["fields"] for each in logs] == [each["fields"] for each in own_logs]
        else:
            ((fields,), (own,)) = ([each["fields"] for each in those] for those in (logs, own_logs))
            assert own.items() - fields.items() <= {("error.object", own.get("error.object"))}
            assert fields["message"] == "sold out"
        assert found == expected


def test_spans_of_opentelemetrys_sdk_are_read(shared_collector: CollectorWith) -> None:
    """Each kind, type, event, link and status that its own exporter sends is there."""
    collector = shared_collector()
    resource = Resource({"service.name": "sdk", "way": "sdk"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector.url)))
    record_by_opentelemetry(provider)
    provider.shutdown()
    spans = sorted(in_file(collector, "sdk", 11), key=lambda each: int(each["operation_name"]))
    kinds = [each["tags"].get("span.kind") for each in spans[:5]]
    # The attribute of this name, which the SDK's user set, is the user's.
    assert kinds == ["server"] * 5
    tags = spans[0]["tags"]
    assert spans[0]["service"] == "sdk"
    assert (tags["text"], tags["highest"], tags["float"]) == ("naïve ☃ 🎉", 2**63 - 1, 0.1)
    assert (tags["nan"], tags["infinite"]) == ("nan", "-inf")
    assert (tags["otel.scope.name"], tags["otel.scope.version"]) == ("lib", "1.0")
    assert spans[0]["duration"] == pytest.approx(3e-9)
    assert [each["fields"]["event"] for each in spans[0]["logs"]] == ["event", "bare"]
    assert [each["tags"].get("error") for each in spans[5:8]] == [False, True, "sold out"]
    parent, child = spans[8], spans[9]
    assert child["parent_id"] == parent["span_id"]
    assert [each["span_id"] for each in child["references"]] == [
        "0000000000000009",
        "000000000000000a",
        parent["span_id"],
    ]


def test_a_file_that_is_written_is_one_of_its_own(
    shared_collector: CollectorWith, tmp_path: Path
) -> None:
    """What ``convert --to otlp`` writes is taken by the collector, and comes back as it was."""
    collector, recorder = shared_collector(), InMemoryRecorder()
    tracer = BasicTracer(recorder, service_name="converted", trace_id_bits=128)
    tags = {"way": "converted", "items": 3, "names": ["a"], "error": "sold out"}
    with tracer.start_active_span("checkout", tags=tags) as scope:
        scope.span.log_kv({"event": "retry", "attempt": 2})
    ours, theirs = tmp_path / "spans.jsonl", tmp_path / "otlp.json"
    write_spans(recorder.spans, ours)
    assert main(["convert", str(ours), "--to", "otlp", "-o", str(theirs)]) == 0
    (line,) = theirs.read_bytes().splitlines()
    request = urllib.request.Request(collector.url, line, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    (written,) = read_spans(theirs)
    del written["tags"]["way"]
    assert in_file(collector, "converted", 1) == [written]
