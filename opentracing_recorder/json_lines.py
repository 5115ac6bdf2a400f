"""JSONLinesRecorder: finished spans in a file, one line of JSON each; and how to read them back."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from .fork import at_fork, renew, unforked
from .recorder import Recorder

if TYPE_CHECKING:
    from .span import BasicSpan

# What Windows needs to leave line ends alone, and no other system has.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)

_open: weakref.WeakSet[JSONLinesRecorder] = weakref.WeakSet()


def _renew_locks() -> None:
    for recorder in list(_open):
        recorder._lock = threading.RLock()


at_fork(_renew_locks)


class JSONLinesRecorder(Recorder):
    """Appends each span to a file, in its `to_dict` form, as one line of JSON in UTF-8.

    Several threads, processes and children of a fork may write to one file: a span is one append of
    the operating system, which does not mix it with another. That holds for files on this machine's
    disks; on a network's file system, and on Windows, give each process a file of its own.

    A line is with the operating system as soon as its span is finished: a crash of the program
    loses none. What a full disk cuts off is blanked out. A file that was moved or removed, as
    when logs are rotated, is made anew.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file, or make it; an `OSError` says why that cannot be done."""
        import json  # here: few programs that import the package write files

        self._path = os.path.abspath(os.fspath(path))
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        # Re-entrant: a finalizer or a signal handler may finish a span while this thread writes.
        self._lock = threading.RLock()
        self._closed = False
        self._lost = False  # a span, since the last flush
        self._torn = False  # the last line of the file, by this recorder
        self._file: int | None = None
        self._take(os.open(self._path, _FLAGS, 0o666))
        _open.add(self)

    @property
    def path(self) -> str:
        """Where the file is, as an absolute path."""
        return self._path

    def record_span(self, span: BasicSpan) -> None:
        """Write a span; an `OSError`, which the tracer logs, where the system refuses."""
        if not unforked[0]:  # the span is older than this child, in which none has begun yet
            renew()
        try:
            line = self._encode(span.to_dict()).encode("utf-8", "replace") + b"\n"
            with self._lock:
                self._write(line)
        except BaseException:
            with self._lock:
                self._lost = True
            raise

    def flush(self, timeout: float | None = None) -> bool:
        """Whether every span since the last `flush` was written; there is nothing to wait for."""
        with self._lock:
            lost, self._lost = self._lost, False
        return not lost

    def close(self, timeout: float | None = None) -> bool:
        """Release the file. A span that finishes later opens it for that span alone."""
        with self._lock:
            self._closed = True
            self._release()
            return self.flush()

    def __del__(self) -> None:
        # What was never made has no file.
        if getattr(self, "_file", None) is not None:
            self._release()

    def _release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _write(self, line: bytes) -> None:
        file = self._current_file()
        try:
            if self._torn:
                line = b"\n" + line
            written = os.write(file, line)
            self._torn = self._torn and not written
            if written < len(line):
                self._finish(file, line, written)
        finally:
            if self._closed:
                self._release()

    def _current_file(self) -> int:
        """The file that is at the path now."""
        if self._file is not None:
            if not self._is_held(self._file):
                self._file = None
            else:
                try:
                    if os.path.samestat(os.stat(self._path), self._held):
                        return self._file
                except FileNotFoundError:
                    pass
                except OSError:  # it may not even look there any more, and can still write
                    return self._file
        file = os.open(self._path, _FLAGS, 0o666)
        self._release()
        self._take(file)
        return file

    def _is_held(self, file: int) -> bool:
        """Whether the descriptor is still ours: what becomes a daemon closes all there are."""
        try:
            return os.path.samestat(os.fstat(file), self._held)
        except OSError:
            return False

    def _take(self, file: int) -> None:
        self._file, self._held, self._torn = file, os.fstat(file), False

    def _finish(self, file: int, line: bytes, written: int) -> None:
        """Deal with a write that took only the first bytes of a line."""
        if not os.path.isfile(self._path):  # a pipe: it takes the rest later
            self._torn = True  # if that fails
            while written < len(line):
                written += os.write(file, line[written:])
            self._torn = False
            return
        # The disk is full. The rest cannot be appended later: others may append meanwhile, and
        # cutting the file could take away theirs. So what is there of the line becomes blank.
        if not self._blank(file, line[:written]):
            self._torn = True
        raise OSError(f"only {written} of {len(line)} bytes of a span fitted into {self._path}")

    def _blank(self, file: int, fragment: bytes) -> bool:
        """Make an empty line of what was just written to the file; whether that worked."""
        try:
            start = os.lseek(file, 0, os.SEEK_CUR) - len(fragment)
            # A second descriptor: one made for appending writes nowhere else.
            other = os.open(self._path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            try:
                os.lseek(other, start, os.SEEK_SET)
                if os.read(other, len(fragment)) != fragment:
                    return False
                os.lseek(other, start, os.SEEK_SET)
                blank = b" " * (len(fragment) - 1) + b"\n"
                return os.write(other, blank) == len(blank)
            finally:
                os.close(other)
        except OSError:
            return False


MAX_LINE = 64 * 1024 * 1024
"""How many bytes of one line are read; a longer one is no span."""

_SEARCHED = 8  # times its length, of a broken line


class NotASpan(ValueError):
    """A line that holds no span, or not the whole of one."""


def bounded_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, for `read_spans`: of each at most `MAX_LINE` bytes, and one too many."""
    while line := file.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 1)


def read_spans(lines: Iterable[bytes]) -> Iterator[dict[str, Any] | NotASpan]:
    """The spans in lines that a `JSONLinesRecorder` wrote; in place of a broken line, an error.

    Never raises for what is in a line. Where a process was killed while it wrote, another's span
    may follow on the same line: it is found. The error says which line it is, counted from 1.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE:
            yield NotASpan(f"line {number} is no span: it is longer than {MAX_LINE} bytes")
            continue
        try:
            yield _span_of(line)
        except ValueError as error:
            yield NotASpan(f"line {number} is no span: {error}")
            whole = _whole_span_in(line)
            if whole is not None:
                yield whole


def _whole_span_in(line: bytes) -> dict[str, Any] | None:
    """The span at the end of a line that begins with parts of others."""
    # From the end, as the parts before may hold anything. Each try reads to the end of the line at
    # most; a line made to be slow is given up before these add up to much.
    left = _SEARCHED * len(line)
    start = line.rfind(_START)
    while start > 0:
        left -= len(line) - start
        if left < 0:
            break
        try:
            return _span_of(line[start:])
        except ValueError:
            start = line.rfind(_START, 0, start)
    return None


_START = b'{"trace_id":'  # no text in JSON holds this: its quotation marks would have backslashes


def _span_of(line: bytes) -> dict[str, Any]:
    import json

    try:
        span = json.loads(line)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        torn = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        raise ValueError("it ends too early" if torn else str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(span, dict) or "span_id" not in span or "trace_id" not in span:
        raise ValueError("it has no trace_id and span_id")
    return span
