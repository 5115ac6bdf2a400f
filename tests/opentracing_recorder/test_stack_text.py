"""The text of an error's stack: that of `traceback.format_exception`, within limits."""

from __future__ import annotations

import asyncio
import builtins
import json
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from opentracing_recorder import BasicTracer, InMemoryRecorder, Trace
from opentracing_recorder._stack_text import stack_text, with_causes
from opentracing_recorder.timeline import render_html, render_text

try:
    Group: Any = builtins.ExceptionGroup  # type: ignore[attr-defined, unused-ignore]
except AttributeError:
    Group = pytest.importorskip("exceptiongroup").ExceptionGroup

LIMIT = 51_000  # characters, with the words for what is left out


def caught(fail: Callable[[], object]) -> BaseException:
    try:
        fail()
    except BaseException as error:
        return error
    raise AssertionError("it did not fail")


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    def fail() -> None:
        raise error from cause

    return caught(fail)


def text_of(error: BaseException) -> str:
    return stack_text(error, error.__traceback__)


def in_an_except_block() -> None:
    try:
        raise ValueError("handled")
    except ValueError:
        raise KeyError("while handling") from raised(FileNotFoundError("no file"))


def with_context() -> None:
    try:
        in_an_except_block()
    except KeyError:
        1 / 0  # noqa: B018


def suppressed() -> None:
    try:
        raise ValueError("hidden")
    except ValueError:
        raise KeyError("alone") from None


class Outer:
    class OwnError(Exception):
        pass


def of_three() -> list[BaseException]:
    return [caught(with_context), KeyError("never raised"), raised(ValueError("two\nlines"))]


ERRORS: dict[str, Callable[[], BaseException]] = {
    "plain": lambda: raised(ValueError("x")),
    "never raised": lambda: ValueError("x"),
    "no message": lambda: raised(ValueError()),
    "two lines": lambda: raised(ValueError("one\n  two")),
    "a class of its own": lambda: raised(Outer.OwnError("x")),
    "a cause": lambda: raised(RuntimeError("payment failed"), KeyError("card-number")),
    "a cause in an except block": lambda: caught(in_an_except_block),
    "a context": lambda: caught(with_context),
    "no context": lambda: caught(suppressed),
    "a syntax error": lambda: caught(lambda: compile("a = (1,\n b c", "x.py", "exec")),
    "an indentation error": lambda: caught(lambda: compile("if 1:\nx", "x.py", "exec")),
    "a group": lambda: raised(Group("both", of_three())),
    "a group that was never raised": lambda: Group("both", [ValueError("x")]),
    "a group with a cause": lambda: raised(Group("both", of_three()), caught(with_context)),
    "a group as a cause": lambda: raised(RuntimeError("job"), raised(Group("both", of_three()))),
    "groups in a group": lambda: raised(
        Group("all", [raised(Group("first", of_three())), KeyError("x"), Group("last", of_three())])
    ),
    "a member caused by a group": lambda: Group(
        "a", [raised(KeyError("x"), Group("b", of_three()))]
    ),
    "a wide group": lambda: Group("wide", [ValueError(number) for number in range(17)]),
    "a deep group": lambda: nested_group(12),
}


def nested_group(depth: int) -> BaseException:
    error: BaseException = ValueError("leaf")
    for number in range(depth):
        error = Group(f"level {number}", [error])
    return error


@pytest.mark.parametrize("name", ERRORS)
def test_the_text_is_that_of_the_standard_library(name: str) -> None:
    """Causes, contexts and members of groups are written as `format_exception` writes them."""
    error = ERRORS[name]()
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    assert text_of(error) == "".join(lines)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes came with Python 3.11")
def test_notes_are_written() -> None:
    """Those of `add_note` follow the message."""
    error: Any = ValueError("x")
    error.add_note("one\ntwo")
    error.add_note("three")
    assert text_of(error) == "ValueError: x\none\ntwo\nthree\n"


