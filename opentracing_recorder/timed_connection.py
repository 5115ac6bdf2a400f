"""TimedConnection: requests over one kept HTTP connection, each within one time limit.

For backends that report over HTTP. The time limits of urllib3 are for each operation of a socket: a
server that sends a byte now and then never exceeds them. Here a deadline holds for the whole
exchange, and a bound for the whole reply: announcements of an answer, header lines, chunks and what
describes them, trailers.
"""

from __future__ import annotations

import codecs
import http.client
import io
import os
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from ipaddress import ip_address
from typing import Any, NamedTuple

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_type

try:
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url
except ImportError as error:
    raise ImportError("urllib3 is missing: pip install 'opentracing[zipkin]'") from error

# Bytes of a body, and of all that is read for a reply. Where it is longer, it is not read to its
# end: the connection is closed.
_MAX_BODY = 64 * 1024
_MAX_REPLY = 128 * 1024


class Reply(NamedTuple):
    """A server's answer; of its body, the start, or nothing if it comes in many small chunks."""

    status: int
    reason: str
    headers: http.client.HTTPMessage  # names in any case
    body: bytes


class ReplyTooLong(http.client.HTTPException):
    """Raised for a reply of which even the head is over the bound."""


class TimedConnection:
    """Posts to one URL; for one thread at a time.

    `url` is ``http://``, or ``https://``, where the server's certificate is verified. Redirects are
    not followed, nothing is sent twice, and proxies are not looked for. While it connects, a host
    name with several addresses takes up to the time limit for each of them that does not answer,
    and looking up the name takes what the system takes.

    Raises ValueError for a URL that cannot serve.
    """

    _connection: _TimedHTTP | _TimedHTTPS | None = None

    def __init__(self, url: str) -> None:
        check_type("url", url, str)
        # It may hold a password or a key: no error shows it, and none has urllib3's as its context.
        parsed = None
        with suppress(LocationParseError):
            parsed = parse_url(url)
        if parsed is None:
            raise ValueError("url cannot be read; it must be like http://host:9411/path")
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("url must start with http:// or https:// and a host")
        if parsed.auth is not None:
            raise ValueError("url must hold no credentials; put them into headers")
        self._kind = _TimedHTTP if parsed.scheme == "http" else _TimedHTTPS
        self._host = parsed.host.strip("[]")
        self._port = parsed.port
        self._target = parsed.request_uri
        self.query = parsed.query or ""  # may be a secret
        # Every connection needs it, and its first use imports it: a child that is forked meanwhile
        # would wait for ever for the lock of the import.
        codecs.lookup("idna")

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, going by its name or address."""
        try:
            return self._host == "localhost" or ip_address(self._host).is_loopback
        except ValueError:
            reraise_interrupt()
            return False

    def post(self, body: bytes, headers: Mapping[str, str], time_limit: float) -> Reply:
        """Send `body` and wait for the answer, at most `time_limit` seconds.

        Raises what urllib3, http.client or the socket raise; the connection is closed then.
        """
        connection = self._connection
        if connection is None or not connection.is_connected:
            self.close()
            self._connection = connection = self._kind(self._host, self._port, timeout=time_limit)
        connection.timeout = time_limit
        connection.time_limit = time_limit
        connection.deadline = time.monotonic() + time_limit
        try:
            try:
                connection.request("POST", self._target, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                # A server that refuses a long body may answer before it has read it.
                reraise_interrupt()
            # Without urllib3's response around that of `http.client`: it has nothing that is needed
            # here, and costs 25 µs. `start to acknowledgement` in the benchmarks pays for it.
            with closing(http.client.HTTPConnection.getresponse(connection)) as response:
                try:
                    start = response.read(_MAX_BODY)
                    is_whole = not response.read(1)
                except ReplyTooLong:  # its status counts: what is accepted is not sent again
                    reraise_interrupt()
                    start, is_whole = b"", False
                if not is_whole:
                    connection.close()
                elif response.length:
                    raise http.client.IncompleteRead(start, response.length)
            return Reply(response.status, response.reason or "", response.headers, start)
        except BaseException:
            connection.close()  # it may be a parent's, in a greenlet that lives on after a fork
            raise

    def close(self) -> None:
        """Close the connection; the next `post` opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    __del__ = close

    def forget(self) -> None:
        """Give the connection up in a child process: it belongs to the parent, which still uses it.

        Only the child's file descriptor is closed. Anything more could wait for a lock that a
        thread of the parent held at the time of the fork, or write to the parent's TLS session.
        """
        connection, self._connection = self._connection, None
        sock = None if connection is None else connection.sock
        if sock is not None:
            descriptor = sock.detach()
            if descriptor >= 0:
                os.close(descriptor)


class _Timed(HTTPConnection):
    """Bounds what `http.client` sends and reads by a deadline, of `time.monotonic`."""

    time_limit: float  # seconds, of the exchange
    deadline: float

    def _limit_next_operation(self, sock: Any) -> None:
        now = time.monotonic()
        left = self.deadline - now
        if left <= 0:
            raise TimeoutError("the time limit for the whole exchange is over")
        if left > self.time_limit:  # the clock has gone back
            left = self.time_limit
            self.deadline = now + left
        sock.settimeout(left)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        sock: Any = self.sock
        rest = memoryview(data)
        while rest:  # `sendall` over TLS would allow its time to each part
            self._limit_next_operation(sock)
            rest = rest[sock.send(rest) :]

    def response_class(  # type: ignore[override]
        self, sock: Any, *args: Any, **options: Any
    ) -> http.client.HTTPResponse:
        """Called by `http.client` in place of its own class."""
        response = _Response(sock, *args, **options)
        unlimited = response.fp.detach()
        limited = _BoundedReader(unlimited, lambda: self._limit_next_operation(sock))
        response.fp = io.BufferedReader(limited)
        return response


class _TimedHTTP(_Timed):
    pass


class _TimedHTTPS(_Timed, HTTPSConnection):  # pyright: ignore[reportIncompatibleVariableOverride]
    pass


class _Response(http.client.HTTPResponse):
    """Passes over what only announces an answer, such as ``103 Early Hints``."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:  # `http.client` does so for 100 alone
            self.headers = self.msg = None  # type: ignore[assignment]  # or it would not begin again
            super().begin()


class _BoundedReader(io.RawIOBase):
    """A socket's raw reader, for one reply: it sets the socket's time limit before each operation,
    and raises ReplyTooLong at the bound.
    """

    def __init__(self, raw: io.RawIOBase, limit: Any) -> None:
        self._raw = raw
        self._limit = limit
        self._left = _MAX_REPLY

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._left <= 0:
            raise ReplyTooLong(f"the reply is longer than {_MAX_REPLY} bytes")
        self._limit()
        count = self._raw.readinto(memoryview(buffer)[: self._left])
        self._left -= count or 0
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
