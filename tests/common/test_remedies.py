"""What messages advise is done: each call here is refused, and works as the message says."""

from __future__ import annotations

import datetime as dt

import dask.dataframe
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from agnostix import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    RiseExplainer,
    WhatIfReport,
    as_predictor,
    submodular_pick,
)
from agnostix.exceptions import DataError, ModelOutputError
from agnostix.lime import KernelSampling, LocalSampling, TiltedSampling
from agnostix.maskers import SegmentMasker, SlidingWindow, TextMasker
from tests.common.remedies import LEFT_OUT, Case, check, on
from tests.messages import states

RNG = np.random.default_rng(0)
N = 120
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N), "c": RNG.integers(0, 3, N).astype(float)})
Y = 2.0 * X["a"] + X["b"]
LABELS = np.where(X["a"] > 0, "yes", "no")
ARRAY = X.to_numpy()
ROW = X.iloc[[7]]
PICTURES = RNG.random((2, 12, 12, 3))
TEXTS = ["great food and rude staff", "not rude at all"]
RIDGE = Ridge().fit(X, Y)
CLASSIFIER = LogisticRegression().fit(X, LABELS)


def linear(X):
    X = np.asarray(X, dtype=float)
    return 2.0 * X[:, 0] + X[:, 1]


def mean(P):
    return np.asarray(P, dtype=float).reshape(len(P), -1).mean(axis=1)


def length(texts):
    return [float(len(text)) for text in texts]


# Tables


def shap(X, model=linear):
    return KernelShapExplainer(model, background="all", random_state=0).fit(X).explain(X).values[..., 0]


def exact(rows):
    return np.c_[2.0 * (rows["a"] - X["a"].mean()), rows["b"] - X["b"].mean(), 0.0 * rows["c"]]


WHOLE = KernelShapExplainer(linear, background="all", random_state=0).fit(X)
WHOLE_ARRAY = KernelShapExplainer(linear, background="all", random_state=0).fit(ARRAY)
WHOLE_POLARS = KernelShapExplainer(linear, background="all", random_state=0).fit(pl.from_pandas(X))
EXACT = exact(X)


def explain_of(fitted):
    return lambda X: fitted.explain(X).values[..., 0]


def fit_kernel_shap(**params):
    X = params.pop("X", ARRAY)
    return KernelShapExplainer(linear, random_state=0, **params).fit(X)


TABLES = {
    "row of a frame": Case(
        explain_of(WHOLE),
        {"X": X.iloc[7]},
        ("a Series of shape (3,)",),
        "df.iloc[[i]]",
        "X",
        names={"df": X, "i": 7},
        expected=EXACT[[7]],
    ),
    "column of a frame": Case(
        lambda X: shap(X, model=lambda X: np.asarray(X)[:, 0]),
        {"X": X["a"]},
        ("a Series",),
        "X.to_frame()",
        "X",
        expected=(X[["a"]] - X["a"].mean()),
    ),
    "column of polars": Case(
        lambda X: shap(X, model=lambda X: np.asarray(X)[:, 0]),
        {"X": pl.Series("a", X["a"])},
        ("a Series",),
        "X.to_frame()",
        "X",
        expected=(X[["a"]] - X["a"].mean()),
    ),
    "row of an array": Case(
        explain_of(WHOLE_ARRAY),
        {"X": ARRAY[7]},
        ("an array of shape (3,)",),
        "X.reshape(1, -1)",
        "X",
        expected=EXACT[[7]],
    ),
    "row as a list": Case(
        explain_of(WHOLE_ARRAY),
        {"X": ARRAY[7].tolist()},
        ("a list of shape (3,)",),
        "[X]",
        "X",
        expected=EXACT[[7]],
    ),
    "column as a list": Case(
        lambda X: shap(X, model=lambda X: np.asarray(X)[:, 0]),
        {"X": X["a"].tolist()},
        ("a list of shape (120,)",),
        "[[x] for x in X]",
        "X",
        expected=(X[["a"]] - X["a"].mean()),
    ),
    "dask": Case(
        lambda X: shap(X),
        {"X": dask.dataframe.from_pandas(X, npartitions=2)},
        ("a dask DataFrame",),
        "X.compute()",
        "X",
        expected=EXACT,
    ),
    "pyarrow": Case(
        lambda X: shap(X),
        {"X": pa.Table.from_pandas(X)},
        ("a pyarrow Table",),
        "X.to_pandas()",
        "X",
        expected=EXACT,
    ),
    "polars, lazy": Case(
        lambda X: shap(X),
        {"X": pl.from_pandas(X).lazy()},
        ("a LazyFrame",),
        "X.collect()",
        "X",
        expected=EXACT,
    ),
    "narwhals, lazy": Case(
        lambda X: shap(X),
        {"X": nw.from_native(pl.from_pandas(X).lazy())},
        ("a LazyFrame",),
        "X.collect()",
        "X",
        expected=EXACT,
    ),
    "sparse": Case(
        explain_of(fit_kernel_shap(background="all")),
        {"X": scipy.sparse.csr_matrix(ARRAY)},
        ("sparse",),
        "X.toarray()",
        "X",
        expected=EXACT,
    ),
    "array after a frame": Case(
        explain_of(WHOLE),
        {"X": ARRAY[[7]]},
        ("fit saw a DataFrame", "an array", "the same form"),
        then={"X": ROW},
        expected=EXACT[[7]],
    ),
    "polars after pandas": Case(
        explain_of(WHOLE),
        {"X": pl.from_pandas(ROW)},
        ("fit saw a DataFrame of pandas",),
        "X.to_pandas()",
        "X",
        expected=EXACT[[7]],
    ),
    "pandas after polars": Case(
        explain_of(WHOLE_POLARS),
        {"X": ROW},
        ("fit saw a DataFrame of polars",),
        "polars.from_pandas(X)",
        "X",
        expected=EXACT[[7]],
    ),
    "texts after numbers": Case(
        explain_of(KernelShapExplainer(linear, random_state=0).fit(X.astype({"c": int}))),
        {"X": ROW.assign(c="9")},
        ("Column 'c'", "int64", "'9'"),
        then={"X": ROW.assign(c=9)},
    ),
    "columns twice": Case(
        lambda X: KernelShapExplainer(linear).fit(X),
        {"X": pd.DataFrame(ARRAY, columns=list("aab"))},
        ("names columns twice: a", "Rename"),
        then={"X": X},
    ),
    "misspelt column": Case(
        explain_of(WHOLE),
        {"X": ROW.rename(columns={"b": "B"})},
        ("lacks b", "Did you mean 'B'"),
        then={"X": ROW},
        expected=EXACT[[7]],
    ),
    "weights of text": Case(
        lambda w: KernelShapExplainer(linear).fit(X, sample_weight=w),
        {"w": ["1.5"] * (N - 1) + ["heavy"]},
        ("sample_weight", "'1.5'", "Convert them to numbers"),
        then={"w": [1.5] * N},
    ),
    "weights that span too much": Case(
        lambda w: EntropicProjection(linear).fit(X, sample_weight=w).what_if({"a": 0.2}).gap,
        {"w": np.r_[1e-300, np.ones(N - 1)]},
        ("1 rows", "1e-290", "Set these weights to 0"),
        then={"w": np.r_[0.0, np.ones(N - 1)]},
        expected=0.0,
    ),
    "fill of a frame without a column": Case(
        lambda fill: OcclusionExplainer(linear, fill=fill).fit(X).explain(ROW).values[..., 0],
        {"fill": {"a": 0.0, "b": 0.0, "C": 0.0}},
        ("a value for each of the 3 columns", "Did you mean 'c'"),
        then={"fill": {"a": 0.0, "b": 0.0, "c": 0.0}},
        expected=np.c_[2.0 * ROW["a"], ROW["b"], 0.0],
    ),
    "group without brackets": Case(
        fit_kernel_shap,
        {"X": X, "feature_groups": {"ab": "a"}},
        ("'ab'", "list of columns", "'a'"),
        then={"feature_groups": {"ab": ["a"]}},
    ),
    "group of a misspelt column": Case(
        fit_kernel_shap,
        {"X": X, "feature_groups": {"ab": ["a", "B"]}},
        ("'ab'", "'B'", "Did you mean 'b'"),
        then={"feature_groups": {"ab": ["a", "b"]}},
    ),
    "pictures as tables": Case(
        lambda kind: kind(mean).fit(PICTURES).explain(PICTURES).values.shape,
        {"kind": LimeExplainer},
        ("shape (2, 12, 12, 3)", "masker=SegmentMasker()"),
        then={"kind": lambda model: LimeExplainer(model, masker=SegmentMasker(), random_state=0)},
    ),
}


