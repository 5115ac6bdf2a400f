"""HTTPPost: posts to one URL over one kept connection, each post within one time limit.

For recorders that report over HTTP. The connections are urllib3's, TLS and proxies included. They
are used without its pool: the pool has a lock and a finalizer, which may block a forked child; it
logs the query of a URL, which may hold a key; and it costs 110 µs a post.
"""

from __future__ import annotations

import codecs
import http.client
import io
import logging
import os
import socket
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import partial
from ipaddress import ip_address
from typing import Any, NamedTuple, Union
from urllib.parse import unquote
from urllib.request import getproxies_environment, proxy_bypass

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_type
from ._errors import shown

try:
    from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig, port_by_scheme
    from urllib3.exceptions import LocationParseError
    from urllib3.util import Url, make_headers, parse_url
    from urllib3.util.ssl_ import create_urllib3_context
except ImportError as error:
    raise ImportError(
        "urllib3 is missing: pip install 'opentracing[otlp]', or 'opentracing[zipkin]' for Zipkin"
    ) from error

_logger = logging.getLogger(__name__)

Path = Union[str, os.PathLike[str]]

# Bytes of a body, and of all that is read for a reply. The connection of a longer one is closed.
_MAX_BODY = 64 * 1024
_MAX_REPLY = 128 * 1024

_SHOWN = 80  # characters of a path in errors


class Reply(NamedTuple):
    """A server's answer, with the first 64 KiB of its body."""

    status: int
    reason: str
    headers: http.client.HTTPMessage  # names in any case
    body: bytes


class ReplyTooLong(http.client.HTTPException):
    """Raised for a reply of which even the head exceeds the limit."""


