"""MetricsRecorder: what Prometheus reads of recorders and operations."""

from __future__ import annotations

import gc
import math
import os
import sys
import threading
import urllib.request
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.samples import Sample

from opentracing_recorder import (
    BasicSpan,
    BasicTracer,
    CompositeRecorder,
    InMemoryRecorder,
    NoopRecorder,
    Recorder,
    Rejected,
    Stats,
)
from opentracing_recorder._wrapping import Wrapping
from opentracing_recorder.harness import RecorderCheckMixin
from opentracing_recorder.prometheus import MetricsRecorder

from ..programs import FORKING, run_program
from ..threads import on_threads
from .scripted import Backend, Scripted

CALLS = "traces_span_metrics_calls_total"
SECONDS = "traces_span_metrics_duration_seconds"


class Passing(Wrapping):
    """Hands each span on."""

    def record_span(self, span: BasicSpan) -> None:
        self.recorder.record_span(span)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def samples(registry: CollectorRegistry) -> list[Sample]:
    """Those of a scrape, written and read back in both formats, which must agree."""
    text = generate_latest(registry).decode()
    read = [each for family in read_text(text) for each in family.samples]
    newer = openmetrics.generate_latest(registry).decode()
    found = [each for family in read_openmetrics(newer) for each in family.samples]
    assert [each[:3] for each in read] == [each[:3] for each in found]
    return found


def value(registry: CollectorRegistry, metric: str, **labels: str) -> float | None:
    """The sum of the samples with these labels; None if there is none."""
    found = [
        each.value
        for each in samples(registry)
        if each.name == metric and labels.items() <= each.labels.items()
    ]
    return sum(found) if found else None