@on(TABLES)
def test_tables(case):
    check(case)


# Models


def predictions_of(**params):
    model = params.pop("model")
    return as_predictor(model, **params).predict(params.pop("X", X))


def first_values(model):
    return KernelShapExplainer(model, background="all", random_state=0).fit(X).explain(ROW).values[0]


DAYS = (
    "lambda X: (pandas.to_datetime(model(X), utc=True) - pandas.Timestamp(0, tz='UTC')) "
    "/ pandas.Timedelta('1D')"
)


def days_of(X):
    return pd.Timestamp("2024-01-01") + pd.to_timedelta(linear(X), unit="D")


def labels_of(X):
    return np.where(linear(X) > 0, "yes", "no")


LINEAR = EXACT[7][:, None]
FRAME = pd.DataFrame({"ds": pd.Timestamp("2024-01-01"), "y": linear(X), "low": linear(X) - 1.0})
SINCE_1970 = 19723.0  # days until the first of January 2024
ONE_CLASS = RandomForestClassifier(5, random_state=0).fit(X, np.zeros(N, int))
TWO_TARGETS = RandomForestClassifier(5, random_state=0).fit(X, np.c_[LABELS == "yes", X["b"] > 0])
HARD_VOTES = VotingClassifier([("a", LogisticRegression()), ("b", LinearSVC())]).fit(X, LABELS)
PRICES = pd.DataFrame({"c": [2.0, 0.0, 1.0], "price": [5.0, 1.0, 3.0]})


class NearestCore(ClusterMixin, BaseEstimator):
    """A clusterer that does not say which clusters it has."""

    n_clusters_ = 2

    def predict(self, X):
        return (np.asarray(X)[:, 0] > 0).astype(int)


class Booster:
    """XGBoost's own interface: it predicts from a DMatrix alone."""

    def predict(self, data):
        if not isinstance(data, xgboost.DMatrix):
            raise TypeError(("Expecting data to be a DMatrix object, got: ", type(data)))
        return linear(data.rows)


class xgboost:  # noqa: N801
    """What of XGBoost its Booster needs."""

    class DMatrix:
        def __init__(self, rows):
            self.rows = rows


Booster.__module__ = "xgboost.core"


class Later:
    """A model that numbers rows by their place in the batch."""

    def __call__(self, X):
        return (X["a"] - X["a"].mean()).to_numpy()


def merged(X):
    return PRICES.merge(X, on="c").eval("price + a").to_numpy()


def merged_in_order(X):
    return X.merge(PRICES, how="left").eval("price + a").to_numpy()


def priced(X):
    return X["c"].map(PRICES.set_index("c")["price"]).to_numpy() + X["a"].to_numpy()


