"""Open deals teach what a model says of them, never what became of them, and only where that helps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from core.forecasting.features import DealHistory
from training import open_deals, recipes
from training.algorithms import Table
from training.backtest import choose, open_rows
from training.backtest.columns import Deals
from training.data import Data, parts, prepare
from training.open_deals import labelled
from training.recipes import ForecastingRecipe, OpenDeals
from training.run import Run
from training.simulated_pipeline import simulate

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


def table(margin: Sequence[float]) -> Table:
    """Rows whose only feature is what a model says of them."""
    x = np.array(margin, np.float32)[:, None]
    return Table(x, (x[:, 0] > 0).astype(float), np.full(len(x), 0.5), np.arange(len(x), dtype=float), ("said",))


def said(rows: Table) -> np.ndarray:
    return rows.x[:, 0].astype(float)


@pytest.fixture(scope="module")
def newer() -> Table:
    rng = np.random.default_rng(1)
    made = table(rng.normal(0, 3, 2_000).tolist())
    return dataclasses.replace(made, y=(rng.random(2_000) < 1 / (1 + np.exp(-said(made)))).astype(float))


def test_only_rows_of_which_the_model_is_sure_get_an_outcome(newer: Table) -> None:
    found = labelled(said, table([-9, -1, 0.5, 9]), OpenDeals(use=True, sure=0.9, weight=0.4), newer)
    assert (found.y.tolist(), found.weight.tolist()) == ([0.0, 1.0], [0.2, 0.2])
    assert said(found).tolist() == [-9, 9]


def test_what_is_expected_shares_the_weight_of_a_row(newer: Table) -> None:
    found = labelled(said, table([0.0, 2.0]), OpenDeals(use=True, way="expected", weight=0.4), newer)
    assert found.y.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert (found.weight[:2] + found.weight[2:]).tolist() == pytest.approx([0.2, 0.2])
    assert found.weight[1] / 0.2 == pytest.approx(1 / (1 + np.exp(-2)), abs=0.05)


def made(histories: Sequence[DealHistory]) -> tuple[Data, ForecastingRecipe]:
    plain = recipes.forecasting()
    recipe = plain.model_copy(update={"open_deals": OpenDeals(use=True, way="expected")})
    return prepare(histories, recipe, least=100, until=UNTIL), recipe


def test_the_outcome_of_a_deal_that_was_open_then_is_not_looked_at() -> None:
    histories = [deal.history for deal in simulate(deals=300, until=UNTIL, seed=5)]
    data, recipe = made(histories)
    part = parts(data, recipe)
    then = datetime.fromtimestamp(part.fitted_at_s, UTC)
    turned = [
        dataclasses.replace(h, won=not h.won) if h.closed_at and h.closed_at > then and h.opened_at < then else h
        for h in histories
    ]
    other, _ = made(turned)
    rows = [open_deals.open_at(one, part.fitted_at_s) for one in (data, other)]
    assert len(rows[0].y) > 50
    assert np.isnan(rows[0].y).all()
    assert np.array_equal(rows[0].x, rows[1].x, equal_nan=True)
    how = recipes.of("logistic")
    tried = open_deals.try_them(data, part, how, recipe, Run())
    assert tried.used == 2 * len(rows[0].y)
    assert tried.with_open.files != tried.plain.files


@pytest.mark.parametrize("seed", [5, 6])
def test_they_teach_where_newer_deals_say_that_it_helps_and_only_there(seed: int) -> None:
    data, recipe = made([deal.history for deal in simulate(deals=300, until=UNTIL, seed=seed)])
    part, how = parts(data, recipe), recipes.of("logistic")
    tried = open_deals.try_them(data, part, how, recipe, Run())
    taught = open_deals.taught(data, part, how, recipe, Run())
    helps = tried.better >= open_deals.LEAST_Z
    assert (taught.used > 0, taught.first.files) == (helps, (tried.with_open if helps else tried.plain).files)
    assert len(taught.last.y) == part.learn.sum() + taught.used


def test_a_table_says_whether_its_open_rows_would_help() -> None:
    rng = np.random.default_rng(3)
    at = np.sort(rng.uniform(0, 1_000, 900))
    size = rng.normal(size=900)
    won = (rng.random(900) < 1 / (1 + np.exp(-size))).astype(float)
    deals = Deals(won, at, at + 60, at + 60, {}, {}, {"size": size}, {}, True)
    how = {name: {**recipes.of(name).how(), "rounds": 5} for name in choose.MEMBERS}
    trial = choose.try_all(deals, 800.0, how)
    found = open_rows.try_them(deals, 800.0, trial, how, OpenDeals(way="expected"))
    assert found.used > 100
    for before, after in (found.older, found.newest):
        assert before == pytest.approx(after, abs=0.05)
    assert found.help is (found.better >= open_deals.LEAST_Z)
