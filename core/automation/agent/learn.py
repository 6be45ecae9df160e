"""Which texts and which times of day get an answer: a bandit by Thompson sampling (Thompson, 1933; Russo et al., A
Tutorial on Thompson Sampling, 2018).

Each arm is a Beta distribution of how often it does well. A choice draws one number from each, by a seed, and takes
the arm with the largest: so what is known little is tried, and what is known to be bad no longer. The same history and
the same seed give the same choice.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import yaml

from core.settings import configs_dir

Dimension = Literal["template", "hour"]
Happening = Literal["approved", "edited", "dismissed", "answered", "silent"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One thing that may be chosen. `context`: for what, that is the usual template, or the kind of task."""

    dimension: Dimension
    context: str
    name: str


@dataclass(frozen=True, slots=True)
class Learning:
    """`templates`: the one that usually fits → those that may be tried, itself first. `hours` of the company's day, the
    usual first. `rewards`: what happened → how much it speaks for an arm, and against it. `prior`: the same before
    anything happened, for the usual arm and for others. A customer has `answer_days` working days for his answer."""

    templates: Mapping[str, Sequence[str]]
    hours: Sequence[int]
    rewards: Mapping[str, tuple[float, float]]
    prior_usual: tuple[float, float]
    prior_other: tuple[float, float]
    answer_days: int

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Learning:
        rewards = {name: _pair(both) for name, both in raw["rewards"].items()}
        prior = raw["prior"]
        return cls(
            raw["templates"], tuple(raw["hours"]), rewards, _pair(prior["usual"]), _pair(prior["other"]),
            int(raw["answer_days"]),
        )  # fmt: skip

    def arms(self, dimension: Dimension, context: str) -> list[Arm]:
        """The usual one first."""
        names = self.templates.get(context, [context]) if dimension == "template" else map(str, self.hours)
        return [Arm(dimension, context, name) for name in names]


def _pair(both: Sequence[float]) -> tuple[float, float]:
    won, lost = both
    return float(won), float(lost)


@functools.cache
def default_learning() -> Learning:
    raw = yaml.safe_load((configs_dir() / "automation.yaml").read_text("utf-8"))
    return Learning.read(raw["learning"])


class Learned:
    """What one company's agent has learned: a cache of its rows in `agent_arms`."""

    def __init__(self, known: Iterable[tuple[Arm, float, float]] = (), table: Learning | None = None) -> None:
        self.table = table or default_learning()
        self._counts = {arm: (won, lost) for arm, won, lost in known}

    def choose(self, dimension: Dimension, context: str, seed: UUID) -> str:
        arms = self.table.arms(dimension, context)
        if len(arms) == 1:
            return arms[0].name
        chance = random.Random(f"{seed}:{dimension}")
        drawn = [(chance.betavariate(*self.posterior(arm)), -place) for place, arm in enumerate(arms)]
        return arms[-max(drawn)[1]].name

    def reward(self, arm: Arm, happened: Happening) -> tuple[float, float]:
        """Learn from it; returns what is to be added to the arm's row."""
        won, lost = self.table.rewards[happened]
        before = self._counts.get(arm, (0.0, 0.0))
        self._counts[arm] = (before[0] + won, before[1] + lost)
        return won, lost

    def posterior(self, arm: Arm) -> tuple[float, float]:
        """The two parameters of its Beta distribution."""
        usual = arm == self.table.arms(arm.dimension, arm.context)[0]
        prior = self.table.prior_usual if usual else self.table.prior_other
        won, lost = self._counts.get(arm, (0.0, 0.0))
        return prior[0] + won, prior[1] + lost

    def share(self, arm: Arm) -> float:
        """How often it is thought to do well."""
        won, lost = self.posterior(arm)
        return won / (won + lost)

    def known(self) -> dict[Arm, tuple[float, float]]:
        return dict(self._counts)