class HTTPPost:
    """Posts to one URL; for one thread at a time.

    - `url` is ``http://``, or ``https://``, where the server's certificate is verified.
    - `default_path` is used if the URL has no path of its own.
    - `ca_file` holds the certificates to trust instead of the system's, as PEM.
    - `client_cert` and `client_key` are shown to the server, as PEM; the key may be in the file of
      the certificate, and cannot be encrypted. All files are read again for each connection.
    - `url_option` is the name of `url` in errors.

    Redirects are not followed, and nothing is sent twice. The proxy is the environment's, as it is
    now: ``HTTPS_PROXY`` or ``HTTP_PROXY``, unless ``NO_PROXY`` names the host. This machine is
    reached without one.

    The time limit is for the whole exchange, but each address of the host may take as long to
    connect to, and sending to a server that reads slowly may take as long again. The look-up of a
    name takes as long as the system takes.

    Raises TypeError or ValueError that names the argument. A variable that holds no proxy's URL is
    reported in the log.
    """

    _connection: _HTTP | None = None

    def __init__(
        self,
        url: str,
        default_path: str,
        *,
        ca_file: Path | None = None,
        client_cert: Path | None = None,
        client_key: Path | None = None,
        url_option: str = "url",
    ) -> None:
        check_type(url_option, url, str)
        target = _parsed(url_option, url)
        if target.auth is not None:
            raise ValueError(f"{url_option} must hold no credentials; put them into headers")
        if target.path in (None, "", "/"):
            target = target._replace(path=default_path)
        self._host, port = _address(target)
        proxy, headers = (None if self.is_local else _proxy_for(target)) or (None, {})
        self.secrets = [target.query or "", *headers.values()]
        """Texts that may hold a password or a key, and that a server may send back."""
        options: dict[str, Any] = _tls_options(ca_file, client_cert, client_key)
        via = target if proxy is None else proxy
        kind: type[_HTTP] = _HTTPS
        if "https" not in (target.scheme, via.scheme):
            kind, options = _HTTP, {}
        if proxy is not None:
            options.update(proxy=proxy, proxy_config=ProxyConfig(None, False, None, None))
        self._new_connection = partial(kind, *_address(via), **options)
        self._tunnel: tuple[Any, ...] | None = None
        self._headers: Mapping[str, str] = {}  # that a proxy gets with each request
        self.shown_url = target._replace(query=None, fragment=None).url
        """The server's URL, without what may be a secret."""
        self._target = target.request_uri
        if proxy is not None and target.scheme == "https":
            self._tunnel = self._host, port, headers, proxy.scheme
        elif proxy is not None:
            self._headers = headers
            self._target = target._replace(fragment=None).url
        # Every connection needs it, and its first use imports it: a child that is forked meanwhile
        # would wait for the lock of the import without end.
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

        Raises the errors of urllib3, http.client or the socket, and closes the connection then.
        """
        connection = self._connection
        if connection is None or not connection.is_connected:
            self.close()
            self._connection = connection = self._new_connection()
            if self._tunnel is not None:
                connection.set_tunnel(*self._tunnel)
        connection.timeout = time_limit
        connection.deadline = time.monotonic() + time_limit
        try:
            try:
                connection.request("POST", self._target, body, {**headers, **self._headers})
            except (BrokenPipeError, ConnectionResetError):
                # A server that refuses a long body may answer before it has read it.
                reraise_interrupt()
            # Without urllib3's response around that of `http.client`: it has nothing that is needed
            # here, and costs 25 µs.
            with closing(http.client.HTTPConnection.getresponse(connection)) as response:
                try:
                    start = response.read(_MAX_BODY)
                    is_whole = not response.read(1)
                except (
                    socket.timeout,
                    ReplyTooLong,
                ):  # its status counts: an accepted body is not sent again
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
        sock: Any = None if connection is None else connection.sock
        sock = getattr(sock, "socket", sock)  # TLS within a proxy's TLS
        if sock is not None:
            descriptor = sock.detach()
            if descriptor >= 0:
                os.close(descriptor)


def _parsed(name: str, text: str) -> Url:
    # It may hold a password or a key: no error shows it, and none has urllib3's as its context.
    parsed = None
    with suppress(LocationParseError):
        parsed = parse_url(text)
    if parsed is None:
        raise ValueError(f"{name} cannot be read; it must be like http://host:port/path")
    if parsed.scheme not in port_by_scheme or not parsed.host:
        raise ValueError(f"{name} must start with http:// or https:// and a host")
    return parsed


def _address(url: Url) -> tuple[str, int]:
    return (url.host or "").strip("[]"), url.port or port_by_scheme[url.scheme or ""]


def _proxy_for(url: Url) -> tuple[Url, Mapping[str, str]] | None:
    """The proxy that the environment names, and the headers that it wants."""
    scheme = url.scheme or ""
    found = getproxies_environment().get(scheme, "").strip()
    if not found or proxy_bypass(url.netloc or ""):
        return None
    try:
        proxy = _parsed("proxy", found if "://" in found else f"http://{found}")
        if proxy.auth is None:
            return proxy, {}
        return proxy, make_headers(proxy_basic_auth=unquote(proxy.auth))
    except ValueError:  # its text may hold the password
        reraise_interrupt()
        _logger.warning(
            "The proxy in %s_PROXY cannot be used, so spans are sent without a proxy: set it to a"
            " URL like http://host:3128, with credentials in Latin-1",
            scheme.upper(),
        )
        return None


def _tls_options(
    ca_file: Path | None, client_cert: Path | None, client_key: Path | None
) -> dict[str, Any]:
    """The files by urllib3's names. Raises ValueError that names the option of an unusable file."""
    given = {"ca_file": ca_file, "client_cert": client_cert, "client_key": client_key}
    paths: dict[str, str] = {}
    for name, path in given.items():
        if path is None:
            continue
        if not isinstance(path, (str, os.PathLike)) or not os.path.isfile(path):
            # The text of a private key, set in place of its path, is no text for a log.
            found = "a PEM text" if "-----BEGIN" in str(path) else shown(path, _SHOWN)
            raise ValueError(f"{name} must be the path of a file, not {found}")
        paths[name] = os.fspath(path)  # PyPy's `ssl` takes text alone
    if not paths:
        return {}
    context = create_urllib3_context()
    name = "ca_file"
    try:
        if "ca_file" in paths:
            context.load_verify_locations(paths["ca_file"])
        name = "client_cert or client_key"
        if "client_cert" in paths:
            # Without a password, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(paths["client_cert"], paths.get("client_key"), password="")
        elif "client_key" in paths:
            raise ValueError("the certificate is missing")
    except (OSError, ValueError) as error:
        reraise_interrupt()
        raise ValueError(f"{name} cannot be used: {error}") from None
    names = {"ca_file": "ca_certs", "client_cert": "cert_file", "client_key": "key_file"}
    return {names[name]: path for name, path in paths.items()}


class _HTTP(HTTPConnection):
    """Limits the reading of a reply by a deadline, of `time.monotonic`."""

    deadline: float

    def response_class(  # type: ignore[override]
        self, sock: Any, *args: Any, **options: Any
    ) -> http.client.HTTPResponse:
        """Called by `http.client` in place of its own class."""
        response = _Response(sock, *args, **options)
        response.fp = io.BufferedReader(_TimedReader(response.fp.detach(), sock, self))
        return response


class _HTTPS(_HTTP, HTTPSConnection):  # pyright: ignore[reportIncompatibleVariableOverride]
    pass


class _Response(http.client.HTTPResponse):
    """Skips interim replies, such as ``103 Early Hints``."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:  # `http.client` does so for 100 alone
            self.headers = self.msg = None  # type: ignore[assignment]  # or it would not begin again
            super().begin()


class _TimedReader(io.RawIOBase):
    """A socket's raw reader, which sets the socket's timeout before each operation.

    The timeouts of urllib3 are for each operation: a server that sends a byte now and then never
    exceeds them.
    """

    def __init__(self, raw: io.RawIOBase, sock: Any, connection: _HTTP) -> None:
        self._raw = raw
        self._sock = sock
        self._connection = connection
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._size > _MAX_REPLY:
            raise ReplyTooLong(f"more than {_MAX_REPLY} bytes")
        left = self._connection.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("the time limit for the whole exchange is over")
        timeout: Any = self._connection.timeout
        self._sock.settimeout(min(left, timeout))  # the clock may have gone back
        size = self._raw.readinto(buffer)
        self._size += size or 0
        return size

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
