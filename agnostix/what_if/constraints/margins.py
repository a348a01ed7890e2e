"""Margins of cross tables, as raking meets them, and columns whose margins are kept as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.names import did_you_mean
from agnostix.core.typing import Bools, Numbers
from agnostix.what_if.constraints.averages import Average
from agnostix.what_if.constraints.base import Constraint, Context, Target
from agnostix.what_if.constraints.moments import Mean, Proportion, known_level
from agnostix.what_if.sample import Statistic

_NEARLY_ONE = 0.02
"""How far shares that were rounded one by one may sum from 1."""


@dataclass(frozen=True, init=False)
class Keep(Constraint):
    """Columns whose averages, or proportions of all levels, stay as they are in the data.

    What else is stated then moves nothing in these columns' margins.

    Parameters
    ----------
    *columns : str
        Columns of numbers, whose averages are held, or of labels, whose
        proportions are.

    Raises
    ------
    ValueError
        If no column is named.

    See Also
    --------
    agnostix.Margins : Margins other than the data's.

    Notes
    -----
    Second formulation: `Mean` and `Proportion` with the target "+0".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection, Keep, Mean
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> projection = EntropicProjection().fit(X, y)
    >>> scenario = projection.what_if([Mean("petal width (cm)", 1.3), Keep("sepal width (cm)")])
    >>> scenario.conditions[["feature", "before", "reached"]].round(3)
                feature  before  reached
    0  petal width (cm)   1.199    1.300
    1  sepal width (cm)   3.057    3.057
    """

    columns: tuple[str, ...]

    kind = "kept"
    tolerance = penalty = where = None

    def __init__(self, *columns: str) -> None:
        if not columns or not all(isinstance(name, str | int) for name in columns):
            raise ValueError(f"Keep takes names of columns, such as Keep('age', 'sex'), got {columns!r}.")
        object.__setattr__(self, "columns", tuple(map(str, columns)))

    @property
    def named(self) -> tuple[str, Any]:
        """The columns."""
        return ", ".join(self.columns), None

    @property
    def shifted(self) -> tuple[str, ...]:
        """The columns."""
        return self.columns

    def parts(self, context: Context) -> tuple[Constraint, ...]:
        """A constraint for each average and proportion."""
        parts: list[Constraint] = []
        for name in dict.fromkeys(self.columns):
            column = context.sample.column(name)
            if not column.levels:
                parts.append(Mean(name, "+0"))
                continue
            there = np.bincount(column.values.astype(np.intp), minlength=len(column.levels))
            levels = (level for level, count in zip(column.levels, there, strict=True) if count)
            parts.extend(Proportion(name, level, "+0") for level in levels)
        return tuple(parts)

    def with_parts(self, parts: Sequence[Constraint]) -> Constraint:
        """The same; a list of its parts where their targets are others than the data's."""
        if all(part.target == "+0" for part in parts):
            return self
        return Parts(tuple(parts))


@dataclass(frozen=True)
class Parts(Constraint):
    """Several constraints that came from one, which cannot state their targets."""

    listed: tuple[Constraint, ...]

    kind = "parts"
    tolerance = penalty = where = None


@dataclass(frozen=True)
class Cell(Average):
    """The share of the rows that have a level each in several columns."""

    columns: tuple[str, ...]
    levels: tuple[Any, ...]
    target: Any
    tolerance: float | None = None
    penalty: float | None = None

    kind = "share"
    is_share = True
    is_of_columns = True
    where = None

    @property
    def named(self) -> tuple[str, Any]:
        """The columns and the levels."""
        return ", ".join(self.columns), self.levels

    @property
    def subject(self) -> str:
        """The cell: "sex = Female, job = clerk"."""
        return ", ".join(f"{name} = {level}" for name, level in zip(self.columns, self.levels, strict=True))

    @property
    def shifted(self) -> tuple[str, ...]:
        """The columns."""
        return self.columns

    def rows(self, context: Context) -> Bools:
        """The rows (n_rows,) of the cell."""
        member = np.ones(context.base.size, dtype=bool)
        for name, level in zip(self.columns, self.levels, strict=True):
            column = context.sample.column(name)
            member &= column.values == (column.level_code(level) if column.levels else column.number(level))
        return member

    def numbers(self, context: Context) -> Numbers:
        """The indicator of the cell, shape (n_rows,)."""
        return self.rows(context)

    def statistic(self, context: Context) -> Statistic:
        """The indicator of the cell, standardized."""
        member = self.rows(context)
        return Statistic.from_share(self.subject, None, member, float(context.base[member].sum()))


