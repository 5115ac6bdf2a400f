"""Fuzz every `extract` with atheris, guided by coverage: ``python -m tests.faults.fuzz [INPUTS]``.

Each format has its own process, and INPUTS inputs (default: a million). If an input fails, its repr
is printed, and the exit status is 1. Run by ``make fuzz``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.carriers import WireFormat

# Single tokens: atheris combines them by itself.
_WORDS = (
    *("ot-tracer-traceid:", "ot-tracer-spanid:", "ot-tracer-sampled:", "ot-baggage-"),
    *("HTTP_", "REQUEST_METHOD:"),
    *("b3:", "x-b3-traceid:", "x-b3-spanid:", "x-b3-parentspanid:", "x-b3-sampled:"),
    *("x-b3-flags:", "traceparent:", "tracestate:", "baggage:", "uber-trace-id:", "uberctx-"),
    *("jaeger-debug-id:", "jaeger-baggage:", "true", "0000000000000001", "%41", "00-", "-01"),
)


# Instrumented code is slower: the slowest inputs are tried again without it, by the true limit.
_SLACK = 8.0


def _fuzz(name: str, inputs: int, folder: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["opentracing", "opentracing_recorder"]):
        from tests.faults.carriers import Tally, wire_formats

    tally = Tally(next(each for each in wire_formats() if each.name == name), _SLACK)
    resident = 0

    def read(data: bytes) -> None:
        nonlocal resident
        try:
            tally.read(data)
        except BaseException:
            print(f"{name}: fails with {data!r}", flush=True)
            raise
        if tally.inputs == inputs // 10:  # by then, atheris' own tables have grown
            resident = _resident_kib()
        elif tally.inputs == inputs:
            grown = _resident_kib() - resident
            print(f"{tally}; memory since a tenth of them: {grown:+,} KiB", flush=True)
            (folder / "slowest").write_bytes(tally.slowest_input)

    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(tally.format.seeds):
        (corpus / str(number)).write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{word}"\n' for word in _WORDS))
    options = [f"-runs={inputs}", f"-dict={words}", "-max_len=4096", "-len_control=20"]
    options += ["-print_final_stats=0", "-rss_limit_mb=1024", "-timeout=10"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/", str(corpus)], read)
    atheris.Fuzz()


def _fuzz_apart(wire_format: WireFormat, inputs: int) -> bool:
    """Fuzz one format in its own process; return whether it passed."""
    from tests.faults.carriers import Tally

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open(folder / "log", "wb") as log:
            command = [sys.executable, "-m", "tests.faults.fuzz", str(inputs)]
            ended = subprocess.run([*command, wire_format.name, name], stderr=log, check=False)
        slowest = folder / "slowest"
        if ended.returncode or not slowest.exists():
            print((folder / "log").read_text(errors="replace")[-4000:])
            return False
        tally = Tally(wire_format)
        for _ in range(10):  # the first calls fill its tables of names
            tally.slowest = 0.0
            tally.read(slowest.read_bytes())
        print(f"  slowest: {tally.slowest * 1e6:,.0f} µs per KiB", flush=True)
    return True


def _resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def main(arguments: list[str]) -> int:
    inputs = int(arguments[0]) if arguments else 1_000_000
    if len(arguments) > 1:
        _fuzz(arguments[1], inputs, Path(arguments[2]))
        return 0
    from tests.faults.carriers import wire_formats  # imported here, because it must be instrumented

    failed = [each.name for each in wire_formats() if not _fuzz_apart(each, inputs)]
    print(f"failed: {', '.join(failed)}" if failed else "no input failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
