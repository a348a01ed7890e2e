"""Models as tree ensembles: whose they are, what stands before them, and whether the reading is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.frames import build_table, column_names, column_values, is_frame, take_rows, without_index
from agnostix.core.masking import Features
from agnostix.core.models import Predictor
from agnostix.core.models.outputs import match_columns
from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.trees.lightgbm_trees import read_lightgbm
from agnostix.core.trees.matrices import as_coded_matrix, as_matrix, own_levels
from agnostix.core.trees.sklearn_trees import read_forest, read_gradient_boosting, read_hist_boosting
from agnostix.core.trees.sources import Sources, trace_steps
from agnostix.core.trees.xgboost_trees import read_learner, read_levels, read_xgboost
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError

_N_CHECKED = 64
"""Rows, and mixtures of rows, that both the model and its reading predict."""
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


@dataclass(frozen=True)
class TreeModel:
    """A model read as a tree ensemble, with the player that each of its columns belongs to."""

    ensemble: TreeEnsemble
    owner: Codes  # (n_columns,) player of each column that splits compare
    matrix: Callable[[Any], Numbers]  # features (n_rows, n_features) of a table
    margins: Callable[[Any], Any]  # of a table, by the library
    is_margin: bool  # whether the ensemble's sum is the model's margin, not its prediction
    name: str

    def read(self, table: Any) -> Numbers:
        """Columns (n_columns, n_rows) that splits compare, of a table."""
        return self.ensemble.read(self.matrix(table))

    def predict(self, table: Any) -> Floats:
        """Sums of the trees (n_rows, n_outputs)."""
        return self.ensemble.predict(self.read(table))


def read_trees(predictor: Predictor, table: Any, features: Features) -> TreeModel:
    """A model as a tree ensemble, checked on rows of a table; DataError if it is none or the check fails."""
    model = getattr(predictor.function, "__self__", None)
    name = predictor.name
    if model is None:
        raise DataError(
            f"The model {name} is a function, whose trees cannot be seen. Pass the estimator or Pipeline "
            "itself."
        )
    positions, present = _own_columns(predictor, table)
    steps, last = _unfold(model)
    shown = _transform(steps, present(take_rows(table, slice(0, 1))))
    library = _read_library(last, shown)

    def transformed(rows: Any) -> Any:
        return _transform(steps, present(rows))

    def matrix(rows: Any) -> Numbers:
        return library.matrix(transformed(rows))

    n_features = int(matrix(take_rows(table, slice(0, 1))).shape[1])
    at_model = trace_steps(steps, [frozenset([j]) for j in positions], shown.shape[1])
    sources = [frozenset([j]) for j in range(len(at_model))] if library.sources is None else library.sources
    sources = [frozenset(j for place in one for j in at_model[place]) for one in sources]
    if len(sources) != n_features:
        raise DataError(
            f"The steps of {name} make {n_features} columns, and {len(sources)} could be traced to the table."
        )
    owner = _find_owner(library.ensemble, sources, features, table, steps)
    read = TreeModel(
        library.ensemble, owner, matrix, lambda rows: library.margins(transformed(rows)), False, name
    )
    return _checked(read, predictor, table, features)


def _own_columns(predictor: Predictor, table: Any) -> tuple[list[int], Callable[[Any], Any]]:
    """Positions of the columns that the model gets, and a table as it gets it."""
    if predictor.columns is None or not is_frame(table):
        return list(range(table.shape[1])), predictor.present
    names = column_names(table)
    return [
        names.index(one) for one in match_columns(predictor.columns, names, predictor.name)
    ], predictor.present


def _unfold(model: Any) -> tuple[list[Any], Any]:
    """The steps before the last of a Pipeline, and the last; a search and a FrozenEstimator are unfolded."""
    steps: list[Any] = []
    while True:
        if getattr(model, "steps", None):
            steps += [step for _, step in model.steps[:-1]]
            model = model.steps[-1][1]
            continue
        inner = model.best_estimator_ if hasattr(model, "best_estimator_") else None
        if type(model).__name__ == "FrozenEstimator":
            inner = model.estimator
        if inner is None:
            return steps, model
        model = inner


def _transform(steps: list[Any], X: Any) -> Any:
    for step in steps:
        if step is not None and not isinstance(step, str):
            X = step.transform(X)
    return X


def _read_library(model: Any, shown: Any) -> Library:
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
        values = as_coded_matrix(X, levels, absent=np.nan).astype(np.float32)
        return (
            values if missing is None or missing != missing else np.where(values == missing, np.nan, values)
        )

    return Library(read_xgboost(model, learner), matrix, partial(model.predict, output_margin=True))


def _read_lightgbm(model: Any, shown: Any) -> Library:
    known = model.booster_.pandas_categorical or []
    levels = dict(zip(sorted(own_levels(shown)), known, strict=False))
    ensemble, n_averaged = read_lightgbm(model)

    def margins(X: Any) -> Any:
        return model.predict(X, raw_score=True) / n_averaged

    return Library(ensemble, partial(as_coded_matrix, levels=levels), margins)


def _find_owner(
    ensemble: TreeEnsemble, sources: Sources, features: Features, table: Any, steps: list[Any]
) -> Codes:
    """Player of each column that splits compare; DataError where a column is made of several players'."""
    player = {j: number for number, columns in enumerate(features.columns) for j in columns}
    owner = np.zeros(len(ensemble.columns), dtype=np.intp)
    for place, (feature, _) in enumerate(ensemble.columns):
        players = sorted({player[j] for j in sources[feature]})
        if len(players) > 1:
            shown = ", ".join(features.names[one] for one in players[:5]) + (", ..." if players[5:] else "")
            mixing = " > ".join(type(step).__name__ for step in steps if not isinstance(step, str | None))
            raise DataError(
                f"The model splits on a column that its steps ({mixing}) make of several features ({shown}), "
                "so that a split is no condition of one of them. Let them be one with "
                "feature_groups={'group': [...]}, or use algorithm='kernel'."
            )
        owner[place] = players[0] if players else 0
    return owner


