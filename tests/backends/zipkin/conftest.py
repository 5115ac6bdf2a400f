"""Fixtures of the tests of real servers."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any

import pytest

from opentracing_recorder._http_post import HTTPPost, Reply
from opentracing_recorder.zipkin import ZipkinRecorder, ZipkinTracer

from ...zipkin_payload import spans_in
from .zipkin_server import Missing, ZipkinServer


@pytest.fixture(scope="session")
def zipkin(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ZipkinServer]:
    """A real Zipkin server, which is started once for all tests."""
    try:
        server = ZipkinServer(tmp_path_factory.mktemp("zipkin") / "log.txt")
    except Missing as missing:
        if pytestconfig.getoption("--require-zipkin"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    with closing(server):
        yield server


MakeTracer = Callable[..., Any]


@pytest.fixture
def make_tracer(zipkin: ZipkinServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeTracer]:
    """Makes a ZipkinTracer of a service that sends to the real server; `recorder` holds the
    options of its recorder.

    What it sends is held against the rules of Zipkin's API when the test has ended.
    """
    reports: list[bytes] = []
    post = HTTPPost.post

    def noted(self: HTTPPost, body: bytes, headers: Mapping[str, str], time_limit: float) -> Reply:
        reports.append(gzip.decompress(body) if "content-encoding" in headers else body)
        return post(self, body, headers, time_limit)

    monkeypatch.setattr(HTTPPost, "post", noted)
    with ExitStack() as tracers:

        def make(
            service_name: str, recorder: Mapping[str, Any] | None = None, **options: Any
        ) -> ZipkinTracer:
            own = ZipkinRecorder(service_name, zipkin.url, **(recorder or {}))
            tracer = ZipkinTracer(service_name, recorder=own, **options)
            return tracers.enter_context(tracer)

        yield make
    for report in reports:
        assert spans_in(report)
