"""Web frameworks and HTTP clients, instrumented for OpenTelemetry."""

from __future__ import annotations

from typing import Any

import pytest

from .kit import compare

CALLER = f"remote {1:032x} {2:016x}"


def servers(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [span for span in spans if span["kind"] == "SERVER"]


@pytest.mark.parametrize("program", ["flask", "starlette", "fastapi", "django", "aiohttp_server"])
def test_services(program: str) -> None:
    """A service's spans are those of OpenTelemetry's SDK, with the caller's trace continued."""
    result, spans = compare(program)
    statuses = result if isinstance(result[0], int) else result[0]
    assert statuses[:2] == [200, 500]
    assert len(servers(spans)) == len(statuses)
    assert {span["parent"] for span in servers(spans)} == {CALLER}
    assert {span["context"][2] for span in spans} == {"vendor=1"}
    names = {span["name"] for span in servers(spans)}
    assert {span["parent"] for span in spans if span["name"] == "look up"} <= names


def test_fastapi_hands_baggage_to_the_handler() -> None:
    """Baggage that came in headers is in the current context of a handler."""
    (_, seen), _ = compare("fastapi")
    assert seen == ["amy"]


def test_nothing_is_current_after_requests_to_django() -> None:
    """Under ASGI, Django enters and leaves a span in different calls; none stays current."""
    (_, is_clean), spans = compare("django")
    assert is_clean
    assert len(servers(spans)) == 4


@pytest.mark.parametrize("program", ["requests", "urllib3", "httpx", "aiohttp_client"])
def test_clients(program: str) -> None:
    """A client's spans are those of OpenTelemetry's SDK, and headers carry the trace on."""
    (statuses, carried), spans = compare(program)
    assert (statuses[:2], statuses[-1]) == ([200, 500], 0)
    assert carried == [[[2, 32, 16, 2], "03", "vendor=1", "user=amy"]] * (len(statuses) - 1)
    assert {span["kind"] for span in spans} == {"CLIENT"}
    assert {span["parent"] for span in spans} == {CALLER}
    assert spans[-1]["status"][0] == "ERROR"
