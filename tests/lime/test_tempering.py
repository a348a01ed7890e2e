"""Oversampling of rare levels against a grid search, bounded by the variance of weights."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.lime.tempering import MOST, MOST_BY_POWER, tempered

shares = st.lists(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=6).map(lambda x: np.array(x) / sum(x)),
    min_size=1,
    max_size=6,
)


def price(seen, asked):
    """Mean square of the importance weights over all cells of all features."""
    each = [
        sum(a * (s / a) ** 2 for s, a in zip(one, other, strict=True) if s)
        for one, other in zip(seen, asked, strict=True)
    ]
    return math.prod(each)


def is_even(one):
    return np.ptp(one) <= 1e-3 * one.max()


def raised(one, power):
    return one if is_even(one) else one**power / (one**power).sum()


def lifted(one, floor):
    return one if is_even(one) else np.maximum(one, floor) / np.maximum(one, floor).sum()


@given(shares)
def test_tempered_matches_power_then_floor_grid(seen):
    asked = tempered(seen)
    assert price(seen, asked) <= MOST * (1.0 + 1e-6)
    powers = np.linspace(0.0, 1.0, 401)
    power = next(p for p in powers if price(seen, [raised(one, p) for one in seen]) <= MOST_BY_POWER)
    flat = [raised(one, power) for one in seen]
    floors = np.geomspace(1e-7, 1.0, 800)
    allowed = [f for f in floors if price(seen, [lifted(one, f) for one in flat]) <= MOST]
    for one, other, flatter in zip(seen, asked, flat, strict=True):
        assert other.sum() == pytest.approx(1.0)
        step = 0.006 * np.abs(np.log(one)).max() + 0.05
        assert (np.abs(np.log(other) - np.log(lifted(flatter, allowed[-1]))) <= step).all()


@given(shares)
def test_tempered_raises_rare_and_lowers_common(seen):
    for one, other in zip(seen, tempered(seen), strict=True):
        assert other[one.argmin()] >= one.min() * (1.0 - 1e-12)
        assert other[one.argmax()] <= one.max() * (1.0 + 1e-12)
        assert (np.diff(other[np.argsort(one, kind="stable")]) >= -1e-3 * one.max()).all()


def test_tempered_returns_even_shares_unchanged():
    seen = [np.full(4, 0.25), np.array([0.2501, 0.2499, 0.25, 0.25]), np.ones(1), np.array([0.9, 0.1])]
    asked = tempered(seen)
    assert [one is other for one, other in zip(seen, asked, strict=True)] == [True, True, True, False]


def test_tempered_keeps_zero_shares():
    (asked,) = tempered([np.array([0.0, 0.9, 0.0, 0.1])])
    assert asked[[0, 2]].tolist() == [0.0, 0.0]
    assert asked[3] > 0.1


def test_tempered_single_rare_level_closed_form():
    (asked,) = tempered([np.array([0.999, 0.001])])
    # 0.999**2 / (1 - a) + 0.001**2 / a = MOST
    roots = np.roots([-MOST, MOST - 0.999**2 + 0.001**2, -(0.001**2)])
    assert asked[1] == pytest.approx(max(roots), rel=1e-6)


def test_tempered_empty():
    assert tempered([]) == []
