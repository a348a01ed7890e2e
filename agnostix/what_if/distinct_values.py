"""Rows with the same value of one statistic, merged.

A reweighting that depends on one statistic alone gives equal rows equal weights, so rows with the same
value enter every sum together. A continuous statistic has no equal rows; there a few Chebyshev nodes per
bin carry the same sums of every smooth function of the statistic, to rounding error.

Columns of equally many points are stacked in one `DistinctValues`, whose arrays then have a first axis of
columns, or none where all columns share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csc_array

from agnostix.core.typing import Codes, Floats, Numbers

N_BINS = 256
N_NODES = 8
MAX_EXACT = 4_096
_CHUNK = 65_536
_FEW_OUTCOMES = 2


@dataclass(frozen=True)
class DistinctValues:
    """Distinct values of a statistic (or Chebyshev nodes) with the sums over their rows."""

    # Of stacked columns every array but `bin_widths`, which they lack, may have a first axis of columns.

    points: Floats  # (n_points,), values of the standardized statistic
    mass: Floats  # (n_points,), sum of base weights b
    first: Floats  # (n_points, n_outcomes), sums of b * outcome
    mass_sq: Floats  # (n_points,), sum of b^2
    first_sq: Floats  # (n_points, n_outcomes), sums of b^2 * outcome
    second_sq: Floats  # (n_points, n_outcomes), sums of b^2 * outcome^2
    row_mass: Floats  # (n_points,), mean base weight of a row, weighted by itself
    row_top: Floats  # (n_points,), largest base weight of a row
    extremes: tuple[Any, Any]  # smallest and largest value over the rows, each a float or (n_columns,)
    bin_widths: Floats | None = None  # (n_points,), of each node's bin; None for distinct values

    @cached_property
    def mean(self) -> Any:
        """Base mean of the statistic, a float or (n_columns,)."""
        if self.points.ndim == 1:
            return float(self.mass @ self.points)
        return weigh_columns(self.points, self.mass)

    @property
    def span(self) -> tuple[Any, Any]:
        """Smallest and largest point; for nodes a little inside the extremes."""
        return self.points.min(-1), self.points.max(-1)


def weigh(terms: Floats, sums: Floats) -> Floats:
    """Terms ([n_columns,] n_targets, n_points) by each point's sum ([n_columns,] n_points), added up."""
    return terms @ sums if sums.ndim == 1 else (terms @ sums[..., None])[..., 0]


def weigh_columns(terms: Floats, sums: Floats) -> Floats:
    """Terms (n_columns, n_points) by each point's sum ([n_columns,] n_points), added up, (n_columns,)."""
    total: Floats = (terms * sums).sum(1)  # a product of matrices would round by how many columns there are
    return total


def is_spread(z: Floats) -> bool:
    """Whether a statistic has so many distinct values that nodes are better."""
    return z.size > MAX_EXACT and _mostly_distinct(z)


def collapse(
    z: Floats,
    base: Floats,
    outcomes: Floats,
    *,
    unique_index: tuple[Codes, Codes] | None = None,
    exact: bool = False,
) -> DistinctValues:
    """Merge rows with the same value of z (n_rows,); `exact` never uses nodes."""
    if unique_index is not None:
        points, code = z[unique_index[0]], unique_index[1]
    elif not exact and is_spread(z) and base.min() == base.max():
        return _chebyshev(z, base, outcomes)
    else:
        points, code = np.unique(z, return_inverse=True)
    return _from_sums(points, _Sums.from_rows(code, points.size, base, outcomes))


def collapse_levels(
    codes: Codes, points: dict[int, Floats], base: Floats, outcomes: Floats
) -> list[DistinctValues]:
    """The indicators of several levels of a column, from one pass over its rows."""
    sums = _Sums.from_rows(codes, int(codes.max()) + 1, base, outcomes)
    return [_from_sums(ends, sums.against(code)) for code, ends in points.items()]


@dataclass(frozen=True)
class _Sums:
    mass: Numbers
    first: Floats
    mass_sq: Numbers
    first_sq: Floats
    second_sq: Floats
    row_top: Floats

    @classmethod
    def from_rows(cls, code: Codes, size: int, base: Floats, outcomes: Floats) -> _Sums:
        mass = np.bincount(code, base, size)
        first, second = _outcome_sums(code, size, base, outcomes)
        if base.min() == base.max():
            b = base[0]
            return cls(mass, first, b * mass, b * first, b * second, np.full(size, b))
        row_top = np.zeros(size)
        np.maximum.at(row_top, code, base)
        square = base * base
        first_sq, second_sq = _outcome_sums(code, size, square, outcomes)
        return cls(mass, first, np.bincount(code, square, size), first_sq, second_sq, row_top)

    def against(self, j: int) -> _Sums:
        """Sums of all other values, and of the j-th."""
        others = np.arange(self.mass.size) != j
        parts = (self.mass, self.first, self.mass_sq, self.first_sq, self.second_sq)
        mass, first, mass_sq, first_sq, second_sq = (np.stack([p[others].sum(0), p[j]]) for p in parts)
        row_top = np.array([self.row_top[others].max(initial=0.0), self.row_top[j]])
        return _Sums(mass, first, mass_sq, first_sq, second_sq, row_top)


