import json
import re
import tracemalloc
from datetime import date, datetime

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from agnostix import OcclusionExplainer, as_predictor
from agnostix.exceptions import DataError, EngineError
from tests.jackknife import jackknifed
from tests.messages import refuses, states
from tests.reference.occlusion import occlude

DIABETES, PROGRESS = load_diabetes(return_X_y=True, as_frame=True)
D, P = DIABETES.to_numpy(), PROGRESS.to_numpy()
IRIS, SPECIES = load_iris(return_X_y=True)
IS_LONG = (SPECIES > 0).astype(int)
RNG = np.random.default_rng(0)


class Curved:
    """A model with products of columns, whose prediction for a row depends on that row alone, to the bit."""

    def __call__(self, X):
        X = np.asarray(X, dtype=float)
        first = X[:, 0] * X[:, 1] + X[:, 2] ** 2
        return np.stack([first, X[:, 0] - 3.0 * X[:, 1] * X[:, 2], 0.5 * X[:, 2]], axis=1)


class Counting:
    """A model that records the sizes of its batches."""

    def __init__(self, model):
        self.model, self.sizes = model, []

    def __call__(self, X):
        self.sizes.append(X.shape[0])
        return self.model(X)


class RowSums:
    """A model for tables of any width, whose name is the same in every run."""

    def __call__(self, X):
        return np.nansum(np.asarray(X).astype(float), axis=1)

    def __repr__(self):
        return "RowSums()"


def explained(model, X, seen=None, weight=None, **params):
    """With a background drawn at random, whose values and errors are those of plain loops."""
    explainer = OcclusionExplainer(model, **{"background": "sample", "random_state": 0} | params)
    return explainer.fit(X if seen is None else seen, None, weight)


def same(one, other):
    """The same to the last bit."""
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


