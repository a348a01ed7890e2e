"""How many degrees of freedom an error has, from the rows that carry it, and how heavy their tails are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.inference.design import Design

_OF_CARRIED = 1.0 / 3.0
"""Degrees of freedom for each that squares of influences have: samples look too light-tailed."""
_HEAVY = 1.5
"""Tail index of influences below which degrees of freedom follow it; below 2 there is no variance."""
_ABOVE_INDEX = 0.7
_GROWTH = 1.5
"""Of degrees of freedom of sizes with the tail index above that."""
_LIGHT = 200.0
"""Degrees of freedom of squares that leave no room for so heavy a tail, which is not looked for."""


class Powers(NamedTuple):
    """Sums of powers of influences, each (n_outcomes,)."""

    second: Floats
    third: Floats
    fourth: Floats

    @classmethod
    def from_influences(cls, influences: Floats) -> Powers:
        """Of influences of units (n_units, n_outcomes), or of parts of the largest where powers overflow."""
        with np.errstate(over="ignore"):
            square = influences * influences
        second = np.einsum("ij->j", square)
        safe = (second > 1e-60) & (second < 1e60)
        if not safe.all():
            influences = np.where(safe, influences, in_parts_of_the_largest(influences))
            square = influences * influences
            second = np.einsum("ij->j", square)
        third = np.einsum("ij,ij->j", square, influences)
        return cls(second, third, np.einsum("ij,ij->j", square, square))

    @property
    def skewness(self) -> Floats:
        """Of the sum, 0 without spread."""
        return np.asarray(self.third / np.where(self.second > 0.0, self.second, 1.0) ** 1.5, dtype=np.float64)


def carried_degrees(influences: Floats) -> Floats:
    """Degrees of freedom (n_outcomes,) of errors from influences of the units (n_units, n_outcomes).

    The variance is a sum of squares; its own spread, that of squares about their mean, gives those of the
    chi-square distribution that spreads as much (Satterthwaite). Influences of a normal sample have as many
    as there are rows, those of a label in 20 rows some 20. At least 1.
    """
    powers = Powers.from_influences(influences)
    return _degrees_of_sums(powers.second, powers.fourth, len(influences))


def _degrees_of_sums(total: Floats, fourth: Floats, n: int) -> Floats:
    """The same from sums of squares and of fourth powers (n_outcomes,) over n units."""
    spread = fourth / np.where(total > 0.0, total, 1.0) ** 2 - 1.0 / n
    degrees = np.where(total > 0.0, 2.0 / np.maximum(spread, 2.0 / n / n), n - 1.0)
    return np.clip(degrees, 1.0, max(n - 1.0, 1.0))


def in_parts_of_the_largest(influences: Floats) -> Floats:
    """Influences (n_units, n_outcomes) whose powers neither overflow nor vanish."""
    largest = np.abs(influences).max(0, initial=0.0)
    return np.asarray(influences / np.where(largest > 0.0, largest, 1.0), dtype=np.float64)


def tail_index(influences: Floats) -> Floats:
    """Hill's estimate of the tail index of sizes (n_units, n_outcomes), infinite if unseen; (n_outcomes,).

    Of the largest root of n, at most of half of the units that carry the sum, and of three or more.

    Hill, B. M. (1975). A simple general approach to inference about the tail of a distribution. Annals of
    Statistics, 3(5), 1163-1174. https://doi.org/10.1214/aos/1176343247
    """
    n, n_outcomes = influences.shape
    most = int(np.sqrt(n))
    if most < 3:
        return np.full(n_outcomes, np.inf)
    sizes = in_parts_of_the_largest(np.abs(influences))
    top = -np.sort(-np.partition(sizes, n - 1 - most, axis=0)[n - 1 - most :], axis=0)
    total, square = sizes.sum(0), np.einsum("ij,ij->j", sizes, sizes)
    carriers = 0.5 * total**2 / np.where(square > 0.0, square, 1.0)
    k = np.maximum(np.minimum(most, carriers.astype(np.intp)), 3)
    index, of_few = _hill(top, k), _hill(top, np.maximum(k // 3, 3))
    # A few rows far from all others, as those of a rare label, have a tail of their own.
    index = np.where(of_few > 2.0 * index, of_few, index)
    is_seen = (square > 0.0) & (top[k, np.arange(n_outcomes)] > 0.0)
    return np.where(is_seen, index, np.inf)


def _hill(ordered: Floats, k: Codes) -> Floats:
    """Hill's estimates (n_outcomes,) from sizes in falling order, by the first k of each and the next."""
    every = np.arange(k.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(ordered)
        mean = np.cumsum(logs, 0)[k - 1, every] / k - logs[k, every]
        return np.where(mean > 0.0, 1.0 / mean, np.inf)


def trusted_degrees(
    influences: Floats, is_bounded: bool | Bools = False, design: Design | None = None
) -> tuple[Floats, Floats, Floats]:
    """Degrees of freedom (n_outcomes,) that intervals hold with, the tail index, and the sum's skewness.

    A third of those that the squares have, and few where tails are so heavy that there is no variance: then
    one more row like the largest would move the value by more than its error. What is bounded has no tail. Of
    clusters in a design, whose sums are nearer to normal, all degrees count, up to clusters minus strata.
    """
    whole = design is not None and design.n_clusters < design.cluster.size
    powers = Powers.from_influences(influences)
    carried = _degrees_of_sums(powers.second, powers.fourth, len(influences))
    degrees = np.maximum((1.0 if whole else _OF_CARRIED) * carried, 1.0)
    index = np.full(degrees.size, np.inf)
    looked_at = (carried < _LIGHT) & np.logical_not(is_bounded)
    if looked_at.any():
        index[looked_at] = tail_index(influences[:, looked_at])
    degrees = np.where(index < _HEAVY, np.minimum(degrees, index + _ABOVE_INDEX), degrees)
    return degrees, index, powers.skewness


def degrees_of_sizes(degrees: Floats, index: Floats) -> Floats:
    """Degrees of freedom of sizes of residuals, few also where tails are so heavy that errors have none."""
    # A sample without its largest residuals looks light: what they would add grows with the tail.
    with np.errstate(over="ignore"):
        most = (_HEAVY + _ABOVE_INDEX) * np.exp(_GROWTH * np.maximum(index - _HEAVY, 0.0))
    return np.asarray(np.fmin(degrees, most), dtype=np.float64)


def trusted_degrees_of_sums(total: Floats, fourth: Floats, n: int) -> Floats:
    """`trusted_degrees` of what is bounded, from sums of squares and of fourth powers (n_outcomes,)."""
    return np.maximum(_OF_CARRIED * _degrees_of_sums(total, fourth, n), 1.0)
