"""Units of columns and predictions decide nothing: the same tree, or the same explanation in other units."""

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    RiseExplainer,
    as_predictor,
)
from agnostix.exceptions import DataError
from agnostix.lime import KernelSampling
from agnostix.maskers import SegmentMasker, SlidingWindow, TextMasker
from tests.messages import assert_states, refuses

POWERS_OF_2 = [(2.0**-26, 0.0), (2.0**30, 0.0)]
UNITS = [*POWERS_OF_2, (1e-7, 0.0), (1e-12, 0.0), (1e9, 0.0), (1.0, 1e8), (60.0, 1.7e9), (1e-3, -50.0)]
rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(300, 3)), columns=list("abc"))


def steps(Z):
    return np.where(Z["a"] > 0, 3.0, 1.0) + np.where(Z["b"] > 0.5, 1.0, 0.0) + 0.1 * np.tanh(Z["c"])


def in_units(Z, scale, offset):
    return pd.DataFrame({name: Z[name] * scale + offset for name in Z})


def from_units(Z, scale, offset):
    return pd.DataFrame({name: (Z[name] - offset) / scale for name in Z})


def shape(tree):
    arrays = (tree.feature, tree.left, tree.right, tree.n_observed, tree.n_synthetic)
    return [array.tolist() for array in arrays]


