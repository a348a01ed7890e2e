"""Influence of each row on a scenario of any kind is the derivative of solving it again."""

import numpy as np
import pytest

from agnostix import (
    Correlation,
    Covariance,
    DisparateImpact,
    EntropicProjection,
    EqualOpportunity,
    ErrorRate,
    ExpectedShortfall,
    Keep,
    Mean,
    Prediction,
    Proportion,
    Quantile,
    SelectionRate,
    TruePositiveRate,
    Variance,
)
from agnostix.what_if.solving import Solved
from tests.what_if.doubles import chance, people, truth

X = people(140, 3)
Y = truth(X)
N = len(X)
P = np.clip(chance(X) + 0.05 * np.random.default_rng(0).normal(size=N), 0.01, 0.99)
WOMEN = {"sex": "Female"}
CASES = {
    "mean": [Mean("age", 43)],
    "range that binds": [Mean("age", (43, 50))],
    "tolerance": [Mean("age", 45, tolerance=2)],
    "soft": [Mean("age", 45, penalty=2.0), Mean("hours", 41)],
    "relative": [Mean("age", "+3"), Mean("hours", "*1.02")],
    "relative in a group": [Mean("age", "*1.1", where=WOMEN)],
    "in a group": [Mean("age", 43, where=WOMEN)],
    "soft in a group": [Mean("age", 45, where=WOMEN, penalty=3.0)],
    "soft in a group, another relative": [Mean("age", 45, where=WOMEN, penalty=3.0), Mean("hours", "+1")],
    "kept": [Mean("hours", 42), Keep("age", "sex")],
    "quantile": [Quantile("age", 0.5, 42.0)],
    "variance": [Variance("age", 120.0)],
    "variance at a stated mean": [Variance("age", 120.0), Mean("age", 42)],
    "variance of a group": [Variance("age", 120.0, where=WOMEN)],
    "variance, mean free": [Variance("age", 135.0, mean="free")],
    "covariance": [Covariance("age", "hours", 45.0)],
    "correlation": [Correlation("age", "hours", 0.65)],
    "correlation of a group": [Correlation("age", "hours", 0.65, where=WOMEN)],
    "expected shortfall": [ExpectedShortfall("age", 0.8, 56.0, quantile=47.0)],
    "prediction": [Prediction(0.5)],
    "share above": [Prediction(0.5, above=0.5)],
    "error rate": [ErrorRate(0.3)],
    "error rate of a group": [ErrorRate(0.25, where=WOMEN)],
    "selection rate": [SelectionRate(0.5)],
    "true positives": [TruePositiveRate(0.7)],
    "disparate impact": [DisparateImpact(0.8, group="sex", reference="Male")],
    "with shares held": [DisparateImpact(0.8, group="sex", reference="Male", hold_shares=True)],
    "relative disparate impact": [
        DisparateImpact("*1.1", group="sex", reference="Male"),
        Mean("age", "+1"),
    ],
    "relative, with shares held": [DisparateImpact("*1.1", group="sex", reference="Male", hold_shares=True)],
    "soft disparate impact": [DisparateImpact(0.9, group="sex", reference="Male", penalty=3.0)],
    "equal opportunity": [EqualOpportunity(0.05, group="sex", reference="Male")],
    "several": [Mean("age", 42), Variance("hours", 45.0), Proportion("job", {"clerk": 0.45}), ErrorRate(0.3)],
}


def solve(constraints, weight, **how):
    projection = EntropicProjection().fit(X, Y, weight, predictions=P)
    return projection.what_if(constraints, metric=["prediction", "roc_auc"], **how), projection.table_.order


def check(constraints, monkeypatch, **how):
    known = []

    inner = Solved.influence

    def kept(solved, **how):
        known.append((solved.context, inner(solved, **how)))
        return known[-1][1]

    monkeypatch.setattr(Solved, "influence", kept)
    scenario, order = solve(constraints, np.ones(N), **how)
    (sample, influence) = known[0][0].sample, known[0][1].without_leverage()
    own, change = influence.parts(np.column_stack([sample.restrict(P[order]), X["hours"].to_numpy()[order]]))
    assert scenario.status != "boundary"
    step, psi = 1e-3, np.full((N, 3), np.nan)
    for i in range(0, N, 23):
        ends = []
        for sign in (1.0, -1.0):
            weight = np.ones(N)
            weight[order[i]] += sign * step
            again = solve(constraints, weight, **how)[0]
            w = again.weights / again.weights.sum()
            ends.append([w @ P, w @ X["hours"], w @ P - weight @ P / weight.sum()])
        psi[i] = (np.array(ends[0]) - np.array(ends[1])) / (2.0 * step)
    some = ~np.isnan(psi[:, 0])
    found = np.column_stack([own, change[:, :1]])[some]
    scale = np.abs(psi[some]).max(0)
    assert (np.abs(found - psi[some]) <= 2e-4 * scale + 1e-9).all(), (found - psi[some]) / scale
    assert scale.max() > 1e-4


SLOW = (
    "variance, mean free",
    "disparate impact",
    "relative disparate impact",
    "soft disparate impact",
    "equal opportunity",
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CASES]
)
def test_influence_is_derivative_by_base_weights(name, monkeypatch):
    check(CASES[name], monkeypatch)


@pytest.mark.parametrize("divergence", ["chi_square", "empirical_likelihood"])
@pytest.mark.parametrize("name", ["several", "correlation", "in a group", "soft"])
def test_influence_of_other_divergences(name, divergence, monkeypatch):
    check(CASES[name], monkeypatch, divergence=divergence)


@pytest.mark.parametrize("name", ["mean", "variance", "kept", "relative"])
def test_influence_under_bounds_on_weights(name, monkeypatch):
    check(CASES[name], monkeypatch, weight_bounds=(0.6, 1.7))


def test_errors_of_a_shortfall_let_its_quantile_move():
    # Quantiles move in jumps: derivatives by base weights say nothing, draws that solve again do.
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    p = 1.0 / (1.0 + np.exp(-x))
    X = np.column_stack([x, rng.normal(size=400)])
    stated = [ExpectedShortfall("x0", 0.8, 1.6)]
    by_draws = EntropicProjection(std_errors="bootstrap", n_bootstrap=300, random_state=0)
    frames = [one.fit(X, predictions=p).what_if(stated).outcomes for one in (EntropicProjection(), by_draws)]
    for name in ("std_error", "change_std_error"):
        delta, draws = (float(frame.loc[0, name]) for frame in frames)
        assert 0.75 * draws < delta < 1.5 * draws, name


def test_errors_of_a_relative_quantile_are_those_of_its_number():
    projection = EntropicProjection().fit(X, Y, predictions=P)
    relative = projection.what_if([Quantile("age", 0.5, "+2")])
    number = float(relative.conditions.loc[0, "low"])
    stated = projection.what_if([Quantile("age", 0.5, number)])
    assert relative.outcomes.loc[0, "std_error"] == pytest.approx(
        stated.outcomes.loc[0, "std_error"], rel=1e-9
    )
    assert 0.0 < relative.outcomes.loc[0, "std_error"] < 0.1
