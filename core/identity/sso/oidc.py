"""The relying party's side of OpenID Connect Core 1.0: discovery, authorization request, code exchange, ID token.

What an issuer publishes is cached, its keys are asked for again when a token names one that is not known, at most once
a minute. Every refusal says the same to the person who signs in; the reason stands in the log.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import jwt

from core.kit.errors import BadAnswer, Unauthenticated, Unavailable
from core.kit.log import logger
from core.ports import Clock

log = logger("oidc")
ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
"""No `none`, and no HMAC: a public key must never be taken for a shared secret."""
_METADATA_LIFETIME = timedelta(hours=1)
_KEYS_PAUSE = timedelta(minutes=1)
_LEEWAY_S = 60.0
_OLDEST_S = 600.0
_MOST_ISSUERS = 1000
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    body: bytes


class Fetch(Protocol):
    """One HTTP request to a provider, redirects not followed."""

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], data: Mapping[str, str] | None = None
    ) -> Fetched: ...


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a discovery document says (OpenID Connect Discovery 1.0 §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    secret_in_body: bool
    answers_with_issuer: bool


@dataclass(frozen=True, slots=True)
class Granted:
    id_token: str
    access_token: str | None


@dataclass(slots=True)
class _Issuer:
    """One issuer in the cache."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    metadata: Metadata | None = None
    metadata_at: datetime | None = None
    keys: list[dict[str, Any]] = field(default_factory=list)
    keys_at: datetime | None = None