@dataclass(frozen=True, eq=False)
class Margins(Constraint):
    """The margin of one column, or the cells of a cross table of several: raking.

    The share of each cell is the average of an indicator, which is linear in the
    weights. The closest weights are those that iterative proportional fitting
    converges to [1]_. Several margins are several constraints.

    Parameters
    ----------
    table : Series or DataFrame of pandas
        A number for each level or cell, the names of index and columns being
        columns of X, as in ``pandas.crosstab`` and ``Series.value_counts``.
        Shares that sum to 1, or totals, which are divided by their sum. A cell
        may hold a range (low, high) of shares. Levels that it leaves out get no
        weight.
    tolerance : float, default=None
        Widens each share to a range.
    penalty : float, default=None
        The shares may miss their targets, each at a cost of penalty / 2 times
        the squared gap in standard deviations, in nats. None: they must be met.

    Raises
    ------
    ValueError
        If names of the table are no columns, a cell is negative or no number,
        the cells sum to neither 1 nor more, or a tolerance or penalty is below 0.

    See Also
    --------
    agnostix.Proportion : The share of one level.

    Notes
    -----
    Second formulation: iterative proportional fitting, which scales the weights
    of each margin's cells to their shares in turn until none moves.

    References
    ----------
    .. [1] Deming and Stephan, "On a least squares adjustment of a sampled
       frequency table when the expected marginal totals are known", Annals of
       Mathematical Statistics 11, 1940. https://doi.org/10.1214/aoms/1177731829

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, Margins
    >>> X = pd.DataFrame({"sex": ["F", "M", "M"] * 20, "job": ["clerk", "farmer"] * 30})
    >>> projection = EntropicProjection().fit(X, predictions=[0.1, 0.4, 0.6] * 20)
    >>> sex = pd.Series({"F": 510, "M": 490}).rename_axis("sex")
    >>> job = pd.Series({"clerk": 0.3, "farmer": 0.7}).rename_axis("job")
    >>> scenario = projection.what_if([Margins(sex), Margins(job)])
    >>> scenario.conditions[["level", "before", "reached"]].round(2)
        level  before  reached
    0       F    0.33     0.51
    1       M    0.67     0.49
    2   clerk    0.50     0.30
    3  farmer    0.50     0.70
    >>> scenario.notes
    ('The totals of sex sum to 1000 and were divided by that.',)
    """

    table: Any
    tolerance: float | None = None
    penalty: float | None = None

    kind = "margins"
    where = None

    def __post_init__(self) -> None:
        names, cells = _read_cells(self.table)
        object.__setattr__(self, "columns", names)
        shares, total = _as_shares(", ".join(names), cells)
        object.__setattr__(self, "_shares", shares)
        object.__setattr__(self, "_total", total)
        for target in shares.values():
            Target.parse(self.subject, target, self.tolerance, self.penalty)

    @property
    def named(self) -> tuple[str, Any]:
        """The columns."""
        return ", ".join(self.columns), None  # type: ignore[attr-defined]

    @property
    def shifted(self) -> tuple[str, ...]:
        """The columns."""
        columns: tuple[str, ...] = self.columns  # type: ignore[attr-defined]
        return columns

    def notes(self, context: Context) -> tuple[str, ...]:
        """What the totals sum to, and which levels get no weight."""
        notes = []
        total = self._total  # type: ignore[attr-defined]
        if total is not None:
            what = "shares" if abs(total - 1.0) <= _NEARLY_ONE else "totals"
            notes.append(f"The {what} of {self.subject} sum to {total:.12g} and were divided by that.")
        for place, name in enumerate(self.shifted):
            column = context.sample.column(name)
            known = {known_level(column, levels[place]) for levels in self._levels(context)}
            there = column.levels or tuple(np.unique(column.values).tolist())
            left_out = [str(level) for level in there if level not in known]
            if left_out:
                notes.append(
                    f"Rows with {name} = {' or '.join(left_out[:5])} are in no cell of the margins and get "
                    "no weight."
                )
        return tuple(notes)

    def parts(self, context: Context) -> tuple[Constraint, ...]:
        """One for each cell that rows are in; ValueError if others have a share."""
        return tuple(
            self._part(levels, target)
            for levels, target in self._shares.items()  # type: ignore[attr-defined]
            if self._has_rows(context, levels, target)
        )

    def with_parts(self, parts: Sequence[Constraint]) -> Margins:
        """The same table with the targets of its parts, as shares."""
        targets = {part.levels if isinstance(part, Cell) else (part.named[1],): part.target for part in parts}
        shares = {levels: targets.get(levels, 0.0) for levels in self._shares}  # type: ignore[attr-defined]
        has_ranges = any(isinstance(target, tuple) for target in shares.values())
        table = self.table.astype(object if has_ranges else float)
        for row, column in product(range(table.shape[0]), range(table.shape[1] if table.ndim > 1 else 1)):
            if table.ndim == 1:
                table.iat[row] = shares[_as_tuple(table.index[row])]
            else:
                key = (*_as_tuple(table.index[row]), *_as_tuple(table.columns[column]))
                table.iat[row, column] = shares[key]
        return replace(self, table=table, tolerance=None)

    def _levels(self, context: Context) -> list[tuple[Any, ...]]:
        return [part.levels if isinstance(part, Cell) else (part.named[1],) for part in self.parts(context)]

    def _part(self, levels: tuple[Any, ...], target: Any) -> Average:
        tolerance = None if isinstance(target, tuple) else self.tolerance
        if len(levels) == 1:
            return Proportion(self.shifted[0], levels[0], target, tolerance, self.penalty)
        return Cell(self.shifted, levels, target, tolerance, self.penalty)

    def _has_rows(self, context: Context, levels: tuple[Any, ...], target: Any) -> bool:
        is_empty = not isinstance(target, tuple) and target == 0.0
        for name, level in zip(self.shifted, levels, strict=True):
            column = context.sample.column(name)
            try:
                known_level(column, level)
            except ValueError:
                if is_empty:
                    return False
                known = ", ".join(map(repr, column.levels[:12])) if column.levels else "numbers"
                hint = (
                    " Leave out the totals that crosstab(margins=True) adds."
                    if level == "All"
                    else " Leave it out, or give it the share 0."
                )
                raise ValueError(
                    f"The margins of {self.subject} name {level!r}, which no row has in column {name!r}. It "
                    f"has {known}.{hint}{did_you_mean(level, map(str, column.levels))}"
                ) from None
        if len(levels) == 1 or Cell(self.shifted, levels, 0.0).rows(context).any():
            return True
        if not is_empty:
            part = Cell(self.shifted, levels, 0.0)
            raise ValueError(
                f"No row has {part.subject}, and the margins give it {target!r}, which no reweighting "
                "reaches. Give it the share 0, or merge levels."
            )
        return False


