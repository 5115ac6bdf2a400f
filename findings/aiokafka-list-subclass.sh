#!/bin/bash
# aiokafka 0.14.0 (CPython 3.11, wheels with the compiled record builder): headers of a message must be a list and
# of exactly that type. A subclass of list with the same pairs, which confluent-kafka and kafka-python take, is
# rejected by AIOKafkaProducer's batches, and so by `send`:
#     TypeError: Argument 'headers' has incorrect type (expected list, got Headers)
# With AIOKAFKA_NO_EXTENSIONS=1, in the same release, it is accepted. So a carrier that fills the headers of a
# message must wrap a list, and cannot be a subclass of it.
# Output seen:
#     compiled: list taken, subclass refused
#     pure Python: list taken, subclass taken
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet aiokafka==0.14.0

cat >"$folder/seen.py" <<'END'
import asyncio

from aiokafka import AIOKafkaProducer


class Headers(list):
    pass


async def outcome(headers):
    batch = AIOKafkaProducer(bootstrap_servers="127.0.0.1:9092").create_batch()
    try:
        batch.append(key=b"k", value=b"v", timestamp=1, headers=headers)
    except TypeError:
        return "refused"
    return "taken"


async def main():
    pairs = [("name", b"value")]
    return f"list {await outcome(pairs)}, subclass {await outcome(Headers(pairs))}"


print(asyncio.run(main()))
END

compiled=$("$folder/venv/bin/python" "$folder/seen.py")
pure=$(AIOKAFKA_NO_EXTENSIONS=1 "$folder/venv/bin/python" "$folder/seen.py")
echo "compiled: $compiled"
echo "pure Python: $pure"
test "$compiled" = "list taken, subclass refused"
test "$pure" = "list taken, subclass taken"
