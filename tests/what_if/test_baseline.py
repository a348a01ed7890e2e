import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from tests.reference.what_if import effective_rows
from tests.what_if.doubles import chance, fit_projection, people, select_rows, truth

X = people()
N = len(X)
Y = truth(X)
WEIGHT = np.random.default_rng(3).uniform(0.2, 3.0, N)


def test_baseline_is_data_mean_with_standard_error():
    frame = fit_projection(X, Y).baseline()
    assert frame["value"][0] == pytest.approx(chance(X).mean(), rel=1e-12)
    assert frame["std_error"][0] == pytest.approx(chance(X).std(ddof=1) / np.sqrt(N), rel=0.01)
    assert frame["n_rows"][0] == N
    assert frame["group"][0] is None


def test_baseline_std_error_is_weighted():
    base = WEIGHT / WEIGHT.sum()
    frame = fit_projection(X, Y, WEIGHT).baseline()
    mean = base @ chance(X)
    assert frame["value"][0] == pytest.approx(mean)
    residual = (chance(X) - mean) * base / (1.0 - base)
    assert frame["std_error"][0] == pytest.approx(np.sqrt(residual @ residual))
    assert effective_rows(WEIGHT) < N


def test_baseline_of_metrics_has_similar_std_errors():
    frame = fit_projection(X, Y).baseline(metric=["accuracy", accuracy_score, "roc_auc"])
    assert frame["quantity"].tolist() == ["accuracy", "accuracy_score", "roc_auc"]
    assert frame["value"][0] == pytest.approx(frame["value"][1])
    assert frame["std_error"][1] == pytest.approx(frame["std_error"][0], rel=0.35)
    assert (frame["low"] < frame["value"]).all()
    assert (frame["value"] < frame["high"]).all()


def test_baseline_matches_scenario_and_group():
    projection = fit_projection(X, Y, WEIGHT)
    outcomes = projection.what_if({"age": 45}).outcomes
    own = projection.baseline(metric=list(outcomes["quantity"]))
    np.testing.assert_allclose(own["value"], outcomes["base"], rtol=1e-12)
    groups = projection.baseline(by="sex", metric=["prediction", "roc_auc"])
    for sex in ("Female", "Male"):
        rows = (X["sex"] == sex).to_numpy()
        alone = fit_projection(X[rows], Y[rows], WEIGHT[rows]).baseline(metric=["prediction", "roc_auc"])
        found = select_rows(groups, group=sex)
        for name in ("value", "std_error", "low", "high", "n_rows"):
            np.testing.assert_allclose(found[name], alone[name], rtol=1e-9)
