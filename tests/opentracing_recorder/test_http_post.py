"""HTTPPost keeps its connection and its time limit, whatever the server does."""

from __future__ import annotations

import base64
import itertools
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "emscripten":
    pytest.skip("urllib3 needs sockets, which Pyodide has none of", allow_module_level=True)

from urllib3.exceptions import HTTPError, SSLError

from opentracing_recorder._http_post import HTTPPost

from ..http_server import ACCEPTED, ScriptedServer, answer


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Fails where more bytes are held at once; PyPy cannot count them."""
    try:
        import tracemalloc
    except ImportError:
        yield
        return
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


pytestmark = pytest.mark.needs_os


def test_a_reply_has_status_headers_and_body() -> None:
    """Header names may be asked for in any case."""
    with ScriptedServer(answer("418 I'm a teapot", b"short and stout", "X-Spout: 1")) as server:
        reply = HTTPPost(server.url + "?a=b", "/").post(b"tea", {"X-Tea": "green"}, 5)
        assert (reply.status, reply.reason, reply.body) == (418, "I'm a teapot", b"short and stout")
        assert reply.headers["x-spout"] == "1"
        (request,) = server.requests
        assert request.line == "POST /api/v2/spans?a=b HTTP/1.1"
        assert request.headers["host"] == f"127.0.0.1:{server.port}"
        assert (request.headers["x-tea"], request.body) == ("green", b"tea")


def test_a_chunked_reply_leaves_the_connection_usable() -> None:
    """Bytes after a reply of unknown length are found."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with ScriptedServer(chunked) as server:
        connection = HTTPPost(server.url, "/")
        assert connection.post(b"", {}, 5).body == b"abc"
        assert connection.post(b"", {}, 5).status == 202
        assert [each.connection for each in server.requests] == [1, 1]
        connection.close()


def test_of_a_long_reply_only_the_start_is_read() -> None:
    """The rest is not waited for: the next request has a connection of its own."""
    with ScriptedServer(answer("200 OK", b"x" * 1_000_000)) as server:
        connection = HTTPPost(server.url, "/")
        assert connection.post(b"", {}, 5).body == b"x" * 65536
        assert connection.post(b"", {}, 5).status == 202
        assert [each.connection for each in server.requests] == [1, 2]
        connection.close()


def test_a_reply_that_ends_too_soon_is_an_error() -> None:
    """It is shorter than it says; and the next request has a connection of its own."""

    def break_off(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)

    with ScriptedServer(break_off) as server:
        connection = HTTPPost(server.url, "/")
        with pytest.raises(IncompleteRead, match="3 bytes read, 7 more expected"):
            connection.post(b"", {}, 5)
        assert connection.post(b"", {}, 5).status == 202
        connection.close()


def test_a_refusal_before_the_body_was_read_is_heard() -> None:
    """A server may answer and close while the request is still on its way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer("413 Payload Too Large"))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 20):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        port = listener.getsockname()[1]
        connection = HTTPPost(f"http://127.0.0.1:{port}/", "/")
        assert connection.post(b"x" * 5_000_000, {}, 5).status == 413
        connection.close()
        thread.join()


def test_a_server_that_reads_nothing_is_given_up() -> None:
    """Sending is within the time limit too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = HTTPPost(f"http://127.0.0.1:{listener.getsockname()[1]}/", "/")
        start = time.monotonic()
        with pytest.raises(OSError, match="time"):
            connection.post(b"x" * 50_000_000, {}, 0.3)
        assert time.monotonic() - start < 5


