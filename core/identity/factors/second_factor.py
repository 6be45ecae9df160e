"""A second factor through its life: started, confirmed, asked for, given up.

Codes are those of RFC 6238: six digits, SHA-1, 30 s; a code of the step before or after is taken as well (§5.2), and
each is taken once. Recovery codes are 80 random bits, so a keyed hash keeps them as well as a slow one would.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

import pyotp

from core.identity.factors import repository
from core.identity.factors.model import SecondFactor
from core.kit.db import Tx
from core.kit.errors import Conflict, Forbidden
from core.kit.ids import new_id
from core.kit.sealing import Sealer
from core.kit.security import derive

RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
_STEP_S = 30
_NEVER = 0  # a step of 1970


class Verdict(Enum):
    NOT_ASKED = "not asked"  # no active factor
    NEEDED = "needed"
    WRONG = "wrong"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Started:
    """What the user puts into his authenticator, shown once."""

    secret: str
    otpauth_uri: str


class SecondFactors:
    """`secret`: the installation's, from which the keys for secrets at rest are derived."""

    def __init__(self, secret: str) -> None:
        self._sealer = Sealer(secret, "second factors")
        self._code_key = derive(secret, "recovery codes")

    async def start(self, tx: Tx, user_id: UUID, email: str) -> Started:
        """Not asked for at log-in until confirmed; another start replaces it. Raises `Conflict`."""
        found = await repository.factor(tx, user_id, lock=True)
        if found is not None and found.confirmed_at is not None:
            raise Conflict("You have a second factor. Remove it by DELETE /v1/me/second-factor first.")
        await repository.remove(tx, user_id)
        secret = pyotp.random_base32()
        row = SecondFactor(
            id=new_id(), tenant_id=tx.tenant_id, user_id=user_id, created_at=tx.clock.now(), last_step=_NEVER,
            secret=self._sealer.seal(secret.encode(), user_id.bytes),
        )  # fmt: skip
        await repository.add(tx, row)
        return Started(secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name="SalesEdge"))

    async def confirm(self, tx: Tx, user_id: UUID, code: str) -> list[str]:
        """Activate it by its first code; gives the recovery codes. Raises `Conflict` or `Forbidden`."""
        found = await repository.factor(tx, user_id, lock=True)
        if found is None or found.confirmed_at is not None:
            raise Conflict("There is no second factor to confirm. Start one by POST /v1/me/second-factor.")
        if not await self._takes_code(tx, found, code):
            raise Forbidden("The code is wrong. Check the clock of your device and send the code shown now.")
        found.confirmed_at = tx.clock.now()
        tx.audit("user.second_factor_added", f"user:{user_id}")
        return await self._new_codes(tx, user_id)

    async def check(self, tx: Tx, user_id: UUID, code: str | None) -> Verdict:
        """What log-in asks. A code that was right is used up with the transaction."""
        found = await repository.factor(tx, user_id)
        if found is None or found.confirmed_at is None:
            return Verdict.NOT_ASKED
        if code is None:
            return Verdict.NEEDED
        if await self._takes_code(tx, found, code):
            return Verdict.RIGHT
        if await repository.use_recovery_code(tx, user_id, self._hash(user_id, code)):
            tx.audit("user.recovery_code_used", f"user:{user_id}")
            return Verdict.RIGHT
        return Verdict.WRONG

    async def renew_codes(self, tx: Tx, user_id: UUID) -> list[str]:
        """New recovery codes in place of all old ones. Raises `Conflict`."""
        found = await repository.factor(tx, user_id, lock=True)
        if found is None or found.confirmed_at is None:
            raise Conflict("Recovery codes belong to a second factor. Start one by POST /v1/me/second-factor.")
        tx.audit("user.recovery_codes_renewed", f"user:{user_id}")
        return await self._new_codes(tx, user_id)

    async def remove(self, tx: Tx, user_id: UUID) -> None:
        """For whoever has proved who he is."""
        await repository.remove(tx, user_id)
        tx.audit("user.second_factor_removed", f"user:{user_id}")

    async def _takes_code(self, tx: Tx, factor: SecondFactor, code: str) -> bool:
        totp = pyotp.TOTP(self._sealer.open(factor.secret, factor.user_id.bytes).decode())
        now = int(tx.clock.now().timestamp()) // _STEP_S
        given = code.replace(" ", "").encode()
        for step in (now - 1, now, now + 1):
            if hmac.compare_digest(totp.generate_otp(step).encode(), given):
                return await repository.use_step(tx, factor.user_id, step)
        return False

    async def _new_codes(self, tx: Tx, user_id: UUID) -> list[str]:
        codes = [_readable(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
        await repository.replace_recovery_codes(tx, user_id, [self._hash(user_id, code) for code in codes])
        return codes

    def _hash(self, user_id: UUID, code: str) -> bytes:
        plain = code.replace("-", "").replace(" ", "").upper()
        return hmac.digest(self._code_key, user_id.bytes + plain.encode(), "sha256")


def _readable(raw: bytes) -> str:
    text = base64.b32encode(raw).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))