@pytest.fixture
def tracer() -> BasicTracer:
    return BasicTracer()


def test_a_span_names_the_cause_of_an_error(tracer: BasicTracer) -> None:
    """A cause that was never raised, and so has no traceback, is in the span's log."""
    span = tracer.start_span("pay")
    with pytest.raises(RuntimeError), span:
        raise RuntimeError("payment failed") from KeyError("card-number")
    stack = span.logs[0].key_values["stack"]
    assert stack.startswith("KeyError: 'card-number'\n\nThe above exception was the direct cause")
    assert stack.endswith("RuntimeError: payment failed\n")


def test_a_lone_traceback_stays_a_traceback(tracer: BasicTracer) -> None:
    """Without an exception beside it, only frames are written."""
    stack = raised(ValueError("secret")).__traceback__
    span = tracer.start_span("x").log_kv({"stack": stack, "error.object": "text"})
    assert span.logs[0].key_values["stack"] == "".join(traceback.format_tb(stack))


def test_the_stack_of_exc_info_names_the_error(tracer: BasicTracer) -> None:
    """The exception of the tuple is written, although the log has none."""
    error = raised(RuntimeError("payment failed"), KeyError("card-number"))
    for given in (error.__traceback__, None):
        span = tracer.start_span("x").log_kv({"stack": (type(error), error, given)})
        assert "card-number" in span.logs[0].key_values["stack"]


# Limits.


def chain(length: int) -> BaseException:
    error = raised(KeyError("innermost"))
    for number in range(length):
        outer = raised(RuntimeError(f"level {number}"))
        outer.__cause__ = error
        error = outer
    return error


def test_of_thousands_of_causes_the_first_and_the_last_are_kept() -> None:
    """It says how many are left out."""
    text = text_of(chain(5000))
    assert len(text) < LIMIT
    assert "KeyError: 'innermost'" in text
    assert text.endswith("RuntimeError: level 4999\n")
    assert "... 4985 errors left out ..." in text
    assert with_causes("last", text) == "last (from KeyError: 'innermost')"


def test_causes_in_a_circle_end() -> None:
    """Each error is written once."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert text_of(first).count("ValueError: ") == 2


def test_of_many_frames_the_first_and_the_last_are_kept() -> None:
    """It says how many are left out."""

    def even(depth: int) -> None:
        odd(depth - 1)

    def odd(depth: int) -> None:
        if depth <= 0:
            raise ValueError("deep")
        even(depth - 1)

    text = text_of(caught(lambda: even(400)))
    assert len(text) < LIMIT
    assert "in caught" in text
    assert "frames left out ..." in text
    assert text.endswith("ValueError: deep\n")


class Long(Exception):
    def __str__(self) -> str:
        return "x" * 1_000_000


def test_long_messages_are_cut() -> None:
    """It says how many characters are left out, and each type is named."""
    text = text_of(raised(Long(), raised(Long(), raised(Long()))))
    assert len(text) < LIMIT
    assert text.count("characters left out") == text.count("Long: x") == 3
    lines = text_of(ValueError("first\n" + "x\n" * 10_000 + "last"))
    assert lines.startswith("ValueError: first\n")
    assert lines.endswith("\nlast\n")


def test_a_text_that_is_too_long_has_its_first_and_its_last_lines() -> None:
    """Names of files have no limit of their own."""
    name = "f" * 10_000
    scope: dict[str, Any] = {}
    exec(compile("def fail(n):\n if n: fail2(n - 1)\n raise ValueError('x')", name, "exec"), scope)
    exec(compile("def fail2(n): fail(n)", name, "exec"), scope)
    text = text_of(caught(lambda: scope["fail"](20)))
    assert len(text) < LIMIT
    assert "in caught" in text
    assert "characters left out" in text
    assert text.endswith("ValueError: x\n")


def test_wide_and_deep_groups_are_cut() -> None:
    """It says how many members are left out; those of a TaskGroup's size keep their causes."""
    members = [chain(2) for _ in range(1000)]
    text = text_of(raised(Group("wide", members)))
    assert len(text) < LIMIT
    assert text.count("KeyError: 'innermost'") == 15
    assert "and 985 more exceptions" in text
    deep = nested_group(100)
    assert len(text_of(deep)) < LIMIT
    assert "level 99 (1 sub-exception)" in text_of(deep)
    everything: Any = [ValueError("leaf")] * 15
    for number in range(6):
        everything = [Group(f"level {number}", everything)] * 15
    assert len(text_of(Group("both", everything))) < LIMIT


