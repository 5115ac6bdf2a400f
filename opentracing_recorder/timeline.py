"""Timelines: traces as pictures, in text for terminals and in HTML for browsers."""

from __future__ import annotations

from ._timeline_axis import format_duration
from ._timeline_page import render_html
from ._timeline_text import render_text

__all__ = ["format_duration", "render_html", "render_text"]
