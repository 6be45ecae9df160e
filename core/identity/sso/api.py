from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import IntegrityError

from core.identity.api import answer, lifetimes, origin
from core.identity.schemas import SessionOpened
from core.identity.scim import groups as scim_groups
from core.identity.sessions import Opened, open_session
from core.identity.sso import enter, repository, rules
from core.identity.sso.model import SsoProvider
from core.identity.sso.schemas import (
    ProviderChange,
    ProviderIn,
    ProviderOut,
    SsoSettingsIn,
    SsoSettingsOut,
)
from core.kit.db import Actor
from core.kit.errors import Conflict, FieldProblem, Forbidden, Invalid, NotFound, Unauthenticated
from core.kit.ids import new_id
from core.kit.pages import Page, Paging, next_cursor
from core.kit.sealing import Sealer
from core.kit.security import Identity
from core.kit.web import CurrentIdentity, CurrentTx, PublicRoute, TenantRoute, allow
from core.tenants import repository as tenants
from core.tenants.permissions import Roles
from core.tenants.schemas import Slug

public = APIRouter(prefix="/v1/sso", tags=["single sign-on"], route_class=PublicRoute)
router = APIRouter(prefix="/v1/sso", tags=["single sign-on"], route_class=TenantRoute)
MANAGE = allow("can_manage_sso")
COOKIE = "__Host-sso"


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────────────────────


@public.get(
    "/{tenant_slug}/{provider}/start", status_code=302, response_class=Response,
    summary="Go to the tenant's identity provider",
)  # fmt: skip
async def start(tenant_slug: Slug, provider: Slug, request: Request) -> Response:
    services = request.app.state.services
    async with services.db.system() as tx:
        tenant_id = await tenants.find_tenant_id(tx, tenant_slug)
        found = None
        if tenant_id is not None:
            await tx.become(tenant_id)
            found = await repository.enabled_provider(tx, provider)
    if found is None:
        raise NotFound("There is no such sign-in. Check the company's short name and the provider's.")
    metadata = await services.oidc.metadata(found.issuer)
    state = enter.begin(found, services.clock.now())
    url = services.oidc.authorization_url(
        metadata, client_id=found.client_id, redirect_uri=_redirect_uri(request, found.id),
        state=enter.seal(state, _sealer(request, "state")), nonce=state.nonce, verifier=state.verifier,
    )  # fmt: skip
    response = RedirectResponse(url, 302)
    response.set_cookie(
        COOKIE, state.browser, max_age=int(enter.LIFETIME.total_seconds()), path="/", secure=True, httponly=True,
        samesite="lax",
    )  # fmt: skip
    return response


