"""A headless Chromium for tests of pages: what a reader sees in them, and can do.

It is driven by its own DevTools protocol over two pipes, so it needs no driver, no port and no
package. The protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

WHY_NOT_CHROMIUM = "Chromium is missing; on Debian: apt-get install chromium"

# Seconds that Chromium has for an answer, and a page for what a test waits for.
PATIENCE = 60.0

_EXECUTABLES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
# The keys that write no letter: the number that pages know them by, and what they write.
_KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Space": (32, " "),
    "PageUp": (33, ""),
    "PageDown": (34, ""),
    "End": (35, ""),
    "Home": (36, ""),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
}


def find_chromium() -> str | None:
    """The first Chromium, or Chrome, on the path."""
    return next(filter(None, map(shutil.which, _EXECUTABLES)), None)


class Browser:
    """A running Chromium, with a profile of its own in a folder."""

    def __init__(self, executable: str, profile: Path) -> None:
        command = [
            executable,
            "--headless",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",  # in containers it is too small
            "--hide-scrollbars",
        ]
        if os.getuid() == 0:
            command.append("--no-sandbox")  # root has no other choice
        # Chromium reads from 3 and writes to 4. Only a shell can put pipes there after a fork
        # without running Python in between.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" 3<&0 4>&1 0</dev/null 1>&2', "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._received = b""
        self._calls = 0
        self._pages: dict[str, Page] = {}

    def open(self) -> Page:
        """An empty page. It shares no cookies and no storage with other pages."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, context, session["sessionId"])
        self._pages[session["sessionId"]] = page
        page.call("Page.enable")
        page.call("Runtime.enable")
        page.call("Network.enable")
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """The result of a command of the protocol; events that come before it reach their pages."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._calls:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if answer.get("sessionId") in self._pages:
                self._pages[answer["sessionId"]].happened(answer["method"], answer["params"])

    def _receive(self) -> Any:
        """The next message; each ends with a zero byte."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._received:
            readable, _, _ = select.select(
                [self._process.stdout], [], [], max(0.0, deadline - time.monotonic())
            )
            if not readable:
                raise TimeoutError(f"no answer from Chromium in {PATIENCE:g} s")
            received = self._process.stdout.read(1 << 20)
            if not received:
                raise EOFError("Chromium has ended")
            self._received += received
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def forget(self, page: Page) -> None:
        """Close a page, and all that it stored."""
        del self._pages[page.session]
        self.call("Target.disposeBrowserContext", browserContextId=page.context)

    def close(self) -> None:
        """End Chromium and its processes, and wait until they have."""
        with self._process:  # closes the pipes, and waits
            try:
                self.call("Browser.close")
                self._process.wait(timeout=10)
            except (OSError, EOFError, subprocess.TimeoutExpired):
                self._process.kill()


class Page:
    """A tab of the browser: open an address in it, look, and act."""

    def __init__(self, browser: Browser, context: str, session: str) -> None:
        self.context = context
        self.session = session
        self.requested: list[str] = []  # each URL that it asked for, its own first
        self.errors: list[str] = []  # what its scripts failed with and did not handle
        self._browser = browser

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of any command of the protocol, for this page."""
        return self._browser.call(method, self.session, **parameters)

    def happened(self, event: str, parameters: Any) -> None:
        """Note an event of the protocol."""
        if event == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not url.startswith("data:"):
                self.requested.append(url)
        elif event == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))

    def open(self, address: str | Path) -> None:
        """Go to a URL, or a file, and wait until it and what it asks for is there."""
        url = address.resolve().as_uri() if isinstance(address, Path) else address
        failure = self.call("Page.navigate", url=url).get("errorText")
        if failure:
            raise RuntimeError(f"{url}: {failure}")
        self.wait_for("document.readyState === 'complete'")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, which JSON can hold; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait_for(self, condition: str, patience: float = PATIENCE) -> Any:
        """The value of a JavaScript expression as soon as it is true; patience is in seconds."""
        deadline = time.monotonic() + patience
        while True:
            value = self.run(condition)
            if value:
                return value
            if time.monotonic() > deadline:
                shown = self.run("document.body.innerText.slice(0, 2000)")
                raise TimeoutError(f"not in {patience:g} s: {condition}\nThe page shows:\n{shown}")
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press a key and let it go: ``a``, ``Tab``, ``Shift+Tab``; named as in ``event.key``."""
        *held, key = key.split("+") if len(key) > 1 else [key]
        number, text = _KEYS.get(key, (ord(key[0].upper()), key if len(key) == 1 else ""))
        pressed = {
            "modifiers": sum(_MODIFIERS[each] for each in held),
            "key": " " if key == "Space" else key,
            "code": key if key in _KEYS else f"Key{key.upper()}",
            "windowsVirtualKeyCode": number,
        }
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **pressed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def click(self, selector: str) -> None:
        """Click in the middle of the first element that a CSS selector finds."""
        x, y = self.place(selector)
        at = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def hover(self, selector: str) -> None:
        """Move the pointer over the middle of the first element that a CSS selector finds."""
        x, y = self.place(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def drag(self, selector: str, start: float, end: float) -> None:
        """Drag from one part of an element's width to another: 0 is its left, 1 its right."""
        x, y = self.place(selector, start)
        target, _ = self.place(selector, end)
        held = {"y": y, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, **held)
        for place in ((x + target) / 2, target):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=place, buttons=1, **held)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=target, **held)

    def place(self, selector: str, part: float = 0.5) -> tuple[float, float]:
        """A point in the first element that a CSS selector finds, scrolled into view."""
        found = json.dumps(selector)
        x, y = self.run(f"""(() => {{
            const element = document.querySelector({found});
            if (!element) throw new Error("nothing matches " + {found});
            element.scrollIntoView({{block: "center", inline: "center", behavior: "instant"}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width * {part}, box.y + box.height / 2];
        }})()""")
        return x, y

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Set the size of the window, in CSS pixels; a phone is touched, and obeys the viewport."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def prefer(self, **features: str) -> None:
        """Set media features by their names, ``prefers_color_scheme="dark"`` for instance."""
        wanted = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.call("Emulation.setEmulatedMedia", features=wanted)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of what the window shows, or of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        """Close it, and all that it stored."""
        self._browser.forget(self)