def dripping(piece: bytes, start: bytes = b"") -> Callable[[socket.socket], None]:
    """An answer that begins so, and then sends this piece every 20 ms."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(0.02)

    return drip


def test_a_body_that_drips_is_given_up() -> None:
    """The limit is for the whole exchange, not for each byte; the status counts."""
    drip = dripping(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with ScriptedServer(drip) as server:
        connection = HTTPPost(server.url, "/")
        start = time.monotonic()
        assert connection.post(b"", {}, 0.3).status == 200
        assert 0.25 < time.monotonic() - start < 5
        assert connection.post(b"", {}, 5).status == 202
        connection.close()


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"


def endless(start: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    """An answer that goes on until the client hangs up, or until 64 MiB are sent."""
    pieces = piece * (65536 // len(piece))

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(1024):
            connection.sendall(pieces)

    return send


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        pytest.param(b"", b"x", id="no status line"),
        pytest.param(_OK, b"x", id="header line"),
        pytest.param(_OK, b"A: " + b"b" * 60_000 + b"\r\n", id="header lines"),
        pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", id="103"),
        pytest.param(_OK + b"\r\n", b"x", id="body without a length"),
        pytest.param(_OK + b"Content-Length: " + b"9" * 99 + b"\r\n\r\n", b"x", id="length"),
        pytest.param(_CHUNKED, b"1\r\nx\r\n", id="small chunks"),
        pytest.param(_CHUNKED + b"F" * 15 + b"\r\n", b"x", id="large chunk"),
        pytest.param(_CHUNKED, b"1;" + b"x" * 60_000 + b"\r\nx\r\n", id="chunk extensions"),
        pytest.param(_CHUNKED + b"0\r\n", b"A: b\r\n", id="trailers"),
    ],
)
def test_a_reply_without_an_end_takes_little_memory_and_time(start: bytes, piece: bytes) -> None:
    """A reply is given up if any part of it has no end; the next reply is read."""
    with ScriptedServer(endless(start, piece)) as server:
        connection = HTTPPost(server.url, "/")
        began = time.monotonic()
        with memory_below(4 << 20):
            try:
                assert connection.post(b"", {}, 0.5).status == 200
            except (HTTPException, OSError):
                pass
        assert time.monotonic() - began < 5
        assert connection.post(b"", {}, 5).status == 202
        assert [each.connection for each in server.requests] == [1, 2]
        connection.close()


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" * 20,
        b"HTTP/1.0 199 Made Up\r\nContent-Length: 10\r\n\r\n",
    ],
)
def test_what_comes_before_the_answer_is_passed_over(interim: bytes) -> None:
    """A status of 1xx announces an answer: that one counts, and the connection is kept."""
    with ScriptedServer(
        interim + answer("418 I'm a teapot", b"short"), interim + ACCEPTED
    ) as server:
        connection = HTTPPost(server.url, "/")
        reply = connection.post(b"", {}, 5)
        assert (reply.status, reply.body, reply.headers["link"]) == (418, b"short", None)
        assert connection.post(b"", {}, 5).status == 202
        assert connection.post(b"", {}, 5).status == 202
        assert [each.connection for each in server.requests] == [1, 1, 1]
        connection.close()


def test_an_answer_that_is_only_announced_is_given_up() -> None:
    """Announcements that drip do not stretch the time limit."""
    announce = dripping(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    with ScriptedServer(announce) as server:
        connection = HTTPPost(server.url, "/")
        start = time.monotonic()
        with pytest.raises((OSError, HTTPError), match="time"):
            connection.post(b"", {}, 0.3)
        assert 0.25 < time.monotonic() - start < 5
        connection.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://user:sesame@zipkin:port/",
        "user:sesame@zipkin:9411",
        "http://user:sesame@",
        "ftp://user:sesame@zipkin/",
        "http://user:sesame@zipkin/",
        "http://zipkin:99999/?key=sesame",
        "zipkin/spans?key=sesame",
    ],
)
def test_a_url_that_cannot_serve_is_not_shown(url: str) -> None:
    """It may hold a password or a key: neither the error nor what it came of repeats it."""
    with pytest.raises(ValueError, match=r"^url ") as caught:
        HTTPPost(url, "/")
    error: BaseException | None = caught.value
    while error is not None:
        assert "sesame" not in repr(error)
        error = error.__context__


def test_sending_imports_nothing() -> None:
    """A child that is forked while a thread imports could not send: it would wait for that."""
    script = (
        "import sys\n"
        f"sys.path[:0] = {sys.path!r}\n"
        "from opentracing_recorder._http_post import HTTPPost\n"
        "connection = HTTPPost(sys.argv[1], '/')\n"
        "before = set(sys.modules)\n"
        "connection.post(b'', {}, 20)\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    with ScriptedServer() as server:
        command = [sys.executable, "-c", script, server.url]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"


def test_ipv6_addresses_are_urls_too() -> None:
    """An IPv6 address in brackets is accepted."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(ACCEPTED)

        thread = threading.Thread(target=serve)
        thread.start()
        connection = HTTPPost(f"http://[::1]:{listener.getsockname()[1]}/", "/")
        assert connection.is_local
        assert connection.post(b"", {}, 5).status == 202
        connection.close()
        thread.join()


