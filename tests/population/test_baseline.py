import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from tests.population.doubles import asked, chance, of, people, truth
from tests.reference.entropic import effective_rows

X = people()
N = len(X)
Y = truth(X)
WEIGHT = np.random.default_rng(3).uniform(0.2, 3.0, N)


def test_the_baseline_is_the_datas_own_mean_with_its_own_error():
    frame = asked(X, Y).baseline()
    assert frame["value"][0] == pytest.approx(chance(X).mean(), rel=1e-12)
    assert frame["std_error"][0] == pytest.approx(chance(X).std(ddof=1) / np.sqrt(N), rel=0.01)
    assert frame["n_rows"][0] == N
    assert frame["group"][0] is None


def test_weighted_errors_are_those_of_the_weighted_rows():
    base = WEIGHT / WEIGHT.sum()
    frame = asked(X, Y, WEIGHT).baseline()
    mean = base @ chance(X)
    assert frame["value"][0] == pytest.approx(mean)
    residual = (chance(X) - mean) * base / (1.0 - base)
    assert frame["std_error"][0] == pytest.approx(np.sqrt(residual @ residual))
    assert effective_rows(WEIGHT) < N


def test_every_kind_of_metric_has_a_baseline_and_an_error_of_like_size():
    frame = asked(X, Y).baseline(metric=["accuracy", accuracy_score, "roc_auc"])
    assert frame["quantity"].tolist() == ["accuracy", "accuracy_score", "roc_auc"]
    assert frame["value"][0] == pytest.approx(frame["value"][1])
    assert frame["std_error"][1] == pytest.approx(frame["std_error"][0], rel=0.35)
    assert (frame["low"] < frame["value"]).all()
    assert (frame["value"] < frame["high"]).all()


def test_the_baseline_of_a_scenario_and_of_a_group_is_the_same_number():
    projection = asked(X, Y, WEIGHT)
    outcomes = projection.what_if({"age": 45}).outcomes
    own = projection.baseline(metric=list(outcomes["quantity"]))
    np.testing.assert_allclose(own["value"], outcomes["base"], rtol=1e-12)
    groups = projection.baseline(by="sex", metric=["prediction", "roc_auc"])
    for sex in ("Female", "Male"):
        rows = (X["sex"] == sex).to_numpy()
        alone = asked(X[rows], Y[rows], WEIGHT[rows]).baseline(metric=["prediction", "roc_auc"])
        found = of(groups, group=sex)
        for name in ("value", "std_error", "low", "high", "n_rows"):
            np.testing.assert_allclose(found[name], alone[name], rtol=1e-9)
