"""LIME's exact limits of additive models and trees, against closed forms in loops and against samples."""

import math
import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor

from agnostix import Explanation, LimeExplainer
from agnostix.core.masking import SegmentMasker
from agnostix.core.models import as_predictor
from agnostix.exceptions import DataError
from agnostix.lime import KernelSampling
from agnostix.lime.exact_limits import exact_ridge
from agnostix.lime.exact_moments import ModelMoments, row_frequencies, tilt
from agnostix.lime.exact_moments import additive_moments as moments_of_sum
from agnostix.testing import CountingModel
from tests.messages import assert_states, refuses
from tests.reference import lime as ref

PARTS = [np.sin, lambda x: 0.2 * x**2, lambda x: np.exp(x / 3.0), lambda x: 0.5 * (x - 2.0) ** 2]


SINGLE = 1e-6
"""Trees compare in single precision, and the reference does in double."""


def table(n=240):
    """A normal and a skewed column, one with 40 % at -1, whole numbers from 0 to 5."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    X[:, 1] = np.exp(X[:, 1])
    X[:, 2] = np.where(rng.random(n) < 0.4, -1.0, X[:, 2] ** 2)
    X[:, 3] = rng.integers(0, 6, n)
    return X


X = table()
ROWS = X[[0, 3, 8, 40, 111]]
EDGES = [ref.quartile_edges(column) for column in X.T]
COLUMNS = [
    ref.between_edges(column, edges) if j < 2 else ref.seen_bins(column.tolist(), edges)
    for j, (column, edges) in enumerate(zip(X.T, EDGES, strict=True))
]
Y = X[:, 0] * X[:, 2] + (X[:, 1] > 1.0) * (X[:, 3] > 2.5)
CLASSES = np.digitize(Y, [0.0, 0.8])


def additive(table):
    return sum(part(column) for part, column in zip(PARTS, np.asarray(table, dtype=float).T, strict=True))


def bins_of(row):
    return [ref.bin_of(x, edges) for x, edges in zip(row, EDGES, strict=True)]


def additive_moments(parts, columns, row_bins, r):
    """Contrasts, E~f, and E~[f f] since the parts are independent."""
    contrasts, mean = ref.additive(parts, columns, row_bins, r)
    spread = 0.0
    for f, bins, b in zip(parts, columns, row_bins, strict=True):
        own = ref.additive([f], [bins], [b], r)[1]
        spread += ref.additive([lambda x, f=f: f(x) ** 2], [bins], [b], r)[1] - own**2
    return contrasts, mean, mean**2 + spread


def tree_moments(model, columns, row_bins, r, output):
    """The same of leaves; of several trees E~[f f] is not known."""
    trees = getattr(model, "estimators_", [model])
    boxes = [(sides, v[output]) for tree in trees for sides, v in ref.tree_boxes(tree.tree_)]
    contrasts, mean = ref.sum_of_boxes(boxes, columns, row_bins, r)
    square = ref.sum_of_boxes([(sides, v**2) for sides, v in boxes], columns, row_bins, r)[1]
    n = len(trees)
    return contrasts / n, mean / n, square if n == 1 else None


def check(exp, explainer, columns, bins, moments, atol=1e-8):
    """Every number of each row is the reference's."""
    r = ref.flip_weight(len(columns), explainer.kernel_width_)
    penalty = 1.0 if explainer.surrogate == "ridge" else 0.0
    for i, row_bins in enumerate(bins):
        n = exp.extras["n_samples"].array[i]
        if explainer.sampling == "tilted":  # samples of weight 1
            n = n / ref.mean_weight(columns, row_bins, r)
        for k in range(exp.outputs.shape[1]):
            contrasts, mean, square = moments(row_bins, r, k)
            args = (columns, row_bins, n, mean, contrasts, square or 0.0, exp.outputs[i, k], penalty)
            fit = ref.binned_ridge(*args, explainer.kernel_width_, counted=False)
            np.testing.assert_allclose(exp.values[i, :, k], fit.coefficients, atol=atol)
            np.testing.assert_allclose(exp.base_values[i, k], fit.intercept, atol=atol)
            np.testing.assert_allclose(exp.extras["surrogate_outputs"].array[i, k], fit.prediction, atol=atol)
            if square is not None:
                np.testing.assert_allclose(exp.fidelity["r2"][i, k], fit.r2, atol=atol)
    for name in ("std_errors", "surrogate_std_errors", "r2_std_errors"):
        assert not (exp.std_errors if name == "std_errors" else exp.extras[name].array).any()


hows = pytest.mark.parametrize(
    "how",
    [
        {},
        {"sampling": "tilted"},
        {"surrogate": "klasso"},
        {"sampling": KernelSampling(0.4)},
        {"n_samples": 50},
    ],
    ids=lambda how: next(iter(how), "plain"),
)


@hows
def test_explain_exact_additive_model_matches_closed_form(how):
    explainer = LimeExplainer(additive, random_state=0, **how).fit(X)
    exp = explainer.explain_exact(ROWS, additive=True)
    check(
        exp,
        explainer,
        COLUMNS,
        [bins_of(row) for row in ROWS],
        lambda b, r, _: additive_moments(PARTS, COLUMNS, b, r),
    )
    np.testing.assert_allclose(exp.outputs[:, 0], additive(ROWS), rtol=1e-12)
    assert (exp.quantity, exp.completeness, exp.method) == ("contribution", "surrogate", "explain_exact")
    # The rows; 20 known ones as they are, and with each column's values; 32 nodes in each bin of a smooth
    # column and in both of its halves, and of other columns all values that differ.
    assert exp.n_model_rows == 5 + 20 * 5 + 2 * 4 * 96 + np.unique(X[:, 2]).size + np.unique(X[:, 3]).size


