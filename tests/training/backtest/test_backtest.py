"""Backtests of small tables made here: what is there is found, nothing looks ahead, and leaks are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datascience.models.calibration import Calibration, Following, sigmoid
from training.backtest import intervals
from training.backtest.columns import BadTable, ColumnMap, Deals, from_frame, map_named, read_map
from training.backtest.encode import PULL, before, encode, target
from training.backtest.follow import follow
from training.backtest.leaks import suspects
from training.backtest.run import backtest
from training.backtest.show import lines, run

MAP: dict[str, Any] = {
    "outcome": {"column": "end", "won": ["won"], "lost": ["lost"]},
    "order": {"date": "opened"},
    "known": {"days": 10},
    "categories": ["seller", "product"],
    "numbers": ["size"],
    "dates": ["opened"],
    "quantity": {"name": "amount", "column": "amount"},
}


def frame(rows: int = 1_500, seed: int = 1, signal: float = 1.5) -> pd.DataFrame:
    """Sellers differ, size matters, and half-way through all deals become harder."""
    rng = np.random.default_rng(seed)
    seller, size = rng.integers(0, 6, rows), rng.normal(size=rows)
    harder = np.where(np.arange(rows) > rows / 2, 1.0, 0.0)
    won = rng.uniform(size=rows) < sigmoid(signal * (0.6 * size + seller * 0.6 - 1.5) - harder)
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(rows) // 4, unit="D")
    return pd.DataFrame({
        "end": np.where(won, "won", "lost"), "opened": days.astype(str), "seller": [f"s{s}" for s in seller],
        "product": rng.choice(["a", "b", "c"], rows), "size": size,
        "amount": np.exp(rng.normal(8 + seller / 2, 0.5)),
    })  # fmt: skip


def deals(table: pd.DataFrame, **changed: Any) -> Deals:
    return from_frame(table, ColumnMap.model_validate(MAP | changed))


def test_it_finds_what_is_there_and_keeps_its_promises() -> None:
    report = backtest(deals(frame()), ColumnMap.model_validate(MAP), only_best=True)
    best = report.models[0]
    assert (report.learnt, report.measured) == (1_200, 300)
    assert best.followed["auc"] > 0.75
    assert best.followed["ece"] < 0.1
    assert report.quantity is not None
    assert 0.82 < report.quantity.adaptive < 0.97
    assert any("(chosen)" in line for line in lines(report))


def test_where_nothing_is_there_nothing_is_found() -> None:
    report = backtest(deals(frame(signal=0.0)), ColumnMap.model_validate(MAP), only_best=True)
    assert 0.4 < report.models[0].frozen["auc"] < 0.6


# ── nothing looks ahead ──────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 60), st.integers(0, 999), st.sampled_from([None, 7.0]))
def test_features_of_a_row_do_not_change_with_what_was_unknown_before_it(
    rows: int, seed: int, half_life: float | None
) -> None:
    rng = np.random.default_rng(seed)
    table = frame(80, seed)
    first = deals(table)
    moment = float(first.at[rows])
    turned = table.copy()
    unknown = first.known >= moment
    turned.loc[unknown, "end"] = rng.permutation(["won", "lost"] * 80)[: int(unknown.sum())]
    second = deals(turned)
    x, y = (encode(d, moment, half_life=half_life)[0] for d in (first, second))
    assert np.array_equal(x[first.at <= moment], y[first.at <= moment], equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(0, 999), st.sampled_from([None, 5.0]))
def test_shares_of_a_category_are_those_counted_by_hand(rows: int, seed: int, half_life: float | None) -> None:
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(0, 30, rows)).astype(float)
    known, won = at + rng.integers(1, 9, rows), rng.integers(0, 2, rows).astype(float)
    codes = rng.integers(0, 3, rows)
    found = target(codes, Deals(won, at, known, known, {}, {}, {}, {}, True), at, half_life=half_life, pull=PULL)[0]
    for row in range(rows):
        worth = np.where(known < at[row], 0.5 ** ((at[row] - known) / half_life) if half_life else 1.0, 0.0)
        mine = worth * (codes == codes[row])
        base = ((worth * won).sum() + 1) / (worth.sum() + 2)
        share = ((mine * won).sum() + PULL * base) / (mine.sum() + PULL)
        assert found[row] == pytest.approx(np.log(share / (1 - share)))


def test_rows_of_one_moment_do_not_come_before_each_other() -> None:
    count, gap = before(np.array([0, 0, 1, 0]), np.array([1.0, 1.0, 1.0, 4.0]))
    assert count.tolist() == [0, 0, 0, 2]
    assert np.array_equal(gap, [np.nan, np.nan, np.nan, 3.0], equal_nan=True)


def test_odds_that_are_followed_never_look_ahead() -> None:
    rng = np.random.default_rng(2)
    margin, at = rng.normal(size=600), np.arange(600.0)
    won = (rng.uniform(size=600) < sigmoid(margin)).astype(float)
    told = at >= 200
    first = follow(Calibration(), margin, won, at, at + 20, told=told)
    won[at + 20 >= 400] = 1 - won[at + 20 >= 400]
    second = follow(Calibration(), margin, won, at, at + 20, told=told)
    assert np.array_equal(first[:200], second[:200])
    assert not np.array_equal(first, second)


def test_following_finds_a_world_that_moved_and_leaves_one_alone_that_stands() -> None:
    rng = np.random.default_rng(3)
    margin = rng.normal(size=2_000)
    for moved in (0.0, -2.0):
        following = Following(Calibration())
        won = (rng.uniform(size=2_000) < sigmoid(margin + moved)).astype(float)
        for part in np.array_split(np.arange(2_000), 40):
            following.seen(margin[part], won[part])
        assert following.now().log_odds([-1.0, 1.0]) == pytest.approx([moved - 1, moved + 1], abs=0.35)


# ── leaks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def leaky() -> pd.DataFrame:
    table = frame(2_000)
    rng = np.random.default_rng(5)
    won = (table["end"] == "won").to_numpy()
    table["closed value"] = np.where(won, table["amount"], 0)
    table["length"] = rng.gamma(2 + 3 * won, 60)
    table["exact"] = np.where(won & (rng.uniform(size=2_000) < 0.7), rng.integers(1_001, 9_999, 2_000), 5_000)
    table["closed"] = (pd.to_datetime(table["opened"]) + pd.Timedelta(days=30)).astype(str)
    return table


@pytest.mark.parametrize(
    ("column", "kind", "why"),
    [
        ("closed value", "numbers", "empty or zero"),
        ("length", "numbers", "alone"),
        ("exact", "numbers", "round"),
        ("closed", "dates", "after the moment"),
    ],
)
def test_a_leaking_column_is_named(column: str, kind: str, why: str) -> None:
    found = deals(leaky(), **{kind: [column], "categories": ["product", "seller"]})
    told = {leak.column: leak.why for leak in suspects(found, float(found.at[1_600]))}
    assert why in told[column]


def test_honest_columns_are_not_named() -> None:
    found = deals(frame(2_000, signal=0.8))
    assert suspects(found, float(found.at[1_600])) == []


# ── maps and files ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["itconsult_win", "ibm_win_loss", "uci_bank", "maven_crm"])
def test_maps_that_come_with_the_product_are_read(name: str) -> None:
    assert read_map(map_named(name)).inputs


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"categories": ["nobody"]}, "no column nobody"),
        ({"outcome": {"column": "end", "won": ["yes"], "lost": ["lost"]}}, "are won"),
        ({"numbers": ["seller"]}, "holds no numbers"),
        ({"known": {"rows": 5}}, "known: days"),
    ],
)
def test_what_cannot_be_used_is_said(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(BadTable, match=why):
        deals(frame(50), **changed)


def test_a_csv_and_a_map_of_ones_own(tmp_path: Path) -> None:
    frame(700).to_csv(tmp_path / "deals.csv", index=False)
    (tmp_path / "map.yaml").write_text(ColumnMap.model_validate(MAP).model_dump_json(), "utf-8")
    said: list[str] = []
    run(tmp_path / "deals.csv", str(tmp_path / "map.yaml"), said.append)
    assert any("coming groups" in line for line in said)


def test_a_broken_map_names_its_mistakes(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("outcome: {column: end}\ntaste: 1", "utf-8")
    with pytest.raises(BadTable, match=r"outcome\.won") as refused:
        read_map(tmp_path / "map.yaml")
    assert "taste" in refused.value.detail


# ── intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def slow(rows: int = 3_000, seed: int = 5) -> Deals:
    """Deals that take 1 to 120 days, whatever is known of them, and of which only those that ended are in the table."""
    rng = np.random.default_rng(seed)
    opened = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 730, rows)), unit="D")
    closed = opened + pd.to_timedelta(rng.integers(1, 121, rows), unit="D")
    table = frame(rows, seed).assign(opened=opened.astype(str), closed=closed.astype(str))
    ended = table[closed <= pd.Timestamp("2027-01-01")]
    return deals(ended, known={"date": "closed"}, quantity={"name": "days", "until": "closed"})


def test_deals_that_are_too_young_to_be_measured_are_left_out() -> None:
    table = slow()
    old = intervals.settled(table)
    end = table.known.max()
    assert table.at[old.rows].min() >= old.cut
    assert table.at[old.rows].max() <= end - 110
    assert old.rows.sum() == pytest.approx(0.2 * (table.mature <= end).sum(), rel=0.05)
    assert intervals.settled(deals(frame())).rows.sum() == 300, "where all is known soon the newest fifth is measured"


def test_days_hold_their_promise_although_the_young_ones_in_the_table_are_quick() -> None:
    found = intervals.of_quantity(slow(), without=())
    assert found is not None
    assert found.base == intervals.PLAIN, "what is known says nothing of the days"
    assert 0.87 < found.adaptive < 0.94
    assert 100 < found.width < 125


def test_what_says_something_of_a_quantity_narrows_its_interval() -> None:
    found = intervals.of_quantity(deals(frame(3_000)), without=("amount",))
    assert found is not None
    assert found.base == intervals.BOOSTER
    assert intervals.of_quantity(deals(frame(150)), without=("amount",)) is None
