"""Variances, correlations and soft averages of groups that are linear only given a scalar."""

import numpy as np
import pandas as pd
import pytest

from agnostix import Correlation, Covariance, EntropicProjection, Mean, SelectionRate, Variance
from tests.messages import assert_states
from tests.reference.fairness import closest_by_nlp, closest_with_variance, variance_of_pairs
from tests.reference.what_if import distance_from_tilt, divergence, project_by_cone

N = 60
BASE = np.full(N, 1.0 / N)


def frame(seed=0):
    rng = np.random.default_rng(seed)
    age = rng.normal(40.0, 10.0, N)
    return pd.DataFrame(
        {
            "age": age,
            "hours": 0.4 * age + rng.normal(20.0, 5.0, N),
            "sex": rng.choice(["Female", "Male"], N),
        }
    )


X = frame()
AGE, HOURS, WOMEN = X["age"].to_numpy(), X["hours"].to_numpy(), (X["sex"] == "Female").to_numpy()
CHANCE = 1.0 / (1.0 + np.exp(-(AGE - 40.0) / 8.0 - 0.4 * ~WOMEN))


def solve(*constraints):
    scenario = EntropicProjection().fit(X, predictions=CHANCE).what_if(list(constraints))
    return scenario, scenario.weights / N


def mean(x, w):
    return w @ x


def variance(x, w):
    return w @ (x - w @ x) ** 2


def correlation(w):
    one, two = AGE - w @ AGE, HOURS - w @ HOURS
    return (w @ (one * two)) / np.sqrt(variance(AGE, w) * variance(HOURS, w))


CASES = {
    "variance, mean in a range": (
        (Variance("age", 130.0), Mean("age", (42.0, 44.0))),
        [
            ("eq", lambda w: variance(AGE, w) / 130.0 - 1.0),
            ("ineq", lambda w: (mean(AGE, w) - 42.0) / 10.0),
            ("ineq", lambda w: (44.0 - mean(AGE, w)) / 10.0),
        ],
    ),
    "variance, mean free": (
        (Variance("age", 60.0, mean="free"),),
        [("eq", lambda w: variance(AGE, w) / 60.0 - 1.0)],
    ),
    "most variance, mean free": (
        (Variance("age", (0.0, 60.0), mean="free"),),
        [("ineq", lambda w: 1.0 - variance(AGE, w) / 60.0)],
    ),
    "covariance, a mean in a range": (
        (Covariance("age", "hours", 10.0), Mean("age", (41.0, 45.0))),
        [
            ("eq", lambda w: (w @ (AGE * HOURS) - mean(AGE, w) * mean(HOURS, w)) / 10.0 - 1.0),
            ("eq", lambda w: mean(HOURS, w) / HOURS.mean() - 1.0),
            ("ineq", lambda w: (mean(AGE, w) - 41.0) / 10.0),
            ("ineq", lambda w: (45.0 - mean(AGE, w)) / 10.0),
        ],
    ),
    "correlation, a variance in a range": (
        (Correlation("age", "hours", 0.2), Variance("age", (60.0, 95.0))),
        [
            ("eq", lambda w: correlation(w) - 0.2),
            ("eq", lambda w: mean(AGE, w) / AGE.mean() - 1.0),
            ("eq", lambda w: mean(HOURS, w) / HOURS.mean() - 1.0),
            ("eq", lambda w: variance(HOURS, w) / HOURS.var() - 1.0),
            ("ineq", lambda w: variance(AGE, w) / 60.0 - 1.0),
            ("ineq", lambda w: 1.0 - variance(AGE, w) / 95.0),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_weights_are_as_close_as_those_of_nonlinear_program(name):
    constraints, conditions = CASES[name]
    scenario, weights = solve(*constraints)
    expected, _ = closest_by_nlp(BASE, conditions, 3)
    for kind, function in conditions:
        value = function(weights)
        assert abs(value) <= 1e-9 if kind == "eq" else value >= -1e-9
    assert scenario.kl == pytest.approx(expected, abs=2e-7)
    assert scenario.kl <= expected + 1e-9
    assert len(scenario.searched) == 1


def test_reached_variance_is_that_of_pairs():
    scenario, weights = solve(Variance("age", 130.0, mean="free"))
    assert variance_of_pairs(AGE, weights) == pytest.approx(130.0, abs=1e-7)
    assert scenario.conditions["reached"][0] == pytest.approx(130.0, abs=1e-9)


@pytest.mark.parametrize("least", [110.0, 160.0])
def test_least_variance_with_free_mean_is_convex_and_optimal(least):
    scenario, weights = solve(Variance("age", (least, np.inf), mean="free"))
    assert variance(AGE, weights) == pytest.approx(least, abs=1e-9 * least)
    np.testing.assert_allclose(weights, closest_with_variance(AGE, BASE, least), atol=1e-6)
    # Karush, Kuhn and Tucker, from the weights alone: log(w / b) = a + l (x - m)^2, m the mean, l > 0
    squares = ((AGE - weights @ AGE) / 10.0) ** 2
    assert distance_from_tilt(weights, BASE, squares) <= 1e-9
    assert np.polyfit(squares, np.log(weights * N), 1)[0] > 0.0
    assert_states(" ".join(scenario.notes), "mean of age", "convex")


def test_soft_mean_with_a_variance_balances_divergence_and_gap():
    penalty, target = 6.0, 46.0
    scenario, weights = solve(Variance("age", 90.0), Mean("age", target, penalty=penalty))
    assert variance(AGE, weights) == pytest.approx(90.0, abs=1e-8)

    def total(at):
        exact, _ = solve(Variance("age", 90.0), Mean("age", at))
        return exact.kl + 0.5 * penalty * ((at - target) / AGE.std()) ** 2

    reached = float(weights @ AGE)
    assert AGE.mean() < reached < target
    assert scenario.kl + 0.5 * penalty * ((reached - target) / AGE.std()) ** 2 == pytest.approx(
        total(reached)
    )
    assert min(total(reached - 0.2), total(reached + 0.2)) > total(reached)


@pytest.mark.parametrize("kind", ["mean", "rate"])
def test_soft_average_of_group_matches_grid_of_cone_programs(kind):
    penalty = 3.0
    if kind == "mean":
        constraint, x, target = Mean("age", 48.0, penalty=penalty, where={"sex": "Female"}), AGE, 48.0
    else:
        x, target = (CHANCE >= 0.5).astype(float), 0.9
        constraint = SelectionRate(target, threshold=0.5, penalty=penalty, where={"sex": "Female"})
    scenario, weights = solve(constraint)
    reached = weights[WOMEN] @ x[WOMEN] / weights[WOMEN].sum()
    unit = x[WOMEN].std()

    def total(value):
        phi = WOMEN * (x - value) / unit
        return (
            divergence(project_by_cone(phi, BASE, 0.0), BASE) + 0.5 * penalty * ((value - target) / unit) ** 2
        )

    found = scenario.kl + 0.5 * penalty * ((reached - target) / unit) ** 2
    assert found == pytest.approx(total(reached), abs=1e-7)
    grid = reached + unit * np.array([-0.3, -0.1, -0.02, 0.02, 0.1])
    assert min(map(total, grid)) > found - 1e-9


def test_mean_that_is_searched_is_reported():
    scenario, weights = solve(Variance("age", 60.0, mean="free"))
    row = scenario.searched.iloc[0]
    assert row["name"] == "mean of age"
    assert row["value"] == pytest.approx(weights @ AGE, abs=1e-9)
    assert (row["low"], row["high"]) == pytest.approx((AGE.min(), AGE.max()))