JUMPS = [[(-0.7, 1.0), (0.31, -2.0), (0.33, 2.0)], [(1.5, 3.0), (9.0, -1.0)], [(-1.0, 0.5)], [(2.0, 1.0)]]


def stepped(t):
    """Jumps at thresholds, as sums of stumps have them."""
    t = np.asarray(t)
    return sum(height * (t[:, j] > at) for j, steps in enumerate(JUMPS) for at, height in steps)


@pytest.mark.parametrize("sampling", ["kernel", "tilted"])
def test_explain_exact_step_functions_match_boxes(sampling):
    model = CountingModel(stepped)
    explainer = LimeExplainer(model, sampling=sampling, random_state=0).fit(X)
    model.sizes.clear()
    exp = explainer.explain_exact(ROWS, additive=True)
    assert model.n_rows == exp.n_model_rows < 20_000

    def moments(b, r, _):
        contrasts, mean, spread = [], 0.0, 0.0
        for steps, bins, own in zip(JUMPS, COLUMNS, b, strict=True):
            # A sum of steps as boxes that do not meet, so that their squares add up too.
            ends = [-math.inf, *(at for at, _ in steps), math.inf]
            levels = [sum(height for _, height in steps[:k]) for k in range(len(steps) + 1)]
            boxes = list(zip(pairwise(ends), levels, strict=True))
            one, level = ref.sum_of_boxes([({0: sides}, v) for sides, v in boxes], [bins], [own], r)
            square = ref.sum_of_boxes([({0: sides}, v**2) for sides, v in boxes], [bins], [own], r)[1]
            contrasts.append(one[0])
            mean += level
            spread += square - level**2
        return contrasts, mean, mean**2 + spread

    check(exp, explainer, COLUMNS, [bins_of(row) for row in ROWS], moments)


def test_explain_exact_rough_function_terminates():
    def rough(t):
        return np.sin(1e9 * np.asarray(t)[:, 0]) + np.asarray(t)[:, 1]

    exp = LimeExplainer(rough, random_state=0).fit(X).explain_exact(ROWS, additive=True)
    assert exp.n_model_rows < 500_000
    assert (np.abs(exp.values[:, 0]) < 0.02).all()


def test_explain_exact_boosted_stumps_match_samples():
    model = HistGradientBoostingRegressor(max_depth=1, max_iter=60, random_state=0).fit(X, Y)
    explainer = LimeExplainer(model, n_samples=200_000, random_state=0).fit(X)
    sampled = explainer.explain(ROWS)
    exact = explainer.explain_exact(ROWS, additive=True)
    assert (np.abs(sampled.values - exact.values) <= 6.0 * sampled.std_errors + 1e-9).all()
    assert sampled.std_errors.max() < 2e-3


def test_explain_exact_linear_model_matches_bin_means():
    slopes = np.array([1.0, -2.0, 0.5, 3.0])
    model = LinearRegression().fit(X, X @ slopes)
    explainer = LimeExplainer(model, random_state=0).fit(X)
    exp = explainer.explain_exact(ROWS, additive=True)
    parts = [lambda x, a=a: a * x for a in model.coef_]
    moved = model.intercept_

    def moments(b, r, _):
        contrasts, mean, square = additive_moments(parts, COLUMNS, b, r)
        return contrasts, mean + moved, square + 2.0 * moved * mean + moved**2

    check(exp, explainer, COLUMNS, [bins_of(row) for row in ROWS], moments)


@hows
@pytest.mark.parametrize("kind", [DecisionTreeRegressor, DecisionTreeClassifier, ExtraTreeRegressor])
def test_explain_exact_tree_matches_sum_over_leaves(how, kind):
    model = kind(max_leaf_nodes=9, random_state=0).fit(X, CLASSES if kind is DecisionTreeClassifier else Y)
    explainer = LimeExplainer(model, random_state=0, **how).fit(X)
    exp = explainer.explain_exact(ROWS)
    check(
        exp,
        explainer,
        COLUMNS,
        [bins_of(row) for row in ROWS],
        lambda b, r, k: tree_moments(model, COLUMNS, b, r, k),
        atol=SINGLE,
    )
    assert exp.n_model_rows > 5  # with those that the trees were checked by


@pytest.mark.parametrize(
    "kind", [RandomForestRegressor, RandomForestClassifier, ExtraTreesRegressor, ExtraTreesClassifier]
)
def test_explain_exact_forest_matches_mean_over_trees(kind):
    y = CLASSES if "Classifier" in kind.__name__ else Y
    model = kind(n_estimators=4, max_leaf_nodes=7, random_state=0).fit(X, y)
    explainer = LimeExplainer(model, random_state=0).fit(X)
    exp = explainer.explain_exact(ROWS)
    check(
        exp,
        explainer,
        COLUMNS,
        [bins_of(row) for row in ROWS],
        lambda b, r, k: tree_moments(model, COLUMNS, b, r, k),
        atol=SINGLE,
    )
    assert exp.fidelity is None


