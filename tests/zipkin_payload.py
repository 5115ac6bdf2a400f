"""What is posted to Zipkin, read back and held against the rules of its API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_SCHEMA = json.loads(Path(__file__).with_name("zipkin2_schema.json").read_text(encoding="utf-8"))
_VALIDATOR = Draft202012Validator(_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def spans_in(payload: bytes) -> list[dict[str, Any]]:
    """The spans of a report that keeps the rules; an error that names the rule otherwise."""
    spans: list[dict[str, Any]] = json.loads(payload.decode("utf-8"))
    _VALIDATOR.validate(spans)
    return spans
