"""Invariances of KernelShapExplainer: rows, batches, workers and frames; copies; images."""

import pickle
import tracemalloc
from functools import cache

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from agnostix import KernelShapExplainer
from agnostix.core.masking import SegmentMasker
from agnostix.exceptions import DataError
from agnostix.testing import CountingModel
from tests.messages import refuses
from tests.reference.pictures import put_together

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(40, 9)).round(1)
WAYS = {
    "exact": {},
    "pooled": {"budget": 64},
    "row": {"budget": 64, "kernel": "row"},
    "none": {"budget": 64, "kernel": "none"},
    "tolerance": {"budget": 300, "tol": 0.02},
    "logit": {"budget": 64, "link": "logit"},
}
ways = pytest.mark.parametrize("params", WAYS.values(), ids=WAYS)


class Tangled:
    """Chances with interactions of many columns, each row's by itself to the last bit."""

    def __call__(self, X):
        X = np.asarray(X, dtype=float)
        total = X[:, 0] * X[:, 1] * X[:, 2]
        for j in range(X.shape[1]):
            total = total + np.abs(X[:, j] - 0.3 * X[:, j - 1]) / 9.0
        p = 1.0 / (1.0 + np.exp(-total))
        return np.stack([p, 1.0 - p], axis=1)


def fitted(model, seen, **params):
    return KernelShapExplainer(model, background_size=10, random_state=0, **params).fit(seen)


def explainer_of(params):
    """The explainer of one of `WAYS`, fitted once; no test changes it."""
    return _explainer_of(next(name for name, own in WAYS.items() if own is params))


@cache
def _explainer_of(way):
    return fitted(Tangled(), ROWS, **WAYS[way])


def explanation_of(params):
    """All rows explained by one of `WAYS`, computed once."""
    return _explanation_of(next(name for name, own in WAYS.items() if own is params))


@cache
def _explanation_of(way):
    return _explainer_of(way).explain(ROWS)


def same(one, other):
    """The same to the last bit."""
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("coalition_std_errors", "background_std_errors", "evaluations", "forecast"):
        np.testing.assert_array_equal(one.extras[name], other.extras[name])


@ways
def test_same_bits_for_any_subset_and_order_of_rows(params):
    explainer, whole = explainer_of(params), explanation_of(params)
    rows = np.random.default_rng(1).permutation(40)[:11]
    same(whole[rows], explainer.explain(ROWS[rows]))
    same(whole[[7]], explainer.explain(ROWS[[7]]))


@ways
@pytest.mark.parametrize("memory", [0, 0.05, 1])
def test_same_bits_for_any_working_memory(params, memory):
    n = 2 if memory == 0 else 4  # a row a batch is slow
    with config_context(working_memory=memory):  # a new fit, too, which evaluates the model
        same(fitted(Tangled(), ROWS, **params).explain(ROWS[:n]), explanation_of(params)[:n])


@ways
@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_same_bits_for_any_n_jobs(params, backend):
    alone = explainer_of(params).explain(ROWS[:9])
    with joblib.parallel_config(backend), config_context(working_memory=0.3):
        exp = fitted(Tangled(), ROWS, n_jobs=2, **params).explain(ROWS[:9])
    same(exp, alone)
    assert exp.n_model_rows == alone.n_model_rows


@ways
def test_same_bits_for_numpy_pandas_and_polars(params):
    names = [f"x{j}" for j in range(9)]
    exps = [
        fitted(Tangled(), make(ROWS), **params).explain(make(ROWS[:5]))
        for make in (
            np.array,
            lambda X: pd.DataFrame(X, columns=names),
            lambda X: pl.DataFrame(X, schema=names),
        )
    ]
    same(exps[0], exps[1])
    same(exps[0], exps[2])


@ways
def test_same_seed_same_bits(params):
    one = explanation_of(params)
    same(fitted(Tangled(), ROWS, **params).explain(ROWS), one)
    params = {"background": "sample"} | params
    others = [
        KernelShapExplainer(Tangled(), background_size=10, random_state=seed, **params).fit(ROWS)
        for seed in (1, 2)
    ]
    values = [other.explain(ROWS).values for other in others]
    assert np.abs(values[0] - values[1]).max() > 1e-3


