"""The bandit alone: foreseeable by its seed, and better than chance as soon as it has seen something."""

from __future__ import annotations

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.automation.agent.learn import Arm, Happening, Learned, default_learning

TEMPLATES, HOURS = {"follow_up": 0.5, "meeting_recap": 0.8}, {"9": 0.3, "11": 0.4, "14": 0.7, "16": 0.5}
"""How well each would do if customers were like this: an answer comes with the product of both."""
BEST = max(TEMPLATES.values()) * max(HOURS.values())
ROUNDS = 1_200


def choice(learned: Learned, seed: UUID) -> tuple[Arm, Arm]:
    template = learned.choose("template", "follow_up", seed)
    hour = learned.choose("hour", "send_email", seed)
    return Arm("template", "follow_up", template), Arm("hour", "send_email", hour)


def regrets(world: int, *, learns: bool) -> list[float]:
    """What each round loses against the best choice; the world answers by a chance of its own."""
    learned, chance, found = Learned(), random.Random(world), []
    for number in range(ROUNDS):
        seed = UUID(int=(world << 64) + number)
        template, hour = choice(learned, seed)
        share = TEMPLATES[template.name] * HOURS[hour.name]
        found.append(BEST - share)
        happened: Happening = "answered" if chance.random() < share else "silent"
        if learns:
            for arm in (template, hour):
                learned.reward(arm, happened)
    return found


def uniform(world: int) -> float:
    chance = random.Random(world)
    chosen = [TEMPLATES[chance.choice([*TEMPLATES])] * HOURS[chance.choice([*HOURS])] for _ in range(ROUNDS)]
    return sum(BEST - share for share in chosen)


def test_it_learns_and_its_regret_falls_against_chance() -> None:
    worlds = range(1, 9)
    learnt = [regrets(world, learns=True) for world in worlds]
    by_chance = [uniform(world) for world in worlds]
    assert all(sum(one) < 0.75 * other for one, other in zip(learnt, by_chance, strict=True))
    third = ROUNDS // 3
    first, last = (sum(sum(one[part]) for one in learnt) for part in (slice(third), slice(-third, None)))
    assert last < 0.5 * first, "it gets better"
    assert last < 0.35 * sum(by_chance) / 3, "and is far from chance in the end"


def test_who_does_not_learn_stays_as_bad_as_he_was() -> None:
    found = regrets(1, learns=False)
    third = ROUNDS // 3
    assert sum(found[-third:]) > 0.7 * sum(found[:third])


@given(st.uuids(), st.lists(st.sampled_from(["approved", "edited", "dismissed", "answered", "silent"]), max_size=20))
def test_the_same_history_and_seed_give_the_same_choice_after_a_restart_too(seed: UUID, said: list[Happening]) -> None:
    lived, rows = Learned(), dict[Arm, tuple[float, float]]()
    for number, happened in enumerate(said):
        for arm in choice(lived, UUID(int=number)):
            won, lost = lived.reward(arm, happened)
            before = rows.get(arm, (0.0, 0.0))
            rows[arm] = (before[0] + won, before[1] + lost)
    restored = Learned((arm, *counts) for arm, counts in rows.items())
    assert restored.known() == lived.known()
    assert choice(restored, seed) == choice(lived, seed)


@given(st.uuids(), st.sampled_from(["follow_up", "objection", "re_engage", "proposal"]))
def test_only_what_may_be_tried_is_chosen(seed: UUID, usual: str) -> None:
    table = default_learning()
    assert Learned().choose("template", usual, seed) in table.templates.get(usual, [usual])
    assert int(Learned().choose("hour", "send_email", seed)) in table.hours


@pytest.mark.parametrize(("happened", "way"), [("dismissed", -1), ("silent", -1), ("approved", 1), ("answered", 1)])
def test_what_happens_moves_the_share_of_the_arm_alone(happened: Happening, way: int) -> None:
    learned, arm = Learned(), Arm("template", "follow_up", "follow_up")
    other = Arm("template", "follow_up", "meeting_recap")
    before = learned.share(arm), learned.share(other)
    learned.reward(arm, happened)
    assert way * (learned.share(arm) - before[0]) > 0
    assert learned.share(other) == before[1]


def test_each_context_learns_for_itself() -> None:
    learned = Learned()
    for _ in range(50):
        learned.reward(Arm("template", "objection", "follow_up"), "answered")
    assert learned.posterior(Arm("template", "follow_up", "follow_up")) == default_learning().prior_usual
