"""Every kind of constraint: its value is reached by its second formulation, by the closest weights."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix import (
    Correlation,
    Covariance,
    EntropicProjection,
    ErrorRate,
    ExpectedShortfall,
    FalsePositiveRate,
    Keep,
    Mean,
    Prediction,
    Proportion,
    Quantile,
    SelectionRate,
    TruePositiveRate,
    Variance,
)
from tests.reference import constraints as reference
from tests.reference.what_if import distance_from_tilt
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people()
Y = truth(X)
N = len(X)
P = chance(X)
DECIDED = (P > 0.5).astype(int)
AGE, HOURS, GAIN = (X[name].to_numpy() for name in ("age", "hours", "gain"))
WOMEN = (X["sex"] == "Female").to_numpy()
SOME = ((X["job"] != "clerk") & (X["age"] >= 35) & (X["age"] <= 50)).to_numpy()
WEIGHT = np.random.default_rng(3).uniform(0.2, 3.0, N)
IN_SOME = {"job": ["farmer", "teacher"], "age": (35, 50)}
IN_WOMEN = {"sex": "Female"}
PROJECTIONS = {None: fit_projection(X, Y), "weighted": fit_projection(X, Y, WEIGHT)}
BASES = {None: np.ones(N), "weighted": WEIGHT}

KINDS = {
    "mean": (Mean("age", 45.0), 45.0, lambda w: reference.average(AGE, w)),
    "mean in a group": (Mean("age", 45.0, where=IN_WOMEN), 45.0, lambda w: reference.average(AGE, w, WOMEN)),
    "mean in a crossed group": (
        Mean("hours", 39.0, where=IN_SOME),
        39.0,
        lambda w: reference.average(HOURS, w, SOME),
    ),
    "proportion": (Proportion("sex", "Female", 0.5), 0.5, lambda w: reference.average(WOMEN, w)),
    "proportion of a number": (
        Proportion("gain", 0.0, 0.6),
        0.6,
        lambda w: reference.average(GAIN == 0.0, w),
    ),
    "proportion in a group": (
        Proportion("job", "farmer", 0.4, where=IN_WOMEN),
        0.4,
        lambda w: reference.average(X["job"] == "farmer", w, WOMEN),
    ),
    "variance": (Variance("age", 120.0), 120.0, lambda w: reference.variance(AGE, w)),
    "variance in a group": (
        Variance("age", 60.0, where=IN_WOMEN),
        60.0,
        lambda w: reference.variance(AGE, w, WOMEN),
    ),
    "covariance": (Covariance("age", "hours", 10.0), 10.0, lambda w: reference.covariance(AGE, HOURS, w)),
    "covariance in a group": (
        Covariance("age", "hours", 20.0, where=IN_WOMEN),
        20.0,
        lambda w: reference.covariance(AGE, HOURS, w, WOMEN),
    ),
    "correlation": (Correlation("age", "hours", 0.3), 0.3, lambda w: reference.correlation(AGE, HOURS, w)),
    "correlation in a group": (
        Correlation("age", "gain", 0.1, where={"member": True}),
        0.1,
        lambda w: reference.correlation(AGE, GAIN, w, X["member"].to_numpy()),
    ),
    "expected shortfall": (
        ExpectedShortfall("age", 0.8, 55.0),
        55.0,
        lambda w: reference.expected_shortfall(0.8, AGE, w),
    ),
    "expected shortfall in a group": (
        ExpectedShortfall("age", 0.8, 54.0, where=IN_WOMEN),
        54.0,
        lambda w: reference.expected_shortfall(0.8, AGE, w, WOMEN),
    ),
    "expected shortfall with ties": (
        ExpectedShortfall("gain", 0.85, 4000.0),
        4000.0,
        lambda w: reference.expected_shortfall(0.85, GAIN, w),
    ),
    "expected shortfall at a stated quantile": (
        ExpectedShortfall("age", 0.8, 53.0, quantile=47.0),
        53.0,
        lambda w: reference.expected_shortfall(0.8, AGE, w),
    ),
    "prediction": (Prediction(0.5), 0.5, lambda w: reference.average(P, w)),
    "prediction in a group": (
        Prediction(0.5, where=IN_WOMEN),
        0.5,
        lambda w: reference.average(P, w, WOMEN),
    ),
    "share of predictions above": (
        Prediction(0.2, above=0.55),
        0.2,
        lambda w: reference.average(P > 0.55, w),
    ),
    "error rate": (ErrorRate(0.25), 0.25, lambda w: reference.error_rate(Y, DECIDED, w)),
    "error rate in a group": (
        ErrorRate(0.4, where=IN_WOMEN),
        0.4,
        lambda w: reference.error_rate(Y, DECIDED, w, WOMEN),
    ),
    "true positive rate": (
        TruePositiveRate(0.6),
        0.6,
        lambda w: reference.true_positive_rate(Y, DECIDED, w, 1),
    ),
    "true positive rate of the other class in a group": (
        TruePositiveRate(0.7, positive=0, where=IN_WOMEN),
        0.7,
        lambda w: reference.true_positive_rate(Y, DECIDED, w, 0, WOMEN),
    ),
    "false positive rate": (
        FalsePositiveRate(0.3),
        0.3,
        lambda w: reference.false_positive_rate(Y, DECIDED, w, 1),
    ),
    "false positive rate at a threshold": (
        FalsePositiveRate(0.5, threshold=0.4, where=IN_WOMEN),
        0.5,
        lambda w: reference.false_positive_rate(Y, (P >= 0.4).astype(int), w, 1, WOMEN),
    ),
    "selection rate": (SelectionRate(0.45), 0.45, lambda w: reference.average(DECIDED, w)),
    "selection rate in a group": (
        SelectionRate(0.45, threshold=0.4, where=IN_WOMEN),
        0.45,
        lambda w: reference.average(P >= 0.4, w, WOMEN),
    ),
}
QUANTILES = {
    "quantile": (Quantile("age", 0.5, 45.0), AGE, None),
    "quantile at a row": (Quantile("age", 0.3, float(AGE[7])), AGE, None),
    "quantile at ties": (Quantile("gain", 0.75, 0.0), GAIN, None),
    "quantile beyond ties": (Quantile("gain", 0.8, 1500.0), GAIN, None),
    "quantile in a group": (Quantile("age", 0.25, 40.0, where=IN_WOMEN), AGE, WOMEN),
    "quantile of the prediction": (Prediction(0.6, quantile=0.8), P, None),
    "quantile of the prediction in a group": (Prediction(0.5, quantile=0.8, where=IN_WOMEN), P, WOMEN),
}


def solve(constraints, weighted=None, **options):
    listed = constraints if isinstance(constraints, list) else [constraints]
    return PROJECTIONS[weighted].what_if(listed, metric="prediction", **options)


@pytest.mark.parametrize("weighted", [None, "weighted"])
@pytest.mark.parametrize("name", KINDS)
def test_value_is_reached(name, weighted):
    constraint, target, formula = KINDS[name]
    scenario = solve(constraint, weighted)
    assert formula(scenario.weights) == pytest.approx(target, rel=1e-9)
    row = scenario.conditions.iloc[0]
    assert row["reached"] == pytest.approx(target, rel=1e-9)
    assert row["before"] == pytest.approx(formula(BASES[weighted]), rel=1e-9)
    assert (row["low"], row["high"]) == (target, target)
    assert row["role"] == "stated"
    assert row["label"].startswith(row["kind"])
    assert scenario.gap <= 1e-9


@pytest.mark.parametrize("weighted", [None, "weighted"])
@pytest.mark.parametrize("name", QUANTILES)
def test_quantile_is_reached(name, weighted):
    constraint, values, member = QUANTILES[name]
    scenario = solve(constraint, weighted)
    assert reference.is_quantile(constraint.target, _q(constraint), values, scenario.weights, member)
    assert scenario.conditions["reached"][0] == constraint.target
    before = scenario.conditions["before"][0]
    assert reference.is_quantile(before, _q(constraint), values, BASES[weighted], member)


def _q(constraint):
    return constraint.q if isinstance(constraint, Quantile) else constraint.quantile


@pytest.mark.parametrize("name", [*KINDS, *QUANTILES])
def test_where_nothing_is_stated_nothing_is_reached_by_chance(name):
    """The targets are not the data's own, else the tests above could not fail."""
    if name in KINDS:
        _, target, formula = KINDS[name]
        assert abs(formula(np.ones(N)) - target) > 1e-3 * max(1.0, abs(target))
    else:
        constraint, values, member = QUANTILES[name]
        if name != "quantile at ties":
            assert not reference.is_quantile(constraint.target, _q(constraint), values, np.ones(N), member)


