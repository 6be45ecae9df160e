"""Groups that are there are found, with their words; where there are none, the verdict says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

import numpy as np
import pytest

from core.datascience.groups import words
from core.datascience.groups.grouping import Grouping
from core.datascience.groups.profile import NAMES, Known
from core.datascience.models import verdicts
from core.kit.errors import BadAnswer
from training.customers import NotEnoughAccounts, Report, train
from training.recipes import CustomersRecipe

RECIPE = CustomersRecipe(most=3, method="kmeans")
LARGE_AND_SLOW: Mapping[str, float] = {"deals": 2, "win_share": 0.7, "log_value": 12, "cycle_days": 200, "mood": 0.5}
SMALL_AND_QUICK: Mapping[str, float] = {"deals": 9, "win_share": 0.3, "log_value": 7, "cycle_days": 12, "mood": -0.4}


def accounts(kinds: list[Mapping[str, float]], each: int = 30, *, seed: int = 1) -> list[Known]:
    """`each` accounts of each kind, with some noise; what a kind does not name is the same for all."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(each * len(kinds)):
        kind = kinds[number % len(kinds)]
        middle = np.array([kind.get(name, 1.0) for name in NAMES])
        values = middle * np.exp(rng.normal(0, 0.2, len(NAMES)))
        told = dict(zip(NAMES, values.tolist(), strict=True)) | {"objections_per_deal": None}
        found.append(Known(UUID(int=number), told, won=number % 2, closed=1))
    return found


@pytest.fixture(scope="module")
def report() -> Report:
    return train(accounts([LARGE_AND_SLOW, SMALL_AND_QUICK]), RECIPE)


def test_as_many_groups_are_found_as_there_are(report: Report) -> None:
    assert [(group.number, group.accounts) for group in report.grouping.groups] == [(1, 30), (2, 30)]
    assert report.verdict.passed, verdicts.tell(report.verdict, "en")
    assert report.metrics["stability"] > 0.9
    assert report.importance["cycle_days"] > 0.8 > report.importance["inbound_share"]


def test_a_group_is_described_by_what_sets_it_apart(report: Report) -> None:
    large = max(report.grouping.groups, key=lambda group: group.apart["log_value"])
    told = words.describe(large, 60, "en")
    assert told.startswith("30 customers (50 %): ")
    assert "long cycle" in told
    assert "large deals" in told
    assert "ciclo longo" in words.describe(large, 60, "pt")
    assert "objeções" not in words.describe(large, 60, "pt"), "nothing is known of them"
    assert words.name(large, "en")[0].isupper()


def test_it_travels_as_json_and_places_as_before(report: Report) -> None:
    raw = report.grouping.to_bytes()
    read = Grouping.from_bytes(raw)
    assert read.to_bytes() == raw == report.grouping.to_bytes()
    known = [account.values for account in accounts([LARGE_AND_SLOW, SMALL_AND_QUICK], seed=2)]
    places, certainty = read.place(known)
    assert places.tolist() == report.grouping.place(known)[0].tolist()
    assert len(set(places[::2].tolist())) == len(set(places[1::2].tolist())) == 1
    assert ((certainty > 0.1) & (certainty <= 1)).all()
    for change in ({"method": "magic"}, {"weights": [1.0]}, {"groups": []}, {"normaliser": {}}):
        with pytest.raises(BadAnswer):
            Grouping.from_bytes(json.dumps(json.loads(raw) | change).encode())


def test_a_mixture_finds_them_too(report: Report) -> None:
    mixed = train(accounts([LARGE_AND_SLOW, SMALL_AND_QUICK]), RECIPE.model_copy(update={"method": "gmm", "most": 2}))
    known = [account.values for account in accounts([LARGE_AND_SLOW, SMALL_AND_QUICK], seed=3)]
    same = mixed.grouping.place(known)[0] == report.grouping.place(known)[0]
    assert same.all() or not same.any()


def test_accounts_that_are_all_of_one_kind_are_no_groups() -> None:
    verdict = train(accounts([SMALL_AND_QUICK], 60), RECIPE).verdict
    assert not verdict.passed
    assert {check.name for check in verdict.checks if not check.passed} & {"groups_real", "groups_stable"}
    assert all("{" not in line for language in ("pt", "en") for line in verdicts.tell(verdict, language))


def test_too_few_accounts_are_refused() -> None:
    with pytest.raises(NotEnoughAccounts, match="at least 30"):
        train(accounts([LARGE_AND_SLOW], 29), RECIPE)
