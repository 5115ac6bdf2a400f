"""Each example runs as a program, without a warning, and prints what it promises."""

from __future__ import annotations

import http.client
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"},
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
    """A new example does not go without a test."""
    tested = set(re.findall(r'run\("(\w+\.py)"', Path(__file__).read_text(encoding="utf-8")))
    assert {each.name for each in EXAMPLES.glob("*.py")} == tested


def test_checkout_draws_one_trace_across_three_services(tmp_path: Path) -> None:
    """The demo shows three traces over all services, the failed span with its error, and a page."""
    page = tmp_path / "page.html"
    printed = run("checkout.py", "--html", str(page))
    assert printed.count("7 spans · shop, stock, payment") == 3
    assert "✗ payment: charge card" in printed
    assert "ValueError: the card has expired" in printed
    assert "3 errors" in printed
    assert str(page) in printed
    assert "payment" in page.read_text(encoding="utf-8")


def test_checkout_links_client_and_server_spans() -> None:
    """Each server span's parent is the client span that called it, in another service."""
    checkout = load("checkout")
    stock, payment = checkout.Stock("stock"), checkout.Payment("payment")
    shop = checkout.Shop(stock, payment)
    with stock, payment, shop:
        body = checkout.call(shop.tracer, shop, "/checkout/teapot/valid")
    assert body == "sold"
    (served,) = stock.recorder.find("GET /stock/teapot")
    (called,) = shop.recorder.find("call stock")
    assert served.parent_id == called.context.span_id
    assert served.context.trace_id == called.context.trace_id
    assert served.tags["span.kind"] == "server"
    assert served.tags["http.status_code"] == 200
    assert called.tags["peer.service"] == "stock"


def test_checkout_survives_a_broken_trace_header() -> None:
    """A request whose trace headers are broken is served, in a trace of its own."""
    checkout = load("checkout")
    with checkout.Payment("payment") as payment:
        connection = http.client.HTTPConnection("127.0.0.1", payment.server_port)
        connection.request("GET", "/charge/valid", headers={"ot-tracer-traceid": "nonsense"})
        assert connection.getresponse().read() == b"charged"
        connection.close()
    assert payment.recorder.one("GET /charge/valid").parent_id is None


def test_inbound_outbound_makes_the_same_trace_with_either_storage() -> None:
    """Both storages of the current span give server, client and server, each the next's parent."""
    printed = run("inbound_outbound.py")
    shapes = re.findall(r"^(checkout)|^(└─ charge)|^(   └─ serve charge)", printed, re.MULTILINE)
    assert len(shapes) == 6


def test_asyncio_gather_keeps_tasks_apart() -> None:
    """Three concurrent tasks are siblings, and each has its own child."""
    printed = run("asyncio_gather.py")
    assert printed.count("─ fetch") == 3
    assert printed.count("   └─ parse") + printed.count("│  └─ parse") == 3


def test_sqlite_recorder_stores_spans() -> None:
    """The vendor's recorder answers a query over the spans it stored."""
    assert run("sqlite_recorder.py").splitlines() == [
        "boil egg   3",
        "boil egg   5",
        "boil egg   4",
        "breakfast",
    ]


@pytest.mark.parametrize("message", ["an order arrived", "packing"])
def test_log_correlation_names_the_trace_on_each_line(message: str) -> None:
    """A line logged while a span is active carries its ids; others carry none."""
    lines = run("log_correlation.py").splitlines()
    line = next(each for each in lines if message in each)
    assert re.match(r"\[[0-9a-f]{16} [0-9a-f]{16}\] shop", line)
    assert lines[0].startswith("[" + " " * 33 + "]")