MODELS = {
    "linear": (LinearRegression().fit(D, P).predict, D),
    "neighbors": (KNeighborsRegressor(5).fit(D, P).predict, D),
    "trees": (HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(D, P).predict, D),
    "logistic": (
        make_pipeline(StandardScaler(), LogisticRegression()).fit(IRIS, SPECIES).predict_proba,
        IRIS,
    ),
    "forest": (RandomForestClassifier(5, random_state=0).fit(IRIS, SPECIES).predict_proba, IRIS),
    "bayes": (GaussianNB().fit(IRIS, SPECIES).predict_proba, IRIS),
    "curved": (Curved(), IRIS),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize(("model", "X"), MODELS.values(), ids=MODELS)
def test_values_match_loop(model, X, weighted):
    weight = np.random.default_rng(1).uniform(0.1, 5.0, len(X)) if weighted else None
    explainer = jackknifed(explained(model, X, weight=weight, background_size=7), len(X))
    exp = explainer.explain(X[::50])
    sampled = [int(np.flatnonzero((row == X).all(1))[0]) for row in explainer.background_]
    values, errors, base, outputs = occlude(
        model, X[::50], explainer.background_, None if weight is None else weight[sampled], n_rows=len(X)
    )
    unit = np.abs(outputs).max()
    np.testing.assert_allclose(exp.values, values, rtol=0, atol=1e-12 * unit)
    seen = errors > 1e-12 * unit
    np.testing.assert_allclose(exp.std_errors[seen], errors[seen], rtol=1e-11, atol=1e-12 * unit)
    np.testing.assert_allclose(exp.base_values, np.tile(base, (len(outputs), 1)), rtol=1e-12, atol=1e-12)
    # Models of BLAS or of many threads predict a row otherwise in another batch, in the last bit.
    np.testing.assert_allclose(exp.outputs, outputs, rtol=0.0 if isinstance(model, Curved) else 1e-12)


def test_std_errors_match_loop():
    explainer = jackknifed(explained(Curved(), IRIS, background_size=20), 150)
    exp = explainer.explain(IRIS[:5])
    errors = occlude(Curved(), IRIS[:5], explainer.background_, n_rows=150)[1]
    seen = errors > 1e-12
    np.testing.assert_allclose(exp.std_errors[seen], errors[seen], rtol=1e-12, atol=1e-12)
    assert (exp.std_errors[:, :3, 0] > 0).all()
    assert not seen[:, 3].any()


@pytest.mark.slow
def test_std_errors_cover_other_backgrounds():
    whole = explained(Curved(), IRIS, background_size=150).explain(IRIS[:3]).values
    covered = []
    for seed in range(200):
        parameters = {"background": "sample", "background_size": 15, "random_state": seed}
        exp = OcclusionExplainer(Curved(), **parameters).fit(IRIS).explain(IRIS[:3])
        low, high = exp.interval()
        covered.append(((low <= whole) & (whole <= high))[exp.std_errors > 0])
    assert np.mean(np.concatenate(covered)) > 0.91


def test_linear_model_matches_closed_form():
    model = LinearRegression().fit(DIABETES, PROGRESS)
    exp = explained(model, DIABETES, background_size=1000).explain(DIABETES)
    np.testing.assert_allclose(
        exp.values[:, :, 0], model.coef_ * (D - D.mean(0)), rtol=0, atol=1e-11 * np.abs(P).max()
    )
    np.testing.assert_allclose(exp.values.sum(1), exp.outputs - exp.base_values, atol=1e-10)


def test_additive_model_values_sum_to_output():
    def model(X):
        return np.sin(X[:, 0]) + np.exp(X[:, 1] / 4) + (X[:, 2] > 3) + 5.0

    exp = explained(model, IRIS, background_size=30).explain(IRIS)
    np.testing.assert_allclose(exp.values.sum(1), exp.outputs - exp.base_values, atol=1e-13)
    np.testing.assert_array_equal(exp.values[:, 3], 0.0)


def test_ignored_feature_is_exactly_zero():
    exp = explained(Curved(), IRIS, background_size=13).explain(IRIS)
    np.testing.assert_array_equal(exp.values[:, 3], 0.0)
    unseen = exp.extras["interval_kind"].array[:, 3] == "rule_of_three"
    varies = np.ptp(exp.outputs, axis=0) > 0
    np.testing.assert_array_equal(unseen, np.tile(varies, (150, 1)))
    explainer = explained(Curved(), IRIS, background_size=13)
    error = np.hypot(explainer._probed.spread, exp.outputs - explainer.base_values_) / 13
    np.testing.assert_allclose(exp.std_errors[:, 3], error, rtol=1e-9)
    low, high = exp.interval()
    np.testing.assert_allclose((high - low)[:, 3] / 2, -np.log(0.05) * error, rtol=1e-9)
    whole = explained(Curved(), IRIS, background="all").explain(IRIS)
    np.testing.assert_array_equal(whole.std_errors[:, 3], 0.0)


def test_what_background_rows_have_all_values_of_is_exact():
    def model(X):
        return 1.0 + X[:, 0] * (X[:, 1] > 5)

    X = np.column_stack([np.arange(90) % 2, np.arange(90) % 7, np.full(90, 3.0)])
    exp = explained(model, X, background_size=30).explain(X[:14])
    hides_nothing = X[:14, 1] < 6
    np.testing.assert_array_equal(exp.std_errors[hides_nothing, 0], 0.0)
    np.testing.assert_array_equal(exp.std_errors[:, 2], 0.0)


def test_constant_model_of_1e300_gives_zeros():
    exp = explained(lambda X: np.full(len(X), 1e300), IRIS, background_size=7).explain(IRIS[:9])
    np.testing.assert_array_equal(exp.values, 0.0)
    np.testing.assert_array_equal(exp.std_errors, 0.0)
    np.testing.assert_allclose(exp.base_values, 1e300, rtol=1e-14)


def test_binary_outputs_mirror():
    model = LogisticRegression().fit(IRIS, IS_LONG)
    exp = explained(model, IRIS).explain(IRIS)
    np.testing.assert_allclose(exp.values[:, :, 0], -exp.values[:, :, 1], atol=1e-14)
    np.testing.assert_allclose(exp.std_errors[:, :, 0], exp.std_errors[:, :, 1], atol=1e-10)
    assert exp.output_names == ("0", "1")


def test_feature_groups_are_hidden_together():
    groups = {"sepal": ["x0", "x1"], "width too": ["x3"]}
    explainer = jackknifed(explained(Curved(), IRIS, background_size=9, feature_groups=groups), 150)
    exp = explainer.explain(IRIS[::40])
    values, errors, _, _ = occlude(
        Curved(), IRIS[::40], explainer.background_, groups=[[0, 1], [2], [3]], n_rows=150
    )
    assert exp.feature_names == ("sepal", "x2", "width too")
    np.testing.assert_allclose(exp.values, values, atol=1e-12)
    seen = errors > 1e-12
    np.testing.assert_allclose(exp.std_errors[seen], errors[seen], atol=1e-12)


@pytest.mark.parametrize(
    "form", [np.asarray, list, tuple, lambda v: dict(zip("abcd", v, strict=True)), pd.Series]
)
def test_fill_row_in_any_container(form):
    fill = [5.5, 3.0, 4.0, 1.0]
    frame = pd.DataFrame(IRIS, columns=list("abcd"))
    X = frame if form not in (np.asarray, list, tuple) else IRIS
    constants = form(pd.Series(fill, index=list("abcd"))) if form is pd.Series else form(fill)
    explainer = explained(Curved(), X, fill=constants)
    exp = explainer.explain(X[:6])
    values, _, base, _ = occlude(Curved(), IRIS[:6], np.array([fill]))
    np.testing.assert_allclose(exp.values, values, atol=1e-13)
    np.testing.assert_array_equal(exp.std_errors, 0.0)
    np.testing.assert_allclose(exp.base_values[0], base)
    assert exp.n_model_rows == explainer.cost(X[:6]) == 6 * 5


def test_fill_fractions_for_integers_are_kept():
    X = np.arange(12).reshape(4, 3)
    exp = explained(RowSums(), X, fill=[0.5, 0.25, 0.125]).explain(X)
    np.testing.assert_array_equal(exp.values[:, :, 0], X - [0.5, 0.25, 0.125])


@pytest.mark.parametrize(
    ("fill", "got"),
    [
        ([1.0, 2.0], "[1.0, 2.0]"),
        ([1.0, 2.0, 3.0, 4.0, 5.0], "[1.0, 2.0, 3.0, 4.0, 5.0]"),
        ("mean", "'mean'"),
        (0.0, "0.0"),
        ({"x0": 1.0}, "{'x0': 1.0}"),
        ({"x0": 1, "x1": 2, "x2": 3, "x4": 4}, "{'x0': 1, 'x1': 2, 'x2': 3, 'x4': 4}"),
    ],
)
def test_fill_refused_for_other_columns(fill, got):
    facts = [
        "'fill' parameter of OcclusionExplainer",
        "'auto'",
        "4 columns",
        "(x0, x1, x2, x3)",
        f"got {got}",
    ]
    with refuses(DataError, *facts):
        explained(Curved(), IRIS, fill=fill)


@pytest.mark.parametrize(
    ("column", "value", "dtype"),
    [
        (pd.Series([1, 2, 3]), 0.5, "int64"),
        (pd.Series([1.0, 2.0, 3.0]), "none", "float64"),
        (pd.Series(["a", "b", "a"], dtype="category"), "c", "category"),
        (pd.Series([1, 2, 3]), None, "int64"),
        (pd.Series([1.0, 2.0, 3.0]), [1.0, 2.0], "float64"),
        (pd.Series([True, False]), 2, "bool"),
        (pl.Series([1, 2, 3]), 0.5, "Int64"),
        (pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), "c", "Enum(categories=['a', 'b'])"),
    ],
)
def test_fill_refused_if_column_cannot_hold_it(column, value, dtype):
    facts = ["'fill' parameter of OcclusionExplainer", repr(value), "column 'a'", f"type {dtype}"]
    table = pl.DataFrame({"a": column}) if isinstance(column, pl.Series) else column.to_frame("a")
    with refuses(DataError, *facts, "cannot hold"):
        explained(lambda X: np.ones(len(X)), table, fill={"a": value})


