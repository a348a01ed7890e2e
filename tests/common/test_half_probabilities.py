"""Probabilities in half precision, which sum to 1 within their own rounding, are probabilities."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression

from agnostix import EntropicProjection, KernelShapExplainer, MimicTree, as_predictor
from agnostix.core.models.outputs import sum_to_one
from agnostix.what_if.predictions import from_model, from_predictions

torch = pytest.importorskip("torch")

IRIS = load_iris(return_X_y=True, as_frame=True)
DIGITS = load_digits(return_X_y=True, as_frame=True)
TABLES = {
    "iris": IRIS,
    "binary": (IRIS[0].iloc[:100], IRIS[1].iloc[:100]),
    "digits": (DIGITS[0][:300], DIGITS[1][:300]),
}
MODELS = {
    name: LogisticRegression(C=0.01, max_iter=5000).fit(X / X.max().max(), y)
    for name, (X, y) in TABLES.items()
}


class Rounded:
    """A classifier whose probabilities come in another type."""

    _estimator_type = "classifier"

    def __init__(self, name, convert):
        self.model, self.convert = MODELS[name], convert
        self.classes_, self.largest = self.model.classes_, TABLES[name][0].max().max()

    def predict_proba(self, X):
        return self.convert(self.model.predict_proba(X / self.largest))

    def predict(self, X):
        return self.model.predict(X / self.largest)


KINDS = {
    "float16": lambda P: P.astype(np.float16),
    "bfloat16": lambda P: torch.tensor(P).bfloat16().float().numpy(),
    "bfloat16 tensor": lambda P: torch.tensor(P).bfloat16(),
    "float32": lambda P: P.astype(np.float32),
    "float64": lambda P: P,
}
kinds = pytest.mark.parametrize("kind", KINDS)
tables = pytest.mark.parametrize("table", TABLES)


@kinds
@tables
def test_populations_have_the_metrics_of_probabilities(kind, table):
    X, y = TABLES[table]
    population, exact = (
        EntropicProjection(Rounded(table, KINDS[one])).fit(X, y) for one in (kind, "float64")
    )
    assert population.predictions_.probabilities
    one, other = (own.baseline(metric="log_loss")["value"].iloc[0] for own in (population, exact))
    assert one == pytest.approx(other, abs=1e-2)


@kinds
@tables
def test_predictions_computed_elsewhere_are_probabilities(kind, table):
    X, y = TABLES[table]
    P = Rounded(table, KINDS[kind]).predict_proba(X)
    P = P.float().numpy() if isinstance(P, torch.Tensor) else P
    assert from_predictions(P, y, len(X)).probabilities


@kinds
@tables
def test_surrogate_trees_have_the_fidelity_of_probabilities(kind, table):
    X, _ = TABLES[table]
    tree = MimicTree(Rounded(table, KINDS[kind]), random_state=0, max_leaf_nodes=4).fit(X)
    assert tree._are_probabilities
    assert tree.fidelity(X).kl is not None


@kinds
def test_log_odds_of_probabilities(kind):
    X, _ = TABLES["iris"]
    exp, exact = (
        KernelShapExplainer(Rounded("iris", KINDS[one]), link="logit", random_state=0).fit(X).explain(X[:3])
        for one in (kind, "float64")
    )
    np.testing.assert_allclose(exp.values, exact.values, atol=0.05)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("apart", [0.02, 0.1, 0.9])
def test_scores_that_do_not_sum_to_one_are_none(dtype, apart):
    X, _ = TABLES["iris"]
    scores = (MODELS["iris"].predict_proba(X) * (1 - apart)).astype(dtype)
    predictor = as_predictor(lambda X: scores, task="classification")
    assert not from_model(predictor, predictor.predict(X), None).probabilities


@pytest.mark.parametrize("precision", [2.0**-8, 2.0**-11])
@pytest.mark.parametrize("n_classes", [2, 100])
def test_sum_to_one_allows_rounding_and_no_more(precision, n_classes):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(n_classes), 50)
    rounded = probabilities * (1.0 + precision * rng.uniform(-1.0, 1.0, probabilities.shape))
    assert sum_to_one(rounded, precision)
    assert not sum_to_one(rounded * np.where(np.arange(50) == 7, 1.1, 1.0)[:, None], precision)
