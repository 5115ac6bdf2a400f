#!/usr/bin/env bash
# PyPy 7.3.11 (Python 3.9.16): an uncaught KeyboardInterrupt ends the process without calling the
# functions registered with atexit. CPython 3.11 calls it, and so does PyPy after any other exception.
# Seen: "LookupError: ran", "KeyboardInterrupt: " under pypy3; "ran" both times under python3.
# Needs pypy3, such as Debian's package of that name; no package of an index is involved.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in python3 pypy3; do
  "$python" -m venv --without-pip "$folder/$python"
  "$folder/$python/bin/python" --version
  for error in LookupError KeyboardInterrupt; do
    seen=$("$folder/$python/bin/python" -c "
import atexit
atexit.register(print, 'ran')
raise $error" 2>/dev/null || true)
    echo "$python, $error: $seen"
    echo "$python $error $seen" >>"$folder/seen"
  done
done
printf '%s\n' 'python3 LookupError ran' 'python3 KeyboardInterrupt ran' 'pypy3 LookupError ran' \
  'pypy3 KeyboardInterrupt ' | diff - "$folder/seen"