def test_explain_exact_constant_column_is_exactly_zero():
    wide = np.c_[X, np.full(len(X), 5.0)]
    model = DecisionTreeRegressor(max_leaf_nodes=9, random_state=0).fit(wide, Y)
    explainer = LimeExplainer(model, random_state=0).fit(wide)
    assert (explainer.explain_exact(wide[:9]).values[:, 4] == 0.0).all()
    explainer = LimeExplainer(lambda t: additive(t[:, :4]) + t[:, 4], random_state=0).fit(wide)
    assert (explainer.explain_exact(wide[:9], additive=True).values[:, 4] == 0.0).all()


# ---------------------------------------------------------------- all possible samples, by brute force


def brute(f, columns, row_bins, r, n, penalty, row):
    """The surrogate on all possible samples, without the row itself."""
    samples = list(ref.enumerated_draws(columns, row_bins, r))
    z = np.array([[1.0] * len(columns), *(z for _, z, _ in samples)])
    y = f(np.array([row, *(x for _, _, x in samples)], dtype=float))
    weights = np.array([0.0, *(n * w for w, _, _ in samples)])
    return ref.fit(z, y, weights, penalty), np.ptp(y[1:])


def same_fit(exp, row, fit, spread):
    np.testing.assert_allclose(exp.values[row, :, 0], fit.coefficients, atol=1e-9)
    np.testing.assert_allclose(exp.base_values[row, 0], fit.intercept, atol=1e-9)
    np.testing.assert_allclose(exp.extras["surrogate_outputs"].array[row, 0], fit.prediction, atol=1e-9)
    if exp.fidelity is not None:
        r2 = fit.r2 if spread > 1e-6 else np.nan
        np.testing.assert_allclose(exp.fidelity["r2"][row, 0], r2, atol=1e-8)


small_tables = st.integers(1, 3).flatmap(
    lambda d: st.lists(
        st.lists(st.sampled_from([-1.0, 0.0, 0.1, 2.0]), min_size=d, max_size=d), min_size=2, max_size=12
    )
)


@given(values=small_tables, seed=st.integers(0, 1000), n_leaves=st.integers(2, 4), width=st.floats(0.3, 3.0))
def test_explain_exact_tree_matches_brute_force(values, seed, n_leaves, width):
    small = np.array(values)
    y = np.random.default_rng(seed).normal(size=len(small))
    model = DecisionTreeRegressor(max_leaf_nodes=n_leaves, random_state=0).fit(small, y)
    explainer = LimeExplainer(model, n_samples=64, sampling=KernelSampling(width), random_state=0).fit(small)
    check_brute(explainer.explain_exact(small), explainer, small, model.predict)


@given(values=small_tables, seed=st.integers(0, 1000), width=st.floats(0.3, 3.0))
def test_explain_exact_additive_model_matches_brute_force(values, seed, width):
    small = np.array(values)
    factors = np.random.default_rng(seed).normal(size=(2, small.shape[1]))

    def model(t):
        return np.cos(3.0 * t) @ factors[0] + np.asarray(t) @ factors[1] + 1.0

    explainer = LimeExplainer(model, n_samples=64, sampling=KernelSampling(width), random_state=0).fit(small)
    check_brute(explainer.explain_exact(small, additive=True), explainer, small, model)


def check_brute(exp, explainer, small, f):
    edges = [ref.quartile_edges(column) for column in small.T]
    columns = [ref.seen_bins(column.tolist(), e) for column, e in zip(small.T, edges, strict=True)]
    r = ref.flip_weight(small.shape[1], explainer.kernel_width_)
    for row in (0, len(small) - 1):
        row_bins = [ref.bin_of(x, e) for x, e in zip(small[row], edges, strict=True)]
        same_fit(exp, row, *brute(f, columns, row_bins, r, 64, 1.0, small[row]))


def test_explain_exact_compares_thresholds_in_float32_as_sklearn():
    small = np.array([[0.1], [0.1], [0.2], [0.3], [0.7]])
    model = DecisionTreeRegressor(max_depth=1, random_state=0).fit(small, [0.0, 0.0, 1.0, 1.0, 1.0])
    model.tree_.threshold[0] = 0.1  # in single precision the value 0.1 is above it
    assert model.predict([[0.1]]).tolist() == [1.0]
    explainer = LimeExplainer(model, n_samples=64, random_state=0).fit(small)
    exp = explainer.explain_exact(small)
    np.testing.assert_allclose(exp.values, 0.0, atol=1e-12)
    np.testing.assert_allclose(exp.base_values, 1.0, atol=1e-12)


# ---------------------------------------------------------------- frames


def frame(n=90):
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "town": rng.choice(["bern", "oslo", "rome"], n, p=[0.5, 0.3, 0.2]),
            "rooms": rng.integers(1, 5, n),
            "size": rng.choice([20.0, 35.5, 60.0], n),
            "member": rng.random(n) < 0.3,
        }
    )


PRICE = {"bern": 3.0, "oslo": 1.0, "rome": -2.0, "paris": 9.0}


