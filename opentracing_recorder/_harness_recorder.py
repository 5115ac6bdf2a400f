"""RecorderCheckMixin: the contract of a recorder, as tests for its author."""

from __future__ import annotations

import os
import sys
import time
import unittest
from collections.abc import Callable
from functools import partial

from ._harness_recorder_hooks import RecorderTrial
from ._harness_spans import HOSTILE_VALUES, ODD_NAMES, VALUES, new_spans, spans_of_every_kind


class RecorderCheckMixin(RecorderTrial):
    """Checks that a recorder keeps its contract::

        class TestMyRecorder(RecorderCheckMixin):
            def recorder(self):
                return MyRecorder(self.server.url)

            def delivered(self, recorder):
                return [span["name"] for span in self.server.spans]

    If the backend can fail, override `backend_address`, or `break_backend`, `hang_backend` and
    `mend_backend`. With unittest, derive from `unittest.TestCase` as well. No check waits without
    end, even for a recorder that does.
    """

    def test_every_span_is_delivered_once(self) -> None:
        """`flush` delivers the spans recorded before it, and returns True; then it does nothing."""
        with self._recorder() as recorder:
            names = self._deliver(recorder, new_spans(20), "after flush()")
            names += self._record(recorder, new_spans(20))
            self._flush(recorder)
            self._flush(recorder)
            self._assert_once(recorder, names, "after three calls of flush()")

    def test_flush_of_nothing(self) -> None:
        """With nothing to deliver, `flush` returns True, whatever its timeout."""
        with self._recorder() as recorder:
            for timeout in (None, self.patience, 0.0):
                answer = self._call(f"flush({timeout})", partial(recorder.flush, timeout))
                assert answer or timeout == 0.0, (
                    f"flush({timeout}) returned {answer!r} with nothing to deliver; expected True"
                )

    def test_close_delivers_what_is_left(self) -> None:
        """`close` needs no `flush` before it."""
        with self._recorder() as recorder:
            names = self._record(recorder, new_spans(20))
            self._close(recorder)
            self._assert_once(recorder, names, "after close()")

    def test_close_again(self) -> None:
        """A second `close` does nothing, and returns True again."""
        with self._recorder() as recorder:
            names = self._record(recorder, new_spans(5))
            self._close(recorder)
            self._close(recorder)
            self._assert_once(recorder, names, "after two calls of close()")

    def test_close_from_several_threads(self) -> None:
        """Threads that call `close` at once get no exception, and no span is doubled."""
        with self._recorder() as recorder:
            names = self._record(recorder, new_spans(20))
            self._on_threads([lambda: self._close(recorder)] * 4)
            self._assert_once(recorder, names, "after close() on four threads")

    def test_use_after_close(self) -> None:
        """After `close`, `record_span`, `flush` and `close` raise nothing, and do not block."""
        with self._recorder() as recorder:
            names = self._record(recorder, new_spans(5))
            self._close(recorder)
            self._record(recorder, new_spans(5), "after close()")
            self._answer(recorder, "flush", 1.0, "after close()")
            self._answer(recorder, "close", 1.0, "after a late span")
            self._assert_once(recorder, names, "after late spans")

    def test_every_thread_may_record(self) -> None:
        """Threads that record while others flush lose no span, and none is doubled."""
        batches = [new_spans(100) for _ in range(8)]
        interval = sys.getswitchinterval()
        with self._recorder() as recorder:
            calls: list[Callable[[], object]] = [
                partial(self._record, recorder, each) for each in batches
            ]
            calls.append(lambda: [recorder.flush(self.patience) for _ in range(5)])
            sys.setswitchinterval(1e-6)  # threads interrupt each other at every turn
            try:
                self._on_threads(calls)
            finally:
                sys.setswitchinterval(interval)
            self._flush(recorder)
            names = [span.operation_name for batch in batches for span in batch]
            self._assert_once(recorder, names, "recorded on eight threads at once")

    def test_spans_of_every_kind(self) -> None:
        """Roots, children, short and long spans, with logs and references, are delivered."""
        with self._recorder() as recorder:
            self._deliver(recorder, spans_of_every_kind(), "of every kind")

    def test_values_of_every_type(self) -> None:
        """A span is delivered whatever its tags and logs hold."""
        self._assert_delivered_with(VALUES)

    def test_values_that_cannot_be_encoded(self) -> None:
        """A value that cannot be encoded loses neither its span nor those sent with it."""
        self._assert_delivered_with(HOSTILE_VALUES)

    def test_odd_names(self) -> None:
        """An operation or a tag of any name raises nothing, and loses no other span."""
        with self._recorder() as recorder:
            odd = new_spans(8)
            for span, name in zip(odd, ODD_NAMES):
                span.operation_name = name
                span.tags[name] = name
            before, after = new_spans(2), new_spans(2)
            self._record(recorder, [*before, *odd, *after])
            self._flush(recorder)
            names = [span.operation_name for span in before + after]
            self._assert_once(recorder, names, "beside spans with odd names")

    def test_spans_are_not_changed(self) -> None:
        """`record_span` does not change the span, which other recorders get too."""
        with self._recorder() as recorder:
            (span,) = new_spans(1, tags={"a": 1, "b": [1, 2], "error": True})
            before = span.to_dict()
            self._record(recorder, [span])
            self._flush(recorder)
            assert span.to_dict() == before, f"{before!r} became {span.to_dict()!r}"

    def test_failure_of_the_backend(self) -> None:
        """While the backend fails, no call raises or blocks; `flush` and `close` return False."""
        with self._recorder() as recorder:
            self.break_backend()
            self._record(recorder, new_spans(5), "while the backend fails")
            self._assert_answer(False, recorder, "flush", 0.3, "while the backend fails")
            self._assert_answer(False, recorder, "close", 0.3, "while the backend fails")

    def test_outage_of_the_backend(self) -> None:
        """After an outage, spans are delivered again, also those recorded during it, once each."""
        with self._recorder() as recorder:
            self._assert_outage_is_bridged(recorder, self.break_backend)

    def test_connections_that_are_reset(self) -> None:
        """Resets of open and new connections for a while are bridged as any other outage is."""
        what = "what happens when connections are reset"
        with self._recorder() as recorder:
            before = self._record(recorder, new_spans(5))
            self._flush(recorder)
            reset = partial(self._set_proxy, "reset", "backend_address() is", what)
            self._assert_outage_is_bridged(recorder, reset)
            self._assert_once(recorder, before, "before an outage")

    def test_backend_that_does_not_answer(self) -> None:
        """`record_span` does not wait for an answer; `flush` and `close` return False in time."""
        with self._recorder() as recorder:
            self.hang_backend()
            spans = new_spans(1000)
            where = "while the backend does not answer"
            self._record(recorder, spans, where, timeout=1.0)
            self._assert_answer(False, recorder, "flush", 0.3, where)
            self._assert_answer(False, recorder, "close", 0.3, where)

    def test_backend_that_answers_again(self) -> None:
        """After more than `send_timeout` without answers, all spans are delivered.

        Spans that the backend took without an answer may be delivered twice.
        """
        with self._recorder() as recorder:
            before = self._record(recorder, new_spans(5))
            self._flush(recorder)  # a connection is open
            self.hang_backend()
            where, send_timeout = "while the backend does not answer", self.send_timeout
            if send_timeout is None:
                send_timeout = getattr(recorder, "send_timeout", 1.0)
            hung = send_timeout + 0.5
            meanwhile = self._record(recorder, new_spans(20), where)
            mend_at = time.monotonic() + hung
            self._assert_answer(False, recorder, "flush", hung, where)
            time.sleep(max(0.0, mend_at - time.monotonic()))
            self.mend_backend()
            where, limit = "after the backend answers again", hung + self.patience
            after = self._record(recorder, new_spans(20), where)
            answer = self._answer(recorder, "flush", limit, where)
            if self.check_outage():
                assert answer, (
                    f"flush({limit:g}) returned {answer!r} {where}; expected True: what waits for"
                    " an answer must end in time"
                )
                hanging = "while the backend did not answer"
                self._assert_once(recorder, meanwhile, hanging, most=sys.maxsize)
            self._assert_once(recorder, [*before, *after], where)

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
    def test_fork(self) -> None:
        """After a fork, parent and child deliver their own spans; waiting spans are sent once."""
        with self._recorder() as recorder:
            self._flush(recorder)
            names = self._record(recorder, new_spans(10), "before a fork")
            inside = new_spans(10)
            self._in_child(lambda: self._record_in_child(recorder, inside))
            names += self._record(recorder, new_spans(10), "after a fork")
            self._flush(recorder)
            self._assert_once(recorder, names, "by the parent of a fork")
            if self.check_fork():
                names = [span.operation_name for span in inside]
                self._assert_once(recorder, names, "in a forked child")
