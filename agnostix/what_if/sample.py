"""Weighted rows, with the columns' statistics and the outcomes standardized on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np

from agnostix.core.names import label_text
from agnostix.core.reproducibility import seed_of
from agnostix.core.typing import Bools, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.what_if.inference.design import Design
from agnostix.what_if.inference.resampling import Resampling
from agnostix.what_if.metrics import MeanQuantity, Quantity, SmoothQuantity
from agnostix.what_if.table import Column, Table, is_constant

_MAX_GROUPS = 20
_FEW_LEVELS = 20
Missing = Literal["warn", "omit", "raise"]
"""What to do where a column that is shifted has missing values."""


@dataclass(frozen=True)
class ProjectionConfig:
    """Parameters that shape every projection."""

    n_targets: int = 41  # targets of a default curve
    quantiles: tuple[float, float] = (0.05, 0.95)  # where it ends
    confidence_level: float = 0.95  # of every interval
    min_ess_fraction: float = 0.2  # share of the effective rows below which support is thin
    missing: Missing = "warn"
    std_errors: Literal["delta", "bootstrap"] = "delta"
    n_bootstrap: int = 1_000  # draws of the bootstrap
    seed: int = 0  # of its random numbers
    n_jobs: int | None = None  # workers that compute it
    simultaneous: bool = False  # whether curves get a band

    @classmethod
    def from_parameters(cls, params: Mapping[str, Any]) -> ProjectionConfig:
        """From the parameters of the explainer; draws the seed."""
        low, high = params["quantiles"]
        own = {field.name: params[field.name] for field in fields(cls) if field.name in params}
        seed = seed_of(params["random_state"])
        return cls(**own | {"quantiles": (float(low), float(high)), "seed": seed})


@dataclass(frozen=True)
class Statistic:
    """A column's numbers, or the indicator of one of its values, standardized on the base weights."""

    feature: str
    level: Any  # None for a number
    values: Numbers  # (n_rows,), numbers, or the indicator
    origin: float  # the least value: the mean alone is rounded where a column is far from 0
    center: float  # base mean less the origin, in the column's units
    scale: float  # base standard deviation, 1 if constant
    levels: tuple[Any, ...] = ()  # of the column

    @classmethod
    def from_numbers(cls, feature: str, level: Any, values: Numbers, base: Floats) -> Statistic:
        """Numbers (n_rows,) of a column or an outcome."""
        z, origin, center, scale = _standardize_from_least(values, base)
        statistic = cls(feature, level, values, origin, center, scale)
        statistic.__dict__["z"] = z  # the cached property, computed already
        return statistic

    @classmethod
    def from_level(cls, column: Column, level: Any, member: Bools, base: Floats) -> Statistic:
        """Indicator of a column's level from its members (n_rows,)."""
        inside, outside = float(base[member].sum()), float(base[~member].sum())
        return cls.from_share(column.name, level, member, inside / (inside + outside), column.levels)

    @classmethod
    def from_share(
        cls, feature: str, level: Any, member: Bools, mean: float, levels: tuple[Any, ...] = ()
    ) -> Statistic:
        """Indicator of the members (n_rows,), whose share of the base weight is known."""
        spread = float(np.sqrt(max(mean * (1.0 - mean), 0.0))) or 1.0
        return cls(feature, level, member, 0.0, mean, spread, levels)

    @cached_property
    def z(self) -> Floats:
        """Standardized values (n_rows,)."""
        if self.values.dtype != bool:
            return np.asarray(self.to_z(self.values), dtype=np.float64)
        low, high = self.to_z(0.0), self.to_z(1.0)
        return np.where(self.values, high, low)

    @property
    def mean(self) -> float:
        """Base mean, in the column's units."""
        return self.origin + self.center

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value, but for rounding, so that the mean cannot be shifted."""
        return is_constant(self.values)

    @property
    def label(self) -> str:
        """Name in messages: "sex = Female"."""
        if self.level is None:
            return self.feature
        return f"{self.feature} = {label_text(self.level, self.levels)}"

    @property
    def key(self) -> tuple[str, type, Any]:
        """What tells it from the others, 1 from "1" and from True."""
        return self.feature, type(self.level), self.level

    def to_z(self, target: Any) -> Any:
        """Column units to standard deviations from the mean."""
        return ((target - self.origin) - self.center) / self.scale

    def from_z(self, z: Any) -> Any:
        """Standard deviations from the mean to column units."""
        return self.origin + (self.center + z * self.scale)

    def gap(self, weights: Floats, target: float) -> float:
        """Distance of the mean under weights (n_rows,) from a target, in standard deviations."""
        return abs(float(weights @ (self.values - target))) / self.scale

    def text(self, value: float) -> str:
        """A value for a message, with digits enough to tell 0.1 standard deviations apart."""
        far = abs(value) / self.scale
        return f"{value:.{min(max(4, 2 + int(np.ceil(np.log10(far)))), 17) if far > 1.0 else 4}g}"


def standardize(values: Numbers, base: Floats) -> tuple[Floats, float, float]:
    """Standardized values (n_rows,) with base mean 0, the mean and the standard deviation."""
    z, origin, center, scale = _standardize_from_least(values, base)
    return z, origin + center, scale


def _standardize_from_least(values: Numbers, base: Floats) -> tuple[Floats, float, float, float]:
    """Standardized values (n_rows,), the least value, the mean less that, and the standard deviation."""
    # Scaled to [0, 1] first, and centered twice: columns far from 0 or of tiny spread keep their digits.
    origin = float(values.min())
    with np.errstate(over="ignore"):
        z = values - origin
    width = float(z.max())
    if width == np.inf:
        raise DataError(
            f"Predictions or losses span from {origin:g} to {values.max():g}, more than a number can. Divide "
            "the predictions, and y, by a power of ten first."
        )
    if width == 0.0:
        return z, origin, 0.0, 1.0
    z /= width
    mean = float(base @ z)
    z -= mean
    scale = float(np.sqrt(base @ (z * z)))
    z /= scale
    z -= base @ z
    return z, origin, width * mean, width * scale


@dataclass(frozen=True)
class Sample:
    """Some rows of a table with the quantities of interest."""

    table: Table
    rows: Bools | None  # (n_rows,), rows of the table that are in the sample; None for all
    base: Floats  # (n_here,), their base weights, summing to 1
    quantities: tuple[Quantity, ...]
    outcomes: Floats  # (n_here, n_means), standardized rows of the quantities that are means
    centers: Floats  # (n_means,), their base means
    scales: Floats  # (n_means,), their base standard deviations

    @classmethod
    def from_table(cls, table: Table, quantities: Sequence[Quantity], rows: Bools | None = None) -> Sample:
        """Sample of the table, or of its `rows`, with standardized outcomes."""
        rows = None if rows is None or rows.all() else rows
        base = table.base if rows is None else table.base[rows] / table.base[rows].sum()
        means = [q for q in quantities if isinstance(q, MeanQuantity)]
        parts = [standardize(q.rows if rows is None else q.rows[rows], base) for q in means]
        outcomes = np.column_stack([part[0] for part in parts]) if parts else np.empty((base.size, 0))
        centers, scales = (np.array([part[i] for part in parts]) for i in (1, 2))
        return cls(table, rows, base, tuple(quantities), outcomes, centers, scales)

    def subset(self, rows: Bools) -> Sample:
        """The sample restricted to `rows` (n_rows,) of the table."""
        if rows.all():
            return self
        return Sample.from_table(self.table, self.quantities, rows if self.rows is None else rows & self.rows)

    def column(self, name: Any) -> Column:
        """A column, on these rows."""
        column = self.table.column(name)
        if self.rows is None:
            return column
        if column.name not in self._columns:
            self._columns[column.name] = column.take(np.flatnonzero(self.rows))
        return self._columns[column.name]

    @cached_property
    def _columns(self) -> dict[str, Column]:
        """Columns on these rows that were asked for."""
        return {}

    @cached_property
    def _shares(self) -> dict[str, Floats]:
        """Shares of the levels of columns that were asked for."""
        return {}

    def shares(self, column: Column) -> Floats:
        """Base weight (n_levels,) of each level of a column without missing values, of that of all rows."""
        if column.name not in self._shares:
            sums = np.bincount(column.values.astype(np.intp), self.base, len(column.levels))
            self._shares[column.name] = sums / sums.sum()
        return self._shares[column.name]

    def statistic(self, column: Column, level: Any = None) -> Statistic:
        """A number or a level's indicator, standardized on these rows."""
        if level is None:
            values = np.asarray(column.values, dtype=float)
            return Statistic.from_numbers(column.name, None, values, self.base)
        if not column.levels or column.missing.any():
            place = column.level_code(level) if column.levels else float(level)
            return Statistic.from_level(column, level, column.values == place, self.base)
        code = column.level_code(level)
        member = np.asarray(column.values == code)
        mean = float(self.shares(column)[code])
        return Statistic.from_share(column.name, level, member, mean, column.levels)

    def expand(self, weights: Floats) -> Floats:
        """Weights (n_here,) as weights of all rows of the table, 0 elsewhere, shape (n_rows,)."""
        if self.rows is None:
            return weights
        out = np.zeros(self.table.n_rows)
        out[self.rows] = weights
        return out

    def expand_mask(self, here: Bools) -> Bools:
        """Some of these rows (n_here,) as rows (n_rows,) of the table."""
        if self.rows is None:
            return here
        out = np.zeros(self.table.n_rows, dtype=bool)
        out[self.rows] = here
        return out

    def restrict(self, values: Floats) -> Floats:
        """Values (n_rows, ...) of the table on these rows, shape (n_here, ...)."""
        return values if self.rows is None else values[self.rows]

    @cached_property
    def design(self) -> Design | None:
        """Clusters and strata of these rows."""
        design = self.table.design
        return design if design is None or self.rows is None else design.restrict(self.rows)

    def resampling(self, config: ProjectionConfig) -> Resampling:
        """Bootstrap draws of the rows of the table."""
        return Resampling(self.table.n_rows, self.table.design, config.n_bootstrap, config.seed)

    @property
    def most_degrees(self) -> float:
        """Clusters minus strata; infinite where rows are independent."""
        return np.inf if self.design is None else self.design.degrees

    @property
    def base_ess(self) -> float:
        """Effective sample size of the base weights."""
        return float(1.0 / (self.base @ self.base))


