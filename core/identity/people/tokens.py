"""Tokens that go by e-mail: computed from the installation's secret when they are sent and checked, stored nowhere."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import UTC, datetime
from uuid import UUID

from core.kit.errors import NotFound
from core.kit.security import derive

INVITATION, RESET = "sei_", "sep_"
_MAC_BYTES = 32
_REFUSED = "The code is not good: it is misspelt, was used, was replaced by a newer one, or expired. Ask for another."


class MailTokens:
    """`secret`: the installation's. A token is `<kind><base64url of tenant, subject, number, MAC>`."""

    def __init__(self, secret: str) -> None:
        self._key = derive(secret, "tokens by mail")

    def invitation(self, tenant_id: UUID, invitation_id: UUID, sent_count: int) -> str:
        return self._write(INVITATION, tenant_id, invitation_id, sent_count, "")

    def reset(self, tenant_id: UUID, user_id: UUID, expires_at: datetime, password_hash: str | None) -> str:
        """Good for the password that is in place: setting another ends it."""
        return self._write(RESET, tenant_id, user_id, int(expires_at.timestamp()), password_hash or "")

    def read(self, kind: str, token: str) -> Claim:
        """Raises `NotFound` for what is none; whether it is ours is for `Claim.check` to say."""
        try:
            raw = base64.b64decode(token.removeprefix(kind), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if not token.startswith(kind) or len(raw) != 40 + _MAC_BYTES:
            raise refused()
        return Claim(self, kind, raw)

    def mac(self, kind: str, body: bytes, state: str) -> bytes:
        return hmac.digest(self._key, kind.encode() + body + state.encode(), "sha256")

    def _write(self, kind: str, tenant_id: UUID, subject: UUID, number: int, state: str) -> str:
        body = tenant_id.bytes + subject.bytes + number.to_bytes(8)
        return kind + base64.urlsafe_b64encode(body + self.mac(kind, body, state)).decode()


class Claim:
    """What a token says, before it is believed."""

    def __init__(self, tokens: MailTokens, kind: str, raw: bytes) -> None:
        self._tokens = tokens
        self._kind = kind
        self._body, self._mac = raw[:40], raw[40:]
        self.tenant_id = UUID(bytes=raw[:16])
        self.subject = UUID(bytes=raw[16:32])
        self.number = int.from_bytes(raw[32:40])

    def check(self, state: str = "") -> None:
        """Raises `NotFound`."""
        if not hmac.compare_digest(self._mac, self._tokens.mac(self._kind, self._body, state)):
            raise refused()

    def expired(self, now: datetime) -> bool:
        return now.astimezone(UTC).timestamp() >= self.number


def refused() -> NotFound:
    return NotFound(_REFUSED)
