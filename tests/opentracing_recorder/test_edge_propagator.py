"""EdgePropagator: what strangers send, with the decision left to this service."""

from __future__ import annotations

from typing import Any

import pytest

from opentracing import Format
from opentracing_recorder import (
    B3Propagator,
    BasicTracer,
    CompositePropagator,
    ConstSampler,
    EdgePropagator,
    InMemoryRecorder,
    Propagator,
    TextPropagator,
    TraceContextPropagator,
)
from opentracing_recorder.harness import PropagatorCheckMixin

from .. import formats

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"

HEADERS: dict[str, tuple[str, dict[str, str]]] = {
    "W3C": ("w3c", {"traceparent": f"00-{TRACE}-{SPAN}-01"}),
    "X-B3": (
        "b3",
        {"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Sampled": "1", "X-B3-Flags": "1"},
    ),
    "b3": ("b3", {"b3": f"{TRACE}-{SPAN}-d"}),
    "Jaeger": ("jaeger headers", {"uber-trace-id": f"{TRACE}:{SPAN}:0:3"}),
    "text": (
        "headers",
        {"ot-tracer-traceid": TRACE, "ot-tracer-spanid": SPAN, "ot-tracer-sampled": "true"},
    ),
}
FORMATS = {name: (formats.FORMATS[used], given) for name, (used, given) in HEADERS.items()}
every_format = pytest.mark.parametrize(
    ("propagator", "headers"), FORMATS.values(), ids=FORMATS.keys()
)


class TestContract(PropagatorCheckMixin):
    """It keeps the contract of the propagator that it is given, but for the decision."""

    def propagator(self) -> Propagator:
        return EdgePropagator(TextPropagator(encode_values=True))

    def check_decision(self) -> bool:
        return False


@every_format
@pytest.mark.parametrize("decision", [True, False])
def test_the_sampler_decides_about_a_strangers_trace(
    propagator: Propagator, headers: dict[str, str], decision: bool
) -> None:
    """The trace and the link to the caller stay; the caller's sampled and debug flags do not."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(
        recorder,
        ConstSampler(decision),
        propagators={Format.HTTP_HEADERS: EdgePropagator(propagator)},
    )
    caller = tracer.extract(Format.HTTP_HEADERS, headers)
    span = tracer.start_span("serve", child_of=caller)
    assert (span.context.to_trace_id(), span.parent_id) == (TRACE, int(SPAN, 16))
    assert span.sampled is decision
    assert "debug" not in span.context.extra
    sent: dict[str, str] = {}
    tracer.inject(span, Format.HTTP_HEADERS, sent)
    behind = propagator.extract(sent)
    assert behind is not None
    assert (behind.to_trace_id(), behind.sampled) == (TRACE, decision)
    span.finish()
    assert len(recorder.spans) == decision


@every_format
def test_no_decision_of_a_strangers_drops_a_trace(
    propagator: Propagator, headers: dict[str, str]
) -> None:
    """A caller that wants its trace dropped is not heard either."""
    carrier: dict[str, str] = {}
    context = propagator.extract(headers)
    assert context is not None
    context.sampled = False
    propagator.inject(context, carrier)
    extracted = EdgePropagator(propagator).extract(carrier)
    assert extracted is not None
    assert extracted.sampled is None


@pytest.mark.parametrize("headers", [{"b3": "0"}, {"b3": "1"}, {"X-B3-Flags": "1"}, {}])
def test_a_decision_alone_is_nothing(headers: dict[str, str]) -> None:
    """Without a trace and baggage, there is no context."""
    assert EdgePropagator(B3Propagator()).extract(headers) is None


def test_baggage_can_be_refused() -> None:
    """It is taken over by default, with the count of what was dropped, and left out if asked."""
    carrier = {**FORMATS["text"][1], "ot-baggage-role": "admin"}
    carrier.update({f"ot-baggage-k{number}": "v" for number in range(70)})
    inner = FORMATS["text"][0]
    taken = EdgePropagator(inner).extract(carrier)
    assert taken is not None
    assert taken.baggage["role"] == "admin"
    assert taken.dropped_baggage == 7
    refused = EdgePropagator(inner, baggage=False).extract(carrier)
    assert refused is not None
    assert refused.baggage == {}
    assert (
        EdgePropagator(TraceContextPropagator(), baggage=False).extract({"baggage": "a=1"}) is None
    )


@pytest.mark.parametrize(
    ("received", "sent"),
    [
        ("a=1,ot=th:c;rv:0123456789abcd,b=2", "a=1,ot=rv:0123456789abcd,b=2"),
        ("ot=th:8", None),
        ("ot=th:8,b=2", "b=2"),
        ("a=th:8", "a=th:8"),
    ],
)
def test_the_threshold_of_the_callers_decision_is_not_sent_on(
    received: str, sent: str | None
) -> None:
    """``tracestate`` goes on without OpenTelemetry's ``th``: our sampler has decided since."""
    edge = EdgePropagator(TraceContextPropagator())
    context = edge.extract({**FORMATS["W3C"][1], "tracestate": received})
    assert context is not None
    carrier: dict[str, str] = {}
    edge.inject(context, carrier)
    assert carrier.get("tracestate") == sent


def test_several_formats_are_read_at_the_edge() -> None:
    """A composite serves as well as one format."""
    edge = EdgePropagator(CompositePropagator([TraceContextPropagator(), B3Propagator()]))
    for name in ("W3C", "b3"):
        context = edge.extract(FORMATS[name][1])
        assert context is not None
        assert (context.to_trace_id(), context.sampled, context.is_remote) == (TRACE, None, True)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: EdgePropagator(5), "propagator"),  # type: ignore[arg-type]
        (lambda: EdgePropagator(B3Propagator(), baggage="no"), "baggage"),  # type: ignore[arg-type]
    ],
)
def test_arguments_are_checked(make: Any, name: str) -> None:
    """A wrong argument is named."""
    with pytest.raises(TypeError, match=name):
        make()
