"""Models as tree ensembles: whose they are, what stands before them, and whether the reading is right."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.frames import column_names, is_frame, take_rows
from agnostix.core.masking import Features
from agnostix.core.models import Predictor
from agnostix.core.models.outputs import match_columns
from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.trees.libraries import Library, kind_of_trees, margins_of, read_library
from agnostix.core.trees.mixing import find_mixing, mix_rows, moved_features, telling_rows
from agnostix.core.trees.sources import Sources, are_on_trust, trace_steps
from agnostix.core.trees.steps import shown_steps, transform, unfold
from agnostix.core.typing import Codes, Floats, Numbers
from agnostix.exceptions import DataError

_MOST_PLACES = 2**17
"""Rows times trees that are passed down at once."""
_AT_ONCE = 2**12
"""Rows of which the matrix is tried at once."""
_N_CHECKED = 64
"""Rows, and mixtures of rows, that both the model and its reading predict."""
_N_TELLING, _MOST_TELLING = 2, 64
"""The ends and rarest values of each column of which rows are added, and how many at most."""


@dataclass(frozen=True)
class TreeModel:
    """A model read as a tree ensemble, with the player that each of its columns belongs to."""

    ensemble: TreeEnsemble
    owner: Codes  # (n_columns,) player of each column that splits compare
    matrix: Callable[[Any], Numbers]  # features (n_rows, n_features) of a table
    margins: Predictor  # by the library
    n_features: int
    name: str
    is_margin: bool = False  # whether the ensemble's sum is the model's margin, not its prediction
    rounding: float = 0.0  # by how much sums may differ from what the model returns
    on_trust: tuple[Any, ...] = ()  # the steps before it if what they make of which column was tried out
    n_model_rows: int = 0  # rows that the model predicted as a check

    def read(self, table: Any) -> Numbers:
        """Columns (n_columns, n_rows) that splits compare, of a table."""
        return self.ensemble.read(self.matrix(table))

    def predict(self, table: Any) -> Floats:
        """Sums of the trees (n_rows, n_outputs), of some rows at a time."""
        n_rows, step = int(table.shape[0]), max(1, _MOST_PLACES // (self.ensemble.n_trees + self.n_features))
        parts = (take_rows(table, slice(start, start + step)) for start in range(0, n_rows, step))
        return np.concatenate([self.ensemble.predict(self.read(part)) for part in parts])

    def check_mixtures(self, table: Any, background: Any, features: Features, rows: Codes) -> None:
        """DataError where rows make a step mix features that it does not mix in the background."""
        if not self.on_trust:
            return
        others = np.random.default_rng(0).integers(0, int(background.shape[0]), rows.size)
        moved = moved_features(self.read, self.owner, table, take_rows(background, others), features)
        if moved.size:
            raise _mixes(self.on_trust, moved, features, ", in the explained rows,")

    @property
    def n_leaves(self) -> int:
        """Leaves of all trees."""
        return int((self.ensemble.left < 0).sum())


def read_trees(predictor: Predictor, table: Any, features: Features) -> TreeModel:
    """A model as a tree ensemble, checked on rows of a table; DataError if it is none or the check fails."""
    model, name = _model_of(predictor), predictor.name
    if model is None:
        raise DataError(
            f"The model {name} is a function, whose trees cannot be seen. Pass the estimator or Pipeline "
            "itself."
        )
    positions, present = _own_columns(predictor, table)
    steps, last = unfold(model)
    kind_of_trees(last)  # or an error, before anything costs
    shown = transform(steps, present(take_rows(table, slice(0, 1))))
    library = _read(last, shown)

    before = tuple(steps)

    def matrix(rows: Any) -> Numbers:
        return library.matrix(transform(before, present(rows)))

    n_features = int(matrix(take_rows(table, slice(0, 1))).shape[1])
    at_model = trace_steps(steps, [frozenset([j]) for j in positions], shown.shape[1])
    sources = [frozenset([j]) for j in range(len(at_model))] if library.sources is None else library.sources
    sources = [frozenset(j for place in one for j in at_model[place]) for one in sources]
    if len(sources) != n_features:
        raise DataError(
            f"The steps of {name} make {n_features} columns, and {len(sources)} could be traced to the table."
        )
    steps += library.steps  # of the models that it averages
    owner = _find_owner(library.ensemble, sources, features, steps)

    margins = margin_predictor(predictor)
    read = TreeModel(library.ensemble, owner, matrix, margins, n_features, name)
    if library.is_strict:
        for start in range(0, int(table.shape[0]), _AT_ONCE):
            matrix(take_rows(table, slice(start, start + _AT_ONCE)))
    if are_on_trust(steps):
        read = replace(read, on_trust=tuple(steps))
        moved, unproved = find_mixing(read.read, owner, table, features)
        if moved.size:
            raise _mixes(read.on_trust, moved, features, "")
        if unproved.size:
            raise DataError(
                f"Whether the steps of {name} ({shown_steps(steps)}) make each column of one feature cannot "
                f"be seen, since {_named(unproved, features)} has one value in the table. Fit on rows that "
                "differ there, or use algorithm='kernel'."
            )
    return _checked(read, library, predictor, table, features)


def _named(players: Sequence[int] | Codes, features: Features) -> str:
    return ", ".join(features.names[one] for one in players[:5]) + (", ..." if len(players) > 5 else "")


def _mixes(steps: Sequence[Any], moved: Codes, features: Features, where: str) -> DataError:
    return DataError(
        f"The steps {shown_steps(steps)}{where} make columns that belong to {_named(moved, features)} of "
        "other features or rows too, so that a split is no condition of one feature. Let those that are "
        "mixed be one with feature_groups={'group': [...]}, or use algorithm='kernel'."
    )


@dataclass(frozen=True)
class MarginFunction:
    """A model's margins, for a Predictor; `mirrored` for both of two classes, less it and it."""

    model: Any
    mirrored: bool

    def __call__(self, X: Any) -> Any:
        """Margins (n_rows,) or (n_rows, n_outputs) of a table."""
        steps, last = unfold(self.model)
        margins = np.asarray(margins_of(last, transform(steps, X)), dtype=float)
        if not self.mirrored:
            return margins
        return np.stack([-margins.ravel(), margins.ravel()], axis=1)


