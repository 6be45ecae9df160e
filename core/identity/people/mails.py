"""What people are told by e-mail, in the tenant's language, from `configs/mail/<language>.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template
from uuid import UUID

import yaml

from core.identity.people import invitations, passwords, repository
from core.identity.people.tokens import MailTokens
from core.kit.db import Tx
from core.kit.events import Event
from core.ports import Mail, Mailer
from core.tenants import repository as tenants


class Post:
    """Writes and sends. `folder`: where the texts lie; `address`: where people reach the product."""

    def __init__(self, mailer: Mailer, tokens: MailTokens, folder: Path, address: str) -> None:
        self.mailer = mailer
        self._tokens = tokens
        self._folder = folder
        self._address = address.rstrip("/")

    async def invitation(self, event: Event, tx: Tx) -> None:
        """Nothing where it was sent again, accepted or revoked in the meantime."""
        row = await repository.find_invitation(tx, event.subject)
        current = row is not None and row.sent_count == event.data["sent_count"]
        if row is not None and current and invitations.status(row, tx.clock) == "pending":
            token = self._tokens.invitation(tx.tenant_id, row.id, row.sent_count)
            by = await tenants.user(tx, row.invited_by)
            ends = row.expires_at.date().isoformat()
            await self._send(event.id, tx, "invitation", row.email, inviter=by.name, token=token, ends=ends)

    async def password_reset(self, event: Event, tx: Tx) -> None:
        user = await repository.find_user(tx, event.subject)
        ends = passwords.expiry(event.at)
        if user is not None and user.is_active and tx.clock.now() < ends:
            token = self._tokens.reset(tx.tenant_id, user.id, ends, user.password_hash)
            await self._send(event.id, tx, "password_reset", user.email, name=user.name, token=token)

    async def notice(self, event: Event, tx: Tx, what: str) -> None:
        """Of what happened to an account, to its owner."""
        user = await repository.find_user(tx, UUID(str(event.data.get("user_id", event.subject))))
        if user is not None:
            at = event.at.strftime("%Y-%m-%d %H:%M UTC")
            await self._send(event.id, tx, what, user.email, name=user.name, at=at)

    async def _send(self, mail_id: UUID, tx: Tx, what: str, to: str, **words: str) -> None:
        tenant = await tenants.tenant(tx)
        text = _texts(self._folder / f"{tenant.locale.partition('-')[0]}.yaml")[what]
        words = {**words, "company": tenant.name, "address": self._address}
        # A name with line breaks must not end the header that it stands in.
        subject = " ".join(Template(text["subject"]).substitute(words).split())
        await self.mailer.send(Mail(mail_id, to, subject, Template(text["text"]).substitute(words)))


@cache
def _texts(path: Path) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = yaml.safe_load(path.read_text("utf-8"))
    return texts
