"""Spans to Zipkin: ZipkinRecorder sends them, ZipkinTracer is a tracer with all that it takes.

Needs urllib3, from ``opentracing[zipkin]``; ``opentracing[zipkin,orjson]`` encodes faster.
"""

from __future__ import annotations

import gzip
import re
import sys
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from opentracing import Format, ScopeManager
from opentracing.interrupts import reraise_interrupt
from opentracing.tags import SPAN_KIND, SPAN_KIND_RPC_SERVER

from ._errors import one_line
from ._json_safe import text_of
from ._zipkin_json import SharedSpanContext, encode, endpoint
from .b3_propagator import B3Propagator
from .batch import BatchRecorder, BatchTooLarge, Rejected, Unavailable
from .context import BasicSpanContext
from .propagator import Propagator
from .recorder import Recorder
from .sampler import Sampler
from .span import BasicSpan
from .timed_connection import TimedConnection
from .tracer import BasicTracer

DEFAULT_URL = "http://localhost:9411/api/v2/spans"

COMPRESS_FROM = 16 * 1024
"""The size in bytes from which on reports to other machines are compressed."""

_SHOWN = 200  # characters of a refusal in the log
_SHORTEST_SECRET = 4  # characters; hiding less would spoil too much of what a server answers


class ZipkinRecorder(BatchRecorder):
    """Sends spans to a Zipkin server as JSON (version 2), in batches, on a thread of its own.

    - `service_name` names this process in Zipkin, which shows it in lower case.
    - `url` is where spans are posted to; ``https`` verifies the server's certificate.
    - `ip` and `port` are the address under which this service is reached, where it should be shown.
    - `headers` are sent with each report, such as ``{"Authorization": ...}``.
    - `compress_from` is the size in bytes from which on a report is compressed with gzip (default:
      16 KiB, but nothing is compressed for a server on this machine, as that only costs time).
    - `options` are those of `BatchRecorder`: sizes, intervals and time limits.

    What a span's fields become is in README, "Zipkin". Raises TypeError or ValueError for an
    argument that cannot serve, and names it.
    """

    def __init__(
        self,
        service_name: str,
        url: str = DEFAULT_URL,
        *,
        ip: str | None = None,
        port: int | None = None,
        headers: Mapping[str, str] | None = None,
        compress_from: int | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(service_name, str):
            raise TypeError(f"service_name must be a str, not {type(service_name).__name__}")
        self._local_endpoint = endpoint(service_name, _checked_ip(ip), port=_checked_port(port))
        self._headers = {
            "user-agent": "opentracing-python",
            **_checked_headers({} if headers is None else headers),
            "content-type": "application/json",
            "b3": "0",  # a server that is traced itself does not trace the reports
        }
        self._compressed_headers = {**self._headers, "content-encoding": "gzip"}
        self._connection = TimedConnection(url)
        given = [*(headers or {}).values(), re.sub("[&=]", " ", self._connection.query)]
        words = {word for each in given for word in each.split() if len(word) >= _SHORTEST_SECRET}
        self._secrets = sorted(words, key=len, reverse=True)
        if compress_from is None:
            compress_from = sys.maxsize if self._connection.is_local else COMPRESS_FROM
        elif isinstance(compress_from, bool) or not isinstance(compress_from, int):
            raise TypeError(f"compress_from must be an int, not {type(compress_from).__name__}")
        self._compress_from = compress_from
        super().__init__(**options)  # last: from here on a fork calls `forked`

    def send(self, spans: Sequence[BasicSpan]) -> int:
        body, left_out = encode(spans, self._local_endpoint, self._span_errors)
        if left_out == len(spans):
            return left_out
        headers = self._headers
        if len(body) >= self._compress_from:
            body, headers = gzip.compress(body, 1, mtime=0), self._compressed_headers
        try:
            reply = self._connection.post(body, headers, self.send_timeout)
        except HTTPException as error:  # its text may be what the server sent
            reraise_interrupt()
            what = one_line(text_of(error), self._secrets, _SHOWN)
            raise Unavailable(f"Zipkin's answer cannot be read: {what}") from None
        status = reply.status
        if 200 <= status < 300:
            return left_out
        # A server, or what is before it, may send back what it was sent.
        texts = (reply.reason, text_of(reply.body))
        reason, start = (one_line(each, self._secrets, _SHOWN) for each in texts)
        answer = f"Zipkin answered {status} {reason}: '{start}'"
        if status == 413:
            raise BatchTooLarge(answer)
        if status in (408, 429) or status >= 500:
            raise Unavailable(answer, retry_after=_seconds(reply.headers.get("Retry-After")))
        raise Rejected(answer)

    def release(self) -> None:
        self._connection.close()

    def forked(self) -> None:
        self._connection.forget()


class ZipkinTracer(BasicTracer):
    """A tracer for Zipkin: B3 headers, 128-bit trace ids, and a `ZipkinRecorder`.

    ::

        tracer = ZipkinTracer("shop", url="http://zipkin:9411/api/v2/spans")

    The arguments up to `max_logs` are those of `BasicTracer`; `propagators` are added to B3 for
    HTTP_HEADERS and TEXT_MAP. The `options` are those of `ZipkinRecorder`; a `recorder` takes the
    place of the one that is made of `url` and `options`.

    With `one_span_per_rpc`, a span that is started with ``tags={"span.kind": "server"}`` for a
    caller in another process has the caller's span id: both sides report their half of one span,
    as Zipkin's own tracers do. Otherwise it is a child of the caller's span.
    """

    def __init__(
        self,
        service_name: str,
        url: str = DEFAULT_URL,
        sampler: Sampler | None = None,
        scope_manager: ScopeManager | None = None,
        *,
        recorder: Recorder | None = None,
        propagators: Mapping[Any, Propagator] | None = None,
        trace_id_bits: int = 128,
        max_tags: int = 128,
        max_logs: int = 128,
        one_span_per_rpc: bool = False,
        **options: Any,
    ) -> None:
        if recorder is None:
            recorder = ZipkinRecorder(service_name, url, **options)
        elif options or url != DEFAULT_URL:
            raise TypeError("url and the options are for the recorder that is made without one")
        super().__init__(
            recorder,
            sampler,
            scope_manager,
            trace_id_bits=trace_id_bits,
            max_tags=max_tags,
            max_logs=max_logs,
            service_name=service_name,
        )
        b3 = B3Propagator()
        defaults = {Format.HTTP_HEADERS: b3, Format.TEXT_MAP: b3}
        for format, propagator in {**defaults, **(propagators or {})}.items():
            self.register_propagator(format, propagator)
        self.one_span_per_rpc = one_span_per_rpc
        if one_span_per_rpc:
            self._place = _join_caller


def _join_caller(span: BasicSpan, caller: BasicSpanContext, tags: Mapping[str, Any] | None) -> None:
    """Give a server's span the id of its parent, if that is in another process."""
    if not caller.is_remote or span.parent_id is None or not _is_server(tags):
        return
    # A caller that left the decision to this service reports nothing of this span.
    kind = SharedSpanContext if caller.sampled else BasicSpanContext
    span.parent_id = caller.parent_id
    span._context = kind(
        caller.trace_id,
        caller.span_id,
        span._baggage,
        span.sampled,
        caller.parent_id,
        caller.extra,
    )


def _is_server(tags: Mapping[str, Any] | None) -> bool:
    try:
        return tags is not None and bool(tags.get(SPAN_KIND) == SPAN_KIND_RPC_SERVER)
    except Exception:  # of a value that cannot be compared
        reraise_interrupt()
        return False


def _checked_ip(ip: str | None) -> IPv4Address | IPv6Address | None:
    try:
        return None if ip is None else ip_address(ip)
    except ValueError:
        reraise_interrupt()
        raise ValueError(f"ip must be an IPv4 or IPv6 address, not {ip!r}") from None


def _checked_port(port: int | None) -> int | None:
    if port is not None and (isinstance(port, bool) or not isinstance(port, int)):
        raise TypeError(f"port must be an int, not {type(port).__name__}")
    if port is not None and not 0 < port < 1 << 16:
        raise ValueError(f"port must be from 1 to 65535, not {port}")
    return port


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with names in lower case; a TypeError or ValueError for what cannot be sent."""
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping, not {type(headers).__name__}")
    checked = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            found = f"{type(name).__name__} to {type(value).__name__}"
            raise TypeError(f"headers must map str to str, not {found}")
        # The value may be a secret: it is not shown, nor is what a name has after a colon.
        if not name or not all(" " < each < "\x7f" and each != ":" for each in name):
            before, colon, _ = name[:_SHOWN].partition(":")
            raise ValueError(f"headers cannot have the name {before + colon!r}")
        if not all(" " <= each <= "\xff" and each != "\x7f" for each in value):
            raise ValueError(f"the header {name!r} holds a character that no header can have")
        checked[name.lower()] = value
    return checked


def _seconds(retry_after: str | None) -> float | None:
    """How long a Retry-After header wants one to wait, from its number or its date."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except Exception:
        reraise_interrupt()
        return None
