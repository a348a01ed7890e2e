"""Effects of values that no draw has, or hardly any: draws with the row's own put in, and without."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from agnostix.core.features import joined_values
from agnostix.core.frames import build_table, take_rows
from agnostix.core.row_sources import RowSource
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.features import Drawn
from agnostix.lime.near_rows import SurrogateSpec
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.own_draws import OwnDraws
from agnostix.lime.traces import Traces
from agnostix.lime.weighted_regression import standard_error

SIZE = 32
"""Draws that are taken from the start of each block."""


@dataclass
class UnseenContrasts(RowSource):
    """One contrast for each row and feature of whose value draws do not tell enough.

    Attributes
    ----------
    spec : SurrogateSpec
        What the draws weigh.
    neighbourhood : Neighbourhood
        What is drawn; blocks are cut short.
    own : OwnDraws or None
        How draws near each row are made; None where all rows share them.
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The rows.
    centres : ndarray of shape (n_rows, n_features)
        Their bins and numbers.
    pairs : ndarray of int of shape (n_items, 2)
        Places of rows and features.
    rows : ndarray of int of shape (n_rows,)
        Places of the rows, for messages.
    """

    spec: SurrogateSpec
    neighbourhood: Neighbourhood
    own: OwnDraws | None
    X: Any
    centres: Floats
    pairs: Codes
    rows: Codes
    _kept: tuple[int, list[Drawn], Any] = field(default=(-1, [], None), repr=False)

    def for_worker(self) -> UnseenContrasts:
        return replace(self, own=None if self.own is None else self.own.for_worker())

    @classmethod
    def of(
        cls,
        spec: SurrogateSpec,
        neighbourhood: Neighbourhood,
        own: OwnDraws | None,
        X: Any,
        centres: Floats,
        contrasted: Any,
        rows: Codes,
    ) -> UnseenContrasts:
        """Cut the blocks short.

        Parameters
        ----------
        spec, neighbourhood, own, X, centres, rows
            As the attributes.
        contrasted : ndarray of bool of shape (n_rows, n_features)
            Which values.

        Returns
        -------
        UnseenContrasts
        """
        points = neighbourhood.points
        few = replace(neighbourhood, points=replace(points, size=min(points.size, SIZE)))
        near = None if own is None else OwnDraws(few, own.how, own.scale)
        return cls(spec, few, near, X, centres, np.argwhere(contrasted), rows)

    @classmethod
    def cost(cls, neighbourhood: Neighbourhood, n_items: int) -> int:
        """Rows that so many contrasts take.

        Parameters
        ----------
        neighbourhood : Neighbourhood
            What is drawn, with whole blocks.
        n_items : int
            How many.

        Returns
        -------
        int
        """
        points = neighbourhood.points
        return 2 * n_items * points.n_blocks * min(points.size, SIZE)

    @property
    def n_items(self) -> int:
        return self.pairs.shape[0]

    @property
    def n_columns(self) -> int:
        return self.neighbourhood.width

    @property
    def n_model_rows(self) -> int:
        """Rows that all contrasts take."""
        return self.cost(self.neighbourhood, self.n_items)

    def n_rows(self, block: int) -> int:
        return 2 * self.neighbourhood.points.n_points

    def build(self, block: int, part: slice) -> Any:
        """Draws, then the same with the row's value."""
        columns = {place: column[part] for place, column in self._made(block)[1].items()}
        return build_table(self.neighbourhood.like, columns)

    def estimate_effect(self, item: int, answers: Floats) -> tuple[Floats, Floats]:
        """Weighted mean of the differences, and its error, each (n_outputs,)."""
        row, feature = self.pairs[item]
        without, given = np.split(answers, 2)
        traces = [one.trace for one in self._made(item)[0]]
        near = Traces.of(self.neighbourhood.features, traces, weighted=self.own is None)
        others = traces[feature] != self.centres[row, feature]
        weights = self.spec.weights(near, self.centres[row]) * others
        if weights.sum() == 0:
            raise DataError(
                f"The 'kernel_width' of LimeExplainer leaves no weight for any draw around row "
                f"{self.rows[row]}. Raise it."
            )
        share = (weights / weights.sum())[:, None]
        effect = (share * (given - without)).sum(axis=0)
        parts = share * (given - without - effect)
        n_blocks = self.neighbourhood.points.n_blocks
        moved = parts.reshape(n_blocks, -1, effect.size).sum(axis=1)
        return effect, standard_error(moved, weights.size, 1)

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"draws {first} to {last} around row {self.rows[self.pairs[block][0]]}"

    def _made(self, item: int) -> tuple[list[Drawn], Any]:
        """Draws, and the columns of them without and with the row's value."""
        if self._kept[0] != item:
            drawn = self._drawn(self.pairs[item][0])
            self._kept = (item, drawn, self._twice(drawn, *self.pairs[item]))
        return self._kept[1:]

    def _twice(self, drawn: list[Drawn], row: int, feature: int) -> dict[int, Any]:
        base, own = self.neighbourhood.table(drawn), take_rows(self.X, np.array([row]))
        n = self.neighbourhood.points.n_points
        again = np.tile(np.arange(n), 2)
        given = np.where(np.arange(2 * n) < n, again, n)
        replaced = self.neighbourhood.features[feature].positions
        columns = {}
        for position in range(self.n_columns):
            both = joined_values(base, own, position)
            columns[position] = both[given if position in replaced else again]
        return columns

    def _drawn(self, row: int) -> list[Drawn]:
        if self.own is not None:
            return self.own.draw(self.centres[row])
        return self.neighbourhood.shared(slice(0, self.neighbourhood.points.n_points))
