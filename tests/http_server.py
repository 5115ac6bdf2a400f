"""ScriptedServer: an HTTP server on the loopback that gives the answers of a test."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, Union

Answer = Union[bytes, Callable[[socket.socket], None]]

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole answer, such as ``answer("429 Too Many Requests", b"", "Retry-After: 1")``."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def hang_up(connection: socket.socket) -> None:
    """Reset the connection in place of an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Its own `close` would wait for the stream that reads from it.
    socket.close(connection.detach())


class Request(NamedTuple):
    """A request; header names are in lower case, the body is decompressed."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """Which connection it came on, counted from 1."""

    accepted: bool
    """If the answer was `ACCEPTED`."""


class ScriptedServer:
    """Gives the `answers` in turn, and then `otherwise` to whatever comes: it accepts.

    An answer is the bytes to send, or a function that is given the connection. It is a context
    manager; at its end all connections are closed.
    """

    def __init__(self, *answers: Answer, port: int = 0) -> None:
        self.answers = deque(answers)
        self.otherwise: Answer = ACCEPTED
        self.requests: list[Request] = []
        self.connections = 0
        self._changed = threading.Condition()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/api/v2/spans"

    def __enter__(self) -> ScriptedServer:
        self._start(self._accept)
        return self

    def __exit__(self, *exception: object) -> None:
        # Closing alone does not wake a thread that waits in `accept` or `recv`.
        for each in [self._listener, *self._open]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is not connected any more
                pass
            each.close()
        for thread in self._threads:
            thread.join()

    def spans(self) -> list[dict[str, Any]]:
        """The spans in the bodies of all requests, which are Zipkin's JSON."""
        return [span for each in self.requests for span in json.loads(each.body)]

    def wait_for_requests(self, count: int, timeout: float = 20.0) -> None:
        """Return when so many requests have come; an AssertionError at the time limit."""
        with self._changed:
            come = self._changed.wait_for(lambda: len(self.requests) >= count, timeout)
        assert come, f"{len(self.requests)} requests came, not {count}"

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self.connections += 1
            number = self.connections
            self._open.append(connection)
            self._start(
                lambda connection=connection, number=number: self._serve(connection, number)
            )

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while self._serve_request(connection, stream, number):
                    pass
        except OSError:  # the client went away
            pass

    def _serve_request(self, connection: socket.socket, stream: BinaryIO, number: int) -> bool:
        line = stream.readline().decode("latin-1").strip()
        if not line:
            return False
        headers: dict[str, str] = {}
        while True:
            name, colon, value = stream.readline().decode("latin-1").partition(":")
            if not colon:
                break
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self._changed:
            reply = self.answers.popleft() if self.answers else self.otherwise
            self.requests.append(Request(line, headers, body, number, reply == ACCEPTED))
            self._changed.notify_all()
        if isinstance(reply, bytes):
            connection.sendall(reply)
        else:
            reply(connection)
        return connection.fileno() >= 0
