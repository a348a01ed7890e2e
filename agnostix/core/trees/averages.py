"""Means of models that are sums of trees: bagging, voting, and one model for each label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from agnostix.core.frames import is_frame, to_array
from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.trees.matrices import as_matrix
from agnostix.core.trees.sources import Sources, trace_steps
from agnostix.core.trees.steps import transform, unfold
from agnostix.core.typing import Codes, Floats, Numbers
from agnostix.exceptions import DataError

AVERAGES = (
    *("BaggingClassifier", "BaggingRegressor", "VotingClassifier", "VotingRegressor"),
    "OneVsRestClassifier",
)
_AVERAGED = ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees", *AVERAGES)
"""Classifiers whose probabilities are sums of trees, by the beginnings of their names."""


@dataclass(frozen=True)
class Member:
    """A model that counts in a mean."""

    model: Any
    weight: float
    columns: Codes | None = None  # of the table that it gets, as an array; None for the table itself
    outputs: Codes | None = None  # places of its outputs among those of the mean, -1 for none; None for all


def members_of(model: Any, name: str) -> tuple[list[Member], int | None]:
    """The models whose mean another is, and how many outputs that has; None for as many as they have."""
    if name.startswith("Bagging"):
        chosen = zip(model.estimators_, model.estimators_features_, strict=True)
        weight = 1.0 / len(model.estimators_)
        n_classes = getattr(model, "n_classes_", None)
        return [
            Member(one, weight, np.asarray(columns), _places(one, n_classes)) for one, columns in chosen
        ], n_classes
    if name.startswith("Voting"):
        if getattr(model, "voting", "soft") != "soft":
            raise DataError(
                f"{type(model).__name__} counts votes (voting={model.voting!r}), which are no sum of trees. "
                "Use voting='soft', or algorithm='kernel'."
            )
        weights = np.ones(len(model.estimators_)) if model.weights is None else model._weights_not_none
        shares = np.asarray(weights, dtype=float) / np.sum(weights)
        return [Member(one, float(w)) for one, w in zip(model.estimators_, shares, strict=True)], None
    if len(model.estimators_) == 1:
        return [Member(model.estimators_[0], 1.0)], None
    if not model.multilabel_:
        raise DataError(
            f"{type(model).__name__} divides the probabilities of its classes by their sum, so that they are "
            "no sum of trees. Use algorithm='kernel', or a forest, which knows several classes."
        )
    labels = enumerate(model.estimators_)
    return [Member(one, 1.0, None, np.array([-1, label])) for label, one in labels], len(model.estimators_)


def _places(model: Any, n_classes: int | None) -> Codes | None:
    """Places of the classes of a bagged classifier, which are numbered."""
    return None if n_classes is None else np.asarray(model.classes_).astype(np.intp)


def check_averages(owner: Any, member: Any, name: str) -> None:
    """DataError if a classifier in a mean has probabilities that are no sums of trees."""
    if not is_classifier(member) or name.startswith(_AVERAGED):
        return
    raise DataError(
        f"{type(owner).__name__} averages probabilities of {type(member).__name__}, which are a function of "
        "sums of trees, and no such sums. Use algorithm='kernel'."
    )


@dataclass(frozen=True)
class Block:
    """Columns of the joint matrix: those that some members make of a table."""

    steps: tuple[Any, ...]
    matrix: Callable[[Any], Numbers]
    columns: Codes | None
    is_single: bool  # whether they are compared in single precision

    def __call__(self, X: Any) -> Numbers:
        """Columns (n_rows, n_columns) of a table."""
        made = self.matrix(transform(self.steps, selected(X, self.columns)))
        if not self.is_single:
            return made
        with np.errstate(over="ignore"):
            return made.astype(np.float32)


@dataclass(frozen=True)
class JointMatrix:
    """The matrix (n_rows, n_columns) that all blocks make of a table."""

    blocks: tuple[Block, ...]

    def __call__(self, X: Any) -> Numbers:
        """Blocks side by side."""
        if len(self.blocks) == 1:
            return self.blocks[0](X)
        return np.concatenate([block(X) for block in self.blocks], axis=1)


def selected(X: Any, columns: Codes | None) -> Any:
    """Columns of a table, as an array; the table itself for None."""
    if columns is None:
        return X
    return (to_array(X) if is_frame(X) else X)[:, columns]


class Average:
    """A mean of models, put together member by member."""

    def __init__(self, n_columns: int) -> None:
        self._own: Sources = [frozenset([j]) for j in range(n_columns)]
        self._blocks: list[Block] = []
        self._starts: list[int] = []
        self._parts: list[tuple[TreeEnsemble, Codes, Member]] = []
        self._shared: dict[tuple[str, bool], int] = {}
        self.sources: Sources = []
        self.steps: list[Any] = []
        self.tolerance = 0.0
        self.is_strict = False

    def add(self, member: Member, shown: Any, read: Callable[[Any, Any], Any]) -> None:
        """Add a member, as `read` gives the Library of a model and a row that is shown."""
        steps, last = unfold(member.model)
        own = self._own if member.columns is None else [self._own[j] for j in member.columns]
        before = selected(shown, member.columns)
        made = transform(steps, before)
        library = read(last, made)
        at_model = trace_steps(steps, own, made.shape[1])
        sources = library.sources or [frozenset([j]) for j in range(len(at_model))]
        sources = [frozenset(j for place in one for j in at_model[place]) for one in sources]
        is_single = library.ensemble.threshold.dtype == np.float32
        is_plain = library.matrix is as_matrix and not steps and _is_numeric(before)
        columns, places = member.columns, np.arange(len(sources))
        if is_plain and columns is not None:  # one block for all members that get columns as they are
            sources, places, columns = self._own, columns, None
        key = ("plain", is_single) if is_plain else (f"member {len(self._parts)}", is_single)
        if key not in self._shared:
            self._shared[key] = len(self.sources)
            self._blocks.append(Block(tuple(steps), library.matrix, columns, is_single))
            self.sources += sources
        self._parts.append((library.ensemble, self._shared[key] + places, member))
        self.steps += [*steps, *library.steps]
        self.tolerance = max(self.tolerance, library.tolerance)
        self.is_strict |= library.is_strict

    @property
    def matrix(self) -> JointMatrix:
        """The matrix of all members."""
        return JointMatrix(tuple(self._blocks))

    def ensemble(self, n_outputs: int | None) -> TreeEnsemble:
        """The trees of all members, times their weights."""
        if n_outputs is None:
            n_outputs = self._parts[0][0].n_outputs
        return join([_scaled(one, places, member, n_outputs) for one, places, member in self._parts])


def _is_numeric(X: Any) -> bool:
    return is_frame(X) or np.asarray(X[:1].toarray() if hasattr(X, "toarray") else X[:1]).dtype.kind in "fiub"


def _scaled(ensemble: TreeEnsemble, places: Codes, member: Member, n_outputs: int) -> TreeEnsemble:
    """A member's trees with values for all outputs, of features at their places in the joint matrix."""
    outputs = np.arange(ensemble.n_outputs) if member.outputs is None else member.outputs
    is_used = outputs >= 0

    def spread(values: Floats) -> Floats:
        result = np.zeros((*values.shape[:-1], n_outputs))
        result[..., outputs[is_used]] = values[..., is_used] * member.weight
        return result

    values = ensemble.values
    if (ensemble.outputs >= 0).any():
        of_tree = np.repeat(ensemble.outputs, ensemble.sizes)
        values = np.where(of_tree[:, None] == np.arange(ensemble.n_outputs), values[:, :1], 0.0)
    return TreeEnsemble(
        roots=ensemble.roots,
        left=ensemble.left,
        right=ensemble.right,
        column=ensemble.column,
        threshold=ensemble.threshold,
        subset=ensemble.subset,
        values=spread(values),
        outputs=np.full(ensemble.n_trees, -1),
        constant=spread(ensemble.constant),
        columns=tuple((int(places[feature]), missing) for feature, missing in ensemble.columns),
        subsets=ensemble.subsets,
    )