def _checked(read: TreeModel, predictor: Predictor, table: Any, features: Features) -> TreeModel:
    """The model as read, once it predicts rows of the table and mixtures of them as the library does."""
    n_rows = int(table.shape[0])
    rows = np.unique(np.linspace(0, n_rows - 1, min(n_rows, _N_CHECKED)).astype(np.intp))
    rng = np.random.default_rng(0)
    own = rng.random((_N_CHECKED, len(features.names))) < 0.5
    one, other = rng.integers(0, n_rows, (2, _N_CHECKED))
    whole, mixed = take_rows(table, rows), _mix(table, one, other, own, features)
    first, second = read.read(take_rows(table, one)), read.read(take_rows(table, other))
    columns = np.concatenate([read.read(whole), np.where(own[:, read.owner].T, first, second)], axis=1)
    own_sums = read.ensemble.predict(columns)
    tolerance = _SINGLE if read.ensemble.threshold.dtype == np.float32 and _is_single(read) else _DOUBLE
    apart = []
    for is_margin, function in ((False, predictor.predict), (True, read.margins)):
        try:
            made = [np.asarray(function(X), dtype=float).reshape(X.shape[0], -1) for X in (whole, mixed)]
        except DataError:
            continue
        theirs = np.concatenate(made)
        if theirs.shape != own_sums.shape:
            continue
        apart.append(float(np.abs(theirs - own_sums).max()))
        if apart[-1] <= tolerance * max(float(np.abs(theirs).max()), 1e-3):
            return TreeModel(read.ensemble, read.owner, read.matrix, read.margins, is_margin, read.name)
    far = f" by up to {min(apart):.3g}" if apart else ""
    raise DataError(
        f"The trees read of {read.name} do not predict as it does: their sums differ{far} on "
        f"{len(own_sums)} rows and mixtures of rows. Its version may store something that is not known. Use "
        "algorithm='kernel'."
    )


def _is_single(read: TreeModel) -> bool:
    return bool((read.ensemble.values == read.ensemble.values.astype(np.float32)).all())


def _mix(table: Any, one: Codes, other: Codes, own: Bools, features: Features) -> Any:
    """Rows that have some features (n_rows, n_features) of one row, the others of another."""
    first, second = take_rows(table, one), take_rows(table, other)
    mixed = {}
    for number, columns in enumerate(features.columns):
        for j in columns:
            values = column_values(first, j)
            others = column_values(second, j)
            places = np.where(own[:, number], np.arange(one.size), one.size + np.arange(one.size))
            mixed[j] = _joined(values, others)[places]
    return build_table(without_index(first), mixed)


def _joined(values: Any, others: Any) -> Any:
    if isinstance(values, np.ndarray):
        return np.concatenate([values, others])
    if hasattr(values, "_concat_same_type"):
        return type(values)._concat_same_type([values, others])
    return values.clone().append(others)