def test_weights_of_a_variance_are_the_closest():
    scenario = solve(Variance("age", 120.0), "weighted")
    center = reference.average(AGE, WEIGHT)
    phi = np.column_stack([AGE, (AGE - center) ** 2])
    assert reference.average(AGE, scenario.weights) == pytest.approx(center, rel=1e-10)
    assert distance_from_tilt(scenario.weights / N, WEIGHT / WEIGHT.sum(), phi) < 1e-9


def test_weights_of_a_correlation_are_the_closest_with_means_and_variances_held():
    scenario = solve([Correlation("age", "hours", 0.2), Mean("age", 42.0)])
    w = scenario.weights
    assert reference.average(AGE, w) == pytest.approx(42.0, rel=1e-10)
    assert reference.average(HOURS, w) == pytest.approx(HOURS.mean(), rel=1e-10)
    for values in (AGE, HOURS):
        assert reference.variance(values, w) == pytest.approx(values.var(), rel=1e-9)
    a, h = AGE - 42.0, HOURS - HOURS.mean()
    phi = np.column_stack([a, h, a**2, h**2, a * h])
    assert distance_from_tilt(w / N, np.ones(N) / N, phi) < 1e-9
    held = scenario.conditions.query("role == 'held'")
    assert held["label"].tolist() == ["mean of hours", "variance of age", "variance of hours"]
    np.testing.assert_allclose(held["reached"], held["low"], rtol=1e-9)
    for label, value in (("mean of hours", HOURS.mean()), ("variance of age", AGE.var())):
        assert f"The {label} is held at the data's {value:.6g}." in scenario.notes
    assert not any("mean of age" in note for note in scenario.notes)


