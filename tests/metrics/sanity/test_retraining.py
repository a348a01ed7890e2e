"""Explanations of models of shuffled labels, and ROAR, against loops over models trained by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from agnostix import KernelShapExplainer, OcclusionExplainer, as_predictor
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker, TextMasker
from agnostix.metrics import data_randomization, random_logit, roar
from agnostix.metrics.sanity.retraining import typical_row
from agnostix.metrics.sanity.verdicts import seeds_of
from tests.messages import assert_states, refuses
from tests.metrics.explanations import Counted
from tests.reference import metrics_sanity as reference

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 6))
Y = (X[:, 0] + 0.7 * X[:, 1] + 0.3 * RNG.normal(size=240) > 0).astype(int)
MODEL = LogisticRegression().fit(X, Y)
EXPLAINER = OcclusionExplainer(MODEL, random_state=0).fit(X)


def test_shuffled_labels_are_those_of_a_loop():
    tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, Y)
    explainer = OcclusionExplainer(tree, random_state=0).fit(X)
    options = {"similarity": "absolute-spearman", "n_draws": 3, "random_state": 5}
    result = data_randomization(tree, X, Y, explainer, rows=X[:10], **options)
    exp = explainer.explain(X[:10])
    classes = exp.outputs.argmax(axis=1)
    expected = np.empty((10, 3))
    for draw in range(3):
        order = np.random.default_rng(seeds_of(5, draw)).permutation(240)
        other = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, Y[order])
        again = OcclusionExplainer(other, random_state=0).fit(X).explain(X[:10])
        for row, c in enumerate(classes):
            expected[row, draw] = reference.spearman(abs(exp.values[row, :, c]), abs(again.values[row, :, c]))
    np.testing.assert_allclose(result.scores, np.nanmean(expected, axis=1), atol=1e-9)
    np.testing.assert_allclose(result.curve.values[:, 1], result.scores)
    assert result.shared_error is not None


def test_verdicts_tell_what_depends_on_the_labels():
    signed = data_randomization(MODEL, X, Y, EXPLAINER, n_draws=30, margin=0.3)
    assert signed.params["similarity"] == "spearman"
    assert signed.verdict.split()[0] == "sensitive"
    # Sizes of contributions of a linear model follow those of its inputs, whatever it has learned.
    sizes = data_randomization(MODEL, X, Y, EXPLAINER, n_draws=8, similarity="absolute-spearman")
    assert sizes.verdict.split()[0] == "insensitive"
    fixed = data_randomization(MODEL, X, Y, EXPLAINER, refit=lambda X, y: MODEL, rows=X[:20])
    assert fixed.score == pytest.approx(1.0)
    assert_states(fixed.verdict, "insensitive", "labels")


def test_any_model_is_trained_by_refit():
    def train(X, y):
        fitted = GaussianNB().fit(X, y)
        return lambda rows: fitted.predict_proba(rows)

    function = train(X, Y)
    explainer = OcclusionExplainer(function, random_state=0).fit(X)
    by_function = data_randomization(function, X, Y, explainer, refit=train, rows=X[:8])
    model = GaussianNB().fit(X, Y)
    explainer = OcclusionExplainer(model, random_state=0).fit(X)
    for own in (model, as_predictor(model)):
        by_clone = data_randomization(own, X, Y, explainer, rows=X[:8])
        np.testing.assert_allclose(by_clone.scores, by_function.scores, atol=1e-9)


def _orders(exp, X):
    values = exp.values[np.arange(len(X)), :, exp.outputs.argmax(axis=1)]
    return np.argsort(-values, axis=1)


def test_roar_is_that_of_a_loop():
    split = np.arange(240) < 180
    result = roar(
        MODEL, X[split], Y[split], EXPLAINER, test=(X[~split], Y[~split]), proportions=[0.5, 0.2], n_random=2
    )
    orders = _orders(EXPLAINER.explain(X), X)
    fill = X[split].mean(axis=0)
    expected = [LogisticRegression().fit(X[split], Y[split]).predict(X[~split]) == Y[~split]]
    for n_removed in (2, 3):
        removed = reference.with_means(X, orders, n_removed, fill)
        fitted = LogisticRegression().fit(removed[split], Y[split])
        expected.append(fitted.predict(removed[~split]) == Y[~split])
    np.testing.assert_allclose(result.curve.values, np.transpose(expected))
    np.testing.assert_allclose(result.scores, np.mean(expected[1:], axis=0))
    assert result.curve.x.tolist() == [0.0, 0.2, 0.5]
    assert result.greater_is_better is False
    assert set(np.unique(result.curve.references["random"])) <= {0.0, 0.5, 1.0}


def test_roar_finds_what_labels_depend_on():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(600, 10))
    labels = (rows[:, 0] > 0).astype(int)
    model = LogisticRegression().fit(rows, labels)

    class Sizes:  # a model of the same sign for every row, whose occlusion effects are sizes
        def __call__(self, X):
            return np.abs(X[:, 0])

    explainer = OcclusionExplainer(Sizes(), random_state=0, masker=None).fit(rows * 0.01)
    result = roar(model, rows, labels, explainer, proportions=[0.1], n_random=3)
    assert result.against("random").interval()[0] > 0.1
    assert_states(result.verdict, "better than a random order", "accuracy", "95%")
    again = roar(model, rows, labels, explainer, proportions=[0.1], n_random=0)
    assert again.verdict is None
    np.testing.assert_array_equal(again.scores, result.scores)


def test_roar_of_a_regression_is_an_error():
    target = X[:, 0] * 3
    model = LinearRegression().fit(X, target)
    explainer = KernelShapExplainer(model, random_state=0).fit(X)
    result = roar(model, X, target, explainer, proportions=[0.3])
    assert result.greater_is_better is True
    assert result.curve.values[:, 0] == pytest.approx(0.0, abs=1e-9)
    assert result.score > 0


def test_roar_of_pictures():
    digits = load_digits()
    pictures, labels = digits.images[:200] / 16, digits.target[:200] % 2

    def train(X, y):
        fitted = GaussianNB(var_smoothing=0.1).fit(X.reshape(len(X), -1), y)
        return lambda rows: fitted.predict_proba(rows.reshape(len(rows), -1))

    model = train(pictures, labels)
    explainer = KernelShapExplainer(model, masker=SegmentMasker("grid", n_segments=4), random_state=0)
    explainer.fit(pictures)
    seen = []

    def remembering(X, y):
        seen.append(X)
        return train(X, y)

    result = roar(model, pictures, labels, explainer, refit=remembering, proportions=[0.5], n_random=1)
    assert result.fill == str(seen[0].mean().round(12)) or float(result.fill) == pytest.approx(seen[0].mean())
    hidden = np.isclose(seen[1], seen[0].mean()).reshape(150, -1).mean(axis=1)
    np.testing.assert_allclose(hidden, 0.5)
    assert len(result) == 50


def test_roar_of_texts():
    texts = [f"{word} {thing} here" for word in ("good", "bad", "fine", "poor") for thing in "abcdefgh"]
    labels = np.repeat([1, 0, 1, 0], 8)

    def train(X, y):
        fitted = make_pipeline(CountVectorizer(), LogisticRegression()).fit(list(X), y)
        return lambda rows: fitted.predict_proba(list(rows))

    model = train(texts, labels)
    masker = TextMasker()
    explainer = KernelShapExplainer(model, masker=masker, random_state=0).fit(texts)
    result = roar(model, texts, labels, explainer, refit=train, masker=masker, proportions=[0.3])
    assert result.curve.values[:, 0].mean() == 1.0
    assert result.score < 0.8


def test_typical_rows_have_the_types_of_the_table():
    table = pd.DataFrame(
        {"x": [1.0, 2.0, 6.0], "n": [1, 9, 3], "c": pd.Categorical(["a", "b", "b"]), "b": [True, False, True]}
    )
    row = typical_row(table, "roar")
    assert row.dtypes.tolist() == table.dtypes.tolist()
    assert row.iloc[0].tolist() == [3.0, 3, "b", True]
    np.testing.assert_allclose(typical_row(np.array([[1.0, 2.0], [3.0, 4.0]]), "roar"), [[2.0, 3.0]])


def test_roar_of_frames_with_categories():
    table = pd.DataFrame(
        {"x": X[:, 0], "n": (10 * X[:, 1]).astype(int), "c": np.where(X[:, 2] > 0, "u", "v")}
    )

    def train(X, y):
        def numbers(rows):
            return np.column_stack([rows["x"], rows["n"], rows["c"] == "u"])

        fitted = LogisticRegression().fit(numbers(X), y)
        return lambda rows: fitted.predict_proba(numbers(rows))

    model = train(table, Y)
    explainer = KernelShapExplainer(model, random_state=0).fit(table)
    result = roar(model, table, Y, explainer, refit=train, proportions=[0.3])
    assert 0.4 < result.score < result.curve.values[:, 0].mean() <= 1
    again = roar(model, table, Y, explainer, refit=train, proportions=[0.3])
    np.testing.assert_array_equal(result.scores, again.scores)


def test_models_that_cannot_be_trained_again_are_refused():
    function = Counted(lambda X: X.sum(axis=1))
    explainer = OcclusionExplainer(function).fit(X)
    with refuses(DataError, "data_randomization", "Counted", "refit", "random_logit"):
        data_randomization(function, X, Y, explainer)
    with refuses(DataError, "roar", "Counted", "refit", "deletion"):
        roar(function, X, Y, explainer)
    with refuses(DataError, "'refit'", "roar", "fitted model", "LogisticRegression()"):
        roar(function, X, Y, explainer, refit=lambda X, y: LogisticRegression())
    with refuses(DataError, "'refit'", "data_randomization", "None"):
        data_randomization(function, X, Y, explainer, refit=lambda X, y: None)
    with refuses(DataError, "'refit'", "function", "3"):
        roar(function, X, Y, explainer, refit=3)


def test_labels_and_rows_must_fit():
    with refuses(DataError, "'y'", "roar", "240", "(239,)"):
        roar(MODEL, X, Y[1:], EXPLAINER)
    with refuses(DataError, "'test'", "roar", "tuple"):
        roar(MODEL, X, Y, EXPLAINER, test=X)
    with refuses(DataError, "'proportions'", "roar", "1.5"):
        roar(MODEL, X, Y, EXPLAINER, proportions=[1.5])
    with refuses(DataError, "roar", "100", "masker"):
        roar(MODEL, X, Y, EXPLAINER, masker=X[:100])
    with refuses(DataError, "roar", "quarter", "3", "test=(X, y)"):
        roar(MODEL, X[:3], Y[:3], EXPLAINER)
    several = LinearRegression().fit(X, X[:, :2])
    explainer = OcclusionExplainer(several, random_state=0).fit(X)
    with refuses(DataError, "roar", "2", "regression"):
        roar(several, X, Y, explainer, outputs="output_0", refit=lambda X, y: several)


def test_nothing_is_concluded_from_a_single_row():
    X = RNG.normal(size=(80, 3))
    y = np.where(X @ [3.0, 1.0, 0.0] > 0, "yes", "no")
    model = LogisticRegression().fit(X, y)
    explainer = OcclusionExplainer(model, random_state=0).fit(X)
    verdicts = [
        roar(model, X, y, explainer, test=(X[:1], y[:1])).verdict,
        random_logit(model, X[:1], explainer, similarity="spearman").verdict,
        data_randomization(model, X, y, explainer, rows=X[:1], n_draws=1).verdict,
    ]
    assert_states(verdicts[0], "cannot be told apart")
    for verdict in verdicts[1:]:
        assert_states(verdict, "undecided")