class SecureServer:
    """Takes one connection, with TLS, and bodies that end in ``!``; a proxy if it is asked to."""

    def __init__(self, listener: socket.socket, certificate: Path) -> None:
        self.port = listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}/"
        self.heads: list[bytes] = []
        self.client: Any = None
        self._listener = listener
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(str(certificate))  # PyPy takes no path
        self._context.load_verify_locations(str(certificate))
        self._context.verify_mode = ssl.CERT_OPTIONAL

    def serve(self) -> None:
        connection, _ = self._listener.accept()
        if connection.recv(7, socket.MSG_PEEK) == b"CONNECT":
            self.heads.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            with self._context.wrap_socket(connection, server_side=True) as secure:
                self.client = secure.getpeercert()
                while received := secure.recv(1 << 20):
                    if b"POST" in received:
                        self.heads.append(received)
                    if received.endswith(b"!"):
                        secure.sendall(ACCEPTED)
        except OSError:  # the client does not trust it
            pass


@pytest.fixture
def secure_server(certificate: Path) -> Iterator[SecureServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SecureServer(listener, certificate)
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server
        with suppress(OSError), socket.create_connection(listener.getsockname(), 5):
            pass  # if no client has come, `serve` still waits for one
        thread.join()


def test_tls_works_with_a_certificate_that_the_environment_trusts(
    secure_server: SecureServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests follow each other on one connection there too."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    connection = HTTPPost(secure_server.url, "/")
    assert [connection.post(b"spans!", {}, 5).status for _ in range(3)] == [202, 202, 202]
    connection.close()
    assert secure_server.client in (None, {})


def test_certificates_are_read_from_files(secure_server: SecureServer, certificate: Path) -> None:
    """The server's is trusted for `ca_file`, and it is shown the client's."""
    key = certificate.with_name("key.pem")
    connection = HTTPPost(
        secure_server.url, "/", ca_file=certificate, client_cert=certificate, client_key=key
    )
    assert connection.post(b"spans!", {}, 5).status == 202
    connection.close()
    assert secure_server.client["subject"] == ((("commonName", "127.0.0.1"),),)


def test_a_certificate_that_nobody_vouches_for_is_refused(secure_server: SecureServer) -> None:
    """Nothing is sent to a server that cannot prove who it is."""
    with pytest.raises((ssl.SSLError, SSLError), match=r"self[- ]signed"):
        HTTPPost(secure_server.url, "/").post(b"spans!", {}, 5)


def test_an_encrypted_key_is_refused_at_once(certificate: Path) -> None:
    """OpenSSL does not ask for its password."""
    key = certificate.with_name("encrypted.pem")
    command = ["openssl", "pkey", "-in", str(certificate), "-out", str(key)]
    command += ["-aes256", "-passout", "pass:sesame"]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(ValueError, match="client_key cannot be used"):
        HTTPPost("https://zipkin/", "/", client_cert=certificate, client_key=key)


# Proxies.

_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without a proxy."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_the_proxy_of_the_environment_forwards_posts(
    name: str, environment: pytest.MonkeyPatch
) -> None:
    """It gets the whole URL, and the password that is for it."""
    with ScriptedServer() as proxy:
        environment.setenv(name, f"http://me:open%20sesame@127.0.0.1:{proxy.port}")
        connection = HTTPPost("http://zipkin.test:9411/?a=b#c", "/spans")
        assert [connection.post(b"[]", {"a": "1"}, 5).status for _ in range(2)] == [202, 202]
        connection.close()
    first, second = proxy.requests
    assert first.line == "POST http://zipkin.test:9411/spans?a=b HTTP/1.1"
    assert (first.headers["host"], first.headers["a"]) == ("zipkin.test:9411", "1")
    basic = "Basic " + base64.b64encode(b"me:open sesame").decode()
    assert first.headers["proxy-authorization"] == basic
    assert basic in connection.secrets
    assert (first.connection, second.connection) == (1, 1)


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_the_proxy_of_the_environment_tunnels_tls(
    scheme: str, secure_server: SecureServer, certificate: Path, environment: pytest.MonkeyPatch
) -> None:
    """It does not see what is sent; the server's own certificate is verified."""
    environment.setenv("HTTPS_PROXY", f"{scheme}me:sesame@127.0.0.1:{secure_server.port}")
    connection = HTTPPost("https://zipkin.test/", "/spans", ca_file=certificate)
    assert [connection.post(b"[]!", {}, 5).status for _ in range(2)] == [202, 202]
    connection.close()
    tunnel, first, second = secure_server.heads
    assert tunnel.startswith(b"CONNECT zipkin.test:443 HTTP/1.")
    assert b"authorization: Basic " in tunnel
    assert first.startswith(b"POST /spans HTTP/1.1")
    assert b"Host: zipkin.test\r\n" in first
    assert b"authorization" not in first + second


def test_a_proxy_may_be_reached_by_tls(
    secure_server: SecureServer, certificate: Path, environment: pytest.MonkeyPatch
) -> None:
    """Its certificate is verified as a server's is."""
    environment.setenv("HTTP_PROXY", secure_server.url)
    connection = HTTPPost("http://zipkin.test/", "/spans", ca_file=certificate)
    assert connection.post(b"[]!", {}, 5).status == 202
    connection.close()
    assert secure_server.heads[0].startswith(b"POST http://zipkin.test/spans HTTP/1.1")


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        ("http://localhost:{port}/", ""),
        ("http://127.0.0.1:{port}/", ""),
        ("http://zipkin.test:{port}/", "other.test, .test"),
        ("http://zipkin.test:{port}/", "*"),
    ],
)
def test_some_servers_are_reached_without_a_proxy(
    url: str, no_proxy: str, environment: pytest.MonkeyPatch
) -> None:
    """Those of this machine, and those that NO_PROXY names."""
    look_up = socket.getaddrinfo
    environment.setattr("socket.getaddrinfo", lambda host, *args: look_up("127.0.0.1", *args))
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    environment.setenv("NO_PROXY", no_proxy)
    with ScriptedServer() as server:
        connection = HTTPPost(url.format(port=server.port), "/")
        assert connection.post(b"", {}, 5).status == 202
        connection.close()


