"""Forks: ids do not repeat and locks are free in a child, whoever forked it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.needs_os,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
]

# The second is fork(2) itself: none of the interpreter's preparations for a fork take place.
_FORKS = ["os.fork()", "ctypes.CDLL(None).fork()"]


def _run(script: str) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("fork", _FORKS, ids=["Python", "C"])
@pytest.mark.parametrize("page", [True, False], ids=["page", "pid"])
@pytest.mark.parametrize("parent", ["None", "RemoteSpanContext(1, 2)"], ids=["root", "remote"])
def test_forked_children_make_no_repeated_id(fork: str, page: bool, parent: str) -> None:
    """Eight children, forked after ids were made, make different ones; from C, too."""
    script = (
        "import ctypes, os, sys\n"
        f"sys.platform = sys.platform if {page} else 'posix'\n"
        "from opentracing_recorder import BasicTracer, RemoteSpanContext\n"
        "tracer = BasicTracer()\n"
        "tracer.start_span('warm')\n"
        "children = []\n"
        "for _ in range(8):\n"
        f"    pid = {fork}\n"
        "    if pid == 0:\n"
        f"        spans = [tracer.start_span('x', {parent}).context for _ in range(50)]\n"
        "        text = ''.join(f'{s.span_id}\\n' for s in spans)\n"
        "        os.write(1, text.encode())\n"
        "        os._exit(0)\n"
        "    children.append(pid)\n"
        "for pid in children:\n"
        "    os.waitpid(pid, 0)\n"
    )
    ids = _run(script).split()
    assert len(ids) == len(set(ids)) == 8 * 50


@pytest.mark.parametrize("fork", _FORKS, ids=["Python", "C"])
def test_renewals_run_once_in_each_child(fork: str) -> None:
    """In the child alone, and again in a child of the child; not with every trace."""
    script = (
        "import ctypes, os, sys\n"
        "from opentracing_recorder import BasicTracer\n"
        "from opentracing_recorder.fork import at_fork\n"
        "tracer, renewed = BasicTracer(), []\n"
        "at_fork(lambda: renewed.append(1))\n"
        "def trace():\n"
        "    tracer.start_span('x'), tracer.start_span('x')\n"
        "    os.write(1, b'%d' % len(renewed))\n"
        "trace()\n"
        f"if {fork} == 0:\n"
        "    trace()\n"
        f"    if {fork} == 0:\n"
        "        trace()\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "trace()\n"
    )
    assert _run(script) == "0120"