def _outcome_sums(code: Codes, size: int, weight: Floats, outcomes: Floats) -> tuple[Floats, Floats]:
    if outcomes.shape[1] <= _FEW_OUTCOMES:
        first = np.empty((size, outcomes.shape[1]))
        second = np.empty_like(first)
        for j, y in enumerate(outcomes.T):
            weighted = weight * y
            first[:, j] = np.bincount(code, weighted, size)
            second[:, j] = np.bincount(code, weighted * y, size)
        return first, second
    member = csc_array((weight, code, np.arange(code.size + 1)), shape=(size, code.size))
    return member @ outcomes, member @ (outcomes * outcomes)


def _from_sums(points: Floats, sums: _Sums) -> DistinctValues:
    return DistinctValues(
        points,
        sums.mass,
        sums.first,
        sums.mass_sq,
        sums.first_sq,
        sums.second_sq,
        sums.mass_sq / sums.mass,
        sums.row_top,
        (float(points.min()), float(points.max())),
    )


def _mostly_distinct(z: Floats) -> bool:
    sample = _sample(z)
    return np.unique(sample).size > 0.5 * sample.size


def _sample(z: Floats) -> Floats:
    return z[:: max(1, z.size // 2_048)]


def _chebyshev(z: Floats, base: Floats, outcomes: Floats) -> DistinctValues:
    """Distribute every row over the nodes of its bin so that sums of all polynomials are kept."""
    extremes = float(z.min()), float(z.max())
    grid = _Bins.spanning(z, extremes)
    m = outcomes.shape[1]
    moments = np.zeros((N_NODES, 1 + 2 * m, N_BINS))
    for start in range(0, z.size, _CHUNK):
        rows = slice(start, start + _CHUNK)
        _add_moments(moments, *grid.locate(z[rows]), base[rows], outcomes[rows])
    angle = np.pi * (np.arange(N_NODES) + 0.5) / N_NODES
    transform = np.cos(np.outer(angle, np.arange(N_NODES))) * (2.0 / N_NODES)
    transform[:, 0] *= 0.5
    at_nodes = np.einsum("jk,kcb->bjc", transform, moments).reshape(N_BINS * N_NODES, 1 + 2 * m)
    widths = np.diff(grid.edges)
    points = (grid.edges[:-1, None] + 0.5 * widths[:, None] * (1.0 + np.cos(angle))).ravel()
    mass, first, second = at_nodes[:, 0], at_nodes[:, 1 : 1 + m], at_nodes[:, 1 + m :]
    b = base[0]
    row_mass = np.full(points.size, b)
    node_widths = np.repeat(widths, N_NODES)
    return DistinctValues(
        points, mass, first, b * mass, b * first, b * second, row_mass, row_mass, extremes, node_widths
    )


@dataclass(frozen=True)
class _Bins:
    """Bins of equal width on the inverse hyperbolic sine: narrow in the bulk, wide in the tails."""

    center: float
    scale: float
    first: float
    step: float
    edges: Floats

    @classmethod
    def spanning(cls, z: Floats, extremes: tuple[float, float]) -> _Bins:
        quarter, center, three = np.quantile(_sample(z), [0.25, 0.5, 0.75])
        scale = (three - quarter) or 1.0
        first, last = np.arcsinh((np.array(extremes) - center) / scale)
        edges = center + scale * np.sinh(np.linspace(first, last, N_BINS + 1))
        edges[0], edges[-1] = extremes
        return cls(center, scale, first, (last - first) / N_BINS, edges)

    def locate(self, z: Floats) -> tuple[Codes, Floats]:
        """Bin and position within it, from -1 to 1, each (n_rows,)."""
        position = (np.arcsinh((z - self.center) / self.scale) - self.first) / self.step
        bins = np.clip(position.astype(np.intp), 0, N_BINS - 1)
        left, width = self.edges[bins], np.diff(self.edges)[bins]
        return bins, 2.0 * (z - left) / width - 1.0


def _add_moments(moments: Floats, bins: Codes, s: Floats, base: Floats, outcomes: Floats) -> None:
    columns = [base] + [base * y for y in outcomes.T] + [base * y * y for y in outcomes.T]
    previous, current = s, np.ones_like(s)  # T_{-1} = T_1 = s, T_0 = 1
    for k in range(N_NODES):
        for c, column in enumerate(columns):
            moments[k, c] += np.bincount(bins, column * current if k else column, N_BINS)
        previous, current = current, 2.0 * s * current - previous if k else s