MODELS = {
    "xgboost.Booster": Case(
        first_values,
        {"model": Booster()},
        ("Booster", "DMatrix", "XGBRegressor"),
        "lambda X: model.predict(xgboost.DMatrix(X))",
        "model",
        names={"xgboost": xgboost},
        error=TypeError,
        expected=LINEAR,
    ),
    "class": Case(
        first_values,
        {"model": LinearRegression},
        ("the class LinearRegression", "an instance of it that is fitted"),
        then={"model": LinearRegression().fit(X, Y)},
        error=TypeError,
        expected=LINEAR,
    ),
    "nothing that predicts": Case(
        first_values,
        {"model": "ridge"},
        ("fitted estimator", "callable", "'ridge'"),
        then={"model": RIDGE},
        error=TypeError,
    ),
    "not fitted": Case(
        first_values,
        {"model": Ridge()},
        ("not fitted", "Ridge", "Fit it first"),
        then={"model": RIDGE},
        error=ValueError,
    ),
    "not fitted to as_predictor": Case(
        first_values, {"model": None}, ("must be a fitted estimator",), then={"model": RIDGE}, error=TypeError
    ),
    "dates": Case(
        first_values,
        {"model": days_of},
        ("dates", "2024-01"),
        DAYS,
        "model",
        error=ModelOutputError,
        expected=LINEAR,
    ),
    "dates of a zone": Case(
        first_values,
        {"model": lambda X: days_of(X).tz_localize("Europe/Berlin")},
        ("dates", "2024-01"),
        DAYS,
        "model",
        error=ModelOutputError,
        expected=LINEAR,
    ),
    "durations": Case(
        first_values,
        {"model": lambda X: pd.to_timedelta(linear(X), unit="D")},
        ("durations",),
        "lambda X: model(X) / np.timedelta64(1, 'D')",
        "model",
        error=ModelOutputError,
        expected=LINEAR,
    ),
    "complex numbers": Case(
        first_values,
        {"model": lambda X: (linear(X) + 90.0) * 1j},
        ("complex numbers",),
        "lambda X: np.abs(model(X))",
        "model",
        error=ModelOutputError,
        expected=LINEAR,
    ),
    "frame with dates": Case(
        first_values,
        {
            "model": lambda X: pd.DataFrame(
                {"ds": pd.Timestamp("2024-01-01"), "y": linear(X), "low": linear(X) - 1.0}
            )
        },
        ("'ds'", "datetime64"),
        "lambda X: model(X)[['y', 'low']]",
        "model",
        error=ModelOutputError,
        expected=np.c_[LINEAR, LINEAR],
    ),
    "polars frame with texts": Case(
        first_values,
        {"model": lambda X: pl.DataFrame({"id": ["k"] * len(X), "y": linear(X)})},
        ("'id'", "String"),
        "lambda X: model(X)[['y']]",
        "model",
        error=ModelOutputError,
        expected=LINEAR,
    ),
    "functions": Case(
        first_values,
        {
            "model": lambda X: np.array(
                [lambda t, value=value: value * t for value in linear(X)], dtype=object
            )
        },
        ("functions", "of type function"),
        "lambda X: np.array([function(places) for function in model(X)])",
        "model",
        names={"places": np.array([1.0, 2.0])},
        error=ModelOutputError,
        expected=np.c_[LINEAR, 2.0 * LINEAR],
    ),
    "dicts of a pipeline": Case(
        first_values,
        {"model": lambda X: [{"label": "POSITIVE", "score": value} for value in linear(X)]},
        ("dict", "'POSITIVE'"),
        "lambda X: [entry['score'] for entry in model(X)]",
        "model",
        error=ModelOutputError,
        expected=LINEAR,
    ),
    "dict of arrays": Case(
        first_values,
        {"model": lambda X: {"label": ["x"] * len(X), "score": linear(X)}},
        ("dict",),
        "lambda X: model(X)['score']",
        "model",
        error=ModelOutputError,
        expected=LINEAR,
    ),
    "ragged lists": Case(
        first_values,
        {"model": lambda X: [[value] * (1 + (j % 2)) for j, value in enumerate(linear(X))]},
        ("differ in length", "as many numbers for each row"),
        then={"model": lambda X: [[v] for v in linear(X)]},
        error=ModelOutputError,
        expected=LINEAR,
    ),
    "labels of text": Case(
        first_values,
        {"model": labels_of},
        ("for example", "numbers are needed"),
        "lambda X: np.stack([model(X) == label for label in labels], axis=1)",
        "model",
        names={"labels": ["no", "yes"]},
        error=ModelOutputError,
        expected=lambda: first_values(lambda X: np.c_[linear(X) <= 0, linear(X) > 0].astype(float)),
    ),
    "labels that are numbers": Case(
        first_values,
        {"model": lambda X: np.clip(np.rint(linear(X)), -1, 1).astype(int)},
        ("whole numbers", "-1, 0, 1"),
        "lambda X: np.stack([model(X) == label for label in labels], axis=1)",
        "model",
        names={"labels": [-1, 0, 1]},
        error=UserWarning,
        expected=lambda: first_values(
            lambda X: np.stack([np.clip(np.rint(linear(X)), -1, 1) == j for j in (-1, 0, 1)], 1)
        ),
    ),
    "quantities that are whole": Case(
        first_values,
        {"model": lambda X: np.clip(np.rint(linear(X)), -1, 1).astype(int)},
        ("whole numbers", "-1, 0, 1"),
        "as_predictor(model, task='regression')",
        "model",
        names={"as_predictor": as_predictor},
        error=UserWarning,
        expected=lambda: first_values(lambda X: np.clip(np.rint(linear(X)), -1, 1)),
    ),
    "hard votes": Case(
        first_values,
        {"model": HARD_VOTES},
        ("VotingClassifier", "no predict_proba"),
        "as_predictor(model, output='predict')",
        "model",
        names={"as_predictor": as_predictor},
        error=ValueError,
        expected=lambda: first_values(
            lambda X: np.c_[HARD_VOTES.predict(X) == "no", HARD_VOTES.predict(X) == "yes"]
        ),
    ),
    "no probabilities": Case(
        first_values,
        {"model": LinearSVC().fit(X, LABELS)},
        ("LinearSVC", "no predict_proba"),
        "as_predictor(model, output='decision_function')",
        "model",
        names={"as_predictor": as_predictor},
        error=ValueError,
    ),
    "clusters unknown": Case(
        first_values,
        {"model": NearestCore()},
        ("NearestCore", "clusterer"),
        "lambda X: np.stack([model.predict(X) == label for label in labels], axis=1)",
        "model",
        names={"labels": [0, 1]},
        error=ValueError,
        expected=lambda: first_values(lambda X: np.c_[X["a"] <= 0, X["a"] > 0].astype(float)),
    ),
    "several targets": Case(
        first_values,
        {"model": TWO_TARGETS},
        ("RandomForestClassifier", "a list of 2 arrays"),
        "lambda X: model.predict_proba(X)[0]",
        "model",
        error=ModelOutputError,
        expected=lambda: first_values(lambda X: TWO_TARGETS.predict_proba(X)[0]),
    ),
    "another order": Case(
        first_values,
        {"model": merged},
        ("model merged", "order of the rows", "X.merge(table, how='left')"),
        then={"model": merged_in_order},
        error=ModelOutputError,
        expected=lambda: first_values(priced),
    ),
    "rows beside it": Case(
        first_values,
        {"model": Later()},
        ("the rows beside it", "numbers from the training data"),
        then={"model": lambda X: (X["a"] - 0.1).to_numpy()},
        error=UserWarning,
    ),
    "missing predictions": Case(
        lambda X: KernelShapExplainer(lambda X: np.where(np.asarray(X)[:, 0] > 0.0, np.nan, 1.0)).fit(X),
        {"X": X},
        ("NaN or infinity", "the first of them row", "leave them out"),
        then={"X": X[X["a"] <= 0.0]},
        error=ModelOutputError,
    ),
    "names of other outputs": Case(
        lambda names: first_values(as_predictor(CLASSIFIER, output_names=names)),
        {"names": ["only"]},
        ("output_names has 1 names", "2 outputs"),
        then={"names": ["n", "y"]},
        error=ModelOutputError,
    ),
    "parameters of torch": Case(
        lambda **params: first_values(as_predictor(RIDGE, **params)),
        {"precision": "bf16"},
        ("'precision'", "torch modules alone", "leave it out"),
        then={"precision": LEFT_OUT},
        error=ValueError,
    ),
    "predictor wrapped again": Case(
        lambda model: first_values(as_predictor(model, output="predict")),
        {"model": as_predictor(CLASSIFIER)},
        ("'predict_proba' already", "wrap the model itself"),
        then={"model": CLASSIFIER},
        error=ValueError,
    ),
    "a large unit": Case(
        lambda model: OcclusionExplainer(model, random_state=0).fit(X).explain(ROW).values[0],
        {"model": lambda X: linear(X) * 2e160},
        ("OcclusionExplainer squares predictions", "divides them by 1e161"),
        then={"model": lambda X: linear(X) * 2e160 / 1e161},
        expected=lambda: (
            OcclusionExplainer(lambda X: 0.2 * linear(X), random_state=0).fit(X).explain(ROW).values[0]
        ),
    ),
    "outputs misspelt": Case(
        lambda **params: KernelShapExplainer(CLASSIFIER, **params).fit(X),
        {"outputs": "yess"},
        ("no output 'yess'", "Did you mean 'yes'"),
        then={"outputs": "yes"},
        error=ValueError,
    ),
}


@on(MODELS)
def test_models(case):
    check(case)


def test_names_of_a_frame_of_outputs_are_kept():
    def forecast(X):
        return pd.DataFrame({"yhat": linear(X), "yhat_lower": linear(X) - 1.0})

    for explainer in (
        KernelShapExplainer(forecast),
        OcclusionExplainer(forecast),
        LimeExplainer(forecast, n_samples=64),
        MimicTree(forecast),
    ):
        assert tuple(explainer.fit(X).output_names_) == ("yhat", "yhat_lower")
    assert EntropicProjection(forecast).fit(X).predictions_.output_names == ("yhat", "yhat_lower")
    named = as_predictor(forecast, output_names=["one", "two"])
    assert KernelShapExplainer(named).fit(X).output_names_ == ("one", "two")


def test_sparse_outputs_are_numbers():
    def both(X):
        return np.c_[linear(X), -linear(X)]

    dense, sparse = (first_values(model) for model in (both, lambda X: scipy.sparse.csr_matrix(both(X))))
    np.testing.assert_allclose(sparse, dense)
    in_batches = as_predictor(lambda X: scipy.sparse.csr_matrix(both(X)), batch_size=16)
    np.testing.assert_allclose(first_values(in_batches), dense)


# Methods


def lime(**params):
    rows, fit = params.pop("rows", ARRAY[:2]), params.pop("fit", (ARRAY,))
    explainer = LimeExplainer(params.pop("model", linear), **{"n_samples": 512, "random_state": 0, **params})
    return explainer.fit(*fit).explain(rows).values[..., 0]


def lime_exact(**params):
    rows, fit = params.pop("rows", ARRAY[:2]), params.pop("fit", (ARRAY,))
    arguments = {"additive": params.pop("additive", False)}
    explainer = LimeExplainer(params.pop("model", linear), **{"n_samples": 512, "random_state": 0, **params})
    return explainer.fit(*fit).explain_exact(rows, **arguments).values[..., 0]


def lime_texts(**params):
    explainer = LimeExplainer(length, masker=params.pop("masker", TextMasker()), random_state=0, **params)
    return explainer.fit(TEXTS).explain(TEXTS).values


def gaps(row, value=np.nan):
    changed = ARRAY.copy()
    changed[row, 1] = value
    return changed


def of_first(X):
    return np.asarray(X, dtype=float)[:, 0]


TREE = DecisionTreeRegressor(max_depth=2, random_state=0).fit(ARRAY, Y)
WINDOWS = {"size": 4, "stride": 2}

