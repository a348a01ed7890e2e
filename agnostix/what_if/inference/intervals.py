"""Intervals from standard errors, and errors of what has no known derivative."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from agnostix.core.typing import Codes, Floats
from agnostix.what_if.inference.design import Design

N_BLOCKS = 30
"""Blocks of the jackknife, for metrics without a known derivative."""
_NONE = 1e-9
_DEGREES_PER_ROW = 1.0 / 3.0
"""Degrees of freedom per effective row: with it nominal 90 % covers .86 to .94 down to 20 % of the rows."""


def assign_blocks(n_rows: int, design: Design | None = None) -> tuple[Codes, int]:
    """The block of each row (n_rows,), and the number of blocks; clusters stay whole."""
    if design is not None:
        return design.blocks(N_BLOCKS)
    # Rows are in the order of a hash, so every n-th row is as good as a random block.
    n_blocks = min(N_BLOCKS, n_rows)
    return np.arange(n_rows) % n_blocks, n_blocks


def jackknife(without: Floats) -> Floats:
    """Standard errors (n_statistics,) from values (n_blocks, n_statistics) with one block left out."""
    counts = np.isfinite(without).sum(0)
    mean = np.nansum(without, 0) / np.maximum(counts, 1)
    spread = np.nansum((without - mean) ** 2, 0)
    return np.where(counts > 1, np.sqrt((counts - 1) / np.maximum(counts, 1) * spread), np.nan)


def degrees_of_freedom(ess: Floats, most: float = np.inf) -> Floats:
    """Of Student's distribution: a third of the effective rows, and at most clusters minus strata."""
    return np.minimum(np.maximum(np.asarray(ess) * _DEGREES_PER_ROW, 1.0), most)


def interval(
    values: Floats,
    errors: Floats,
    ess: Floats,
    confidence_level: float,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    *,
    counts: bool = False,
    most_degrees: float = np.inf,
    groups: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Student's t intervals (n_targets,); degrees of freedom are a third of the effective sample size.

    `groups` (n_targets, n_groups, 2) are the effective rows of the groups that the values are proportions of,
    and how the values move with a proportion that is 0 or 1, 0 for those between.
    """
    # A proportion of 0 or 1 has no spread; there the binomial bound for the effective sample size is used.
    ess = ess if groups is None else groups[..., 0].min(-1)
    half = stdtrit(degrees_of_freedom(ess, most_degrees), 0.5 + 0.5 * confidence_level) * errors
    down = up = half
    if groups is not None:
        moved = groups[..., 1] * _binomial_bound(groups[..., 0], confidence_level, most_degrees)
        down, up = (np.sqrt(half**2 + (np.maximum(side, 0.0) ** 2).sum(-1)) for side in (-moved, moved))
    low, high = np.clip(values - down, *bounds), np.clip(values + up, *bounds)
    if counts:
        far = _binomial_bound(ess, confidence_level, most_degrees)
        high = np.where(values <= _NONE, np.maximum(high, far), high)
        low = np.where(values >= 1.0 - _NONE, np.minimum(low, 1.0 - far), low)
    return low, high


def _binomial_bound(ess: Floats, confidence_level: float, most_degrees: float) -> Floats:
    """The largest proportion that can be without a case among the effective rows."""
    n = np.maximum(np.minimum(ess, most_degrees + 1.0), 1.0)
    return np.asarray(1.0 - (0.5 - 0.5 * confidence_level) ** (1.0 / n))