def priced(t):
    t = t.to_pandas() if isinstance(t, pl.DataFrame) else t
    plain = [PRICE[town] + 0.01 * (size - 30.0) ** 2 for town, size in zip(t["town"], t["size"], strict=True)]
    return np.array(plain) + 0.5 * t["rooms"].to_numpy() ** 2 - 1.5 * t["member"].to_numpy()


FRAME_PARTS = [PRICE.get, lambda x: 0.5 * x**2, lambda x: 0.01 * (x - 30.0) ** 2, lambda x: -1.5 * x]


@pytest.mark.parametrize("make", [lambda t: t, lambda t: pl.DataFrame(t.to_dict(orient="list"))])
def test_explain_exact_frame_with_labels_and_integers(make):
    t = frame()
    edges = {name: ref.quartile_edges(t[name].to_numpy()) for name in ("rooms", "size")}
    columns = [
        ref.seen_bins(t[name].tolist(), edges[name]) if name in edges else ref.seen_levels(t[name].tolist())
        for name in t
    ]
    levels = {name: list(dict.fromkeys(t[name])) for name in ("town", "member")}
    bins = [
        [ref.bin_of(row[c], edges[c]) if c in edges else levels[c].index(row[c]) for c in t]
        for _, row in t.head(6).iterrows()
    ]
    explainer = LimeExplainer(priced, random_state=0).fit(make(t))
    exp = explainer.explain_exact(make(t)[:6], additive=True)
    check(exp, explainer, columns, bins, lambda b, r, _: additive_moments(FRAME_PARTS, columns, b, r))
    assert exp.feature_names == tuple(t)
    assert exp.extras["conditions"].array[0, 0] == f"town = {t['town'][0]}"


def test_explain_exact_feature_group_is_one_function():
    t = frame()

    def together(t):
        return np.where(t["member"], 1.0, -1.0) * t["size"] + t["rooms"]

    groups = {"deal": ["size", "member"]}
    explainer = LimeExplainer(together, feature_groups=groups, random_state=0).fit(t)
    exp = explainer.explain_exact(t.head(6), additive=True)
    pairs = list(zip(t["size"], t["member"], strict=True))
    rooms, sizes = (ref.quartile_edges(t[name].to_numpy()) for name in ("rooms", "size"))
    cells = [(ref.bin_of(size, sizes), member) for size, member in pairs]
    known = list(dict.fromkeys(cells))
    deals = [[p for p, c in zip(pairs, cells, strict=True) if c == cell] for cell in known]
    own = {
        "town": ref.seen_levels(t["town"].tolist()),
        "rooms": ref.seen_bins(t["rooms"].tolist(), rooms),
        "deal": [ref.Seen(len(inside) / len(t), inside) for inside in deals],
    }
    parts = {
        "town": lambda _: 0.0,
        "rooms": lambda x: x,
        "deal": lambda pair: pair[0] if pair[1] else -pair[0],
    }
    towns = list(dict.fromkeys(t["town"]))
    bins = []
    for i in range(6):
        place = {
            "town": towns.index(t["town"][i]),
            "rooms": ref.bin_of(t["rooms"][i], rooms),
            "deal": known.index(cells[i]),
        }
        bins.append([place[name] for name in exp.feature_names])
    columns, functions = ([mapping[name] for name in exp.feature_names] for mapping in (own, parts))
    check(exp, explainer, columns, bins, lambda b, r, _: additive_moments(functions, columns, b, r))


def test_explain_exact_unseen_level_has_its_contrast():
    t = frame()
    rows = t.head(3).copy()
    rows.loc[0, "town"] = "paris"
    model = CountingModel(priced)
    explainer = LimeExplainer(model, random_state=0).fit(t)
    before = model.n_rows
    exp = explainer.explain_exact(rows, additive=True)
    assert model.n_rows - before == exp.n_model_rows
    seen = explainer.explain_exact(t.head(3), additive=True)
    np.testing.assert_array_equal(exp.values[1:], seen.values[1:])
    mean = np.mean([PRICE[town] for town in t["town"]])
    np.testing.assert_allclose(exp.values[0, 0, 0], 9.0 - mean, atol=1e-10)
    total = exp.base_values[0, 0] + exp.values[0, :, 0].sum()
    assert exp.extras["surrogate_outputs"].array[0, 0] == pytest.approx(total, abs=1e-10)
    assert exp.extras["unseen"].array.tolist() == [[True] + [False] * 3] + [[False] * 4] * 2
    sampled = explainer.explain(rows)
    assert (np.abs(sampled.values - exp.values) <= 5.0 * sampled.std_errors + 1e-9).all()
    off = np.abs(sampled.extras["surrogate_outputs"].array - exp.extras["surrogate_outputs"].array)
    assert (off <= 5.0 * sampled.extras["surrogate_std_errors"].array + 1e-9).all()


def test_explain_exact_ignores_extra_columns_and_column_order():
    t = pd.DataFrame(X, columns=list("abcd"))
    y = Y + 2.0 * (t["b"] > 1.5)
    model = DecisionTreeRegressor(max_leaf_nodes=9, random_state=0).fit(t[["c", "a", "b"]], y)
    explainer = LimeExplainer(model, random_state=0).fit(t)
    exp = explainer.explain_exact(t.head(5))
    assert (exp.values[:, 3] == 0.0).all()
    assert (exp.values[:, :3] != 0.0).any(axis=(0, 2)).all()
    sampled = explainer.explain(t.head(5))
    assert (np.abs(sampled.values - exp.values) <= 5.0 * sampled.std_errors + 1e-9).all()
    plain = t[["c", "a", "b"]]
    alone = LimeExplainer(model, random_state=0, sampling=KernelSampling(explainer.kernel_width_)).fit(plain)
    # A column that is not used changes the weight of all samples, and nothing else.
    again = alone.set_params(surrogate="klasso").explain_exact(plain.head(5))
    both = explainer.set_params(surrogate="klasso").explain_exact(t.head(5))
    np.testing.assert_allclose(again.values, both.values[:, [2, 0, 1]], atol=1e-10)


