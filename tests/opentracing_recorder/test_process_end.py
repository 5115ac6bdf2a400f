"""The last spans of a process: through every recorder, however the process ends.

None of them has sent anything before: the first report is made while the interpreter exits, when
threads and pools can no longer be started.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..endings import ENDINGS, run
from ..http_server import ScriptedServer
from ..tables import table

pytestmark = pytest.mark.needs_os


class Case:
    """A recorder as a program makes it, and how to read the names of the spans that came."""

    def __init__(self, recorder: str, read: Callable[[Path, ScriptedServer], list[str]]) -> None:
        self.recorder, self.read = recorder, read


def _lines(path: Path, server: ScriptedServer) -> list[str]:
    return [json.loads(line)["operation_name"] for line in path.read_text().splitlines()]


def _words(path: Path, server: ScriptedServer) -> list[str]:
    return path.read_text().split()


def _zipkin(path: Path, server: ScriptedServer) -> list[str]:
    return [span["name"] for each in server.requests for span in json.loads(each.body)]


def _otlp(path: Path, server: ScriptedServer) -> list[str]:
    from ..otlp_payload import names_in

    return names_in(server.requests)


RECORDERS = {
    "JSONLinesRecorder": Case(
        """
        from opentracing_recorder import JSONLinesRecorder
        return JSONLinesRecorder(PLACE)
        """,
        _lines,
    ),
    "LoggingRecorder": Case(
        """
        import logging
        from opentracing_recorder import LoggingRecorder
        logger = logging.getLogger("spans")
        handler = logging.FileHandler(PLACE)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        return LoggingRecorder(logger)
        """,
        lambda path, server: re.findall(r"^\S+", path.read_text(), re.MULTILINE),
    ),
    "BatchRecorder": Case(
        """
        from opentracing_recorder import BatchRecorder
        class Appending(BatchRecorder):
            def send(self, spans):
                file = os.open(PLACE, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
                os.write(file, "".join(f"{span.operation_name} " for span in spans).encode())
                os.close(file)
        return Appending(**NEVER)
        """,
        _words,
    ),
    "ZipkinRecorder": Case(
        """
        from opentracing_recorder.zipkin import ZipkinRecorder
        return ZipkinRecorder("shop", PLACE, **NEVER)
        """,
        _zipkin,
    ),
    "OTLPRecorder": Case(
        """
        from opentracing_recorder.otlp import OTLPRecorder
        return OTLPRecorder("shop", PLACE, **NEVER)
        """,
        _otlp,
    ),
    "OpenTelemetryRecorder": Case(
        """
        from functools import partial
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentracing_recorder.opentelemetry import OpenTelemetryRecorder
        return OpenTelemetryRecorder(partial(OTLPSpanExporter, endpoint=PLACE), "shop", **NEVER)
        """,
        _otlp,
    ),
}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.mark.parametrize("ending", table(ENDINGS, ["the end of the script", "a spawned child"]))
@pytest.mark.parametrize("recorder", RECORDERS)
def test_the_last_spans_arrive(
    tmp_path: Path, server: ScriptedServer, recorder: str, ending: str
) -> None:
    """Each once, without a wait, and nothing is printed."""
    case, path = RECORDERS[recorder], tmp_path / "spans"
    sends = case.read in (_zipkin, _otlp)
    run(tmp_path, case.recorder, ENDINGS[ending], server.url if sends else str(path))
    assert sorted(case.read(path, server)) == ENDINGS[ending].names
