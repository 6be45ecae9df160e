"""Events find their tenant's host while hosts come, leave and die; hosts are real, their processes are not."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.automation.host import AgentHost
from core.automation.hosting import Residents, host_among, own_host
from core.automation.routing import LOOK_EVERY_S, RoutedAgents
from core.kit.db import Database
from core.kit.errors import Unavailable
from core.kit.events import Event
from tests.core.automation.test_host import HOUSE, TENANTS, fact, written


class Fleet:
    """`dies_after`: a host that takes so many more events, and dies in the last after it was committed."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.took: list[tuple[str, UUID]] = []
        self.dies_after: dict[str, int] = {}
        self.db: Database | None = None
        self._hosts: dict[str, AgentHost] = {}
        self.residents: Residents = HOUSE

    async def live(self) -> list[str]:
        return list(self.names)

    async def handle(self, host: str, event: Event, resident: str) -> bool:
        if host not in self.names:
            return False
        self.took.append((host, event.tenant_id))
        if self.db is not None:
            at = self._hosts.setdefault(host, AgentHost(self.db, self.residents))
            await at.handle(event, resident)
        if host in self.dies_after:
            self.dies_after[host] -= 1
            if self.dies_after[host] == 0:
                self.names.remove(host)
                del self._hosts[host]
                return False
        return True


class Time:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    async def sleep(self, duration_s: float) -> None:
        self.slept.append(duration_s)
        self.now_s += duration_s


def routed(fleet: Fleet, time: Time | None = None) -> RoutedAgents:
    time = time or Time()
    return RoutedAgents(fleet, clock_s=lambda: time.now_s, sleep=time.sleep)


@given(
    st.lists(st.uuids(), min_size=1, max_size=8), st.sets(st.sampled_from("abcdef"), min_size=1),
    st.sets(st.sampled_from("abcdef"), min_size=1),
)  # fmt: skip
@settings(max_examples=60)
def test_only_who_must_move_moves(tenants: list[UUID], before: set[str], after: set[str]) -> None:
    fleet, time = Fleet(sorted(before)), Time()
    agents = routed(fleet, time)

    async def everybody() -> dict[UUID, str]:
        fleet.took.clear()
        for tenant in tenants:
            await agents.handle(fact(tenant))
        return {tenant: host for host, tenant in fleet.took}

    async def grow_or_shrink() -> tuple[dict[UUID, str], dict[UUID, str]]:
        was = await everybody()
        fleet.names = sorted(after)
        time.now_s += LOOK_EVERY_S
        return was, await everybody()

    was, now = asyncio.run(grow_or_shrink())
    for tenant in tenants:
        # It left a host that is gone, or went to one that is new; who could stay has stayed.
        assert was[tenant] == now[tenant] or was[tenant] not in after or now[tenant] not in before


async def test_a_tenant_with_a_host_of_its_own_shares_one_only_while_that_is_away() -> None:
    fleet, time = Fleet(["a", "b", own_host(TENANTS[0])]), Time()
    agents = routed(fleet, time)
    for tenant in TENANTS:
        await agents.handle(fact(tenant))
    assert fleet.took[0] == (own_host(TENANTS[0]), TENANTS[0])
    assert {host for host, _ in fleet.took[1:]} <= {"a", "b"}
    fleet.names.remove(own_host(TENANTS[0]))
    await agents.handle(fact(TENANTS[0]))
    assert fleet.took[-1] == (host_among(TENANTS[0], ["a", "b"]), TENANTS[0])


async def test_no_host_at_all_is_waited_for_and_then_said() -> None:
    fleet, time = Fleet([]), Time()
    with pytest.raises(Unavailable):
        await routed(fleet, time).handle(fact())
    assert 5 < sum(time.slept) < 60


async def test_hosts_that_die_grow_and_shrink_lose_and_double_nothing(db: Database) -> None:
    fleet, time = Fleet(["a", "b"]), Time()
    fleet.db = db
    agents = routed(fleet, time)
    facts = [fact(TENANTS[number % 4]) for number in range(32)]
    fleet.dies_after = {"a": 3}
    await asyncio.gather(*(agents.handle(one) for one in facts[:16]))
    fleet.names = ["b", "c", "d"]
    time.now_s += LOOK_EVERY_S
    await asyncio.gather(*(agents.handle(one) for one in facts[16:24]))
    fleet.names = ["c"]
    await asyncio.gather(*(agents.handle(one) for one in facts[24:]))
    for place, tenant in enumerate(TENANTS):
        found = await written(db, tenant)
        assert [number for number, _ in found] == list(range(8))
        assert {event_id for _, event_id in found} == {one.id for one in facts[place::4]}
