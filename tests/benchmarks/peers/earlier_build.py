"""This project before its trees took time linear in the number of spans, from its own history."""

from __future__ import annotations

from functools import partial

from tree_cases import trees
from worker import LONG_TREES

TITLE = "an earlier build"
SHOWN = ()
IMPORTS: dict[str, str] = {}
CASES = {name: partial(trees, count) for name, count in LONG_TREES.items()}
tree = trees
