"""Reads the payloads that are posted to Zipkin, and checks them by the rules of its API."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from opentracing_recorder import BasicSpan
from opentracing_recorder._zipkin_json import span_encoder, to_json

_SCHEMA = json.loads(Path(__file__).with_name("zipkin2_schema.json").read_text(encoding="utf-8"))
_VALIDATOR = Draft202012Validator(_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def payload_of(spans: Iterable[BasicSpan], local_endpoint: dict[str, Any]) -> bytes:
    """The body of a report of these spans, each of which can be encoded."""
    return to_json(list(map(span_encoder(local_endpoint), spans)))


def spans_in(payload: bytes) -> list[dict[str, Any]]:
    """The spans of a report that keeps the rules; an error that names the rule otherwise."""
    spans: list[dict[str, Any]] = json.loads(payload.decode("utf-8"))
    _VALIDATOR.validate(spans)
    return spans
