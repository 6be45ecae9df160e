"""Groups of customers that are alike: k-means or a Gaussian mixture over what is known of each account.

How many groups is chosen by two things: how far they lie apart (silhouette, Rousseeuw, 1987), among those choices that
find the same groups in other samples of the accounts (Ben-Hur, Elisseeff and Guyon, 2002; agreement by the adjusted
Rand index). Anything can be cut into groups, so it is asked last whether these lie further apart than in accounts whose
numbers were shuffled, column by column, so that nothing goes with anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.datascience.features.definitions import ACCOUNT_GROUP
from core.datascience.features.normalise import Normaliser
from core.datascience.groups.grouping import Group, Grouping, Method, inputs, nearest
from core.datascience.groups.profile import NAMES, Known, read
from core.datascience.models.gate import Check, Verdict
from core.kit.errors import Conflict
from training.recipes import CustomersRecipe
from training.run import Tell, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

LEAST_GROUP = 5
LEAST_SHARE = 0.02
"""Of all accounts: what is smaller is a handful of strangers and no group."""
LEAST_STABILITY = 0.75
SAMPLES = 8
SAMPLED = 0.8
SHUFFLES = 39
"""The least p that so many can show is 1 in 40."""
MOST_P = 0.05
_TRIES = 3
_MOST_ROWS = 1_000
"""Of a silhouette, which compares each with each."""


class NotEnoughAccounts(Conflict):
    """Fewer accounts with deals than groups can be found among."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What one method made of the accounts. `centres`, `spreads` (groups, columns) and `weights` (groups,)."""

    method: Method
    centres: Floats
    spreads: Floats
    weights: Floats

    def places(self, x: Floats) -> Places:
        return nearest(self.method, x, self.centres, self.spreads, self.weights)[0]


@dataclass(frozen=True, slots=True)
class Choice:
    """One number of groups by one method, and what was measured of it."""

    cut: Cut
    silhouette: float
    stability: float

    @property
    def groups(self) -> int:
        return len(self.cut.weights)


@dataclass(frozen=True, slots=True)
class Report:
    """`importance`: the share of a feature's spread that lies between groups and not within them."""

    grouping: Grouping
    verdict: Verdict
    choices: tuple[Choice, ...]  # the chosen one first
    importance: Mapping[str, float]
    accounts: int
    deals: int
    fingerprint: str

    @property
    def metrics(self) -> dict[str, float]:
        best, facts = self.choices[0], self.verdict.checks[-1].facts
        return {
            "silhouette": best.silhouette, "stability": best.stability, "groups": float(best.groups),
            "accounts": float(self.accounts), "shuffled": float(facts["shuffled"]), "p": float(facts["p"]),
        }  # fmt: skip

    def tables(self) -> dict[str, bytes]:
        """For MLflow: what was tried, and the groups."""
        tried = ["method,groups,silhouette,stability"]
        tried += [f"{c.cut.method},{c.groups},{c.silhouette:.4f},{c.stability:.4f}" for c in self.choices]
        groups = json.loads(self.grouping.to_bytes())["groups"]
        return {"choices.csv": "\n".join(tried).encode(), "groups.json": json.dumps(groups, indent=1).encode()}


def train(accounts: Sequence[Known], recipe: CustomersRecipe, tell: Tell = silent) -> Report:
    """Raises `NotEnoughAccounts`. Whether the groups may be shown is the verdict's word."""
    from threadpoolctl import threadpool_limits

    if len(accounts) < max(recipe.least_accounts, 2 * LEAST_GROUP):
        raise NotEnoughAccounts(
            f"Groups take at least {recipe.least_accounts} customers with deals; there are {len(accounts)}."
        )
    # One thread: with two on two busy cores each fit takes several times as long.
    with threadpool_limits(1):
        return _train(accounts, recipe, tell)


def _train(accounts: Sequence[Known], recipe: CustomersRecipe, tell: Tell) -> Report:
    import numpy as np

    values = [account.values for account in accounts]
    normaliser = Normaliser.fit(ACCOUNT_GROUP, [read(row) for row in values], NAMES)
    x = inputs(normaliser, values)
    rng = np.random.default_rng(recipe.seed)
    choices = _choices(x, recipe, rng, tell)
    best = choices[0]
    tell("comparing with chance", 0.8)
    shuffled = [
        _silhouette(noise, _fit(best.cut.method, noise, best.groups, recipe.seed).places(noise), recipe.seed)
        for noise in (rng.permuted(x, axis=0) for _ in range(SHUFFLES))
    ]
    checks = _checks(len(accounts), recipe, best, shuffled)
    places = best.cut.places(x)
    grouping = _grouping(normaliser, best.cut, places, accounts, x)
    seen = hashlib.sha256(x.tobytes() + "".join(str(a.account_id) for a in accounts).encode()).hexdigest()[:16]
    return Report(
        grouping, Verdict(checks), choices, _importance(x, places, _columns(normaliser)), len(accounts),
        int(sum(account.values["deals"] or 0 for account in accounts)), seen,
    )  # fmt: skip


