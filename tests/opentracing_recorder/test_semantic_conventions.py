"""OpenTracing's standard tags under OpenTelemetry's names."""

from __future__ import annotations

from typing import Any

import pytest

from opentracing_recorder._opentelemetry_conventions import with_opentelemetry_names


@pytest.mark.parametrize(
    ("key", "value", "name", "expected"),
    [
        ("http.method", "GET", "http.request.method", "GET"),
        ("http.status_code", 404, "http.response.status_code", 404),
        ("http.status_code", "404", "http.response.status_code", 404),
        ("http.status_code", "4xx", "http.response.status_code", "4xx"),
        ("http.url", "http://shop/?a=1", "url.full", "http://shop/?a=1"),
        ("db.instance", "orders", "db.namespace", "orders"),
        ("db.statement", "SELECT 1", "db.query.text", "SELECT 1"),
        ("db.type", "redis", "db.system.name", "redis"),
        ("db.type", "sql", "db.system.name", "other_sql"),
        ("message_bus.destination", "orders", "messaging.destination.name", "orders"),
        ("peer.hostname", "db1", "server.address", "db1"),
        ("peer.port", "5432", "server.port", 5432),
        ("peer.ipv4", "127.0.0.1", "network.peer.address", "127.0.0.1"),
        ("peer.ipv4", 0x7F000001, "network.peer.address", "127.0.0.1"),
        ("peer.ipv6", "::1", "network.peer.address", "::1"),
    ],
)
def test_a_standard_tag_gets_its_name_of_today(
    key: str, value: Any, name: str, expected: Any
) -> None:
    """One tag becomes one attribute; numbers and addresses get the type that it has."""
    assert with_opentelemetry_names({key: value}) == {name: expected}


@pytest.mark.parametrize(
    ("kind", "side"),
    [
        ("server", "client"),
        ("Server", "client"),
        ("client", "server"),
        ("producer", "server"),
        ("consumer", "server"),
    ],
)
def test_the_peer_is_the_other_side_of_the_call(kind: str, side: str) -> None:
    """A server's peer is its client; for all others it is a server, such as a broker."""
    tags = {"span.kind": kind, "peer.hostname": "other", "peer.port": 80}
    expected = {"span.kind": kind, f"{side}.address": "other", f"{side}.port": 80}
    assert with_opentelemetry_names(tags) == expected


@pytest.mark.parametrize(
    "key", ["component", "db.user", "peer.service", "peer.address", "error", "item", "http.route"]
)
def test_other_tags_keep_their_names(key: str) -> None:
    """Tags without a successor, and tags that were never standard, stay as they are."""
    assert with_opentelemetry_names({key: "x"}) == {key: "x"}


def test_no_tag_takes_the_name_of_another() -> None:
    """A tag stays under its own name where the new one is taken, whichever came first."""
    both = {"http.method": "GET", "http.request.method": "PUT"}
    assert with_opentelemetry_names(both) == both
    assert with_opentelemetry_names({"peer.ipv4": "127.0.0.1", "peer.ipv6": "::1"}) == {
        "network.peer.address": "127.0.0.1",
        "peer.ipv6": "::1",
    }


def test_the_given_tags_stay_as_they_were() -> None:
    """The span's own dict is not changed."""
    tags = {"http.method": "GET"}
    with_opentelemetry_names(tags)
    assert tags == {"http.method": "GET"}
