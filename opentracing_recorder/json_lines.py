"""JSONLinesRecorder, which writes finished spans to a file, one line of JSON each.

It needs no server. A file loses no finished span if the program crashes: each span is written as it
finishes, with one append::

    from opentracing_recorder import BasicTracer, JSONLinesRecorder, Trace, read_spans

    with BasicTracer(JSONLinesRecorder("spans.jsonl"), service_name="shop") as tracer:
        with tracer.start_active_span("checkout"):
            tracer.start_span("look up stock").finish()

    (trace,) = Trace.from_spans(read_spans("spans.jsonl"))
    print(trace.outline())

which prints::

    checkout
      look up stock

``python -m opentracing_recorder show spans.jsonl`` draws the file, and
`opentracing_recorder.span_files` describes how such files are read.

- Threads, processes and children of a fork may share a file. On a network's file system, and on
  Windows, give each process a file of its own.
- The path may be a pipe, such as ``/dev/stdout``. No span waits for its reader. Up to 4 MiB that
  the reader has not taken are kept. They are written on four occasions: with the next span, by
  `flush`, at the exit, and at the shutdown that `FlushAtShutdown` handles. At exit and shutdown,
  the reader has 1 second. The spans that it has not taken then are lost, and a warning counts them.
- A file that was moved or removed, as when logs are rotated, is created again.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Iterator

from opentracing.interrupts import reraise_interrupt

from ._living import Living
from ._process import at_exit, cover_child, renew, under_lock, unforked
from .recorder import Recorder
from .span import BasicSpan

__all__ = ["JSONLinesRecorder"]

_logger = logging.getLogger(__name__)

# Only Windows has O_BINARY, which leaves line ends alone. O_NONBLOCK is for pipes and terminals; it
# holds for our own descriptor, not for those of others.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_FLAGS |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

_MOST_WAITING = 4 * 1024 * 1024  # bytes that wait for a pipe's reader
_PATIENCE = 1.0  # seconds that a pipe's reader has by default
_PAUSE = 0.01  # seconds before the next look at a pipe

_with_waiting: set[JSONLinesRecorder] = set()


def _flush_all() -> None:
    deadline = time.monotonic() + _PATIENCE  # for all together
    for recorder in list(_with_waiting):
        recorder.flush(max(0.0, deadline - time.monotonic()))
        left = len(recorder._waiting)
        if left:
            _logger.warning(
                "JSONLinesRecorder: nobody read %d spans from the pipe %s in time; they are lost if"
                " the process ends now",
                left,
                recorder.path,
            )


def _looks(seconds: float) -> Iterator[bool]:
    """Yield an item for each pause that these seconds have space for."""
    deadline = time.monotonic() + seconds
    left = seconds / _PAUSE  # no more pauses than that, if the clock goes back
    while time.monotonic() < deadline and left > 0:
        left -= 1
        yield True


class JSONLinesRecorder(Recorder):
    """Appends each span to a file, in its `to_dict` form, as one line of JSON in UTF-8.

    The operating system has a line when its span has finished, so a crash of the program loses
    none. Each span is one append, so threads and processes may share a file on a local disk. A line
    that a full disk cuts off is ended before the next one, and a reader skips it. The guide of
    this module describes files that are rotated, and pipes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file, or create it. Raises OSError if that fails.

        For a pipe, it waits up to 1 second for a process that reads it.
        """
        import json  # here: few programs that import the package write files

        self._path = os.path.abspath(os.fspath(path))
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        self._lock = threading.RLock()
        self._closed = False
        self._lost = False  # a span, since the last flush
        self._torn = False  # the last line of the file, by this recorder
        self._file: int | None = None
        # For a pipe: lines, of which the first may be the rest of one.
        self._waiting: deque[bytes | memoryview] = deque()
        self._waiting_bytes = 0
        self._unreported = 0  # spans that waited, and are lost
        self._handing_over = False
        self._open_path(_PATIENCE)
        _living.add(self)

    @property
    def path(self) -> str:
        """The file's absolute path."""
        return self._path

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._path}>"

    def record_span(self, span: BasicSpan) -> None:
        """Write a span. If the system refuses, it raises OSError, which the tracer logs."""
        if not unforked[0]:  # the span is older than this child, in which none has begun yet
            renew()
        try:
            line = self._encode(span.to_dict()).encode("utf-8", "replace") + b"\n"
            self._write(line)
        except BaseException:
            self._note_loss()
            raise
        finally:
            if self._unreported:
                self._report()

    @under_lock
    def _note_loss(self) -> None:
        self._lost = True

    def _report(self) -> None:
        """Log the spans that are lost; without the lock, which a handler of the log may need."""
        if number := self._number_to_report():
            _logger.warning(
                "JSONLinesRecorder: %d spans are lost, which waited for a reader of the pipe %s",
                number,
                self._path,
            )

    @under_lock
    def _number_to_report(self) -> int:
        number, self._unreported = self._unreported, 0
        return number

    def flush(self, timeout: float | None = None) -> bool:
        """Return whether every span since the last `flush` was written.

        Only a pipe's reader is waited for, `timeout` seconds at most (None: 1 second).
        """
        if not unforked[0]:
            renew()
        looks = _looks(_PATIENCE if timeout is None else timeout)
        while (delivered := self._look(looks)) is None:
            time.sleep(_PAUSE)  # not `select`: another thread may close the file meanwhile
        self._report()
        return delivered

    @under_lock
    def _look(self, looks: Iterator[bool]) -> bool | None:
        """Write what waits. Returns what `flush` returns, or None if there are looks to come."""
        if self._waiting and self._file is not None and self._is_held(self._file):
            try:
                self._hand_over(self._file)
            except OSError:  # they are lost, and counted
                reraise_interrupt()
        if self._waiting and next(looks, None) is not None:
            return None
        lost, self._lost = self._lost, False
        return not lost and not self._waiting

    def close(self, timeout: float | None = None) -> bool:
        """Close the file. Each span that finishes later opens it again for itself."""
        delivered = self.flush(timeout)
        self._close()
        self._report()
        return delivered

    @under_lock
    def _close(self) -> None:
        self._closed = True
        self._release()

    def __del__(self) -> None:
        # A recorder whose constructor raised has no file.
        if getattr(self, "_file", None) is not None:
            self._release()

    def _release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
        self._lose_waiting()

    @under_lock
    def _write(self, line: bytes) -> None:
        file = self._current_file()
        try:
            if self._torn and not self._waiting:
                line = b"\n" + line
            if not self._is_regular:
                self._write_to_pipe(file, line)
                return
            written = os.write(file, line)
            # A full disk takes a part. The rest cannot be appended later, as others may append
            # meanwhile. A reader skips such a line.
            self._torn = written < len(line)
            if self._torn:
                raise OSError(f"{self._path} took only {written} of {len(line)} bytes of a span")
        finally:
            if self._closed:
                self._release()

    def _current_file(self) -> int:
        """Return the file that is at the path now."""
        if self._file is not None:
            if not self._is_held(self._file):
                self._file = None
            else:
                try:
                    if os.path.samestat(os.stat(self._path), self._held):
                        return self._file
                except FileNotFoundError:
                    reraise_interrupt()
                except OSError:  # the folder may not be searched any more; writing still works
                    reraise_interrupt()
                    return self._file
        return self._open_path()

    def _is_held(self, file: int) -> bool:
        """Whether the descriptor is still ours: a program that becomes a daemon closes all."""
        try:
            return os.path.samestat(os.fstat(file), self._held)
        except OSError:
            reraise_interrupt()
            return False

    def _open_path(self, patience: float = 0.0) -> int:
        """Open the path; if it is a pipe, wait up to `patience` seconds for its reader."""
        looks = _looks(patience)
        while True:
            try:
                file = os.open(self._path, _FLAGS, 0o666)
                break
            except OSError as error:
                reraise_interrupt()
                if error.errno != errno.ENXIO:
                    raise
            if next(looks, None) is None:
                raise OSError(errno.ENXIO, "no process reads this pipe", self._path)
            time.sleep(_PAUSE)
        self._release()
        self._file, self._held, self._torn = file, os.fstat(file), False
        self._is_regular = stat.S_ISREG(self._held.st_mode)
        return file

    def _write_to_pipe(self, file: int, line: bytes) -> None:
        if self._waiting_bytes >= _MOST_WAITING:
            self._hand_over(file)
        if self._waiting_bytes >= _MOST_WAITING:
            raise BlockingIOError(
                errno.EAGAIN, "a span is lost: its reader lags too far behind", self._path
            )
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        try:
            self._hand_over(file)
        except OSError:
            self._unreported -= 1  # this span's loss is reported by the error
            raise
        if self._waiting:
            _with_waiting.add(self)
            cover_child()
            at_exit(_flush_all, _flush_all)

    def _hand_over(self, file: int) -> None:
        """Write the lines that wait, as far as the pipe takes them now."""
        if self._handing_over:  # this call interrupts it, and it will write the new line too
            return
        self._handing_over = True
        try:
            while self._waiting:
                line = self._waiting[0]
                try:
                    # Line by line: the pipe takes a short one whole, or nothing of it.
                    written = os.write(file, line)
                except BlockingIOError:
                    reraise_interrupt()
                    return
                self._waiting_bytes -= written
                self._torn = written < len(line)  # if the rest gets lost
                if self._torn:
                    self._waiting[0] = memoryview(line)[written:]
                else:
                    self._waiting.popleft()
            self._forget_waiting()
        except OSError:
            self._lose_waiting()
            raise
        finally:
            self._handing_over = False

    def _lose_waiting(self) -> None:
        self._lost = self._lost or bool(self._waiting)
        self._unreported += len(self._waiting)
        self._forget_waiting()

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0
        self._handing_over = False
        _with_waiting.discard(self)

    def _renew(self) -> None:
        """Begin anew in a forked child: the parent writes what waits."""
        self._lock = threading.RLock()
        self._forget_waiting()
        self._unreported = 0


_living = Living(JSONLinesRecorder._renew)
