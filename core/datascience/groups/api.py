"""Groups of customers: what there is, and where one belongs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Request

from core.datascience.features import repository as features
from core.datascience.features.definitions import ACCOUNT_GROUP
from core.datascience.features.kinds import Entity
from core.datascience.features.row import Key
from core.datascience.features.schemas import Words
from core.datascience.groups import words
from core.datascience.groups.grouping import CONTEXT, Group, Grouping
from core.datascience.groups.schemas import AccountGroupOut, GroupOut, GroupsOut, TraitOut
from core.datascience.models import repository as models
from core.datascience.models import versions
from core.datascience.models.model import ModelVersion
from core.datascience.models.pointers import CHAMPION, Scope
from core.kit.db import Tx
from core.kit.errors import NotFound
from core.kit.web import CurrentTx, TenantRoute, allow
from core.ports import ObjectStore

router = APIRouter(prefix="/v1/insights", tags=["groups"], route_class=TenantRoute)
SEE = allow("can_view_forecasts")


@router.get("/groups", dependencies=[SEE], summary="Groups of customers that are alike, the largest first")
async def list_groups(tx: CurrentTx, request: Request) -> GroupsOut:
    row, grouping = await _champion(tx, request.app.state.services.objects)
    accounts = sum(group.accounts for group in grouping.groups)
    return GroupsOut(
        model_id=row.id, version=row.version, method=grouping.method, learnt_until=row.learnt_until, accounts=accounts,
        silhouette=row.metrics["silhouette"], stability=row.metrics["stability"],
        groups=[_shown(grouping, group) for group in grouping.groups],
    )  # fmt: skip


@router.get("/groups/accounts/{account_id}", dependencies=[SEE], summary="The group that a customer belongs to")
async def read_group(account_id: UUID, tx: CurrentTx, request: Request) -> AccountGroupOut:
    services = request.app.state.services
    if not await features.there(tx, Entity.ACCOUNT, [account_id]):
        raise NotFound("There is no such account.")
    _, grouping = await _champion(tx, services.objects)
    [stored] = await services.features.read(tx.tenant_id, [Key(ACCOUNT_GROUP, account_id)])
    if stored is None:
        raise NotFound("This account is in no group yet: it had no deals when they were made. Train them again.")
    # By who answers now: the store may hold what the version before said of the same profile.
    [place], [certainty] = grouping.place([stored.values])
    stale = tx.clock.now() - stored.event_at > timedelta(days=ACCOUNT_GROUP.fresh_days)
    return AccountGroupOut(
        account_id=account_id, group=_shown(grouping, grouping.groups[int(place)]), certainty=float(certainty),
        at=stored.event_at, stale=stale,
    )  # fmt: skip


async def _champion(tx: Tx, objects: ObjectStore) -> tuple[ModelVersion, Grouping]:
    row = await models.bearer(tx, CONTEXT, Scope.of_tenant(tx.tenant_id), CHAMPION)
    if row is None:
        raise NotFound("There are no groups of customers yet. `salesedge train customers` makes them.")
    return row, await asyncio.to_thread(Grouping.from_bytes, await versions.bundle_of(objects, row))


def _shown(grouping: Grouping, group: Group) -> GroupOut:
    of = sum(one.accounts for one in grouping.groups)
    ordered = sorted(group.apart.items(), key=lambda pair: -abs(pair[1]))
    return GroupOut(
        number=group.number, name=Words(pt=words.name(group, "pt"), en=words.name(group, "en")),
        description=Words(pt=words.describe(group, of, "pt"), en=words.describe(group, of, "en")),
        accounts=group.accounts, closed_deals=group.closed, win_rate=group.win_rate,
        profile=[_trait(grouping, group, name, apart) for name, apart in ordered],
    )  # fmt: skip


def _trait(grouping: Grouping, group: Group, name: str, apart: float) -> TraitOut:
    feature = ACCOUNT_GROUP.feature(name)
    return TraitOut(
        feature=name, description=Words(pt=feature.pt, en=feature.en), group=group.profile[name],
        everybody=grouping.everybody[name], apart=apart,
    )  # fmt: skip
