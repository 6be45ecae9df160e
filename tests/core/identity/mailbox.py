"""What people find in their mail."""

from __future__ import annotations

import re

from core.flows import REACTIONS
from core.kit.relay import Relay
from core.ports import Mail
from tests.fakes.engines import FakeMailer
from tests.support import Api


async def mails(api: Api, to: str) -> list[Mail]:
    """All that were sent to an address, once everything that is under way has been done."""
    await Relay(api.services.db, REACTIONS, api.services).drain()
    mailer = api.services.post.mailer
    assert isinstance(mailer, FakeMailer)
    return [mail for mail in mailer.sent if mail.to == to]


async def code(api: Api, to: str) -> str:
    """The code in the newest one."""
    found = re.search(r"\b(sei|sep)_\S+", (await mails(api, to))[-1].text)
    assert found is not None
    return found.group()
