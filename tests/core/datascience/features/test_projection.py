"""Principal components, against the library, and always with the same signs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from core.datascience.features.projection import project


def test_it_is_the_librarys_but_for_the_sign() -> None:
    rng = np.random.default_rng(3)
    table = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(60, 5))
    found = project(table, [1] * 5)
    scaled = (table - table.mean(axis=0)) / table.std(axis=0)
    library = PCA(2).fit(scaled)
    assert np.abs(found.points) == pytest.approx(np.abs(library.transform(scaled)), abs=1e-9)
    assert found.explained == pytest.approx(tuple(library.explained_variance_ratio_))


def test_what_lies_apart_is_laid_apart() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat([0.0, 8.0], 20)
    table = rng.normal(size=(40, 6))
    table[:, :3] += groups[:, None]
    x = project(table, [1] * 6).points[:, 0]
    assert (x[:20].max() < x[20:].min()) or (x[20:].max() < x[:20].min())


def test_what_is_not_known_lies_in_the_middle() -> None:
    found = project(np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]]), [1, 1])
    assert found.points[2].tolist() == [0.0, 0.0]
    assert np.isfinite(found.points).all()


def test_a_vector_weighs_as_much_as_a_number() -> None:
    rng = np.random.default_rng(5)
    noise, number = rng.normal(size=(200, 50)), rng.normal(size=(200, 1))
    found = project(np.concatenate([noise, number], axis=1), [50, 1])
    assert np.abs(found.weights[0]).argmax() == 50


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4), min_size=3, max_size=20))
def test_any_table_can_be_laid_out_and_always_alike(rows: list[list[float]]) -> None:
    table = np.round(np.array(rows), 3)
    same = project(table, [1] * 4)
    again = project(table, [1] * 4)
    assert np.array_equal(same.points, again.points)
    assert np.isfinite(same.points).all()
    assert 0 <= same.explained[1] <= same.explained[0] <= 1 + 1e-9
