"""JSON in UTF-8, written by orjson where it is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

dumps: Callable[[Any], bytes]


def dumps_without_orjson(value: Any) -> bytes:
    """JSON as orjson writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


try:
    import orjson
except ImportError:  # there are no wheels for PyPy, nor for builds without the GIL
    dumps = dumps_without_orjson
else:
    dumps = orjson.dumps
