"""An OpenID provider behind the `Fetch` port that signs what it is told to: no honest one helps with attacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from core.identity.sso.oidc import Fetched, challenge
from core.ports import Clock


class FakeIssuer:
    """`claims` and `headers` overlay what an honest ID token says; a claim that is None is left out. `sign` may be
    replaced by whoever forges."""

    def __init__(self, clock: Clock, issuer: str = "https://id.example", /, **metadata: Any) -> None:
        self.issuer = issuer
        self.clock = clock
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "one"
        self.claims: dict[str, Any] = {}
        self.asked: list[str] = []
        self._metadata = metadata
        self._codes: dict[str, dict[str, str]] = {}

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def authorize(self, location: str) -> tuple[str, str]:
        """A person agrees; gives the code and the state that go back with the browser."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return code, asked["state"]

    def sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self.key, "RS256", headers={"kid": self.kid})

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], data: Mapping[str, str] | None = None
    ) -> Fetched:
        self.asked.append(url)
        if url == f"{self.issuer}/.well-known/openid-configuration":
            return _json({
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys", **self._metadata,
            })  # fmt: skip
        if url == f"{self.issuer}/keys":
            return _json({"keys": [{**json.loads(_jwk(self.key)), "kid": self.kid, "use": "sig"}]})
        if url == f"{self.issuer}/token" and data is not None:
            asked = self._codes.pop(data["code"], None)
            good = asked is not None and asked["redirect_uri"] == data["redirect_uri"]
            if asked is None or not good or asked["code_challenge"] != challenge(data["code_verifier"]):
                return _json({"error": "invalid_grant"}, 400)
            return _json({"token_type": "Bearer", "id_token": self.sign(self._claims(asked))})
        return Fetched(404, b"")

    def _claims(self, asked: Mapping[str, str]) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        honest = {
            "iss": self.issuer, "sub": "1001", "aud": asked["client_id"], "nonce": asked["nonce"], "iat": now,
            "exp": now + 300, "email": "bia@acme.example", "email_verified": True, "name": "Bia Souza",
        }  # fmt: skip
        return {name: value for name, value in {**honest, **self.claims}.items() if value is not None}


def _json(body: object, status: int = 200) -> Fetched:
    return Fetched(status, json.dumps(body).encode())


def _jwk(key: rsa.RSAPrivateKey) -> str:
    found: str = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())
    return found
