import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from agnostix import EntropicProjection
from agnostix.what_if.event_metrics import average_precision, effective, of_decisions, rarest
from agnostix.what_if.inference import FEW_EVENTS, HEAVY_TAILS

SCORES = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
RNG = np.random.default_rng(0)
N = 60
POSITIVE = RNG.random(N) < 0.3
CHANCE = np.round(np.clip(0.3 * POSITIVE + RNG.random(N) * 0.7, 0.0, 1.0), 1)  # with ties
WEIGHTS = RNG.uniform(0.1, 2.0, N)


class Known(ClassifierMixin, BaseEstimator):
    """Probabilities in a column."""

    def __init__(self):
        self.classes_ = np.array([0, 1])

    def fit(self, X, y=None):
        return self

    def predict_proba(self, X):
        return np.column_stack([1.0 - X["p"], X["p"]])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def table(n, positives, seed=0):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) < positives).astype(int)
    return pd.DataFrame({"x": rng.normal(size=n), "p": np.clip(0.1 + 0.3 * y + 0.2 * rng.random(n), 0, 1)}), y


def derivative(measure, weights):
    out = np.empty(weights.size)
    for i in range(weights.size):
        ends = []
        for sign in (1.0, -1.0):
            moved = weights.copy()
            moved[i] += sign * 1e-6
            ends.append(measure(moved)[0])
        out[i] = (ends[0] - ends[1]) / 2e-6
    return out


@pytest.mark.parametrize("name", SCORES)
def test_ratios_are_those_of_scikit_learn_with_their_derivatives(name):
    measure, _ = of_decisions(name, POSITIVE, CHANCE >= 0.5)
    value, psi = measure(WEIGHTS)
    assert value == pytest.approx(SCORES[name](POSITIVE, CHANCE >= 0.5, sample_weight=WEIGHTS))
    np.testing.assert_allclose(psi, derivative(measure, WEIGHTS), atol=1e-8)
    none, still = of_decisions(name, np.zeros(N, bool), np.zeros(N, bool))[0](WEIGHTS)
    assert none == 0.0
    assert not still.any()


def test_average_precision_is_scikit_learns_with_its_derivative():
    measure, carriers = average_precision(POSITIVE, CHANCE)
    value, psi = measure(WEIGHTS)
    assert value == pytest.approx(average_precision_score(POSITIVE, CHANCE, sample_weight=WEIGHTS))
    np.testing.assert_allclose(psi, derivative(measure, WEIGHTS), atol=1e-8)
    assert carriers(WEIGHTS) == rarest(POSITIVE, WEIGHTS)


def test_effective_rows():
    assert effective(np.ones(7)) == pytest.approx(7.0)
    assert effective(np.zeros(3)) == 0.0
    assert rarest(np.arange(9) < 2, np.ones(9)) == pytest.approx(2.0)


@pytest.mark.parametrize("metric", ["f1", "average_precision", "roc_auc", "error_rate", "log_loss"])
def test_no_interval_has_width_0_where_few_positives_are_seen(metric):
    X, y = table(200, 6)
    projection = EntropicProjection(Known()).fit(X, y)
    base = projection.baseline(metric=metric).iloc[0]
    assert base["high"] > base["low"] + 1e-3
    outcome = projection.what_if({"x": 0.2}, metric=metric).outcomes.query("quantity == @metric").iloc[0]
    assert outcome["high"] > outcome["low"] + 1e-3
    assert outcome["change_high"] > outcome["change_low"]
    assert base["status"] == outcome["status"] == "ok"


def test_status_where_a_single_positive_was_seen():
    X, y = table(200, 1)
    projection = EntropicProjection(Known()).fit(X, y)
    frame = projection.baseline(metric=["roc_auc", "error_rate", "f1"])
    assert frame["status"].tolist() == [FEW_EVENTS, "ok", FEW_EVENTS]
    curves = projection.explain(features="x", metric=["error_rate", "roc_auc"]).frame
    ok = curves.loc[curves["quantity"] == "error_rate", "status"].to_numpy() == "ok"
    assert ok.any()
    area = curves.loc[curves["quantity"] == "roc_auc", "status"].to_numpy()
    assert set(area[ok]) == {FEW_EVENTS}


def test_status_where_outcomes_have_no_mean():
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"x": rng.normal(size=900)})
    heavy = EntropicProjection().fit(X, predictions=rng.pareto(0.4, size=900)).baseline()
    assert heavy["status"].tolist() == [HEAVY_TAILS]
    light = EntropicProjection().fit(X, predictions=rng.lognormal(size=900)).baseline()
    assert light["status"].tolist() == ["ok"]


def test_labels_that_are_no_numbers_are_left_to_scikit_learn():
    X, y = table(120, 40)
    model = Known()
    model.classes_ = np.array([0, 2])
    frame = EntropicProjection(model).fit(X, 2 * y).baseline(metric="f1_macro")
    assert np.isfinite(frame["value"]).all()
