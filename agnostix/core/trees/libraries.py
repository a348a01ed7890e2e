"""Which library a model is of, and how its trees, its rows and its margins are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.trees.averages import AVERAGES, Average, check_averages, members_of
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

_KINDS = {
    "sklearn": tuple(
        name + kind
        for name in (
            *("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees"),
            *("GradientBoosting", "HistGradientBoosting"),
        )
        for kind in ("Classifier", "Regressor")
    )
    + AVERAGES,
    "xgboost": ("XGBModel",),
    "lightgbm": ("LGBMModel",),
}
"""Classes whose trees are read, by package."""
_READABLE = (
    "scikit-learn's trees, forests and gradient boosting, XGBoost and LightGBM, also in bagging and voting"
)


@dataclass(frozen=True)
class Library:
    """How a library's model is read: its ensemble, and the matrix of a table that reaches it."""

    ensemble: TreeEnsemble
    matrix: Callable[[Any], Numbers]
    sources: Sources | None = None  # of the matrix's columns, among those of the table; None for each its own
    is_strict: bool = False  # whether the matrix of some tables is an error
    tolerance: float = _DOUBLE  # how far its predictions may be from the sums, relative to the largest
    steps: tuple[Any, ...] = ()  # that stand before models whose mean it is


def kind_of_trees(model: Any) -> tuple[str, str]:
    """The package and the class of a model whose trees can be read, or of one that it is derived from."""
    for kind in type(model).__mro__:
        package, name = kind.__module__.partition(".")[0], kind.__name__
        if name in _KINDS.get(package, ()):
            return package, name
    raise DataError(
        f"{type(model).__name__} is not read as trees: these are {_READABLE}, alone or at the end of a "
        "Pipeline. KernelSHAP explains any model: algorithm='kernel'."
    )


def read_library(model: Any, shown: Any) -> Library:
    """A model's trees, and what it makes of a table like the row that is shown."""
    package, name = kind_of_trees(model)
    if package == "xgboost":
        return _read_xgboost(model, shown)
    if package == "lightgbm":
        known = dict(zip(sorted(own_levels(shown)), model.booster_.pandas_categorical or [], strict=False))
        return Library(read_lightgbm(model)[0], partial(as_coded_matrix, levels=known))
    if name in AVERAGES:
        return _read_average(model, name, shown)
    if name.startswith("Hist"):
        return _read_hist(model, shown)
    if name.startswith("Gradient"):
        return Library(read_gradient_boosting(model), as_matrix)
    return Library(read_forest(model, is_classifier=name.endswith("Classifier")), as_matrix)


def _read_average(model: Any, name: str, shown: Any) -> Library:
    members, n_outputs = members_of(model, name)
    average = Average(shown.shape[1])

    def read(member: Any, row: Any) -> Library:
        check_averages(model, member, kind_of_trees(member)[1])
        return read_library(member, row)

    for one in members:
        average.add(one, shown, read)
    return Library(
        average.ensemble(n_outputs),
        average.matrix,
        average.sources,
        average.is_strict,
        average.tolerance,
        tuple(average.steps),
    )


def margins_of(model: Any, X: Any) -> Any:
    """What a model's trees sum to before its link function, by its library; DataError if it has no link."""
    package, name = kind_of_trees(model)
    if package == "xgboost":
        return model.predict(X, output_margin=True)
    if package == "lightgbm":
        return model.predict(X, raw_score=True) / read_lightgbm(model)[1]
    if name.startswith("Hist"):
        return model._raw_predict(X)
    if name.startswith("Gradient"):
        return getattr(model, "decision_function", model.predict)(X)
    raise DataError(f"{name} averages its trees, which have no margins.")


def _read_hist(model: Any, shown: Any) -> Library:
    encoder = getattr(model, "_preprocessor", None)
    sources = None
    if encoder is not None:
        own = [frozenset([j]) for j in range(shown.shape[1])]
        sources = trace_steps([encoder], own, model._bin_mapper.is_categorical_.size)

    def matrix(X: Any) -> Numbers:
        return as_matrix(X) if encoder is None else as_matrix(encoder.transform(X))

    return Library(read_hist_boosting(model), matrix, sources)


def _read_xgboost(model: Any, shown: Any) -> Library:
    missing, learner = model.missing, read_learner(model)
    levels = own_levels(shown) | read_levels(learner)

    def matrix(X: Any) -> Numbers:
        values = as_coded_matrix(X, levels, absent=np.nan, strict=True).astype(np.float32)  # a copy
        if missing is not None and missing == missing:
            values[values == missing] = np.nan
        return values

    return Library(read_xgboost(model, learner), matrix, is_strict=bool(levels), tolerance=_SINGLE)
