"""The pytest plugin, tested by pytest inside pytest."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import opentracing

pytest_plugins = ["pytester"]
# Each test runs pytest with capturing of file descriptors, or in its own process.
pytestmark = pytest.mark.needs_os

SHOP = """
import opentracing

def checkout(card):
    tracer = opentracing.global_tracer()
    with tracer.start_active_span("checkout", tags={"card": card}):
        with tracer.start_active_span("look up stock"):
            pass
        with tracer.start_active_span("charge"):
            if card == "expired":
                raise ValueError("the card has expired")

def forget():
    return opentracing.global_tracer().start_span("forgotten")
"""


def configure(pytester: pytest.Pytester, options: str = "", ini: str = "") -> None:
    """Write pytest's settings; they load the plugin by name if the project is not installed."""
    addopts = f"-p opentracing_recorder.pytest_plugin --strict-config --strict-markers {options}"
    pytester.makeini(f"[pytest]\naddopts = {addopts}\n{ini}\n")


@pytest.fixture(autouse=True)
def _shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module to test, the plugin, and this project's strict settings."""
    root = str(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    pytester.makepyfile(shop=SHOP)
    configure(pytester, "-p no:asyncio")


def run(pytester: pytest.Pytester, test: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=f"import opentracing, pytest\nimport shop\n{test}")
    return pytester.runpytest(*arguments)


def section(result: pytest.RunResult) -> str:
    """The last section of the report of a failing test."""
    return result.stdout.str().rpartition("- Captured traces -")[2].partition("\n=====")[0]


def test_the_global_tracer_is_the_fixtures_for_one_test(pytester: pytest.Pytester) -> None:
    """Inside the test, the fixture's tracer is the global one; before and after, it is not."""
    result = run(
        pytester,
        """
def test_in(captrace):
    shop.checkout("good")
    assert opentracing.tracer is captrace.tracer
    assert captrace.outline() == "checkout\\n  look up stock\\n  charge"
    assert captrace.recorder.spans == captrace.spans

def test_after():
    assert not opentracing.is_global_tracer_registered()

def test_the_next(captrace):
    assert captrace.spans == []
""",
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize(
    "deed",
    [
        "opentracing.set_global_tracer(opentracing.Tracer())",
        "opentracing._reset_global_tracer()",
        "opentracing.tracer = None",
        "captrace.tracer.start_active_span('left open')",
        "captrace.tracer.close()",
        "raise KeyError",
        "pytest.skip()",
    ],
)
def test_whatever_a_test_does_what_was_there_comes_back(
    deed: str, pytester: pytest.Pytester
) -> None:
    """The tracer that the session registered is the global one again, and no span is active."""
    result = run(
        pytester,
        f"""
from opentracing.scope_managers.contextvars import _SCOPE
own, before = opentracing.Tracer(), _SCOPE.get()

@pytest.fixture(autouse=True, scope="module")
def installed():
    with opentracing.use_tracer(own):
        yield

def test_deed(captrace):
    {deed}

def test_after():
    assert opentracing.global_tracer() is own
    assert opentracing.is_global_tracer_registered()
    assert _SCOPE.get() is before

def test_next(captrace):
    assert captrace.tracer.active_span is None
    shop.checkout("good")
    assert captrace.one("checkout").parent_id is None
""",
    )
    outcomes = result.parseoutcomes()
    assert outcomes.get("passed", 0) >= 2
    result.stdout.no_fnmatch_line("FAILED*::test_[an]*")


def test_the_report_of_a_failing_test_ends_with_its_timeline(pytester: pytest.Pytester) -> None:
    """The timeline follows pytest's own sections; it has errors, and lines of unfinished spans."""
    result = run(
        pytester,
        """
def test_it(captrace):
    print("printed")
    forgotten = shop.forget()
    shop.checkout("expired")
""",
    )
    result.assert_outcomes(failed=1)
    text = section(result)
    assert "printed" not in text
    result.stdout.fnmatch_lines(["*Captured stdout call*", "*Captured traces*"])
    assert "look up stock" in text
    assert "ValueError: the card has expired" in text
    assert text.endswith("Never finished:\n  'forgotten', started at shop.py:13")
    assert max(map(len, text.splitlines()[1:])) <= 80


def test_the_report_is_plain_ascii_where_the_terminal_is(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the terminal is ASCII, the timeline is too, though pytest's capture has Unicode."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    pytester.makepyfile(test_it="import shop\ndef test_it(captrace):\n    shop.checkout('expired')")
    result = pytester.runpytest_subprocess()
    assert section(result).isascii()
    assert "! charge" in section(result)


def test_the_report_is_drawn_where_the_terminal_knows_no_width(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeline then has 80 columns, like the rest of pytest's report."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback: os.terminal_size((0, 0)))
    result = run(pytester, 'def test_it(captrace): shop.checkout("expired")')
    assert "checkout" in section(result)
    assert max(map(len, section(result).splitlines())) == 80


@pytest.mark.parametrize("outcome", ["pass", "pytest.skip()", "pytest.xfail()"])
def test_there_is_no_timeline_where_nothing_failed(outcome: str, pytester: pytest.Pytester) -> None:
    """The report of a test that passes, is skipped or fails as expected is unchanged."""
    result = run(
        pytester, f"def test_it(captrace):\n    shop.checkout('good')\n    {outcome}\n", "-rA"
    )
    assert "Captured traces" not in result.stdout.str()


def test_a_failing_fixture_gets_the_timeline_too(pytester: pytest.Pytester) -> None:
    """A failure in setup or teardown shows it; the same timeline is shown once."""
    result = run(
        pytester,
        """
@pytest.fixture
def early(captrace):
    shop.checkout("expired")

@pytest.fixture
def late(captrace):
    yield
    assert False, "late"

def test_early(early):
    pass

def test_late(late):
    shop.checkout("good")

def test_both(late):
    shop.checkout("expired")
""",
    )
    result.assert_outcomes(errors=3, passed=1, failed=1)
    assert result.stdout.str().count("- Captured traces -") == 3


def test_without_the_fixture_nothing_is_added_or_imported(pytester: pytest.Pytester) -> None:
    """The plugin adds nothing to the report, and imports nothing."""
    pytester.makepyfile(
        test_it="""
import sys
def test_it():
    assert [each for each in sys.modules if each.split(".")[0] in ("opentracing", "six")] == []
    loaded = [each for each in sys.modules if each.startswith("opentracing_recorder")]
    assert loaded == ["opentracing_recorder", "opentracing_recorder.pytest_plugin"]
def test_failing():
    assert False
"""
    )
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*Captured traces*")


def test_importing_the_plugin_imports_no_tracer() -> None:
    """It imports no other module of this project, and only modules that pytest has loaded."""
    root = str(Path(__file__).resolve().parents[2])
    code = (
        f"import sys; sys.path.insert(0, {root!r}); import pytest, shutil;"
        "known = set(sys.modules);"
        "import opentracing_recorder.pytest_plugin; print(*sorted(set(sys.modules) - known))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["opentracing_recorder", "opentracing_recorder.pytest_plugin"]


FORGETFUL = """
{marker}
def test_it(captrace):
    forgotten = shop.forget()
"""


@pytest.mark.parametrize(
    ("ini", "marker", "failed"),
    [
        ("", "", 0),
        ("captrace_fail_on_unfinished = true", "", 1),
        ("", "@pytest.mark.captrace", 1),
        ("", "@pytest.mark.captrace(fail_on_unfinished=True)", 1),
        (
            "captrace_fail_on_unfinished = true",
            "@pytest.mark.captrace(fail_on_unfinished=False)",
            0,
        ),
    ],
)
def test_a_span_left_unfinished_fails_the_test_that_asks_for_it(
    ini: str, marker: str, failed: int, pytester: pytest.Pytester
) -> None:
    """The ini option or the marker turns it on; the marker decides; the error has name and line."""
    configure(pytester, "-p no:asyncio", ini)
    result = run(pytester, FORGETFUL.format(marker=marker))
    result.assert_outcomes(failed=failed, passed=1 - failed)
    if failed:
        result.stdout.fnmatch_lines(
            ["Spans started and never finished:", "  'forgotten', started at shop.py:13"]
        )


def test_a_fixture_may_finish_its_span_after_the_test(pytester: pytest.Pytester) -> None:
    """A span of the setup may finish until the end of the fixtures; otherwise it is an error."""
    result = run(
        pytester,
        """
pytestmark = pytest.mark.captrace

@pytest.fixture(params=[True, False])
def around(captrace, request):
    span = shop.forget()
    yield
    if request.param:
        span.finish()

def test_it(around):
    shop.checkout("good")
""",
    )
    result.assert_outcomes(passed=2, errors=1)


def test_a_test_that_fails_otherwise_fails_once(pytester: pytest.Pytester) -> None:
    """Its unfinished spans are no second failure."""
    result = run(
        pytester,
        """
@pytest.mark.captrace
def test_it(captrace):
    forgotten = shop.forget()
    assert False
""",
    )
    result.assert_outcomes(failed=1)


def test_the_marker_refuses_what_it_does_not_know(pytester: pytest.Pytester) -> None:
    """A misspelt argument is an error, and does not turn the check off silently."""
    result = run(pytester, "@pytest.mark.captrace(fail=True)\ndef test_it(captrace):\n    pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*takes fail_on_unfinished=True or False*"])


@pytest.mark.long
def test_under_xdist_the_report_comes_from_the_worker(pytester: pytest.Pytester) -> None:
    """Tests in parallel processes do not see each other's spans, and failures have timelines."""
    pytester.makepyfile(
        test_it="""
import pytest, shop

@pytest.mark.parametrize("number", range(10))
def test_alone(captrace, number):
    shop.checkout("good")
    assert captrace.outline() == "checkout\\n  look up stock\\n  charge"

def test_failing(captrace):
    shop.checkout("expired")
"""
    )
    result = pytester.runpytest_subprocess("-n", "2")
    result.assert_outcomes(passed=10, failed=1)
    assert "ValueError: the card has expired" in section(result)


ASYNC = """
import asyncio, contextvars
import opentracing, pytest, shop

{setup}

async def fetch(name):
    with opentracing.global_tracer().start_active_span(name):
        await asyncio.sleep(0)

{mark}
async def test_tasks(captrace):
    with captrace.tracer.start_active_span("load"):
        await asyncio.gather(fetch("text"), fetch("image"))
    assert captrace.outline() == "load\\n  text\\n  image"

{mark}
@pytest.mark.parametrize("turn", [1, 2])
async def test_left_open(captrace, turn):
    assert captrace.tracer.active_span is None
    captrace.tracer.start_active_span("left open")
    assert captrace.outline() == ""
    await fetch("inside")
    assert captrace.one("inside").parent_id == captrace.unfinished[0].context.span_id

{mark}
async def test_failing(captrace):
    await fetch("alone")
    shop.checkout("expired")

def test_between(captrace):
    assert captrace.tracer.active_span is None
    shop.checkout("good")
    assert captrace.one("checkout").parent_id is None
"""


@pytest.mark.parametrize("scope", ["function", "module"])
@pytest.mark.long
def test_under_pytest_asyncio_no_scope_reaches_another_test(
    scope: str, pytester: pytest.Pytester
) -> None:
    """Tasks are children of the test's own spans, in its own event loop or a shared one."""
    mark = f"@pytest.mark.asyncio(loop_scope={scope!r})"
    pytester.makepyfile(test_it=ASYNC.format(setup="", mark=mark))
    configure(pytester, ini="asyncio_default_fixture_loop_scope = function")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=4, failed=1)
    assert "ValueError: the card has expired" in section(result)


def test_under_anyio_no_scope_reaches_another_test(pytester: pytest.Pytester) -> None:
    """The same holds for anyio's runner, whose tests share a task."""
    setup = """
@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module", autouse=True)
async def keeps_the_runner(anyio_backend):
    yield
"""
    pytester.makepyfile(test_it=ASYNC.format(setup=setup, mark="@pytest.mark.anyio"))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=4, failed=1)
    assert "ValueError: the card has expired" in section(result)


ASYNC_OPENTELEMETRY = """
import asyncio
import opentracing, pytest
from opentelemetry import context, trace

TRACER = trace.get_tracer(__name__)

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module", autouse=True)
async def keeps_the_runner(anyio_backend):
    yield

async def fetch(name):
    with TRACER.start_as_current_span(name):
        await asyncio.sleep(0)

@pytest.fixture
async def session(captrace):
    with TRACER.start_as_current_span("session"):
        yield

@pytest.mark.anyio
@pytest.mark.parametrize("turn", [1, 2, 3, 4])
async def test_left_open(captrace, turn):
    assert trace.get_current_span() is trace.INVALID_SPAN
    await fetch("first")
    if turn == 1:
        captrace.tracer.start_active_span("left open")
    else:
        context.attach(trace.set_span_in_context(TRACER.start_span("left open")))
    await fetch("inside")
    assert captrace.one("first").parent_id is None
    assert captrace.one("inside").parent_id == captrace.unfinished[0].context.span_id

@pytest.mark.anyio
async def test_in_a_fixture(captrace, session):
    assert trace.get_current_span().name == "session"
    await fetch("inside")
    assert captrace.one("inside").parent_id == captrace.unfinished[0].context.span_id
    assert captrace.unfinished[0].parent_id is None

class TestShop:
    @pytest.mark.anyio
    async def test_method(self, captrace):
        assert trace.get_current_span() is trace.INVALID_SPAN
"""


def test_under_anyio_no_span_of_opentelemetry_reaches_another_test(
    pytester: pytest.Pytester,
) -> None:
    """In a task that tests share, both APIs forget the spans that an earlier test left current."""
    pytest.importorskip("opentelemetry.trace")
    pytester.makepyfile(test_it=ASYNC_OPENTELEMETRY)
    pytester.runpytest_subprocess().assert_outcomes(passed=6)


def test_it_serves_unittest_classes(pytester: pytest.Pytester) -> None:
    """`usefixtures` serves them, and so does CapTrace as a context manager."""
    result = run(
        pytester,
        """
import unittest
from opentracing_recorder.captrace import CapTrace

@pytest.mark.usefixtures("captrace")
class TestShop(unittest.TestCase):
    def test_failing(self):
        shop.checkout("expired")

class TestAlone(unittest.TestCase):
    def test_it(self):
        with CapTrace() as captrace:
            shop.checkout("good")
        self.assertEqual(len(captrace.spans), 3)
""",
    )
    result.assert_outcomes(failed=1, passed=1)
    assert "ValueError: the card has expired" in section(result)


def test_it_can_be_turned_off(pytester: pytest.Pytester) -> None:
    """With ``-p no:NAME``, pytest has no such fixture and no such option."""
    pytester.makeini("[pytest]\naddopts = -p no:asyncio\n")
    result = run(
        pytester, "def test_it():\n    pass\n", "-p", "no:opentracing_recorder.pytest_plugin"
    )
    result.assert_outcomes(passed=1)


def test_the_project_was_not_traced_meanwhile() -> None:
    """pytest inside pytest shares the process: the global tracer of this test is the no-op."""
    assert not opentracing.is_global_tracer_registered()


def test_a_pytest_that_is_too_old_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 7.0, which added `StashKey`, the plugin has no hook, no option and no fixture."""
    spec = importlib.util.find_spec("opentracing_recorder.pytest_plugin")
    assert spec is not None
    assert spec.loader is not None
    monkeypatch.delattr(pytest, "StashKey")
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    manager = pytest.PytestPluginManager()
    manager.register(plugin)
    assert manager.get_hookcallers(plugin) == []
    assert not hasattr(plugin, "captrace")
