"""A service under load for minutes, while its backend is killed and restarted; for `make soak`.

    python tests/soak/soak.py [SECONDS]

Eight threads and an asyncio loop handle requests, of which one in a hundred raises. A sink in a
process of its own takes the spans, half of the time from a `ZipkinRecorder` and then from an
`OTLPRecorder`; it refuses one report in a hundred, and every few seconds it is
killed. The queue is so short that some spans are lost meanwhile. Then it is checked, and printed,
that memory did not grow, that `stats` tell what the application and the sink have counted, and that
no span was sent again after its batch was acknowledged.

Needs Linux, for /proc and for a port that two processes may share. Uses the loopback alone, and
ends by itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from opentracing import Format, tags
from opentracing_recorder import BasicSpan, BasicTracer, BatchRecorder
from opentracing_recorder.otlp import OTLPRecorder
from opentracing_recorder.zipkin import ZipkinRecorder

_THREADS = 8
_TASKS = 4
_PAUSE = 0.02  # seconds between the requests of a thread or task, at the mean
_FAIL_EACH = 100  # requests, and reports
_UP = (2.0, 5.0)  # seconds that the sink lives, at least and at most
_DOWN = (0.2, 2.5)
_QUEUE = 2500
_GROWTH = 0.02
_PATIENCE = 60.0


class _Noting(BatchRecorder):
    """Notes the ids of the spans that the sink has acknowledged, in a file."""

    def __init__(self, url: str, path: Path) -> None:
        self.notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        arguments: Any = ("soak", url)  # those of the recorders below
        super().__init__(*arguments, queue_size=_QUEUE, batch_size=250, interval=0.2)

    def send(self, spans: Sequence[BasicSpan]) -> Any:
        left_out = super().send(spans)  # type: ignore[safe-super]
        os.write(self.notes, "".join(f"{span.context.span_id:016x}" for span in spans).encode())
        return left_out


class NotingZipkinRecorder(_Noting, ZipkinRecorder):
    pass


class NotingOTLPRecorder(_Noting, OTLPRecorder):
    pass


class Backend:
    """The sink, which is killed and restarted at the same address until `stop` is set."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.received: list[Path] = []  # a file for each life
        # Bound, not listening: nobody else gets the port while the sink is down.
        self._reservation = socket.socket()
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reservation.bind(("127.0.0.1", 0))
        self.port: int = self._reservation.getsockname()[1]
        self.kills = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("sink.py"))]
        self.received.append(self._folder / f"received-{len(self.received)}")
        arguments = [str(self.port), str(self.received[-1]), str(_FAIL_EACH)]
        self._process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the sink did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
            self.kills += 1

    def come_and_go(self, stop: threading.Event) -> None:
        while not stop.wait(random.uniform(*_UP)):
            self.kill()
            stop.wait(random.uniform(*_DOWN))
            self.start()

    def close(self) -> None:
        self.kill()
        self._reservation.close()


class Load:
    """Requests on threads and on an asyncio loop, and how many there were."""

    def __init__(self, tracer: BasicTracer) -> None:
        self._tracer = tracer
        self._stop = threading.Event()
        self._counts: list[Count] = []
        self._threads = [threading.Thread(target=self._work) for _ in range(_THREADS)]
        self._threads.append(threading.Thread(target=lambda: asyncio.run(self._loop())))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> Count:
        """End it, and return how much there was."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        total = Count()
        for each in self._counts:
            total.requests += each.requests
            total.failed += each.failed
            total.spans += each.spans
        return total

    def _work(self) -> None:
        count = self._new_count()
        while not self._stop.wait(random.uniform(0, 2 * _PAUSE)):
            try:
                with self._tracer.start_active_span("thread", self._caller(), tags=count.tags()):
                    self._call(count)
                    count.maybe_fail()
            except OverflowError:
                count.failed += 1

    async def _loop(self) -> None:
        await asyncio.gather(*(self._task() for _ in range(_TASKS)))

    async def _task(self) -> None:
        count = self._new_count()
        while not self._stop.is_set():
            await asyncio.sleep(random.uniform(0, 2 * _PAUSE))
            try:
                with self._tracer.start_active_span("task", self._caller(), tags=count.tags()):
                    await asyncio.gather(self._step(count), self._step(count))
                    count.maybe_fail()
            except OverflowError:
                count.failed += 1

    async def _step(self, count: Count) -> None:
        await asyncio.sleep(0)
        self._call(count)

    def _call(self, count: Count) -> None:
        count.spans += 1
        with self._tracer.start_active_span("call", tags={tags.SPAN_KIND: "client"}) as scope:
            scope.span.log_kv({"event": "sent", "bytes": count.requests})
            self._tracer.inject(scope.span, Format.HTTP_HEADERS, {})

    def _caller(self) -> object:
        trace = random.getrandbits(64) or 1
        headers = {
            "ot-tracer-traceid": f"{trace:x}",
            "ot-tracer-spanid": f"{trace ^ 5 or 1:x}",
            "ot-tracer-sampled": "true",
            "ot-baggage-customer": f"{trace % 1000}",
        }
        return self._tracer.extract(Format.HTTP_HEADERS, headers)

    def _new_count(self) -> Count:
        count = Count()
        self._counts.append(count)
        return count


class Count:
    """The work of one thread or task."""

    def __init__(self) -> None:
        self.requests = self.failed = self.spans = 0

    def tags(self) -> dict[str, object]:
        self.requests += 1
        self.spans += 1
        return {tags.SPAN_KIND: "server", tags.HTTP_URL: f"/orders/{self.requests}"}

    def maybe_fail(self) -> None:
        if self.requests % _FAIL_EACH == 0:
            raise OverflowError(f"request {self.requests}")


def resident() -> float:
    """The MiB of memory that this process occupies."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError("the load does not fill the queue")
        time.sleep(0.1)


