"""What else moves when a lever is moved: the other averages, along its targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.population.measure import move
from agnostix.population.quantities import MeanQuantity
from agnostix.population.sample import Sample
from agnostix.population.settings import Settings
from agnostix.population.statistic import standardise
from agnostix.population.sweep import levers, movable
from agnostix.population.table import Table


@dataclass(frozen=True)
class Companions:
    """The averages of all columns, ready to be followed.

    Attributes
    ----------
    names : list of (feature, level)
        What is followed.
    sample : Sample
        The rows, with these averages as what is measured.
    settings : Settings
        The user's choices.
    """

    names: list[tuple[str, str | None]]
    sample: Sample
    settings: Settings

    @classmethod
    def of(cls, table: Table, settings: Settings, *, most_levels: int = 12) -> Companions:
        """Standardise the averages.

        Parameters
        ----------
        table : Table
            All rows.
        settings : Settings
            The user's choices.
        most_levels : int, default=12
            Levels of each column that are followed, the most frequent.

        Returns
        -------
        Companions
        """
        followed = _followed(table, most_levels)
        sample = Sample.of(table, [quantity for _, quantity in followed])
        return cls([name for name, _ in followed], sample, settings)

    def along(
        self, feature: str, targets: Mapping[Any, Floats]
    ) -> Iterator[tuple[Any, list[tuple[str, str | None]], Floats]]:
        """Follow the other columns while the levers of one are moved.

        Parameters
        ----------
        feature : str
            The column that is moved.
        targets : mapping from level to ndarray
            Targets in the column's units; for numbers the level is None.

        Yields
        ------
        level : object or None
            Which lever.
        others : list of (feature, level)
            What is followed.
        shifts : ndarray of shape (n_targets, n_others)
            In standard deviations. Rows that lack a value of the other column count as unmoved.
        """
        other = [j for j, (name, _) in enumerate(self.names) if name != feature]
        others = [self.names[j] for j in other]
        levels = None if None in targets else list(targets)
        for lever in levers(self.sample, feature, self.settings.missing, levels):
            z = lever.statistic.to_z(targets[lever.statistic.level])
            measured = move(lever, z, self.settings).measured
            shifts = np.empty((len(z), len(other)))
            for place, j in enumerate(other):
                shifts[:, place] = measured[j].values - measured[j].base
            yield lever.statistic.level, others, shifts


def _followed(table: Table, most_levels: int) -> list[tuple[tuple[str, str | None], MeanQuantity]]:
    out: list[tuple[tuple[str, str | None], MeanQuantity]] = []
    free, _ = movable(Sample.of(table, []), None)
    for name in free:
        column = table.column(name)
        if column.kind == "numeric":
            there = ~column.missing
            z = np.zeros(table.n_rows)
            z[there] = standardise(column.values[there], table.base[there] / table.base[there].sum())[0]
            out.append(((name, None), MeanQuantity("shift", name, z)))
            continue
        share = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
        for code in np.argsort(-share, kind="stable")[: most_levels if len(share) != 2 else 1]:
            z = standardise((column.values == code).astype(float), table.base)[0]
            level = str(column.levels[code])
            out.append(((name, level), MeanQuantity("shift", f"{name} = {level}", z)))
    return out
