#!/usr/bin/env bash
# A server that sends "103 Early Hints" before "503 Service Unavailable", as RFC 8297 and RFC 9110
# (15.2: "A client MUST be able to parse one or more 1xx responses received prior to a final
# response") allow, has its request counted as a success by requests: `status_code` is 103, `ok` is
# True, `raise_for_status()` raises nothing, and the 503 that follows is never seen. urllib3 returns
# status 103 too, and its Retry(status_forcelist=[503]) does not retry. Both rest on http.client,
# which skips only status 100.
#
# Seen with requests 2.32.3 and urllib3 2.2.3, on CPython 3.9, 3.11 and 3.13:
#
#     requests: status 103, ok True, raise_for_status() silent
#     urllib3: status 103, requests sent 1 (503 alone: 4)
#
# Exits with 1 if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check requests==2.32.3 urllib3==2.2.3

timeout 60 "$folder/venv/bin/python" - <<'PYTHON'
import socket
import sys
import threading

import requests
import urllib3

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def serve(reply):
    """A server that gives the same reply to every request; its URL, and what has come."""
    listener = socket.create_server(("127.0.0.1", 0))
    came = []

    def run():
        while True:
            connection, _ = listener.accept()
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(65536)
                came.append(request)
                connection.sendall(reply)

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/", came


url, _ = serve(HINTS + REFUSAL)
session = requests.Session()
session.trust_env = False
response = session.get(url, timeout=10)
response.raise_for_status()
print(f"requests: status {response.status_code}, ok {response.ok}, raise_for_status() silent")
as_seen = (response.status_code, response.ok) == (103, True)

retries = urllib3.Retry(3, status_forcelist=[503], raise_on_status=False)
url, came = serve(HINTS + REFUSAL)
status = urllib3.PoolManager(retries=retries).request("GET", url, timeout=10).status
alone, came_alone = serve(REFUSAL)
urllib3.PoolManager(retries=retries).request("GET", alone, timeout=10)
print(f"urllib3: status {status}, requests sent {len(came)} (503 alone: {len(came_alone)})")
as_seen = as_seen and (status, len(came), len(came_alone)) == (103, 1, 4)
sys.exit(not as_seen)
PYTHON
