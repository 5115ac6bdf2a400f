"""Texts of errors and backends are logged in one line, escaped, shortened, without secrets."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import opentracing_recorder
from opentracing_recorder._errors import error_text, loggable, one_line, shown


@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_one_printable_line_of_bounded_length(text: str) -> None:
    """Any text can be logged, lone surrogates too; harmless characters stay as they are."""
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 500
    assert error_text(ValueError(text)).isprintable()


def test_a_harmless_text_stays_as_it_is() -> None:
    """Texts are for people: other scripts, paths and questions among them."""
    text = "kein Weg zu 'München' (http://zipkin:9411/api/v2/spans): why? ask ops@example.org"
    assert one_line(text) == text


def test_what_moves_a_cursor_is_escaped() -> None:
    """Line breaks of every kind, colours, and characters that turn the direction."""
    assert one_line("a\r\nb\x85c\u2028d\x1b[31me\u202ef") == r"a\r\nb\x85c\u2028d\x1b[31me\u202ef"


def test_a_long_text_is_shortened_in_little_time() -> None:
    """Any long text is shortened quickly."""
    start = time.monotonic()
    for piece in ("x", "\n", "://", "?", "@", ":@", "/?", "password=", "header value ", "\u202e"):
        line = one_line(piece * (1_000_000 // len(piece)))
        assert len(line) <= 500
    assert one_line("x" * 1000) == "x" * 497 + "..."
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "HTTPConnectionPool(host='otlp', port=4318): Max retries exceeded with url:"
            " /v1/traces?key=sesame (Caused by NewConnectionError('no route'))",
            "HTTPConnectionPool(host='otlp', port=4318): Max retries exceeded with url:"
            " /v1/traces?*** (Caused by NewConnectionError('no route'))",
        ),
        ("401 for url: http://h/p?sesame", "401 for url: http://h/p?***"),
        ("Failed to parse: http://me:ses/am?e@h:1/p", "Failed to parse: http://***@h:1/p"),
        ("Invalid URL 'me:sesame@h': no scheme", "Invalid URL ***@h': no scheme"),
        ('{"url":"https://me:sesame@h/?sesame","x":1}', None),
        ("Invalid header value b'Bearer sesame\\n'", "Invalid header value ***"),
        ("reserved character(s) in header value: 'sesame\\n'", None),
        ("Header part (7) from ('a', 'sesame') must be str", None),
        ("metadata was invalid: [('x-key', 'sesame\\n')]", None),
        ("sent Authorization: Basic sesame", "sent Authorization: ***"),
        ("{'authorization': 'sesame'}", None),
        ("[(b'Proxy-Authorization', b'sesame')]", None),
        ("bad api-key=sesame", None),
        ("Set-Cookie: id=sesame; Path=/", None),
        ("no access for Bearer sesame", None),
    ],
)
def test_secrets_are_hidden(text: str, shown: str | None) -> None:
    """Credentials and queries of URLs, and headers, as libraries write them into their errors."""
    line = one_line(text)
    assert "sesame" not in line
    assert line == (line if shown is None else shown)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """The error, with a traceback."""
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def formatted(error: BaseException) -> str:
    """The text as the logging module shows it."""
    shown = loggable(error)
    record = logging.LogRecord(
        "a", 40, "a", 1, "m", None, (type(shown), shown, shown.__traceback__)
    )
    return logging.Formatter().format(record)


def test_an_error_that_is_harmless_is_logged_itself() -> None:
    """The record has the error itself, with its class and attributes."""
    error = raised(OSError(111, "refused"), raised(KeyError("a")))
    assert loggable(error) is error


FORGED = "\nERROR root: forged http://me:sesame@h\x1b[2J"


def with_note() -> BaseException:
    error = RuntimeError("a")
    error.add_note(FORGED)  # type: ignore[attr-defined]
    return error


def in_group() -> BaseException:
    group = __builtins__["ExceptionGroup"]  # type: ignore[index]
    return group("several", [RuntimeError(FORGED)])  # type: ignore[no-any-return]


def in_context() -> BaseException:
    try:
        try:
            raise RuntimeError(FORGED)
        finally:
            raise OSError("closed")
    except OSError as error:
        return error


class Posing(Exception):
    """Has code where others have a cause."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise RuntimeError(FORGED)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RuntimeError(FORGED),
        lambda: raised(OSError("closed"), RuntimeError(FORGED)),
        in_context,
        lambda: SyntaxError("bad", ("a", 1, 1, FORGED)),
        pytest.param(
            with_note, marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="no notes")
        ),
        pytest.param(
            in_group, marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="no groups")
        ),
    ],
    ids=["itself", "cause", "context", "syntax", "note", "group"],
)
def test_a_traceback_has_no_line_of_a_strangers(make: Callable[[], BaseException]) -> None:
    """Each error in it is one line, whatever its text; the frames stay."""
    text = formatted(raised(make()))
    assert "sesame" not in text
    assert "\x1b" not in text
    assert not any(line.startswith("ERROR") for line in text.splitlines())
    assert "in raised" in text


def test_code_in_place_of_a_cause_is_not_logged() -> None:
    """It fails for whoever formats the error: one that looks like it has none."""
    assert formatted(Posing(FORGED)).endswith(r"Posing: \nERROR root: forged http://***@h\x1b[2J")


@pytest.mark.needs_os
def test_every_traceback_that_is_logged_is_made_fit_for_it() -> None:
    """No module logs an error as it comes."""
    package = Path(opentracing_recorder.__file__).parent
    for module in package.glob("*.py"):
        found = re.findall(r"\.exception\(|exc_info=(?!loggable\()", module.read_text("utf-8"))
        assert not found, f"{module.name} has {found}"


def test_causes_without_end_are_cut() -> None:
    """A chain may be a circle, or long."""
    error: BaseException = RuntimeError("first")
    for _ in range(1000):
        error = raised(RuntimeError(FORGED), error)
    assert formatted(error).count("EscapedError: RuntimeError") == 11


@pytest.mark.parametrize("size", [39, 40, 41, 42, 1000])
def test_a_value_that_is_cut_ends_in_dots(size: int) -> None:
    """A message shows whether it has all of a value."""
    whole = "'" + "n" * size + "'"
    assert (shown("n" * size) == whole) == (size <= 40)
    assert shown("n" * size).endswith("...") == (size > 40)