def test_fill_keeps_column_dtypes():
    X = pd.DataFrame({"a": np.array([1.0, 2.0], dtype=np.float32), "b": pd.array([1, None], dtype="Int64")})
    one = explained(RowSums(), X, fill={"a": 0.1, "b": 7}).background_
    pd.testing.assert_frame_equal(
        one, pd.DataFrame({"a": np.float32([0.1]), "b": pd.array([7], dtype="Int64")})
    )
    one = explained(lambda X: np.ones(len(X)), X, fill={"a": np.nan, "b": None}).background_
    assert one.isna().all(axis=None)
    assert list(one.dtypes) == list(X.dtypes)


def test_fill_keeps_polars_schema():
    X = polars_frame(IRIS).with_columns(b=pl.Series(["x", "y", None] * 50, dtype=pl.Enum(["x", "y"])))
    one = explained(lambda X: X["a"].to_numpy(), X, fill={"d": 0, "a": 1.5, "b": None, "c": 2}).background_
    assert one.schema == X.schema
    assert one.rows() == [(1.5, None, 2.0, 0.0)]


def rare_table(seed, n=2000):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.random(n) < 0.005, rng.random(n) < 0.3, rng.normal(size=n)]).astype(float)


@pytest.mark.parametrize("background", ["representative", "sample", "medoids"])
def test_no_error_of_zero_for_a_rare_level_that_matters(background):
    table, usual = rare_table(0), np.array([[0.0, 0.0, 0.5]])
    for seed in range(4):
        explainer = OcclusionExplainer(
            lambda X: 100.0 * X[:, 0] + X[:, 2], background=background, background_size=20, random_state=seed
        )
        exp = explainer.fit(table).explain(usual)
        assert (exp.std_errors[0, [0, 2]] > 0).all()
        low, high = exp.interval()
        assert low[0, 0, 0] <= -100.0 * table[:, 0].mean() <= high[0, 0, 0]
        np.testing.assert_array_equal(exp.std_errors[0, 1], 0.0)


def test_representative_values_are_near_those_of_the_whole_table():
    table = rare_table(1)

    def model(X):
        return 3.0 * X[:, 0] + X[:, 1] * X[:, 2] + np.abs(X[:, 2])

    whole = OcclusionExplainer(model, background="all").fit(table).explain(table[:40])
    exp = OcclusionExplainer(model, random_state=0).fit(table).explain(table[:40])
    drawn = OcclusionExplainer(model, background="sample", background_size=100, random_state=0)
    apart = [
        np.square(one.values - whole.values).mean() for one in (exp, drawn.fit(table).explain(table[:40]))
    ]
    assert apart[0] < 0.2 * apart[1]
    low, high = exp.interval()
    assert np.mean((low <= whole.values) & (whole.values <= high)) > 0.9
    shared = np.square(exp.extras["shared_errors"].array).sum(axis=-1)
    np.testing.assert_allclose(np.sqrt(shared), exp.std_errors, rtol=1e-5)


