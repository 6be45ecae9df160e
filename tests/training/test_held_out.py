"""The rows that only measure: told apart for ever, and asked of any bundle."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from core.datascience.models.bundle import pack, unpack
from core.datascience.models.evidence import common
from core.datascience.models.reference import read
from core.forecasting.features import NAMES
from core.kit.errors import BadAnswer
from training.forecasting import Report, train
from training.simulated_pipeline import simulate

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def histories() -> list[object]:
    return [deal.history for deal in simulate(deals=420, until=UNTIL, seed=5)]


@pytest.fixture(scope="module")
def report(histories: list[object]) -> Report:
    return train(histories)  # type: ignore[arg-type]


def test_a_bundle_says_of_the_rows_what_its_training_kept(report: Report) -> None:
    assert report.held_out.said_by(report.bundle) == pytest.approx(report.held_out.evidence.said, abs=1e-5)
    assert 0 < report.held_out.base_rate < 1


def test_columns_are_found_by_name(report: Report) -> None:
    opened = unpack(report.bundle)
    strange = opened.meta.features[0].model_copy(update={"name": "shoe_size"})
    meta = opened.meta.model_copy(update={"features": (strange, *opened.meta.features[1:])})
    with pytest.raises(BadAnswer, match="shoe_size"):
        report.held_out.said_by(pack(meta, opened.files))


def test_a_deal_has_the_same_numbers_in_another_training(histories: list[object], report: Report) -> None:
    """With the oldest left out the cut lies elsewhere; the rows that both hold out have the same outcomes."""
    other = train(histories[60:])  # type: ignore[arg-type]
    one, two = report.held_out.evidence, other.held_out.evidence
    met = common(one, two)
    assert len(met.won) > 100
    outcomes = dict(zip(two.row.tolist(), two.won.tolist(), strict=True))
    both = [(row, won) for row, won in zip(one.row.tolist(), one.won.tolist(), strict=True) if row in outcomes]
    assert len(both) == len(met.won)
    assert all(outcomes[row] == won for row, won in both)
    assert len(set(one.row.tolist())) == len(one.row)


def test_a_bundle_carries_what_drift_is_measured_against(report: Report) -> None:
    features, score = read(unpack(report.bundle).meta.reference)
    assert set(features) == set(NAMES)
    assert score is not None
    assert np.median(score.grid) == pytest.approx(float(np.median(report.held_out.evidence.said)), abs=0.02)