@pytest.mark.parametrize("make", [lambda t: t, lambda t: pl.DataFrame(t.to_dict(orient="list"))])
def test_explain_exact_tree_of_frame_matches_brute_force(make):
    t = frame().drop(columns="town")
    y = t["rooms"] * t["member"] + 0.1 * t["size"]
    model = DecisionTreeRegressor(max_leaf_nodes=8, random_state=0).fit(t, y)
    explainer = LimeExplainer(model, random_state=0, n_samples=512).fit(make(t))
    exp = explainer.explain_exact(make(t)[:5])
    edges = {name: ref.quartile_edges(t[name].to_numpy()) for name in ("rooms", "size")}
    columns = [ref.seen_bins(t[name].tolist(), edges[name]) for name in edges]
    columns.append(ref.seen_levels(t["member"].tolist()))
    members = list(dict.fromkeys(t["member"]))
    for i in range(5):
        row = t.iloc[i]
        row_bins = [ref.bin_of(row[name], edges[name]) for name in edges] + [members.index(row["member"])]
        args = (
            columns,
            row_bins,
            ref.flip_weight(3),
            exp.extras["n_samples"].array[i],
            1.0,
            row.astype(float),
        )
        same_fit(exp, i, *brute(lambda x: model.predict(pd.DataFrame(x, columns=list(t))), *args))


def test_explain_exact_integer_weights_equal_repeated_rows():
    weights = np.random.default_rng(0).integers(1, 3, len(X))
    model = DecisionTreeRegressor(max_leaf_nodes=9, random_state=0).fit(X, Y)
    weighted, repeated = (
        LimeExplainer(model, random_state=0).fit(rows, sample_weight=w)
        for rows, w in ((X, weights), (np.repeat(X, weights, axis=0), None))
    )
    one, other = weighted.explain_exact(ROWS), repeated.explain_exact(ROWS)
    np.testing.assert_allclose(one.values, other.values, atol=1e-10)
    weighted, repeated = (
        LimeExplainer(additive, random_state=0).fit(rows, sample_weight=w)
        for rows, w in ((X, weights), (np.repeat(X, weights, axis=0), None))
    )
    one, other = (explainer.explain_exact(ROWS, additive=True) for explainer in (weighted, repeated))
    np.testing.assert_allclose(one.values, other.values, atol=1e-10)


# ---------------------------------------------------------------- against samples


@pytest.mark.parametrize("surrogate", ["ridge", "klasso"])
@pytest.mark.parametrize("sampling", ["kernel", "tilted"])
def test_explain_is_within_std_errors_of_explain_exact(sampling, surrogate):
    """All classes of 20 rows: none far off, and on the whole as far as they say."""
    model = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0).fit(X, CLASSES)
    off, errors = [], []
    for seed in range(4):  # rows share their samples, so that they are off together
        explainer = LimeExplainer(model, sampling=sampling, surrogate=surrogate, random_state=seed).fit(X)
        exact, sampled = explainer.explain_exact(X[:20]), explainer.explain(X[:20])
        np.testing.assert_array_equal(exact.outputs, sampled.outputs)
        for name in ("n_samples", "conditions", "unseen"):
            np.testing.assert_array_equal(exact.extras[name], sampled.extras[name])
        limits, more = ({k: np.asarray(e.extras[k]) for k in e.extras} for e in (exact, sampled))
        gap = more["surrogate_outputs"] - limits["surrogate_outputs"]
        off.append([sampled.values - exact.values, gap, sampled.fidelity["r2"] - exact.fidelity["r2"]])
        errors.append([sampled.std_errors, more["surrogate_std_errors"], more["r2_std_errors"]])
    errors = [np.array(one) for one in zip(*errors, strict=True)]
    # An R2 near 0 that comes out too small has too small an error.
    errors[2] = np.maximum(errors[2], np.median(errors[2], axis=0))
    for gaps, stated in zip(zip(*off, strict=True), errors, strict=True):
        within(np.array(gaps), stated)


def within(off, errors):
    assert (np.abs(off) <= 6.0 * errors).all()
    assert 0.5 < np.sqrt(np.mean(np.square(off / errors))) < 1.5


def test_explain_exact_local_sampling_of_labels():
    t = frame()[["town", "member"]]

    def model(t):
        return np.array([PRICE[town] for town in t["town"]]) + t["member"].to_numpy()

    around = LimeExplainer(model, sampling="local", random_state=0).fit(t)
    exact, sampled = around.explain_exact(t.head(5), additive=True), around.explain(t.head(5))
    assert (np.abs(sampled.values - exact.values) <= 5.0 * sampled.std_errors + 1e-9).all()


# ---------------------------------------------------------------- outputs, bits and storage