def test_integer_weights_equal_repeated_rows():
    weight = np.random.default_rng(2).integers(1, 4, 30)
    one = explained(Curved(), IRIS[:30], weight=weight, background_size=30).explain(IRIS[100:104])
    other = explained(Curved(), np.repeat(IRIS[:30], weight, axis=0), background_size=1000)
    other = other.explain(IRIS[100:104])
    np.testing.assert_allclose(one.values, other.values, atol=1e-12)
    np.testing.assert_allclose(one.base_values, other.base_values, atol=1e-12)


def test_rows_of_zero_weight_are_ignored():
    weight = np.r_[np.ones(20), np.zeros(130)]
    explainer = explained(Curved(), IRIS, weight=weight, background_size=150)
    one = explainer.explain(IRIS[:3])
    np.testing.assert_array_equal(explainer.background_, IRIS[:20])
    other = explained(Curved(), IRIS[:20], background_size=20).explain(IRIS[:3])
    np.testing.assert_allclose(one.values, other.values, atol=1e-12)
    np.testing.assert_allclose(one.std_errors, other.std_errors, atol=1e-12)


@pytest.mark.parametrize(
    "weight", [np.ones(3), np.r_[np.nan, np.ones(149)], np.r_[-1.0, np.ones(149)], np.ones((150, 2))]
)
def test_fit_refuses_bad_sample_weight(weight):
    with refuses(DataError, "sample_weight", "finite", "0 or more", "150 rows"):
        explained(Curved(), IRIS, weight=weight)


def test_rows_of_zero_weight_are_never_drawn():
    weight = np.r_[np.zeros(149), 2.0]
    explainer = explained(Curved(), IRIS, weight=weight, background_size=1)
    np.testing.assert_array_equal(explainer.background_, IRIS[149:])
    np.testing.assert_array_equal(explainer.explain(IRIS[:2]).std_errors, 0.0)


def test_fit_refuses_all_zero_weights():
    with refuses(DataError, "sample_weight", "zero for all", "150 rows"):
        explained(Curved(), IRIS, weight=np.zeros(150))


def test_background_size_above_table_takes_table():
    explainer = explained(Curved(), IRIS, background_size=10_000)
    np.testing.assert_array_equal(explainer.background_, IRIS)
    assert explainer.explain(IRIS[:2]).extras["background_size"] == 150


def test_background_is_sampled_without_replacement():
    X = np.arange(200.0).reshape(100, 2)
    sampled = explained(RowSums(), X, background_size=60).background_
    assert np.unique(sampled, axis=0).shape == (60, 2)
    assert np.isin(sampled[:, 0], X[:, 0]).all()


def test_equal_background_rows_are_evaluated_once():
    X = np.repeat([[0.0, 1.0, 2.0], [1.0, 1.0, 2.0], [2.0, 5.0, 2.0]], 10, axis=0)
    model = Counting(Curved())
    explainer = explained(model, X, background_size=30)
    model.sizes.clear()
    exp = explainer.explain(X[[0, 15]])
    assert explainer.cost(X[[0, 15]]) == 2 * (1 + 3 + 2 + 1)
    assert (
        sum(model.sizes) == exp.n_model_rows == 2 * (1 + 2 + 1)
    )  # a background value may equal the row's own
    values, errors, _, _ = occlude(Curved(), X[[0, 15]], explainer.background_, n_rows=30)
    np.testing.assert_allclose(exp.values, values, atol=1e-12)
    np.testing.assert_allclose(exp.std_errors, errors, atol=1e-12)


@pytest.mark.parametrize("memory", [None, 0.01, 0])
def test_n_model_rows_counts_model_rows_below_cost(memory):
    model = Counting(Curved())
    explainer = explained(model, IRIS, background_size=50)
    model.sizes.clear()
    with config_context(working_memory=memory) if memory is not None else config_context():
        exp = explainer.explain(IRIS[:20])
    assert sum(model.sizes) == exp.n_model_rows < explainer.cost(IRIS[:20])
    assert (len(model.sizes) == 1) == (memory is None)


@pytest.mark.parametrize("memory", [None, 0.01])
def test_n_model_rows_equals_cost_without_repeated_values(memory):
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = Counting(Curved())
    explainer = explained(model, X, background_size=50)
    model.sizes.clear()
    with config_context(working_memory=memory) if memory is not None else config_context():
        exp = explainer.explain(X[:20])
    assert sum(model.sizes) == exp.n_model_rows == explainer.cost(X[:20]) == 20 * (1 + 3 * 50)


def test_long_background_same_bits_in_any_batch():
    X = np.random.default_rng(3).normal(size=(9000, 3))
    explainer = explained(RowSums(), X, background_size=9000)
    whole = explainer.explain(X[:6])
    same(whole[2], explainer.explain(X[2:3]))


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
def test_same_bits_for_joblib_parallel_config(backend):
    explainer = explained(Curved(), IRIS, background_size=33)
    with (
        joblib.parallel_config(backend, n_jobs=2),
        config_context(working_memory=0.05),
    ):
        exp = explainer.explain(IRIS)
    same(exp, explainer.explain(IRIS))


