"""Each example runs as a program, without a warning, and prints what it promises."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

import opentracing
from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace
from opentracing_recorder.__main__ import main as show

from .threads import on_threads

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

# Examples run on the same packages as these tests, installed or not.
PACKAGES = str(Path(opentracing.__file__).resolve().parent.parent)


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env={
            **os.environ,
            "COLUMNS": "100",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": os.pathsep.join(filter(None, [PACKAGES, os.getenv("PYTHONPATH")])),
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_every_example_has_a_test() -> None:
    """A new example without a test fails here."""
    tested = set(re.findall(r'run\("(\w+\.py)"', Path(__file__).read_text(encoding="utf-8")))
    tested.add("fastapi_pools.py")  # by tests/servers, which has FastAPI
    assert {each.name for each in EXAMPLES.glob("*.py")} == tested


@pytest.mark.needs_os
def test_checkout_draws_one_trace_across_three_services(tmp_path: Path) -> None:
    """The demo prints three traces across all services, the failed span's error, and a page."""
    page = tmp_path / "page.html"
    printed = run("checkout.py", "--html", str(page))
    assert printed.count("7 spans · shop, stock, payment") == 3
    assert "✗ payment: charge card" in printed
    assert "ValueError: the card has expired" in printed
    assert "3 errors" in printed
    assert str(page) in printed
    written = page.read_text(encoding="utf-8")
    assert "ValueError: the card has expired" in written
    assert not re.findall(r"<(?:link|img|iframe)\b|\bsrc=|url\(", written)


def test_the_recorded_trace_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The file of spans behind README's picture is complete, and its queries are folded."""
    assert show(["show", str(EXAMPLES / "failed_checkout.jsonl"), "--width", "100"]) == 0
    shown, complaints = capsys.readouterr()
    assert "23 spans · shop, cart, stock, payment, mail · 4 errors" in shown
    assert "cart: SELECT item × 12" in shown
    assert complaints == ""


def test_the_picture_is_small() -> None:
    """Every clone contains it."""
    assert (EXAMPLES / "timeline.png").stat().st_size < 100_000


@pytest.mark.needs_os
def test_checkout_writes_its_page_to_a_file_of_its_own() -> None:
    """Without a path, each run writes a new file, and prints its path."""
    page = Path(run("checkout.py").splitlines()[-1].partition(": ")[2])
    try:
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    finally:
        page.unlink()
        page.parent.rmdir()


def order(checkout: ModuleType, path: str) -> tuple[list[InMemoryRecorder], int]:
    """The spans of the shop, stock and payment for one order, and the shop's answer."""
    stock, payment = checkout.Stock("stock"), checkout.Payment("payment")
    shop = checkout.Shop(stock, payment)
    with stock, payment, shop:
        connection = http.client.HTTPConnection("127.0.0.1", shop.server_port, timeout=10)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
    return [service.recorder for service in (shop, stock, payment)], status


@pytest.mark.needs_os
def test_checkout_makes_one_trace_of_three_services() -> None:
    """Each server span's parent is the client span that called it, in another service."""
    (shop, stock, payment), status = order(load("checkout"), "/checkout/teapot/valid")
    (trace,) = Trace.from_spans(shop.spans + stock.spans + payment.spans)
    tree = [(depth, node.service, node.operation_name) for node, depth in trace.walk()]
    assert status == 200
    assert tree == [
        (0, "shop", "GET /checkout"),
        (1, "shop", "call stock"),
        (2, "stock", "GET /stock"),
        (3, "stock", "SELECT stock"),
        (1, "shop", "call payment"),
        (2, "payment", "GET /charge"),
        (3, "payment", "charge card"),
    ]


@pytest.mark.needs_os
def test_checkout_tags_both_sides_of_a_call() -> None:
    """Server and client spans have tags for role, request, peer and status."""
    (shop, stock, _), _ = order(load("checkout"), "/checkout/teapot/valid")
    called, served = shop.one("call stock").tags, stock.one("GET /stock").tags
    assert called["span.kind"] == "client"
    assert called["component"] == "http.client"
    assert called["peer.service"] == "stock"
    assert served["span.kind"] == "server"
    assert served["component"] == "http.server"
    assert served["peer.ipv4"] == "127.0.0.1"
    assert called["http.url"] == served["http.url"]
    assert called["http.url"].endswith(f":{called['peer.port']}/stock/teapot")
    assert called["http.method"] == served["http.method"] == "GET"
    assert called["http.status_code"] == served["http.status_code"] == 200


@pytest.mark.needs_os
def test_checkout_marks_what_failed() -> None:
    """A failed charge marks the spans from the charge to the shop's call, and no others."""
    (shop, stock, payment), status = order(load("checkout"), "/checkout/teapot/expired")
    failed = [span.operation_name for span in payment.find(error=True) + shop.find(error=True)]
    assert status == 402
    assert failed == ["charge card", "GET /charge", "call payment"]
    assert stock.find(error=True) == []
    assert payment.one("GET /charge").tags["http.status_code"] == 500
    logged = payment.one("GET /charge").logs[-1].key_values
    assert (logged["event"], str(logged["error.object"])) == ("error", "the card has expired")


