"""Probabilities in half precision, which sum to 1 within their own rounding, are probabilities."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression

from agnostix import EntropicProjection, KernelShapExplainer, MimicTree, as_predictor
from agnostix.core.models.outputs import are_probabilities
from agnostix.surrogate_tree.fidelity import measure_fidelity
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


ROUNDED = {
    "float64": lambda P: P,
    "float32": lambda P: P.astype(np.float32),
    "float16": lambda P: P.astype(np.float16),
    "bfloat16": lambda P: torch.tensor(P).bfloat16().float().numpy(),
    "softmax in float16": lambda P: softmax(np.log(P).astype(np.float16)),
    "softmax in bfloat16": lambda P: torch.tensor(P).log().bfloat16().softmax(1).float().numpy(),
    "four digits": lambda P: P.round(4),
    "three digits": lambda P: P.round(3),
    "three digits in float32": lambda P: P.round(3).astype(np.float32),
    "two digits": lambda P: P.round(2),
}


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "n_classes"),
    [
        (kind, n_classes)
        for kind in ROUNDED
        for n_classes in (2, 3, 10, 100, 1000)
        if "digits" not in kind or n_classes <= 10  # few digits leave nothing of more
    ],
)
def test_probabilities_of_any_type_are_told_from_scores(kind, n_classes):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(n_classes), 300)
    outputs = np.asarray(ROUNDED[kind](probabilities), dtype=float)
    assert are_probabilities(outputs)
    assert are_probabilities(outputs[:1])
    if not kind.startswith("softmax"):
        scores = np.asarray(ROUNDED[kind](0.5 * np.vstack([probabilities, probabilities[:1]])), dtype=float)
        assert not are_probabilities(scores)
        assert not are_probabilities(np.vstack([outputs, scores[-1:]]))


def other_of_three(outputs):
    """Scores of two classes, in the first and the third row those of probabilities."""
    return np.array([[0.25, 0.75], outputs, [1.0, 0.0]])


EDGES = {
    "exact": ([0.0, 1.0], True),
    "rounding below 0": ([-1e-9, 1.0 + 1e-9], True),
    "rounding in single precision": ([0.3 + 2e-7, 0.7], True),
    "within the tolerance": ([0.3, 0.7 + 0.9e-4], True),
    "beyond the tolerance": ([0.31415926, 0.68584074 + 1.2e-4], False),
    "below 0": ([-0.01, 1.01], False),
    "above 1": ([1.1, -0.1], False),
    "both labels": ([0.9, 0.8], False),
    "neither label": ([0.1, 0.2], False),
    "halves of one digit": ([0.5, 0.6], False),
}


@pytest.mark.parametrize(("outputs", "are"), EDGES.values(), ids=EDGES)
def test_probabilities_at_the_edges(outputs, are):
    outputs = other_of_three(outputs)
    assert are_probabilities(outputs) is are
    predictor = as_predictor(lambda X: outputs[X[:, 0].astype(int)], task="classification")
    tried, _, _ = predictor.trial(np.arange(3.0)[:, None])
    assert (tried.exclusive is True) is are
    assert from_model(predictor, outputs, None).probabilities is are
    assert from_predictions(outputs, [0, 1, 0], 3).probabilities is are
    assert (measure_fidelity(outputs, outputs, True, "new rows").kl is not None) is are


def test_one_column_is_no_distribution():
    assert not are_probabilities(np.ones((3, 1)))
    assert from_predictions(np.array([0.2, 1.0 + 1e-12, 0.0]), [0, 1, 0], 3).probabilities


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_modules_that_end_in_a_softmax_of_any_precision_are_left_as_they_are(dtype):
    class Ends(torch.nn.Module):
        def forward(self, x):
            return (4.0 * x).to(dtype).softmax(dim=1).float()

    X = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    with torch.no_grad():
        expected = Ends()(torch.tensor(X)).numpy()
    np.testing.assert_array_equal(as_predictor(Ends()).predict(X), expected)
