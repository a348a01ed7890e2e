"""How all other columns shift along with one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.metrics import MeanQuantity
from agnostix.what_if.moments import iter_moments
from agnostix.what_if.response_curves import shift_moment
from agnostix.what_if.sample import ProjectionConfig, Sample, movable, standardize
from agnostix.what_if.table import Table


@dataclass(frozen=True)
class CorrelatedShifts:
    """Shifts of all columns that come with the shift of one, in standard deviations."""

    names: list[tuple[str, str | None]]  # the other columns, or levels of them
    sample: Sample  # all rows; its quantities are the means of `names`
    config: ProjectionConfig  # parameters of the explainer

    @classmethod
    def from_table(cls, table: Table, config: ProjectionConfig, *, max_levels: int = 12) -> CorrelatedShifts:
        """All columns of a table, categorical ones by their most frequent levels."""
        chosen = _choose_quantities(table, max_levels)
        sample = Sample.from_table(table, [quantity for _, quantity in chosen])
        return cls([name for name, _ in chosen], sample, config)

    def along(
        self, feature: str, targets: Mapping[Any, Floats]
    ) -> Iterator[tuple[Any, list[tuple[str, str | None]], Floats]]:
        """Per level (None for numbers): the other columns and their shifts (n_targets, n_others)."""
        # Rows without a value of the other column count as unshifted.
        other = [j for j, (name, _) in enumerate(self.names) if name != feature]
        others = [self.names[j] for j in other]
        levels = None if None in targets else list(targets)
        plain = replace(self.config, std_errors="delta")
        for moment in iter_moments(self.sample, feature, self.config.missing, levels):
            z = moment.statistic.to_z(targets[moment.statistic.level])
            curves = shift_moment(moment, z, plain).quantity_curves
            shifts = np.empty((len(z), len(other)))
            for k, j in enumerate(other):
                shifts[:, k] = curves[j].values - curves[j].base
            yield moment.statistic.level, others, shifts


def _choose_quantities(table: Table, max_levels: int) -> list[tuple[tuple[str, str | None], MeanQuantity]]:
    out: list[tuple[tuple[str, str | None], MeanQuantity]] = []
    free, _ = movable(Sample.from_table(table, []), None)
    for name in free:
        column = table.column(name)
        if column.kind == "numeric":
            there = ~column.missing
            z = np.zeros(table.n_rows)
            z[there] = standardize(column.values[there], table.base[there] / table.base[there].sum())[0]
            out.append(((name, None), MeanQuantity("shift", name, z)))
            continue
        share = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
        for code in np.argsort(-share, kind="stable")[: max_levels if len(share) != 2 else 1]:
            z = standardize((column.values == code).astype(float), table.base)[0]
            level = column.level_text(column.levels[code])
            out.append(((name, level), MeanQuantity("shift", f"{name} = {level}", z)))
    return out
