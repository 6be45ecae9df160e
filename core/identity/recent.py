"""What is sensitive asks that the person proved to be there a moment ago (ASVS 5.0, 7.5)."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Depends, Request

from core.kit.errors import ReauthenticationNeeded
from core.kit.web import CurrentIdentity, CurrentTx


async def _recent(request: Request, tx: CurrentTx, identity: CurrentIdentity) -> None:
    within = timedelta(seconds=request.app.state.services.settings.auth.recent_s)
    if identity.authenticated_at is None or tx.clock.now() - identity.authenticated_at > within:
        raise ReauthenticationNeeded("Prove that it is you by POST /v1/me/reauthenticate, then send this again.")


RECENT = Depends(_recent)
