"""The methods that the test of a recorder overrides, and methods that the checks share."""

from __future__ import annotations

import os
import signal
import unittest
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeVar

from ._harness_proxy import FaultyProxy, Mode
from ._harness_spans import new_spans
from ._harness_threads import on_threads, shown_error
from ._json_safe import json_safe, text_of
from .recorder import Recorder, started_hook
from .span import BasicSpan

T = TypeVar("T")


class RecorderHooks:
    """The methods that a test of a recorder overrides; `recorder` and `delivered` are required.

    A check that needs another one is skipped if it is not overridden; the reason says what is left
    out.
    """

    patience = 10.0
    """Seconds that a delivery to a working backend may take."""

    slack = 2.0
    """Seconds that a call may take beyond its timeout."""

    send_timeout: float | None = None
    """The most seconds that the recorder waits for an answer.

    By default (None), the recorder's own `send_timeout`, which every `BatchRecorder` has, otherwise
    1. A check lets the backend hang for longer, so give the recorder a short one in `recorder()`.
    """

    proxy: FaultyProxy
    """If `backend_address` is overridden, the recorder connects to its `host` and `port`."""

    def recorder(self) -> Recorder:
        """A new recorder, whose backend works."""
        raise NotImplementedError(f"{type(self).__name__} must override recorder()")

    def delivered(self, recorder: Recorder) -> Iterable[str] | None:
        """The operation names of the spans that the backend has: one for each, in any order.

        Called after `flush` or `close`. Spans of other checks may be among them. Return None if
        nothing can be read back; the checks are then skipped from there on.
        """
        raise NotImplementedError(f"{type(self).__name__} must override delivered()")

    def backend_address(self) -> tuple[str, int] | None:
        """Host and port of a backend that listens on TCP; None if there is no such backend.

        Each check puts a `proxy` before it, and `recorder()` connects to that. Then you need not
        override the next three methods.
        """
        return None

    def break_backend(self) -> None:
        """Let the backend refuse what it is sent, or answer with errors."""
        what = "what happens while the backend fails, and after"
        self._set_proxy("refuse", "break_backend() and backend_address() are", what)

    def hang_backend(self) -> None:
        """Let the backend take what it is sent, without an answer."""
        what = "what happens while the backend does not answer, and after"
        self._set_proxy("swallow", "hang_backend() and backend_address() are", what)

    def mend_backend(self) -> None:
        """Let the backend work again.

        Override it with the two above; if there is a proxy, call this too.
        """
        if self.backend_address() is not None:
            self.proxy.mode = "pass"

    def _set_proxy(self, mode: Mode, hooks: str, what: str) -> None:
        if self.backend_address() is None:
            raise unittest.SkipTest(f"{hooks} not overridden; left out: {what}")
        self.proxy.mode = mode

    def check_outage(self) -> bool:
        """Whether spans recorded while the backend failed for a moment are delivered afterwards.

        With False, they may be lost; none may be delivered twice.
        """
        return True

    def check_fork(self) -> bool:
        """Whether `delivered`, in this process, returns spans that a forked child has delivered.

        Return False if the backend is this process's memory; the child then checks its own spans.
        """
        return True


class RecorderTrial(RecorderHooks):
    """Calls of a recorder, each with a time limit, and assertions about its spans."""

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
                # Also after a failure: it releases threads and files, and a check never hangs.
                with suppress(AssertionError):  # the checks of `close` report it
                    self._answer(recorder, "close", 1.0)

    def _record(
        self,
        recorder: Recorder,
        spans: list[BasicSpan],
        where: str = "",
        timeout: float | None = None,
    ) -> list[str]:
        def record() -> list[str]:
            started = started_hook(recorder)
            for span in spans:
                try:
                    if started is not None:
                        started(span)
                    recorder.record_span(span)
                except Exception as error:
                    when = where or f"for tags {text_of(json_safe(span.tags)):.200}"
                    what = f"record_span raised {shown_error(error)} {when}"
                    raise AssertionError(what) from error
            return [span.operation_name for span in spans]

        return self._call(f"record_span {where}".strip(), record, timeout)

    def _call(self, what: str, call: Callable[[], T], timeout: float | None = None) -> T:
        """Return the result of `call`, which has `patience` or `timeout` seconds, and `slack`."""
        limit = (self.patience if timeout is None else timeout) + self.slack
        return on_threads(what, [call], limit)[0]

    def _answer(self, recorder: Recorder, method: str, timeout: float, where: str = "") -> object:
        what = f"{method}({timeout:g}) {where}".strip()
        return self._call(what, lambda: getattr(recorder, method)(timeout), timeout)

    def _deliver(self, recorder: Recorder, spans: list[BasicSpan], where: str) -> list[str]:
        names = self._record(recorder, spans)
        self._flush(recorder)
        self._assert_once(recorder, names, where)
        return names

    def _flush(self, recorder: Recorder) -> None:
        self._assert_answer(True, recorder, "flush", self.patience)

    def _close(self, recorder: Recorder) -> None:
        self._assert_answer(True, recorder, "close", self.patience)

    def _assert_answer(
        self, expected: bool, recorder: Recorder, method: str, timeout: float, where: str = ""
    ) -> None:
        """Fail unless `flush` or `close` returns True or False in time: whether it delivered."""
        answer = self._answer(recorder, method, timeout, where)
        assert bool(answer) is expected, (
            f"{method}({timeout:g}) returned {answer!r} {where}; expected {expected}"
        )

    def _assert_outage_is_bridged(self, recorder: Recorder, fail: Callable[[], None]) -> None:
        fail()
        meanwhile = self._record(recorder, new_spans(20), "while the backend fails")
        self._answer(recorder, "flush", 0.3, "while the backend fails")
        self.mend_backend()
        self._deliver(recorder, new_spans(20), "after an outage")
        least = 1 if self.check_outage() else 0
        self._assert_once(recorder, meanwhile, "during an outage", least=least)

    def _on_threads(self, calls: list[Callable[[], object]]) -> None:
        on_threads("a call on one of several threads", calls, 3 * self.patience)

    def _assert_once(
        self,
        recorder: Recorder,
        names: Iterable[str],
        where: str,
        *,
        least: int = 1,
        most: int = 1,
    ) -> None:
        """Fail unless each span was delivered once, or `least` to `most` times.

        `names` may be a mapping from the names of spans to what a message calls them.
        """
        found = self.delivered(recorder)
        if found is None:
            raise unittest.SkipTest("delivered() is None: what the backend has is left out")
        delivered = Counter(found)
        called = names if isinstance(names, Mapping) else {name: name for name in names}
        lost = [called[name] for name in called if delivered[name] < least]
        assert not lost, f"lost {len(lost)} of {len(called)} spans {where}: {_first(lost)}"
        doubled = [called[name] for name in called if delivered[name] > most]
        assert not doubled, (
            f"delivered {len(doubled)} of {len(called)} spans more than once {where}:"
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
            self._assert_once(recorder, names, "with values of many types")

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
            # Threads may run: the check is whether the recorder copes with them.
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
                message = f"a forked child got {shown_error(error)}"
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


def _first(items: list[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
