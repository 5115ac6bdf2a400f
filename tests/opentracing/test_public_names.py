"""What 2.4.0 offered is all there, under the same names and signatures."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

import opentracing
from opentracing import logs, tags

SIGNATURES = {
    "opentracing.child_of": ["referenced_context=None"],
    "opentracing.follows_from": ["referenced_context=None"],
    "opentracing.global_tracer": [],
    "opentracing.is_global_tracer_registered": [],
    "opentracing.set_global_tracer": ["value"],
    "opentracing.start_child_span": [
        "parent_span",
        "operation_name",
        "tags=None",
        "start_time=None",
    ],
    "opentracing._reset_global_tracer": [],
    "opentracing.Tracer.__init__": ["self", "scope_manager=None"],
    "opentracing.Tracer.start_active_span": [
        "self",
        "operation_name",
        "child_of=None",
        "references=None",
        "tags=None",
        "start_time=None",
        "ignore_active_span=False",
        "finish_on_close=True",
    ],
    "opentracing.Tracer.start_span": [
        "self",
        "operation_name=None",
        "child_of=None",
        "references=None",
        "tags=None",
        "start_time=None",
        "ignore_active_span=False",
    ],
    "opentracing.Tracer.inject": ["self", "span_context", "format", "carrier"],
    "opentracing.Tracer.extract": ["self", "format", "carrier"],
    "opentracing.Span.__init__": ["self", "tracer", "context"],
    "opentracing.Span.set_operation_name": ["self", "operation_name"],
    "opentracing.Span.finish": ["self", "finish_time=None"],
    "opentracing.Span.set_tag": ["self", "key", "value"],
    "opentracing.Span.log_kv": ["self", "key_values", "timestamp=None"],
    "opentracing.Span.set_baggage_item": ["self", "key", "value"],
    "opentracing.Span.get_baggage_item": ["self", "key"],
    "opentracing.Span.log_event": ["self", "event", "payload=None"],
    "opentracing.Span.log": ["self", "kwargs"],
    "opentracing.Span._on_error": ["span", "exc_type", "exc_val", "exc_tb"],
    "opentracing.Span.__exit__": ["self", "exc_type", "exc_val", "exc_tb"],
    "opentracing.Scope.__init__": ["self", "manager", "span"],
    "opentracing.Scope.close": ["self"],
    "opentracing.ScopeManager.__init__": ["self"],
    "opentracing.ScopeManager.activate": ["self", "span", "finish_on_close"],
    "opentracing.scope_managers.ThreadLocalScopeManager.activate": [
        "self",
        "span",
        "finish_on_close",
    ],
    "opentracing.scope_managers.asyncio.AsyncioScopeManager.activate": [
        "self",
        "span",
        "finish_on_close",
    ],
    "opentracing.scope_managers.contextvars.ContextVarsScopeManager.activate": [
        "self",
        "span",
        "finish_on_close",
    ],
    "opentracing.scope_managers.contextvars.no_parent_scope": [],
}

CONSTANTS = {
    "SPAN_KIND": "span.kind",
    "SPAN_KIND_RPC_CLIENT": "client",
    "SPAN_KIND_RPC_SERVER": "server",
    "SPAN_KIND_CONSUMER": "consumer",
    "SPAN_KIND_PRODUCER": "producer",
    "SERVICE": "service",
    "ERROR": "error",
    "COMPONENT": "component",
    "SAMPLING_PRIORITY": "sampling.priority",
    "PEER_SERVICE": "peer.service",
    "PEER_HOSTNAME": "peer.hostname",
    "PEER_ADDRESS": "peer.address",
    "PEER_HOST_IPV4": "peer.ipv4",
    "PEER_HOST_IPV6": "peer.ipv6",
    "PEER_PORT": "peer.port",
    "HTTP_URL": "http.url",
    "HTTP_METHOD": "http.method",
    "HTTP_STATUS_CODE": "http.status_code",
    "DATABASE_INSTANCE": "db.instance",
    "DATABASE_STATEMENT": "db.statement",
    "DATABASE_TYPE": "db.type",
    "DATABASE_USER": "db.user",
    "MESSAGE_BUS_DESTINATION": "message_bus.destination",
}


def resolve(path: str) -> object:
    parts = path.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:split]))
        except ImportError:
            continue
        for name in parts[split:]:
            found = getattr(found, name)
        return found
    raise AssertionError(path)


@pytest.mark.parametrize("path", SIGNATURES)
def test_signature_is_that_of_2_4(path: str) -> None:
    """Names, order and defaults of parameters hold."""
    function = resolve(path)
    assert callable(function)
    parameters = [
        name if each.default is each.empty else f"{name}={each.default}"
        for name, each in inspect.signature(function).parameters.items()
    ]
    assert parameters == SIGNATURES[path]


@pytest.mark.parametrize("name", CONSTANTS)
def test_tag_keeps_its_exact_string(name: str) -> None:
    """Each standard tag is there, under both paths."""
    ext_tags = importlib.import_module("opentracing.ext.tags")
    assert getattr(tags, name) == getattr(ext_tags, name) == CONSTANTS[name]


def test_no_tag_is_missing_from_the_table() -> None:
    """The table above lists every tag that the module has."""
    assert {each for each in vars(tags) if each.isupper()} == set(CONSTANTS)


def test_logs_formats_and_reference_types_keep_their_exact_strings() -> None:
    """Values that code compares with are what they were."""
    found = (logs.ERROR_KIND, logs.ERROR_OBJECT, logs.EVENT, logs.MESSAGE, logs.STACK)
    assert found == ("error.kind", "error.object", "event", "message", "stack")
    formats = (
        opentracing.Format.BINARY,
        opentracing.Format.TEXT_MAP,
        opentracing.Format.HTTP_HEADERS,
    )
    assert formats == ("binary", "text_map", "http_headers")
    kinds = opentracing.ReferenceType.CHILD_OF, opentracing.ReferenceType.FOLLOWS_FROM
    assert kinds == ("child_of", "follows_from")


def test_all_is_sorted_and_real() -> None:
    """`__all__` lists existing names in order."""
    assert opentracing.__all__ == sorted(opentracing.__all__)
    assert all(hasattr(opentracing, name) for name in opentracing.__all__)


@pytest.mark.needs_os
def test_import_loads_only_the_standard_library() -> None:
    """Importing the API brings in neither the recorder nor `six`, nor the slow `typing`."""
    code = (
        "import sys; before = set(sys.modules); import opentracing;"
        "print(*sorted({each.partition('.')[0] for each in set(sys.modules) - before}))"
    )
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"typing", "six", "opentracing_recorder", "logging"} & set(loaded)