def calls(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """The number of spans by operation, kind and outcome, in the short words."""
    return {
        (
            each.labels["span_name"],
            each.labels["span_kind"].removeprefix("SPAN_KIND_").lower(),
            each.labels["status_code"].removeprefix("STATUS_CODE_").lower(),
        ): each.value
        for each in samples(registry)
        if each.name == CALLS
    }


# Operations.


def test_spans_are_counted_by_operation_kind_and_outcome(registry: CollectorRegistry) -> None:
    """And handed on; a tracer's service is a label."""
    memory = InMemoryRecorder()
    tracer = BasicTracer(MetricsRecorder(memory, registry=registry), service_name="shop")
    for kind in ("server", "server", "client", None, "SERVER", "unheard of"):
        tracer.start_span("x", tags={} if kind is None else {"span.kind": kind}).finish()
    tracer.start_span("x", tags={"span.kind": "server", "error": True}).finish()
    tracer.start_span("x", tags={"span.kind": "server", "error": "false"}).finish()
    assert calls(registry) == {
        ("x", "server", "unset"): 4,
        ("x", "server", "error"): 1,
        ("x", "client", "unset"): 1,
        ("x", "internal", "unset"): 2,
    }
    assert value(registry, CALLS, service_name="shop") == 8
    assert value(registry, f"{SECONDS}_count") == 8
    assert len(memory.spans) == 8


def test_the_service_is_the_recorders_if_it_has_one(registry: CollectorRegistry) -> None:
    """It is the name that the backend shows the spans under."""

    class Named(NoopRecorder):
        service_name = "till"

    recorder = MetricsRecorder(Passing(Named()), registry=registry)
    BasicTracer(recorder, service_name="shop").start_span("x").finish()
    assert value(registry, CALLS, service_name="till") == 1


def test_durations_are_in_the_buckets_that_they_do_not_exceed(registry: CollectorRegistry) -> None:
    """A bound belongs to the bucket below it; the sum is in seconds."""
    recorder = MetricsRecorder(NoopRecorder(), registry=registry, buckets=(0.5, 2))
    tracer = BasicTracer(recorder)
    for seconds in (0, 0.25, 0.5, 2, 2.25):
        tracer.start_span("x", start_time=8.0).finish(finish_time=8.0 + seconds)
    found = {each.labels["le"]: each.value for each in samples(registry) if "le" in each.labels}
    assert found == {"0.5": 3, "2.0": 4, "+Inf": 5}
    assert value(registry, f"{SECONDS}_sum") == 5.0


def test_a_bucket_names_its_latest_trace(registry: CollectorRegistry) -> None:
    """OpenMetrics shows it as an exemplar, with the span's id, duration and end."""
    recorder = MetricsRecorder(NoopRecorder(), registry=registry, buckets=(1,))
    tracer = BasicTracer(recorder, trace_id_bits=128)
    for seconds in (0.25, 0.5, 3.0):
        span = tracer.start_span("x", start_time=1000.0)
        span.finish(finish_time=1000.0 + seconds)
        ids = span.context.to_trace_id(), span.context.to_span_id()
        exemplars = [each.exemplar for each in samples(registry) if "le" in each.labels]
        exemplar: Any = exemplars[seconds > 1]
        assert exemplar.labels == {"trace_id": ids[0], "span_id": ids[1]}
        assert (exemplar.value, float(exemplar.timestamp)) == (seconds, 1000.0 + seconds)
    assert len(ids[0]) == 32


def test_an_end_in_the_future_is_left_out(registry: CollectorRegistry) -> None:
    """Prometheus refuses exemplars of the future, and takes those without a time."""
    tracer = BasicTracer(MetricsRecorder(NoopRecorder(), registry=registry))
    tracer.start_span("x", start_time=1e12).finish(finish_time=1e12 + 1)
    (exemplar,) = [each.exemplar for each in samples(registry) if each.exemplar]
    assert exemplar.timestamp is None


def test_operations_beyond_the_limit_are_counted_together(registry: CollectorRegistry) -> None:
    """As `other`, by kind and outcome still; those known before are told apart further on."""
    recorder = MetricsRecorder(NoopRecorder(), registry=registry, max_operations=2)
    tracer = BasicTracer(recorder)
    for _ in range(2):
        for number in range(500):
            tracer.start_span(f"item {number}").finish()
    tracer.start_span("item 7", tags={"span.kind": "client"}).finish()
    assert calls(registry) == {
        ("item 0", "internal", "unset"): 2,
        ("item 1", "internal", "unset"): 2,
        ("other", "internal", "unset"): 996,
        ("other", "client", "unset"): 1,
    }
    assert len(recorder._collector.operations._known) == 2


def test_services_beyond_the_limit_are_counted_together(registry: CollectorRegistry) -> None:
    """As `other`; what two services call alike is an operation of each."""
    recorder = MetricsRecorder(NoopRecorder(), registry=registry, max_operations=3)
    for number in range(300):
        tracer = BasicTracer(recorder, service_name=f"shop {number}")
        for name in ("GET", "PUT"):
            tracer.start_span(name).finish()
    counted = {
        (each.labels["service_name"], each.labels["span_name"]): each.value
        for each in samples(registry)
        if each.name == CALLS
    }
    assert counted == {
        ("shop 0", "GET"): 1,
        ("shop 0", "PUT"): 1,
        ("shop 1", "GET"): 1,
        ("shop 1", "other"): 1,
        ("shop 2", "other"): 2,
        ("other", "other"): 594,
    }
    assert len(recorder._collector.operations._known) == 3


def test_long_names_are_cut(registry: CollectorRegistry) -> None:
    """To 120 characters; those that begin alike are one operation."""
    tracer = BasicTracer(MetricsRecorder(NoopRecorder(), registry=registry))
    for end in "abc":
        tracer.start_span("x" * 100_000 + end).finish()
    assert calls(registry) == {("x" * 120, "internal", "unset"): 3}


def test_only_the_kinds_asked_for_are_counted(registry: CollectorRegistry) -> None:
    """All spans are handed on, and those of other kinds take up no operation."""
    memory = InMemoryRecorder()
    recorder = MetricsRecorder(
        memory, registry=registry, kinds=("server", "consumer"), max_operations=1
    )
    tracer = BasicTracer(recorder)
    for number in range(300):
        tracer.start_span(f"SELECT {number}").finish()
    tracer.start_span("GET /", tags={"span.kind": "server"}).finish()
    assert calls(registry) == {("GET /", "server", "unset"): 1}
    assert len(memory.spans) == 301


class _Odd:
    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __str__(self) -> str:
        raise RuntimeError("str")


_ODD_NAMES = [
    "",
    "\0",
    'a"b\\c\nd\re',
    "\u2028\x85",
    "\ud800",
    "{x=1}",
    "# EOF",
    "🙂" * 200,
    _Odd(),
    5,
]
_ODD_KINDS = [None, "\n", _Odd(), ["server"], 5, "x" * 10_000]


@pytest.mark.parametrize("name", _ODD_NAMES, ids=range(len(_ODD_NAMES)))
@pytest.mark.parametrize("kind", _ODD_KINDS, ids=range(len(_ODD_KINDS)))
def test_odd_names_and_kinds_are_counted(name: Any, kind: Any, registry: CollectorRegistry) -> None:
    """Each scrape can be read in both formats, whatever they are."""
    tracer = BasicTracer(MetricsRecorder(NoopRecorder(), registry=registry), service_name="a\nb")
    span = tracer.start_span("x")
    span.operation_name = name
    span.tags["span.kind"] = kind
    span.finish()
    ((_, found_kind, status),) = calls(registry)
    assert (found_kind, status) == ("internal", "unset")


_ODD_DURATIONS = [-1.0, math.nan, math.inf, -math.inf, None, "long", 10**400]


@pytest.mark.parametrize("duration", _ODD_DURATIONS, ids=range(len(_ODD_DURATIONS)))
def test_odd_durations_count_as_none(duration: Any, registry: CollectorRegistry) -> None:
    """The span is counted, and the sum of all others stays right."""
    recorder = MetricsRecorder(NoopRecorder(), registry=registry)
    tracer = BasicTracer(recorder)
    tracer.start_span("x", start_time=1.0).finish(finish_time=3.0)
    span = tracer.start_span("x")
    span.duration = duration
    recorder.record_span(span)
    assert value(registry, f"{SECONDS}_count") == 2
    assert value(registry, f"{SECONDS}_sum") == 2.0


def test_a_span_of_another_make_is_handed_on(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not counted, which is logged once a minute."""
    memory = InMemoryRecorder()
    recorder = MetricsRecorder(memory, registry=registry)
    stand_in: Any = object()
    for _ in range(3):
        recorder.record_span(stand_in)
    assert memory.spans == [stand_in] * 3
    assert [each.getMessage() for each in caplog.records] == [
        "MetricsRecorder.record_span raised; the application goes on"
    ]


def test_spans_that_are_not_sampled_are_not_counted(registry: CollectorRegistry) -> None:
    """No recorder gets them."""
    tracer = BasicTracer(MetricsRecorder(NoopRecorder(), registry=registry))
    tracer.start_span("x", tags={"sampling.priority": 0}).finish()
    assert calls(registry) == {}


def test_what_recorders_inside_change_is_not_seen(registry: CollectorRegistry) -> None:
    """A span is counted as the application finished it."""

    class Renaming(NoopRecorder):
        def record_span(self, span: BasicSpan) -> None:
            span.operation_name = "renamed"
            span.tags.clear()
            raise RuntimeError("full")

    tracer = BasicTracer(MetricsRecorder(Renaming(), registry=registry))
    tracer.start_span("x", tags={"error": True, "span.kind": "server"}).finish()
    assert calls(registry) == {("x", "server", "error"): 1}


# Recorders.


@pytest.mark.needs_os
def test_recorders_are_counted_by_outcome(backend: Backend, registry: CollectorRegistry) -> None:
    """The numbers are those of `stats`, each from the first scrape on, before any span."""
    recorder = backend(Rejected("400"), interval=60, queue_size=4, batch_size=2)
    metrics = MetricsRecorder(Passing(recorder), registry=registry)

    def scraped() -> list[float | None]:
        names = [f"spans_{each}_total" for each in ("recorded", "sent", "dropped", "failed")]
        return [
            value(registry, f"opentracing_recorder_{each}", recorder="Scripted")
            for each in (*names, "spans_queued", "slow_sends_total")
        ]

    assert scraped() == [0] * 6
    recorder.gate.clear()
    tracer = BasicTracer(metrics)
    for _ in range(5):
        tracer.start_span("x").finish()
    assert scraped() == [5, 0, 1, 0, 4, 0]
    assert value(registry, "opentracing_recorder_queue_size", recorder="Scripted") == 4
    recorder.gate.set()
    tracer.close()
    assert scraped() == list(recorder.stats) == [5, 2, 1, 2, 0, 0]


@pytest.mark.needs_os
def test_every_recorder_inside_is_shown_once(backend: Backend, registry: CollectorRegistry) -> None:
    """By its class, with a number if there are several; those that only show another's are not."""
    first, second, third = backend(), backend(), backend()
    inside = CompositeRecorder([Passing(first), NoopRecorder(), CompositeRecorder([second, first])])
    MetricsRecorder(Passing(inside), registry=registry)
    MetricsRecorder(CompositeRecorder([second, third]), registry=registry)
    for number, recorder in enumerate([first, second, third], 1):
        recorder.record(number)
        recorder.close()
    found = {
        each.labels["recorder"]: each.value
        for each in samples(registry)
        if each.name == "opentracing_recorder_spans_recorded_total"
    }
    assert found == {"Scripted": 1, "Scripted-2": 2, "Scripted-3": 3}


@pytest.mark.needs_os
def test_a_closed_recorder_is_still_shown(registry: CollectorRegistry) -> None:
    """The last counts are the most interesting, also when the application has let it go."""
    with BasicTracer(MetricsRecorder(Scripted(), registry=registry)) as tracer:
        tracer.start_span("x").finish()
    del tracer
    gc.collect()
    assert value(registry, "opentracing_recorder_spans_sent_total") == 1
    assert calls(registry) == {("x", "internal", "unset"): 1}


def test_a_registry_frees_what_it_shows() -> None:
    """Nothing else holds a recorder that was let go."""
    recorder, registry = NoopRecorder(), CollectorRegistry()
    MetricsRecorder(recorder, registry=registry)
    watched = weakref.ref(recorder), weakref.ref(registry)
    del recorder, registry
    gc.collect()
    assert [each() for each in watched] == [None, None]


class Counts(NamedTuple):
    passed: int
    held: int
    longest: str = "text"


class Sieve(Passing):
    counts = Counts(passed=3, held=2)


def test_a_wrappers_own_counts_are_shown(registry: CollectorRegistry) -> None:
    """The fields that only grow as counters, the others as gauges; text is left out."""
    MetricsRecorder(Sieve(Sieve(NoopRecorder())), registry=registry)
    for name in ("Sieve", "Sieve-2"):
        labels = {"recorder": name, "count": "passed"}
        assert value(registry, "opentracing_recorder_counts_total", **labels) == 3
        assert value(registry, "opentracing_recorder_current", recorder=name, count="held") == 2
    assert len([each for each in samples(registry) if "count" in each.labels]) == 4


def test_a_recorder_whose_stats_raise_keeps_no_other_from_being_shown(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left out of that scrape, and logged; odd stats and endless chains are left out too."""

    class Raising(NoopRecorder):
        broken = True

        @property
        def stats(self) -> Stats:
            if self.broken:
                raise RuntimeError("no")
            return Stats(1, 1, 0, 0, 0)

    class Odd(NoopRecorder):
        stats = {"recorded": 5}
        counts = [1]

    class Endless(NoopRecorder):
        @property
        def recorder(self) -> Recorder:
            return Endless()

    raising = Raising()
    recorders = [raising, Odd(), Sieve(NoopRecorder()), Endless()]
    MetricsRecorder(CompositeRecorder(recorders), registry=registry)
    assert value(registry, "opentracing_recorder_counts_total") == 3
    assert value(registry, "opentracing_recorder_spans_recorded_total") is None
    assert "Raising.stats raised" in caplog.text
    raising.broken = False
    assert value(registry, "opentracing_recorder_spans_recorded_total", recorder="Raising") == 1


# Registries.


def test_recorders_of_one_registry_share_its_metrics(registry: CollectorRegistry) -> None:
    """Their services tell them apart."""
    for service in ("shop", "till", "shop"):
        tracer = BasicTracer(
            MetricsRecorder(NoopRecorder(), registry=registry), service_name=service
        )
        tracer.start_span("x").finish()
    assert value(registry, CALLS, service_name="shop") == 2
    assert value(registry, CALLS, service_name="till") == 1


@pytest.mark.threads
@pytest.mark.needs_os
def test_recorders_that_threads_add_at_once_are_all_shown() -> None:
    """Each has a label of its own."""

    class Counting(NoopRecorder):
        stats = Stats(1, 1, 0, 0, 0)

    def add() -> None:
        for _ in range(10):
            MetricsRecorder(Counting(), registry=registry)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            registry = CollectorRegistry()
            on_threads(add)
            assert value(registry, "opentracing_recorder_spans_recorded_total") == 80
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize(
    ("option", "other"), [("buckets", (1, 2)), ("max_operations", 5), ("kinds", ("server",))]
)
def test_recorders_of_one_registry_have_the_same_options(
    option: str, other: Any, registry: CollectorRegistry
) -> None:
    """The error names the option; another registry takes others."""
    MetricsRecorder(NoopRecorder(), registry=registry)
    options: Any = {option: other}
    with pytest.raises(ValueError, match=f"{option} differs"):
        MetricsRecorder(NoopRecorder(), registry=registry, **options)
    MetricsRecorder(NoopRecorder(), registry=CollectorRegistry(), **options)


def test_a_span_is_counted_once_in_a_registry(registry: CollectorRegistry) -> None:
    """A MetricsRecorder around another one of the same registry is refused."""
    inner = MetricsRecorder(NoopRecorder(), registry=registry)
    with pytest.raises(ValueError, match="registry"):
        MetricsRecorder(Passing(CompositeRecorder([inner])), registry=registry)
    MetricsRecorder(inner, registry=CollectorRegistry())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"registry": None}, TypeError),
        ({"buckets": 5}, TypeError),
        ({"buckets": ()}, ValueError),
        ({"buckets": (2, 1)}, ValueError),
        ({"buckets": (1, 1)}, ValueError),
        ({"buckets": (0, 1)}, ValueError),
        ({"buckets": (1, math.nan)}, ValueError),
        ({"buckets": ("a",)}, ValueError),
        ({"max_operations": 0}, ValueError),
        ({"max_operations": 1.5}, TypeError),
        ({"kinds": 5}, TypeError),
        ({"kinds": ("servers",)}, ValueError),
        ({"kinds": (["server"],)}, ValueError),
    ],
)
def test_an_option_that_cannot_serve_is_refused(
    options: Any, error: type[Exception], registry: CollectorRegistry
) -> None:
    """The error names it, and nothing is registered."""
    (name,) = options
    with pytest.raises(error, match=name):
        MetricsRecorder(NoopRecorder(), **{"registry": registry, **options})
    assert list(registry.collect()) == []
    with pytest.raises(TypeError, match="record_span"):
        MetricsRecorder(5, registry=registry)  # type: ignore[arg-type]


# Threads, signals and forks.


def test_no_span_waits_for_a_scrape(registry: CollectorRegistry) -> None:
    """While a thread counts, others note their spans and go on; all are counted then."""
    recorder = MetricsRecorder(NoopRecorder(), registry=registry)
    tracer = BasicTracer(recorder)
    lock: Any = recorder._collector.operations._lock
    with lock:  # as a finalizer of this thread would find it, too
        for _ in range(1000):
            tracer.start_span("x").finish()
    assert calls(registry) == {("x", "internal", "unset"): 1000}


@pytest.mark.needs_os
def test_no_span_of_another_thread_waits_for_a_scrape(registry: CollectorRegistry) -> None:
    """The same, while the scrape is on a thread of its own."""
    recorder = MetricsRecorder(NoopRecorder(), registry=registry)
    tracer = BasicTracer(recorder)
    held, done = threading.Event(), threading.Event()

    def scrape() -> None:
        with recorder._collector.operations._lock:
            held.set()
            assert done.wait(10)

    thread = threading.Thread(target=scrape)
    thread.start()
    assert held.wait(10)
    for _ in range(1000):
        tracer.start_span("x").finish()
    done.set()
    thread.join()
    assert calls(registry) == {("x", "internal", "unset"): 1000}


@contextmanager
def served(registry: CollectorRegistry) -> Iterator[str]:
    """The address of prometheus_client's server on this machine."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.needs_os
@pytest.mark.threads
@pytest.mark.parametrize(
    ("accept", "read"),
    [("text/plain", read_text), ("application/openmetrics-text", read_openmetrics)],
)
def test_a_scrape_over_http_agrees_with_stats_under_load(
    accept: str, read: Any, backend: Backend, registry: CollectorRegistry
) -> None:
    """Eight threads finish spans while the server is scraped; no counter ever falls."""
    recorder = backend(queue_size=500)
    tracer = BasicTracer(MetricsRecorder(recorder, registry=registry))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def scrape(url: str) -> dict[str, float]:
        request = urllib.request.Request(url, headers={"Accept": accept})
        with opener.open(request, timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith(accept)
            families = read(answer.read().decode())
            return {
                each.name + str(sorted(each.labels.items())): each.value
                for family in families
                if family.type != "gauge"
                for each in family.samples
            }

    def load() -> None:
        for number in range(1000):
            tracer.start_span(f"operation {number % 5}").finish()

    with served(registry) as url:
        loading = threading.Thread(target=on_threads, args=(load,))
        loading.start()
        scrapes = [scrape(url) for _ in range(10)]
        loading.join()
        tracer.close()
        scrapes.append(scrape(url))
    for earlier, later in zip(scrapes, scrapes[1:]):
        assert all(later[name] >= number for name, number in earlier.items())
    stats, last = recorder.stats, scrapes[-1]
    for name in ("recorded", "sent", "dropped", "failed"):
        key = f"opentracing_recorder_spans_{name}_total[('recorder', 'Scripted')]"
        assert last[key] == getattr(stats, name)
    assert stats.recorded == stats.sent + stats.dropped == 8000
    assert [each for name, each in last.items() if name.startswith(CALLS)] == [1600] * 5


@pytest.mark.needs_os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_counts_its_own_operations(registry: CollectorRegistry) -> None:
    """From zero, also if a thread of the parent was counting; the parent goes on with its own."""
    recorder = MetricsRecorder(NoopRecorder(), registry=registry)
    tracer = BasicTracer(recorder)
    for _ in range(3):
        tracer.start_span("before").finish()
    held, done = threading.Event(), threading.Event()

    def count() -> None:
        with recorder._collector.operations._lock:
            held.set()
            assert done.wait(10)

    thread = threading.Thread(target=count)
    thread.start()
    assert held.wait(10)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            tracer.start_span("after").finish()
            os.write(writing, repr(calls(registry)).encode())
        finally:
            os._exit(0)
    done.set()
    thread.join()
    os.waitpid(child, 0)
    assert os.read(reading, 1000).decode() == repr({("after", "internal", "unset"): 1.0})
    os.close(reading)
    os.close(writing)
    assert calls(registry) == {("before", "internal", "unset"): 3}


NAMES = st.text(alphabet="ab é🙂", max_size=3)
KINDS = st.sampled_from([None, "server", "client", "producer", "consumer", "internal", "SERVER"])


@given(
    st.lists(st.tuples(NAMES, KINDS, st.booleans(), st.floats(0, 1e6)), max_size=300),
    st.integers(1, 5),
)
def test_the_sums_are_those_of_the_spans(spans: list[Any], max_operations: int) -> None:
    """Each span is in one series: that of its operation, or beyond the limit that of `other`."""
    registry = CollectorRegistry()
    recorder = MetricsRecorder(NoopRecorder(), registry=registry, max_operations=max_operations)
    tracer = BasicTracer(recorder)
    model: Counter[tuple[str, str, str]] = Counter()
    known: set[str] = set()
    for name, kind, failed, duration in spans:
        tags = {**({"span.kind": kind} if kind else {}), **({"error": True} if failed else {})}
        span = tracer.start_span(name, tags=tags, start_time=0.0)
        span.finish(finish_time=duration)
        if len(known) < max_operations:
            known.add(name)
        label = name if name in known else "other"
        model[label, (kind or "internal").lower(), "error" if failed else "unset"] += 1
    assert calls(registry) == model
    assert (value(registry, f"{SECONDS}_count") or 0) == len(spans)
    seconds = value(registry, f"{SECONDS}_sum") or 0.0
    assert seconds == pytest.approx(sum(duration for *_, duration in spans))


# Several processes.

_PROCESSES = """
import logging, os, sys
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from opentracing_recorder import BasicTracer, BatchRecorder, Rejected
from opentracing_recorder.prometheus import MetricsRecorder

logging.getLogger("opentracing_recorder").addHandler(logging.NullHandler())

class Half(BatchRecorder):
    sends = 0

    def send(self, spans):
        self.sends += 1
        if self.sends == 2:
            raise Rejected("400")

tracer = BasicTracer(MetricsRecorder(Half(queue_size=8)), service_name="shop")

def serve(ends):
    for each in range(300):
        tracer.start_span("GET", tags={"span.kind": "server"}).finish(finish_time=None)
        if each in (1, 3):
            tracer.flush()
    ends()

tracer.start_span("loaded").finish()
tracer.flush()
children = []
for ends in (sys.exit, tracer.close):
    child = os.fork()
    if child == 0:
        serve(ends)
        sys.exit()
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
    mark_process_dead(child)
tracer.close()
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


@pytest.mark.needs_os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_scrape_has_all_processes_in_multiprocess_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sums of all, those that have ended included; gauges are those of the living."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    ended = run_program([*FORKING, "-c", _PROCESSES])
    assert (ended.error, ended.code) == ("", 0)
    found = {
        (each.name, each.labels.get("span_name") or each.labels.get("le")): each.value
        for family in read_text(ended.output)
        for each in family.samples
        if each.name.startswith("opentracing") or each.labels["span_name"] != "loaded"
    }
    spans = "opentracing_recorder_spans_"
    assert found[CALLS, "GET"] == found[f"{SECONDS}_count", "GET"] == 600
    assert found[f"{spans}recorded_total", None] == 601
    assert found[f"{spans}failed_total", None] == 4
    outcomes = [found[f"{spans}{each}_total", None] for each in ("sent", "dropped", "failed")]
    assert sum(outcomes) == 601
    assert found[f"{spans}queued", None] == 0
    assert found["opentracing_recorder_queue_size", None] == 8
    assert "exemplar" not in ended.output


_TWO_FORKS = """
import os, threading
from opentracing_recorder import InMemoryRecorder
from opentracing_recorder.prometheus import MetricsRecorder

first_waits, second_has_forked = threading.Event(), threading.Event()

def before():
    if threading.current_thread().name == "first":
        first_waits.set()
        second_has_forked.wait()

os.register_at_fork(before=before)  # called after the recorder's
recorder = MetricsRecorder(InMemoryRecorder())

def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

first = threading.Thread(target=fork, name="first")
first.start()
first_waits.wait()
fork()  # the first one holds the lock: this waits for a second, and does without
second_has_forked.set()
first.join()
writing = threading.Thread(target=recorder._collector.files.write, daemon=True)
writing.start()
writing.join(20)
print(writing.is_alive())
"""


@pytest.mark.needs_os
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forks_of_two_threads_leave_the_files_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if one of them takes longer than the other waits."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    ended = run_program([*FORKING, "-c", _TWO_FORKS])
    assert (ended.error, ended.code, ended.output) == ("", 0, "False\n")


class TestMetricsRecorder(RecorderCheckMixin):
    """The contract of a recorder, around one that keeps spans in memory."""

    def recorder(self) -> Recorder:
        return MetricsRecorder(InMemoryRecorder(), registry=CollectorRegistry())

    def delivered(self, recorder: Any) -> list[str]:
        return [span.operation_name for span in recorder.recorder.spans]

    def check_fork(self) -> bool:
        return False
