"""Foreign files are read in a process apart: what it does with memory, time or its life is none of ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path


async def run_apart(program: Path, arguments: Sequence[str], *, timeout_s: float) -> bytes:
    """What a Python file of ours prints, run with nothing of our environment but where programs are. It sets its own
    limits. Raises `TimeoutError`; the process is gone in any case."""
    keep = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(program), *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=keep,
    )  # fmt: skip
    try:
        async with asyncio.timeout(timeout_s):
            printed, _ = await child.communicate()
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return printed
