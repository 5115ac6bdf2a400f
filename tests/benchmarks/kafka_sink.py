"""A broker that takes messages as fast as it can: librdkafka's own, in a process of its own.

As a program, it prints its address; for each line that it reads, it prints the spans in its topic.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


class KafkaSink:
    """Serves from entering to leaving a with statement; run by a Python with confluent-kafka."""

    def __init__(self, python: Path) -> None:
        self._command = [str(python), __file__]

    def take_count(self) -> int:
        """How many spans have arrived."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._line() or 0)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> KafkaSink:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        self.url = self._line()
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate()


def _serve() -> None:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    (address,) = producer.list_topics(timeout=10).brokers.values()
    url = f"{address.host}:{address.port}"
    print(url, flush=True)
    for _ in sys.stdin:
        reader = Consumer(
            {"bootstrap.servers": url, "group.id": "sink", "enable.partition.eof": True}
        )
        partitions = reader.list_topics("zipkin", 10).topics["zipkin"].partitions
        reader.assign([TopicPartition("zipkin", each, OFFSET_BEGINNING) for each in partitions])
        ends = count = 0
        while ends < len(partitions):
            message = reader.poll(10)
            if message is None:
                break
            if message.error() is None:
                count += len(json.loads(message.value()))
            else:
                ends += 1
        reader.close()
        print(count, flush=True)


if __name__ == "__main__":
    _serve()
