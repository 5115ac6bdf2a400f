"""`make demo-zipkin` shows its traces on the web pages of a real Zipkin server."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import opentracing

from ...browser import Page
from .zipkin_server import ZipkinServer

pytestmark = pytest.mark.needs_os

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "tests/backends/zipkin/zipkin_server.py", "examples/checkout.py"]
PICTURE = ROOT / "env" / "zipkin.png"

# The labels of the spans' bars, each with whether an icon before it marks a failure.
LABELS = r"""
[...document.querySelectorAll("main div")]
    .filter((each) => !each.children.length && /^\w+: \S/.test(each.textContent))
    .map((each) => [each.textContent, each.previousElementSibling instanceof SVGElement])
"""


def environment(**variables: str) -> dict[str, str]:
    """This one, with the packages that these tests have imported, and no Zipkin but a given one."""
    packages = str(Path(opentracing.__file__).resolve().parents[1])
    own = {key: value for key, value in os.environ.items() if key != "ZIPKIN_URL"}
    return {
        **own,
        "COLUMNS": "100",
        "PYTHONPATH": packages,
        "PYTHONIOENCODING": "utf-8",
        **variables,
    }


@pytest.fixture(scope="module")
def addresses(zipkin: ZipkinServer, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the addresses of three traces that the demo prints, with a Zipkin that is running."""
    page = tmp_path_factory.mktemp("checkout") / "page.html"
    done = subprocess.run(
        [*COMMAND, "--html", str(page)],
        cwd=ROOT,
        env=environment(ZIPKIN_URL=zipkin.url),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return re.findall(r"^In Zipkin: (\S+)$", done.stdout, re.MULTILINE)


def test_the_demo_sends_what_it_shows(zipkin: ZipkinServer, addresses: list[str]) -> None:
    """Each of the three traces has seven spans of three services in Zipkin."""
    traces = [zipkin.trace(each.rpartition("/")[2], spans=7) for each in addresses]
    services = [sorted(span["localEndpoint"]["serviceName"] for span in trace) for trace in traces]
    assert services == [["payment"] * 2 + ["shop"] * 3 + ["stock"] * 2] * 3


def test_the_services_depend_on_each_other(zipkin: ZipkinServer, addresses: list[str]) -> None:
    """Zipkin links the shop to the two services that it calls, and counts the failed charge."""
    for each in addresses:
        zipkin.trace(each.rpartition("/")[2], spans=7)
    links = zipkin.get("/api/v2/dependencies", endTs=int(time.time() * 1000) + 60_000)
    assert [each for each in links if each["parent"] == "shop"] == [
        {"parent": "shop", "child": "stock", "callCount": 3},
        {"parent": "shop", "child": "payment", "callCount": 3, "errorCount": 1},
    ]


def test_the_page_of_a_trace_shows_what_failed(
    zipkin: ZipkinServer, addresses: list[str], page: Page
) -> None:
    """Zipkin's page draws the spans of all three services, and marks those that failed.

    The picture of it stays in env/.
    """
    address = addresses[1]
    zipkin.trace(address.rpartition("/")[2], spans=7)
    page.resize(1200, 640)
    page.open(address)
    page.wait_for(f"({LABELS}).length === 7")
    shown = page.run(LABELS)
    click(page, "payment: charge card")
    page.wait_for("document.querySelector('main').innerText.includes('error.kind')")
    tags = page.run("document.querySelector('main').innerText").partition("\nTags\n")[2]
    PICTURE.parent.mkdir(exist_ok=True)
    page.picture(PICTURE)
    assert shown == [
        ["shop: get /checkout", False],
        ["shop: call stock", False],
        ["stock: get /stock", False],
        ["stock: select stock", False],
        ["shop: call payment", True],
        ["payment: get /charge", True],
        ["payment: charge card", True],
    ]
    assert tags.split() == ["error", "the", "card", "has", "expired"]
    assert page.errors == []


@pytest.mark.usefixtures("zipkin")  # it can be started here, and Maven has it
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_the_demo_starts_a_zipkin_and_keeps_it_until_enter(tmp_path: Path) -> None:
    """Without ZIPKIN_URL the printed addresses work until Enter is pressed, and then no more."""
    terminal, its_end = os.openpty()
    command = [*COMMAND, "--html", str(tmp_path / "page.html")]
    demo: Any = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=its_end, stdout=its_end, stderr=its_end
    )
    os.close(its_end)
    try:
        printed = read_until(terminal, "press Enter")
        (url, *_) = re.findall(r"In Zipkin: (\S+)/zipkin/traces/", printed)
        with urllib.request.urlopen(f"{url}/health", timeout=10) as health:
            assert health.status == 200
        os.write(terminal, b"\n")
        assert demo.wait(timeout=30) == 0
        with pytest.raises(urllib.error.URLError, match="refused"):
            urllib.request.urlopen(f"{url}/health", timeout=10)
    finally:
        demo.send_signal(signal.SIGINT)  # it ends its Zipkin too
        demo.wait()
        os.close(terminal)


def click(page: Page, text: str) -> None:
    """Click on what shows just this text."""
    page.run(f"""
        [...document.querySelectorAll("main *")]
            .find((each) => !each.children.length && each.textContent === {json.dumps(text)})
            .id = "wanted"
    """)
    page.click("#wanted")


def read_until(terminal: int, text: str) -> str:
    """All that was printed, once the text is in it."""
    printed = b""
    while text.encode() not in printed:
        readable, _, _ = select.select([terminal], [], [], 120)
        assert readable, printed.decode()
        try:
            printed += os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            pytest.fail(f"it has ended: {printed.decode()}")
    return printed.decode()