@public.get("/callback/{provider_id}", summary="Come back from the identity provider")
async def callback(
    provider_id: UUID,
    request: Request,
    response: Response,
    state: Annotated[str, Query(max_length=1000)],
    code: Annotated[str | None, Query(max_length=4000)] = None,
    iss: Annotated[str | None, Query(max_length=500)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
) -> SessionOpened:
    services = request.app.state.services
    now, sealer = services.clock.now(), _sealer(request, "state")
    known = enter.unseal(state, request.cookies.get(COOKIE, ""), provider_id, sealer, now)
    async with services.db.tenant(known.tenant_id) as tx:
        provider = await enter.use(tx, known)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    metadata = await services.oidc.metadata(provider.issuer)
    if iss != provider.issuer and (iss is not None or metadata.answers_with_issuer):  # RFC 9207 §2.4
        raise Unauthenticated("The answer came from another identity provider than the one asked. Start again.")
    if error is not None or code is None:
        raise Unauthenticated("The identity provider did not let you in. Start again, or ask your administrator.")
    granted = await services.oidc.exchange(
        metadata, client_id=provider.client_id, client_secret=_secret(request, provider), code=code,
        redirect_uri=_redirect_uri(request, provider.id), verifier=known.verifier,
    )  # fmt: skip
    claims = await services.oidc.verify(metadata, granted.id_token, client_id=provider.client_id, nonce=known.nonce)
    if "email" not in claims and metadata.userinfo_endpoint and granted.access_token:
        claims = {**await services.oidc.user_info(metadata, granted.access_token, claims["sub"]), **claims}
    try:
        return answer(request, await _open(request, known.tenant_id, provider, claims))
    except IntegrityError:
        raise Conflict("Somebody signed in as this user at the same moment. Start again.") from None


async def _open(request: Request, tenant_id: UUID, provider: SsoProvider, claims: dict[str, object]) -> Opened:
    services = request.app.state.services
    came_from = origin(request)
    async with services.db.tenant(tenant_id) as tx:
        tx.actor = Actor(None, "system", came_from.address)
        user = await enter.admit(tx, provider, claims)
        tx.actor = Actor(user.id, "user", came_from.address)
        await tenants.note_login(tx, user.id, tx.clock.now())
        opened: Opened = await open_session(
            tx, user.id, tuple(user.roles), services.roles, method="sso", origin=came_from,
            lifetimes=lifetimes(request),
        )  # fmt: skip
        return opened


# ── what an administrator says ───────────────────────────────────────────────────────────────────────────────────────


@router.post("/providers", status_code=201, dependencies=[MANAGE])
async def create_provider(body: ProviderIn, request: Request, tx: CurrentTx, identity: CurrentIdentity) -> ProviderOut:
    check_roles(request.app.state.services.roles, identity, body.group_roles.values())
    if not request.app.state.services.oidc.takes(body.issuer):
        raise Invalid("The issuer has to be on https.", problems=[FieldProblem("body.issuer", "not an https URL")])
    row = SsoProvider(
        id=new_id(), tenant_id=tx.tenant_id, created_at=tx.clock.now(), client_secret=None,
        **body.model_dump(exclude={"client_secret"}),
    )  # fmt: skip
    row.client_secret = _sealed(request, row.id, body.client_secret)
    if await repository.slug_taken(tx, body.slug):
        raise Conflict(f"There is a provider {body.slug} already. Choose another `slug`.")
    await repository.add(tx, row)
    tx.audit("sso.provider_created", f"sso_provider:{row.id}", after=body.model_dump(exclude={"client_secret"}))
    return _out(request, row, await _slug(tx))


@router.get("/providers", dependencies=[MANAGE])
async def list_providers(request: Request, tx: CurrentTx, page: Paging) -> Page[ProviderOut]:
    rows, slug = await repository.providers(tx, page), await _slug(tx)
    return Page(items=[_out(request, row, slug) for row in rows], next_cursor=next_cursor(rows, page))


@router.get("/providers/{provider_id}", dependencies=[MANAGE])
async def read_provider(provider_id: UUID, request: Request, tx: CurrentTx) -> ProviderOut:
    return _out(request, await repository.provider(tx, provider_id), await _slug(tx))


@router.patch("/providers/{provider_id}", dependencies=[MANAGE])
async def change_provider(
    provider_id: UUID, body: ProviderChange, request: Request, tx: CurrentTx, identity: CurrentIdentity
) -> ProviderOut:
    row = await repository.provider(tx, provider_id)
    check_roles(request.app.state.services.roles, identity, (body.group_roles or {}).values())
    changes = body.model_dump(exclude_none=True, exclude={"client_secret"})
    tx.audit(
        "sso.provider_changed", f"sso_provider:{row.id}", before={name: getattr(row, name) for name in changes},
        after={**changes, **({"client_secret": "changed"} if body.client_secret else {})},
    )  # fmt: skip
    for name, value in changes.items():
        setattr(row, name, value)
    if body.client_secret is not None:
        row.client_secret = _sealed(request, row.id, body.client_secret)
    return _out(request, row, await _slug(tx))


@router.delete("/providers/{provider_id}", status_code=204, dependencies=[MANAGE])
async def delete_provider(provider_id: UUID, tx: CurrentTx) -> None:
    row = await repository.provider(tx, provider_id)
    tx.audit("sso.provider_deleted", f"sso_provider:{row.id}", before={"slug": row.slug, "issuer": row.issuer})
    await repository.remove(tx, row)


@router.get("/settings", dependencies=[MANAGE])
async def read_settings(tx: CurrentTx) -> SsoSettingsOut:
    return SsoSettingsOut.model_validate(await repository.settings(tx))


@router.put("/settings", dependencies=[MANAGE])
async def write_settings(
    body: SsoSettingsIn, request: Request, tx: CurrentTx, identity: CurrentIdentity
) -> SsoSettingsOut:
    check_roles(request.app.state.services.roles, identity, [*body.group_roles.values(), body.default_role])
    if body.default_role == "ADMIN":
        raise Invalid("Administrators are made by a person or by a group that is named for it, never by default.")
    if body.sso_only and not await repository.any_enabled(tx):
        raise Conflict("With no enabled provider nobody could come in. Add a provider first.")
    before = SsoSettingsOut.model_validate(await repository.settings(tx)).model_dump()
    row = await repository.save_settings(tx, **body.model_dump())
    if before["group_roles"] != body.group_roles:
        await scim_groups.apply_to_all(tx, before["group_roles"])
    tx.audit("sso.settings_changed", f"tenant:{tx.tenant_id}", before=before, after=body.model_dump())
    return SsoSettingsOut.model_validate(row)


def check_roles(table: Roles, identity: Identity, named: Iterable[str]) -> None:
    """Who sets up groups gives away no more than he has. Raises `Invalid` or `Forbidden`."""
    for role in named:
        if not table.scopes([role]):
            raise Invalid(f"There is no role {role}. The roles stand in configs/roles.yaml.")
        if role in rules.NEVER_BY_GROUP - set(identity.roles) or role == "SYSTEM":
            raise Forbidden(f"The role {role} cannot be given by a group.")


async def _slug(tx: CurrentTx) -> str:
    return (await tenants.tenant(tx)).slug


def _out(request: Request, row: SsoProvider, slug: str) -> ProviderOut:
    urls = {
        "redirect_uri": _redirect_uri(request, row.id), "start_url": f"{_base(request)}/v1/sso/{slug}/{row.slug}/start"
    }  # fmt: skip
    return ProviderOut.model_validate(row).model_copy(update=urls)


def _redirect_uri(request: Request, provider_id: UUID) -> str:
    return f"{_base(request)}/v1/sso/callback/{provider_id}"


def _base(request: Request) -> str:
    """The installation's own address, not what a `Host` header claims."""
    return str(request.app.state.services.settings.http.public_url).rstrip("/")


def _sealer(request: Request, purpose: str) -> Sealer:
    return Sealer(request.app.state.services.settings.auth.signing_key.get_secret_value(), f"sso {purpose}")


def _sealed(request: Request, provider_id: UUID, secret: str | None) -> bytes | None:
    return _sealer(request, "client secret").seal(secret.encode(), provider_id.bytes) if secret is not None else None


def _secret(request: Request, provider: SsoProvider) -> str | None:
    if provider.client_secret is None:
        return None
    return _sealer(request, "client secret").open(provider.client_secret, provider.id.bytes).decode()
