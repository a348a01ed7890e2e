"""Statistics of each column that A is reweighted to have as B has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from agnostix.core.names import label_text
from agnostix.core.typing import Bools, Floats, Numbers
from agnostix.what_if.drift.tables import SharedColumn, Side
from agnostix.what_if.sample import Statistic
from agnostix.what_if.table import Column

MATCHES = ("means", "variances", "deciles")
"""Statistics of numeric columns, beside the mean. Labels always have the proportion of each level."""
LEAST_COUNT = 5
"""Rows that a level needs in A or in B, to be matched by itself."""
_EQUAL = 1e-12
_TENTHS = np.arange(1, 10) / 10.0


@dataclass(frozen=True)
class Margin:
    """The matched statistics of one column, standardized on A."""

    column: str
    names: tuple[str, ...]  # of the statistics
    statistics: tuple[Statistic, ...]  # A's, (n_rows_a,) each
    b: Floats  # (n_rows_b, n_statistics), B's rows in A's standard deviations
    mean: int | None = None  # place of the mean of numbers
    pooled: str = ""  # levels that are matched together, since they are rare

    @property
    def a(self) -> Floats:
        """A's rows in standard deviations from A's mean, shape (n_rows_a, n_statistics)."""
        return np.column_stack([one.z for one in self.statistics])


@dataclass(frozen=True)
class Left:
    """A column without a margin, and why."""

    column: str
    reason: str
    is_determined: bool = False  # whether its part is 0 rather than unknown


def build_margins(columns: Sequence[str], a: Side, b: Side, match: str) -> tuple[list[Margin], list[Left]]:
    """The margins of the columns that have one in both tables, and the others."""
    margins: list[Margin] = []
    left: list[Left] = []
    for name in columns:
        one, other = a.columns[name], b.columns[name]
        reason = next(filter(None, map(_immovable, (one, other))), None)
        if reason:
            left.append(Left(name, reason))
            continue
        shared = SharedColumn.from_columns(one, other)
        reason = _apart(shared, a.base, b.base)
        if reason:
            left.append(Left(name, reason))
        elif _is_one_value(shared):
            left.append(Left(name, "it has one value, the same in all rows of A and B", is_determined=True))
        else:
            margin = _build(shared, a.base, b.base, match)
            (margins if isinstance(margin, Margin) else left).append(margin)  # type: ignore[arg-type]
    return margins, left


def _immovable(column: Column) -> str | None:
    """Why a column has no statistics to match; that it is constant is no reason."""
    reason = column.immovable_reason()
    return None if reason and reason.startswith("it is constant") else reason


def _is_one_value(column: SharedColumn) -> bool:
    both = np.concatenate([column.a, column.b])
    if column.levels:
        return bool((both == both[0]).all())
    return bool(np.isnan(both).all() or (both == both[0]).all())


def _apart(column: SharedColumn, base_a: Floats, base_b: Floats) -> str | None:
    """Why A's rows cannot have B's margin, where the supports of the column do not meet."""
    lacking_a, lacking_b = (
        values < 0 if column.levels else np.isnan(values) for values in (column.a, column.b)
    )
    if lacking_b.any() and not lacking_a.any():
        return f"{base_b[lacking_b].sum():.2%} of B's rows lack a value, and none of A's do"
    if lacking_a.any() and not lacking_b.any() and lacking_a.all():
        return "all of A's values are missing"
    if column.levels:
        codes, counts = np.unique(column.b[~lacking_b], return_counts=True)
        new = [j for j in codes[counts >= LEAST_COUNT] if not (column.a == j).any()]
        if new:
            shown = ", ".join(label_text(column.levels[j], column.levels) for j in new[:3])
            more = f", ... ({len(new)} in all)" if len(new) > 3 else ""
            weight = base_b[np.isin(column.b, new)].sum()
            return f"A has no row with {shown}{more}, which {weight:.2%} of B's rows have"
        return None
    a, b = column.a[~lacking_a], column.b[~lacking_b]
    if not (a.size and b.size):
        return None
    if a.min() == a.max() and not (b == a[0]).all():
        return f"every row of A has {a[0]:.6g}, and not every row of B"
    mean = np.average(b, weights=base_b[~lacking_b])
    if not a.min() <= mean <= a.max():
        apart = b.min() > a.max() or b.max() < a.min()
        where = "no value of B is in it" if apart else f"B's mean, {mean:.6g}, is outside"
        return f"A's values range from {a.min():.6g} to {a.max():.6g}, and {where}"
    return None


def _build(column: SharedColumn, base_a: Floats, base_b: Floats, match: str) -> Margin | Left:
    pooled = ""
    if column.levels:
        column, pooled = _pool_rare(column)
    kind = _levels(column, base_b) if column.levels else _numbers(column, base_b, match)
    names, statistics, rows_b = [], [], []
    for name, a, b in kind:
        statistic = Statistic.from_numbers(column.name, None, np.asarray(a, dtype=float), base_a)
        if statistic.is_constant:
            reached, wanted = float(a[0]), float(base_b @ b)
            if abs(reached - wanted) > _EQUAL * max(1.0, abs(wanted)):
                return Left(
                    column.name, f"its {name} is {reached:.4g} in every row of A, and {wanted:.4g} in B"
                )
            continue
        names.append(name)
        statistics.append(statistic)
        rows_b.append(statistic.to_z(np.asarray(b, dtype=float)))
    mean = None if column.levels else next(j for j, name in enumerate(names) if name.startswith("mean"))
    return Margin(column.name, tuple(names), tuple(statistics), np.column_stack(rows_b), mean, pooled)


def _pool_rare(column: SharedColumn) -> tuple[SharedColumn, str]:
    """The column with its rare levels as one, and their names."""
    # A level of few rows in A has a slope that rests on them alone, whose error nobody knows.
    size = len(column.levels)
    counts = [np.bincount(codes[codes >= 0], minlength=size) for codes in (column.a, column.b)]
    rare = (counts[0] < LEAST_COUNT) & (counts[1] < LEAST_COUNT) & (counts[0] + counts[1] > 0)
    if not rare.any() or rare.all():
        return column, ""
    for code in np.argsort(counts[0], kind="stable"):
        if counts[0][rare].sum() >= LEAST_COUNT:
            break
        rare[code] |= counts[0][code] + counts[1][code] > 0
    if rare.sum() < 2:
        return column, ""
    first = int(np.flatnonzero(rare)[0])
    names = " or ".join(label_text(column.levels[j], column.levels) for j in np.flatnonzero(rare))
    levels = tuple(names if j == first else level for j, level in enumerate(column.levels))
    translate = np.append(np.where(rare, first, np.arange(size)), -1)
    return SharedColumn(column.name, levels, translate[column.a], translate[column.b]), names


def _levels(column: SharedColumn, base_b: Floats) -> Iterator[tuple[str, Numbers, Numbers]]:
    """Indicators of all levels but one, in A and in B; a missing value is a level."""
    # The one that is most frequent in B is left out, since the proportions sum to 1: it is never one that B
    # lacks, whose target of 0 should be seen as the extreme that it is.
    present = np.unique(np.concatenate([column.a, column.b]))
    weight = [base_b[column.b == code].sum() for code in present]
    for code in np.delete(present, int(np.argmax(weight))):
        name = "missing" if code < 0 else label_text(column.levels[code], column.levels)
        yield f"proportion of {name}", column.a == code, column.b == code


def _numbers(column: SharedColumn, base_b: Floats, match: str) -> Iterator[tuple[str, Numbers, Numbers]]:
    """The mean, and what else of numbers is matched, in A and in B; a missing value is a level."""
    # With the proportion of missing values matched, the mean of x - c over all rows, 0 where x is missing,
    # fixes the mean of those that are known.
    missing = [np.isnan(values) for values in (column.a, column.b)]
    if missing[0].any():
        yield "proportion missing", missing[0], missing[1]
    known = ~missing[1]
    center = float(np.average(column.b[known], weights=base_b[known])) if known.any() else 0.0
    origin = center if missing[0].any() else 0.0
    name = f"mean of known values less {center:.4g}" if origin else "mean"
    yield name, *_known(missing, [v - origin for v in (column.a, column.b)])
    if not known.any():
        return
    if match == "variances":
        squares: list[Numbers] = [(v - center) ** 2 for v in (column.a, column.b)]
        yield f"mean square around {center:.4g}", *_known(missing, squares)
    if match == "deciles":
        for cut in _deciles(column.b[known], base_b[known]):
            if cut < np.nanmax(column.b):
                yield f"proportion up to {cut:.4g}", column.a <= cut, column.b <= cut


def _deciles(values: Numbers, base: Floats) -> Numbers:
    """The smallest values with at least each tenth of the weight at or below, whatever the rounding."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(base[order])
    places = np.searchsorted(below, _TENTHS * below[-1] * (1.0 - 1e-12))
    return np.unique(values[order][places])


def _known(missing: list[Bools], values: list[Numbers]) -> tuple[Floats, Floats]:
    """Values of A and of B, 0 where they are missing."""
    a, b = (np.where(lack, 0.0, one) for lack, one in zip(missing, values, strict=True))
    return a, b


def statistics_frame(margins: Sequence[Margin], base_b: Floats, reached: Floats) -> pd.DataFrame:
    """Each statistic in A, in B and once all are matched, `reached` (n_statistics,) standardized."""
    places = np.cumsum([0] + [len(one.names) for one in margins])
    lines = [
        {
            "column": margin.column,
            "statistic": name,
            "a": statistic.mean,
            "b": statistic.from_z(shift),
            "shift": shift,
            "matched": statistic.from_z(reached[place + j]),
        }
        for margin, place in zip(margins, places, strict=False)
        for j, (name, statistic, shift) in enumerate(
            zip(margin.names, margin.statistics, base_b @ margin.b, strict=True)
        )
    ]
    names = ["column", "statistic", "a", "b", "shift", "matched"]
    return pd.DataFrame(lines, columns=names)