def wide_answers(X):
    return np.repeat(np.asarray(X)[:, :1], 1000, axis=1)


def test_peak_memory_counts_many_outputs():
    X = np.random.default_rng(6).normal(size=(200, 4))
    explainer = explained(wide_answers, X, background_size=100)
    tracemalloc.start()
    with config_context(working_memory=16):
        exp = explainer.explain(X[:20])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20 * 16 + 2 * 8 * 20 * 5 * 1000 * 4
    assert exp.output_names == ("predicted",)


def polars_frame(X):
    return pl.DataFrame({name: X[:, j] for j, name in enumerate("abcd")})


FORMS = {
    "numpy": np.array,
    "pandas": lambda X: pd.DataFrame(X, columns=list("abcd")),
    "polars": polars_frame,
}


def copied(X):
    return X.clone() if isinstance(X, pl.DataFrame) else X.copy()


def equal(one, other):
    return one.equals(other) if hasattr(one, "equals") else np.array_equal(one, other)


class Mutating:
    """A model that leaves its input in ruins, after it has answered."""

    def __call__(self, X):
        predictions = Curved()(X)
        if isinstance(X, pd.DataFrame):
            X.iloc[:, :] = np.nan
        else:
            X[:] = np.nan
        return predictions


@pytest.mark.parametrize("make", [FORMS["numpy"], FORMS["pandas"]], ids=["numpy", "pandas"])
def test_in_place_model_leaves_fill_and_table(make):
    X = make(IRIS)
    fill = [5.0, 3.0, 4.0, 1.0]
    if isinstance(X, pd.DataFrame):
        fill = dict(zip("abcd", fill, strict=True))
    before = copied(X)
    with pytest.warns(UserWarning, match=states("model Mutating", "changes the table")):
        explainer = explained(Mutating(), X, fill=fill, background_size=20)
    one, again = explainer.explain(X[:5]), explainer.explain(X[:5])
    assert equal(X, before)
    same(one, again)
    same(one, explained(Curved(), X, fill=fill, background_size=20).explain(X[:5]))


def test_model_fitted_on_array_gets_arrays():
    model = RandomForestClassifier(5, random_state=0).fit(IRIS, SPECIES)
    result = [
        explained(model, make(IRIS), background_size=9).explain(make(IRIS)[:5]) for make in FORMS.values()
    ]
    same(result[0], result[1])
    same(result[0], result[2])


