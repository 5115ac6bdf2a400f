"""ForwardProxy: an HTTP proxy as companies have them, for tests."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import select
from urllib.parse import urlsplit

USER, PASSWORD = "me", "open sesame"


class ForwardProxy(ThreadingHTTPServer):
    """Forwards POST, and tunnels CONNECT, for the one user that it knows.

    Every host name is this machine's for it.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = (
            f"http://{USER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.server_address[1]}"
        )
        self.requests: list[tuple[str, dict[str, str]]] = []
        """The first lines, and the headers, whose names are in lower case."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ForwardProxy

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.requestline, headers))
        known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if headers.get("proxy-authorization") == f"Basic {known}":
            return True
        self.send_error(407)
        return False

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() != "proxy-authorization"
        }
        with closing(HTTPConnection("127.0.0.1", url.port, timeout=30)) as server:
            server.request("POST", url.path, body, headers)
            answer = server.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_CONNECT(self) -> None:
        port = int(self.path.rpartition(":")[2])
        self.close_connection = True
        with socket.create_connection(("127.0.0.1", port), 30) as server:
            self.send_response(200)
            self.end_headers()
            other = {self.connection: server, server: self.connection}
            while True:
                for end in select(list(other), [], [])[0]:
                    received = end.recv(65536)
                    if not received:
                        return
                    other[end].sendall(received)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_proxy() -> Iterator[ForwardProxy]:
    """A proxy that takes requests."""
    with ForwardProxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()