def challenge(verifier: str) -> str:
    """PKCE S256 (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Oidc:
    """`insecure`: take providers on plain http as well, which only a developer's machine may."""

    def __init__(self, fetch: Fetch, clock: Clock, *, insecure: bool = False) -> None:
        self._fetch = fetch
        self._clock = clock
        self._insecure = insecure
        self._issuers: dict[str, _Issuer] = {}

    def takes(self, url: str) -> bool:
        """Whether requests to this address are allowed at all."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return parts.scheme in (("https", "http") if self._insecure else ("https",)) and bool(parts.hostname)

    async def metadata(self, issuer: str) -> Metadata:
        """Raises `Unavailable` or `BadAnswer`."""
        entry = self._entry(issuer)
        async with entry.lock:
            now = self._clock.now()
            fresh = entry.metadata_at is not None and now - entry.metadata_at < _METADATA_LIFETIME
            if entry.metadata is None or not fresh:
                found = await self._json("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
                entry.metadata, entry.metadata_at = self._read(issuer, found), now
            return entry.metadata

    def authorization_url(
        self, metadata: Metadata, *, client_id: str, redirect_uri: str, state: str, nonce: str, verifier: str
    ) -> str:
        asked = {
            "response_type": "code", "scope": "openid email profile", "client_id": client_id,
            "redirect_uri": redirect_uri, "state": state, "nonce": nonce, "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }  # fmt: skip
        glue = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return metadata.authorization_endpoint + glue + urlencode(asked)

    async def exchange(
        self, metadata: Metadata, *, client_id: str, client_secret: str | None, code: str, redirect_uri: str,
        verifier: str,
    ) -> Granted:  # fmt: skip
        """The code for tokens. Raises `Unauthenticated` where the provider refuses it."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
        }  # fmt: skip
        headers: dict[str, str] = {}
        if client_secret is None or metadata.secret_in_body:
            form["client_id"] = client_id
            if client_secret is not None:
                form["client_secret"] = client_secret
        else:
            pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"  # encoded first: RFC 6749 §2.3.1
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        answer = await self._json("POST", metadata.token_endpoint, headers=headers, data=form)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise BadAnswer("The identity provider gave no ID token. Ask your administrator to check its scopes.")
        return Granted(id_token, access_token if isinstance(access_token, str) else None)

    async def verify(self, metadata: Metadata, id_token: str, *, client_id: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that is meant for us, now (OpenID Connect Core 1.0 §3.1.3.7).
        Raises `Unauthenticated`."""
        try:
            header = jwt.get_unverified_header(id_token)
            algorithm = header.get("alg")
            if algorithm not in ALGORITHMS:
                raise _refused("algorithm")
            key = await self._key(metadata, header.get("kid"), algorithm)
            claims: dict[str, Any] = jwt.decode(
                id_token, key.key, algorithms=[algorithm], issuer=metadata.issuer, audience=client_id,
                options={
                    "require": ["iss", "sub", "aud", "exp", "iat"], "verify_exp": False, "verify_iat": False,
                    "verify_nbf": False,
                },
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise _refused(type(error).__name__) from None
        self._check(claims, client_id, nonce)
        return claims

    async def user_info(self, metadata: Metadata, access_token: str, subject: str) -> dict[str, Any]:
        """What the provider says beside the ID token (§5.3); refused where it speaks of somebody else (§5.3.2)."""
        assert metadata.userinfo_endpoint is not None, "the caller has looked"
        headers = {"Authorization": f"Bearer {access_token}"}
        claims = await self._json("GET", metadata.userinfo_endpoint, headers=headers)
        if claims.get("sub") != subject:
            raise _refused("userinfo subject")
        return claims

    def _check(self, claims: Mapping[str, Any], client_id: str, nonce: str) -> None:
        now = self._clock.now().timestamp()
        audience, expires, issued, subject = claims["aud"], claims["exp"], claims["iat"], claims["sub"]
        if audience not in (client_id, [client_id]):
            raise _refused("other audiences")  # we trust none beside ourselves
        if claims.get("azp", client_id) != client_id:
            raise _refused("azp")
        if not isinstance(expires, int | float) or expires + _LEEWAY_S <= now:
            raise _refused("expired")
        if not isinstance(issued, int | float) or not -_LEEWAY_S <= now - issued <= _OLDEST_S:
            raise _refused("iat")
        if claims.get("nonce") != nonce:
            raise _refused("nonce")
        if not isinstance(subject, str) or not 1 <= len(subject) <= 255 or not subject.isprintable():
            raise _refused("sub")

    async def _key(self, metadata: Metadata, kid: object, algorithm: str) -> jwt.PyJWK:
        entry = self._entry(metadata.issuer)
        async with entry.lock:
            now = self._clock.now()
            found = _choose(entry.keys, kid, algorithm)
            if found is None and (entry.keys_at is None or now - entry.keys_at >= _KEYS_PAUSE):
                entry.keys_at = now
                answer = await self._json("GET", metadata.jwks_uri)
                keys = answer.get("keys")
                entry.keys = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
                found = _choose(entry.keys, kid, algorithm)
        if found is None:
            raise _refused("unknown key")
        return found

    def _entry(self, issuer: str) -> _Issuer:
        if issuer not in self._issuers and len(self._issuers) >= _MOST_ISSUERS:
            del self._issuers[next(iter(self._issuers))]
        return self._issuers.setdefault(issuer, _Issuer())

    def _read(self, issuer: str, found: Mapping[str, Any]) -> Metadata:
        if found.get("issuer") != issuer:
            raise BadAnswer("The identity provider calls itself by another issuer. Correct `issuer` of the provider.")
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        endpoints = {
            name: self._endpoint(found.get(name))
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        }  # fmt: skip
        userinfo = found.get("userinfo_endpoint")
        return Metadata(
            issuer=issuer, **endpoints, userinfo_endpoint=self._endpoint(userinfo) if userinfo else None,
            secret_in_body="client_secret_basic" not in methods and "client_secret_post" in methods,
            answers_with_issuer=found.get("authorization_response_iss_parameter_supported") is True,
        )  # fmt: skip

    def _endpoint(self, url: object) -> str:
        if not isinstance(url, str) or not self.takes(url):
            raise BadAnswer("The identity provider's discovery document is not usable: an endpoint is no https URL.")
        return url

    async def _json(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, data: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        answer = await self._fetch(method, url, headers={"Accept": "application/json", **(headers or {})}, data=data)
        if data is not None and 400 <= answer.status < 500:
            log.warning("code_refused", status=answer.status)
            raise Unauthenticated("The identity provider did not take the sign-in. Start it again.")
        if answer.status >= 500:
            raise Unavailable("The identity provider does not answer just now. Try again in a moment.")
        try:
            found = json.loads(answer.body) if answer.status == 200 and len(answer.body) <= _MOST_BYTES else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise BadAnswer("The identity provider's answer cannot be read. Ask your administrator to check it.")
        return found


def _choose(keys: list[dict[str, Any]], kid: object, algorithm: str) -> jwt.PyJWK | None:
    """The one key that a token can have been signed with. Without a `kid` there must be no choice."""
    named = [key for key in keys if kid is None or key.get("kid") == kid]
    usable = []
    for key in named:
        if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
            continue
        try:
            usable.append(jwt.PyJWK(key, algorithm))  # refuses a key of another kind than the algorithm's
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
    return usable[0] if len(usable) == 1 else None


def _refused(why: str) -> Unauthenticated:
    log.warning("id_token_refused", why=why)
    return Unauthenticated("The identity provider's answer could not be verified. Start the sign-in again.")
