"""The methods that a subclass of the checks of recorders overrides, and what the checks share."""

from __future__ import annotations

import os
import signal
import threading
import time
import unittest
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from ._errors import one_line
from ._harness_proxy import FaultyProxy, Mode
from ._harness_spans import new_spans
from ._json_safe import json_safe, text_of
from .recorder import Recorder, started_hook
from .span import BasicSpan

T = TypeVar("T")


class RecorderHooks:
    """The methods that a test of a recorder overrides; only the first two must be.

    A check that needs one of the others is skipped where it is not, and says what is left out.
    """

    patience = 10.0
    """Seconds that a delivery may take, to a backend that works."""

    slack = 2.0
    """Seconds by which a call may be late, after the timeout it was given."""

    send_timeout: float | None = None
    """Seconds that the recorder waits for an answer at most.

    None: its own `send_timeout`, which every `BatchRecorder` has, otherwise 1. A check lets the
    backend hang for longer: give the recorder a short one in `recorder()`.
    """

    proxy: FaultyProxy
    """If `backend_address` is overridden, the recorder connects to its `host` and `port`."""

    def recorder(self) -> Recorder:
        """A new recorder, whose backend works."""
        raise NotImplementedError(f"{type(self).__name__} must override recorder()")

    def delivered(self, recorder: Recorder) -> Iterable[str] | None:
        """The operation names of the spans that the backend has: one for each, in any order.

        Asked after `flush` or `close`. Spans of other checks may be among them. None if nothing can
        be read back: what depends on it is left out.
        """
        raise NotImplementedError(f"{type(self).__name__} must override delivered()")

    def backend_address(self) -> tuple[str, int] | None:
        """Host and port of a backend that listens on TCP; None if there is no such backend.

        Each check puts a `proxy` before it, which `recorder()` connects to, and with which the
        three methods below need not be overridden.
        """
        return None

    def break_backend(self) -> None:
        """From now on the backend takes nothing: it refuses, or answers with errors."""
        what = "what happens while the backend fails, and after"
        self._set_proxy("refuse", "break_backend", what)

    def hang_backend(self) -> None:
        """From now on the backend takes what it is sent, and does not answer."""
        what = "what happens while the backend does not answer, and after"
        self._set_proxy("swallow", "hang_backend", what)

    def mend_backend(self) -> None:
        """The backend works again. Override it with the two above; with a proxy, call this too."""
        if self.backend_address() is not None:
            self.proxy.mode = "pass"

    def _set_proxy(self, mode: Mode, hook: str, what: str) -> None:
        if self.backend_address() is None:
            _leave_out(f"{hook}() and backend_address() are", what)
        self.proxy.mode = mode

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


class RecorderTrial(RecorderHooks):
    """Calls a recorder as an application does, but where an application never waits or fails."""

    @contextmanager
    def _recorder(self) -> Iterator[Recorder]:
        with ExitStack() as stack:
            address = self.backend_address()
            if address is not None:
                self.proxy = stack.enter_context(FaultyProxy(*address[:2]))
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
        what = f"record_span {where}".strip()
        return self._call(what, lambda: self._record_here(recorder, spans, where))

    def _record_here(self, recorder: Recorder, spans: list[BasicSpan], where: str) -> list[str]:
        started = started_hook(recorder)
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
        """Return the result of `call` in time; it runs on a thread that is given up otherwise."""
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

    def _send_timeout(self, recorder: Recorder) -> float:
        if self.send_timeout is not None:
            return self.send_timeout
        return float(getattr(recorder, "send_timeout", 1.0))

    def _assert_outage_is_bridged(self, recorder: Recorder, fail: Callable[[], None]) -> None:
        fail()
        meanwhile = self._record(recorder, new_spans(20), "while the backend fails")
        self._call("flush(0.3) while the backend fails", lambda: recorder.flush(0.3), 0.3)
        self.mend_backend()
        after = self._record(recorder, new_spans(20), "after an outage")
        self._flush(recorder)
        self._assert_once(recorder, after, "after an outage")
        if self.check_outage():
            self._assert_once(recorder, meanwhile, "during an outage")
        else:
            self._assert_no_more_than_once(recorder, meanwhile, "during an outage")

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

    def _assert_not_lost(self, recorder: Recorder, names: list[str], where: str) -> None:
        delivered = self._delivered(recorder)
        lost = [name for name in names if not delivered[name]]
        assert not lost, f"lost {len(lost)} of {len(names)} spans {where}: {_first(lost)}"

    def _assert_once(self, recorder: Recorder, names: list[str], where: str) -> None:
        self._assert_not_lost(recorder, names, where)
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
                plain, odd = new_spans(2)
                odd.tags["value"] = make()
                (logged,) = new_spans(1, log=make())
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


def _leave_out(hooks: str, what: str) -> None:
    raise unittest.SkipTest(f"{hooks} not overridden; left out: {what}")


def _quietly(close: Callable[[float], object]) -> None:
    try:
        close(1.0)
    except BaseException:
        pass  # the check that closes it says so


def _shown(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}")


def _first(items: list[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
