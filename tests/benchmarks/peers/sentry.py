"""Sentry's SDK. Its transactions are made in full, and dropped instead of sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sentry_sdk
from sentry_sdk.transport import Transport
from workloads import LEVELS, gather, injecting, on_threads, received

TITLE = "sentry-sdk"
SHOWN = ("sentry-sdk",)
IMPORTS = {"import the tracer": "import sentry_sdk"}


class _Discard(Transport):
    def capture_envelope(self, envelope: Any) -> None:
        pass


class _Keep(Transport):
    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.envelopes.append(envelope)


def _init(sampled: bool = True, transport: Transport | None = None) -> None:
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        traces_sample_rate=1.0 if sampled else 0.0,
        transport=transport or _Discard(),
        default_integrations=False,
    )


def _active_span() -> Callable[[], object]:
    _init()

    def run() -> None:
        with sentry_sdk.start_transaction(name="GET"):
            pass

    return run


def _root_span() -> Callable[[], object]:
    _init()
    return lambda: sentry_sdk.start_transaction(name="GET").finish()


def _request(sampled: bool) -> Callable[[], object]:
    _init(sampled)

    def run() -> None:
        with sentry_sdk.start_transaction(name="GET") as server:
            server.set_data("span.kind", "server")
            server.set_data("http.method", "GET")
            server.set_data("http.url", "http://shop/checkout")
            with sentry_sdk.start_span(name="charge") as client:
                client.set_data("span.kind", "client")
                client.set_data("peer.service", "payment")
                sentry_sdk.add_breadcrumb(message="retry", data={"attempt": 1})
            server.set_data("http.status_code", 200)

    return run


def _levels() -> Callable[[], object]:
    _init()

    def run() -> None:
        spans = [sentry_sdk.start_transaction(name="GET").__enter__()]
        for _ in range(LEVELS - 1):
            spans.append(sentry_sdk.start_span(name="GET").__enter__())
        for span in reversed(spans):
            span.__exit__(None, None, None)

    return run


def _inject() -> Callable[[dict[str, str]], object]:
    _init()
    transaction = sentry_sdk.start_transaction(name="GET")
    scope = sentry_sdk.get_current_scope()
    return lambda carrier: carrier.update(scope.iter_trace_propagation_headers(span=transaction))


def _extract() -> Callable[[], object]:
    headers = received(_inject())
    return lambda: sentry_sdk.continue_trace(headers)


CASES: dict[str, Callable[[], Callable[[], object]]] = {
    # Without `init`, the SDK is there and does nothing.
    "no-op active span": lambda: _noop,
    "root span": _root_span,
    "active span": _active_span,
    "request": lambda: _request(sampled=True),
    "request, not sampled": lambda: _request(sampled=False),
    "10 levels deep": _levels,
    "asyncio.gather of 100 spans": lambda: gather(_active_span()),
    "8 threads": lambda: on_threads(_active_span()),
    "extract sentry-trace": _extract,
    "inject sentry-trace": lambda: injecting(_inject()),
}


def _noop() -> None:
    with sentry_sdk.start_transaction(name="GET"):
        pass


def kept_span() -> Callable[[], object]:
    """A call that makes a transaction with 2 tags, whose envelope is kept."""
    _init(transport=_Keep())

    def run() -> None:
        with sentry_sdk.start_transaction(name="GET") as transaction:
            transaction.set_data("http.method", "GET")
            transaction.set_data("http.status_code", 200)

    return run
