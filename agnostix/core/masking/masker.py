"""Protocols of maskers and of the rows that they have read: tables, pictures, texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agnostix.core.explanation import Detail
from agnostix.core.masking.background_subset import BackgroundSubset, MaskBlock
from agnostix.core.masking.players import Players
from agnostix.core.sklearn_compat import HasMethods
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

MaskDistribution = Literal["bernoulli", "sizes"]
"""Each feature kept with probability 1/2, or 1 to d features hidden, each number equally likely; a single
feature is kept with probability 1/2 under both, since nothing could be learned of it otherwise."""

_MASKER = ("background", "draws", "mask_distribution", "merges", "read", "same_features", "weights")
_MASKED_ROWS = (
    "__getitem__", "__len__", "builder", "compose", "data", "details", "distinct",
    "features", "n_values", "present", "unmasked", "varying",
)  # fmt: skip


@dataclass(frozen=True)
class MaskingInputs:
    """Rows, fills and labels, for a model that composes masked rows itself.

    Attributes
    ----------
    x : ndarray of shape (n_rows, ...)
        The rows, of any shape.
    fill : ndarray of shape (n_rows or 1, n_fill, ...)
        Replacement values: the background rows, of each row or of all.
    labels : ndarray of int of shape (n_rows or 1, ...)
        The feature to which each place of a row belongs, or of its leading axes.
    """

    x: Any
    fill: Any
    labels: Codes


class Builder(Protocol):
    """Tables of rows under the masks of a block; cells (perturbed rows) are ordered by draw, then by row."""

    def distinct(self, block: MaskBlock) -> tuple[Codes, Codes] | None:
        """First cell of each kind (n_distinct,) and kind of each cell (n_cells,); None if none are equal."""

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """The model's input for some cells, (n_cells, ...)."""

    def is_whole(self, table: Any) -> bool:
        """Whether the model has left the table as it was."""


class MaskedRows(Protocol):
    """Rows that a masker has read; each may have features of its own, padded to the most that any has."""

    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, places: Any) -> MaskedRows:
        """Some of the rows, by an array of places."""

    @property
    def features(self) -> Players:
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


class MaskerConstraint(HasMethods):
    """Parameter constraint: an instance with all members of `Masker`."""

    def __init__(self) -> None:
        super().__init__(list(_MASKER))

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether a value can be used as a masker; a class cannot."""
        return not isinstance(val, type) and all(hasattr(val, name) for name in _MASKER)

    def __str__(self) -> str:
        return f"a masker, such as SegmentMasker() or TextMasker(): an instance that has {_listed(_MASKER)}"


def read_rows(masker: Masker, X: Any, features: Players | None = None) -> MaskedRows:
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
