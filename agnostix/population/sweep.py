"""One statistic after the other: every number, every level of every column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from agnostix.exceptions import DataError
from agnostix.population.column import Column
from agnostix.population.sample import Sample
from agnostix.population.statistic import Statistic
from agnostix.solvers.atoms import Atoms, collapse, collapse_levels, is_spread

_MAX_GROUPS = 20
_FEW_LEVELS = 20


@dataclass(frozen=True)
class Lever:
    """A statistic that can be moved, on the rows that have it.

    Attributes
    ----------
    sample : Sample
        The rows.
    statistic : Statistic
        What is moved.
    atoms : Atoms
        The rows put together by its value.
    """

    sample: Sample
    statistic: Statistic
    atoms: Atoms

    def exact(self) -> Lever:
        """The same with the rows' own values in the place of nodes."""
        atoms = collapse(self.statistic.z, self.sample.base, self.sample.outcomes, exact=True)
        return Lever(self.sample, self.statistic, atoms)


@dataclass(frozen=True)
class Skipped:
    """A feature that was left out.

    Attributes
    ----------
    feature : str
        Its name.
    group : object or None
        In which group; None without groups.
    reason : str
        Why.
    """

    feature: str
    group: Any
    reason: str


def levers(
    sample: Sample, feature: str, missing: Literal["raise", "omit"], levels: Sequence[Any] | None = None
) -> Iterator[Lever]:
    """All that can be moved in a column.

    Parameters
    ----------
    sample : Sample
        The rows.
    feature : str
        The column.
    missing : {"raise", "omit"}
        What to do with rows that lack its value.
    levels : sequence, default=None
        Which levels; by default all that occur. For numbers: the shares of these values.

    Yields
    ------
    Lever

    Raises
    ------
    DataError
        If the column cannot be moved, or misses values and `missing` is "raise".
    """
    sample = present(sample, [feature], missing)
    column = sample.column(feature)
    if column.kind == "numeric" and levels is None:
        statistic = sample.statistic(column)
        distinct = None if is_spread(statistic.z) else column.distinct
        atoms = collapse(statistic.z, sample.base, sample.outcomes, distinct=distinct)
        yield Lever(sample, statistic, atoms)
        return
    if column.kind == "numeric":
        for level in levels or ():
            value = sample.table.column(feature).number(level)
            if (column.values == value).any():  # else it is in other groups only
                statistic = sample.statistic(column, value)
                yield Lever(sample, statistic, collapse(statistic.z, sample.base, sample.outcomes))
        return
    codes = np.asarray(column.values, dtype=np.intp)
    counts = np.bincount(codes, minlength=len(column.levels))
    wanted = range(len(column.levels)) if levels is None else [column.level_code(level) for level in levels]
    statistics = {
        code: sample.statistic(column, column.levels[code])
        for code in wanted
        if 0 < counts[code] < codes.size
    }
    points = {code: np.array([s.to_z(0.0), s.to_z(1.0)]) for code, s in statistics.items()}
    found = collapse_levels(codes, points, sample.base, sample.outcomes)
    for statistic, own in zip(statistics.values(), found, strict=True):
        yield Lever(sample, statistic, own)


def present(sample: Sample, features: Sequence[str], missing: Literal["raise", "omit"]) -> Sample:
    """The rows that have a value of every column named, which must be movable.

    Parameters
    ----------
    sample : Sample
        The rows.
    features : sequence of str
        The columns.
    missing : {"raise", "omit"}
        Whether rows without a value are an error or left out.

    Returns
    -------
    Sample

    Raises
    ------
    DataError
        If a column cannot be moved, or misses values and `missing` is "raise".
    """
    there = np.ones(sample.table.n_rows, dtype=bool)
    for feature in features:
        column = sample.column(feature)
        obstacle = column.obstacle()
        if obstacle:
            raise DataError(f"Column {feature!r} cannot be moved: {obstacle}.")
        lacking = column.missing
        if lacking.any() and missing == "raise":
            raise DataError(
                f"Column {feature!r} misses values in {int(lacking.sum())} of {lacking.size} rows. "
                "Fill them in, or construct EntropicProjection(missing='omit') to use the rows that have it."
            )
        there &= ~sample.table.column(feature).missing
    n_left = int(sample.here(there).sum())
    together = " and ".join(map(repr, features))
    if n_left < 2:
        raise DataError(f"Only {n_left} of {sample.base.size} rows have a value of {together}.")
    left = sample.where(there)
    for feature in features if len(features) > 1 else ():
        obstacle = left.column(feature).obstacle()
        if obstacle:
            raise DataError(
                f"Column {feature!r} cannot be moved in the {n_left} rows with a value of {together}: "
                f"{obstacle}."
            )
    return left


def movable(sample: Sample, group: Any) -> tuple[list[str], list[Skipped]]:
    """The features that a sweep over all of them can move, and why it leaves out the others.

    Parameters
    ----------
    sample : Sample
        The rows.
    group : object or None
        The group they are.

    Returns
    -------
    features : list of str
    skipped : list of Skipped
    """
    features: list[str] = []
    skipped: list[Skipped] = []
    for name in sample.table.columns:
        column = sample.column(name)
        reason = column.obstacle() or _too_many(column)
        if reason:
            skipped.append(Skipped(name, group, reason))
        else:
            features.append(name)
    return features, skipped


def groups(sample: Sample, by: str | None) -> Iterator[tuple[Any, Sample]]:
    """The sample itself, or one for each group.

    Parameters
    ----------
    sample : Sample
        The rows.
    by : str or None
        The column whose values are groups.

    Yields
    ------
    group : object or None
    sample : Sample
        Rows without a value of `by` are in no group.

    Raises
    ------
    ValueError
        If the column has more than 20 different values.
    """
    if by is None:
        yield None, sample
        return
    column = sample.table.column(by)
    if column.kind == "date":
        raise DataError(
            f"by={by!r} holds dates, which make no groups. Turn it into labels first, such as years."
        )
    values = np.unique(column.values[~column.missing])
    if values.size > _MAX_GROUPS:
        raise ValueError(
            f"by={by!r} would make {values.size} groups; at most {_MAX_GROUPS} are drawn. "
            "Bin the column first, for example with pandas.cut."
        )
    for value in values:
        label = column.levels[int(value)] if column.levels else value.item()
        rows = column.values == value
        if rows.sum() >= 2:
            yield label, sample.where(rows)


def lone(sample: Sample, by: str | None) -> list[Skipped]:
    """The groups of a single row, which cannot be reweighted.

    Parameters
    ----------
    sample : Sample
        The rows.
    by : str or None
        The column whose values are groups.

    Returns
    -------
    list of Skipped
    """
    if by is None:
        return []
    column = sample.table.column(by)
    values, counts = np.unique(column.values[~column.missing], return_counts=True)
    labels = [column.levels[int(value)] if column.levels else value.item() for value in values[counts < 2]]
    return [Skipped(column.name, label, "the group has a single row") for label in labels]


def _too_many(column: Column) -> str | None:
    n_rows, n_levels = column.values.size, np.unique(column.values).size if column.levels else 0
    if n_levels > _FEW_LEVELS and n_levels > 0.5 * n_rows:
        return f"almost every row has a level of its own ({n_levels} levels in {n_rows} rows)"
    return None
