"""Long tables of cases: a few run always, and the rest with the long tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def table(names: Iterable[str], few: Iterable[str]) -> list[Any]:
    """The parameters of a test: all names, of which those beyond the few are marked as long."""
    every, short = list(names), list(few)
    assert set(short) <= set(every), f"no rows of the table: {set(short) - set(every)}"
    return [pytest.param(each, marks=[] if each in short else pytest.mark.long) for each in every]
