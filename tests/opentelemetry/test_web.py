"""Web frameworks, instrumented for OpenTelemetry."""

from __future__ import annotations

from .kit import run


def test_flask() -> None:
    """Flask's spans are those of OpenTelemetry's SDK, with the caller's trace continued."""
    statuses, spans = run("flask", "ours")
    assert statuses == [200, 500]
    assert [span["kind"] for span in spans] == ["SERVER", "SERVER"]
    assert {span["parent"] for span in spans} == {f"remote {2:016x}"}
    assert [span["status"][0] for span in spans] == ["UNSET", "ERROR"]
    assert [statuses, spans] == run("flask", "sdk")
