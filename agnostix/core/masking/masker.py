"""What the engine asks of a masker, whatever it masks: tables, pictures, texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agnostix.core.masking.background_subset import BackgroundSubset, MaskBlock
from agnostix.core.masking.players import Players
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

Law = Literal["bernoulli", "sizes"]
"""Each player kept with chance 1/2, or 1 to d players left out, each number alike likely; but one player
alone is kept with chance 1/2, since nothing could be learned of it otherwise."""

MASKER_METHODS = [
    "builder", "compose", "data", "distinct", "draws", "extras",
    "players_of", "present", "read", "unmasked", "varying", "width",
]  # fmt: skip
"""What an object must have to be taken for a masker."""


@dataclass(frozen=True)
class MaskingInputs:
    """Rows in pieces, for a model that puts masked rows together itself.

    Attributes
    ----------
    x : ndarray of shape (n_rows, ...)
        The rows, of any shape.
    fill : ndarray of shape (n_rows or 1, n_fill, ...)
        What stands in: the background rows, of each row or of all.
    labels : ndarray of int of shape (n_rows or 1, ...)
        The player to which each place of a row belongs, or of its leading axes.
    """

    x: Any
    fill: Any
    labels: Codes


class Builder(Protocol):
    """Tables for some rows under the masks of a block.

    Cells, which are perturbed rows, are counted by draw (mask after mask),
    then by row.
    """

    def distinct(self, block: MaskBlock) -> tuple[Codes, Codes] | None:
        """First cell of each kind and the kind of every cell; None where no two are alike."""

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """The model's input for some cells."""

    def is_whole(self, table: Any) -> bool:
        """Whether the model has left the table as it was."""


class Masker(Protocol):
    """Hides players of rows behind something else.

    `read` turns what a user passes into rows, once; all other methods take such rows. They have a `shape`,
    whose first entry counts them, and an array of places picks some of them. What a row's players are
    depends on that row alone. Where rows have different numbers of players, the first ones are there, and
    the others are filled up to the most that any of the given rows has.
    """

    @property
    def weights(self) -> Floats:
        """Of the background's rows."""

    @property
    def mask_distribution(self) -> Law:
        """How masks near a row are drawn: each player kept with chance 1/2, or any number left out."""

    @property
    def same_features(self) -> bool:
        """Whether a player is the same in every row, so that its values can be a column."""

    def read(self, X: Any) -> Any:
        """Rows that can be masked; DataError where X cannot be."""

    def unmasked(self, X: Any) -> Any:
        """The rows as the model is shown them, nothing hidden."""

    def data(self, X: Any) -> Any:
        """The rows as an Explanation holds them."""

    def players_of(self, X: Any) -> Players:
        """What is hidden as one, as many as the row with the most has."""

    def present(self, X: Any) -> Bools:
        """Players that each row has, of shape (n_rows, n_players)."""

    def varying(self, X: Any) -> Bools:
        """Players that differ between each row and what stands in, of shape (n_rows, n_players)."""

    def extras(self, X: Any) -> dict[str, Any]:
        """What an Explanation has to tell of the rows' players, so that they can be drawn."""

    def draws(self, masks: Bools) -> list[BackgroundSubset]:
        """What stands in under each mask."""

    def distinct(self, X: Any) -> tuple[Codes, Codes]:
        """First row of each kind, and the kind of every row."""

    @property
    def merges(self) -> bool:
        """Whether perturbed rows are often alike, so that looking for it pays."""

    def width(self, X: Any) -> int:
        """Numbers in a row."""

    def builder(self, X: Any, rows: Codes, room: int) -> Builder:
        """A builder of tables of at most `room` cells for some rows of X."""

    def compose(self, X: Any, rows: Codes) -> MaskingInputs | None:
        """Some rows in pieces, or None where they are no array of numbers."""


def read_checked(masker: Masker, X: Any, players: Players) -> Any:
    """Read rows that have the players of those seen in fit, if all rows have the same.

    Parameters
    ----------
    masker : Masker
        What reads.
    X : object
        What it reads.
    players : Players
        Those seen in fit.

    Returns
    -------
    object
        The rows.

    Raises
    ------
    DataError
        If they cannot be read, or have other players.
    """
    rows = masker.read(X)
    n_given, n_seen = (len(part.names) for part in (masker.players_of(rows), players))
    if masker.same_features and n_given != n_seen:
        raise DataError(
            f"The rows of X have {n_given} features where those seen in fit had {n_seen}. Pass rows of "
            "their size, or fit again."
        )
    return rows
