"""The key by which push services know us (VAPID, RFC 8292), derived from the installation's secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.kit.security import derive

if TYPE_CHECKING:
    from py_vapid import Vapid02

# The order of P-256 (FIPS 186-5): private keys are the numbers below it.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def push_key(secret: str) -> Vapid02:
    from cryptography.hazmat.primitives.asymmetric import ec
    from py_vapid import Vapid02

    number = int.from_bytes(derive(secret, "web-push"), "big") % (_ORDER - 1) + 1
    return Vapid02(ec.derive_private_key(number, ec.SECP256R1()))