LIME = {
    "classifier as surrogate": Case(
        lime,
        {"surrogate": LogisticRegression()},
        ("'surrogate'", "regressor", "LogisticRegression is a classifier"),
        then={"surrogate": Ridge()},
    ),
    "a word in its place": Case(
        lime,
        {"surrogate": DecisionTreeClassifier()},
        ("'surrogate'", "DecisionTreeClassifier", "'tree'"),
        then={"surrogate": "tree"},
    ),
    "surrogate without weights": Case(
        lime,
        {"surrogate": KNeighborsRegressor()},
        ("sample_weight", "KNeighborsRegressor", "'klasso'"),
        then={"surrogate": "klasso"},
    ),
    "surrogate without coefficients": Case(
        lime,
        {"surrogate": DecisionTreeRegressor(max_depth=2)},
        ("coef_", "DecisionTreeRegressor", "'tree'"),
        then={"surrogate": "tree"},
    ),
    "stability of all features": Case(
        lime,
        {"stability": 0.9},
        ("'stability'", "Set max_features"),
        then={"max_features": 2},
    ),
    "stability of own samples": Case(
        lime,
        {"stability": 0.9, "max_features": 2, "sampling": "tilted"},
        ("'stability'", "larger n_samples"),
        then={"stability": None, "n_samples": 1024},
    ),
    "too many features": Case(
        lime,
        {"max_features": 4},
        ("'max_features'", "at most 3", "None for all"),
        then={"max_features": None},
    ),
    "groups without bins": Case(
        lime,
        {"sampling": LocalSampling(), "feature_groups": {"ab": ["x0", "x1"]}},
        ("'ab'", "without a discretizer"),
        then={"sampling": KernelSampling(discretizer="quartile")},
    ),
    "missing without bins": Case(
        lime,
        {"sampling": LocalSampling(), "fit": (gaps(3),), "model": of_first},
        ("'x1'", "discretizer='quartile'"),
        then={"sampling": TiltedSampling(discretizer="quartile")},
    ),
    "missing in a row without bins": Case(
        lime,
        {"sampling": "local", "rows": gaps(0)[:2], "model": of_first},
        ("x1", "nan", "row 0"),
        "sampling='kernel'",
    ),
    "infinite": Case(
        lime,
        {"fit": (gaps(3, np.inf),), "model": of_first},
        ("x1", "infinite values", "missing ones"),
        then={"fit": (gaps(3),)},
    ),
    "entropy without classes": Case(
        lime,
        {"sampling": KernelSampling(discretizer="entropy")},
        ("'entropy'", "pass y to fit"),
        then={"fit": (ARRAY, LABELS)},
    ),
    "entropy of numbers": Case(
        lime,
        {"sampling": KernelSampling(discretizer="entropy"), "fit": (ARRAY, Y.to_numpy())},
        ("'entropy'", "continuous", "'quartile'"),
        then={"sampling": KernelSampling(discretizer="quartile")},
    ),
    "a narrow kernel": Case(
        lime,
        {"sampling": KernelSampling(width=0.2)},
        ("'width'", "0.2", "effective sample size"),
        "sampling=TiltedSampling(0.276)",
        names={"TiltedSampling": TiltedSampling},
    ),
    "tilted too far": Case(
        lime,
        {"sampling": TiltedSampling(0.05)},
        ("'width'", "TiltedSampling", "larger width"),
        then={"sampling": TiltedSampling(1.0)},
    ),
    "a small radius for integers": Case(
        lime,
        {"fit": (X.astype({"c": int}),), "rows": X.astype({"c": int})[:2], "sampling": LocalSampling(0.1)},
        ("'radius'", "'c'", "convert the column to floats"),
        then={"fit": (X,), "rows": X[:2]},
    ),
    "masker and groups": Case(
        lime_texts,
        {"feature_groups": {"ab": ["a"]}},
        ("'feature_groups'", "None with a masker"),
        then={"feature_groups": None},
    ),
    "masker and radius": Case(
        lime_texts, {"sampling": "local"}, ("'sampling'", "'kernel' or 'tilted'"), then={"sampling": "tilted"}
    ),
    "masker and bins": Case(
        lime_texts,
        {"sampling": KernelSampling(discretizer="decile")},
        ("'discretizer'", "'decile'", "Leave it out"),
        then={"sampling": KernelSampling()},
    ),
    "masker of several fills": Case(
        lambda kind: (
            kind(mean, masker=SegmentMasker("grid", fill="noise")).fit(PICTURES).explain(PICTURES).values
        ),
        {"kind": LimeExplainer},
        ("a single fill", "10 background rows", "Use KernelShapExplainer"),
        "KernelShapExplainer",
        "kind",
        names={"KernelShapExplainer": KernelShapExplainer},
    ),
    "exact, of a function": Case(
        lime_exact,
        {},
        ("explain_exact reads sums of trees", "is a function"),
        "additive=True",
    ),
    "exact, no sum": Case(
        lambda how: how(),
        {"how": lambda: lime_exact(model=lambda X: X[:, 0] * X[:, 1], additive=True)},
        ("additive=True", "not a sum", "LimeExplainer.explain"),
        then={"how": lambda: lime(model=lambda X: X[:, 0] * X[:, 1])},
    ),
    "exact without bins": Case(
        lime_exact, {"model": TREE, "sampling": "local"}, ("numbers without bins",), "sampling='kernel'"
    ),
    "exact, of another surrogate": Case(
        lime_exact,
        {"model": TREE, "surrogate": "tree"},
        ("surrogate='tree'", "use 'ridge'"),
        then={"surrogate": "ridge"},
    ),
    "exact, of some features": Case(
        lime_exact,
        {"model": TREE, "max_features": 2},
        ("max_features=2", "use None"),
        then={"max_features": None},
    ),
    "pick of texts": Case(
        lambda explanation: submodular_pick(explanation, 1),
        {"explanation": LimeExplainer(length, masker=TextMasker(), random_state=0).fit(TEXTS).explain(TEXTS)},
        ("submodular_pick", "columns of a table"),
        then={"explanation": LimeExplainer(linear, random_state=0).fit(ARRAY).explain(ARRAY[:3])},
    ),
}


@on(LIME)
def test_lime(case):
    check(case)


def pictures(kind, **params):
    return kind(mean, **params).fit(PICTURES).explain(PICTURES).values


def occlusion(**params):
    return pictures(OcclusionExplainer, **params)


def window(**params):
    return occlusion(masker=SlidingWindow(**params))


def rise(**params):
    given = params.pop("X", PICTURES)
    return (
        RiseExplainer(mean, **{"n_masks": 64, "random_state": 0, **params}).fit(given).explain(given).values
    )


def mimic(**params):
    given, model = params.pop("X", X), params.pop("model", linear)
    return MimicTree(model, **{"random_state": 0, **params}).fit(given).predict(given)


def probability(X):
    return 1.0 / (1.0 + np.exp(-linear(X)))


def fitted_mimic(model=linear, **params):
    return MimicTree(model, **{"random_state": 0, **params}).fit(X)


STEP = [[float(value > 0.0)] for value in X["a"]]
FOREST = RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, LABELS)
NAMED_C = X.assign(c=X["c"].map({0.0: "p", 1.0: "q", 2.0: "r"}))

