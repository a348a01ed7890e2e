"""Rare values drawn more often: against a grid of powers, and the price that weights have."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.perturb.tempering import MOST, tempered

shares = st.lists(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=6).map(lambda x: np.array(x) / sum(x)),
    min_size=1,
    max_size=6,
)


def price(seen, asked):
    """Mean square of the weights that undo the draws, over all cells of all features."""
    each = [
        sum(a * (s / a) ** 2 for s, a in zip(one, other, strict=True) if s)
        for one, other in zip(seen, asked, strict=True)
    ]
    return math.prod(each)


def raised(one, power):
    return one if np.ptp(one) <= 1e-3 * one.max() else one**power / (one**power).sum()


@given(shares)
def test_the_power_is_the_least_that_the_price_allows(seen):
    asked = tempered(seen)
    assert price(seen, asked) <= MOST * (1.0 + 1e-6)
    powers = np.linspace(0.0, 1.0, 101)
    allowed = [p for p in powers if price(seen, [raised(one, p) for one in seen]) <= MOST]
    for one, other in zip(seen, asked, strict=True):
        assert other.sum() == pytest.approx(1.0)
        flatter = raised(one, allowed[0])
        step = 0.0101 * np.abs(np.log(one)).max() + 1e-6
        assert (np.abs(np.log(other) - np.log(flatter)) <= 2.0 * step).all()


@given(shares)
def test_rare_ones_gain_and_common_ones_lose(seen):
    for one, other in zip(seen, tempered(seen), strict=True):
        assert other[one.argmin()] >= one.min() * (1.0 - 1e-12)
        assert other[one.argmax()] <= one.max() * (1.0 + 1e-12)
        assert (np.argsort(one, kind="stable") == np.argsort(other, kind="stable")).all() or np.ptp(
            one
        ) < 1e-3


def test_even_shares_are_the_same_objects():
    seen = [np.full(4, 0.25), np.array([0.2501, 0.2499, 0.25, 0.25]), np.ones(1), np.array([0.9, 0.1])]
    asked = tempered(seen)
    assert [one is other for one, other in zip(seen, asked, strict=True)] == [True, True, True, False]


def test_what_was_not_seen_is_not_asked():
    (asked,) = tempered([np.array([0.0, 0.9, 0.0, 0.1])])
    assert asked[[0, 2]].tolist() == [0.0, 0.0]
    assert asked[3] > 0.1


def test_one_rare_level_gets_as_much_as_the_price_allows():
    (asked,) = tempered([np.array([0.999, 0.001])])
    # 0.999**2 / (1 - a) + 0.001**2 / a = MOST
    roots = np.roots([-MOST, MOST - 0.999**2 + 0.001**2, -(0.001**2)])
    assert asked[1] == pytest.approx(max(roots), rel=1e-6)


def test_nothing_is_learned_from_nothing():
    assert tempered([]) == []
