"""Sends the queued spans of a process that ends without the interpreter's exit.

The interpreter's exit closes every `BatchRecorder`. It does not happen if a signal ends the process
by its default action, as SIGTERM does. Nor does it happen under uvicorn, which raises the signal
again once it has shut down. Each case needs one line, which covers all tracers and recorders of
the process::

    from opentracing_recorder import FlushAtShutdown, close_at_signals

    async def app(scope, receive, send): ...  # Django's, Quart's, any ASGI application

    app = FlushAtShutdown(app)  # Starlette and FastAPI: app.add_middleware(FlushAtShutdown)

    if __name__ == "__main__":
        close_at_signals()  # a script or a daemon, on its main thread

- `FlushAtShutdown` sends the queued spans at the end of ASGI's lifespan. The recorders stay open.
- `close_at_signals(*signals)` closes the recorders at SIGTERM and SIGHUP, or at the signals given.
  The process then ends by the signal. SIGINT keeps Python's handler, which raises
  KeyboardInterrupt; the exit then closes the recorders.

Each takes at most the `exit_timeout` of the recorders (default: 5 seconds), and logs how many spans
it could not send. Both raise TypeError for a wrong argument, and nothing later.

Limits: SIGKILL and `os._exit` leave no time; before the latter, call `tracer.flush()`.
`FlushAtShutdown` needs a server that speaks ASGI's lifespan protocol, as all do by default;
``uvicorn --lifespan off`` turns it off. `close_at_signals` changes no signal that is ignored or
has a handler. Python handles a signal that arrives just before the main thread blocks in C when
that call returns. `Pool.terminate` would wait for such a worker for ever, so a thread in each child
of multiprocessing sends the signal again every 0.1 seconds (not beside gevent, eventlet or Trio).
"""

from __future__ import annotations

import _thread
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._batch_worker import is_worker
from ._process import holds_lock, run_flushes, run_last_acts
from ._shutdown_missed import send_again_while
from .batch import longest_exit

__all__ = ["FlushAtShutdown", "close_at_signals"]

_logger = logging.getLogger(__name__)

_STARTED = "lifespan.startup.complete"
_SHUTDOWN = "lifespan.shutdown"
_ENDED = "lifespan.shutdown.complete"


class FlushAtShutdown:
    """An ASGI application that wraps `app`, and flushes every `BatchRecorder` at the shutdown.

    All messages between the server and `app` pass through. At the shutdown, `app` finishes first.
    Then the queued spans are sent, on a thread, within `exit_timeout`. Then the server gets its
    answer. The recorders stay open, so spans recorded later are sent as usual. Spans that wait for
    the reader of a `JSONLinesRecorder`'s pipe are written too, within 1 second.

    If `app` does not support the lifespan protocol, this class answers it. Raises TypeError for an
    `app` that cannot be called.
    """

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[Any]]) -> None:
        if not callable(app):
            raise TypeError(f"app must be an ASGI application, not {type(app).__name__}")
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        received: list[str] = []
        sent: list[str] = []

        async def receive_and_note() -> Any:
            message = await receive()
            received.append(message["type"])
            return message

        async def send_after_flush(message: Any) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await _flush_on_a_thread()
            sent.append(message["type"])
            await send(message)

        try:
            await self.app(scope, receive_and_note, send_after_flush)
        except BaseException as error:
            if isinstance(error, Exception):
                reraise_interrupt()
                # Without the protocol, it refuses the scope, or answers as if it were a request.
                speaks_it = sent[0].startswith("lifespan.") if sent else bool(received)
            else:  # cancelled, or its tasks were
                speaks_it = True
            if speaks_it:
                if sent[-1:] == [_STARTED]:
                    await _flush_on_a_thread()
                raise
            sent.clear()
        if sent and sent[-1] != _STARTED:
            return
        if not sent:
            if not received:
                await receive_and_note()
            await send({"type": _STARTED})
        while _SHUTDOWN not in received:
            await receive_and_note()
        await _flush_on_a_thread()
        await send({"type": _ENDED})


