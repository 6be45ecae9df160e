from __future__ import annotations

from fastapi import APIRouter, Request

from core.identity.factors import repository
from core.identity.factors.schemas import Confirm, FactorOut, FactorStarted, RecoveryCodes
from core.identity.factors.second_factor import SecondFactors
from core.identity.recent import RECENT
from core.kit.idempotency import SHOWN_ONCE
from core.kit.web import CurrentIdentity, CurrentTx, TenantRoute, allow
from core.tenants import repository as tenants

router = APIRouter(prefix="/v1/me/second-factor", tags=["access"], route_class=TenantRoute)
SEE = allow("can_view_tenant")


def _factors(request: Request) -> SecondFactors:
    factors: SecondFactors = request.app.state.services.factors
    return factors


@router.post("", status_code=201, dependencies=[SEE, RECENT, SHOWN_ONCE], summary="Begin a second factor (TOTP)")
async def start(request: Request, tx: CurrentTx, identity: CurrentIdentity) -> FactorStarted:
    """It is asked for at log-in once a first code has confirmed it."""
    user = await tenants.user(tx, identity.user_id)
    begun = await _factors(request).start(tx, user.id, user.email)
    return FactorStarted(secret=begun.secret, otpauth_uri=begun.otpauth_uri)


@router.post("/confirm", dependencies=[SEE, RECENT, SHOWN_ONCE], summary="Activate it by its first code")
async def confirm(body: Confirm, request: Request, tx: CurrentTx, identity: CurrentIdentity) -> RecoveryCodes:
    return RecoveryCodes(recovery_codes=await _factors(request).confirm(tx, identity.user_id, body.code))


@router.get("", dependencies=[SEE], summary="Do I have a second factor")
async def read(tx: CurrentTx, identity: CurrentIdentity) -> FactorOut:
    found = await repository.factor(tx, identity.user_id)
    left = await repository.recovery_codes_left(tx, identity.user_id)
    return FactorOut(active=found is not None and found.confirmed_at is not None, recovery_codes_left=left)


@router.post("/recovery-codes", dependencies=[SEE, RECENT, SHOWN_ONCE], summary="New recovery codes for the old ones")
async def renew(request: Request, tx: CurrentTx, identity: CurrentIdentity) -> RecoveryCodes:
    return RecoveryCodes(recovery_codes=await _factors(request).renew_codes(tx, identity.user_id))


@router.delete("", status_code=204, dependencies=[SEE, RECENT], summary="Give the second factor up")
async def remove(request: Request, tx: CurrentTx, identity: CurrentIdentity) -> None:
    await _factors(request).remove(tx, identity.user_id)
