"""FaultyProxy forwards bytes, and fails in each of its modes."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from opentracing_recorder.harness import FaultyProxy

pytestmark = pytest.mark.needs_os

_SILENCE = 0.2  # seconds without an answer, after which none is expected
_LONG = 10.0  # seconds that a test waits for an event before it fails


class Echo:
    """A server that sends back the bytes that it receives, and remembers them."""

    def __init__(self) -> None:
        self.received = b""
        self.connections: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.listener.getsockname()
        self.start(self.accept)

    def start(self, target: Any, *args: Any) -> None:
        self.threads.append(threading.Thread(target=target, args=args, daemon=True))
        self.threads[-1].start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self.start(self.serve, connection)

    def serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    self.received += data
                    connection.sendall(data)
            except OSError:
                pass

    def close(self) -> None:
        for each in [self.listener, *self.connections]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
        for thread in self.threads:
            thread.join(_LONG)


@pytest.fixture
def server() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(server: Echo) -> Iterator[FaultyProxy]:
    with FaultyProxy(*server.address) as proxy:
        yield proxy


class Client:
    """One connection to the proxy."""

    def __init__(self, proxy: FaultyProxy) -> None:
        self.socket = socket.create_connection((proxy.host, proxy.port), _LONG)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *args: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, size: int = 1) -> bytes:
        """Exactly `size` bytes; fewer at the end of the stream."""
        got = b""
        while len(got) < size and (data := self.socket.recv(size - len(got))):
            got += data
        return got

    def ask(self, data: bytes) -> bytes:
        self.send(data)
        return self.receive(len(data))

    def assert_silent(self) -> None:
        self.socket.settimeout(_SILENCE)
        with pytest.raises(socket.timeout):
            self.socket.recv(1)
        self.socket.settimeout(_LONG)


def test_it_passes_at_first(proxy: FaultyProxy) -> None:
    """Each connection gets its own answers."""
    with Client(proxy) as one, Client(proxy) as two:
        assert proxy.mode == "pass"
        assert (one.ask(b"one"), two.ask(b"second"), one.ask(b"three")) == (
            b"one",
            b"second",
            b"three",
        )


def test_it_passes_much_at_once(proxy: FaultyProxy) -> None:
    """Many megabytes, to a client that reads late, arrive unchanged."""
    data = os.urandom(1 << 20) * 16
    with Client(proxy) as client:
        sender = threading.Thread(target=client.send, args=(data,), daemon=True)
        sender.start()
        time.sleep(_SILENCE)  # the buffers of the connections are full
        assert client.receive(len(data)) == data
        sender.join(_LONG)


def test_it_passes_the_end_of_a_stream(server: Echo, proxy: FaultyProxy) -> None:
    """A client that has ended its stream still gets the answer, and then the end."""
    with Client(proxy) as client:
        client.send(b"last words")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.receive(100) == b"last words"


def test_a_server_may_speak_first(server: Echo, proxy: FaultyProxy) -> None:
    """The backend's connection opens with the client's, also if the proxy hung at that time."""
    proxy.mode = "hang"
    with Client(proxy) as client:
        client.assert_silent()
        assert server.connections == []
        proxy.mode = "pass"
        end = time.monotonic() + _LONG
        while not server.connections:
            assert time.monotonic() < end
            time.sleep(0.005)
        server.connections[0].sendall(b"welcome")
        assert client.receive(7) == b"welcome"


def test_it_refuses(proxy: FaultyProxy) -> None:
    """An open connection is reset and a new one refused, repeatedly; "pass" ends it."""
    port = proxy.port
    with Client(proxy) as client:
        assert client.ask(b"a") == b"a"
        proxy.mode = "refuse"
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                Client(proxy)
        with pytest.raises(ConnectionResetError):
            client.receive()
    proxy.mode = "pass"
    assert proxy.port == port
    assert_passes(proxy, b"b")


def assert_passes(proxy: FaultyProxy, data: bytes) -> None:
    """A new connection gets its answer."""
    with Client(proxy) as client:
        assert client.ask(data) == data


def test_it_resets(proxy: FaultyProxy) -> None:
    """An open connection is reset, and a new one as soon as it is accepted."""
    with Client(proxy) as client:
        assert client.ask(b"a") == b"a"
        proxy.mode = "reset"
        with pytest.raises(ConnectionResetError):
            client.receive()
    with pytest.raises((ConnectionResetError, BrokenPipeError)), Client(proxy) as client:
        client.receive()
    proxy.mode = "pass"
    assert_passes(proxy, b"b")


def test_it_hangs_and_loses_nothing(server: Echo, proxy: FaultyProxy) -> None:
    """Open and new connections get no answer until "pass", and then the whole of it."""
    with Client(proxy) as old:
        assert old.ask(b"a") == b"a"
        proxy.mode = "hang"
        with Client(proxy) as new:
            old.send(b"b")
            new.send(b"c")
            old.assert_silent()
            new.assert_silent()
            assert server.received == b"a"
            proxy.mode = "pass"
            assert (old.receive(), new.receive()) == (b"b", b"c")


def test_it_swallows(server: Echo, proxy: FaultyProxy) -> None:
    """It takes any number of bytes; a connection that lost some stays silent, others do not."""
    with Client(proxy) as old, Client(proxy) as idle:
        assert old.ask(b"a") == b"a"
        assert idle.ask(b"b") == b"b"
        proxy.mode = "swallow"
        with Client(proxy) as new:
            new.send(b"c" * (16 << 20))
            old.send(b"d")
            old.assert_silent()
            proxy.mode = "pass"
            new.send(b"e" * (16 << 20))
            old.send(b"f")
            new.assert_silent()
            old.assert_silent()
            assert idle.ask(b"g") == b"g"
            assert server.received == b"abg"
            assert_passes(proxy, b"h")


def test_it_swallows_answers(server: Echo, proxy: FaultyProxy) -> None:
    """Neither the bytes nor the end of the backend's stream reach the client."""
    with Client(proxy) as client:
        assert client.ask(b"a") == b"a"
        proxy.mode = "swallow"
        server.connections[0].sendall(b"b")
        server.connections[0].shutdown(socket.SHUT_RDWR)
        client.assert_silent()


