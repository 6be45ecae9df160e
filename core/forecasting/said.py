"""In which language a person reads reasons: as asked, else the tenant's."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Query

from core.kit.web import CurrentTx
from core.tenants import repository as tenants


async def _language(
    tx: CurrentTx, language: Annotated[Literal["pt", "en"] | None, Query(description="Of the reasons")] = None
) -> str:
    return language or (await tenants.tenant(tx)).locale[:2]


Language = Annotated[str, Depends(_language)]
