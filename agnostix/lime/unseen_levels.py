"""Effects of levels that no sample has, or too few for a regression.

Samples are predicted as they are and with the row's value put in; the effect is the weighted mean difference
over samples that have another value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, diags_array, issparse, vstack

from agnostix.core.features import joined_values
from agnostix.core.frames import build_table, take_rows
from agnostix.core.row_sources import RowSource
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.influences import components_of_parts, spread_of_parts
from agnostix.lime.sampling import Kernel
from agnostix.lime.tabular_samples import Drawn, InterpretableSamples, RowSampler, TabularSampler

N_SAMPLES = 620
"""Samples that are taken at most, as many from each array of the design."""


def count_effect_rows(sampler: TabularSampler, n_effects: int) -> int:
    """Model rows of so many effects, where arrays are cut short."""
    return 2 * n_effects * sampler.points.shortened(N_SAMPLES).n_points


class LevelEffect(NamedTuple):
    """The effect of a level (n_outputs,), its standard error, degrees of freedom and components."""

    value: Floats
    error: Floats
    dof: Floats
    components: Floats

    def take(self, outputs: Codes) -> LevelEffect:
        """Of some outputs."""
        return LevelEffect(*(part[outputs] for part in self))


@dataclass
class UnseenLevelEffects(RowSource):
    """Rows that give the effect of one value of one row, an item for each.

    Attributes
    ----------
    kernel : Kernel or None
        None for samples of equal weight.
    sampler : TabularSampler
        With arrays cut short.
    row_sampler : RowSampler or None
        None where all rows share their samples.
    X : table (n_rows, n_columns)
    encoded : (n_rows, n_features)
    pairs : int (n_effects, 2)
        Row and feature of each effect.
    row_indices : int (n_rows,)
        Of the rows in the table that is explained, for messages.
    """

    kernel: Kernel | None
    sampler: TabularSampler
    row_sampler: RowSampler | None
    X: Any
    encoded: Floats
    pairs: Codes
    row_indices: Codes
    _cached: tuple[int, Drawn, Any] = field(default=(-1, Drawn([]), None), repr=False)

    @classmethod
    def from_flags(
        cls,
        kernel: Kernel | None,
        sampler: TabularSampler,
        row_sampler: RowSampler | None,
        X: Any,
        encoded: Floats,
        is_contrasted: Bools,
        row_indices: Codes,
    ) -> UnseenLevelEffects:
        """Effects of the flagged values (n_rows, n_features), with arrays cut short."""
        short = replace(sampler, points=sampler.points.shortened(N_SAMPLES))
        near = None if row_sampler is None else RowSampler(short, row_sampler.method, row_sampler.scale)
        return cls(kernel, short, near, X, encoded, np.argwhere(is_contrasted), row_indices)

    def for_worker(self) -> UnseenLevelEffects:
        near = None if self.row_sampler is None else self.row_sampler.for_worker()
        return replace(self, row_sampler=near)

    @property
    def n_items(self) -> int:
        return self.pairs.shape[0]

    @property
    def n_columns(self) -> int:
        return self.sampler.n_columns

    def n_rows(self, block: int) -> int:
        return 2 * self.sampler.points.n_points

    def build(self, block: int, part: slice) -> Any:
        """Samples, then the same with the row's value."""
        return take_rows(self._prepared(block)[1], part)

    def estimate(self, evaluate: Callable[..., Any]) -> tuple[list[LevelEffect], int]:
        """All effects, and the model rows that they took."""
        return evaluate(self, UnseenLevelEffects.estimate_effect)

    def estimate_effect(self, item: int, predictions: Floats) -> LevelEffect:
        """Weighted mean difference, with its error."""
        row, feature = self.pairs[item]
        before, after = np.split(predictions, 2)
        encoded = self.sampler.encoded(self._prepared(item)[0])
        is_shared = self.row_sampler is None
        samples = InterpretableSamples.from_encoded(self.sampler.features, encoded, weighted=is_shared)
        center = self.encoded[row]
        differs = encoded[feature] != center[feature]
        weights = samples.weigh(self.kernel, samples.design(center)[2]) * differs
        if weights.sum() == 0:
            raise DataError(
                f"The 'width' of LimeExplainer's 'sampling' leaves no sample around row "
                f"{self.row_indices[row]} any weight. Use a larger width."
            )
        weights = (weights / weights.sum())[:, None]
        effect = (weights * (after - before)).sum(axis=0)
        deviations = weights * (after - before - effect)
        parts = deviations.reshape(self.sampler.points.n_blocks, -1, effect.size).sum(axis=1)
        error = spread_of_parts(parts)
        n_counted = 1.0 / np.square(weights).sum()
        dof = np.full(effect.size, np.clip(n_counted - 1.0, 1.0, len(parts) - 1.0))
        return LevelEffect(effect, error, dof, components_of_parts(parts, error))

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"samples {first} to {last} around row {self.row_indices[self.pairs[block][0]]}"

    def _prepared(self, item: int) -> tuple[Drawn, Any]:
        """Samples of an item and the table of its rows, kept from batch to batch."""
        if self._cached[0] != item:
            row, feature = self.pairs[item]
            drawn = self._sample(row)
            self._cached = (item, drawn, self._replace_feature(drawn, row, feature))
        return self._cached[1:]

    def _sample(self, row: int) -> Drawn:
        if self.row_sampler is not None:
            return self.row_sampler.sample(self.encoded[row])
        return self.sampler.sample(slice(0, self.sampler.points.n_points))

    def _replace_feature(self, drawn: Drawn, row: int, feature: int) -> Any:
        """The samples, and after them the samples with the row's value."""
        table, row_table = self.sampler.build_table(drawn), take_rows(self.X, np.array([row]))
        positions = self.sampler.features[feature].positions
        if issparse(table):
            return _replaced_cells(table, row_table, np.array(positions))
        n = self.sampler.points.n_points
        twice = np.tile(np.arange(n), 2)
        replaced = np.where(np.arange(2 * n) < n, twice, n)  # n: the row, joined to the samples
        columns = {
            position: joined_values(table, row_table, position)[replaced if position in positions else twice]
            for position in range(self.n_columns)
        }
        return build_table(self.sampler.template, columns)


def _replaced_cells(table: Any, row_table: Any, positions: Codes) -> Any:
    """A sparse table, and after it the same with a row's values at some columns."""
    others = np.ones(table.shape[1])
    others[positions] = 0.0
    kept = table @ diags_array(others.astype(table.dtype))
    own = row_table @ diags_array((1.0 - others).astype(table.dtype))
    ones = csr_array(np.ones((table.shape[0], 1), dtype=table.dtype))
    return type(table)(vstack([csr_array(table), csr_array(kept) + ones @ csr_array(own)], format="csr"))