def test_other_seed_samples_other_coalitions():
    exps = [
        KernelShapExplainer(Tangled(), background="all", budget=64, random_state=seed)
        .fit(ROWS)
        .explain(ROWS[:3])
        for seed in (0, 1)
    ]
    assert np.abs(exps[0].values - exps[1].values).max() > 1e-6
    np.testing.assert_array_equal(exps[0].base_values, exps[1].base_values)


def test_exact_values_follow_column_order():
    order = np.random.default_rng(2).permutation(9)
    back = np.argsort(order)
    own = {"background": "all", "tol": None}
    one = fitted(Tangled(), ROWS, **own).explain(ROWS[:6])
    other = fitted(lambda X: Tangled()(X[:, back]), ROWS[:, order], **own).explain(ROWS[:6, order])
    np.testing.assert_allclose(other.values, one.values[:, order], rtol=0, atol=1e-13)


def test_values_without_kernel_are_linear_in_model():
    def first(X):
        return np.tanh(X.sum(axis=1)) * X[:, 0]

    def second(X):
        return np.abs(X[:, 1] * X[:, 2] - X[:, 3])

    parts = [fitted(model, ROWS, budget=64, kernel="none").explain(ROWS[:9]) for model in (first, second)]
    mixed = fitted(lambda X: 2.0 * first(X) - 0.5 * second(X), ROWS, budget=64, kernel="none").explain(
        ROWS[:9]
    )
    np.testing.assert_allclose(
        mixed.values, 2.0 * parts[0].values - 0.5 * parts[1].values, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("kernel", ["pooled", "row", "none"])
def test_values_with_one_kernel_are_linear_over_outputs(kernel):
    def model(X):
        first, second = np.tanh(X.sum(axis=1)) * X[:, 0], np.abs(X[:, 1] * X[:, 2] - X[:, 3])
        return np.stack([first, second, 2.0 * first - 0.5 * second], axis=1)

    values = fitted(model, ROWS, budget=64, kernel=kernel).explain(ROWS[:9]).values
    np.testing.assert_allclose(
        values[..., 2], 2.0 * values[..., 0] - 0.5 * values[..., 1], rtol=0, atol=1e-11
    )


@ways
def test_pickle_gives_same_bits(params):
    again = pickle.loads(pickle.dumps(explainer_of(params)))
    same(again.explain(ROWS[:5]), explanation_of(params)[:5])


@ways
def test_without_model_and_attach_give_same_bits(params):
    bare = explainer_of(params).without_model()
    with pytest.raises(NotFittedError):
        bare.explain(ROWS[:5])
    same(bare.attach(Tangled()).explain(ROWS[:5]), explanation_of(params)[:5])


def test_attach_refuses_other_model():
    bare = fitted(Tangled(), ROWS).without_model()
    with refuses(ValueError, "attach", "the model of fit"):
        bare.attach(lambda X: Tangled()(X) + 0.1)


def test_clone_shares_model_and_is_unfitted():
    model = LinearRegression().fit(ROWS, ROWS[:, 0])
    explainer = fitted(model, ROWS, budget=64, tol=0.1)
    copy = clone(explainer)
    assert copy.model is model
    assert copy.get_params() == explainer.get_params()
    with pytest.raises(NotFittedError):
        copy.explain(ROWS)
    same(copy.fit(ROWS).explain(ROWS[:3]), explainer.explain(ROWS[:3]))


def test_equal_rows_are_evaluated_once():
    explainer = fitted(Tangled(), ROWS, budget=64)
    one, three = explainer.explain(ROWS[:2]), explainer.explain(ROWS[[0, 1, 0, 0]])
    assert three.n_model_rows == one.n_model_rows
    same(three, one[[0, 1, 0, 0]])


def test_peak_memory_within_working_memory():
    X = np.random.default_rng(3).normal(size=(60, 200))
    explainer = fitted(lambda X: np.abs(X).max(axis=1), X, budget=600, kernel="none")
    explainer.explain(X[:1])
    with config_context(working_memory=8):
        tracemalloc.start()
        exp = explainer.explain(X)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    results = 8 * exp.values.nbytes
    assert peak < 8 * 2**20 + results
    assert exp.n_model_rows * 200 * 8 > 25 * peak


def test_explanation_states_method_and_params():
    exp = fitted(Tangled(), ROWS, budget=64, feature_groups={"a": ["x0", "x3"]}).explain(ROWS[:2])
    assert (exp.quantity, exp.completeness) == ("contribution", "outputs - base_values")
    assert (exp.method, exp.fidelity) == ("KernelShapExplainer", None)
    assert exp.params == {
        "algorithm": "auto", "budget": 64, "tol": "auto", "kernel": "auto", "background": "representative",
        "background_size": 10,
        "feature_groups": {"a": ["x0", "x3"]}, "masker": None, "link": "identity", "outputs": None,
        "n_jobs": None, "random_state": 0, "verbose": 1,
    }  # fmt: skip
    np.testing.assert_array_equal(exp.data, ROWS[:2])


# Images.

LABELS = np.array([[7, 7, 3, 3], [7, 7, 3, 3], [7, 5, 5, 5]])
SEGMENTS = [name == LABELS for name in (3, 5, 7)]


def look(X):
    """Two outputs of images, gray or in color, each picture's by itself to the last bit."""
    X = np.asarray(X, dtype=float).reshape(*X.shape[:3], -1)
    shades = []
    for part in SEGMENTS:
        total = np.ones(len(X))
        for row, column in np.argwhere(part):
            for channel in range(X.shape[3]):
                total = total + X[:, row, column, channel]
        shades.append(np.sqrt(total))
    return np.stack([shades[0] * shades[1] * shades[2], shades[0] - 2.0 * shades[2]], axis=1)


class Composing:
    """The same model, which puts the pictures together itself."""

    def __call__(self, X):
        return look(X)

    def predict_masked(self, X, masks, fill, labels):
        mixed = put_together(X, masks, fill, labels)
        return look(mixed.reshape(-1, *X.shape[1:])).reshape(*mixed.shape[:3], -1)


def pictures(form):
    rng = np.random.default_rng(4)
    if form == "gray":
        return rng.random((3, 3, 4))
    return (
        rng.integers(0, 256, (3, 3, 4, 3)).astype(np.uint8) if form == "uint8" else rng.random((3, 3, 4, 2))
    )


def by_hand(picture, fill):
    """Values of three segments, over all their orders; a hidden pixel has the fill's color."""

    def value(*shown):
        mask = np.isin(LABELS, shown).reshape(3, 4, *[1] * (picture.ndim - 2))
        return look(np.where(mask, picture, fill)[None])[0]

    values = []
    for own, one, other in ((3, 5, 7), (5, 3, 7), (7, 3, 5)):
        gains = (
            2.0 * (value(own) - value()), value(own, one) - value(one), value(own, other) - value(other),
            2.0 * (value(own, one, other) - value(one, other)),
        )  # fmt: skip
        values.append(sum(gains) / 6.0)
    return np.array(values), value()


@pytest.mark.parametrize("form", ["gray", "color", "uint8"])
@pytest.mark.parametrize("fill", ["mean", 0, 2])
def test_values_of_segments_match_permutations(form, fill):
    X = pictures(form)
    exp = KernelShapExplainer(look, masker=SegmentMasker(LABELS, fill=fill)).fit(X).explain(X)
    assert exp.feature_names == ("segment 3", "segment 5", "segment 7")
    for i, picture in enumerate(X):
        color = picture.mean(axis=(0, 1)) if fill == "mean" else fill
        values, base = by_hand(picture, np.rint(color) if form == "uint8" else color)
        np.testing.assert_allclose(exp.values[i], values, rtol=0, atol=1e-11 * np.abs(values).max())
        np.testing.assert_allclose(exp.base_values[i], base, rtol=1e-13)
    np.testing.assert_array_equal(exp.outputs, look(X))
    np.testing.assert_array_equal(exp.std_errors, 0.0)
    assert exp.n_model_rows == 3 * 8


@pytest.mark.parametrize("form", ["gray", "color", "uint8"])
@pytest.mark.parametrize("fill", ["mean", 2])
@pytest.mark.parametrize("memory", [0, 100])
def test_mask_composer_same_bits(form, fill, memory):
    X, masker = pictures(form), SegmentMasker(LABELS, fill=fill)
    with config_context(working_memory=memory):
        composed = KernelShapExplainer(Composing(), masker=masker).fit(X).explain(X)
    same(composed, KernelShapExplainer(look, masker=masker).fit(X).explain(X))


def test_image_bits_ignore_memory_layout_and_other_images():
    X = np.random.default_rng(6).random((9, 3, 4, 3))
    explainer = KernelShapExplainer(look, masker=SegmentMasker(LABELS)).fit(X)
    exp = explainer.explain(X)
    same(explainer.explain(np.asfortranarray(X)), exp)
    same(explainer.explain(np.asfortranarray(X)[[4]]), exp[[4]])


def test_segments_equal_to_fill_do_not_vary():
    X = pictures("gray")
    X[0, LABELS == 5] = 0.5
    X[1] = 0.5
    exp = KernelShapExplainer(look, masker=SegmentMasker(LABELS, fill=0.5)).fit(X).explain(X)
    assert exp.extras["evaluations"].array.tolist() == [4, 1, 8]
    np.testing.assert_array_equal(exp.values[0, 1], 0.0)
    np.testing.assert_array_equal(exp.values[1], 0.0)
    np.testing.assert_array_equal(exp.base_values[1], exp.outputs[1])
    assert np.abs(exp.values[2]).min() > 0


@pytest.mark.parametrize(("kernel", "used"), [("auto", "row"), ("pooled", "pooled"), ("none", "none")])
@pytest.mark.parametrize("tol", [None, 0.1])
def test_many_segments_are_sampled_within_budget(kernel, used, tol):
    labels = np.arange(16).reshape(4, 4)
    X = np.random.default_rng(5).random((9, 4, 4))

    def terms(X):
        return np.abs(X[:, :2] * X[:, 2:] - 0.3).reshape(-1, 8)

    explainer = KernelShapExplainer(
        lambda X: terms(X).sum(axis=1),
        masker=SegmentMasker(labels),
        budget=200,
        kernel=kernel,
        tol=tol,
        random_state=0,
    ).fit(X)
    exp = explainer.explain(X)
    assert explainer.kernel_ == used
    assert (exp.extras["evaluations"].array <= 200).all()
    assert exp.n_model_rows == exp.extras["evaluations"].array.sum()
    np.testing.assert_allclose(exp.values.sum(axis=1), exp.outputs - exp.base_values, rtol=0, atol=1e-12)
    same(exp[[3, 1]], explainer.explain(X[[3, 1]]))
    hidden = np.broadcast_to(X.mean(axis=(1, 2), keepdims=True), X.shape)
    pairs = exp.values[:, :8, 0] + exp.values[:, 8:, 0]  # of two pixels in one term, which share its gain
    np.testing.assert_allclose(pairs, terms(X) - terms(hidden), rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_rows", [1, 9])
@pytest.mark.parametrize("kernel", ["pooled", "row"])
def test_fit_counts_model_rows_of_images(n_rows, kernel):
    X = np.random.default_rng(5).random((n_rows, 4, 4))
    model = CountingModel(lambda X: np.abs(X[:, :2] * X[:, 2:] - 0.3).sum(axis=(1, 2)))
    masker = SegmentMasker(np.arange(16).reshape(4, 4))
    explainer = KernelShapExplainer(model, masker=masker, budget=60, kernel=kernel).fit(X)
    n_learning = min(n_rows, 8) * 60 if kernel == "pooled" else 0
    assert model.n_rows == explainer.n_model_rows_ == 2 * min(n_rows, 2) + n_learning


def test_image_explainer_pickles_and_clones():
    X = pictures("color")
    explainer = KernelShapExplainer(Composing(), masker=SegmentMasker(LABELS), random_state=0)
    exp = explainer.fit(X).explain(X)
    same(clone(explainer).fit(X).explain(X), exp)
    same(pickle.loads(pickle.dumps(explainer)).explain(X), exp)


@pytest.mark.parametrize("X", [np.zeros((2, 3)), np.zeros((0, 3, 4)), np.full((1, 3, 4), np.nan), "abc"])
def test_image_methods_refuse_what_is_no_image(X):
    explainer = KernelShapExplainer(look, masker=SegmentMasker(LABELS))
    fact = "finite numbers" if isinstance(X, np.ndarray) and np.isnan(X).any() else "numbers of shape"
    with refuses(DataError, "X must", fact):
        explainer.fit(X)
    explainer.fit(pictures("gray"))
    for call in (explainer.explain, explainer.cost, explainer.transform):
        with refuses(DataError, "X must", fact):
            call(X)


def test_feature_groups_refused_with_masker():
    facts = ["'feature_groups' parameter of KernelShapExplainer", "None", "masker", "got {'a': ['x0']}"]
    with refuses(DataError, *facts):
        KernelShapExplainer(look, masker=SegmentMasker(LABELS), feature_groups={"a": ["x0"]}).fit(
            pictures("gray")
        )
