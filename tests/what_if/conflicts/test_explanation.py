"""Scenarios that no weights meet: the reason, the nearest that some do, and ranges for the targets."""

import pickle

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection
from agnostix.exceptions import InfeasibleTargetError
from tests.messages import assert_states, refuses

N = 900


def population(n_levels=3, weighted=False, seed=0):
    """A projection over two columns of labels, and one of pairs of them, as in a census."""
    rng = np.random.default_rng(seed)
    edu = rng.choice(list("abcdefgh")[:n_levels], N)
    sex = rng.choice(list("mf"), N, p=[0.4, 0.6])
    X = pd.DataFrame({"edu": edu, "sex": sex, "edu_sex": pd.Series(edu) + "/" + pd.Series(sex)})
    weight = rng.uniform(0.2, 3.0, N) if weighted else None
    return EntropicProjection().fit(X, predictions=(sex == "f") * 1.0, sample_weight=weight), X


def rounded_margins(X, names, digits, seed):
    """Proportions of another population, each column's rounded by itself and summing to 1."""
    weight = np.random.default_rng(seed).uniform(0.5, 1.5, len(X))
    margins = {}
    for name in names:
        shares = pd.Series(weight).groupby(X[name].to_numpy()).sum() / weight.sum()
        shares = shares.round(digits)
        shares.iloc[0] = round(shares.iloc[0] + 1.0 - shares.sum(), digits)
        margins[name] = shares.to_dict()
    return margins


def refused(projection, *args, **kwargs):
    with pytest.raises(InfeasibleTargetError) as caught:
        projection.what_if(*args, **kwargs)
    return caught.value


def assert_both_remedies_work(projection, error):
    assert error.nearest
    assert error.ranges
    for arguments in (error.nearest, error.ranges):
        assert projection.what_if(**arguments).gap <= 1e-9


def test_contradiction_names_relation_and_distance():
    projection, _ = population()
    joint = {"a/m": 0.167, "a/f": 0.167, "b/m": 0.166, "b/f": 0.167, "c/m": 0.166, "c/f": 0.167}
    error = refused(projection, {"edu": {"a": 0.333, "b": 0.333, "c": 0.334}, "edu_sex": joint})
    facts = ("(edu = a) is (edu_sex = a/m) + (edu_sex = a/f)", "0.333 and 0.334", "0.001 apart")
    assert_states(str(error), *facts, "error.nearest", "error.ranges")
    assert_both_remedies_work(projection, error)
    moved = error.nearest["constraints"]["edu"]
    assert moved == pytest.approx({"a": 0.334, "b": 0.333, "c": 0.333})
    assert error.nearest["constraints"]["edu_sex"] == joint
    assert error.ranges["constraints"]["edu"]["a"] == pytest.approx((0.333, 0.335))


@pytest.mark.parametrize("digits", [2, 3, 4])
@pytest.mark.parametrize("n_levels", [3, 8])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("names", [("edu", "edu_sex"), ("edu", "sex", "edu_sex")], ids=len)
def test_rounded_margins_have_nearest_and_ranges(digits, n_levels, weighted, names):
    projection, X = population(n_levels, weighted)
    n_refused = 0
    for seed in range(3):
        margins = rounded_margins(X, names, digits, seed)
        try:
            projection.what_if(margins)
        except InfeasibleTargetError as error:
            n_refused += 1
            assert_states(str(error), "contradict each other")
            assert_both_remedies_work(projection, error)
            for name, shares in error.nearest["constraints"].items():  # no more than the rounding
                apart = max(abs(share - margins[name][level]) for level, share in shares.items())
                assert apart <= 2 * n_levels * 10.0**-digits
    assert n_refused


@pytest.mark.parametrize("offset", [0.0, 1.7e9])
def test_columns_in_other_units_that_contradict(offset):
    x = (1024 * np.random.default_rng(0).gamma(2.0, size=N)).round() / 1024  # exact at the offset
    X = pd.DataFrame({"x": x + offset, "thousand": 1000.0 * x, "rest": 5.0 - x})
    projection = EntropicProjection().fit(X, predictions=x)
    for constraints, facts in (
        ({"x": offset + 2.0, "thousand": 2100.0}, ["(x)", "0.001*(thousand)", "0.1 apart"]),
        ({"thousand": 2000.0, "rest": 3.1}, ["(thousand)", "- 1000*(rest)", "+ 5000", "100 apart"]),
        ({"thousand": (1900.0, 2000.0), "rest": (1.0, 2.0)}, ["(thousand)", "2000 and 3000"]),
    ):
        error = refused(projection, constraints)
        assert_states(str(error), "contradict each other", *facts)
        assert_both_remedies_work(projection, error)


def test_predictions_that_contradict_columns():
    projection, _ = population()
    error = refused(projection, {"sex": {"f": 0.5}}, prediction=0.52)
    assert_states(str(error), "(sex = f)", "(prediction = prediction)", "0.5 and 0.52", "0.02 apart")
    assert_both_remedies_work(projection, error)


@pytest.mark.parametrize("offset", [0.0, 1.7e9, 1.7e12])
def test_target_beyond_rows_far_from_zero_is_told_apart(offset):
    x = np.arange(100.0)
    projection = EntropicProjection().fit(pd.DataFrame({"x": x + offset}), predictions=x)
    error = refused(projection, {"x": offset + 120.0})
    assert_states(str(error), f"above {offset + 99:.15g}", f"{offset + 120:.15g}")
    assert_both_remedies_work(projection, error)


def test_proportions_of_one_column_that_do_not_sum_to_1_state_the_sum():
    projection, _ = population()
    third = {"a": 0.333, "b": 0.333, "c": 0.333}
    with refuses(ValueError, "'edu'", "sum to 0.999", "leave one level out"):
        projection.what_if({"edu": third})
    assert projection.what_if({"edu": {"a": 0.333, "b": 0.333}}).gap <= 1e-9
    with refuses(ValueError, "'edu'", "sum to 1.002", "leave one level out"):
        projection.what_if({"edu": dict.fromkeys("abc", 0.334)})


def test_error_pickles_with_ranges():
    projection, _ = population()
    error = refused(projection, {"sex": {"f": 0.5}}, prediction=0.52)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.nearest, again.ranges) == (str(error), error.nearest, error.ranges)