class Hostile(Exception):
    def fail(self) -> Any:
        raise RuntimeError("hostile")

    __cause__ = __context__ = __traceback__ = args = property(fail)  # type: ignore[assignment]
    __str__ = __repr__ = fail


class AnswersNoText(Exception):
    def __str__(self) -> Any:
        return 7


def odd_notes(notes: Any) -> BaseException:
    error: Any = ValueError("x")
    error.__notes__ = notes
    return raised(error)


def odd_syntax_error() -> BaseException:
    error: Any = SyntaxError("no", ("x.py", 1, 10**9, "y" * 1_000_000))
    error.end_lineno, error.end_offset = 1, 10**12
    return raised(error)


HOSTILE: dict[str, Callable[[], BaseException]] = {
    "properties that raise": lambda: raised(Hostile()),
    "no text": lambda: raised(AnswersNoText()),
    "a hostile cause": lambda: raised(ValueError("x"), Hostile()),
    "notes that are a number": lambda: odd_notes(7),
    "notes without end": lambda: odd_notes(iter(int, 1)),
    "thousands of notes": lambda: odd_notes(["n" * 100] * 100_000),
    "a syntax error of a long line": odd_syntax_error,
    "surrogates": lambda: raised(ValueError("\ud800")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_error_has_a_text(name: str) -> None:
    """It names the type, has a limit, and can be encoded."""
    error = HOSTILE[name]()
    text = stack_text(error, None)
    assert type(error).__name__ in text
    assert len(text.encode("utf-8")) < LIMIT


def test_frames_whose_source_cannot_be_read_raise_nothing() -> None:
    """If a module's loader fails, the frames are left out, and the error is named."""

    class Loader:
        def get_source(self, name: str) -> str:
            raise RuntimeError("no source")

    scope: dict[str, Any] = {"__name__": "absent", "__loader__": Loader()}
    exec(compile("def fail(): raise ValueError('x')", "absent.py", "exec"), scope)
    text = text_of(caught(scope["fail"]))
    assert text.endswith("... 2 frames left out ...\nValueError: x\n")


# Reading.


@pytest.mark.parametrize(
    ("error", "more"),
    [
        ("plain", ""),
        ("two lines", ""),
        ("a cause", " (from KeyError: 'card-number')"),
        ("a context", " (from FileNotFoundError: no file)"),
        ("no context", ""),
        ("a deep group", ": " + ": ".join(["%s"] * 9) + ": ... (max_group_depth is 10)"),
    ],
)
def test_the_innermost_cause_is_read_from_the_text(error: str, more: str) -> None:
    """It is the first error of the text, whatever is between."""
    levels = [
        f"{Group.__module__}.ExceptionGroup: level {n} (1 sub-exception)" for n in range(10, 1, -1)
    ]
    levels = [each.replace("builtins.", "") for each in levels]
    expected = more % tuple(levels) if "%s" in more else more
    assert with_causes("failed", text_of(ERRORS[error]())) == f"failed{expected}"


def test_the_members_of_a_group_are_read_from_the_text() -> None:
    """Each has its type and message, and its own cause or members."""
    found = with_causes("failed", text_of(ERRORS["a group"]()))
    assert found == (
        "failed: ZeroDivisionError: division by zero (from FileNotFoundError: no file);"
        " KeyError: 'never raised'; ValueError: two"
    )
    inner = with_causes("failed", text_of(ERRORS["a group as a cause"]()))
    assert inner.startswith("failed (from ")
    assert "; KeyError: 'never raised'; " in inner


@pytest.mark.needs_os
def test_an_error_of_another_process_is_named_once() -> None:
    """Its pool quotes the traceback of that process as a cause; the innermost cause is in it."""
    from multiprocessing.pool import ExceptionWithTraceback

    def remote(error: BaseException) -> BaseException:
        sent = ExceptionWithTraceback(error, error.__traceback__)  # as a pool's worker does
        received: BaseException = pickle.loads(pickle.dumps(sent))
        return raised(received, received.__cause__)

    def even(depth: int) -> None:
        odd(depth - 1) if depth else fail()

    def odd(depth: int) -> None:
        even(depth - 1)

    def fail() -> None:
        raise RuntimeError("failed") from KeyError("card-number")

    for depth in (0, 400):
        stack = text_of(remote(caught(lambda depth=depth: even(depth))))  # type: ignore[misc]
        assert "RemoteTraceback: " in stack
        expected = "RuntimeError: failed (from KeyError: 'card-number')"
        assert with_causes("RuntimeError: failed", stack) == expected
    assert with_causes("ValueError: x", text_of(remote(raised(ValueError("x"))))) == "ValueError: x"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  File x, line 1\n",
        "The above exception was the direct cause of the following exception:",
        "\nThe above exception was the direct cause of the following exception:\n\n",
        "  +-+---------------- 1 ----------------\n" * 1000,
        "\n  +-+---------------- 1 ----------------\n    +---------------- 2 ----------------",
        "java.lang.NullPointerException: no card\n\tat Shop.pay(Shop.java:7)",
    ],
)
def test_any_text_can_be_read(text: str) -> None:
    """A file may have anything for a stack."""
    assert with_causes("failed", text).startswith("failed")