async def _flush_on_a_thread() -> None:
    import asyncio  # here: it takes longer to import than all of this package
    from concurrent.futures import Future

    flushed: Future[None] = Future()
    flushed.set_running_or_notify_cancel()  # if the server cancels this call, the flush goes on

    def work() -> None:
        try:
            run_flushes()
        finally:
            flushed.set_result(None)

    try:
        # Another library's loop, such as trio's, is no running loop here.
        end = asyncio.wrap_future(flushed, loop=asyncio.get_running_loop())
        # Not the loop's executor: all of its threads may be busy.
        threading.Thread(target=work, name="opentracing-shutdown", daemon=True).start()
    except RuntimeError:  # also if the system has no thread to give
        reraise_interrupt()
        run_flushes()
    else:
        await end


def close_at_signals(*signals: int) -> None:
    """Close every `BatchRecorder` when a signal ends this process, which then ends by that signal.

    - `signals`: the numbers of signals (default: SIGTERM, SIGHUP, and SIGINT if it has no handler).

    A signal that is ignored, or that has a handler, stays as it is: with a handler, the application
    decides whether and how the process ends. In an ordinary process, SIGINT keeps Python's handler,
    which raises KeyboardInterrupt; the exit then closes the recorders. Forked children inherit the
    signals.

    Call it on the main thread: Python allows no other. On another thread it logs a warning and does
    nothing. A second call does nothing. Raises TypeError if a signal is no number.
    """
    import signal  # here: few programs that import the package's names need it

    for each in signals:
        if not isinstance(each, int):
            wanted = "signals must be numbers, such as signal.SIGTERM, each an argument of its own"
            raise TypeError(f"{wanted}; not {type(each).__name__}")
    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")  # Windows has no SIGHUP, others no SIGBREAK
    for each in signals or [getattr(signal, name) for name in names if hasattr(signal, name)]:
        try:
            if signal.getsignal(each) == signal.SIG_DFL:
                signal.signal(each, _close_and_end)
        except (OSError, ValueError) as error:
            reraise_interrupt()
            _logger.warning("close_at_signals does nothing at signal %s: %s", each, error)
    if threading.current_thread() is threading.main_thread():
        send_again_while(_is_missed)


def _is_missed(signum: int) -> bool:
    import signal

    return _ending != os.getpid() and signal.getsignal(signum) is _close_and_end


_ending: int | None = None


def _close_and_end(signum: int, frame: FrameType | None) -> None:
    global _ending
    if _ending == os.getpid():  # process managers send one to a process, and one to its group
        return
    if holds_lock() or is_worker(frame):  # no span can be sent until the interrupted code goes on
        try:
            _thread.start_new_thread(_raise_again, (signum,))
            return
        except RuntimeError:  # the interpreter is exiting, or the system has no thread to give
            reraise_interrupt()
    _ending = os.getpid()
    if _interrupts_loop_of_gevent():
        sys.modules["gevent"].spawn(_end, signum)  # the loop cannot wait
    else:
        _end(signum)


def _raise_again(signum: int) -> None:
    time.sleep(0.001)
    os.kill(os.getpid(), signum)


def _interrupts_loop_of_gevent() -> bool:
    gevent = sys.modules.get("gevent")
    try:
        return gevent is not None and isinstance(gevent.getcurrent(), gevent.hub.Hub)
    except Exception:  # it is half imported, or a stand-in
        reraise_interrupt()
        return False


def _end(signum: int) -> None:
    import signal

    try:
        # The interrupted code may hold any lock. So a thread closes, which is waited for within a
        # limit. It is no threading.Thread, whose start takes a lock itself.
        closed = _thread.allocate_lock()
        closed.acquire()
        try:
            _thread.start_new_thread(_close_and_release, (closed,))
        except RuntimeError:  # the interpreter is exiting, or the system has no thread to give
            run_last_acts()
        else:
            # A second more for the readers of pipes, and one to say what is lost.
            closed.acquire(True, min(longest_exit() + 2.0, threading.TIMEOUT_MAX))
    finally:
        signal.signal(signum, signal.SIG_DFL)
        signal.raise_signal(signum)
        # Still here: the first process of a container has no default actions.
        os._exit(128 + signum)


def _close_and_release(closed: Any) -> None:
    try:
        run_last_acts()
    finally:
        closed.release()
