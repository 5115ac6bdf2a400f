"""A real Prometheus that scrapes this process, with the rules of the guide."""

from __future__ import annotations

import ast
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from ...guides import ROOT, literal_blocks

PATIENCE = 30.0  # seconds for what must happen

_CONFIG = """
global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}
rule_files: [{rules}]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def found(program: str) -> str:
    """The path of a program of Prometheus's package; otherwise the test is skipped."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is missing: run `make test-prometheus`")
    return path


def rules_of_the_guide() -> str:
    """The YAML in the guide of `opentracing_recorder.prometheus`."""
    file = ROOT / "opentracing_recorder" / "prometheus.py"
    guide = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert guide is not None
    (rules,) = [code for _, code, _ in literal_blocks(guide) if code.startswith("groups:")]
    return rules


class Prometheus:
    """A running server, and what it has scraped of this process."""

    def __init__(self, folder: Path, metrics_port: int) -> None:
        rules, config = folder / "rules.yml", folder / "prometheus.yml"
        # The guide waits 5 minutes before it wakes somebody.
        rules.write_text(rules_of_the_guide().replace("for: 5m", "for: 1s"))
        config.write_text(_CONFIG.format(rules=rules, port=metrics_port))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{address}"
        self._log = folder / "log.txt"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    found("prometheus"),
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={address}",
                    "--enable-feature=exemplar-storage",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def get(self, path: str, **query: Any) -> Any:
        """The data of an answer of the API, such as that to ``query``."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with self._opener.open(url, timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        """What the condition returns as soon as that is true; the server may still be starting."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            with contextlib.suppress(OSError):
                if value := condition():
                    return value
            time.sleep(0.05)
        raise AssertionError(f"not within {PATIENCE} seconds; {self._log.read_text()[-1000:]}")

    def numbers(self, query: str) -> dict[tuple[str, ...], float]:
        """The values that a query has now, by the values of their labels."""
        return {
            tuple(each["metric"].values()): float(each["value"][1])
            for each in self.get("query", query=query)["result"]
        }

    def scraped(self) -> None:
        """Wait until all that has happened before this call is scraped, by a scrape that worked."""
        now = time.time()
        self.wait_for(lambda: any(each > now for each in self.numbers("timestamp(up)").values()))
        assert list(self.numbers("up").values()) == [1]

    def alerts(self) -> dict[str, str]:
        """The state of each alert that is pending or firing, by name."""
        found = self.get("alerts")["alerts"]
        return {each["labels"]["alertname"]: each["state"] for each in found}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def prometheus(registry: CollectorRegistry, tmp_path: Path) -> Iterator[Prometheus]:
    """One that has scraped the registry, which is served on this machine."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        with contextlib.closing(Prometheus(tmp_path, server.server_port)) as prometheus:
            yield prometheus
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
