#!/usr/bin/env bash
# uWSGI 2.0.31, with `--die-on-term`: at SIGTERM, a worker that is busy ends without Python's atexit, and the log
# has no word of it. A worker is still busy after its client has received the whole answer, until `close` of the
# answer's iterable has returned: whatever frameworks and middleware do there, such as ending a span, is cut off.
# So under load that has just stopped, some workers run their atexit functions, and some do not, though every
# request was answered. An idle worker runs them, and so does a busy one if `--hook-master-start="unix_signal:15
# gracefully_kill_them_all"` takes the place of `--die-on-term`.
#
# Seen, with CPython 3.11.7 (`busy` has a `close` that takes 2 seconds, `idle` one that returns at once):
#     idle --die-on-term: answered, atexit ran
#     busy --die-on-term: answered, atexit did not run
#     busy --hook-master-start=unix_signal:15 gracefully_kill_them_all: answered, atexit ran
#
# Needs a C compiler and Python 3 with its headers, as python3 or at PYTHON. Exits with 1 if what was seen
# changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
UWSGI_PROFILE=pyonly CFLAGS=-O0 "$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet \
  uwsgi==2.0.31

cat >"$folder/app.py" <<'END'
import atexit
import os
import time

atexit.register(os.write, 2, b"atexit ran\n")


class Answer:
    def __iter__(self):
        yield b"answered"

    def close(self):
        time.sleep(float(os.environ["CLOSING"]))


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "8")])
    return Answer()
END

cat >"$folder/seen.py" <<'END'
import http.client
import os
import socket
import subprocess
import sys
import time

state, option = sys.argv[1:]
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
command = [f"{sys.prefix}/bin/uwsgi", f"--http-socket=127.0.0.1:{port}", "--master", "--lazy-apps"]
server = subprocess.Popen(
    [*command, "--wsgi=app", option],
    env={**os.environ, "CLOSING": "2" if state == "busy" else "0"},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)
for line in server.stdout:
    if "WSGI app 0" in line:
        break
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
connection.request("GET", "/")
answer = connection.getresponse().read().decode()
if state == "idle":
    time.sleep(1)
server.terminate()
log = server.communicate(timeout=60)[0]
print(f"{state} {option}: {answer}, atexit {'ran' if 'atexit ran' in log else 'did not run'}")
END

cd "$folder"
graceful="--hook-master-start=unix_signal:15 gracefully_kill_them_all"
{
  venv/bin/python seen.py idle --die-on-term
  venv/bin/python seen.py busy --die-on-term
  venv/bin/python seen.py busy "$graceful"
} | tee seen
printf '%s\n' \
  'idle --die-on-term: answered, atexit ran' \
  'busy --die-on-term: answered, atexit did not run' \
  "busy $graceful: answered, atexit ran" | diff - seen