def groups_of(quantity: Quantity, sample: Sample, weights: Floats) -> Floats | None:
    """What `inference.interval` takes of a quantity's groups under weights (n_here,), (1, n_groups, 2)."""
    if not isinstance(quantity, SmoothQuantity) or quantity.groups is None:
        return None
    return quantity.groups(sample.expand(weights))[None]


@dataclass(frozen=True)
class Skipped:
    """A feature that is left out, and why."""

    feature: str
    group: Any  # None without groups
    reason: str


def keep_complete_rows(
    sample: Sample, features: Sequence[str], missing: Missing, needed: Sequence[str] = ()
) -> Sample:
    """The rows with a value in every column of `features`, and `needed`; raises if one cannot be shifted."""
    there = np.ones(sample.table.n_rows, dtype=bool)
    every = list(dict.fromkeys((*features, *needed)))
    for feature in every:
        column = sample.column(feature)
        reason = column.immovable_reason() if feature in features else None
        if reason:
            raise DataError(f"Column {feature!r} cannot be shifted: {reason}.")
        lacking = column.missing
        if lacking.any() and missing == "raise":
            raise DataError(
                f"Column {feature!r} has no value in {int(lacking.sum())} of {lacking.size} rows. "
                "Fill them in, or construct EntropicProjection(missing='omit') to use the rows that have it."
            )
        there &= ~sample.table.column(feature).missing
    n_left = int(sample.restrict(there).sum())
    together = " and ".join(map(repr, every))
    if n_left < 2:
        raise DataError(f"Only {n_left} of {sample.base.size} rows have a value of {together}.")
    left = sample.subset(there)
    for feature in features if len(every) > 1 else ():
        reason = left.column(feature).immovable_reason()
        if reason:
            raise DataError(
                f"Column {feature!r} cannot be shifted in the {n_left} rows with a value of {together}: "
                f"{reason}."
            )
    return left


