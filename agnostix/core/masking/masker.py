"""Maskers, the rows that they read, and masks with the background rows that each needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from scipy import sparse

from agnostix.core.explanation import Detail
from agnostix.core.features import Features
from agnostix.core.sklearn_compat import HasMethods
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError

MAX_FEATURES = 20
MaskDistribution = Literal["bernoulli", "sizes"]
"""Each feature kept with probability 1/2, or 1 to d features hidden, each number equally likely; a single
feature is kept with probability 1/2 under both, since nothing could be learned of it otherwise."""
_MASKER = ("background", "draws", "mask_distribution", "merges", "read", "same_features", "weights")
_MASKED_ROWS = (
    "__getitem__", "__len__", "builder", "compose", "data", "details", "distinct",
    "features", "n_values", "present", "unmasked", "varying",
)  # fmt: skip


class Masker(Protocol):
    """Hides features of rows behind background rows or fill values."""

    @property
    def background(self) -> Any:
        """Background rows (n_background, ...) that a model can predict, or None."""

    @property
    def weights(self) -> Floats:
        """Weights of the background rows or fills, (n_background,), adding up to 1."""

    @property
    def mask_distribution(self) -> MaskDistribution:
        """How LIME draws masks."""

    @property
    def same_features(self) -> bool:
        """Whether a feature is the same in every row, so that its values can be a column."""

    @property
    def merges(self) -> bool:
        """Whether perturbed rows are often equal, so that looking for duplicates pays."""

    def draws(self, masks: Bools) -> list[BackgroundSubset]:
        """The background rows to average over for each mask (n_masks, n_features)."""

    def read(self, X: Any) -> MaskedRows:
        """Rows of X, checked, with their features; DataError if X cannot be masked."""


class MaskedRows(Protocol):
    """Rows that a masker has read; each may have features of its own, padded to the most that any has."""

    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, places: Any) -> MaskedRows:
        """Some of the rows, by an array of places."""

    @property
    def features(self) -> Features:
        """What is hidden together, n_features of them."""

    @property
    def present(self) -> Bools:
        """Features that each row has, (n_rows, n_features)."""

    @property
    def varying(self) -> Bools:
        """Features of each row that differ from the background, (n_rows, n_features)."""

    @property
    def unmasked(self) -> Any:
        """The model's input with nothing hidden, n_rows rows."""

    @property
    def data(self) -> Any:
        """The rows as an Explanation stores them."""

    @property
    def n_values(self) -> int:
        """Numbers in a row, for the working memory."""

    def details(self) -> dict[str, Detail]:
        """What an Explanation keeps of the features besides their names, by name."""

    def distinct(self) -> tuple[Codes, Codes]:
        """First row of each kind (n_distinct,) and kind of each row (n_rows,)."""

    def builder(self, rows: Codes, capacity: int) -> Builder:
        """Builder for some rows, of at most `capacity` cells at once; 0 if unknown."""

    def compose(self, rows: Codes) -> MaskingInputs | None:
        """Some rows for a model that composes masked rows itself; None if they are not numeric arrays."""


@runtime_checkable
class Narrowing(Protocol):
    """Masked rows of which some features are hidden at a cost that does not depend on how many others are."""

    @property
    def masker(self) -> Masker:
        """The masker of the features that may be hidden."""

    def narrow(self, features: Codes) -> Any:
        """The rows with some of the features (n_narrow,), all others of which stay as they are."""


def widen_masks(masks: Bools, features: Codes, n_features: int) -> Bools:
    """Masks (n_masks, n_features) of all features, from those (n_masks, n_narrow) of some."""
    wide = np.ones((len(masks), n_features), dtype=bool)
    wide[:, features] = masks
    return wide


def narrowed(
    masker: Masker, rows: MaskedRows, masks: Bools, features: Codes | None
) -> tuple[Masker, MaskedRows, Bools]:
    """A masker and rows for masks (n_masks, n_narrow) of some features, else masks of all features."""
    if features is None:
        return masker, rows, masks
    if isinstance(rows, Narrowing):
        own = rows.narrow(features)
        return own.masker, own, masks
    return masker, rows, widen_masks(masks, features, len(rows.features.names))


class Builder(Protocol):
    """Tables of rows under the masks of a block; cells (perturbed rows) are ordered by draw, then by row."""

    def distinct(self, block: MaskBlock) -> tuple[Codes, Codes] | None:
        """First cell of each kind (n_distinct,) and kind of each cell (n_cells,); None if none are equal."""

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """The model's input for some cells, (n_cells, ...)."""

    def is_whole(self, table: Any) -> bool:
        """Whether the model has left the table as it was."""


@dataclass(frozen=True)
class MaskingInputs:
    """Rows, fills and labels, for a model that composes masked rows itself."""

    x: Any  # (n_rows, ...)
    fill: Any  # (n_rows or 1, n_fill, ...): the background rows, of each row or of all
    labels: Codes  # (n_rows or 1, ...): the feature of each place of a row, or of its leading axes