def test_weights_in_a_group_are_the_closest_with_its_size_free():
    scenario = solve(Mean("age", 45.0, where=IN_WOMEN))
    assert distance_from_tilt(scenario.weights / N, np.ones(N) / N, np.where(WOMEN, AGE - 45.0, 0.0)) < 1e-9
    assert abs(scenario.weights[WOMEN].sum() - WOMEN.sum()) > 1.0


@pytest.mark.parametrize("target", [(45.0, np.inf), (-np.inf, 30.0)])
def test_range_with_one_end_in_a_group(target):
    end = target[0] if np.isfinite(target[0]) else target[1]
    one, number = (
        PROJECTIONS[None].what_if([Mean("age", at, where=IN_WOMEN), Mean("hours", 41.0)])
        for at in (target, end)
    )
    np.testing.assert_allclose(one.weights, number.weights, atol=1e-9)
    assert one.conditions["reached"].round(9)[0] == end
    beyond = Mean("age", (-np.inf, 90.0) if np.isinf(target[0]) else (0.0, np.inf), where=IN_WOMEN)
    alone = PROJECTIONS[None].what_if([Mean("hours", 41.0)])
    free = PROJECTIONS[None].what_if([beyond, Mean("hours", 41.0)])
    np.testing.assert_allclose(free.weights, alone.weights, atol=1e-9)


