"""Text as chunks, from files, compressed or not, from pipes, and from text and bytes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Union

from opentracing.interrupts import reraise_interrupt

from ._errors import shown
from ._json_stream import CHUNK, StreamFault

Source = Union[str, bytes, "os.PathLike[str]", IO[str], IO[bytes]]

_GZIP = b"\x1f\x8b"
_OTHERS = {
    b"\x28\xb5\x2f\xfd": "it is compressed with zstd, which is not read",
    b"PK\x03\x04": "it is a ZIP archive, which is not read",
    b"BZh": "it is compressed with bzip2, which is not read",
    b"\xfd7zXZ": "it is compressed with xz, which is not read",
}

_MOST_EXPANDED = 64 * 1024 * 1024  # bytes that gzip may make of few
_HIGHEST_RATIO = 500  # of what gzip makes of more; spans have random ids, and reach a tenth


@contextmanager
def open_text(source: Source) -> Iterator[tuple[str, Iterator[str]]]:
    """The name of a source for messages, and its text in chunks. Raises OSError for a file."""
    with ExitStack() as stack:
        if isinstance(source, str) and (source.lstrip("\ufeff \t\r\n")[:1] or "{") in "{[":
            chunks = (source[start : start + CHUNK] for start in range(0, len(source), CHUNK))
            yield "text", _without_mark(chunks)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            view = memoryview(source)
            pieces = (bytes(view[start : start + CHUNK]) for start in range(0, len(view), CHUNK))
            yield "text", _text_of(pieces)
        elif isinstance(source, (str, os.PathLike)):
            yield os.fspath(source), _read(stack.enter_context(_opened(source)).read)
        else:
            name = getattr(source, "name", None)
            yield name if isinstance(name, str) else "text", _read(source.read)


def _opened(path: str | os.PathLike[str]) -> IO[bytes]:
    try:
        return open(0, "rb", closefd=False) if path == "-" else open(path, "rb")
    except ValueError as error:  # text that no path can be
        reraise_interrupt()
        raise OSError(errno.EINVAL, str(error), shown(path)) from None


def _read(read: Callable[[int], Any]) -> Iterator[str]:
    first = read(CHUNK)
    chunks = _rest(first, read)
    return _without_mark(chunks) if isinstance(first, str) else _text_of(chunks)


def _rest(first: Any, read: Callable[[int], Any]) -> Iterator[Any]:
    chunk = first
    while chunk:
        yield chunk
        chunk = read(CHUNK)


def _without_mark(chunks: Iterator[str]) -> Iterator[str]:
    """Without the byte order mark at its start."""
    yield next(chunks, "").removeprefix("\ufeff")
    yield from chunks


def _text_of(chunks: Iterator[bytes]) -> Iterator[str]:
    """Bytes as text; those that are not UTF-8 as the surrogates of `surrogateescape`."""
    import codecs

    first = b""
    while len(first) < 8:
        chunk = next(chunks, None)
        if chunk is None:
            break
        first += chunk
    for magic, reason in _OTHERS.items():
        if first.startswith(magic):
            raise StreamFault(reason)
    both = _chained(first, chunks)
    if first.startswith(_GZIP):
        both = _expanded(both)
        first = next(both, b"")
        both = _chained(first, both)
    # Windows writes what a command prints as UTF-16.
    is_wide = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    make = codecs.getincrementaldecoder("utf-16" if is_wide else "utf-8")
    decoder = make("replace" if is_wide else "surrogateescape")
    yield from _without_mark(_decoded(both, decoder))


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _decoded(chunks: Iterator[bytes], decoder: Any) -> Iterator[str]:
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", True)


def _expanded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of gzip's members, in pieces of bounded size."""
    import zlib

    taken = made = 0
    member = zlib.decompressobj(31)
    for chunk in chunks:
        taken += len(chunk)
        rest = chunk
        while rest:
            try:
                piece = member.decompress(rest, CHUNK)
            except zlib.error:
                raise StreamFault("its gzip compression is damaged") from None
            made += len(piece)
            if made > max(_MOST_EXPANDED, _HIGHEST_RATIO * taken):
                raise StreamFault(f"it expands to more than {_HIGHEST_RATIO} times its size")
            yield piece
            rest = member.unconsumed_tail
            if member.eof:
                rest = member.unused_data.lstrip(b"\0")  # as tapes pad it
                if rest:
                    member = zlib.decompressobj(31)
    while piece := _held_by(member):
        yield piece
    if not member.eof:
        raise StreamFault("its gzip compression ends too early")


def _held_by(member: Any) -> bytes:
    return b"" if member.eof else member.decompress(b"", CHUNK)