class MaskerConstraint(HasMethods):
    """Parameter constraint: an instance with all members of `Masker`."""

    def __init__(self) -> None:
        super().__init__(list(_MASKER))

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether a value can be used as a masker; a class cannot."""
        return not isinstance(val, type) and all(hasattr(val, name) for name in _MASKER)

    def __str__(self) -> str:
        return f"a masker, such as SegmentMasker() or TextMasker(): an instance that has {_listed(_MASKER)}"


def read_rows(masker: Masker, X: Any, features: Features | None = None) -> MaskedRows:
    """Masked rows of X, with the features seen in `fit` where all rows have the same."""
    rows = masker.read(X)
    missing = [name for name in _MASKED_ROWS if not hasattr(type(rows), name) and not hasattr(rows, name)]
    if missing:
        raise DataError(
            f"{type(masker).__name__}.read must return masked rows, but the {type(rows).__name__} that it "
            f"returned has no {_listed(missing)}. See agnostix.core.masking.MaskedRows."
        )
    if features is None or not masker.same_features:
        return rows
    n_given, n_seen = len(rows.features.names), len(features.names)
    if n_given != n_seen:
        raise DataError(
            f"The rows of X have {n_given} features where those seen in fit had {n_seen}. Pass rows of "
            "their size, or fit again."
        )
    return rows


def _listed(names: Any) -> str:
    *first, last = map(repr, names)
    return f"{', '.join(first)} and {last}" if first else last


@dataclass(frozen=True)
class BackgroundSubset:
    """Background rows that differ in what a mask hides, one for each distinct set of hidden values."""

    rows: Codes  # (n_draws,)
    weights: Numbers  # (n_draws,), adding up to 1
    which: Codes  # (n_background,): the place in `rows` of each background row

    @cached_property
    def averaging(self) -> sparse.csr_array:
        """The weights as a matrix of one row; draws that many masks share have it once."""
        return _averaging(self.weights, np.array([0, self.weights.size]))


def _averaging(weights: Floats, starts: Codes) -> sparse.csr_array:
    shape = (starts.size - 1, weights.size)
    return sparse.csr_array((weights, np.arange(weights.size), starts), shape=shape)


def fill_subsets(masks: Bools, weights: Floats) -> list[BackgroundSubset]:
    """For each mask (n_masks, n_features), all fills (n_fill,), or the first where nothing is hidden."""
    every = np.arange(weights.size)
    nothing = np.zeros_like(every)
    hidden = BackgroundSubset(every, weights, every)
    whole = BackgroundSubset(nothing[:1], np.ones(1), nothing)
    return [whole if mask.all() else hidden for mask in masks]


@dataclass(frozen=True)
class MaskBlock:
    """Consecutive masks and the background rows of each, which are evaluated and averaged together."""

    places: slice  # of the masks in their stage
    masks: Bools  # (n_masks, n_features), True where the row's own values stay
    draws: tuple[BackgroundSubset, ...]  # one for each mask

    @cached_property
    def starts(self) -> Codes:
        """Where each mask's draws start, and where the last ones end."""
        return np.cumsum([0, *(part.rows.size for part in self.draws)])

    @property
    def n_draws(self) -> int:
        """Draws of all masks."""
        return int(self.starts[-1])

    @cached_property
    def spans(self) -> tuple[slice, ...]:
        """The draws of each mask."""
        return tuple(slice(*pair) for pair in zip(self.starts, self.starts[1:], strict=False))

    @cached_property
    def rows(self) -> Codes:
        """Background rows of all draws, of shape (n_draws,)."""
        return np.concatenate([part.rows for part in self.draws])

    @cached_property
    def heaviest(self) -> Codes:
        """The draw of most weight under each mask, of shape (n_masks,)."""
        within = [part.weights.argmax() for part in self.draws]
        return self.starts[:-1] + np.array(within, dtype=np.intp)

    def counted(self, predictions: Floats) -> tuple[Floats, Floats]:
        """Predictions (n_draws, n_rows, n_outputs) less that of each mask's heaviest draw, and the latter.

        Equal predictions then average to themselves and have a variance of exactly 0. Shapes of the result:
        (n_draws, n_rows * n_outputs), a copy, and (n_masks, n_rows * n_outputs).
        """
        flat = predictions.reshape(self.n_draws, -1)
        apart, middle = np.empty_like(flat), flat[self.heaviest]
        for span, reference in zip(self.spans, middle, strict=True):
            np.subtract(flat[span], reference, out=apart[span])
        return apart, middle

    @cached_property
    def averaging(self) -> sparse.csr_array:
        """Weights of the draws as a matrix (n_masks, n_draws)."""
        if len(self.draws) == 1:
            return self.draws[0].averaging
        # A sparse product adds draw after draw, each column for itself, so that the bits of an average do not
        # depend on what else is averaged with it.
        return _averaging(np.concatenate([part.weights for part in self.draws]), self.starts)

    def averaging_by(self, groups: Codes, weights: Floats) -> sparse.csr_array:
        """Weights of the draws in means over groups (n_background,), shape (n_masks * n_groups, n_draws)."""
        if id(groups) not in self._averages:
            self._averages[id(groups)] = self._averaged_by(groups, weights)
        return self._averages[id(groups)]

    @cached_property
    def _averages(self) -> dict[int, sparse.csr_array]:
        """What `averaging_by` has made, for groups that its caller keeps."""
        return {}

    def _averaged_by(self, groups: Codes, weights: Floats) -> sparse.csr_array:
        order = np.argsort(groups, kind="stable")
        fractions = (weights / np.bincount(groups, weights)[groups])[order]
        places = [start + part.which[order] for start, part in zip(self.starts, self.draws, strict=False)]
        ends = np.cumsum(np.tile(np.bincount(groups), len(self.draws)))
        entries = (np.tile(fractions, len(self.draws)), np.concatenate(places), np.concatenate([[0], ends]))
        return sparse.csr_array(entries, shape=(ends.size, self.n_draws))


def all_masks(n_features: int) -> Bools:
    """Every mask (2**n_features, n_features): row j has the binary digits of j, lowest first."""
    if not 1 <= n_features <= MAX_FEATURES:
        raise ValueError(
            f"All masks can be listed for n_features between 1 and {MAX_FEATURES}, got {n_features}; "
            "sample some instead."
        )
    codes = np.arange(2**n_features, dtype=np.int64)
    return (codes[:, None] >> np.arange(n_features)) & 1 == 1