def assert_same_tree(mimic, other, scale=1.0, offset=0.0):
    """Equal trees but for thresholds, which are in other units."""
    tree, expected = mimic.rule_tree_, other.rule_tree_
    assert expected.leaves.size > 3
    assert shape(tree) == shape(expected)
    is_split = expected.left >= 0
    thresholds = (tree.threshold[is_split] - offset) / scale
    np.testing.assert_allclose(thresholds, expected.threshold[is_split], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(mimic.fidelity_.r2, other.fidelity_.r2, rtol=1e-6)


MODELS = {
    "regression": lambda Z: steps(Z),
    "several outputs": lambda Z: np.column_stack([steps(Z), np.where(Z["c"] > 0.3, 1.0, -1.0)]),
    "classification": as_predictor(
        lambda Z: np.column_stack([1 - steps(Z) / 5, steps(Z) / 5]), task="classification"
    ).predict,
}


@pytest.mark.parametrize("units", UNITS, ids=str)
@pytest.mark.parametrize("kind", MODELS)
def test_mimic_tree_is_the_same_for_any_units_of_columns(kind, units):
    task = "classification" if kind == "classification" else "regression"

    def fit(rows, convert):
        model = as_predictor(lambda Z: MODELS[kind](convert(Z)), task=task)
        return MimicTree(model, random_state=0).fit(rows)

    # Rows of the same digits in both: what an offset has rounded off is lost to any model.
    moved = in_units(X, *units)
    rows = from_units(moved, *units)
    mimic, other = fit(moved, lambda Z: from_units(Z, *units)), fit(rows, lambda Z: Z)
    assert_same_tree(mimic, other, *units)
    np.testing.assert_allclose(mimic.rule_tree_.values, other.rule_tree_.values, rtol=1e-6)
    if units in POWERS_OF_2:
        np.testing.assert_array_equal(mimic.rule_tree_.threshold / units[0], other.rule_tree_.threshold)
    np.testing.assert_array_equal(mimic.apply(moved), other.apply(rows))
    np.testing.assert_array_equal(mimic.decision_path(moved).toarray(), other.decision_path(rows).toarray())
    assert len(set(mimic.leaves_["rule"])) == len(mimic.leaves_)
    code = {}
    exec(mimic.to_python(output=mimic.output_names_[0]), code)
    exported = [code["predict"](row) for row in moved.head(40).to_dict("records")]
    np.testing.assert_array_equal(exported, mimic.rule_tree_.values[mimic.apply(moved.head(40)), 0])


@pytest.mark.parametrize("units", [*UNITS, (1e-200, 0.0), (1e200, 0.0), (1e300, 0.0)], ids=str)
@pytest.mark.parametrize("synthetic", ["auto", "leaf"])
def test_mimic_tree_is_the_same_for_any_units_of_predictions(units, synthetic):
    scale, offset = units
    parameters = {"random_state": 0, "synthetic": synthetic}
    mimic = MimicTree(lambda Z: steps(Z) * scale + offset, **parameters).fit(X)
    other = MimicTree(lambda Z: steps(Z), **parameters).fit(X)
    assert_same_tree(mimic, other)
    in_one_unit = [
        (mimic.rule_tree_.values, other.rule_tree_.values, offset),
        (mimic.predict(X), other.predict(X), offset),
        (mimic.leaves_["mean prediction"], other.leaves_["mean prediction"], offset),
        (mimic.leaves_["sd prediction"], other.leaves_["sd prediction"], 0.0),
        (mimic.leaves_["rmse"], other.leaves_["rmse"], 0.0),
        (mimic.explain(X[:2]).values, other.explain(X[:2]).values, 0.0),
        (mimic.explain(X[:2]).std_errors, other.explain(X[:2]).std_errors, 0.0),
    ]
    for values, expected, origin in in_one_unit:
        np.testing.assert_allclose((values - origin) / scale, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(mimic.feature_importances_, other.feature_importances_, rtol=1e-6)
    truth = steps(X) * scale + offset
    np.testing.assert_allclose(
        mimic.fidelity(X, truth).accuracy_tree, other.fidelity(X, steps(X)).accuracy_tree, rtol=1e-6
    )
    assert mimic.stability(2).r2 == pytest.approx(other.stability(2).r2, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_mimic_tree_is_the_same_for_any_unit_of_one_output(scale):
    def model(Z):
        return np.column_stack([steps(Z), scale * np.where(Z["c"] > 0.3, 1.0, -1.0)])

    mimic = MimicTree(model, random_state=0).fit(X)
    other = MimicTree(lambda Z: model(Z) / [1, scale], random_state=0).fit(X)
    assert_same_tree(mimic, other)


@pytest.mark.parametrize("size", [1e-5, 1e-9])
def test_mimic_tree_of_small_probabilities(size):
    def model(Z):
        return np.column_stack([1 - size * steps(Z), size * steps(Z)])

    mimic = MimicTree(as_predictor(model, task="classification"), random_state=0).fit(X)
    assert len(mimic.leaves_) >= 4
    assert mimic.fidelity_.r2 > 0.9


def test_mimic_tree_of_rounding_errors_is_a_leaf():
    mimic = MimicTree(lambda Z: 3.0 + 1e-15 * np.sign(Z["a"]), random_state=0).fit(X)
    assert len(mimic.leaves_) == 1
    assert mimic.fidelity_.r2 == 1.0


def test_mimic_tree_of_exploding_predictions_ends():
    mimic = MimicTree(lambda Z: np.exp(400 * Z["a"].clip(-1, 1)), max_leaf_nodes=8, random_state=0).fit(X)
    assert np.isfinite(mimic.predict(X)).all()


SURROGATES = [{"surrogate": "tree", "max_features": 2}, {"surrogate": "ridge"}]


@pytest.mark.parametrize("units", UNITS, ids=str)
@pytest.mark.parametrize("parameters", SURROGATES, ids=str)
def test_lime_is_the_same_for_any_units_of_columns_and_predictions(parameters, units):
    scale, offset = units
    moved = in_units(X, *units)
    rows, labels = from_units(moved, *units), (X["a"] > 0).astype(int)
    common = {"n_samples": 256, "random_state": 0, "sampling": KernelSampling(discretizer="entropy")}
    explainer = LimeExplainer(lambda Z: steps(from_units(Z, *units)) * scale + offset, **common, **parameters)
    explanation = explainer.fit(moved, labels).explain(moved[:2])
    expected = LimeExplainer(lambda Z: steps(Z), **common, **parameters).fit(rows, labels).explain(rows[:2])
    np.testing.assert_allclose(explanation.values / scale, expected.values, rtol=1e-5, atol=1e-6)
    conditions = explanation.extras["conditions"].array
    for j, name in enumerate(X.columns):  # which tell values apart in any units
        words = [text for text in conditions[:, j].tolist() for text in text.split() if text != name]
        edges = [float(word) for word in words if word not in ("<", "<=", ">", ">=")]
        assert all(np.ptp(moved[name]) > abs(edge - moved[name].median()) for edge in edges)


LINEAR = [
    OcclusionExplainer(None, background_size=20, random_state=0),
    KernelShapExplainer(None, random_state=0),
    LimeExplainer(None, n_samples=256, random_state=0),
]


@pytest.mark.parametrize("explainer", LINEAR, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("scale", [1e-140, 1e140, 1e-170, 1e-200, 1e160, 1e300])
def test_predictions_of_any_size_are_explained_or_refused(explainer, scale):
    def explain(scale):
        return type(explainer)(**explainer.get_params() | {"model": lambda Z: steps(Z) * scale}).fit(X[:20])

    expected = explain(1.0).explain(X[:1])
    if 1e-150 < scale < 1e150:
        explanation = explain(scale).explain(X[:1])
        np.testing.assert_allclose(explanation.values / scale, expected.values, rtol=1e-9)
        np.testing.assert_allclose(explanation.std_errors / scale, expected.std_errors, rtol=1e-9)
        return
    unit = f"{scale:.0e}".replace("+", "")
    with refuses(DataError, type(explainer).__name__, "1e-150", "1e+150", f"divides them by {unit}"):
        explain(scale).explain(X[:1])
    followed = explain(scale / float(unit)).explain(X[:1])
    np.testing.assert_allclose(followed.values, expected.values, rtol=1e-9)


@pytest.mark.parametrize("explainer", LINEAR, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("value", [1e-200, 1e300])
@pytest.mark.parametrize("n_rows", [1, 9])
def test_constant_predictions_of_any_size_are_explained(explainer, value, n_rows):
    def constant(Z):
        return np.full(len(Z), value)

    explainer = type(explainer)(**explainer.get_params() | {"model": constant})
    explanation = explainer.fit(X[:20]).explain(X[:n_rows])
    np.testing.assert_array_equal(explanation.values, 0.0)
    # Nothing has been seen to differ, so that LIME cannot tell what may.
    is_lime = isinstance(explainer, LimeExplainer)
    np.testing.assert_array_equal(explanation.std_errors, np.nan if is_lime else 0.0)
    np.testing.assert_allclose(explanation.base_values, value, rtol=1e-14)


PICTURES = np.random.default_rng(0).random((2, 8, 8))
TEXTS = ["good food and rude staff", "good"]
HIDING = {
    "KernelShap, texts": (lambda model: KernelShapExplainer(model, masker=TextMasker()), TEXTS),
    "Occlusion, texts": (lambda model: OcclusionExplainer(model, masker=TextMasker()), TEXTS),
    "LIME, texts": (lambda model: LimeExplainer(model, masker=TextMasker(), random_state=0), TEXTS),
    "KernelShap": (lambda model: KernelShapExplainer(model, masker=SegmentMasker(n_segments=4)), PICTURES),
    "Occlusion": (lambda model: OcclusionExplainer(model, masker=SegmentMasker(n_segments=4)), PICTURES),
    "windows": (lambda model: OcclusionExplainer(model, masker=SlidingWindow(4, 4)), PICTURES),
    "RISE": (lambda model: RiseExplainer(model, n_masks=64, random_state=0), PICTURES),
}
hiding = pytest.mark.parametrize(("make", "rows"), HIDING.values(), ids=HIDING)


def varied(rows):
    return np.array([float("good" in row) if isinstance(row, str) else row[:4, :4].sum() for row in rows])


@hiding
@pytest.mark.parametrize("value", [1e-200, 1e-160, 1e160, 1e300])
def test_constant_predictions_under_masks_of_any_size_are_explained(make, rows, value):
    explanation = make(lambda rows: np.full(len(rows), value)).fit(rows).explain(rows)
    assert not np.nan_to_num(explanation.values).any()
    np.testing.assert_allclose(explanation.outputs, value, rtol=1e-14)


@hiding
@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1e160])
def test_predictions_under_masks_of_any_size_are_explained_or_refused(make, rows, scale):
    expected = make(varied).fit(rows).explain(rows)
    try:
        explanation = make(lambda rows: scale * varied(rows)).fit(rows).explain(rows)
    except DataError as error:
        assert_states(str(error), "squares predictions", "1e+150", "divides them by")
    else:
        np.testing.assert_allclose(explanation.values / scale, expected.values, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(explanation.std_errors / scale, expected.std_errors, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")  # then refused
@pytest.mark.parametrize("explainer", LINEAR, ids=lambda one: type(one).__name__)
def test_large_predictions_of_rows_that_fit_did_not_see_are_refused(explainer):
    rare = pd.DataFrame({name: [1e3] for name in X.columns})

    def jumps(Z):
        return np.where(Z["a"] > 100, 3e300, 1e300)

    explainer = type(explainer)(**explainer.get_params() | {"model": jumps}).fit(X[:20])
    with refuses(DataError, type(explainer).__name__, "3e+300", "divides them by 1e300"):
        explainer.explain(rare)


@pytest.mark.parametrize("explainer", LINEAR, ids=lambda one: type(one).__name__)
def test_constant_output_of_any_size_leaves_the_others_as_they_are(explainer):
    def both(Z):
        return np.column_stack([np.full(len(Z), 1e300), steps(Z)])

    one, other = (
        type(explainer)(**explainer.get_params() | {"model": model}).fit(X[:20]).explain(X[:3])
        for model in (both, lambda Z: steps(Z))
    )
    np.testing.assert_array_equal(one.values[..., 0], 0.0)
    np.testing.assert_allclose(one.values[..., 1], other.values.reshape(one.values[..., 1].shape), rtol=1e-9)