def join(ensembles: list[TreeEnsemble]) -> TreeEnsemble:
    """The sum of ensembles of the same features and outputs."""
    columns = sorted({column for one in ensembles for column in one.columns})
    place = {column: j for j, column in enumerate(columns)}
    n_nodes = np.array([one.left.size for one in ensembles])
    n_subsets = np.array([len(one.subsets) for one in ensembles])
    first, first_subset = (np.cumsum(sizes) - sizes for sizes in (n_nodes, n_subsets))
    dtype = np.result_type(*(one.threshold.dtype for one in ensembles))

    def shifted(name: str, starts: Codes) -> Codes:
        pairs = zip(ensembles, starts, strict=True)
        return np.concatenate([_shifted(getattr(one, name), int(start)) for one, start in pairs])

    return TreeEnsemble(
        roots=shifted("roots", first),
        left=shifted("left", first),
        right=shifted("right", first),
        column=np.concatenate(
            [
                np.array([place[column] for column in one.columns] or [0], dtype=np.intp)[one.column]
                for one in ensembles
            ]
        ),
        threshold=np.concatenate([one.threshold.astype(dtype) for one in ensembles]),
        subset=shifted("subset", first_subset),
        values=np.concatenate([one.values for one in ensembles]),
        outputs=np.concatenate([one.outputs for one in ensembles]),
        constant=np.sum([one.constant for one in ensembles], axis=0),
        columns=tuple(columns),
        subsets=tuple(subset for one in ensembles for subset in one.subsets),
    )


def _shifted(places: Codes, start: int) -> Codes:
    return np.where(places < 0, -1, places + start)
