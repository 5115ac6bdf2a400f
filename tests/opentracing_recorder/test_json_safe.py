"""Any value as JSON or text."""

from __future__ import annotations

import json
from typing import Any

from opentracing_recorder.json_safe import json_safe, text_of


def test_json_safe_forms() -> None:
    """JSON's own values stay; the rest becomes text that says what it was."""
    assert json_safe({"a": (1, 2.5, True, None, "s")}) == {"a": [1, 2.5, True, None, "s"]}
    assert json_safe(float("inf")) == "inf"
    assert json_safe(2**64) == "0x10000000000000000"
    assert json_safe(b"bytes") == "bytes"
    assert json_safe(ValueError("x")) == "ValueError: x"
    assert text_of(ValueError) == "ValueError"
    wide: list[Any] = ["x"] * 1000
    for _ in range(30):
        wide = [wide] * 10
    assert len(json.dumps(json_safe(wide))) < 10_000_000
