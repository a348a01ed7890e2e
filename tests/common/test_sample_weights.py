"""Weights of rows are checked by every explainer in the same way, whatever it uses them for."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer
from agnostix.core.base import Attribution, AttributionExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker, SlidingWindow, TextMasker
from agnostix.testing import all_explainers
from agnostix.testing.harness import make_rows
from tests.messages import refuses

N = 12
PICTURES = np.random.default_rng(0).random((N, 4, 4, 1))
TEXTS = [f"one two word{j % 3}" for j in range(N)]


class Sensitivities(AttributionExplainer):
    """An explainer with nothing of its own but the attributions, each 0."""

    _quantity = "sensitivity"

    def _attribute(self, rows, selection):
        predictions = self._predict(rows)
        shape = (rows.shape[0], rows.shape[1], len(selection.names))
        return Attribution(values=np.zeros(shape), predictions=predictions, n_model_rows=len(rows))

    def _count_model_rows(self, rows):
        return rows.shape[0]


EXPLAINERS = {
    name: (explainer, make_rows(explainer(None), N))
    for name, explainer in [*all_explainers(), ("own", Sensitivities)]
} | {
    "shapley of texts": (lambda model: KernelShapExplainer(model, masker=TextMasker()), TEXTS),
    "lime of texts": (lambda model: LimeExplainer(model, masker=TextMasker()), TEXTS),
    "shapley of pictures": (lambda model: KernelShapExplainer(model, masker=SegmentMasker()), PICTURES),
    "lime of pictures": (lambda model: LimeExplainer(model, masker=SegmentMasker()), PICTURES),
    "windows": (lambda model: OcclusionExplainer(model, masker=SlidingWindow(2, 2)), PICTURES),
    "sampled pictures": (lambda model: OcclusionExplainer(model, fill="draws"), PICTURES),
}
explainers = pytest.mark.parametrize("name", EXPLAINERS)
BAD = {
    "texts": (["w"] * N, "'w'"),
    "complex numbers": (np.full(N, 1j), "1j"),
    "negative": (np.r_[-1.0, np.ones(N - 1)], "from -1 to 1"),
    "too few": (np.ones(N - 1), "got 11"),
    "for each cell": (np.ones((N, 2)), "got 24"),
    "missing": (np.r_[np.nan, np.ones(N - 1)], "no value in 1 of 12 rows"),
    "nothing": ([None] + [1.0] * (N - 1), "no value in 1 of 12 rows"),
    "masked": (np.ma.masked_array(np.ones(N), np.arange(N) == 3), "no value in 1 of 12 rows"),
    "infinite": (np.r_[np.inf, np.ones(N - 1)], "from 1 to inf"),
    "zeros": (np.zeros(N), "zero for all of the 12 rows"),
}


class Untouched(RegressorMixin, BaseEstimator):
    """A model that must not be fitted, or asked, before the weights are checked."""

    def __init__(self, is_fitted=True):
        self.is_fitted = is_fitted

    def __sklearn_is_fitted__(self):
        return self.is_fitted

    def fit(self, X, y, sample_weight=None):
        raise AssertionError("fitted")

    def predict(self, X):
        raise AssertionError("predicted")


@explainers
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("is_fitted", [True, False])
def test_bad_weights_are_refused_before_the_model_runs(name, kind, is_fitted):
    make, X = EXPLAINERS[name]
    explainer = make(Untouched(is_fitted))
    weights, fact = BAD[kind]
    with refuses(DataError, "sample_weight", fact):
        explainer.fit(X, np.arange(N) * 1.0, weights)


class Recalls(RegressorMixin, BaseEstimator):
    """A model that predicts the weights that it was fitted with, by the first column."""

    def fit(self, X, y, sample_weight):
        self.weights_ = np.asarray(sample_weight, dtype=float)
        return self

    def predict(self, X):
        return self.weights_.sum() * X[:, 0]


GOOD = {
    "list": lambda weights: weights.tolist(),
    "integers": lambda weights: weights.astype(int),
    "column": lambda weights: weights[:, None],
    "pandas": pd.Series,
    "nullable": lambda weights: pd.Series(weights).astype("Int64"),
    "objects": lambda weights: weights.astype(object),
    "polars": pl.Series,
    "masked array": np.ma.masked_array,
}


@pytest.mark.parametrize("explainer", [Sensitivities, OcclusionExplainer], ids=["base", "background"])
@pytest.mark.parametrize("kind", GOOD)
def test_weights_of_any_kind_are_those_of_an_array(explainer, kind):
    X, weights = make_rows(explainer(None), N), np.arange(N) % 4.0
    found, expected = (
        explainer(Recalls(), random_state=0).fit(X, np.arange(N), one).explain(X)
        for one in (GOOD[kind](weights), weights)
    )
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.outputs, expected.outputs)
