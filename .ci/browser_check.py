"""Open a report in headless Chromium and check what only a browser can tell.

The browser is spoken to in the DevTools protocol over a pipe, with nothing but the standard library:

    python .ci/browser_check.py [PAGE] [--pictures FOLDER]

Without PAGE, the page is the one that ``agnostix demo`` makes.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
WIDE, NARROW = 1280, 390

# Puts the two pipes where Chromium looks for them, 3 and 4; by way of high numbers, lest one
# overwrites the other. A program of its own, since between fork and exec Python uses low ones itself.
LAUNCHER = """
import fcntl, os, sys
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1:3]]
for fd, place in zip(high, (3, 4)):
    os.dup2(fd, place)
    os.close(fd)
os.execv(sys.argv[3], sys.argv[3:])
"""

# The number beside the slider, at the slider's two ends and in its middle.
SLIDER = """
(() => {
  const slider = document.getElementById("whatif-target");
  const shown = document.getElementById("whatif-value");
  if (!slider || !shown) return null;
  const [low, high] = [Number(slider.min), Number(slider.max)];
  return [low, (low + high) / 2, high].map((value) => {
    slider.value = value;
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    return shown.textContent.trim();
  });
})()
"""

# How light the page's ground is, 0 to 255; where no element paints one, the canvas of the colour scheme.
LIGHTNESS = """
(() => {
  const probe = document.body.appendChild(document.createElement("div"));
  probe.style.background = "Canvas";
  const grounds = [document.body, document.documentElement, probe].map(
    (element) => getComputedStyle(element).backgroundColor.match(/[\\d.]+/g).map(Number));
  probe.remove();
  const [red, green, blue] = grounds.find((colour) => colour.length < 4 || colour[3] > 0);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
})()
"""


class BrowserError(RuntimeError):
    """The browser does not answer, or answers with an error."""


def find_browser() -> str | None:
    """Find Chromium or Chrome.

    Returns
    -------
    str or None
        The path of the program, None where there is none that can be used.
    """
    if os.name != "posix":
        return None
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


class Browser:
    """A headless browser with one page, to be used in a ``with`` statement.

    Parameters
    ----------
    program : str
        The browser.
    timeout : float, default=60
        How many seconds an answer may take.
    """

    def __init__(self, program: str, timeout: float = 60) -> None:
        self.program = program
        self.timeout = timeout
        self.events: list[dict[str, Any]] = []
        self._last_id = 0
        self._session: str | None = None
        self._buffer = b""
        self._page = ""

    def __enter__(self) -> Browser:
        self._profile = tempfile.mkdtemp(prefix="browser-check-")
        self._process, self._commands, self._answers = _launch(self.program, self._profile)
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._commands, self._answers):
            os.close(pipe)
        try:
            self._process.wait(5)  # the browser ends when its pipe is closed
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its answer.

        Parameters
        ----------
        method : str
            A method of the DevTools protocol.
        **params : object
            Its parameters.

        Returns
        -------
        dict

        Raises
        ------
        BrowserError
            If the browser refuses the command or does not answer in time.
        """
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        try:
            while data:
                data = data[os.write(self._commands, data) :]
        except BrokenPipeError:
            raise BrowserError(f"the browser ended before {method} was sent") from None
        deadline = time.monotonic() + self.timeout
        while True:
            answer = self._receive(deadline, method)
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method: str) -> None:
        """Wait for an event, if it has not come already.

        Parameters
        ----------
        method : str
            Its name in the DevTools protocol.

        Raises
        ------
        BrowserError
            If it does not come in time.
        """
        deadline = time.monotonic() + self.timeout
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._receive(deadline, method))

    def evaluate(self, script: str) -> Any:
        """Evaluate JavaScript in the page.

        Parameters
        ----------
        script : str
            An expression.

        Returns
        -------
        object
            Its value.

        Raises
        ------
        BrowserError
            If it throws.
        """
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(_exception(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def open(self, page: Path, *, width: int, dark: bool = False) -> None:
        """Open a page from a file, and forget the events of the one before.

        Parameters
        ----------
        page : Path
            An HTML file.
        width : int
            Of the screen in CSS pixels; below 600 it is a phone's.
        dark : bool, default=False
            Whether the reader prefers a dark page.
        """
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url="about:blank")
        self.wait_for("Page.loadEventFired")
        self.events.clear()
        self._page = page.resolve().as_uri()
        self.call("Page.navigate", url=self._page)
        self.wait_for("Page.loadEventFired")
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")

    def picture(self, path: Path) -> None:
        """Save the whole page, from its top to its end, as a PNG.

        Parameters
        ----------
        path : Path
            Where to.
        """
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(answer["data"]))

    def print(self, path: Path) -> None:
        """Save the page as it comes from a printer, as a PDF on A4.

        Parameters
        ----------
        path : Path
            Where to.
        """
        answer = self.call("Page.printToPDF", printBackground=False, paperWidth=8.27, paperHeight=11.69)
        path.write_bytes(base64.b64decode(answer["data"]))

    def complaints(self) -> list[str]:
        """What went wrong since the page was opened.

        Returns
        -------
        list of str
            Errors and warnings in the console, uncaught exceptions, and requests for
            anything but the page itself.
        """
        return [text for event in self.events if (text := _complaint(event, self._page))]

    def _receive(self, deadline: float, waiting_for: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise BrowserError(f"no answer to {waiting_for} within {self.timeout:g} s")
            data = os.read(self._answers, 1 << 16)
            if not data:
                raise BrowserError(f"the browser ended while {waiting_for} was waited for")
            self._buffer += data
        data, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(data)
        if message.get("method") == "Page.javascriptDialogOpening":  # nothing answers until it is closed
            raise BrowserError(f"the page opens a dialog: {message['params']['message']}")
        return message


@dataclass
class PageCheck:
    """What was found on a page.

    Parameters
    ----------
    problems : list of str
        Empty if all is well.
    facts : dict
        What was measured.
    files : list of Path
        The pictures and the print that were written.
    """

    problems: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


def check_page(page: Path, pictures: Path, *, program: str | None = None) -> PageCheck:
    """Open a report wide, narrow, in dark mode and printed, and check it.

    Parameters
    ----------
    page : Path
        The report.
    pictures : Path
        A folder for the pictures.
    program : str, default=None
        The browser; None finds one.

    Returns
    -------
    PageCheck

    Raises
    ------
    BrowserError
        If no browser is found, or it does not work.
    """
    program = program or find_browser()
    if program is None:
        raise BrowserError(f"none of {', '.join(BROWSERS)} is installed")
    found = PageCheck()
    with Browser(program) as browser:
        for width in (WIDE, NARROW):
            for dark in (False, True):
                _check_view(browser, page, pictures, width, dark, found)
        browser.open(page, width=WIDE)
        found.files.append(pictures / "print.pdf")
        browser.print(found.files[-1])
    return found


def _check_view(
    browser: Browser, page: Path, pictures: Path, width: int, dark: bool, found: PageCheck
) -> None:
    view = f"{'wide' if width == WIDE else 'narrow'}-{'dark' if dark else 'light'}"
    browser.open(page, width=width, dark=dark)
    found.files.append(pictures / f"{view}.png")
    browser.picture(found.files[-1])
    extent = browser.evaluate("document.documentElement.scrollWidth")
    lightness = browser.evaluate(LIGHTNESS)
    texts = browser.evaluate(SLIDER)
    found.facts[view] = {"scroll width": extent, "lightness": round(lightness), "slider": texts}
    # Compared with the width asked for: a phone widens innerWidth to what overflows.
    if extent > width:
        found.problems.append(f"{view}: the page is {extent} px wide on a screen of {width} px")
    if (lightness < 128) != dark:
        found.problems.append(f"{view}: the page's ground has a lightness of {lightness:.0f} of 255")
    found.problems += [f"{view}: {problem}" for problem in _slider_problems(texts)]
    found.problems += [f"{view}: {complaint}" for complaint in browser.complaints()]


def _slider_problems(texts: list[str] | None) -> list[str]:
    if texts is None:
        return ["there is no #whatif-target or no #whatif-value"]
    if not all(texts) or len(set(texts)) < 2:
        return [f"the slider does not move the number: {texts}"]
    return []


def _complaint(event: dict[str, Any], page: str) -> str | None:
    method, params = event.get("method"), event.get("params", {})
    if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
        return (
            f"console: {[argument.get('value', argument.get('description')) for argument in params['args']]}"
        )
    if method == "Runtime.exceptionThrown":
        return _exception(params["exceptionDetails"])
    if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
        return f"log: {params['entry']['text']} {params['entry'].get('url', '')}".rstrip()
    if method == "Network.requestWillBeSent":
        url = params["request"]["url"]
        return None if url == page or url.startswith(("data:", "blob:", "about:")) else f"requested {url}"
    return None


def _exception(details: dict[str, Any]) -> str:
    return f"exception: {details.get('exception', {}).get('description') or details['text']}"


def _launch(program: str, profile: str) -> tuple[subprocess.Popen[bytes], int, int]:
    commands_out, commands_in = os.pipe()
    answers_out, answers_in = os.pipe()
    words = [program, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(commands_out), str(answers_in), *words],
            pass_fds=(commands_out, answers_in),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(commands_out)
        os.close(answers_in)
    return process, commands_in, answers_out


def make_demo(folder: Path) -> Path:
    """Make the page of ``agnostix demo``.

    Parameters
    ----------
    folder : Path
        Where to.

    Returns
    -------
    Path
    """
    page = folder / "what-if.html"
    subprocess.run([sys.executable, "-m", "agnostix", "demo", "-o", str(page)], check=True)
    return page


def main() -> int:
    """Check the page that the command line names.

    Returns
    -------
    int
        0 if all is well, 1 if there are problems, which are printed.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("page", nargs="?", type=Path)
    parser.add_argument("--pictures", type=Path, help="keep the pictures in this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = arguments.pictures or Path(folder)
        pictures.mkdir(parents=True, exist_ok=True)
        page = arguments.page or make_demo(Path(folder))
        try:
            found = check_page(page, pictures)
        except BrowserError as error:
            found = PageCheck([str(error)])
        for view, facts in found.facts.items():
            print(f"{view}: {facts}")
        for path in found.files:
            print(f"{path.name}: {path.stat().st_size:,} bytes")
    for problem in found.problems:
        print(f"PROBLEM {problem}")
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
