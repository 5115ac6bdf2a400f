"""The browser of the tests does what its methods say."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from .browser import Page

pytestmark = pytest.mark.needs_os

PAGE = """<!DOCTYPE html><title>a page</title><meta name="viewport" content="width=device-width">
<style>
  body { background: white; height: 3000px; margin: 0 }
  @media (prefers-color-scheme: dark) { body { background: black } }
</style>
<input> <button style="position: absolute; top: 2500px">press</button>
<script>
  var clicks = 0, shifted = 0;
  document.querySelector("button").addEventListener("click", () => { clicks++; });
  addEventListener("keydown", (event) => { shifted += event.key === "Tab" && event.shiftKey; });
</script>"""


@pytest.fixture
def opened(page: Page, tmp_path: Path) -> Page:
    file = tmp_path / "page.html"
    file.write_text(PAGE, encoding="utf-8")
    page.open(file)
    return page


def test_it_runs_javascript_and_returns_its_value(opened: Page) -> None:
    """Values are returned as JSON gives them, also from a promise."""
    assert opened.run("Promise.resolve({title: document.title, numbers: [1, 2.5, null]})") == {
        "title": "a page",
        "numbers": [1, 2.5, None],
    }


def test_an_error_in_javascript_is_raised(opened: Page) -> None:
    """An exception in an expression is raised in the test, with its message."""
    with pytest.raises(RuntimeError, match="missing is not defined"):
        opened.run("missing")


def test_it_waits_until_a_condition_holds(opened: Page) -> None:
    """The wait returns the condition's value when it is true."""
    opened.run("void setTimeout(() => { window.later = 'now' }, 100)")
    assert opened.wait_for("window.later") == "now"


def test_a_wait_in_vain_says_what_the_page_shows(opened: Page) -> None:
    """The error has the condition and the text of the page."""
    with pytest.raises(TimeoutError, match=r"(?s)never.*press"):
        opened.wait_for("window.never", patience=0.1)


def test_it_clicks_what_is_out_of_sight(opened: Page) -> None:
    """An element below the fold is scrolled into view, and clicked once."""
    opened.click("button")
    assert opened.run("clicks") == 1


def test_it_hovers_and_drags(opened: Page) -> None:
    """The pointer moves over an element, and is pressed while it is dragged over one."""
    opened.run("""void (window.moves = [], document.querySelector("input").addEventListener(
        "pointermove", ({offsetX, buttons}) => moves.push([Math.round(offsetX), buttons])))""")
    opened.run("void (document.querySelector('input').style = 'all: unset; width: 200px')")
    opened.hover("input")
    opened.drag("input", 0.25, 0.75)
    assert opened.run("moves") == [[100, 0], [100, 1], [150, 1]]


def test_it_writes_and_presses_keys(opened: Page) -> None:
    """Text goes to the field with the focus; Tab moves the focus, with Shift backwards."""
    opened.click("input")
    for key in ("a", "B", "Space", "c"):
        opened.press(key)
    opened.press("Tab")
    assert opened.run("document.activeElement.tagName") == "BUTTON"
    opened.press("Shift+Tab")
    assert opened.run("[document.activeElement.value, shifted]") == ["aB c", 1]


def test_it_takes_preferences_and_the_size_of_a_phone(opened: Page) -> None:
    """The page gets a dark colour scheme, and a phone's width and touch screen."""
    opened.prefer(prefers_color_scheme="dark")
    opened.resize(390, 844, phone=True)
    assert opened.run("getComputedStyle(document.body).backgroundColor") == "rgb(0, 0, 0)"
    assert opened.run("[innerWidth, matchMedia('(pointer: coarse)').matches]") == [390, True]


@pytest.mark.parametrize(("whole", "height"), [(False, 600), (True, 3000)])
def test_it_takes_a_picture(opened: Page, tmp_path: Path, whole: bool, height: int) -> None:
    """The picture is a PNG, with the size of the window, or the height of the page."""
    opened.resize(800, 600)
    opened.picture(tmp_path / "page.png", whole=whole)
    png = (tmp_path / "page.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (800, height)


def test_it_knows_what_a_page_asked_for_and_what_failed_in_it(page: Page, tmp_path: Path) -> None:
    """Each request is recorded with its address, and each unhandled error with its message."""
    (tmp_path / "page.html").write_text(
        "<img src=data:,x><script src=gone.js></script><script>boom()</script>"
    )
    page.open(tmp_path / "page.html")
    assert page.requested == [(tmp_path / name).as_uri() for name in ("page.html", "gone.js")]
    (error,) = page.errors
    assert "boom is not defined" in error
