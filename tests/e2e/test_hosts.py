"""Tenant hosts come and leave while their tenants work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from actors.tenant_host import live_hosts, reports, scale_hosts
from cluster.local import predictor
from tests.e2e.house import House, User

pytestmark = pytest.mark.cluster


def test_more_and_fewer_hosts_hold_the_same_tenants(house: House) -> None:
    users = [house.tenant() for _ in range(3)]
    for round_, count in enumerate((3, 1), start=1):
        names = [str(number) for number in range(count)]
        assert scale_hosts(house.settings, predictor(), count, num_cpus=0.05) == names
        assert sorted(live_hosts()) == names
        for user in users:
            user.deal()
        # Of each deal: that it was opened, and its odds.
        assert handled(house, users, at_least=2 * round_) == [2 * round_] * 3
    [report] = reports()
    assert report.tenants >= 3
    assert 0 < report.memory_bytes < 1 << 30


def test_an_operator_sees_the_hosts_and_has_more_of_them(house: House) -> None:
    house.tenant().deal()
    assert _command("hosts", "scale", "2", "--address", house.cluster.address).count("tenants awake") == 2
    assert sorted(live_hosts()) == ["0", "1"]
    listed = _command("hosts", "list", "--address", house.cluster.address).splitlines()
    assert [line.split()[0] for line in listed] == ["0", "1"]
    scale_hosts(house.settings, predictor(), 1, num_cpus=0.05)


def _command(*words: str) -> str:
    """What `salesedge` says, in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "cluster", *words], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def handled(house: House, users: Sequence[User], *, at_least: int) -> list[int]:
    """How many events the agent of each took, once it is so many."""
    query = "SELECT count(*) FROM handled_events WHERE tenant_id = %s AND resident = 'agent'"
    return [house.soon(query, user.tenant_id, at_least=at_least) for user in users]
