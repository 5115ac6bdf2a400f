"""RecorderCheckMixin: the contract of a recorder, as tests for its author."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import unittest
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, TypeVar

from opentracing import child_of

from .check_values import HOSTILE_VALUES, VALUES
from .context import BasicSpanContext
from .in_memory import InMemoryRecorder
from .json_safe import json_safe, text_of
from .recorder import Recorder
from .span import BasicSpan
from .tracer import BasicTracer

T = TypeVar("T")

# No two checks give a span the same name, nor do two runs: a backend need not be emptied.
_RUN = os.urandom(4).hex()
_NUMBERS = count(1)


class RecorderHooks:
    """The methods that whoever tests a recorder overrides; only the first two must be.

    A check that needs one of the others is skipped where it is not, and says what is left out.
    """

    patience = 10.0
    """Seconds that a delivery may take, to a backend that works."""

    slack = 2.0
    """Seconds by which a call may be late, after the timeout it was given."""

    def recorder(self) -> Recorder:
        """A new recorder, whose backend works."""
        raise NotImplementedError(f"{type(self).__name__} must override recorder()")

    def delivered(self, recorder: Recorder) -> Iterable[str] | None:
        """The operation names of the spans that the backend has: one for each, in any order.

        Asked after `flush` or `close`. Spans of other checks may be among them. None if nothing can
        be read back: what depends on it is left out.
        """
        raise NotImplementedError(f"{type(self).__name__} must override delivered()")

    def break_backend(self) -> None:
        """From now on the backend takes nothing: it refuses, or answers with errors."""
        _leave_out("break_backend", "what happens while the backend fails, and after")

    def hang_backend(self) -> None:
        """From now on the backend takes what it is sent, and does not answer."""
        _leave_out("hang_backend", "what happens while the backend does not answer")

    def mend_backend(self) -> None:
        """The backend works again."""

    def check_outage(self) -> bool:
        """Whether spans recorded while the backend failed for a moment are delivered afterwards.

        Where this is overridden to return False, they may get lost; none may come twice.
        """
        return True

    def check_fork(self) -> bool:
        """Whether `delivered` shows, in this process, what a forked child has delivered.

        False for a recorder whose backend is this process' memory: the child looks for itself then.
        """
        return True


class RecorderCheckMixin(RecorderHooks):
    """Checks that a recorder keeps its contract::

        class TestMyRecorder(RecorderCheckMixin):
            def recorder(self):
                return MyRecorder(self.server.url)

            def delivered(self, recorder):
                return [span["name"] for span in self.server.spans]

    With unittest, derive from `unittest.TestCase` as well. No check waits without end, even for a
    recorder that does.
    """

    def test_every_span_is_delivered_once(self) -> None:
        """`flush` delivers what was recorded before it, and says so; again, and it does nothing."""
        with self._recorder() as recorder:
            names = self._record(recorder, _spans(20))
            self._flush(recorder)
            self._assert_once(recorder, names, "after flush()")
            names += self._record(recorder, _spans(20))
            self._flush(recorder)
            self._flush(recorder)
            self._assert_once(recorder, names, "after three calls of flush()")

    def test_flush_of_nothing(self) -> None:
        """With nothing to deliver `flush` succeeds, whatever its timeout."""
        with self._recorder() as recorder:
            for timeout in (None, self.patience, 0.0):
                answer = self._call(f"flush({timeout})", partial(recorder.flush, timeout))
                assert answer or timeout == 0.0, (
                    f"flush({timeout}) returned {answer!r} with nothing to deliver; expected True"
                )

    def test_close_delivers_what_is_left(self) -> None:
        """`close` needs no `flush` before it."""
        with self._recorder() as recorder:
            names = self._record(recorder, _spans(20))
            self._close(recorder)
            self._assert_once(recorder, names, "after close()")

    def test_close_again(self) -> None:
        """A second `close` does nothing, and says the same."""
        with self._recorder() as recorder:
            names = self._record(recorder, _spans(5))
            self._close(recorder)
            self._close(recorder)
            self._assert_once(recorder, names, "after two calls of close()")

    def test_close_from_several_threads(self) -> None:
        """Whoever calls it: it raises nothing, and doubles nothing."""
        with self._recorder() as recorder:
            names = self._record(recorder, _spans(20))
            self._on_threads([lambda: self._close(recorder)] * 4)
            self._assert_once(recorder, names, "after close() on four threads")

    def test_use_after_close(self) -> None:
        """Spans may finish then: `record_span` and `flush` raise nothing, and do not block."""
        with self._recorder() as recorder:
            names = self._record(recorder, _spans(5))
            self._close(recorder)
            self._record(recorder, _spans(5), "after close()")
            self._call("flush() after close()", lambda: recorder.flush(1.0), 1.0)
            self._call("close() after a late span", lambda: recorder.close(1.0), 1.0)
            self._assert_once(recorder, names, "after late spans")

    def test_every_thread_may_record(self) -> None:
        """Many at once, while others flush: nothing is lost, nothing comes twice."""
        batches = [_spans(100) for _ in range(8)]
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
        """The root and the child, the short and the long, with logs, references and baggage."""
        with self._recorder() as recorder:
            names = self._record(recorder, _spans_of_every_kind())
            self._flush(recorder)
            self._assert_once(recorder, names, "of every kind")

    def test_values_of_every_type(self) -> None:
        """Whatever a tag or a log holds, its span is delivered."""
        self._assert_delivered_with(VALUES)

    def test_values_that_cannot_be_encoded(self) -> None:
        """They cost neither their span nor those that are sent along with it."""
        self._assert_delivered_with(HOSTILE_VALUES)

    def test_odd_names(self) -> None:
        """An operation or a tag of any name raises nothing, and costs no other span."""
        with self._recorder() as recorder:
            odd = _spans(8)
            for span, name in zip(odd, _ODD_NAMES):
                span.operation_name = name
                span.tags[name] = name
            before, after = _spans(2), _spans(2)
            self._record(recorder, [*before, *odd, *after])
            self._flush(recorder)
            names = [span.operation_name for span in before + after]
            self._assert_once(recorder, names, "beside spans with odd names")

    def test_spans_are_not_changed(self) -> None:
        """Other recorders get the same span."""
        with self._recorder() as recorder:
            (span,) = _spans(1, tags={"a": 1, "b": [1, 2], "error": True})
            before = span.to_dict()
            self._record(recorder, [span])
            self._flush(recorder)
            assert span.to_dict() == before, f"{before!r} became {span.to_dict()!r}"

    def test_failure_of_the_backend(self) -> None:
        """It raises nothing, nobody waits for it, and `flush` does not claim a delivery."""
        with self._recorder() as recorder:
            self.break_backend()
            self._record(recorder, _spans(5), "while the backend fails")
            self._assert_undelivered(recorder, "flush", "while the backend fails")
            self._assert_undelivered(recorder, "close", "while the backend fails")

    def test_outage_of_the_backend(self) -> None:
        """After it spans are delivered again; those recorded meanwhile too, once each."""
        with self._recorder() as recorder:
            self.break_backend()
            meanwhile = self._record(recorder, _spans(20), "while the backend fails")
            self._call("flush(0.3) while the backend fails", lambda: recorder.flush(0.3), 0.3)
            self.mend_backend()
            after = self._record(recorder, _spans(20), "after an outage")
            self._flush(recorder)
            self._assert_once(recorder, after, "after an outage")
            if self.check_outage():
                self._assert_once(recorder, meanwhile, "during an outage")
            else:
                self._assert_no_more_than_once(recorder, meanwhile, "during an outage")

    def test_backend_that_does_not_answer(self) -> None:
        """No span waits for it; `flush` and `close` return in time, and claim no delivery."""
        with self._recorder() as recorder:
            self.hang_backend()
            spans = _spans(1000)
            where = "while the backend does not answer"
            self._call(f"record_span {where}", lambda: self._record(recorder, spans, where), 1.0)
            self._assert_undelivered(recorder, "flush", where)
            self._assert_undelivered(recorder, "close", where)

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
    def test_fork(self) -> None:
        """Parent and child go on, each with the spans of its own; what waited is sent once."""
        with self._recorder() as recorder:
            self._flush(recorder)
            names = self._record(recorder, _spans(10), "before a fork")
            inside = _spans(10)
            self._in_child(lambda: self._record_in_child(recorder, inside))
            names += self._record(recorder, _spans(10), "after a fork")
            self._flush(recorder)
            self._assert_once(recorder, names, "by the parent of a fork")
            if self.check_fork():
                names = [span.operation_name for span in inside]
                self._assert_once(recorder, names, "in a forked child")

    # What the checks share.

    @contextmanager
    def _recorder(self) -> Iterator[Recorder]:
        recorder = self.recorder()
        try:
            yield recorder
        finally:
            self.mend_backend()
            # Whatever became of it: threads and files are let go of, and a check never hangs.
            closing = threading.Thread(target=_quietly, args=(recorder.close,), daemon=True)
            closing.start()
            closing.join(1.0 + self.slack)

    def _record(self, recorder: Recorder, spans: list[BasicSpan], where: str = "") -> list[str]:
        started = getattr(recorder, "span_started", None)
        for span in spans:
            try:
                if started is not None:
                    started(span)
                recorder.record_span(span)
            except Exception as error:
                tags = text_of(json_safe(span.tags))
                raise AssertionError(
                    f"record_span raised {_shown(error)} {where or f'for tags {tags:.200}'}"
                ) from error
        return [span.operation_name for span in spans]

    def _call(self, what: str, call: Callable[[], T], timeout: float | None = None) -> T:
        """What `call` returns, in time; on a thread that is given up if it does not."""
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(call())
            except BaseException as error:
                errors.append(error)

        limit = (self.patience if timeout is None else timeout) + self.slack
        started = time.monotonic()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(limit)
        if thread.is_alive():
            raise AssertionError(f"{what} still blocks after {time.monotonic() - started:.1f} s")
        if errors and isinstance(errors[0], AssertionError):
            raise errors[0]
        if errors:
            raise AssertionError(f"{what} raised {_shown(errors[0])}") from errors[0]
        return results[0]

    def _flush(self, recorder: Recorder) -> None:
        answer = self._call("flush()", lambda: recorder.flush(self.patience))
        assert answer, f"flush({self.patience:g}) returned {answer!r}; expected True: all delivered"

    def _close(self, recorder: Recorder) -> None:
        answer = self._call("close()", lambda: recorder.close(self.patience))
        assert answer, f"close({self.patience:g}) returned {answer!r}; expected True: all delivered"

    def _assert_undelivered(self, recorder: Recorder, method: str, where: str) -> None:
        answer = self._call(f"{method}(0.3) {where}", lambda: getattr(recorder, method)(0.3), 0.3)
        assert not answer, f"{method}(0.3) returned {answer!r} {where}; expected False"

    def _on_threads(self, calls: list[Callable[[], object]]) -> None:
        barrier = threading.Barrier(len(calls))
        failures: list[BaseException] = []

        def run(call: Callable[[], object]) -> None:
            try:
                barrier.wait()
                call()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(each,), daemon=True) for each in calls]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 3 * self.patience
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            assert not thread.is_alive(), "a call on one of several threads does not return"
        if failures and not isinstance(failures[0], AssertionError):
            raise AssertionError(f"a thread got {_shown(failures[0])}") from failures[0]
        if failures:
            raise failures[0]

    def _delivered(self, recorder: Recorder) -> Counter[str]:
        names = self.delivered(recorder)
        if names is None:
            raise unittest.SkipTest("delivered() is None: what the backend has is left out")
        return Counter(names)

    def _assert_once(self, recorder: Recorder, names: list[str], where: str) -> None:
        delivered = self._delivered(recorder)
        lost = [name for name in names if not delivered[name]]
        assert not lost, f"lost {len(lost)} of {len(names)} spans {where}: {_first(lost)}"
        self._assert_no_more_than_once(recorder, names, where)

    def _assert_no_more_than_once(self, recorder: Recorder, names: list[str], where: str) -> None:
        delivered = self._delivered(recorder)
        doubled = [name for name in names if delivered[name] > 1]
        assert not doubled, (
            f"delivered {len(doubled)} of {len(names)} spans more than once {where}:"
            f" {_first(doubled)}"
        )

    def _assert_delivered_with(self, values: dict[str, Callable[[], Any]]) -> None:
        with self._recorder() as recorder:
            names: dict[str, str] = {}
            for kind, make in values.items():
                plain, odd = _spans(2)
                odd.tags["value"] = make()
                (logged,) = _spans(1, log=make())
                self._record(recorder, [plain, odd, logged])
                names[plain.operation_name] = f"a span beside one with {kind}"
                names[odd.operation_name] = f"a span with {kind} in a tag"
                names[logged.operation_name] = f"a span with {kind} in a log"
            self._flush(recorder)
            delivered = self._delivered(recorder)
            lost = [what for name, what in names.items() if not delivered[name]]
            assert not lost, f"lost {len(lost)} of {len(names)} spans: {_first(lost)}"
            self._assert_no_more_than_once(recorder, list(names), "with values of many types")

    def _record_in_child(self, recorder: Recorder, spans: list[BasicSpan]) -> None:
        names = self._record(recorder, spans, "in a forked child")
        for method in (recorder.flush, recorder.close):
            answer = method(self.patience)
            assert answer, f"{method.__name__}() returned {answer!r} in a forked child"
        if not self.check_fork():
            self._assert_once(recorder, names, "in a forked child")

    def _in_child(self, work: Callable[[], None]) -> None:
        """Run `work` in a forked child, and raise here what it raises there."""
        import select

        reading, writing = os.pipe()
        with warnings.catch_warnings():
            # Threads there may be: whether a recorder copes with them is what is checked.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            message = "ok"
            try:
                work()
            except unittest.SkipTest:
                pass
            except AssertionError as error:
                message = str(error)
            except BaseException as error:
                message = f"a forked child got {_shown(error)}"
            finally:
                os.write(writing, message.encode("utf-8", "replace")[:4000])
                os._exit(0)
        os.close(writing)
        limit = 2 * self.patience + self.slack
        try:
            answered = select.select([reading], [], [], limit)[0]
            message = os.read(reading, 4000).decode() if answered else ""
        finally:
            os.close(reading)
            os.kill(child, signal.SIGKILL)  # its answer is the last thing it does
            os.waitpid(child, 0)
        assert answered, f"a forked child still blocks after {limit:g} s in record, flush or close"
        assert message == "ok", message or "a forked child died"


_ODD_NAMES = ("", " ", "\x00", "a\nb", "\ud800", "é☃🎉", "x" * 100_000, "<b>'\"&;%s{0}")


def _leave_out(hook: str, what: str) -> None:
    raise unittest.SkipTest(f"{hook}() is not overridden; left out: {what}")


def _quietly(close: Callable[[float], object]) -> None:
    try:
        close(1.0)
    except Exception:
        pass  # the check that closes it says so


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _first(items: list[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")


def _spans(number: int, tags: dict[str, Any] | None = None, log: Any = None) -> list[BasicSpan]:
    """Finished spans that no recorder has seen, each with a name of its own."""
    tracer = BasicTracer()
    spans = [tracer.start_span(f"check {_RUN} {next(_NUMBERS)}", tags=tags) for _ in range(number)]
    for span in spans:
        if log is not None:
            span.log_kv({"value": log})
        span.finish()
    return spans


def _spans_of_every_kind() -> list[BasicSpan]:
    kept = InMemoryRecorder()
    tracers = [
        BasicTracer(kept, service_name="shop"),
        BasicTracer(kept, trace_id_bits=128),
        BasicTracer(kept, max_tags=1, max_logs=1),
    ]
    for tracer in tracers:
        root, child, late, remote, past, long = (f"check {_RUN} {next(_NUMBERS)}" for _ in range(6))
        with tracer.start_active_span(root, tags={"a": 1, "b": 2, "span.kind": "server"}) as scope:
            scope.span.set_baggage_item("tenant", "Café 7")
            scope.span.log_kv({"event": "one"}).log_kv({"event": "two"}, timestamp=1.0)
            scope.span.log_kv({})
            tracer.start_span(child, tags={"error": True, "span.kind": "client"}).finish()
        caller = BasicSpanContext(2**64 - 1, 2**64 - 1, {"a": "b"})
        tracer.start_span(
            late, references=[child_of(caller), child_of(scope.span.context)]
        ).finish()
        tracer.start_span(remote, child_of=BasicSpanContext(1, 1)).finish()
        tracer.start_span(past, start_time=0.0).finish(finish_time=0.0)
        tracer.start_span(long, start_time=1.0).finish(finish_time=4e9)
    return kept.spans