def _choices(x: Floats, recipe: CustomersRecipe, rng: np.random.Generator, tell: Tell) -> tuple[Choice, ...]:
    """The chosen one first: of the stable ones that whose groups lie furthest apart, else the most stable."""
    methods: tuple[Method, ...] = ("kmeans", "gmm") if recipe.method == "best" else (recipe.method,)
    wanted = [(method, groups) for method in methods for groups in range(recipe.fewest, recipe.most + 1)]
    found = []
    for number, (method, groups) in enumerate(wanted):
        tell("trying numbers of groups", 0.05 + 0.7 * number / len(wanted))
        cut = _fit(method, x, groups, recipe.seed)
        places = cut.places(x)
        if len(x) >= groups and _smallest(places, groups) >= max(LEAST_GROUP, LEAST_SHARE * len(x)):
            found.append(Choice(cut, _silhouette(x, places, recipe.seed), _stability(x, cut, places, rng)))
    if not found:
        raise NotEnoughAccounts(
            f"No way to cut the customers leaves {LEAST_GROUP} in each group. Wait for more of them."
        )
    stable = [choice for choice in found if choice.stability >= LEAST_STABILITY]
    best = max(stable, key=lambda c: c.silhouette) if stable else max(found, key=lambda c: c.stability)
    return (best, *(choice for choice in found if choice is not best))


def _fit(method: Method, x: Floats, groups: int, seed: int) -> Cut:
    """Centres in the order of how many accounts they have, the most first."""
    import numpy as np

    if method == "kmeans":
        from sklearn.cluster import KMeans

        means = KMeans(groups, n_init=_TRIES, random_state=seed).fit(x)
        centres, sizes = means.cluster_centers_, np.bincount(means.labels_, minlength=groups)
        spreads, weights = np.ones_like(centres), sizes / len(x)
    else:
        from sklearn.mixture import GaussianMixture

        # Without a floor a column of which a group knows nothing draws all of it to one point.
        mixture = GaussianMixture(groups, covariance_type="diag", reg_covar=0.05, n_init=_TRIES, random_state=seed).fit(
            x
        )
        centres, spreads, weights = mixture.means_, mixture.covariances_, mixture.weights_
    order = np.argsort(-weights, kind="stable")
    return Cut(method, centres[order], spreads[order], weights[order])


def _smallest(places: Places, groups: int) -> int:
    import numpy as np

    return int(np.bincount(places, minlength=groups).min())


def _silhouette(x: Floats, places: Places, seed: int) -> float:
    """-1 where everything fell into one group."""
    from sklearn.metrics import silhouette_score

    if len(set(places.tolist())) < 2:
        return -1.0
    return float(silhouette_score(x, places, sample_size=min(len(x), _MOST_ROWS), random_state=seed))


def _stability(x: Floats, cut: Cut, places: Places, rng: np.random.Generator) -> float:
    """Mean adjusted Rand index between these groups and those found among a part of the accounts."""
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    groups, found = len(cut.weights), []
    for number in range(SAMPLES):
        some = rng.choice(len(x), round(SAMPLED * len(x)), replace=False)
        found.append(adjusted_rand_score(places, _fit(cut.method, x[some], groups, number).places(x)))
    return float(np.mean(found))


def _checks(accounts: int, recipe: CustomersRecipe, best: Choice, shuffled: Sequence[float]) -> tuple[Check, ...]:
    import numpy as np

    p = (1 + sum(by_chance >= best.silhouette for by_chance in shuffled)) / (1 + len(shuffled))
    stable = {"stability": round(best.stability, 3), "least": LEAST_STABILITY}
    apart = {"silhouette": round(best.silhouette, 3), "shuffled": round(float(np.mean(shuffled)), 3), "p": round(p, 3)}
    return (
        Check("groups_enough", True, {"accounts": accounts, "least": recipe.least_accounts}),
        Check("groups_stable", best.stability >= LEAST_STABILITY, stable),
        Check("groups_real", p <= MOST_P, apart),
    )


def _grouping(normaliser: Normaliser, cut: Cut, places: Places, accounts: Sequence[Known], x: Floats) -> Grouping:
    import numpy as np

    names, middle = _columns(normaliser), x.mean(axis=0)
    groups = []
    for number in range(len(cut.weights)):
        here = np.flatnonzero(places == number)
        mine = [accounts[int(place)] for place in here]
        apart = dict(zip(names, (x[here].mean(axis=0) - middle).round(4).tolist(), strict=True))
        groups.append(
            Group(
                number + 1, len(mine), sum(a.won for a in mine), sum(a.closed for a in mine), _mean(mine), apart
            )
        )  # fmt: skip
    return Grouping(cut.method, normaliser, cut.centres, cut.spreads, cut.weights, tuple(groups), _mean(accounts))


def _mean(accounts: Sequence[Known]) -> dict[str, float | None]:
    """Of what is known of each, None where nothing is of any."""

    def of(name: str) -> float | None:
        found = [value for account in accounts if (value := account.values[name]) is not None]
        return round(sum(found) / len(found), 4) if found else None

    return {name: of(name) for name in NAMES}


def _columns(normaliser: Normaliser) -> list[str]:
    return [name for name in normaliser.columns if not name.endswith(":unknown")]


def _importance(x: Floats, places: Places, names: Sequence[str]) -> dict[str, float]:
    import numpy as np

    within = np.zeros(x.shape[1])
    for number in np.unique(places):
        here = x[places == number]
        within += ((here - here.mean(axis=0)) ** 2).sum(axis=0)
    whole = ((x - x.mean(axis=0)) ** 2).sum(axis=0)
    share = np.where(whole > 0, 1 - within / np.maximum(whole, 1e-12), 0.0)
    return dict(zip(names, share.round(4).tolist(), strict=True))