def margin_predictor(predictor: Predictor) -> Predictor:
    """The same model as one that predicts margins, of each class for a classifier."""
    if isinstance(predictor.function, MarginFunction):
        return predictor
    function = MarginFunction(_model_of(predictor), _has_two_classes(predictor))
    return replace(predictor, function=function, response="decision_function", exclusive=None)


def _has_two_classes(predictor: Predictor) -> bool:
    return predictor.classes is not None and len(predictor.classes) == 2


def _model_of(predictor: Predictor) -> Any:
    """The estimator behind a predictor; None for a function."""
    if isinstance(predictor.function, MarginFunction):
        return predictor.function.model
    return getattr(predictor.function, "__self__", None)


def _read(model: Any, shown: Any) -> Library:
    """A model's trees; DataError where its version stores them in another way."""
    try:
        return read_library(model, shown)
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"The trees of {type(model).__name__} cannot be read from its version, {_version(model)} "
            f"({type(error).__name__}: {error}). Use algorithm='kernel'."
        ) from error


def _version(model: Any) -> str:
    package = type(model).__module__.partition(".")[0]
    return f"{package} {getattr(sys.modules.get(package), '__version__', '?')}"


def _own_columns(predictor: Predictor, table: Any) -> tuple[list[int], Callable[[Any], Any]]:
    """Positions of the columns that the model gets, and a table as it gets it."""
    if predictor.columns is None or not is_frame(table):
        return list(range(table.shape[1])), predictor.present
    names = column_names(table)
    return [
        names.index(one) for one in match_columns(predictor.columns, names, predictor.name)
    ], predictor.present


def _find_owner(ensemble: TreeEnsemble, sources: Sources, features: Features, steps: list[Any]) -> Codes:
    """Player of each column that splits compare; DataError where a column is made of several players'."""
    player = {j: number for number, columns in enumerate(features.columns) for j in columns}
    owner = np.zeros(len(ensemble.columns), dtype=np.intp)
    for place, (feature, _) in enumerate(ensemble.columns):
        players = sorted({player[j] for j in sources[feature]})
        if len(players) > 1:
            raise DataError(
                f"The model splits on a column that its steps ({shown_steps(steps)}) make of several "
                f"features ({_named(players, features)}), so that a split is no condition of one of "
                "them. Let them be one with feature_groups={'group': [...]}, or use algorithm='kernel'."
            )
        owner[place] = players[0] if players else 0
    return owner


def _checked(
    read: TreeModel, library: Library, predictor: Predictor, table: Any, features: Features
) -> TreeModel:
    """The model as read, once it predicts rows of the table and mixtures of them as the library does."""
    n_rows, rng = int(table.shape[0]), np.random.default_rng(0)
    telling = telling_rows(table, _N_TELLING)
    telling = telling[
        np.unique(np.linspace(0, telling.size - 1, min(telling.size, _MOST_TELLING)).astype(int))
    ]
    spread = np.linspace(0, n_rows - 1, min(n_rows, _N_CHECKED)).astype(np.intp)
    rows = np.unique(np.concatenate([spread, telling]))
    one, other = rng.integers(0, n_rows, (2, _N_CHECKED + telling.size))
    other[_N_CHECKED:] = telling
    own = rng.random((one.size, len(features.names))) < 0.5
    first, second = take_rows(table, one), take_rows(table, other)
    tables = take_rows(table, rows), mix_rows(first, second, own, features)
    mixed = np.where(own[:, read.owner].T, read.read(first), read.read(second))
    sums = read.ensemble.predict(np.concatenate([read.read(tables[0]), mixed], axis=1))
    n_tried = 0
    apart = []
    for is_margin in (False, True):
        if is_margin and sums.shape[1] == 1 and _has_two_classes(predictor):
            read = replace(read, ensemble=read.ensemble.mirrored())
            sums = np.concatenate([-sums, sums], axis=1)
        n_tried += len(sums)
        made = _margins_of(read, tables) if is_margin else [predictor.predict(one) for one in tables]
        if made is None:
            continue
        theirs = np.concatenate([np.asarray(part, dtype=float).reshape(len(part), -1) for part in made])
        if theirs.shape != sums.shape:
            continue
        apart.append(float(np.abs(theirs - sums).max()))
        rounding = library.tolerance * float(np.abs(theirs).max())
        if apart[-1] <= rounding:
            return replace(read, is_margin=is_margin, rounding=rounding, n_model_rows=n_tried)
    far = f" by up to {min(apart):.3g}" if apart else ""
    raise DataError(
        f"The trees read of {read.name} do not predict as it does: their sums differ{far} on {len(sums)} "
        f"rows and mixtures of rows. Its version, {_version(unfold(_model_of(predictor))[1])}, may store "
        "something that is not known, or its predict may do more than sum trees. Use algorithm='kernel'."
    )


def _margins_of(read: TreeModel, tables: tuple[Any, Any]) -> list[Any] | None:
    """Margins of tables by the library; None where it has none."""
    try:
        return [read.margins.predict(one) for one in tables]
    except Exception:  # of any library, which a model without margins may raise
        return None