def test_silence_ends_with_a_reset(proxy: FaultyProxy) -> None:
    """A connection that hangs, or has lost bytes, is reset in a mode that resets."""
    proxy.mode = "swallow"
    with Client(proxy) as lost:
        lost.send(b"a")
        lost.assert_silent()
        proxy.mode = "hang"
        with Client(proxy) as waiting:
            waiting.assert_silent()
            proxy.mode = "reset"
            for client in (lost, waiting):
                with pytest.raises(ConnectionResetError):
                    client.receive()


def test_a_backend_that_is_away_resets(server: Echo, proxy: FaultyProxy) -> None:
    """The proxy goes on, and forwards again when the backend is back."""
    server.close()
    with pytest.raises((ConnectionResetError, BrokenPipeError)), Client(proxy) as client:
        client.ask(b"a")
    assert proxy.mode == "pass"
    proxy.mode = "hang"


def test_the_mode_may_be_set_before_it_starts(server: Echo) -> None:
    """It starts in that mode."""
    proxy = FaultyProxy(*server.address)
    proxy.mode = "refuse"
    with proxy:
        with pytest.raises(ConnectionRefusedError):
            Client(proxy)
        proxy.mode = "pass"
        with Client(proxy) as client:
            assert client.ask(b"a") == b"a"


def test_threads_may_set_it_at_once(proxy: FaultyProxy) -> None:
    """Every assignment returns; afterwards the proxy is in the mode that was set last."""
    modes = ("refuse", "hang", "swallow", "reset", "pass")

    def turn() -> None:
        for mode in modes * 10:
            proxy.mode = mode  # type: ignore[assignment]

    threads = [threading.Thread(target=turn, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LONG)
        assert not thread.is_alive()
    proxy.mode = "pass"
    with Client(proxy) as client:
        assert client.ask(b"a") == b"a"


def test_it_ends_with_its_block(server: Echo) -> None:
    """Its thread has ended, connections are reset and the port is closed; it can start again."""
    before = set(threading.enumerate())
    proxy = FaultyProxy(*server.address)
    for _ in range(2):
        with proxy:
            client = Client(proxy)
            assert client.ask(b"a") == b"a"
            (thread,) = {each for each in threading.enumerate() if each.name == "faulty-proxy"}
            assert thread.daemon
            proxy.mode = "swallow"
        with client, pytest.raises(ConnectionResetError):
            client.receive()
        with pytest.raises(ConnectionRefusedError):
            Client(proxy)
        assert not thread.is_alive()
        proxy.mode = "pass"
    assert {each for each in threading.enumerate() if each.name == "faulty-proxy"} <= before


@pytest.mark.parametrize("address", [("localhost", "80"), (None, 80), "h:"])
def test_what_is_no_address_is_refused(address: Any) -> None:
    """An invalid address, such as the start of a URL, would look like a backend that fails."""
    with pytest.raises(TypeError, match="host and port must be a str and an int, not "):
        FaultyProxy(*address)


def test_another_mode_is_refused(proxy: FaultyProxy) -> None:
    """The error lists the modes."""
    message = "^mode must be one of pass, refuse, hang, swallow, reset; not 'hangs'$"
    with pytest.raises(ValueError, match=message):
        proxy.mode = "hangs"  # type: ignore[assignment]
    assert proxy.mode == "pass"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_cannot_set_it(proxy: FaultyProxy) -> None:
    """The child gets an error and does not wait; the parent's proxy goes on."""
    with Client(proxy) as client:
        assert client.ask(b"a") == b"a"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            proxy.mode = "hang"
        except RuntimeError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert_passes(proxy, b"b")
