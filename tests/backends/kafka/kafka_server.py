"""A real broker of Apache Kafka, in KRaft mode: one process that needs no other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from confluent_kafka import KafkaException, Producer

from ..collector.conftest import free_ports

LIBRARIES = Path(__file__).resolve().parents[3] / "env" / "kafka" / "broker"

_PATIENCE = 60.0

_CONFIGURATION = """
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/log
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class KafkaServer:
    """A broker that can be killed, paused, and started again with what it had stored."""

    def __init__(self, folder: Path) -> None:
        self.port, controller_port = free_ports(2)
        self.address = f"127.0.0.1:{self.port}"
        self._output = folder / "output"
        self._configuration = folder / "server.properties"
        self._configuration.write_text(
            _CONFIGURATION.format(port=self.port, controller_port=controller_port, folder=folder)
        )
        self._process: subprocess.Popen[bytes] | None = None
        # Any id of 22 characters.
        tool = ("kafka.tools.StorageTool", "format", "-t", "c2luZ2xlLW5vZGUtdGVzdA", "-c")
        subprocess.run(
            _java(*tool, str(self._configuration)), check=True, capture_output=True, timeout=120
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                _java("kafka.Kafka", str(self._configuration)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Kafka does not listen: {self._output.read_text()[-3000:]}")
            time.sleep(0.05)  # nothing tells when another process listens
        client = Producer({"bootstrap.servers": self.address, "log_level": 0})
        while True:
            try:
                client.list_topics(timeout=5)
                return
            except KafkaException:
                if time.monotonic() > deadline:
                    raise

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End it as the kernel does when memory runs out, and wait until it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Let it hang: it accepts connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """Let it answer what it was sent meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def _java(*arguments: str) -> list[str]:
    options = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return ["java", *options, "-cp", f"{LIBRARIES}/*", *arguments]
