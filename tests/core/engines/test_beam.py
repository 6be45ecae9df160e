"""Beam search over small made-up languages, beside all that can be said in them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.engines import beam
from core.engines.beam import Path

END = 0
Logs = NDArray[np.float32]
Language = Callable[[tuple[int, ...]], Logs]


def logs(shares: Sequence[float]) -> Logs:
    found: Logs = np.log(np.array(shares, np.float32) + np.float32(1e-9))
    return found


def language(seed: int, size: int) -> Language:
    """Log-probabilities (size,) of what comes behind some tokens: by chance, and always the same."""

    def behind(tokens: tuple[int, ...]) -> Logs:
        made = np.random.default_rng([seed, *tokens]).dirichlet(np.full(size, 0.5)) + 1e-6
        found: Logs = np.log(made / made.sum()).astype(np.float32)
        return found

    return behind


def searched(behind: Language, most: int, *, width: int = beam.WIDTH, within: float = beam.WITHIN) -> Path:
    asked: set[tuple[int, ...]] = {()}

    def follow(paths: Sequence[Path]) -> Logs:
        assert all(path.tokens[:-1] in asked for path in paths)
        asked.update(path.tokens for path in paths)
        return np.stack([behind(path.tokens) for path in paths])

    found = beam.likeliest(behind(()), follow, end=END, most=most, width=width, within=within)
    assert found.tokens in asked
    return found


@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(1, 3))
def test_wide_enough_it_finds_the_best_of_all_that_can_be_said(seed: int, size: int, most: int) -> None:
    behind = language(seed, size)

    def mean(tokens: tuple[int, ...]) -> float:
        whole = tokens if len(tokens) == most else (*tokens, END)
        return sum(float(behind(whole[:n])[token]) for n, token in enumerate(whole)) / len(whole)

    texts = [text for length in range(most + 1) for text in itertools.product(range(1, size), repeat=length)]
    found = searched(behind, most, width=10**6, within=np.inf)
    assert mean(found.tokens) == pytest.approx(max(map(mean, texts)), abs=1e-4)
    assert found.logs == pytest.approx([behind(found.tokens[:n])[token] for n, token in enumerate(found.tokens)])


@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(1, 6))
def test_it_stays_within_what_is_allowed(seed: int, size: int, most: int) -> None:
    plain = language(seed, size)
    never = np.zeros(size, np.float32)
    never[1] = -np.inf
    found = searched(lambda tokens: plain(tokens) + never, most)
    assert len(found.tokens) <= most
    assert not {END, 1} & set(found.tokens)
    assert len(found.logs) == len(found.tokens)


def test_a_token_that_only_seems_likelier_is_left_for_one_that_goes_on_well() -> None:
    shares = {
        (): [0.0, 0.6, 0.4, 0.0],
        (1,): [0.3, 0.3, 0.0, 0.4],
        (2,): [0.0, 0.0, 0.05, 0.95],
        (2, 3): [0.97, 0.01, 0.01, 0.01],
    }

    def behind(tokens: tuple[int, ...]) -> Logs:
        return logs(shares.get(tokens, [0.25] * 4))

    found = searched(behind, 5)
    assert found.tokens == (2, 3)
    assert np.exp(found.logs) == pytest.approx([0.4, 0.95], abs=1e-3)


def test_where_nothing_more_is_said_the_path_is_empty() -> None:
    def behind(_: tuple[int, ...]) -> Logs:
        return logs([0.98, 0.01, 0.01])

    assert searched(behind, 4) == Path()


def test_the_longer_the_text_before_the_less_it_takes_to_end_it() -> None:
    shares = {(): [0.3, 0.2, 0.5], (1,): [0.05, 0.05, 0.9], (1, 2): [0.9, 0.05, 0.05]}

    def found(before: Sequence[float]) -> Path:
        def follow(paths: Sequence[Path]) -> Logs:
            return np.stack([logs(shares.get(path.tokens, [1e-6] * 3)) for path in paths])

        return beam.likeliest(logs(shares[()]), follow, end=END, most=4, before=before)

    assert found([]).tokens == (1, 2)
    assert found([0.0] * 10) == Path()
