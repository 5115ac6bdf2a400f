"""OpenTracing's standard tags under the names that OpenTelemetry has for the same facts.

The sources are the tag tables of the OpenTracing specification, and OpenTelemetry's semantic
conventions 1.45 with their notes on names that replace others.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from opentracing import tags

from ._json_safe import text_of

NAMES = {
    tags.HTTP_METHOD: "http.request.method",
    tags.HTTP_STATUS_CODE: "http.response.status_code",
    tags.HTTP_URL: "url.full",
    tags.DATABASE_INSTANCE: "db.namespace",
    tags.DATABASE_STATEMENT: "db.query.text",
    tags.DATABASE_TYPE: "db.system.name",
    tags.MESSAGE_BUS_DESTINATION: "messaging.destination.name",
    tags.PEER_HOSTNAME: "server.address",
    tags.PEER_PORT: "server.port",
    tags.PEER_HOST_IPV4: "network.peer.address",
    tags.PEER_HOST_IPV6: "network.peer.address",
}

# The peer of a server is its client. The peer of any other span counts as a server: a producer and
# a consumer of messages talk to a broker.
NAMES_OF_SERVER = {
    **NAMES,
    tags.PEER_HOSTNAME: "client.address",
    tags.PEER_PORT: "client.port",
}

NUMBERS = {tags.HTTP_STATUS_CODE, tags.PEER_PORT}


def with_opentelemetry_names(span_tags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON-safe tags of one span, the standard ones under OpenTelemetry's names.

    The guide of `opentracing_recorder.opentelemetry` lists them. Other tags keep their names:
    ``component``, ``db.user`` and ``peer.address`` have no successor, and backends draw their maps
    from ``peer.service``. A tag also keeps its name if the span has the new one already.
    """
    is_server = text_of(span_tags.get(tags.SPAN_KIND)).lower() == tags.SPAN_KIND_RPC_SERVER
    names = NAMES_OF_SERVER if is_server else NAMES
    renamed: dict[str, Any] = {}
    for key, value in span_tags.items():
        name = names.get(key)
        if name is None or name in span_tags or name in renamed:
            renamed[key] = value
        else:
            renamed[name] = _opentelemetry_value(key, value)
    return renamed


def _opentelemetry_value(key: str, value: Any) -> Any:
    if key in NUMBERS:
        is_number = type(value) is str and value.isascii() and value.isdigit() and len(value) < 10
        return int(value) if is_number else value
    if key == tags.PEER_HOST_IPV4 and type(value) is int and 0 <= value < 1 << 32:
        return str(ipaddress.IPv4Address(value))
    if key == tags.DATABASE_TYPE and value == "sql":
        return "other_sql"
    return value
