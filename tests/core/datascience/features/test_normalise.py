"""Normalisers: scaled, counted and weighed as the textbook says, and the same after a journey as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import StandardScaler

from core.datascience.features.kinds import Entity, Feature, FeatureSet, Kind
from core.datascience.features.normalise import AsItIs, Categories, Normaliser, Scale, TfIdf
from core.kit.errors import BadAnswer

SET = FeatureSet(
    "taste", Entity.DEAL, 3, "core.forecasting.features", (), 7, "gosto", "taste",
    (
        Feature("sweet", Kind.NUMERIC, "doce", "sweet"), Feature("kind", Kind.CATEGORICAL, "tipo", "kind"),
        Feature("words", Kind.TEXT, "palavras", "words"), Feature("place", Kind.VECTOR, "lugar", "place"),
    ),
)  # fmt: skip
ROW = st.fixed_dictionaries(
    {
        "sweet": st.none() | st.floats(-1e6, 1e6), "kind": st.none() | st.sampled_from(["a", "b", "ção"]),
        "words": st.none() | st.dictionaries(st.sampled_from("uvwxyz"), st.integers(1, 9).map(float), max_size=6),
        "place": st.none() | st.lists(st.floats(-1, 1), min_size=3, max_size=3),
    }
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=12), st.lists(ROW, max_size=5))
def test_it_is_the_same_after_a_journey_as_json(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    fitted = Normaliser.fit(SET, rows)
    back = Normaliser.from_json(fitted.to_json())
    assert back == fitted
    assert back.to_json() == fitted.to_json()
    found = fitted.apply(others)
    assert found.shape == (len(others), len(fitted.columns))
    assert np.isfinite(found).all()
    assert (back.apply(others) == found).all()
    # One at a time, as serving does, is the same as all at once, as training does.
    assert all((fitted.apply([row]) == found[place]).all() for place, row in enumerate(others))


def test_numbers_are_scaled_as_by_the_library() -> None:
    values = [1.0, 2.0, None, 7.0]
    part = Scale.fit(values)
    known = np.array([[1.0], [2.0], [7.0]])
    assert part.apply([1.0, 2.0, 7.0])[:, 0] == pytest.approx(StandardScaler().fit_transform(known)[:, 0])
    assert part.apply([None]).tolist() == [[0.0, 1.0]]
    assert Scale.fit([5.0, 5.0]).apply([6.0]).tolist() == [[1.0, 0.0]]


def test_words_weigh_as_by_the_library() -> None:
    texts = [{"price": 3.0, "high": 1.0}, {"price": 1.0, "demo": 2.0}, {"demo": 1.0, "high": 4.0, "once": 9.0}]
    part = TfIdf.fit(texts)
    assert part.words == ("demo", "high", "price")
    counts = np.array([[text.get(word, 0.0) for word in part.words] for text in texts])
    assert part.apply(texts) == pytest.approx(TfidfTransformer().fit_transform(counts).toarray())
    assert TfIdf.fit(texts, most=1, least=1).words == ("demo",), "of as frequent ones the first by letter"
    assert part.apply([None, {}, {"new": 1.0}]).tolist() == [[0.0] * 3] * 3


def test_a_category_that_was_rare_or_is_new_is_another() -> None:
    part = Categories.fit([f"c{n % 60:02}" for n in range(110)])
    assert len(part.words) == 50
    assert part.apply(["c03", "new", None])[:, [3, -1]].tolist() == [[1, 0], [0, 1], [0, 0]]


def test_a_vector_of_another_engine_says_nothing() -> None:
    assert AsItIs.fit([None, [1.0, 2.0]]).apply([[3.0, 4.0], [1.0], None]).tolist() == [[3, 4], [0, 0], [0, 0]]


def test_only_what_is_chosen_is_in_it() -> None:
    fitted = Normaliser.fit(SET, [{"sweet": 1.0, "kind": "a"}], ["kind", "sweet"])
    assert fitted.columns == ["kind:a", "kind:_other", "sweet", "sweet:unknown"]
    assert (fitted.set_name, fitted.set_version) == ("taste", 3)


@pytest.mark.parametrize(
    "raw",
    ["", "[]", "{}", '{"set": "a", "version": 1, "parts": [{"feature": "x", "kind": "code"}]}',
     '{"set": "a", "version": 1, "parts": [{"feature": "x", "kind": "tfidf", "words": ["a"], "weights": []}]}'],
)  # fmt: skip
def test_what_is_no_normaliser_is_refused(raw: str) -> None:
    with pytest.raises(BadAnswer):
        Normaliser.from_json(raw)