def _read_cells(table: Any) -> tuple[tuple[str, ...], dict[tuple[Any, ...], Any]]:
    """Names of the columns, and the number of each cell."""
    if not isinstance(table, pd.Series | pd.DataFrame) or table.size == 0:
        raise ValueError(
            "Margins takes a Series or DataFrame of pandas with a number for each cell, such as "
            f"pandas.crosstab(X['sex'], X['job']), got {type(table).__name__}."
        )
    names = [*table.index.names, *([] if table.ndim == 1 else table.columns.names)]
    if any(name is None for name in names):
        raise ValueError(
            "The index of Margins must have the name of a column, and so must the columns of a frame: got "
            f"{names}. Name them, as table.rename_axis(index='sex', columns='job')."
        )
    cells: dict[tuple[Any, ...], Any] = {}
    for row in range(table.shape[0]):
        for column in range(1 if table.ndim == 1 else table.shape[1]):
            key = _as_tuple(table.index[row])
            value = table.iat[row] if isinstance(table, pd.Series) else table.iat[row, column]
            value = value.item() if isinstance(value, np.generic) else value
            key = key if table.ndim == 1 else (*key, *_as_tuple(table.columns[column]))
            if key in cells:
                raise ValueError(f"The margins of {', '.join(map(str, names))} name {key!r} twice.")
            cells[key] = value
    return tuple(map(str, names)), cells


def _as_tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _as_shares(
    subject: str, cells: dict[tuple[Any, ...], Any]
) -> tuple[dict[tuple[Any, ...], Any], float | None]:
    """Cells as shares, and what they were divided by, None where they are shares already."""
    shares: dict[tuple[Any, ...], Any] = {}
    for levels, value in cells.items():
        target = Target.parse(f"{subject}, cell {levels!r}", value)
        ends = (target.low, target.high)
        if not all(isinstance(end, float) and end >= 0.0 for end in ends):
            raise ValueError(
                f"The margins of {subject} hold {value!r} for {levels!r}. Shares and totals are numbers of 0 "
                "or more."
            )
        shares[levels] = value if isinstance(value, tuple | list) else float(value)
    if any(isinstance(value, tuple | list) for value in shares.values()):
        return {levels: tuple(v) if isinstance(v, list) else v for levels, v in shares.items()}, None
    total = float(np.sum(list(shares.values())))
    if total < 1.0 - _NEARLY_ONE:
        raise ValueError(
            f"The margins of {subject} sum to {total:.6g}: they are neither shares, which sum to 1, nor "
            "totals. For some of the levels alone, state a Proportion."
        )
    if abs(total - 1.0) <= 1e-12:
        return shares, None
    return {levels: value / total for levels, value in shares.items()}, total
