"""Modules that rare cases of the tracer import, such as reports of failures.

The first tracer imports them, in place of the first such case. Importing may take as long as a
request, a child that is forked meanwhile cannot import, and the import of a module swallows a
TimeoutError that a signal's handler raises.
"""

from __future__ import annotations

import copy  # noqa: F401
import logging  # noqa: F401
import numbers  # noqa: F401
import queue  # noqa: F401
import re  # noqa: F401
import traceback  # noqa: F401
import weakref  # noqa: F401

from . import _stack_text  # noqa: F401
