"""Weights of a leaf's game against factorials, and tables against loops over patterns."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import numpy as np
import pytest

from agnostix.shapley.trees.leaves import covered, distinct, meets_some, unpack
from agnostix.shapley.trees.weights import PairGains, PlayerGains, Polynomial, beta_integrals, pairs_of


def exact_weight(n_row: int, n_other: int) -> float:
    return float(Fraction(factorial(n_other - 1) * factorial(n_row), factorial(n_row + n_other)))


@pytest.mark.parametrize("n_most", [1, 7, 64, 200])
def test_integrals_are_ratios_of_factorials(n_most) -> None:
    integrals = beta_integrals(n_most)
    for i in range(n_most + 1):
        for j in range(n_most + 1):
            assert integrals[i, j] == pytest.approx(exact_weight(j, i + 1), rel=1e-13)


@pytest.mark.parametrize("n_players", [1, 2, 3, 5])
def test_dense_tables_sum_over_covered_pairs(n_players) -> None:
    size = 1 << n_players
    weights = np.random.default_rng(0).random((2, size))
    expected = np.zeros((2, n_players, size))
    for row in range(size):
        for other in range(size):
            if row & other:
                continue
            n_row, n_other = row.bit_count(), other.bit_count()
            for player in range(n_players):
                if other >> player & 1:
                    expected[:, player, row] += weights[:, other] * exact_weight(n_row, n_other)
                if row >> player & 1:
                    expected[:, player, row] -= weights[:, other] * exact_weight(n_other, n_row)
    np.testing.assert_allclose(PlayerGains().dense(weights, n_players), expected, atol=1e-14)


@pytest.mark.parametrize("n_players", [5, 16, 17, 40])
def test_patterns_and_their_pairs(n_players, monkeypatch) -> None:
    monkeypatch.setattr("agnostix.shapley.trees.leaves._MOST_PAIRS", 50)
    rng = np.random.default_rng(0)
    own, other = (
        np.bitwise_and(*rng.integers(0, 2**n_players, (2, n), dtype=np.uint64))
        & rng.integers(0, 2**n_players, n, dtype=np.uint64)
        for n in (30, 40)
    )
    own[:2], other[3] = 0, 0
    patterns, which = distinct(own, n_players)
    others, _ = distinct(other, n_players)
    np.testing.assert_array_equal(patterns[which], own)
    np.testing.assert_array_equal(patterns, np.unique(own))
    pairs = [(i, j) for i, a in enumerate(patterns) for j, b in enumerate(others) if int(a) & int(b) == 0]
    assert list(zip(*covered(patterns, others), strict=True)) == pairs
    keeps, keeps_other = meets_some(patterns, others)
    assert set(np.flatnonzero(keeps)) == {i for i, _ in pairs}
    assert set(np.flatnonzero(keeps_other)) == {j for _, j in pairs}


@pytest.mark.parametrize("n_players", [0, 1, 2, 5])
@pytest.mark.parametrize(
    "gains",
    [
        PlayerGains(),
        PlayerGains(Polynomial(None)),
        PlayerGains(Polynomial(((4.0, 0, 1), (-2.0, 1, 0)))),
        PairGains(),
        PairGains(Polynomial(((2.0, 0, 1),))),
        PairGains(Polynomial(((6.0, 1, 1),))),
    ],
    ids=str,
)
def test_dense_tables_are_those_of_all_pairs(n_players, gains) -> None:
    weights = np.random.default_rng(0).random(1 << n_players)
    bits = unpack(np.arange(1 << n_players, dtype=np.uint64), n_players)
    pairs = np.nonzero(bits @ bits.T == 0)
    paired = gains.paired(bits, bits, weights, pairs)
    assert paired.shape == (1 << n_players, gains.n_targets(n_players))
    np.testing.assert_allclose(gains.dense(weights[None], n_players)[0], paired.T, atol=1e-13)


def test_pairs_of_fewer_players_come_first() -> None:
    first, second = pairs_of(5)
    assert list(zip(first.tolist(), second.tolist(), strict=True))[:6] == [
        (0, 1),
        (0, 2),
        (1, 2),
        (0, 3),
        (1, 3),
        (2, 3),
    ]
    assert PairGains().targets(np.array([[3, 0, 4, -1]])).tolist() == [[3, 9, 6, -1, -1, -1]]
