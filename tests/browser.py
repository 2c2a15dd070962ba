"""A Chromium without a window, told what to do through a pipe (its DevTools protocol).

The mouse and the keys are real ones to the page: what a person could not click cannot be clicked.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ANSWER_S = 60.0
WINDOW = "1500,1100"
SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
KEYS = {"End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39, "Escape": 27}


class Browser:
    """A page of Chromium.

    Args:
        to_browser: file descriptor that it reads from.
        from_browser: file descriptor that it writes to.
    """

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in = to_browser, from_browser
        self._buffer, self._number, self._session = b"", 0, ""
        self.faults: list[str] = []  # of the scripts of the page
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = str(attached["sessionId"])
        for domain in ("Page", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return what the browser answers to a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("method") == "Runtime.exceptionThrown":
                self.faults.append(json.dumps(answer["params"]["exceptionDetails"])[:500])
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def open(self, address: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=address)

    def value(self, script: str) -> Any:
        """Return what a JavaScript expression is on the page, as plain values."""
        done = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, (script, done["exceptionDetails"])
        return done["result"].get("value")

    def wait_for(self, script: str, *, seconds: float = ANSWER_S) -> None:
        """Wait until an expression is true of the page."""
        until = time.monotonic() + seconds
        while not self.value(f"Boolean({script})"):
            assert time.monotonic() < until, f"not within {seconds:.0f} s: {script}"
            time.sleep(0.1)

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse at a place of the window."""
        at = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **at)

    def click_on(self, element: str) -> None:
        """Click the middle of the element that a JavaScript expression is."""
        script = (
            f"(e => {{e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2]}})({element})"
        )
        self.click(*self.value(script))

    def press(self, key: str) -> None:
        """Press and release a key."""
        words = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **words)

    def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _read(self) -> dict[str, Any]:
        until = time.monotonic() + ANSWER_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"Chromium did not answer within {ANSWER_S:.0f} s"
            read = os.read(self._in, 1 << 20)
            assert read, "Chromium has ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Open a browser for a while; skip the test where there is none.

    Args:
        profile: an empty folder for what it keeps.
    """
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium")
    its_in, to_browser = os.pipe()
    from_browser, its_out = os.pipe()
    words = [program, *SWITCHES, f"--user-data-dir={profile}", f"--window-size={WINDOW}"]
    # It speaks through descriptors 3 and 4, which may be taken here.
    pipes = f'exec "$@" 3</dev/fd/{its_in} 4>/dev/fd/{its_out}'
    process = subprocess.Popen(
        ["sh", "-c", pipes, "sh", *words, "--remote-debugging-pipe"],
        pass_fds=(its_in, its_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(its_in)
    os.close(its_out)
    try:
        browser = Browser(to_browser, from_browser)
        yield browser
        browser._session = ""
        browser.call("Browser.close")
        process.wait(30)
    finally:
        process.kill()
        process.wait()
        os.close(to_browser)
        os.close(from_browser)
