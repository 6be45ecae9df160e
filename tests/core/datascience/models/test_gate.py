"""The gate: what passes, what does not, and that it says why in both languages."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from core.datascience.models.gate import Candidate, Cost, HeldOut, Limits, Verdict, decide
from core.datascience.models.verdicts import SAID, say, tell

DEALS, MOMENTS = 300, 3
CHEAP = Cost(p95_ms=2.0, memory_mib=30.0)


def world(seed: int = 1) -> tuple[HeldOut, Any]:
    """Held-out rows, and the true odds of each."""
    rng = np.random.default_rng(seed)
    truth = np.clip(rng.beta(1.2, 1.8, DEALS), 0.02, 0.98)
    deal = np.repeat(np.arange(DEALS), MOMENTS)
    won = (rng.random(DEALS) < truth).astype(float)
    return HeldOut(won[deal], deal, base_rate=0.4), truth[deal]


def blurred(truth: Any, by: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    odds = np.log(truth / (1 - truth)) + rng.normal(0, by, DEALS)[np.repeat(np.arange(DEALS), MOMENTS)]
    shrunk = odds / (1 + by**2 / 3)
    return 1 / (1 + np.exp(-shrunk))


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.passed}


def test_a_first_good_model_passes_against_the_base_rate() -> None:
    rows, truth = world()
    verdict = decide(Candidate(blurred(truth, 0.5, 2), 900, CHEAP), None, rows)
    assert verdict.passed
    assert {check.name for check in verdict.checks} == {
        "enough_data", "no_leak", "better_than_base_rate", "calibrated", "fast_enough", "small_enough",
    }  # fmt: skip


def test_a_first_model_that_knows_nothing_does_not() -> None:
    rows, _ = world()
    said = np.random.default_rng(1).normal(0.4, 0.01, len(rows.won))
    assert "better_than_base_rate" in failed(decide(Candidate(said, 900, CHEAP), None, rows))


def test_a_clearly_better_one_replaces_the_champion_and_a_worse_one_does_not() -> None:
    rows, truth = world()
    good, bad = blurred(truth, 0.2, 3), blurred(truth, 2.5, 4)
    assert decide(Candidate(good, 900, CHEAP), bad, rows).passed
    assert failed(decide(Candidate(bad, 900, CHEAP), good, rows)) >= {"better_than_champion"}


def test_the_champion_itself_is_not_better_than_itself() -> None:
    rows, truth = world()
    assert failed(decide(Candidate(truth, 900, CHEAP), truth, rows)) == {"better_than_champion"}


def test_one_that_is_no_better_seldom_passes() -> None:
    """Equal by construction: at most 5 %, and of 200 tries .09 is passed once in a hundred runs."""
    passed = 0
    for seed in range(200):
        rows, truth = world(seed)
        verdict = decide(
            Candidate(blurred(truth, 0.6, 1000 + seed), 900, CHEAP), blurred(truth, 0.6, 5000 + seed), rows
        )
        passed += verdict.passed
    assert passed / 200 < 0.09


def test_better_in_order_but_worse_in_odds_is_not_better() -> None:
    rows, truth = world()
    champion, sharp = blurred(truth, 0.8, 5), np.where(truth > 0.5, 0.999, 0.001) * 0.9 + truth * 0.1
    verdict = decide(Candidate(sharp, 900, CHEAP), champion, rows)
    assert {"better_than_champion", "calibrated"} <= failed(verdict)


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"cost": None}, {"fast_enough", "small_enough"}),
        ({"cost": Cost(51.0, 30.0)}, {"fast_enough"}),
        ({"cost": Cost(2.0, 257.0)}, {"small_enough"}),
        ({"leaks": ("closed_reason",)}, {"no_leak"}),
        ({"deals": 199}, {"enough_data"}),
    ],
)
def test_one_condition_that_does_not_hold_is_enough(changed: dict[str, Any], because: set[str]) -> None:
    rows, truth = world()
    given = {"said": blurred(truth, 0.3, 6), "deals": 900, "cost": CHEAP} | changed
    assert failed(decide(Candidate(**given), None, rows)) == because


def test_odds_that_lie_are_refused_and_those_that_are_only_few_are_not() -> None:
    rows, truth = world()
    assert "calibrated" in failed(decide(Candidate(truth**2, 900, CHEAP), None, rows))
    few = rows.deal < 60
    part = HeldOut(rows.won[few], rows.deal[few], rows.base_rate)
    assert "calibrated" not in failed(decide(Candidate(truth[few], 900, CHEAP), None, part))


def test_too_few_held_out_deals_decide_nothing() -> None:
    rows, truth = world()
    few = rows.deal < 25
    part = HeldOut(rows.won[few], rows.deal[few], rows.base_rate)
    assert failed(decide(Candidate(truth[few], 900, CHEAP), None, part)) == {"enough_data"}


def test_limits_are_given() -> None:
    rows, truth = world()
    strict = Limits(most_p95_ms=1.0, least_deals=1000)
    assert failed(decide(Candidate(truth, 1000, CHEAP), None, rows, strict)) == {"fast_enough"}


@pytest.mark.parametrize("language", ["pt", "en"])
def test_a_verdict_is_told_in_both_languages_and_survives_json(language: str) -> None:
    rows, truth = world()
    verdicts = [
        decide(Candidate(blurred(truth, 0.3, 6), 900, CHEAP), None, rows),
        decide(Candidate(blurred(truth, 2.5, 6), 900, None, ("a", "b")), truth, rows),
        decide(Candidate(truth, 10, None), None, rows),
    ]
    for verdict in verdicts:
        again = Verdict.from_json(json.loads(json.dumps(verdict.to_json())))
        assert again == verdict
        told = tell(json.loads(json.dumps(verdict.to_json())), language)
        assert len(told) == 1 + len(verdict.checks)
        assert all("{" not in line and line for line in told)
        assert told[0] == {
            ("pt", True): "Pode ser promovido.", ("pt", False): "Não pode ser promovido.",
            ("en", True): "It may be promoted.", ("en", False): "It may not be promoted.",
        }[language, verdict.passed]  # fmt: skip
    refused = tell(verdicts[1], language)
    against = [say(check, language) for check in verdicts[1].checks if not check.passed]
    assert refused[1 : 1 + len(against)] == against


def test_every_check_has_its_words() -> None:
    rows, truth = world()
    made = [decide(Candidate(truth, 900, CHEAP), other, rows) for other in (None, truth)]
    told = {check.name for verdict in made for check in verdict.checks}
    assert told == {name for name in SAID if not name.startswith("groups_")}  # those are for groups of customers
