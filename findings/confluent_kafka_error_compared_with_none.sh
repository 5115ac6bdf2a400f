#!/bin/bash
# confluent-kafka 2.16.1 (CPython 3.11, wheel): comparing a KafkaError by `==` with None or a text does not return
# False. The comparison reads the other side as an integer, and leaves the TypeError of that unhandled: what follows
# raises it, or a SystemError, such as a `list.append` lines later ("returned a result with an exception set"). So
# `if message.error() == None`, or `error in [...]`, breaks code that works while there is no error. Use `is` and
# isinstance.
# Output seen:
#     integer: True
#     None: raised SystemError
#     text: raised SystemError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet confluent-kafka==2.16.1

cat >"$folder/seen.py" <<'END'
from confluent_kafka import KafkaError

error = KafkaError(KafkaError._PURGE_QUEUE)
for name, other in (("integer", -152), ("None", None), ("text", "x")):
    try:
        print(f"{name}: {getattr(error, '__eq__')(other)}")
    except Exception as raised:
        print(f"{name}: raised {type(raised).__name__}")
END

seen=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$seen"
test "$seen" = "integer: True
None: raised SystemError
text: raised SystemError"
