"""Checks of inputs: the model sees tables as it was trained on, and nobody's table is changed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agnostix.testing.doubles import InteractionModel, MixedFrameModel
from agnostix.testing.faulty_doubles import MutatingModel
from agnostix.testing.harness import assert_identical, fit_clone, make_rows, results, takes_tables
from agnostix.testing.tables import forms, mixed, mixed_polars, named, numbers, polars


def check_frame_dtypes_preserved(explainer: Any) -> None:
    """The model sees the library, columns, dtypes, categories and missing values it was fitted on."""
    _explain_mixed(explainer, mixed())
    if polars() is not None:
        _explain_mixed(explainer, mixed_polars())


def _explain_mixed(explainer: Any, X: Any) -> None:
    model = MixedFrameModel.from_table(X)
    arrays = results(fit_clone(explainer, model, X, missing="omit"), X)
    if "outputs" in arrays:
        assert_identical({"outputs": arrays["outputs"][:, 0]}, {"outputs": model(X)}, "predictions of rows")


def check_numpy_pandas_polars_invariance(explainer: Any) -> None:
    """Equal to the bit for the same numbers in an array, a pandas and a polars frame."""
    X = forms(numbers())
    expected = results(fit_clone(explainer, InteractionModel(), X["numpy"]), X["numpy"])
    for name, table in X.items():
        actual = results(fit_clone(explainer, InteractionModel(), table), table)
        assert_identical(actual, expected, f"the table in {name}")


def check_index_invariance(explainer: Any) -> None:
    """The index of a pandas frame changes nothing."""
    X = named(numbers())
    duplicated = X.set_index(pd.Index(np.random.default_rng(0).integers(0, 9, len(X))))
    expected = results(fit_clone(explainer, InteractionModel(), X), X)
    actual = results(fit_clone(explainer, InteractionModel(), duplicated), duplicated)
    assert_identical(actual, expected, "another index, with duplicates")


def check_no_feature_name_warning(explainer: Any) -> None:
    """No warning about feature names from a Pipeline fitted on a frame or an array, given either."""
    X = named(numbers())
    y = (X["x0"] > 0).to_numpy()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    for trained_on in (X, X.to_numpy()):
        model = pipeline.fit(trained_on, y)
        for table in (X, X.to_numpy()):
            _explain_without_warnings(explainer, model, table)


def _explain_without_warnings(explainer: Any, model: Any, X: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            results(fit_clone(explainer, model, X), X)
        except Warning as warning:
            raise AssertionError(f"fit or explain warns: {warning}") from warning


def check_input_unchanged(explainer: Any) -> None:
    """Tables and weights given to fit and explain are not changed."""
    weights = np.random.default_rng(0).uniform(0.5, 2.0, 24)
    mixed_tables = (mixed(), np.asarray(mixed(), dtype=object)) if takes_tables(explainer) else ()
    for table in (*_inputs_for(explainer).values(), *mixed_tables):
        before, weights_before = copy_table(table), weights.copy()
        fitted = fit_clone(explainer, _model_for(table), table, weights, missing="omit")
        results(fitted, table)
        assert_unchanged(table, before)
        np.testing.assert_array_equal(weights, weights_before, "sample_weight was changed")


def check_mutating_model(explainer: Any) -> None:
    """A model that writes into its input gets copies: the same results, and no input is changed."""
    for name, table in _inputs_for(explainer).items():
        before = copy_table(table)
        expected = results(fit_clone(explainer, InteractionModel(), table), table)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*changes the table it is given", UserWarning)
            actual = results(fit_clone(explainer, MutatingModel(InteractionModel()), table), table)
        assert_identical(actual, expected, f"a model that writes into its input ({name})")
        assert_unchanged(table, before)


def _inputs_for(explainer: Any) -> dict[str, Any]:
    """The same numbers in each library, or as images."""
    return forms(numbers()) if takes_tables(explainer) else {"images": make_rows(explainer)}


def _model_for(table: Any) -> Any:
    is_numeric = isinstance(table, np.ndarray) and table.dtype.kind == "f"
    return InteractionModel() if is_numeric else MixedFrameModel.from_table(table)


def copy_table(table: Any) -> Any:
    """A copy of a table of any library."""
    return table.clone() if hasattr(table, "clone") else table.copy()


def assert_unchanged(table: Any, before: Any) -> None:
    """Fail if a table, or an array of images, is not what it was."""
    message = f"the input {type(table).__name__} was changed"
    if isinstance(table, np.ndarray) and table.ndim > 2:
        assert np.array_equal(table, before), message
    elif isinstance(table, pd.DataFrame | np.ndarray):
        one, other = pd.DataFrame(table), pd.DataFrame(before)
        pd.testing.assert_frame_equal(one, other, check_exact=True, obj=f"{message}: it")
    else:
        assert table.equals(before), message
