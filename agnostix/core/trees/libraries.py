"""Which library a model is of, and how its trees, its rows and its margins are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.trees.lightgbm_trees import read_lightgbm
from agnostix.core.trees.matrices import as_coded_matrix, as_matrix, own_levels
from agnostix.core.trees.sklearn_trees import read_forest, read_gradient_boosting, read_hist_boosting
from agnostix.core.trees.sources import Sources, trace_steps
from agnostix.core.trees.xgboost_trees import read_learner, read_levels, read_xgboost
from agnostix.core.typing import Numbers
from agnostix.exceptions import DataError

_SINGLE, _DOUBLE = 1e-5, 1e-9
"""By how much the two may differ, relative to the largest prediction, by the precision of the library."""

_TREES = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
_FORESTS = (
    "RandomForestClassifier",
    "RandomForestRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
)
_READABLE = "scikit-learn's trees, forests and gradient boosting, XGBoost and LightGBM"


@dataclass(frozen=True)
class Library:
    """How a library's model is read: its ensemble, the matrix of a table that reaches it, and its margins."""

    ensemble: TreeEnsemble
    matrix: Callable[[Any], Numbers]
    margins: Callable[[Any], Any]
    sources: Sources | None = None  # of the matrix's columns, among those of the table; None for each its own
    tolerance: float = _DOUBLE  # how far its predictions may be from the sums, relative to the largest


def read_library(model: Any, shown: Any) -> Library:
    """The reader for a model, by the names of its class and of those it is derived from."""
    names = {kind.__name__: kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    for name, package in names.items():
        if package == "sklearn" and name in _TREES + _FORESTS:
            ensemble = read_forest(model, is_classifier=name.endswith("Classifier"))
            return Library(ensemble, as_matrix, partial(_no_margin, name))
        if package == "sklearn" and name.startswith("GradientBoosting"):
            return Library(
                read_gradient_boosting(model), as_matrix, getattr(model, "decision_function", model.predict)
            )
        if package == "sklearn" and name.startswith("HistGradientBoosting"):
            return _read_hist(model, shown)
        if package == "xgboost" and name == "XGBModel":
            return _read_xgboost(model, shown)
        if package == "lightgbm" and name == "LGBMModel":
            return _read_lightgbm(model, shown)
    raise DataError(
        f"{type(model).__name__} is not read as trees: these are {_READABLE}, alone or at the end of a "
        "Pipeline. KernelSHAP explains any model: algorithm='kernel'."
    )


def _no_margin(name: str, X: Any) -> Any:
    raise DataError(f"{name} has no margins.")


def _read_hist(model: Any, shown: Any) -> Library:
    encoder = getattr(model, "_preprocessor", None)
    sources = None
    if encoder is not None:
        own = [frozenset([j]) for j in range(shown.shape[1])]
        sources = trace_steps([encoder], own, model._bin_mapper.is_categorical_.size)

    def matrix(X: Any) -> Numbers:
        return as_matrix(X) if encoder is None else as_matrix(encoder.transform(X))

    return Library(read_hist_boosting(model), matrix, model._raw_predict, sources)


def _read_xgboost(model: Any, shown: Any) -> Library:
    missing, learner = model.missing, read_learner(model)
    levels = own_levels(shown) | read_levels(learner)

    def matrix(X: Any) -> Numbers:
        values = as_coded_matrix(X, levels, absent=np.nan).astype(np.float32)  # a copy
        if missing is not None and missing == missing:
            values[values == missing] = np.nan
        return values

    margins = partial(model.predict, output_margin=True)
    return Library(read_xgboost(model, learner), matrix, margins, tolerance=_SINGLE)


def _read_lightgbm(model: Any, shown: Any) -> Library:
    known = model.booster_.pandas_categorical or []
    levels = dict(zip(sorted(own_levels(shown)), known, strict=False))
    ensemble, n_averaged = read_lightgbm(model)

    def margins(X: Any) -> Any:
        return model.predict(X, raw_score=True) / n_averaged

    return Library(ensemble, partial(as_coded_matrix, levels=levels), margins)