def movable(sample: Sample, group: Any) -> tuple[list[str], list[Skipped]]:
    """Features that can be shifted, and the reasons why others cannot."""
    features: list[str] = []
    skipped: list[Skipped] = []
    for name in sample.table.columns:
        column = sample.column(name)
        reason = column.immovable_reason() or too_many_levels(column)
        if reason:
            skipped.append(Skipped(name, group, reason))
        else:
            features.append(name)
    return features, skipped


def iter_groups(sample: Sample, by: str | None) -> Iterator[tuple[Any, Sample]]:
    """The sample itself, or one per value of column `by`."""
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
            f"by={by!r} would make {values.size} groups; at most {_MAX_GROUPS} are possible. "
            "Bin the column first, for example with pandas.cut."
        )
    for value in values:
        label = column.levels[int(value)] if column.levels else value.item()
        rows = column.values == value
        if rows.sum() >= 2:
            yield label, sample.subset(rows)


def find_single_row_groups(sample: Sample, by: str | None) -> list[Skipped]:
    """Groups with a single row, which cannot be reweighted."""
    if by is None:
        return []
    column = sample.table.column(by)
    values, counts = np.unique(column.values[~column.missing], return_counts=True)
    labels = [column.levels[int(value)] if column.levels else value.item() for value in values[counts < 2]]
    return [Skipped(column.name, label, "the group has a single row") for label in labels]


def too_many_levels(column: Column) -> str | None:
    """Why the levels of a column are too many to be shifted; None if they are not."""
    n_rows, n_levels = column.values.size, np.unique(column.values).size if column.levels else 0
    if n_levels > _FEW_LEVELS and n_levels > 0.5 * n_rows:
        return f"almost every row has a level of its own ({n_levels} levels in {n_rows} rows)"
    return None
