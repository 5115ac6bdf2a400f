"""Wrapping, the base of recorders that hand spans on to another recorder."""

from __future__ import annotations

from . import _typing as t
from ._arguments import check_has
from ._json_safe import text_of
from .recorder import Recorder, started_hook


class Wrapping(Recorder):
    """A recorder in front of another one, `recorder`, which it flushes, closes and answers for.

    A subclass defines `record_span`. If it defines `span_started` too, that calls the recorder's.
    """

    def __init__(self, recorder: Recorder) -> None:
        check_has("recorder", recorder, "record_span")
        self.recorder = recorder
        hook = started_hook(recorder)
        has_own = type(self).span_started is not Recorder.span_started
        # If there is none, the tracer sees that, and calls none.
        if hook is not None and not has_own:
            self.span_started = hook  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {text_of(self.recorder)}>"

    @property
    def stats(self) -> t.Any:
        """The recorder's `Stats`, as it counts them; None if it counts nothing."""
        return getattr(self.recorder, "stats", None)

    @property
    def service_name(self) -> str | None:
        """The name that the recorder's spans are sent under; None if it has none."""
        return getattr(self.recorder, "service_name", None)

    def flush(self, timeout: float | None = None) -> bool:
        return self._call("flush", timeout)

    def close(self, timeout: float | None = None) -> bool:
        return self._call("close", timeout)

    def _call(self, method: str, timeout: float | None) -> bool:
        call = getattr(self.recorder, method, None)
        return True if call is None else bool(call(timeout))  # None: one written for basictracer
