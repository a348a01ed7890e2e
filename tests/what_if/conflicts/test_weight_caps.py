"""The least cap on weights that would do, against a program over weights and cap together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.what_if.conflicts.nearest import ElasticConditions
from agnostix.what_if.conflicts.weight_caps import bounds_that_do
from tests.reference.conflicts import is_feasible, least_cap
from tests.what_if.conflicts.conflict_cases import random_conditions


def find(phi, low, high, base, bounds):
    k = low.size
    return bounds_that_do(ElasticConditions(phi, low, high, np.ones(k), (None,) * k, base, bounds))


@given(seed=st.integers(0, 10_000), floor=st.sampled_from([0.0, 0.2]))
def test_least_cap_is_that_of_the_program_with_all_rows(seed, floor):
    phi, low, high, base = random_conditions(seed, 60, 3, reach=0.6)
    bounds = (floor, 1.2)
    if is_feasible(phi, low, high, base, bounds):
        assert find(phi, low, high, base, bounds) == bounds
    elif is_feasible(phi, low, high, base, (floor, np.inf)):
        found = find(phi, low, high, base, bounds)
        assert found[0] == floor
        assert found[1] == pytest.approx(least_cap(phi, low, high, base, floor), rel=1e-2)
        assert is_feasible(phi, low, high, base, found)


def test_floor_is_lowered_where_no_cap_would_do():
    x = np.linspace(-1.0, 1.0, 41)
    phi, base = (x / x.std())[:, None], np.full(41, 1 / 41)
    target = np.array([0.75 / x.std()])  # a floor of 0.5 leaves an average of 0.5 at most
    low, high = find(phi, target, target, base, (0.5, 30.0))
    assert high == 30.0
    assert 0.2 < low <= 0.25
    assert is_feasible(phi, target, target, base, (low, high))
    assert not is_feasible(phi, target, target, base, (1.02 * low, high))


def test_none_would_do_beyond_the_rows():
    x = np.linspace(-1.0, 1.0, 41)
    phi, base = (x / x.std())[:, None], np.full(41, 1 / 41)
    target = np.array([3.0])
    assert find(phi, target, target, base, (0.5, 30.0)) is None
    assert find(phi, target, target, base, (0.0, 30.0)) is None