@pytest.mark.parametrize(
    "proxy",
    ["socks5://me:sesame@proxy:1080", "http://me:sesame@proxy:port", "http://me:sesame%E2%82%AC@p"],
)
def test_a_proxy_that_cannot_serve_stops_no_application(
    proxy: str, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Spans are sent without it; the log names the variable, and shows no password."""
    environment.setenv("https_proxy", proxy)
    post = HTTPPost("https://zipkin.test/", "/")
    assert post.secrets == [""]
    (record,) = caplog.records
    assert record.getMessage().startswith("The proxy in HTTPS_PROXY cannot be used")
    assert "sesame" not in caplog.text


# Forks.


@pytest.mark.parametrize("through", ["server", "proxy"])
def test_a_forgotten_connection_is_not_closed(
    through: str, secure_server: SecureServer, certificate: Path, environment: pytest.MonkeyPatch
) -> None:
    """The parent's TLS session goes on, and the child's descriptor is closed."""
    url = secure_server.url
    if through == "proxy":
        environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{secure_server.port}")
        url = "https://zipkin.test/"
    parent = HTTPPost(url, "/", ca_file=certificate)
    assert parent.post(b"!", {}, 5).status == 202
    assert parent._connection is not None
    sock: Any = parent._connection.sock
    descriptor = os.dup(sock.fileno())
    parent.forget()
    assert sock.fileno() == -1
    kept = socket.socket(fileno=descriptor)
    kept.setblocking(False)
    with pytest.raises(BlockingIOError):  # the server has not been told of an end, and says none
        kept.recv(1)
    kept.close()
    parent.forget()


def test_a_clock_that_goes_back_gives_a_slow_server_no_more_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each operation of the socket still ends within the time limit."""
    clock = itertools.count(1e6, -1000.0)
    monkeypatch.setattr("opentracing_recorder._http_post.time.monotonic", lambda: next(clock))

    def hang(connection: socket.socket) -> None:
        connection.recv(65536)
        silent.wait(30)

    silent = threading.Event()
    started = time.perf_counter()
    with ScriptedServer(hang) as server:
        with pytest.raises(OSError, match="time"):
            HTTPPost(server.url, "/").post(b"[]", {}, 0.3)
        silent.set()
    assert time.perf_counter() - started < 10