def test_keep_holds_means_and_proportions():
    scenario = solve([Mean("age", 45.0), Keep("hours", "job")], "weighted")
    w = scenario.weights
    assert reference.average(HOURS, w) == pytest.approx(reference.average(HOURS, WEIGHT), rel=1e-10)
    for level in ("clerk", "farmer", "teacher"):
        member = (X["job"] == level).to_numpy()
        assert reference.average(member, w) == pytest.approx(reference.average(member, WEIGHT), rel=1e-10)
    alone = solve(Mean("age", 45.0), "weighted")
    assert scenario.kl > alone.kl + 1e-3


def test_stated_quantile_is_where_the_shortfall_holds_it():
    both = solve([ExpectedShortfall("age", 0.8, 56.0), Quantile("age", 0.8, 50.0)])
    assert reference.is_quantile(50.0, 0.8, AGE, both.weights)
    assert reference.expected_shortfall(0.8, AGE, both.weights) == pytest.approx(56.0, rel=1e-9)
    assert "held" not in set(both.conditions["role"])
    one = solve(ExpectedShortfall("age", 0.8, 56.0, quantile=50.0))
    np.testing.assert_allclose(one.weights, both.weights, rtol=1e-8)


def test_all_kinds_at_once():
    constraints = [
        Mean("age", 42.0),
        Variance("hours", (30.0, 33.0)),
        Quantile("age", 0.9, 54.0),
        Proportion("job", {"clerk": 0.45, "farmer": 0.25}),
        Mean("hours", 39.5, where=IN_WOMEN),
        ErrorRate((0.3, 0.32)),
        SelectionRate(0.4, where={"member": True}),
    ]
    scenario = solve(constraints)
    w = scenario.weights
    assert reference.average(AGE, w) == pytest.approx(42.0, rel=1e-9)
    assert 30.0 - 1e-9 <= reference.variance(HOURS, w) <= 33.0 + 1e-9
    assert reference.is_quantile(54.0, 0.9, AGE, w)
    assert reference.average(X["job"] == "farmer", w) == pytest.approx(0.25, rel=1e-9)
    assert reference.average(HOURS, w, WOMEN) == pytest.approx(39.5, rel=1e-9)
    assert 0.3 - 1e-9 <= reference.error_rate(Y, DECIDED, w) <= 0.32 + 1e-9
    assert reference.average(DECIDED, w, X["member"].to_numpy()) == pytest.approx(0.4, rel=1e-9)
    assert scenario.gap <= 1e-9


@settings(max_examples=15, deadline=None)
@given(
    values=st.lists(st.integers(-3, 3), min_size=8, max_size=30),
    q=st.floats(0.05, 0.95),
    seed=st.integers(0, 1000),
)
def test_quantile_on_ties_is_the_one_that_is_stated(values, q, seed):
    values = np.array(values, dtype=float)
    inside = np.unique(values)[1:-1]
    if inside.size == 0:
        return
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.5, 2.0, values.size)
    target = float(rng.choice(inside))
    scenario = EntropicProjection().fit(
        pd.DataFrame({"x": values}), predictions=rng.random(values.size), sample_weight=weight
    )
    weights = scenario.what_if([Quantile("x", q, target)]).weights
    assert reference.is_quantile(target, q, values, weights)


def test_order_of_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(N)
    constraints = [Quantile("age", 0.5, 42.0), Correlation("age", "hours", 0.4), ErrorRate(0.3)]
    one = PROJECTIONS[None].what_if(constraints, metric="prediction")
    other = fit_projection(X.iloc[order].reset_index(drop=True), Y[order]).what_if(
        constraints, metric="prediction"
    )
    np.testing.assert_array_equal(one.weights[order], other.weights)