@pytest.mark.needs_os
def test_checkout_shows_the_slow_query() -> None:
    """The query for a rare item takes most of its trace, and has a log for it."""
    (shop, stock, _), _ = order(load("checkout"), "/checkout/unicorn/valid")
    query = stock.one("SELECT stock")
    assert query.duration >= 0.1
    assert query.duration < shop.one("GET /checkout").duration
    assert query.logs[0].key_values["event"] == "slow query"


@pytest.mark.needs_os
def test_checkout_marks_a_call_that_nobody_answers() -> None:
    """A client span whose connection is refused has an error, with the exception."""
    checkout = load("checkout")
    with checkout.Stock("stock") as gone:
        pass
    recorder = InMemoryRecorder()
    with pytest.raises(ConnectionError):
        checkout.call(BasicTracer(recorder), gone, "/stock/teapot")
    span = recorder.one("call stock", error=True)
    assert isinstance(span.logs[-1].key_values["error.object"], ConnectionError)


@pytest.mark.needs_os
def test_checkout_stops_all_of_its_threads() -> None:
    """No thread of a service runs after its block."""
    before = set(threading.enumerate())
    order(load("checkout"), "/checkout/teapot/valid")
    assert set(threading.enumerate()) == before


@pytest.mark.needs_os
def test_checkout_survives_a_broken_trace_header() -> None:
    """A request with broken trace headers is served, in a trace of its own."""
    checkout = load("checkout")
    with checkout.Payment("payment") as payment:
        connection = http.client.HTTPConnection("127.0.0.1", payment.server_port, timeout=10)
        connection.request("GET", "/charge/valid", headers={"ot-tracer-traceid": "nonsense"})
        assert connection.getresponse().read() == b"charged"
        connection.close()
    assert payment.recorder.one("GET /charge").parent_id is None


@pytest.mark.needs_os
def test_inbound_outbound_makes_the_same_trace_with_either_storage() -> None:
    """Both storages of the current span give server, client and server, each the next's parent."""
    printed = run("inbound_outbound.py")
    shapes = re.findall(r"^(checkout)|^(└─ charge)|^(   └─ serve charge)", printed, re.MULTILINE)
    assert len(shapes) == 6


@pytest.mark.parametrize("headers", [{}, {"ot-tracer-traceid": "nonsense"}])
def test_before_request_has_no_parent_but_the_caller(headers: dict[str, str]) -> None:
    """If the caller cannot be read, the server span is a root, even if a span is active."""
    example = load("inbound_outbound")
    tracer = BasicTracer(InMemoryRecorder())
    request = example.Request("checkout", "http://shop/checkout", headers=headers)
    with tracer.start_active_span("accept"):
        span = example.before_request(request, tracer)
    assert span.parent_id is None
    assert span.tags["http.url"] == "http://shop/checkout"


def test_before_http_request_injects_a_child_of_the_current_span() -> None:
    """The other side reads the client span from the headers; its parent is the current span."""
    example = load("inbound_outbound")
    request = example.Request("charge", "http://payment/charge", service_name="payment")
    with opentracing.use_tracer(BasicTracer(InMemoryRecorder())) as tracer:
        current = tracer.start_span("checkout")
        span = example.before_http_request(request, lambda: current)
        received = tracer.extract(opentracing.Format.HTTP_HEADERS, request.headers)
    assert received.span_id == span.context.span_id
    assert span.parent_id == current.context.span_id
    assert span.tags["peer.service"] == "payment"


@pytest.mark.needs_os
def test_asyncio_gather_keeps_tasks_apart() -> None:
    """Three concurrent tasks are siblings, and each has its own child."""
    printed = run("asyncio_gather.py")
    assert printed.count("─ fetch") == 3
    assert printed.count("   └─ parse") + printed.count("│  └─ parse") == 3


@pytest.mark.needs_os
def test_sqlite_recorder_prints_the_slowest_first() -> None:
    """The whole is printed first, then its parts, the longest first, with their tags."""
    assert run("sqlite_recorder.py").splitlines() == [
        "  480 s  breakfast  {}",
        "  360 s  boil egg   {'size': 'L'}",
        "  300 s  boil egg   {'size': 'M'}",
        "  240 s  boil egg   {'size': 'S'}",
    ]


@pytest.mark.needs_os
@pytest.mark.threads
def test_sqlite_recorder_stores_spans_of_all_threads(tmp_path: Path) -> None:
    """Spans that eight threads finish at once are all in the table, each in one row."""
    path = str(tmp_path / "spans.db")
    example = load("sqlite_recorder")
    with BasicTracer(example.SQLiteRecorder(path)) as tracer:

        def work() -> None:
            for _ in range(10):
                tracer.start_span("work").finish()

        on_threads(work)
    stored = example.SQLiteRecorder(path)
    rows = stored.query("SELECT span_id, operation, span FROM spans")
    stored.close()
    assert len({span_id for span_id, _, _ in rows}) == len(rows) == 80
    assert all(json.loads(span)["span_id"] == span_id for span_id, _, span in rows)


@pytest.mark.needs_os
@pytest.mark.parametrize("message", ["an order arrived", "packing"])
def test_log_correlation_names_the_trace_on_each_line(message: str) -> None:
    """A line logged while a span is active has its ids; other lines have none."""
    lines = run("log_correlation.py").splitlines()
    line = next(each for each in lines if message in each)
    assert re.match(r"\[[0-9a-f]{16} [0-9a-f]{16}\] shop", line)
    assert lines[0].startswith("[" + " " * 33 + "]")
