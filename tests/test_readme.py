"""The README's code runs, and prints what the README says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parent.parent / "README.md"

_BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def without_figures(text: str) -> str:
    """Text without what differs from run to run: ids, times, and the bars drawn of them."""
    text = re.sub(r"trace [0-9a-f]{16}", "trace ID", text)
    text = re.sub(r"\d[\d.]* (µs|ms|s)\b", "TIME", text)
    return re.sub(r"[ ━╸╺┿]*(?= TIME)", "", text)


def test_blocks_run_in_order_and_print_what_is_shown() -> None:
    """All Python blocks, in one namespace; a text block after one is its output."""
    blocks = _BLOCK.findall(README.read_text(encoding="utf-8"))
    assert len(blocks) == README.read_text(encoding="utf-8").count("```python") >= 7
    namespace: dict[str, Any] = {"__name__": "readme"}
    for code, expected in blocks:
        printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(README), "exec"), namespace)
        output = printed.buffer.getvalue().decode()  # type: ignore[attr-defined]
        assert without_figures(output) == without_figures(expected), code
