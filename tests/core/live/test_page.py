"""The page in a real Chromium, with a file as its microphone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import browser
from tests.conftest import MODELS
from tests.core.live.made import talk
from tests.core.notifications.conftest import served
from tests.support import Api, Client, new_deal

SHARE_IS_SHOWN = "document.getElementById('share').offsetHeight > 0"


@pytest.fixture(scope="session")
def chromium() -> Path:
    return browser.install(MODELS.resolve().parent / "browser")


@pytest.fixture
async def port(api: Api) -> AsyncIterator[int]:
    async with served(api.services) as at:
        yield at
    await api.services.live.close()


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Two seconds of speech, as the fakes hear it, and a pause; a browser plays it again and again."""
    path = tmp_path / "spoken.wav"
    soundfile.write(path, talk("." * 5 + "#" * 20 + "." * 15, rate_hz=48_000), 48_000, subtype="PCM_16")
    return path


@contextlib.asynccontextmanager
async def logged_in(
    chromium: Path, port: int, microphone: Path, *, language: str = "en-US"
) -> AsyncIterator[browser.Page]:
    url = f"http://127.0.0.1:{port}/live"
    async with browser.opened(chromium, url, microphone=microphone, language=language) as page:
        await page.fill(email="ana@example.com", password=Api.PASSWORD)
        await page.click("#entry button[type=submit]")
        await page.until("!document.getElementById('setup').hidden")
        yield page
        assert not [said for said in page.complaints if "exception" in said]


async def test_what_the_microphone_hears_is_shown_and_becomes_a_call(
    api: Api, ana: Client, port: int, chromium: Path, spoken: Path
) -> None:
    deal = await new_deal(ana, name="Harbor Foods")
    async with logged_in(chromium, port, spoken) as page:
        assert await page.run("[...document.querySelectorAll('#deal option')].at(-1).textContent") == "Harbor Foods"
        await page.fill(deal=deal["id"])
        await page.click("#begin")
        await page.until("document.querySelectorAll('#suggestions li').length > 0")
        text = await page.run("document.querySelector('#transcript li span').textContent")
        assert text.split()[0].startswith("w")
        assert not await page.run(SHARE_IS_SHOWN)
        await page.click("#suggestions button")
        await page.click("#end")
        await page.until("document.getElementById('over').dataset.call")
        call_id = await page.run("document.getElementById('over').dataset.call")
        verdict = await page.run("document.querySelector('#suggestions [data-verdict]').dataset.verdict")
        assert verdict == "accept"
    call = (await ana.get(f"/v1/calls/{call_id}")).json()
    assert (call["deal_id"], call["status"]) == (deal["id"], "uploaded")


async def test_a_file_of_two_sides_is_played_and_shown_by_side(
    api: Api, ana: Client, port: int, chromium: Path, spoken: Path, tmp_path: Path
) -> None:
    sides = np.stack([talk("#" * 12 + "." * 12, rate_hz=48_000), talk("." * 15 + "#" * 9, rate_hz=48_000)], axis=1)
    path = tmp_path / "call.wav"
    soundfile.write(path, sides, 48_000, subtype="PCM_16")
    async with logged_in(chromium, port, spoken, language="pt-BR") as page:
        assert await page.run("document.querySelector('#begin').textContent") == "Começar"
        await page.choose("#file", path)
        await page.click("#begin")
        await page.until("document.getElementById('over').dataset.call")
        sides_shown = await page.run("[...document.querySelectorAll('#transcript li')].map((row) => row.dataset.side)")
        assert sides_shown == ["seller", "customer"]
        assert await page.run(SHARE_IS_SHOWN)
        assert await page.run("document.getElementById('shareOf').textContent") != "–"
        await page.click("#language")
        assert await page.run("document.querySelector('#transcript b').textContent") == "You"


@contextlib.asynccontextmanager
async def line(port: int) -> AsyncIterator[tuple[int, list[asyncio.StreamWriter]]]:
    """A line to the server that can be cut: a port, and what to abort."""
    ends: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", port)
        ends.extend((writer, forth))
        await asyncio.gather(carry(reader, forth), carry(back, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], ends
    server.close()


async def test_a_lost_connection_is_taken_up_again(
    api: Api, ana: Client, port: int, chromium: Path, spoken: Path
) -> None:
    async with line(port) as (through, ends), logged_in(chromium, through, spoken) as page:
        await page.click("#begin")
        await page.until("document.querySelectorAll('#transcript li').length > 0")
        for end in ends:
            end.transport.abort()
        await page.until("document.getElementById('status').dataset.state === 'away'")
        await page.until("document.getElementById('status').dataset.state === 'live'")
        shown = await page.run("document.querySelectorAll('#transcript li').length")
        await page.until(f"document.querySelectorAll('#transcript li').length > {shown + 1}")
        await page.click("#end")
        await page.until("document.getElementById('over').dataset.call")


async def test_a_wrong_password_is_told(api: Api, ana: Client, port: int, chromium: Path, spoken: Path) -> None:
    url = f"http://127.0.0.1:{port}/live"
    async with browser.opened(chromium, url, microphone=spoken) as page:
        await page.fill(email="ana@example.com", password="wrong")
        await page.click("#entry button[type=submit]")
        await page.until("document.getElementById('status').dataset.state === 'error'")


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fpage.py", "%2e%2e%2fpage.py"])
async def test_only_the_page_is_served(api: Api, name: str) -> None:
    page = await api.get("/live")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert (await api.get(f"/live/{name}")).status_code == 404
