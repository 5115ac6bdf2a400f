"""FaultyProxy: a TCP proxy between a client and its backend that fails as networks do."""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Literal, get_args

Mode = Literal["pass", "refuse", "hang", "swallow", "reset"]

_MODES = get_args(Mode)
_CHUNK = 64 * 1024  # bytes
_LONGEST_CONNECT = 5.0  # seconds; the backend itself works
_LONGEST_CHANGE = 30.0  # seconds


class FaultyProxy:
    """A TCP proxy on the loopback interface that forwards bytes, or fails in one of four ways::

        with FaultyProxy("127.0.0.1", 9411) as proxy:
            url = f"http://{proxy.host}:{proxy.port}/api/v2/spans"
            recorder = ZipkinRecorder("shop", url, send_timeout=1)
            proxy.mode = "swallow"

    The arguments are the backend's host and port. Set `mode` at any time, from any thread. When the
    assignment returns, it applies to new and open connections:

    - ``"pass"`` (default): bytes and ends of streams are forwarded both ways. If the backend cannot
      be reached, connections are reset.
    - ``"refuse"``: the port is closed, so connections are refused; open ones are reset.
    - ``"hang"``: connections are accepted, and bytes wait. None is lost: ``"pass"`` forwards them.
    - ``"swallow"``: connections are accepted, bytes are read and dropped, and nothing is answered.
      A connection that has lost bytes stays silent with ``"pass"`` and ``"hang"`` too.
    - ``"reset"``: connections are accepted and reset; open ones are reset.

    TLS is forwarded unchanged: the certificate must be valid for `host`. When the block ends,
    connections are reset. Raises TypeError for an invalid address, ValueError for another mode, and
    RuntimeError in a forked child, where the proxy's thread does not run.
    """

    host = "127.0.0.1"
    """The address that clients connect to."""

    port: int
    """The port that clients connect to; set, and the same, inside the ``with`` block."""

    def __init__(self, host: str, port: int) -> None:
        if not isinstance(host, str) or not isinstance(port, int):
            raise TypeError(f"host and port must be a str and an int, not {host!r} and {port!r}")
        self._backend = (host, port)
        self._mode: Mode = "pass"
        self._connections: list[_Connection] = []
        self._orders: SimpleQueue[tuple[Mode | None, threading.Event]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def mode(self) -> Mode:
        """The way in which the proxy treats connections."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        if mode not in _MODES:
            raise ValueError(f"mode must be one of {', '.join(_MODES)}; not {mode!r}")
        if self._thread is None:
            self._mode = mode
            return
        done = threading.Event()
        if self._thread.is_alive():
            self._order(mode, done)
            done.wait(_LONGEST_CHANGE)
        if not done.is_set():
            raise RuntimeError("the proxy's thread does not run; was this process forked?")

    def __enter__(self) -> FaultyProxy:
        self._listener = _bound(self.host, 0)
        self.port = self._listener.getsockname()[1]
        if self._mode != "refuse":
            self._listener.listen()
        self._woken, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="faulty-proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._order(None, threading.Event())
            thread.join()
        for each in (self._listener, self._woken, self._waker):
            each.close()

    def _order(self, mode: Mode | None, done: threading.Event) -> None:
        """Let the proxy's thread change the mode, or end if it is None."""
        self._orders.put((mode, done))
        self._waker.send(b"!")

    # The rest runs on the proxy's thread, the only one that uses the connections.

    def _run(self) -> None:
        try:
            while True:
                ready = self._wait()
                if self._woken in ready:
                    self._woken.recv(1)
                    mode, done = self._orders.get()
                    if mode is None:
                        return
                    self._change(mode)
                    done.set()
                if self._listener in ready:
                    self._accept()
                for connection in self._connections[:]:
                    if not connection.serve(self._mode):
                        self._connections.remove(connection)
        finally:
            self._reset_all()

    def _wait(self) -> set[object]:
        """Wait for sockets that can be read or written, and return them."""
        # A new selector each time is fast enough for a few connections, and needs no bookkeeping.
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            if self._mode != "refuse":
                selector.register(self._listener, selectors.EVENT_READ)
            for connection in self._connections:
                for sock, events in connection.interests(self._mode).items():
                    selector.register(sock, events)
            return {key.fileobj for key, _ in selector.select()}

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # the client has disconnected
            return
        connection = _Connection(client, self._backend)
        if self._mode == "reset":
            connection.reset()
        else:
            self._connections.append(connection)

    def _change(self, mode: Mode) -> None:
        was, self._mode = self._mode, mode
        if mode == "refuse" and was != "refuse":
            self._listener.close()
            # A bound socket that does not listen refuses connections, and reserves the port.
            self._listener = _bound(self.host, self.port)
        elif was == "refuse" and mode != "refuse":
            self._listener.listen()
        if mode in ("refuse", "reset"):
            self._reset_all()

    def _reset_all(self) -> None:
        while self._connections:
            self._connections.pop().reset()


class _Connection:
    """A client's connection, and its connection to the backend."""

    def __init__(self, client: socket.socket, address: tuple[str, int]) -> None:
        client.setblocking(False)
        self._client = client
        self._address = address
        self._backend: socket.socket | None = None
        self._streams: list[_Stream] = []
        self._unread = [client]
        self._has_lost = False  # bytes; forwarding later ones would leave a gap

    def interests(self, mode: Mode) -> dict[socket.socket, int]:
        """The events to wait for in this mode, by socket."""
        if mode == "swallow" or self._has_lost:
            return dict.fromkeys(self._unread, selectors.EVENT_READ)
        found: dict[socket.socket, int] = {}
        for stream in self._streams if mode == "pass" else ():
            for sock, event in stream.interests():
                found[sock] = found.get(sock, 0) | event
        return found

    def serve(self, mode: Mode) -> bool:
        """Read and write without blocking, as the mode allows; False after the connection's end."""
        if mode == "swallow" or self._has_lost:
            self._swallow()
        elif mode == "pass":
            try:
                if self._backend is None:
                    self._open()
                for stream in self._streams:
                    with suppress(BlockingIOError):
                        stream.move()
            except OSError:
                self.reset()
                return False
            if all(stream.ended for stream in self._streams):
                self._close()
                return False
        return True

    def reset(self) -> None:
        """Reset the client's connection; the backend sees the end of the stream."""
        with suppress(OSError):
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._close()

    def _open(self) -> None:
        self._backend = socket.create_connection(self._address, _LONGEST_CONNECT)
        self._backend.setblocking(False)
        self._unread.append(self._backend)
        client, backend = self._client, self._backend
        self._streams = [_Stream(client, backend), _Stream(backend, client)]

    def _swallow(self) -> None:
        for sock in self._unread[:]:
            try:
                data = sock.recv(_CHUNK)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            self._has_lost = True  # bytes, or the end of the stream
            if not data:
                self._unread.remove(sock)

    def _close(self) -> None:
        self._client.close()
        if self._backend is not None:
            self._backend.close()


class _Stream:
    """The bytes of one direction of a connection."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self._source = source
        self._target = target
        self._waiting = b""
        self.ended = False

    def interests(self) -> Iterator[tuple[socket.socket, int]]:
        if self._waiting:
            yield self._target, selectors.EVENT_WRITE
        elif not self.ended:
            yield self._source, selectors.EVENT_READ

    def move(self) -> None:
        """Read some bytes, or send those read before; raises OSError if either side has failed."""
        if self._waiting:
            self._waiting = self._waiting[self._target.send(self._waiting) :]
        elif not self.ended:
            self._waiting = self._source.recv(_CHUNK)
            if not self._waiting:
                self.ended = True
                self._target.shutdown(socket.SHUT_WR)


_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def _bound(host: str, port: int) -> socket.socket:
    """A socket bound to the port that does not listen yet."""
    sock = socket.socket()
    if os.name == "posix":  # old connections may still use the port
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.setblocking(False)
    return sock