def test_timelines_show_the_innermost_cause() -> None:
    """Of a span or of its JSON; a stack of another form adds nothing."""
    recorder = InMemoryRecorder()
    with pytest.raises(RuntimeError), BasicTracer(recorder).start_span("pay"):
        raise RuntimeError("payment failed") from KeyError("card-number")
    expected = "RuntimeError: payment failed (from KeyError: 'card-number')"
    written = json.loads(json.dumps(recorder.spans[0].to_dict()))
    for span in (recorder.spans[0], written):
        (trace,) = Trace.from_spans([span])
        assert trace.roots[0].error_message == expected
        assert expected in render_text([trace], width=100)
        assert "(from KeyError: 'card-number')" in render_html([trace])
    for stack in (None, 7, "", "Shop.java:7", ["a"]):
        written["logs"][0]["fields"]["stack"] = stack
        (trace,) = Trace.from_spans([written])
        assert trace.roots[0].error_message == "RuntimeError: payment failed"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="task groups came with Python 3.11")
def test_the_failure_of_a_task_group_names_each_exception() -> None:
    """In the span's stack, and in the one line of a timeline."""
    recorder = InMemoryRecorder()
    tracer = BasicTracer(recorder)

    async def fail(number: int) -> None:
        raise ValueError(f"shop {number}") from KeyError("card-number")

    async def main() -> None:
        async with tracer.start_active_span("all"), asyncio.TaskGroup() as group:  # type: ignore[attr-defined, unused-ignore]
            for number in range(3):
                group.create_task(fail(number))

    with pytest.raises(Group):
        asyncio.run(main())
    (trace,) = Trace.from_spans(recorder.spans)
    stack = recorder.spans[0].logs[0].key_values["stack"]
    for number in range(3):
        assert f"ValueError: shop {number}" in stack
        assert f"ValueError: shop {number} (from KeyError:" in trace.roots[0].error_message