def test_explain_exact_outputs_as_in_explain():
    model = DecisionTreeClassifier(max_leaf_nodes=9, random_state=0).fit(X, CLASSES)
    explainer = LimeExplainer(model, random_state=0).fit(X)
    whole = explainer.explain_exact(ROWS)
    assert whole.output_names == ("0", "1", "2")
    one = explainer.explain_exact(ROWS, outputs="2")
    np.testing.assert_array_equal(one.values, whole.values[:, :, 2:])
    predicted = explainer.explain_exact(ROWS, outputs="predicted")
    best = model.predict(ROWS)
    np.testing.assert_array_equal(predicted.values[:, :, 0], whole.values[np.arange(5), :, best])
    assert predicted.extras["predicted"].array.tolist() == [str(label) for label in best]


def test_explain_exact_bits_of_row_ignore_other_rows():
    for model, is_additive in ((additive, True), (DecisionTreeRegressor(max_leaf_nodes=9).fit(X, Y), False)):
        explainer = LimeExplainer(model, random_state=0).fit(X)
        whole = explainer.explain_exact(X[:70], additive=is_additive)
        some = explainer.explain_exact(X[[60, 3]], additive=is_additive)
        np.testing.assert_array_equal(some.values, whole.values[[60, 3]])
        np.testing.assert_array_equal(some.base_values, whole.base_values[[60, 3]])


def test_explain_exact_mirrored_outputs_mirror():
    def two(t):
        return np.c_[additive(t), 2.0 - additive(t)]

    exp = LimeExplainer(two, random_state=0).fit(X).explain_exact(ROWS, additive=True)
    np.testing.assert_allclose(exp.values[:, :, 0], -exp.values[:, :, 1], atol=1e-12)
    np.testing.assert_allclose(exp.fidelity["r2"][:, 0], exp.fidelity["r2"][:, 1], atol=1e-10)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_explain_exact_storage_and_pickled_explainer(tmp_path, n_jobs):
    model = RandomForestRegressor(3, max_depth=3, random_state=0).fit(X, Y)
    explainer = LimeExplainer(model, random_state=0, n_jobs=n_jobs).fit(X)
    exp = pickle.loads(pickle.dumps(explainer)).explain_exact(ROWS)
    exp.save(tmp_path / "exact.npz")
    loaded = Explanation.load(tmp_path / "exact.npz")
    np.testing.assert_array_equal(loaded.values, exp.values)
    np.testing.assert_array_equal(loaded.values, explainer.explain_exact(ROWS).values)
    assert loaded.fidelity is None
    assert (loaded.extras["effective_samples"].array == np.inf).all()


def test_explain_exact_accepts_float32_additive_model():
    def rough(t):
        return additive(t).astype(np.float32)

    exact = LimeExplainer(additive, random_state=0).fit(X).explain_exact(ROWS, additive=True)
    exp = LimeExplainer(rough, random_state=0).fit(X).explain_exact(ROWS, additive=True)
    np.testing.assert_allclose(exp.values, exact.values, atol=1e-5)


# ---------------------------------------------------------------- refusals


def product(t):
    t = np.asarray(t, dtype=float)
    return t[:, 0] * t[:, 1]


def gappy():
    t = X.copy()
    t[::7, 0] = np.nan
    return t


def refused(facts, explainer, rows, error=DataError, **params):
    with refuses(error, *facts):
        explainer.explain_exact(rows, **params)


@pytest.mark.parametrize(
    ("parameters", "facts"),
    [
        ({"sampling": KernelSampling(discretizer=None)}, ["numbers without bins", "sampling='kernel'"]),
        ({"sampling": "local"}, ["numbers without bins", "sampling='kernel'"]),
        ({"surrogate": "tree"}, ["surrogate='tree'", "use 'ridge'"]),
        ({"surrogate": Ridge()}, ["surrogate=Ridge()", "use 'ridge'"]),
        ({"max_features": 2}, ["max_features=2", "use None"]),
    ],
)
def test_explain_exact_refuses_parameters_without_closed_form(parameters, facts):
    explainer = LimeExplainer(additive, random_state=0, **parameters).fit(X)
    refused(["explain_exact", "no closed form", *facts], explainer, ROWS, additive=True)


def test_explain_exact_refuses_masker():
    images = np.random.default_rng(0).random((2, 4, 4))
    masker = SegmentMasker(n_segments=4)
    explainer = LimeExplainer(lambda x: x.sum((1, 2)), masker=masker).fit(images)
    refused(["explain_exact", "no closed form", "masker"], explainer, images)


def test_explain_exact_refuses_unfitted_explainer():
    refused(["LimeExplainer", "not fitted", "'fit'"], LimeExplainer(additive), X, NotFittedError)
    bare = LimeExplainer(additive, random_state=0).fit(X).without_model()
    with refuses(ValueError, "attach") as refusal:
        bare.explain(X)
    refused([str(refusal.value)], bare, X, type(refusal.value), additive=True)


def test_explain_exact_refuses_model_that_is_not_additive():
    explainer = LimeExplainer(product, random_state=0).fit(X)
    with pytest.raises(DataError) as refusal:
        explainer.explain_exact(ROWS, additive=True)
    shown = X[:20]
    built = product(np.c_[shown[:, 0], np.full(20, X[0, 1])]) + X[0, 0] * (shown[:, 1] - X[0, 1])
    row = np.abs(built - product(shown)).argmax()
    numbers = f"{built[row]:.6g}", f"{product(shown)[row]:.6g}"
    facts = ["explain_exact", "additive=True", "model product", "LimeExplainer.explain", "feature_groups"]
    assert_states(str(refusal.value), *numbers, *facts)


