"""Orthogonal arrays: every pair of levels equally often, and no column that two others determine."""

from itertools import combinations

import numpy as np
import pytest

from agnostix.core.orthogonal_arrays import bush, is_power_of_two, is_prime, plackett_burman


@pytest.mark.parametrize("q", [2, 3, 4, 5, 7, 8, 11, 16, 17, 32])
def test_bush_has_every_pair_of_levels_once(q):
    array = bush(q)
    assert array.shape == (q * q, q + 1)
    for one, other in combinations(array.T, 2):
        assert len(set(zip(one.tolist(), other.tolist(), strict=True))) == q * q


@pytest.mark.parametrize("n", [4, 8, 12, 20, 24, 32, 60, 84])
def test_plackett_burman_has_every_pair_of_levels_a_quarter_of_runs(n):
    array = plackett_burman(n)
    assert array.shape == (n, n - 1)
    for one, other in combinations(array.T, 2):
        assert np.bincount(2 * one + other, minlength=4).tolist() == [n // 4] * 4


@pytest.mark.parametrize("n", [20, 24, 32, 44, 60, 68, 84])
def test_plackett_burman_has_no_column_of_two_others(n):
    signs = 2 * plackett_burman(n) - 1
    triples = np.einsum("ia,ib,ic->abc", signs, signs, signs)
    a, b, c = np.indices(triples.shape)
    assert np.abs(triples[(a < b) & (b < c)]).max() <= 0.65 * n


def test_primes_and_powers_of_two():
    assert [q for q in range(40) if is_prime(q)] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37]
    assert [q for q in range(1, 70) if is_power_of_two(q)] == [2, 4, 8, 16, 32, 64]
