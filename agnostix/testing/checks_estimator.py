"""Checks of the estimator's contract: clone, pickle, detach the model, save, transform."""

from __future__ import annotations

import pickle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from agnostix.testing.doubles import AdditiveModel, InteractionModel, MixedFrameModel, ProbabilityModel
from agnostix.testing.faulty_doubles import UnpicklableModel
from agnostix.testing.harness import (
    assert_identical,
    assert_raises,
    clone_with_model,
    explains_population,
    explanation_arrays,
    fit_clone,
    make_rows,
    results,
    takes_tables,
)
from agnostix.testing.tables import mixed, named, numbers, polars

_STORED = (
    "feature_names",
    "output_names",
    "row_names",
    "dims",
    "quantity",
    "completeness",
    "units",
    "method",
    "params",
    "n_model_rows",
)
"""Attributes of an Explanation that are no arrays."""


def check_pickle_round_trip(explainer: Any) -> None:
    """A fitted explainer and its results are equal to the bit after pickling."""
    X, model = _mixed_rows(explainer)
    fitted = fit_clone(explainer, model, X, missing="omit")
    expected = results(fitted, X)
    unpickled = pickle.loads(pickle.dumps(fitted))
    assert_identical(results(unpickled, X), expected, "after a round trip through pickle")
    if explains_population(explainer):
        result = pickle.loads(pickle.dumps(fitted.explain()))
        one, other = (
            r.frame if takes_tables(explainer) else r.to_frame() for r in (result, fitted.explain())
        )
        pd.testing.assert_frame_equal(one, other, check_exact=True, obj="the pickled result")
    else:
        exp = pickle.loads(pickle.dumps(fitted.explain(X)))
        assert_identical(explanation_arrays(exp), expected, "the pickled explanation")


def _mixed_rows(explainer: Any) -> tuple[Any, Any]:
    """A table with columns of every type, or images, and a model of them."""
    if not takes_tables(explainer):
        return make_rows(explainer), InteractionModel()
    X = mixed()
    return X, MixedFrameModel.from_table(X)


def check_without_model_and_attach(explainer: Any) -> None:
    """A copy without its model pickles whatever the model is, and explains as before once it is attached."""
    X, model = make_rows(explainer), UnpicklableModel(InteractionModel())
    fitted = fit_clone(explainer, model, X)
    expected = results(fitted, X)
    detached = pickle.loads(pickle.dumps(fitted.without_model()))
    if not explains_population(explainer):  # which is predicted in fit, once
        with assert_raises("explain without the model", kinds=NotFittedError):
            detached.explain(X)
    assert_identical(results(detached.attach(fitted.model), X), expected, "with the model attached again")
    assert_identical(results(fitted, X), expected, "the explainer itself, after without_model")


def check_clone_shares_fitted_model(explainer: Any) -> None:
    """Clones share a fitted model; an unfitted estimator is cloned, and fitted by fit."""
    X = numbers()
    y = (X[:, 0] > 0).astype(int)
    fitted_model = LogisticRegression(C=0.5).fit(X, y)
    for model in (fitted_model, AdditiveModel()):
        own = clone_with_model(explainer, model)
        assert clone(own).model is own.model, f"a clone does not share its {type(model).__name__}"
        nested = [name for name in own.get_params() if name.startswith("model__")]
        assert not nested, f"get_params lists parameters of the fitted model: {nested}"
    if not takes_tables(explainer):  # no estimator of scikit-learn takes images
        return
    unfitted_model = LogisticRegression(C=0.5)
    own = clone_with_model(explainer, unfitted_model)
    assert clone(own).model is not unfitted_model, "a clone shares an unfitted model"
    with assert_raises("an unfitted model without y", "'model'", type(explainer).__name__, "not fitted"):
        clone(own).fit(X)
    own.fit(X, y)
    assert own.model is unfitted_model, "fit replaces the parameter 'model'"
    assert not hasattr(unfitted_model, "coef_"), "fit fits the model itself, not a clone"
    expected = results(clone_with_model(explainer, fitted_model).fit(X, y), X)
    assert_identical(results(own, X), expected, "a model fitted by fit instead of before")


def check_save_and_load(explainer: Any) -> None:
    """A loaded Explanation is equal to the saved one, its data and parameters included."""
    X, model = _mixed_rows(explainer)
    exp = fit_clone(explainer, model, X).explain(X)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npz"
        exp.save(path)
        loaded = type(exp).load(path)
    assert_identical(explanation_arrays(loaded), explanation_arrays(exp), "after save and load")
    if isinstance(exp.data, pd.DataFrame):
        pd.testing.assert_frame_equal(loaded.data, exp.data, obj="data after save and load")
    else:
        assert_identical({"data": loaded.data}, {"data": exp.data}, "after save and load")
    for name in _STORED:
        actual, expected = getattr(loaded, name), getattr(exp, name)
        assert actual == expected, f"{name} after save and load is {actual!r}, expected {expected!r}"


def check_transform(explainer: Any) -> None:
    """``transform`` gives explain's values, named by ``get_feature_names_out``, in a Pipeline too."""
    X = named(numbers())
    X.index = pd.Index(range(100, 124))
    for model in (InteractionModel(), ProbabilityModel()):
        fitted = fit_clone(explainer, model, X)
        names = list(fitted.get_feature_names_out())
        expected = {"values": _as_matrix(fitted.explain(X), names)}
        assert_identical({"values": fitted.transform(X)}, expected, "transform")
        pipeline = make_pipeline(clone_with_model(explainer, model)).set_output(transform="pandas")
        frame = pipeline.fit_transform(X)
        assert_identical({"values": frame.to_numpy()}, expected, "fit_transform of a Pipeline")
        assert list(frame.columns) == names, f"set_output: the columns are {list(frame.columns)}"
        assert frame.index.equals(X.index), "set_output: the index is not that of X"
        if polars() is not None:
            fitted.set_output(transform="polars")
            assert fitted.transform(X).columns == names, "set_output: the columns of the polars frame"


def _as_matrix(exp: Any, names: list[str]) -> np.ndarray:
    """Values (n_rows, n_outputs * n_features); fails unless they have these names."""
    expected = [
        feature if len(exp.output_names) == 1 else f"{output}: {feature}"
        for output in exp.output_names
        for feature in exp.feature_names
    ]
    assert names == expected, f"get_feature_names_out gives {names}, expected {expected}"
    return exp.values.transpose(0, 2, 1).reshape(len(exp), -1)