def measure(kind: type[_Noting], seconds: float, folder: Path) -> bool:
    """Run it, print the figures, and return whether all is well."""
    noted = folder / "acknowledged"
    backend = Backend(folder)
    recorder = kind(f"http://127.0.0.1:{backend.port}", noted)
    load = Load(BasicTracer(recorder))
    stop = threading.Event()
    backend_thread = threading.Thread(target=backend.come_and_go, args=(stop,))
    load.start()
    # Memory is measured from when the queue has been full, and emptied, for the first time.
    wait_until(lambda: recorder.stats.dropped > 0)
    backend.start()
    backend_thread.start()
    wait_until(lambda: recorder.stats.queued < _QUEUE // 2)
    memory = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        memory.append(resident())
        time.sleep(0.25)
    done = load.stop()
    stop.set()
    backend_thread.join()
    recorder.flush(_PATIENCE)
    closed_at = time.monotonic()
    recorder.close(_PATIENCE)
    closing = time.monotonic() - closed_at
    backend.close()
    stats = recorder.stats

    acknowledged = ids(noted)
    lives = [ids(path) for path in backend.received]
    arrived = set().union(*lives)
    # Who is killed between taking a report and answering is asked again, in the next life.
    repeated = sum(map(len, lives)) - len(arrived)
    doubled = len(acknowledged) - len(set(acknowledged))
    doubled += sum(len(life) - len(set(life)) for life in lives)
    third = len(memory) // 3
    first, last = mean(memory[:third]), mean(memory[-third:])
    lost = stats.dropped + stats.failed
    print(kind.__name__.replace("Noting", ""))
    print(f"seconds                  {seconds:10.0f}")
    print(f"requests                 {done.requests:10}, of which {done.failed} raised")
    print(f"spans finished           {done.spans:10}")
    print(f"backend killed           {backend.kills:10} times")
    print(f"spans acknowledged       {stats.sent:10}")
    print(f"spans lost, and counted  {lost:10} ({stats.dropped} dropped, {stats.failed} failed)")
    print(f"doubled                  {doubled:10}")
    print(f"sent again, unanswered   {repeated:10}")
    print(f"MiB, first third         {first:10.2f}")
    print(f"MiB, last third          {last:10.2f} ({last / first - 1:+.2%})")
    print(f"seconds to close         {closing:10.3f}")
    checks = {
        "memory grew": last < first * (1 + _GROWTH),
        "stats do not tell how many spans were finished": stats.recorded == done.spans,
        "stats do not add up": stats.recorded == stats.sent + lost and stats.queued == 0,
        "stats do not tell how many spans were acknowledged": stats.sent == len(acknowledged),
        "a span was sent again though it was acknowledged": doubled == 0,
        "an acknowledged span has not arrived": arrived.issuperset(acknowledged),
        "no request failed, no span was lost, or the backend lived on": bool(
            done.failed and lost and backend.kills > 1
        ),
    }
    for problem, well in checks.items():
        if not well:
            print(f"FAILED: {problem}", file=sys.stderr)
    return all(checks.values())


def ids(path: Path) -> list[bytes]:
    """The ids of spans in a file, each of 16 digits."""
    text = path.read_bytes() if path.exists() else b""
    return [text[start : start + 16] for start in range(0, len(text), 16)]


def main() -> int:
    # The outages are on purpose.
    logging.getLogger("opentracing_recorder").addHandler(logging.NullHandler())
    seconds = float((sys.argv[1:] or ["600"])[0])
    kinds = (NotingZipkinRecorder, NotingOTLPRecorder)
    well = []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            well.append(measure(kind, seconds / len(kinds), Path(folder)))
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
