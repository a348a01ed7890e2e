"""Checks that the model sees what it was trained on, and that nobody's table is changed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agnostix.testing.asking import answers, assert_same, fitted, rows_for, takes_tables
from agnostix.testing.doubles import InteractionModel, MixedFrameModel, MutatingModel
from agnostix.testing.tables import forms, mixed, mixed_polars, named, numbers, polars


def check_frames_keep_their_types(explainer: Any) -> None:
    """The model sees a frame with the columns, dtypes, categories and missing values that it was fitted on.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    _answer_mixed(explainer, mixed())
    if polars() is not None:
        _answer_mixed(explainer, mixed_polars())


def _answer_mixed(explainer: Any, X: Any) -> None:
    model = MixedFrameModel.of(X)
    said = answers(fitted(explainer, model, X, missing="omit"), X)
    if "outputs" in said:
        assert_same({"outputs": said["outputs"][:, 0]}, {"outputs": model(X)}, "what the model says to a row")


def check_numpy_pandas_polars_same_bits(explainer: Any) -> None:
    """The same bits for the same numbers in an array, a pandas and a polars frame.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = forms(numbers())
    expected = answers(fitted(explainer, InteractionModel(), X["numpy"]), X["numpy"])
    for name, table in X.items():
        found = answers(fitted(explainer, InteractionModel(), table), table)
        assert_same(found, expected, f"the table in {name}")


def check_no_feature_name_warning(explainer: Any) -> None:
    """No warning about feature names, for a Pipeline fitted on a frame or an array, asked about either.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = named(numbers())
    y = (X["x0"] > 0).to_numpy()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    for seen in (X, X.to_numpy()):
        model = pipeline.fit(seen, y)
        for asked in (X, X.to_numpy()):
            _without_warnings(explainer, model, asked)


def _without_warnings(explainer: Any, model: Any, X: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            answers(fitted(explainer, model, X), X)
        except Warning as warning:
            raise AssertionError(f"fit or explain warns: {warning}") from warning


def check_input_unchanged(explainer: Any) -> None:
    """The tables given to fit and explain, and the weights, stay as they were.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    weights = np.random.default_rng(0).uniform(0.5, 2.0, 24)
    mixed_tables = (mixed(), np.asarray(mixed(), dtype=object)) if takes_tables(explainer) else ()
    for table in (*_forms_for(explainer).values(), *mixed_tables):
        before, weights_before = copied(table), weights.copy()
        own = fitted(explainer, _model_for(table), table, weights, missing="omit")
        answers(own, table)
        assert_unchanged(table, before)
        np.testing.assert_array_equal(weights, weights_before, "sample_weight is changed")


def check_mutating_model(explainer: Any) -> None:
    """A model that writes into its input predicts as if it did not, and changes no table.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    for name, table in _forms_for(explainer).items():
        before = copied(table)
        expected = answers(fitted(explainer, InteractionModel(), table), table)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*changes the table it is given", UserWarning)
            found = answers(fitted(explainer, MutatingModel(InteractionModel()), table), table)
        assert_same(found, expected, f"a model that writes into its table ({name})")
        assert_unchanged(table, before)


def _forms_for(explainer: Any) -> dict[str, Any]:
    """The same numbers in each library, or as images."""
    return forms(numbers()) if takes_tables(explainer) else {"images": rows_for(explainer)}


def _model_for(table: Any) -> Any:
    plain = isinstance(table, np.ndarray) and table.dtype.kind == "f"
    return InteractionModel() if plain else MixedFrameModel.of(table)


def copied(table: Any) -> Any:
    """Copy a table.

    Parameters
    ----------
    table : DataFrame or ndarray
        Of any make.

    Returns
    -------
    DataFrame or ndarray
    """
    return table.clone() if hasattr(table, "clone") else table.copy()


def assert_unchanged(table: Any, before: Any) -> None:
    """Complain of a table that was changed.

    Parameters
    ----------
    table : DataFrame or ndarray
        As it is.
    before : DataFrame or ndarray
        As it was.

    Raises
    ------
    AssertionError
        If they differ.
    """
    what = f"the {type(table).__name__} that was given is changed, which"
    if isinstance(table, np.ndarray) and table.ndim > 2:
        assert np.array_equal(table, before), what
    elif isinstance(table, pd.DataFrame | np.ndarray):
        one, other = pd.DataFrame(table), pd.DataFrame(before)
        pd.testing.assert_frame_equal(one, other, check_exact=True, obj=what)
    else:
        assert table.equals(before), f"{what} is of polars"


def check_index_means_nothing(explainer: Any) -> None:
    """The labels of a pandas frame's rows change nothing.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = named(numbers())
    odd = X.set_index(pd.Index(np.random.default_rng(0).integers(0, 9, len(X))))
    expected = answers(fitted(explainer, InteractionModel(), X), X)
    found = answers(fitted(explainer, InteractionModel(), odd), odd)
    assert_same(found, expected, "another index, with labels that repeat")