def mixed(n=120, seed=0):
    """Every type of column that a table has, with values missing."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.normal(40.0, 10.0, n),
            "children": pd.array(rng.integers(0, 4, n), dtype="Int64"),
            "visits": rng.integers(0, 50, n),
            "small": rng.normal(size=n).astype(np.float32),
            "job": rng.choice(["clerk", "farmer", "teacher"], n),
            "level": pd.Categorical(
                rng.choice(["low", "mid", "high"], n), ["low", "mid", "high"], ordered=True
            ),
            "town": pd.Categorical(rng.choice(["Ulm", "Bonn"], n), ["Ulm", "Bonn", "Kiel"]),
            "member": rng.random(n) < 0.4,
            "since": pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), unit="D"),
            "zoned": pd.Timestamp("2015-01-01", tz="Europe/Berlin")
            + pd.to_timedelta(rng.integers(0, 9, n), unit="D"),
            "anything": pd.Series(rng.choice(["a", "b"], n), dtype=object),
        }
    )
    for j, name in enumerate(["age", "children", "job", "level", "since", "zoned", "anything"]):
        X.loc[X.index[j::11], name] = None
    X.index = X.index[::-1] * 3
    return X


M = mixed()
BUYS = ((M["age"].fillna(40) > 42) ^ M["member"] ^ (M["town"] == "Ulm")).astype(int)


class Watching(BaseEstimator):
    """A transformer that refuses tables of other types than it was fitted on."""

    def fit(self, X, y=None):
        self.dtypes_ = X.dtypes
        self.categories_ = {name: list(X[name].cat.categories) for name in X.select_dtypes("category")}
        return self

    def transform(self, X):
        pd.testing.assert_series_equal(X.dtypes, self.dtypes_)
        for name, categories in self.categories_.items():
            assert list(X[name].cat.categories) == categories
        return X

    def __sklearn_is_fitted__(self):
        return hasattr(self, "dtypes_")


def days(X):
    numbers = X.apply(lambda dates: (dates.dt.tz_localize(None) - pd.Timestamp("2015-01-01")).dt.days)
    return numbers.to_numpy(dtype=float, na_value=np.nan)


def objects(X):
    """Labels with one kind of missing value."""
    return X.astype(object).where(X.notna(), np.nan)


def mixed_pipeline():
    labels = make_pipeline(
        FunctionTransformer(objects),
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    return make_pipeline(
        Watching(),
        make_column_transformer(
            (SimpleImputer(), ["age", "children", "visits", "small", "member"]),
            (labels, ["job", "level", "town", "anything"]),
            (make_pipeline(FunctionTransformer(days), SimpleImputer()), ["since", "zoned"]),
            sparse_threshold=0.0,
        ),
        StandardScaler(),
        LogisticRegression(),
    )


@pytest.mark.parametrize("memory", [0.01, 100])
def test_mixed_frame_keeps_dtypes(memory):
    model = mixed_pipeline().fit(M, BUYS)
    explainer = explained(model, M, background_size=15)
    with config_context(working_memory=memory):
        exp = explainer.explain(M[:4])
    sampled, own = explainer.background_, M[:4]
    for i in range(4):
        for j, name in enumerate(M.columns):
            together = pd.concat([own.iloc[[i]]] * 15, ignore_index=True)
            together[name] = sampled[name]
            mean = model.predict_proba(together).mean(0)
            np.testing.assert_allclose(
                exp.values[i, j], model.predict_proba(own.iloc[[i]])[0] - mean, atol=1e-12, err_msg=name
            )
    assert exp.data is M[:4] or exp.data.equals(M[:4])
    assert np.abs(exp.values[:, M.columns.get_loc("zoned")]).max() > 0
    assert exp.n_model_rows < explainer.cost(own) <= 4 * (1 + 11 * 15)


def test_cost_merges_equal_labels_and_missing_values():
    model = mixed_pipeline().fit(M, BUYS)
    explainer = explained(model, M, background_size=120)
    counts = {name: M[name].nunique(dropna=False) for name in M.columns}
    assert explainer.cost(M[:1]) == 1 + sum(counts.values())


def test_cost_keeps_different_large_integers_apart():
    X = pd.DataFrame({"id": [2**53, 2**53 + 1, 2**53 + 2], "a": [0.0, 0.0, 0.0]})
    assert explained(lambda X: np.ones(len(X)), X).cost(X[:1]) == 1 + 3 + 1


def test_boosting_gets_categories():
    X = M[["age", "level", "town"]]
    model = HistGradientBoostingClassifier(max_iter=10, categorical_features="from_dtype").fit(X, BUYS)
    exp = explained(model, X, background_size=20).explain(X[:5])
    assert np.abs(exp.values).max() > 0.01


def test_polars_frame_keeps_dtypes():
    n = 24
    rng = np.random.default_rng(0)
    X = pl.DataFrame(
        {
            "age": rng.normal(size=n),
            "children": [None if j % 5 == 0 else j % 3 for j in range(n)],
            "job": pl.Series(rng.choice(["clerk", "farmer"], n)).cast(pl.Categorical),
            "level": pl.Series(rng.choice(["low", "high"], n), dtype=pl.Enum(["low", "high"])),
            "name": [None if j % 7 == 0 else "ab"[j % 2] for j in range(n)],
            "member": rng.random(n) < 0.5,
            "born": [date(2000, 1, 1 + j % 9) if j % 4 else None for j in range(n)],
            "seen": [datetime(2000, 1, 1 + j % 9, 3) for j in range(n)],
        }
    )
    seen = []

    def model(X):
        seen.append(X.schema)
        return X["age"].to_numpy() + (X["name"] == "a").fill_null(False).to_numpy() * X["member"].to_numpy()

    explainer = explained(model, X, background_size=10)
    exp = explainer.explain(X[:3])
    assert all(schema == X.schema for schema in seen)
    values = exp.values[:, :, 0]
    for i in range(3):
        row = pl.concat([X[i]] * 10)
        for j, name in enumerate(X.columns):
            mean = model(row.with_columns(explainer.background_[name])).mean()
            assert values[i, j] == pytest.approx(model(X[i])[0] - mean, abs=1e-13)
    assert np.abs(values[:, [0, 4, 5]]).max() > 0


def fails_on_large_rows(X):
    if np.asarray(X)[:, 0].max() > 90:
        raise ZeroDivisionError("too large")
    return np.asarray(X)[:, 0]


@pytest.mark.slow
def test_failure_in_worker_process_names_rows():
    X = np.arange(200.0).reshape(100, 2)
    explainer = explained(fails_on_large_rows, X, seen=X[:20], n_jobs=2)
    facts = ["model fails_on_large_rows", "rows", "masks", "ZeroDivisionError: too large"]
    with (
        joblib.parallel_config("loky"),
        config_context(working_memory=0.01),
        refuses(EngineError, *facts),
    ):
        explainer.explain(X)


FRAME = pd.DataFrame(IRIS, columns=list("abcd"))


def test_integers_with_background_of_floats():
    X = np.array([[1, 2], [3, 4]])
    exp = explained(RowSums(), X, seen=np.array([[0.5, 0.25], [0.5, 0.75]])).explain(X)
    np.testing.assert_array_equal(exp.values[:, :, 0], X - [0.5, 0.5])


def classes():
    return LogisticRegression(max_iter=1000).fit(IRIS, np.array(["rome", "oslo", "bern"])[SPECIES])


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        (None, ("bern", "oslo", "rome")),
        ("oslo", ("oslo",)),
        (["rome", "bern"], ("rome", "bern")),
        (2, ("rome",)),
        ([2, "bern"], ("rome", "bern")),
        (np.array([0, 1]), ("bern", "oslo")),
    ],
)
def test_outputs_by_name_and_index(outputs, names):
    whole = explained(classes(), IRIS, background_size=9).explain(IRIS[:5])
    positions = [whole.output_names.index(name) for name in names]
    at_once = explained(classes(), IRIS, background_size=9).explain(IRIS[:5], outputs=outputs)
    before = explained(classes(), IRIS, background_size=9, outputs=outputs).explain(IRIS[:5])
    for exp in (at_once, before):
        assert exp.output_names == names
        np.testing.assert_array_equal(exp.values, whole.values[:, :, positions])
        np.testing.assert_array_equal(exp.std_errors, whole.std_errors[:, :, positions])
        np.testing.assert_array_equal(exp.base_values, whole.base_values[:, positions])
        np.testing.assert_array_equal(exp.outputs, whole.outputs[:, positions])


def test_outputs_predicted_is_that_of_each_row():
    whole = explained(classes(), IRIS, background_size=9).explain(IRIS[::25])
    exp = explained(classes(), IRIS, background_size=9).explain(IRIS[::25], outputs="predicted")
    best = whole.outputs.argmax(1)
    assert exp.output_names == ("predicted",)
    assert list(exp.extras["predicted"].array) == [whole.output_names[j] for j in best]
    assert len(set(best)) == 3
    for i, j in enumerate(best):
        np.testing.assert_array_equal(exp.values[i, :, 0], whole.values[i, :, j])
        np.testing.assert_array_equal(exp.base_values[i, 0], whole.base_values[i, j])
        np.testing.assert_array_equal(exp.outputs[i, 0], whole.outputs[i, j])


def test_outputs_none_beyond_20_is_predicted():
    def many(n):
        return lambda X: np.asarray(X)[:, :1] * np.cos(np.arange(n))

    assert explained(many(20), IRIS, background_size=5).explain(IRIS[:4]).values.shape == (4, 4, 20)
    exp = explained(many(21), IRIS, background_size=5).explain(IRIS[:4])
    assert exp.values.shape == (4, 4, 1)
    assert list(exp.extras["predicted"].array) == ["output_0"] * 4
    assert explained(many(21), IRIS, outputs=[20]).explain(IRIS[:1]).output_names == ("output_20",)


@pytest.mark.parametrize(
    ("outputs", "facts"),
    [
        ("paris", ["no output 'paris'", "bern, oslo, rome"]),
        (3, ["no output 3", "bern, oslo, rome"]),
        (-1, ["no output -1", "bern, oslo, rome"]),
        (True, ["no output True", "bern, oslo, rome"]),
        (1.5, ["no output 1.5", "bern, oslo, rome"]),
        ([], ["'outputs' parameter", "at least one output", "got []"]),
        ([0, "bern"], ["'outputs' parameter", "none twice", "got [0, 'bern']"]),
    ],
)
def test_outputs_unknown_refused_before_predict(outputs, facts):
    model = Counting(classes().predict_proba)
    predictor = as_predictor(model, output_names=["bern", "oslo", "rome"])
    explainer = explained(predictor, IRIS)
    model.sizes.clear()
    with refuses(ValueError, *facts):
        explainer.explain(IRIS, outputs=outputs)
    assert model.sizes == []
    with refuses(ValueError, *facts):
        explained(predictor, IRIS, outputs=outputs)


def test_output_names_come_from_model():
    def names(model):
        return explained(model, IRIS, background_size=5).explain(IRIS[:1]).output_names

    assert names(LinearRegression().fit(IRIS, SPECIES)) == ("prediction",)
    assert names(RowSums()) == ("prediction",)
    assert names(Curved()) == ("output_0", "output_1", "output_2")
    assert names(as_predictor(RowSums(), output_names=["total"])) == ("total",)


def test_transform_keeps_second_of_two_classes():
    model = LogisticRegression().fit(FRAME, IS_LONG)
    explainer = explained(model, FRAME, background_size=9)
    np.testing.assert_array_equal(explainer.transform(FRAME), explainer.explain(FRAME).values[:, :, 1])
    assert list(explainer.get_feature_names_out()) == list("abcd")


@pytest.mark.parametrize(
    ("model", "outputs", "kept", "names"),
    [
        (classes(), "predicted", [0], "x0 x1 x2 x3"),
        (classes(), "oslo", [0], "x0 x1 x2 x3"),
        (
            classes(),
            ["rome", 0],
            [0, 1],
            "rome: x0|rome: x1|rome: x2|rome: x3|bern: x0|bern: x1|bern: x2|bern: x3",
        ),
        (LogisticRegression().fit(IRIS, IS_LONG), 0, [0], "x0 x1 x2 x3"),
        (LogisticRegression().fit(IRIS, IS_LONG), [1, 0], [0], "x0 x1 x2 x3"),
        (LogisticRegression().fit(IRIS, IS_LONG), "predicted", [0], "x0 x1 x2 x3"),
        (wide_answers, None, [0], "x0 x1 x2 x3"),
    ],
)
def test_transform_gives_selected_outputs(model, outputs, kept, names):
    explainer = explained(model, IRIS, background_size=5, outputs=outputs)
    exp, matrix = explainer.explain(IRIS[::40]), explainer.transform(IRIS[::40])
    np.testing.assert_array_equal(matrix, np.hstack([exp.values[:, :, j] for j in kept]))
    assert list(explainer.get_feature_names_out()) == re.split(r"\|" if "|" in names else " ", names)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_gives_frames(library):
    model = LinearRegression().fit(DIABETES, PROGRESS)
    explainer = explained(model, DIABETES).set_output(transform=library)
    out = explainer.transform(DIABETES[5:9])
    assert isinstance(out, pd.DataFrame if library == "pandas" else pl.DataFrame)
    assert list(out.columns) == list(DIABETES.columns)
    np.testing.assert_array_equal(out.to_numpy(), explainer.explain(DIABETES[5:9]).values[:, :, 0])
    if library == "pandas":
        assert list(out.index) == [5, 6, 7, 8]
    assert type(clone(explainer).fit(DIABETES).transform(DIABETES[:2])) is type(out)


@pytest.mark.parametrize("method", ["transform", "cost"])
def test_transform_and_cost_before_fit_raise_not_fitted(method):
    with pytest.raises(NotFittedError):
        getattr(OcclusionExplainer(RowSums()), method)(IRIS)


def background(random_state):
    params = {"background": "sample", "background_size": 20, "random_state": random_state}
    return OcclusionExplainer(RowSums(), **params).fit(IRIS).background_


def test_random_state_int_repeats_background():
    np.testing.assert_array_equal(background(7), background(7))
    assert not np.array_equal(background(7), background(8))
    assert not np.array_equal(background(None), background(None))


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_random_state_generator_advances(make):
    source = make(0)
    first, second = background(source), background(source)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(background(make(0)), first)


def test_global_random_state_is_left_alone():
    before = np.random.get_state()  # noqa: NPY002
    for random_state in (None, 0, np.random.default_rng(0), np.random.RandomState(0)):
        OcclusionExplainer(Curved(), random_state=random_state).fit(IRIS).explain(IRIS[:2])
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_explanation_states_method_and_params():
    groups = {"sepal": ["x0", "x1"]}
    exp = explained(RowSums(), IRIS, background_size=9, feature_groups=groups).explain(IRIS[:2])
    assert (exp.quantity, exp.completeness, exp.fidelity) == ("effect", None, None)
    assert exp.method == "OcclusionExplainer"
    assert exp.params == {
        "masker": None, "fill": "auto", "background": "sample", "background_size": 9,
        "feature_groups": groups, "outputs": None,
        "n_jobs": None, "random_state": 0, "verbose": 1,
    }  # fmt: skip
    assert set(exp.extras) == {
        "background_size", "base_value_std_errors", "base_value_degrees_of_freedom", "degrees_of_freedom",
        "shared_errors",
    }  # fmt: skip
    assert exp.extras["background_size"] == 9
    dof = exp.extras["degrees_of_freedom"].array
    assert ((dof >= 1.0) & (dof <= 9.0)).all()
    np.testing.assert_array_equal(exp.data, IRIS[:2])


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("fill", np.array([5.0, 3.0, 4.0, 1.0]), [5.0, 3.0, 4.0, 1.0]),
        ("fill", [np.float64(5.0), 3.0, 4.0, 1.0], [5.0, 3.0, 4.0, 1.0]),
        ("outputs", [np.int64(0)], [0]),
        ("outputs", np.array([0]), [0]),
        ("background_size", np.int64(5), 5),
        ("feature_groups", {"sepal": np.array(["x0", "x1"])}, {"sepal": ["x0", "x1"]}),
        ("feature_groups", {"sepal": ("x0", "x1")}, {"sepal": ["x0", "x1"]}),
        ("n_jobs", np.int64(1), 1),
    ],
)
def test_params_of_numpy_types_become_plain(name, value, plain):
    exp = explained(RowSums(), IRIS, **{name: value}).explain(IRIS[:2])
    assert json.dumps(exp.params[name]) == json.dumps(plain)


def test_params_fill_series_becomes_dict():
    frame = pd.DataFrame(IRIS, columns=list("abcd"))
    exp = explained(RowSums(), frame, fill=frame.median()).explain(frame[:1])
    assert exp.params["fill"] == frame.median().to_dict()


def test_fill_of_mixed_frame_with_date():
    fill = {name: M[name].dropna().iloc[0] for name in M.columns}
    exp = explained(mixed_pipeline().fit(M, BUYS), M, fill=fill).explain(M[:2])
    assert exp.params["fill"]["since"] == repr(fill["since"])
    assert exp.params["fill"]["children"] == fill["children"]