class Doubled(DecisionTreeRegressor):
    """A tree whose predictions are not the values of its leaves."""

    def predict(self, X, check_input=True):
        return 2.0 * super().predict(X, check_input)


def test_explain_exact_refuses_model_that_is_no_sum_of_trees():
    doubled = Doubled(max_depth=2).fit(X, Y)
    bent = make_pipeline(FunctionTransformer(np.cbrt), DecisionTreeRegressor(random_state=0)).fit(X, Y)
    for model, facts in (
        (additive, ["cannot read additive", "function"]),
        (doubled, ["cannot read Doubled", "do not predict as it does"]),
    ):
        facts = ["sums of trees", *facts, "additive=True", "LimeExplainer.explain"]
        refused(facts, LimeExplainer(model, random_state=0).fit(X), ROWS)
    refused(["scaling", "column", "LimeExplainer.explain"], LimeExplainer(bent, random_state=0).fit(X), ROWS)
    boosted = HistGradientBoostingClassifier(max_iter=3).fit(X, CLASSES > 0)
    facts = ["margins", "HistGradientBoostingClassifier", "predict_proba", "output='decision_function'"]
    refused(facts, LimeExplainer(boosted, random_state=0).fit(X), ROWS)
    margins = as_predictor(boosted, output="decision_function")
    assert np.isfinite(LimeExplainer(margins, random_state=0).fit(X).explain_exact(ROWS).values).all()


def test_explain_exact_refuses_values_that_were_not_seen():
    missing = DecisionTreeRegressor(max_leaf_nodes=20, random_state=0).fit(gappy(), Y)
    refused(
        ["Row 2", "'x0'", "not seen in fit", "explain_exact", "LimeExplainer.explain"],
        LimeExplainer(missing, random_state=0).fit(X),
        np.array([X[0], X[1], [np.nan, 1.0, 1.0, 1.0]]),
    )


def exact_beside_sampled(model, table, **params):
    """How many standard errors coefficients of samples are from their limits, and the limits."""
    explainer = LimeExplainer(model, random_state=0, n_samples=4000, **params).fit(table)
    rows = table.head(15) if isinstance(table, pd.DataFrame) else table[:15]
    exact, sampled = explainer.explain_exact(rows), explainer.explain(rows)
    return (sampled.values - exact.values) / np.maximum(sampled.std_errors, 1e-9), exact


def levels():
    """A table with a column of text that matters."""
    table = pd.DataFrame(X, columns=list("abcd"))
    return table.assign(level=np.where(table.a > 0, "high", np.where(table.b > 0, "mid", "low")))


ENCODER = make_column_transformer(
    (OneHotEncoder(), ["level"]), (StandardScaler(), ["a", "b"]), remainder="passthrough"
)


@pytest.mark.parametrize(
    ("model", "table", "params"),
    [
        (make_pipeline(StandardScaler(), RandomForestRegressor(3, max_depth=4, random_state=0)), X, {}),
        (make_pipeline(ENCODER, GradientBoostingRegressor(n_estimators=10, random_state=0)), levels(), {}),
        (HistGradientBoostingRegressor(max_iter=10), gappy(), {}),
        (DecisionTreeRegressor(max_leaf_nodes=20, random_state=0), gappy(), {}),
        (
            DecisionTreeRegressor(max_leaf_nodes=20, random_state=0),
            pd.DataFrame(X, columns=list("abcd")),
            {"feature_groups": {"both": ["a", "b"]}},
        ),
        (
            HistGradientBoostingRegressor(max_iter=10, categorical_features="from_dtype"),
            levels().astype({"level": "category"}),
            {},
        ),
    ],
    ids=["scaled", "one-hot", "missing", "missing in a tree", "groups", "categories"],
)
def test_explain_exact_reads_sums_of_trees(model, table, params):
    off, exact = exact_beside_sampled(model.fit(table, Y), table, **params)
    assert np.abs(off).max() < 6.0
    assert np.sqrt(np.square(off).mean()) < 2.0
    assert (exact.std_errors == 0.0).all()
    assert np.abs(exact.values).max() > 0.1


def test_explain_exact_reads_several_targets():
    twice = RandomForestRegressor(3, max_depth=4, random_state=0).fit(X, np.c_[Y, -Y])
    once = RandomForestRegressor(3, max_depth=4, random_state=0).fit(X, Y)
    both, one = (LimeExplainer(model, random_state=0).fit(X).explain_exact(ROWS) for model in (twice, once))
    np.testing.assert_allclose(both.values[:, :, :1], one.values, atol=1e-10)
    np.testing.assert_allclose(both.values[:, :, 1:], -one.values, atol=1e-10)


# ---------------------------------------------------------------- the regression alone


