"""A real browser without a window, told what to do by the DevTools protocol through two pipes: no driver, no port.

https://chromedevtools.github.io/devtools-protocol/; messages are JSON, each with a NUL behind it, and go to the
browser on its file 3, and come from it on 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WAIT = 30.0  # seconds


def browser() -> str | None:
    """The browser of this machine; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """A page that is open: what it said on its console, and what it asked the network for."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._last, self._rest, self._session = to, back, 0, b"", ""
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> Any:
        """What the browser answers. Events until then are kept."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != self._last:
            self._note(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _message(self) -> Any:
        end = time.monotonic() + WAIT
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._back], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._back, 1 << 20)
            assert piece, "the browser has gone"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: Any) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"].get("exception", params)))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.errors.append(str(params["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def open(self, path: Path, wide: int = 1000, high: int = 900, dark: bool = False) -> None:
        """Show a file in a window of this width."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=scheme)
        phone = wide < 600
        self.ask("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=phone)
        self.ask("Page.navigate", url="about:blank")
        self.errors, self.requests = [], []
        self.ask("Page.navigate", url=path.resolve().as_uri())
        while self.run("document.readyState") != "complete":
            time.sleep(0.02)
        self.settle()

    def settle(self) -> None:
        """Wait until what was done is drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def click(self, what: str) -> None:
        """Press and release the mouse where the first element of a CSS selector is seen."""
        x, y = self.run(
            f"(() => {{ const it = document.querySelector({json.dumps(what)}); it.scrollIntoView({{block: 'center'}});"
            "const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def type(self, what: str, text: str) -> None:
        """Write into a field in place of what is there."""
        self.run(f"document.querySelector({json.dumps(what)}).select()")
        self.run(f"document.querySelector({json.dumps(what)}).focus()")
        self.ask("Input.insertText", text=text)

    def picture(self, whole: bool = False) -> bytes:
        """What is seen, or the whole page, as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"])


def _pipe() -> list[int]:
    """A pipe of which neither end is 3 or 4."""
    ends = os.pipe()
    found = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return found


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """A page of a new browser that keeps what it needs in a folder."""
    name = browser()
    assert name is not None
    (in_read, in_write), (out_read, out_write) = _pipe(), _pipe()
    options = ["--headless=new", "--remote-debugging-pipe", "--no-first-run", f"--user-data-dir={folder}"]
    options += ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    files = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_WRONLY, 0) for n in (1, 2)]
    pipes = [(os.POSIX_SPAWN_DUP2, in_read, 3), (os.POSIX_SPAWN_DUP2, out_write, 4)]
    process = os.posix_spawn(name, [name, *options], os.environ, file_actions=[*files, *pipes])
    try:
        os.close(in_read)
        os.close(out_write)
        yield Tab(in_write, out_read)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(in_write)
        os.close(out_read)
