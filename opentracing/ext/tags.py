"""The 1.x path of `opentracing.tags`; new code imports that."""

from __future__ import annotations

from ..tags import *  # noqa: F403
