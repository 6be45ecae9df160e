from __future__ import annotations

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.automation.hosting import host_among, host_for, own_host

TENANTS = [UUID(int=number * 7919) for number in range(1_000)]


@given(st.uuids(), st.lists(st.text(min_size=1), min_size=2, unique=True), st.data())
def test_a_host_that_goes_moves_only_its_own_tenants(tenant: UUID, hosts: list[str], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(hosts))
    before = host_for(tenant, hosts)
    after = host_for(tenant, [host for host in hosts if host != gone])
    assert after in hosts
    assert after != gone
    assert before in (after, gone)


@given(st.uuids(), st.permutations([str(number) for number in range(6)]))
def test_the_order_of_hosts_does_not_matter(tenant: UUID, hosts: list[str]) -> None:
    assert host_for(tenant, hosts) == host_for(tenant, sorted(hosts))


def test_a_thousand_tenants_are_spread_evenly() -> None:
    hosts = [str(number) for number in range(8)]
    shares = Counter(host_for(tenant, hosts) for tenant in TENANTS)
    assert set(shares) == set(hosts)
    # 125 expected; 4 standard deviations are 42.
    assert max(shares.values()) <= 167
    assert min(shares.values()) >= 83


def test_a_new_host_takes_its_share_and_nothing_else_moves() -> None:
    hosts = [str(number) for number in range(4)]
    moved = [t for t in TENANTS if host_for(t, hosts) != host_for(t, [*hosts, "new"])]
    assert all(host_for(tenant, [*hosts, "new"]) == "new" for tenant in moved)
    assert 140 <= len(moved) <= 260


@given(st.uuids(), st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.uuids(), max_size=3))
def test_who_has_a_host_of_its_own_is_there_and_nobody_else(
    tenant: UUID, shared: list[str], others: list[UUID]
) -> None:
    strangers = [own_host(other) for other in others if other != tenant]
    assert host_among(tenant, [*shared, *strangers, own_host(tenant)]) == own_host(tenant)
    found = host_among(tenant, [*shared, *strangers])
    assert found == (host_for(tenant, shared) if shared else None)
