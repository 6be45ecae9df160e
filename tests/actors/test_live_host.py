"""What hosts of live sessions know of one another; what they do together is in `tests/e2e/test_live.py`."""

from __future__ import annotations

import asyncio

from actors.live_host import until_dead


async def test_the_end_of_a_process_is_seen_at_once_and_also_afterwards() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    waiting = asyncio.create_task(until_dead(process.pid))
    await asyncio.sleep(0)
    assert not waiting.done()
    process.kill()
    async with asyncio.timeout(10):
        await waiting
        await process.wait()
        await until_dead(process.pid)