METHODS = {
    "budget": Case(
        fit_kernel_shap,
        {"X": RNG.normal(size=(60, 14)), "budget": 20},
        ("'budget'", "at least 30", "14 features"),
        then={"budget": 30},
    ),
    "budget, by groups": Case(
        fit_kernel_shap,
        {"X": RNG.normal(size=(60, 14)), "budget": 20},
        ("'budget'", "group columns with feature_groups"),
        then={"feature_groups": {"first": [f"x{j}" for j in range(8)]}},
    ),
    "budget of a masker": Case(
        lambda masker: pictures(KernelShapExplainer, masker=masker, budget=30),
        {"masker": SegmentMasker("grid")},
        ("'budget'", "a masker with fewer features"),
        then={"masker": SegmentMasker("grid", n_segments=9)},
    ),
    "pooled kernel of texts": Case(
        lambda kernel: (
            KernelShapExplainer(length, masker=TextMasker(), kernel=kernel).fit(TEXTS).explain(TEXTS).values
        ),
        {"kernel": "pooled"},
        ("'kernel'", "'pooled'"),
        "kernel='row'",
    ),
    "log-odds of 0": Case(
        lambda **params: (
            KernelShapExplainer(lambda X: (linear(X) > 0.0).astype(float), **params)
            .fit(X[:1])
            .explain(X[:2])
            .values
        ),
        {"link": "logit"},
        ("link='logit'", "excluded", "in every row"),
        "link='identity'",
    ),
    "log-odds of a calibrated model": Case(
        lambda model: KernelShapExplainer(model, link="logit").fit(X[:1]).explain(X[:2]).values[..., 0],
        {"model": lambda X: (linear(X) > 0.0).astype(float)},
        ("never exactly 0 or 1",),
        then={"model": probability},
        expected=np.c_[2.0 * (X["a"] - X["a"][0]), X["b"] - X["b"][0], 0.0 * X["a"]][:2],
    ),
    "groups and masker": Case(
        lambda **params: pictures(KernelShapExplainer, masker=SegmentMasker(n_segments=4), **params),
        {"feature_groups": {"ab": ["segment 0"]}},
        ("'feature_groups'", "None where a masker"),
        then={"feature_groups": None},
    ),
    "fill and masker": Case(
        occlusion,
        {"fill": 0.0, "masker": SegmentMasker(n_segments=4)},
        ("'fill'", "Pass the fill to the masker"),
        then={"fill": "auto", "masker": SegmentMasker(n_segments=4, fill=0.0)},
    ),
    "draws of texts": Case(
        lambda **params: OcclusionExplainer(length, **params).fit(TEXTS).explain(TEXTS).values,
        {"fill": "draws", "masker": TextMasker()},
        ("fill='draws'", "TextMasker", "Pass the fill to the masker"),
        then={"fill": "auto", "masker": TextMasker(mask_token="it")},
    ),
    "window beyond the picture": Case(
        window, {"size": 20}, ("'size'", "20 pixels", "12 or less"), then={"size": 12}
    ),
    "window, as the message has it": Case(
        occlusion,
        {"masker": SlidingWindow(20, 2)},
        ("20 pixels",),
        "masker=SlidingWindow(size, stride)",
        names={"SlidingWindow": SlidingWindow, "size": 12, "stride": 2},
    ),
    "stride beyond the window": Case(
        window, {"size": 4, "stride": 6}, ("'stride'", "6 pixels", "4 or less"), then={"stride": 4}
    ),
    "window of KernelShap": Case(
        lambda masker: pictures(KernelShapExplainer, masker=masker),
        {"masker": SlidingWindow(4, 2)},
        ("'masker'",),
        then={"masker": SegmentMasker(n_segments=9)},
        error=ValueError,
    ),
    "RISE of a table": Case(
        lambda kind: kind(linear).fit(ARRAY).explain(ARRAY[:2]).values,
        {"kind": RiseExplainer},
        ("RiseExplainer needs images", "got a table", "OcclusionExplainer"),
        "OcclusionExplainer",
        "kind",
        names={"OcclusionExplainer": OcclusionExplainer},
    ),
    "RISE with several fills": Case(
        rise,
        {"fill": PICTURES},
        ("one fill image", "got 2", "fill=images[:1]"),
        "fill=images[:1]",
        names={"images": PICTURES},
    ),
    "RISE by a word": Case(rise, {"fill": PICTURES}, ("one fill image", "'mean'"), "fill='blur'"),
    "pictures of another size": Case(
        lambda rows: RiseExplainer(mean, n_masks=64).fit(PICTURES).explain(rows).values,
        {"rows": PICTURES[:, :8]},
        ("(8, 12, 3)", "(12, 12, 3)", "Resize them"),
        then={"rows": PICTURES},
    ),
    "one row of MimicTree": Case(mimic, {"X": X[:1]}, ("a single row", "at least two"), then={"X": X[:2]}),
    "one class": Case(
        mimic,
        {"model": ONE_CLASS},
        ("RandomForestClassifier", "a single class, 0", "at least two classes"),
        then={"model": FOREST},
    ),
    "one number of a classifier": Case(
        mimic,
        {"model": as_predictor(probability, task="classification")},
        ("one number per row", "one per class"),
        "lambda X: np.column_stack([1 - p(X), p(X)])",
        "model",
        names={"p": probability},
    ),
    "one number, as it is": Case(
        mimic,
        {"model": as_predictor(probability, task="classification")},
        ("one number per row",),
        "as_predictor(model, task='regression')",
        "model",
        names={"as_predictor": as_predictor},
    ),
    "hard targets": Case(
        mimic, {"targets": "hard"}, ("'targets'", "needs a classifier", "'soft'"), then={"targets": "soft"}
    ),
    "infinite values": Case(
        mimic,
        {"X": X.assign(b=X["b"].where(X["b"] < 1.0, np.inf)), "model": of_first},
        ("'b'", "missing values"),
        then={"X": X.assign(b=X["b"].where(X["b"] < 1.0))},
    ),
    "few queries": Case(
        mimic,
        {"X": X, "max_queries": 50},
        ("max_queries is too small", "120 rows", "Raise max_queries"),
        then={"max_queries": 1000},
        error=UserWarning,
    ),
    "sampler of other rows": Case(
        mimic,
        {"synthetic": lambda n, rng: X[:5]},
        ("'synthetic'", "returned 5", "sampler(n, rng)"),
        then={"synthetic": lambda n, rng: X.iloc[rng.integers(0, N, n)]},
    ),
    "a tree of several numbers": Case(
        lambda **params: fitted_mimic(lambda X: np.c_[linear(X), X["c"]]).to_sql(**params),
        {},
        ("several numbers", "output=", "output_0"),
        then={"output": "output_0"},
    ),
    "a name that is none": Case(
        lambda name: fitted_mimic().to_python(name=name),
        {"name": "my rule"},
        ("'name'", "a Python name", "'my rule'"),
        then={"name": "my_rule"},
    ),
    "one tree": Case(
        lambda n: fitted_mimic().stability(n), {"n": 1}, ("'n'", "2 or more", "got 1"), then={"n": 2}
    ),
    "stored without a model": Case(
        lambda model: fitted_mimic().without_model().attach(model).explain(X[:2]),
        {"model": lambda X: linear(X) + 1.0},
        ("attach", "the model of fit", "Fit a new explainer"),
        then={"model": linear},
        error=ValueError,
    ),
    "columns of texts": Case(
        lambda how: how(LimeExplainer(length, masker=TextMasker(), random_state=0).fit(TEXTS)),
        {"how": lambda explainer: explainer.transform(TEXTS)},
        ("features of its own", "explain(X).values"),
        then={"how": lambda explainer: explainer.explain(TEXTS).values},
    ),
    "columns of cut pictures": Case(
        lambda masker: KernelShapExplainer(mean, masker=masker).fit(PICTURES).transform(PICTURES),
        {"masker": SegmentMasker(lambda P: np.arange(144).reshape(12, 12) // 36)},
        ("SegmentMasker('grid')",),
        "SegmentMasker('grid')",
        "masker",
        names={"SegmentMasker": SegmentMasker},
    ),
}


@on(METHODS)
def test_methods(case):
    check(case)


def test_a_model_is_attached_again():
    explainer = fitted_mimic().without_model()
    with pytest.raises(Exception, match=states("stored without its model", "attach(model)")):
        explainer.explain(X[:2])
    np.testing.assert_array_equal(
        explainer.attach(linear).explain(X[:2]).values, fitted_mimic().explain(X[:2]).values
    )


def test_rows_without_log_odds_are_left_out_and_said():
    explainer = KernelShapExplainer(lambda X: np.clip(linear(X), 0.0, 0.9), link="logit").fit(
        X[linear(X) > 0.2][:1]
    )
    both = pd.concat([X[linear(X) > 0.2][1:2], X[linear(X) < -0.5][:1]])
    with pytest.warns(UserWarning, match=states("link='logit'", "Rows 1", "link='identity'")):
        values = explainer.explain(both).values
    assert np.isfinite(values[0]).all()
    assert np.isnan(values[1]).all()


def test_smallest_width_that_the_message_names_works():
    def call(width):
        return lime(sampling=KernelSampling(width=width), rows=ARRAY[:1])

    with pytest.raises(DataError, match=states("The smallest width that works")) as error:
        call(0.2)
    least = float(str(error.value).split("works for it is ")[1].split()[0].rstrip("."))
    assert np.isfinite(call(least * 1.01)).all()


# Pictures and texts


def segments(**params):
    given = params.pop("X", PICTURES)
    explainer = OcclusionExplainer(params.pop("model", mean), masker=SegmentMasker(**params))
    return explainer.fit(given).explain(given).values


def words(**params):
    texts = params.pop("X", TEXTS)
    return KernelShapExplainer(length, masker=TextMasker(**params)).fit(texts).explain(texts).values


FIRST = np.moveaxis(RNG.random((2, 32, 32, 3)), 3, 1)


def of_first_channel(P):
    return P[:, 0].mean(axis=(1, 2))


SEEN = {
    "channels first": Case(
        lambda X, model=mean: segments(X=X, model=model).shape,
        {"X": FIRST},
        ("3 x 32 pixels with 32 channels",),
        "X.transpose(0, 2, 3, 1)",
        "X",
        expected=(2, 49, 1),
    ),
    "function of channels first": Case(
        lambda X, f: segments(X=X, model=f).sum(),
        {"X": FIRST, "f": of_first_channel},
        ("3 x 32 pixels with 32 channels",),
        "lambda P: f(P.transpose(0, 3, 1, 2))",
        "f",
        then={"X": FIRST.transpose(0, 2, 3, 1)},
        expected=lambda: segments(
            X=FIRST.transpose(0, 2, 3, 1), model=lambda P: P[..., 0].mean(axis=(1, 2))
        ).sum(),
    ),
    "one picture": Case(
        lambda X: segments(X=X).shape,
        {"X": FIRST[0].transpose(1, 2, 0)},
        ("shape (32, 32, 3)", "32 x 3 pixels"),
        "X[None]",
        "X",
        error=UserWarning,
        expected=(1, 49, 1),
    ),
    "missing pixels": Case(
        segments,
        {"X": np.where(PICTURES > 0.99, np.nan, PICTURES)},
        ("row 0", "Fill these in"),
        then={"X": PICTURES},
    ),
    "pictures of two sizes": Case(
        segments, {"X": [PICTURES[0], PICTURES[1, :8]]}, ("pictures of one size",), then={"X": [PICTURES[0]]}
    ),
    "fill of another size": Case(
        segments,
        {"fill": PICTURES[:, :8]},
        ("(8, 12, 3)", "(12, 12, 3)", "Resize them"),
        then={"fill": PICTURES},
    ),
    "fill of other channels": Case(
        segments, {"fill": [0.1, 0.2]}, ("2 numbers", "3 channels"), then={"fill": [0.1, 0.2, 0.3]}
    ),
    "weights of fills": Case(
        segments,
        {"fill": PICTURES, "weights": np.array([1.0, 1.0])},
        ("'weights'", "adding up to 1", "a sum of 2"),
        then={"weights": np.array([0.5, 0.5])},
    ),
    "fill that bytes cannot hold": Case(
        segments,
        {"X": (PICTURES * 255).astype(np.uint8), "fill": 300},
        ("300", "uint8 cannot hold"),
        then={"fill": 255},
    ),
    "segments by a word": Case(
        segments,
        {"segments": "felzenszwalb"},
        ("'segments'", "'felzenszwalb'", "a function"),
        then={"segments": lambda P: np.arange(144).reshape(12, 12) // 48},
    ),
    "segments of another shape": Case(
        segments,
        {"segments": np.arange(36).reshape(6, 6)},
        ("(12, 12)", "(6, 6)"),
        then={"segments": np.arange(144).reshape(12, 12) // 36},
    ),
    "no texts": Case(
        words, {"X": "great food"}, ("texts", "in a list", "got a str"), then={"X": ["great food"]}
    ),
    "missing text": Case(
        words,
        {"X": ["great food", None]},
        ("Row 1", "a missing value", "leave it out"),
        then={"X": ["great food"]},
    ),
    "text without words": Case(
        words, {"X": ["great food", "?!"]}, ("Row 1", "no word", "another pattern"), then={"pattern": r"\s+"}
    ),
    "one word of a script without spaces": Case(
        words,
        {"X": ["这部电影非常好看"]},
        ("Row 0", "1 word"),
        "pattern=''",
        error=UserWarning,
    ),
    "function for words": Case(
        words,
        {"X": ["这部电影非常好看"]},
        ("pattern a function from a text to its words",),
        then={"pattern": lambda text: [text[:4], text[4:]]},
        error=UserWarning,
    ),
    "function that changes words": Case(
        words,
        {"pattern": lambda text: text.upper().split()},
        ("'GREAT'", "row 0", "as they are in the text"),
        then={"pattern": str.split},
    ),
}


@on(SEEN)
def test_pictures_and_texts(case):
    check(case)


SEGMENTING = {
    "KernelShap": lambda masker: KernelShapExplainer(mean, masker=masker),
    "LIME": lambda masker: LimeExplainer(mean, masker=masker, random_state=0),
    "Occlusion": lambda masker: OcclusionExplainer(mean, masker=masker),
}
IN_ONE = {"slic": "slic", "quickshift": "quickshift", "function": lambda P: np.zeros(P.shape[:2], int)}


@pytest.mark.parametrize("how", IN_ONE.values(), ids=IN_ONE)
@pytest.mark.parametrize("explainer", SEGMENTING.values(), ids=SEGMENTING)
def test_pictures_in_one_piece_are_said(explainer, how):
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    few = np.random.default_rng(5).random((2, 12, 10, 3))
    name = repr(how) if isinstance(how, str) else "the function 'segments'"
    facts = states(
        "12 x 10 pixels", "single segment", name, "segments='grid' with n_segments", "a map of your own"
    )
    with pytest.warns(UserWarning, match=facts):
        fitted = explainer(SegmentMasker(how, n_segments=6, fill=0.0)).fit(few)
    with pytest.warns(UserWarning, match=states("Row 0", "12 x 10 pixels")):
        fitted.explain(few[:1])
    own_map = np.arange(120).reshape(12, 10) // 20
    for masker in (SegmentMasker(segments="grid", n_segments=6, fill=0.0), SegmentMasker(own_map, fill=0.0)):
        explanation = explainer(masker).fit(few).explain(few)
        owners = explanation.extras["segments"].array
        shares = [
            np.bincount(s.ravel(), p.mean(axis=2).ravel() / 120) for s, p in zip(owners, few, strict=True)
        ]
        np.testing.assert_allclose(explanation.values[..., 0], shares, atol=2e-3)


# Populations


def what_if(**params):
    constraints, given = params.pop("constraints", None), params.pop("X", NAMED_C)
    fit = {name: params.pop(name) for name in ("y", "predictions") if name in params}
    arguments = {name: params.pop(name) for name in ("prediction", "error_rate", "metric") if name in params}
    return (
        EntropicProjection(**{"model": linear_of_a, **params})
        .fit(given, **fit)
        .what_if(constraints, **arguments)
    )


def linear_of_a(X):
    return 2.0 * np.asarray(X["a"], dtype=float)


def curves(**params):
    given, fit = params.pop("X", NAMED_C), {name: params.pop(name) for name in ("y",) if name in params}
    return EntropicProjection(params.pop("model", linear_of_a)).fit(given, **fit).explain(**params)


DATED = NAMED_C.assign(ds=pd.date_range("2024-01-01", periods=N))
POLARS_DATED = pl.from_pandas(DATED)
MISSING = NAMED_C.assign(b=NAMED_C["b"].where(NAMED_C["b"] < 1.0))
IDS = pd.DataFrame({"id": np.arange(N) + 2**53, "a": X["a"]})
SCORES = as_predictor(linear_of_a, task="regression")


def reached(scenario, name):
    conditions = scenario.conditions
    return conditions.loc[conditions["feature"] == name, "reached"].iloc[0]


POPULATIONS = {
    "dates": Case(
        lambda days: what_if(X=DATED.assign(days=days), constraints={"days": 60}).gap < 1e-9,
        {"days": DATED["ds"]},
        ("'days'", "it holds dates"),
        "(X['days'] - X['days'].min()).dt.days",
        "days",
        names={"X": DATED.assign(days=DATED["ds"])},
        expected=True,
    ),
    "dates of polars": Case(
        lambda days: what_if(X=POLARS_DATED.with_columns(days=days), constraints={"days": 60}).gap < 1e-9,
        {"days": POLARS_DATED["ds"]},
        ("'days'", "it holds dates"),
        "(X['days'] - X['days'].min()).dt.total_days()",
        "days",
        names={"X": POLARS_DATED.with_columns(days=POLARS_DATED["ds"])},
        expected=True,
    ),
    "times of polars": Case(
        lambda days: what_if(X=POLARS_DATED.with_columns(days=days), constraints={"days": 12}).gap < 1e-9,
        {"days": pl.Series([dt.time(j % 24, 5) for j in range(N)])},
        ("'days'", "it holds dates"),
        "X['days'].dt.hour()",
        "days",
        names={"X": pl.DataFrame({"days": [dt.time(j % 24, 5) for j in range(N)]})},
        expected=True,
    ),
    "a date as target": Case(
        lambda constraints: (
            what_if(
                X=DATED.assign(days=(DATED["ds"] - DATED["ds"].min()).dt.days), constraints=constraints
            ).gap
            < 1e-9
        ),
        {"constraints": {"ds": pd.Timestamp("2024-03-01")}},
        ("'ds'", "it holds dates", "add a column of numbers"),
        then={"constraints": {"days": 60}},
        expected=True,
    ),
    "labels without a level": Case(
        lambda constraints: what_if(constraints=constraints).gap < 1e-9,
        {"constraints": {"c": 0.5}},
        ("'c'", "holds labels"),
        "{'c': {'p': 0.5}}",
        "constraints",
        error=ValueError,
        expected=True,
    ),
    "a level as target": Case(
        lambda constraints: what_if(constraints=constraints).gap < 1e-9,
        {"constraints": {"c": "q"}},
        ("'c'", "'q'"),
        "{'c': {'q': 0.5}}",
        "constraints",
        error=ValueError,
        expected=True,
    ),
    "a level that is not there": Case(
        lambda constraints: what_if(constraints=constraints).gap < 1e-9,
        {"constraints": {"c": {"Q": 0.5}}},
        ("'c'", "'Q'", "Its levels: 'p', 'q', 'r'"),
        then={"constraints": {"c": {"q": 0.5}}},
        error=ValueError,
        expected=True,
    ),
    "shares above 1": Case(
        lambda constraints: what_if(constraints=constraints).gap < 1e-9,
        {"constraints": {"c": {"p": 0.6, "q": 0.6}}},
        ("'c'", "1.2, more than 1", "leave one level out"),
        then={"constraints": {"c": {"p": 0.6}}},
        error=ValueError,
        expected=True,
    ),
    "shares below 1": Case(
        lambda constraints: what_if(constraints=constraints).gap < 1e-9,
        {"constraints": {"c": {"p": 0.3, "q": 0.3, "r": 0.3}}},
        ("0.9, not to 1", "leave one level out"),
        then={"constraints": {"c": {"p": 0.3, "q": 0.3}}},
        error=ValueError,
        expected=True,
    ),
    "a column misspelt": Case(
        lambda constraints: what_if(constraints=constraints).gap < 1e-9,
        {"constraints": {"A": 0.2}},
        ("no column 'A'", "Did you mean 'a'"),
        then={"constraints": {"a": 0.2}},
        error=ValueError,
        expected=True,
    ),
    "one output of two": Case(
        lambda prediction: (
            what_if(X=X, model=lambda X: np.c_[linear(X), -linear(X)], prediction=prediction).gap < 1e-9
        ),
        {"prediction": 0.1},
        ("2 outputs", "say which"),
        "{'output_1': 0.1}",
        "prediction",
        error=ValueError,
        expected=True,
    ),
    "error rate of a regression": Case(
        lambda **params: what_if(X=X, model=SCORES, y=Y, **params).gap < 1e-9,
        {"error_rate": 0.1},
        ("error_rate", "state prediction instead"),
        then={"error_rate": LEFT_OUT, "prediction": 0.1},
        expected=True,
    ),
    "error rate without y": Case(
        lambda y: what_if(X=X, model=CLASSIFIER, y=y, error_rate=0.02).gap < 1e-9,
        {"y": None},
        ("error_rate", "pass y to fit"),
        then={"y": np.where(X["a"] + 0.3 * X["b"] > 0, "yes", "no")},
        expected=True,
    ),
    "missing values of two": Case(
        lambda **params: what_if(X=MISSING, constraints={"b": 0.1}, **params).gap < 1e-9,
        {},
        ("'b'", "Impute them first", "missing='raise'"),
        "missing='omit'",
        error=UserWarning,
        expected=True,
    ),
    "missing values refused": Case(
        lambda **params: what_if(X=MISSING, constraints={"b": 0.1}, **params).gap < 1e-9,
        {"missing": "raise"},
        ("'b'", "no value in"),
        then={"missing": "omit"},
        expected=True,
    ),
    "identifiers beyond 2**53": Case(
        lambda ids: what_if(X=IDS.assign(id=ids), constraints={"id": 50.0}).gap < 1e-9,
        {"ids": IDS["id"]},
        ("'id'", "2**53"),
        "X['id'] - X['id'].min()",
        "ids",
        names={"X": IDS},
        expected=True,
    ),
    "infinite column": Case(
        lambda X: what_if(X=X, constraints={"a": 0.1}).status,
        {"X": NAMED_C.assign(b=np.inf)},
        ("'b'", "infinite", "missing values"),
        then={"X": NAMED_C.assign(b=np.nan)},
    ),
    "two targets": Case(
        lambda y, model: (
            what_if(X=X, model=as_predictor(model, task="regression"), y=y, constraints={"a": 0.1}).gap < 1e-9
        ),
        {"y": np.c_[Y, -Y], "model": lambda X: np.c_[linear(X), -linear(X)]},
        ("2 targets", "y[:, 0]", "lambda X: model(X)[:, 0]"),
        then={"y": np.c_[Y, -Y][:, 0], "model": lambda X: np.c_[linear(X), -linear(X)][:, 0]},
        expected=True,
    ),
    "two targets in a frame": Case(
        lambda y: what_if(X=X, model=SCORES, y=y, constraints={"a": 0.1}).gap < 1e-9,
        {"y": pd.DataFrame({"one": Y, "two": -Y})},
        ("2 targets",),
        "y.iloc[:, 0]",
        "y",
        expected=True,
    ),
    "one class": Case(
        lambda model: (
            what_if(
                X=X, model=model, y=np.zeros(N, int) if model is ONE_CLASS else LABELS, constraints={"a": 0.1}
            ).gap
            < 1e-9
        ),
        {"model": ONE_CLASS},
        ("a single class, 0", "at least two classes"),
        then={"model": FOREST},
        expected=True,
    ),
    "missing y": Case(
        lambda given, y: what_if(X=given, model=SCORES, y=y, constraints={"a": 0.1}).gap < 1e-9,
        {"given": NAMED_C, "y": Y.where(Y < 2.0)},
        ("y has no value", "Leave those rows out"),
        then={"given": NAMED_C[Y < 2.0], "y": Y[Y < 2.0]},
        expected=True,
    ),
    "an unknown label": Case(
        lambda y: what_if(X=X, model=CLASSIFIER, y=y, constraints={"a": 0.1}).gap < 1e-9,
        {"y": np.where(X["a"] > 0, "Yes", "no")},
        ("'Yes'", "does not know", "'yes'"),
        then={"y": LABELS},
        expected=True,
    ),
    "no outcome": Case(
        lambda **params: EntropicProjection().fit(X, **params).what_if({"a": 0.1}).gap < 1e-9,
        {},
        ("no outcome", "pass a model, predictions, or y"),
        then={"y": Y},
        error=ValueError,
        expected=True,
    ),
    "model and predictions": Case(
        lambda model: EntropicProjection(model).fit(X, predictions=Y).what_if({"a": 0.1}).gap < 1e-9,
        {"model": RIDGE},
        ("either a model or predictions",),
        then={"model": None},
        error=ValueError,
        expected=True,
    ),
    "predictions that are labels": Case(
        lambda p: EntropicProjection().fit(X, predictions=p).what_if({"a": 0.1}).gap < 1e-9,
        {"p": LABELS},
        ("must be numbers", "probabilities of classes"),
        then={"p": CLASSIFIER.predict_proba(X)[:, 1]},
        expected=True,
    ),
    "metric without y": Case(
        lambda **params: what_if(X=X, constraints={"a": 0.1}, metric="r2", **params).gap < 1e-9,
        {"model": linear_of_a, "y": Y},
        ("'r2'", "say what it does"),
        "as_predictor(function, task='classification')",
        "model",
        names={"as_predictor": lambda function, task: SCORES, "function": None},
        expected=True,
    ),
    "metric without weights": Case(
        lambda metric: (
            what_if(X=X, model=CLASSIFIER, y=LABELS, constraints={"a": 0.1}, metric=metric).gap < 1e-9
        ),
        {"metric": "adjusted_rand_score"},
        ("takes no sample_weight", "f(y_true, y_pred, sample_weight)"),
        then={
            "metric": lambda y_true, y_pred, sample_weight: float(
                np.average(y_true == y_pred, weights=sample_weight)
            )
        },
        error=ValueError,
        expected=True,
    ),
    "metric that returns nothing": Case(
        lambda metric: (
            what_if(X=X, model=CLASSIFIER, y=LABELS, constraints={"a": 0.1}, metric=metric).gap < 1e-9
        ),
        {"metric": lambda y_true, y_pred, sample_weight: None},
        ("NoneType", "Let it return a float"),
        then={"metric": lambda y_true, y_pred, sample_weight: 0.5},
        error=ValueError,
        expected=True,
    ),
    "targets without a level": Case(
        lambda targets: len(curves(targets=targets, features="c").frame),
        {"targets": {"c": [0.2, 0.4]}},
        ("'c'", "of which level"),
        "{'c': {'p': [0.2, 0.4]}}",
        "targets",
        error=ValueError,
    ),
    "targets of another feature": Case(
        lambda features: len(curves(targets={"a": [0.1]}, features=features).frame),
        {"features": ["b"]},
        ("'a'", "features leaves out", "Add it"),
        then={"features": ["b", "a"]},
        error=ValueError,
    ),
    "groups by dates": Case(
        lambda by: len(
            curves(X=DATED.assign(year=DATED["ds"].dt.month.astype(str)), features="a", by=by).frame
        ),
        {"by": "ds"},
        ("by='ds'", "dates", "such as years"),
        then={"by": "year"},
    ),
    "groups by numbers": Case(
        lambda X: len(curves(X=X, features="a", by="b").frame),
        {"X": NAMED_C},
        ("by='b'", "120 groups", "pandas.cut"),
        then={"X": NAMED_C.assign(b=pd.cut(NAMED_C["b"], 3))},
        error=ValueError,
    ),
    "joint of labels": Case(
        lambda second: len(EntropicProjection(linear_of_a).fit(NAMED_C).joint("a", second, n_targets=2)),
        {"second": "c"},
        ("'c'", "say which one is shifted"),
        then={"second": ("c", "q")},
        error=ValueError,
    ),
    "out of reach": Case(
        lambda **params: what_if(**params).status,
        {"constraints": {"a": 100.0}},
        ("error.nearest",),
        then={"constraints": {"a": float(X["a"].max())}},
        error=ValueError,
    ),
}


@on(POPULATIONS)
def test_populations(case):
    check(case)


# Reports and results


def report(**params):
    return WhatIfReport(params.pop("model", RIDGE), params.pop("X", X), **params).json()


def shown(how):
    return how(
        KernelShapExplainer(lambda X: np.c_[linear(X), -linear(X), X["c"]], random_state=0)
        .fit(X)
        .explain(X[:3])
    )


LABELLED = X.set_axis([f"patient {j}" for j in range(N)])
MULTI = X.set_axis(pd.MultiIndex.from_product([["north", "south"], range(N // 2)]))
REPORTS = {
    "a row as a Series": Case(
        report, {"rows": X.iloc[3]}, ("rows is a Series",), "X.iloc[[3]]", "rows", names={"X": X}
    ),
    "too many rows": Case(
        report,
        {"rows": list(range(40))},
        ("rows selects 40 rows", "OcclusionExplainer(model).fit(X).explain(rows)"),
        then={"rows": [0, 1]},
    ),
    "a row twice": Case(report, {"rows": [3, 3]}, ("row 3 twice",), then={"rows": [3]}),
    "a row that is not there": Case(
        report,
        {"X": LABELLED, "rows": "patient 777"},
        ("no row 'patient 777'", "'patient 0'"),
        then={"rows": "patient 7"},
    ),
    "a label of two rows": Case(
        report,
        {"X": X.set_axis([f"patient {j // 2}" for j in range(N)]), "rows": "patient 3"},
        ("2 rows have the label", "Pass a position: 6, 7"),
        then={"rows": 6},
    ),
    "mimic by a word": Case(
        report,
        {"mimic": True},
        ("'mimic'", "a MimicTree, or None"),
        then={"mimic": MimicTree(RIDGE, max_leaf_nodes=4)},
        error=TypeError,
    ),
    "a class as explainer": Case(
        report,
        {"rows": [0], "explainers": [OcclusionExplainer]},
        ("'explainers'", "OcclusionExplainer(model)"),
        then={"explainers": [OcclusionExplainer(RIDGE)]},
        error=TypeError,
    ),
    "an output that is not there": Case(
        report,
        {"model": CLASSIFIER, "output": "Yes"},
        ("no output 'Yes'", "no, yes"),
        then={"output": "yes"},
        error=ValueError,
    ),
    "two targets": Case(
        lambda y, model: report(model=model, y=y),
        {"y": np.c_[Y, -Y], "model": lambda X: np.c_[linear(X), -linear(X)]},
        ("2 targets", "y[:, 0]", "lambda X: model(X)[:, 0]"),
        then={
            "y": np.c_[Y, -Y][:, 0],
            "model": as_predictor(lambda X: np.c_[linear(X), -linear(X)][:, 0], task="regression"),
        },
    ),
    "one class": Case(
        lambda model, y: report(model=model, y=y),
        {"model": ONE_CLASS, "y": np.zeros(N, int)},
        ("a single class, 0", "at least two classes"),
        then={"model": FOREST, "y": LABELS},
    ),
    "no name of an output": Case(
        lambda **params: shown(lambda e: e.plot.waterfall(row=0, **params)) is None,
        {},
        ("3 outputs", "output="),
        then={"output": "output_0"},
        error=ValueError,
    ),
    "rows by keys": Case(
        lambda rows: shown(lambda e: e[rows].values.shape[1]),
        {"rows": "a"},
        ("an int, a slice", "'a'"),
        then={"rows": 0},
        error=TypeError,
    ),
    "a feature misspelt": Case(
        lambda features: shown(lambda e: e.sel(features=features).values.shape[1]),
        {"features": ["A"]},
        ("'A'",),
        then={"features": ["a"]},
        error=KeyError,
    ),
    "groups misspelt": Case(
        lambda by: shown(lambda e: e.aggregate(by=by).values.shape[0]),
        {"by": "C"},
        ("by='C'", "Did you mean 'c'"),
        then={"by": "c"},
        error=ValueError,
    ),
    "groups by labels": Case(
        lambda by: shown(lambda e: e.aggregate(by=by).values.shape[0]),
        {"by": "group"},
        ("Or give an array of labels",),
        then={"by": np.array(["u", "v", "u"])},
        error=ValueError,
        expected=2,
    ),
}


@pytest.fixture(autouse=True)
def _without_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@on(REPORTS)
def test_reports_and_results(case):
    check(case)
