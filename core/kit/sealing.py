"""Secrets at rest and values that go round by the browser: sealed with AES-256-GCM (NIST SP 800-38D)."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.kit.security import derive

_NONCE_BYTES = 12


class Sealer:
    """Seals under a key of its own, derived for one purpose from the installation's secret."""

    def __init__(self, secret: str, purpose: str) -> None:
        self._aead = AESGCM(derive(secret, purpose))

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """`context` is not stored: what was sealed for one place does not open in another."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Raises `ValueError` for anything that was not sealed by this key for this context."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except InvalidTag:
            raise ValueError("not sealed here") from None