def random_moments(rng, alphas, n_outputs=2):
    """Moments of random predictions in the cells of z, and the cells, their probabilities and predictions."""
    cells = np.array(list(np.ndindex(*[2] * len(alphas))), dtype=float)
    probabilities = np.prod(np.where(cells == 1.0, alphas, 1.0 - alphas), axis=1)
    predictions = rng.normal(size=(len(cells), n_outputs))
    mean = probabilities @ predictions
    kappa = np.einsum("c,cj,ck->jk", probabilities, cells, predictions) - alphas[:, None] * mean
    return (
        ModelMoments(mean[None], kappa[None], (probabilities @ predictions**2)[None]),
        cells,
        probabilities,
        predictions,
    )


@given(
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.sampled_from([0.3, 4.0, 5000.0]),
    st.sampled_from([0.1, 1.0, 100.0]),
    st.floats(0.1, 1.0),
)
def test_exact_ridge_matches_ridge_on_all_cells(seed, d, n, ridge, weight):
    rng = np.random.default_rng(seed)
    alphas = rng.choice([0.0, 1.0, 0.2, 0.5, 0.9], size=d)
    moments, cells, probabilities, predictions = random_moments(rng, alphas)
    exact = exact_ridge(alphas[None], np.array([weight]), n, moments, ridge)
    z, weights = np.vstack([np.ones(d), cells]), np.r_[0.0, n * weight * probabilities]
    varies = ((alphas > 0.0) & (alphas < 1.0)).any()
    for k in range(2):
        expected = ref.fit(z, np.r_[99.0, predictions[:, k]], weights, ridge)
        np.testing.assert_allclose(exact.coefficients[0, :, k], expected.coefficients, atol=1e-9)
        np.testing.assert_allclose(exact.intercept[0, k], expected.intercept, atol=1e-9)
        np.testing.assert_allclose(exact.outputs[0, k], expected.prediction, atol=1e-9)
        np.testing.assert_allclose(exact.r2[0, k], expected.r2 if varies else np.nan, atol=1e-9)
    assert (exact.coefficients[0, (alphas == 0.0) | (alphas == 1.0)] == 0.0).all()


@pytest.mark.parametrize("ridge", [0.0, 0.3, 1.0, 40.0])
def test_exact_ridge_shrinks_each_coefficient_alone(ridge):
    columns = [
        [ref.Bin(p, m, 0.0, m, m) for p, m in column]
        for column in ([(0.2, 1.0), (0.8, -1.0)], [(0.5, 0.0), (0.3, 2.0), (0.2, 7.0)])
    ]
    p, bins = [np.array([one.p for one in column]) for column in columns], np.array([[0, 2]])
    means = [np.array([[one.mean] for one in column]) for column in columns]
    moments = moments_of_sum(means, p, bins, 0.7)
    alpha, weight = tilt(row_frequencies(p, bins), 0.7)
    exact = exact_ridge(alpha, weight, 50.0, moments, ridge)
    contrasts, mean = ref.linear([1.0, 1.0], columns, bins[0], 0.7)
    total = 50.0 * ref.mean_weight(columns, bins[0], 0.7)
    expected = ref.without_row(contrasts, alpha[0], total, ridge)
    np.testing.assert_allclose(exact.coefficients[0, :, 0], expected, atol=1e-12)
    assert exact.intercept[0, 0] == pytest.approx(mean - alpha[0] @ expected, abs=1e-12)
    assert exact.outputs[0, 0] == pytest.approx(exact.intercept[0, 0] + math.fsum(expected), abs=1e-12)
    assert exact.r2 is None


@pytest.mark.parametrize("ridge", [0.0, 1.0])
@pytest.mark.parametrize("weight", [0.0, 1e-310])
def test_exact_ridge_zero_weight_predicts_mean(ridge, weight):
    """As where hundreds of columns meet a kernel that leaves nothing but the row's bins."""
    moments = ModelMoments(np.array([[1.0]]), np.full((1, 2, 1), 0.1), np.array([[3.0]]))
    exact = exact_ridge(np.full((1, 2), 0.5), np.array([weight]), 5000.0, moments, ridge)
    np.testing.assert_allclose(exact.coefficients, 0.0 if ridge else 0.4, atol=1e-12)
    assert exact.outputs[0, 0] == pytest.approx(1.0 if ridge else 1.4, abs=1e-12)


def test_exact_ridge_constant_model_has_no_coefficients():
    value, alpha = 0.3, np.array([[0.4, 0.9]])
    moments = ModelMoments(np.array([[value]]), np.zeros((1, 2, 1)), np.array([[value**2]]))
    exact = exact_ridge(alpha, np.array([0.5]), 5000.0, moments)
    assert not exact.coefficients.any()
    assert (exact.intercept[0, 0], exact.outputs[0, 0]) == (value, value)
    assert np.isnan(exact.r2).all()


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_exact_ridge_bits_of_row_ignore_other_rows(n_outputs):
    rng = np.random.default_rng(0)
    alpha, weight = rng.random((7, 40)), rng.random(7)
    kappa = 0.01 * rng.normal(size=(7, 40, n_outputs))
    mean, square = rng.normal(size=(7, n_outputs)), 9.0 + rng.random((7, n_outputs))

    def exact(part):
        return exact_ridge(
            alpha[part], weight[part], 50.0, ModelMoments(mean[part], kappa[part], square[part])
        )

    whole = exact(slice(None))
    for i in range(7):
        for one, other in zip(exact(slice(i, i + 1)), whole, strict=True):
            np.testing.assert_array_equal(one[0], other[i])
