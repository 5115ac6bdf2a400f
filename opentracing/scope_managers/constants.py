"""Names that scope managers share."""

from __future__ import annotations

ACTIVE_ATTR = "__ot_active"
"""The attribute of a task or greenlet that holds its active scopes."""
