"""Constraints on the average of a column and on the proportions of its levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.names import label_text
from agnostix.core.typing import Numbers
from agnostix.what_if.constraints.averages import Average
from agnostix.what_if.constraints.base import Constraint, Context, OfColumn
from agnostix.what_if.sample import Sample, Statistic
from agnostix.what_if.table import Column

_SUM_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Mean(OfColumn, Average):
    """The average of a column of numbers, over all rows or over those of a group.

    Over all rows it is linear in the weights. Over a group G it has the value t
    where E[1_G (x - t)] = 0, which is linear too; the group's size is free.

    Parameters
    ----------
    feature : str
        Column of numbers.
    target : float, str or pair of these
        The average to reach in the column's units, or a range (low, high) for
        it. Relative to the data's average: "+5", "-5", "*1.1".
    tolerance : float, default=None
        Widens a single target to a range, in the column's units.
    penalty : float, default=None
        The average may miss its target, at a cost of penalty / 2 times the
        squared gap in standard deviations, in nats. None: it must be met.
    where : mapping, default=None
        Rows that are averaged over: columns and the level, the list of levels
        or the range (low, high) of numbers that they must have.

    Raises
    ------
    ValueError
        If the target is no number, pair or relative target, or a tolerance or
        penalty is below 0.

    See Also
    --------
    agnostix.Proportion : Shares of levels.

    Notes
    -----
    Second formulation: the sum of the weighted values over the sum of the
    weights, row by row. Calibration to known totals [1]_.

    References
    ----------
    .. [1] Deville and Sarndal, "Calibration estimators in survey sampling",
       JASA 87, 1992. https://doi.org/10.1080/01621459.1992.10475217

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection, Mean
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> projection = EntropicProjection().fit(X, y)
    >>> scenario = projection.what_if([Mean("petal width (cm)", "+0.3")])
    >>> scenario.conditions[["label", "before", "reached"]].round(2)
                          label  before  reached
    0  mean of petal width (cm)     1.2      1.5
    """

    feature: str
    target: Any
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "mean"
    is_of_columns = True

    def numbers(self, context: Context) -> Numbers:
        """The column, shape (n_rows,)."""
        return np.asarray(number_column(context.sample, self.feature).values, dtype=float)

    def statistic(self, context: Context) -> Statistic:
        """The column, standardized."""
        return context.sample.statistic(number_column(context.sample, self.feature))


@dataclass(frozen=True)
class Proportion(OfColumn, Average):
    """The share of a level of a column, or of several, among all rows or those of a group.

    A share is the average of an indicator, which is linear in the weights. Over
    a group G it has the value t where E[1_G (1_level - t)] = 0.

    Parameters
    ----------
    feature : str
        Column of labels, or of numbers of which a value's share is meant.
    level : object or mapping
        A level, with its `target`; or a block of levels and the target of each.
    target : float, str or pair of these, default=None
        The share to reach, from 0 to 1, or a range (low, high) for it. Relative
        to the data's share: "+0.1", "-0.1", "*1.1". None for a block.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The share may miss its target, at a cost of penalty / 2 times the
        squared gap in standard deviations, in nats. None: it must be met.
    where : mapping, default=None
        Rows among which the share is meant: columns and the level, the list of
        levels or the range (low, high) of numbers that they must have.

    Raises
    ------
    ValueError
        If the target is no number, pair or relative target, or a tolerance or
        penalty is below 0.

    See Also
    --------
    agnostix.Margins : Shares of the cells of a cross table.

    Notes
    -----
    Second formulation: the sum of the weights of the level's rows over that of
    all rows, row by row. Levels without a target share what is left, in
    proportion to the rest of the scenario; of a block of all levels the shares
    must sum to 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, Proportion
    >>> X = pd.DataFrame({"job": ["clerk", "clerk", "farmer", "teacher"] * 25})
    >>> projection = EntropicProjection().fit(X, predictions=[0.1, 0.3, 0.2, 0.6] * 25)
    >>> block = Proportion("job", {"clerk": 0.25, "farmer": "*1.2"})
    >>> projection.what_if([block]).conditions[["level", "before", "reached"]].round(2)
        level  before  reached
    0   clerk    0.50     0.25
    1  farmer    0.25     0.30
    """

    feature: str
    level: Any
    target: Any = None
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "proportion"
    is_share = True
    is_of_columns = True

    def __post_init__(self) -> None:
        if not isinstance(self.level, Mapping):
            super().__post_init__()
            return
        if self.target is not None or not self.level:
            raise ValueError(
                f"The block of {self.feature!r} must hold levels with a target each, such as "
                f"Proportion({self.feature!r}, {{'Female': 0.5}}), and no other target; got {self.level!r} "
                f"and target={self.target!r}."
            )
        for one in self._of_levels():
            one._target  # noqa: B018 - raises for a target that is none

    @property
    def named(self) -> tuple[str, Any]:
        """The column and the level."""
        return str(self.feature), None if isinstance(self.level, Mapping) else self.level

    def parts(self, context: Context) -> tuple[Constraint, ...]:
        """One for each level."""
        column = context.sample.column(self.feature)
        return tuple(replace(one, level=known_level(column, one.level)) for one in self._of_levels())

    def with_parts(self, parts: Sequence[Constraint]) -> Proportion:
        """The same with the targets of its levels."""
        if not isinstance(self.level, Mapping):
            return self.with_target(parts[0].target)
        targets = (part.target for part in parts)
        return replace(self, level=dict(zip(self.level, targets, strict=True)), tolerance=None)

    def numbers(self, context: Context) -> Numbers:
        """The indicator of the level, shape (n_rows,)."""
        return self.statistic(context).values

    def statistic(self, context: Context) -> Statistic:
        """The indicator of the level, standardized."""
        column = context.sample.column(self.feature)
        statistic = context.sample.statistic(column, known_level(column, self.level))
        if statistic.is_constant and not statistic.values.any():
            raise ValueError(f"Column {self.feature!r} has no row with the value {self.level!r}.")
        return statistic

    def _of_levels(self) -> tuple[Proportion, ...]:
        if not isinstance(self.level, Mapping):
            return (self,)
        return tuple(replace(self, level=level, target=target) for level, target in self.level.items())


def number_column(sample: Sample, name: str) -> Column:
    """A column of numbers; ValueError for labels, which have no average."""
    column = sample.column(name)
    if column.kind == "categorical":
        example = column.levels[0]
        raise ValueError(
            f"Column {name!r} holds labels, which have no average, quantile or variance: state the "
            f"proportion of a level, as {{{name!r}: {{{example!r}: 0.5}}}}."
        )
    return column


def known_level(column: Column, level: Any) -> Any:
    """The level of the column that a level or its text refers to."""
    if column.levels:
        return column.levels[column.level_code(level)]
    return column.number(level)


def check_blocks(constraints: Sequence[Constraint], context: Context) -> None:
    """ValueError if proportions of a column's levels sum to more than 1, or those of all to less."""
    blocks: dict[Any, list[Proportion]] = {}
    for one in constraints:
        if isinstance(one, Proportion) and not one.is_soft:
            blocks.setdefault((one.feature, one.where_label), []).append(one)
    for stated in blocks.values():
        _check_block(stated, context)


def _check_block(stated: list[Proportion], context: Context) -> None:
    column = context.sample.column(stated[0].feature)
    texts = [label_text(one.level, column.levels) for one in stated]
    lows, highs = zip(*(one.bounds(context) for one in stated), strict=True)
    rows = f" where {stated[0].where_label}" if stated[0].where_label else ""
    for total, ends, is_wrong in (
        (sum(lows), lows, sum(lows) > 1.0 + _SUM_TOLERANCE),
        (sum(highs), highs, len(stated) == len(column.levels) and sum(highs) < 1.0 - _SUM_TOLERANCE),
    ):
        if not is_wrong:
            continue
        is_above = total > 1.0
        all_ = "" if is_above else f"all {len(stated)} levels of "
        shown = ", ".join(f"{text} {end:g}" for text, end in zip(texts, ends, strict=True))
        remedy = (
            "Lower them, or leave one level out: the others share what is left."
            if is_above
            else "Raise them, or leave one level out: it takes what is left."
        )
        raise ValueError(
            f"The proportions of {all_}{column.name!r}{rows} sum to {total:.12g}, "
            f"{'more than 1' if is_above else 'not to 1'}: {shown}. {remedy}"
        )
