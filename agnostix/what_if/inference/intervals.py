"""Intervals from standard errors, and errors of what has no known derivative."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import ndtri, stdtrit

from agnostix.core.intervals import half_widths, interval_ends, skewed_half_widths, wilson_ends
from agnostix.core.typing import Codes, Floats
from agnostix.what_if.inference.carried import degrees_of_sizes
from agnostix.what_if.inference.design import Design

N_BLOCKS = 30
"""Blocks of the jackknife, for metrics without a known derivative."""
DIFFERENCE = "difference"
"""Kind of intervals of differences of proportions: Student's, the binomial bound where no spread was seen."""
FEW_EVENTS = "few events"
HEAVY_TAILS = "heavy tails"
_NONE = 1e-9
_RARE = 10.0
"""Effective events below which their number, not the spread, decides."""
_FEWEST = 1.99
"""Effective events below which no interval is trusted."""
_NO_MEAN = 0.5
"""Tail index of influences, in a sample, below which no interval held: there is no mean."""
_BEYOND = 0.4
"""Share of an end's chance to be missed on the side where errors would be larger: of samples without their
largest residuals, stated errors are too small. Of the tenth with the smallest, nine tenths then hold."""
_OF_SKEWED = 3.0
"""Degrees of freedom of Hall's intervals for each of Student's, which are few because of skewness."""
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


def interval_degrees(ess: Floats, evidence: Evidence | None, most: float = np.inf) -> Floats:
    """Degrees of freedom (n_targets,) of `interval`: of effective rows, and of those that carry the error."""
    of_rows = degrees_of_freedom(ess, most)
    return of_rows if evidence is None else np.fmax(np.fmin(of_rows, evidence.degrees), 1.0)


def interval(
    values: Floats,
    errors: Floats,
    ess: Floats,
    confidence_level: float,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    *,
    kind: str = "student",
    evidence: Evidence | None = None,
    most_degrees: float = np.inf,
    groups: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Ends of intervals (n_targets,) of a kind of `core.intervals`, with "-" before it for its negative.

    Degrees of freedom are a third of the effective rows, and at most those that the rows which carry the
    error have. `groups` (n_targets, n_groups, 2) are the effective rows of the groups that the values are
    proportions of, and how the values move with a proportion that is 0 or 1, 0 for those between.
    """
    if kind.startswith("-"):
        mirrored = (-bounds[1], -bounds[0])
        turned = None if evidence is None else replace(evidence, skewness=-evidence.skewness)
        own = {"kind": kind[1:], "evidence": turned, "most_degrees": most_degrees}
        low, high = interval(-values, errors, ess, confidence_level, mirrored, **own)  # type: ignore[arg-type]
        return -high, -low
    ess = ess if groups is None else groups[..., 0].min(-1)
    of_rows = degrees_of_freedom(ess, most_degrees)
    degrees = interval_degrees(ess, evidence, most_degrees)
    n = np.minimum(ess, most_degrees + 1.0)
    n = n if evidence is None else np.fmin(n, evidence.carriers)
    if kind == "wilson":
        low, high = _proportion(values, errors, n, of_rows, confidence_level)
    elif kind == "logit":
        low, high = interval_ends(values, errors, confidence_level, degrees, kind)
        low, high = _at_bounds(values, low, high, n, confidence_level)
    elif kind not in ("student", DIFFERENCE):
        few = degrees if evidence is None else degrees_of_sizes(degrees, evidence.tails)
        low, high = _of_size(values, errors, confidence_level, few, kind)
    elif kind == DIFFERENCE:
        half = half_widths(errors, confidence_level, degrees)
        half = np.where(errors <= _NONE, np.fmax(half, _binomial_bound(n, confidence_level, np.inf)), half)
        low, high = values - half, values + half
    else:
        # A proportion of 0 or 1 has no spread; there the binomial bound of the effective rows is used.
        half = half_widths(errors, confidence_level, degrees)
        down = up = half
        if groups is not None:
            moved = groups[..., 1] * _binomial_bound(groups[..., 0], confidence_level, most_degrees)
            down, up = (np.sqrt(half**2 + (np.maximum(side, 0.0) ** 2).sum(-1)) for side in (-moved, moved))
        low, high = values - down, values + up
    low, high = (np.where(np.isinf(errors), end, own) for end, own in zip(bounds, (low, high), strict=True))
    if evidence is not None:
        below, above = evidence.reach(confidence_level, n)
        low, high = np.fmin(low, values - below), np.fmax(high, values + above)
        if kind not in ("wilson", "logit"):
            below, above = _long_tails(errors, confidence_level, degrees, evidence.skewness)
            low, high = np.fmin(low, values - below), np.fmax(high, values + above)
    return np.clip(low, *bounds), np.clip(high, *bounds)


def _of_size(
    values: Floats, errors: Floats, confidence_level: float, degrees: Floats, kind: str
) -> tuple[Floats, Floats]:
    """Ends for sizes of residuals, which lie far off on one side more often: small ones have small errors."""
    low, high = interval_ends(values, errors, confidence_level, degrees, kind)
    further = interval_ends(values, errors, 1.0 - _BEYOND * (1.0 - confidence_level), degrees, kind)
    return (low, further[1]) if kind == "log" else (further[0], high)


def _long_tails(
    errors: Floats, confidence_level: float, degrees: Floats, skewness: Floats
) -> tuple[Floats, Floats]:
    """How far Hall's intervals reach below and above (n_targets,), on the side of the long tail alone."""
    known = np.isfinite(errors) & (errors > 0.0) & np.isfinite(skewness)
    own, skew = np.where(known, errors, 0.0), np.where(known, skewness, 0.0)
    below, above = skewed_half_widths(own, confidence_level, _OF_SKEWED * degrees, skew)
    return np.where(skew < 0.0, below, 0.0), np.where(skew > 0.0, above, 0.0)


def _proportion(
    values: Floats, errors: Floats, n: Floats, degrees: Floats, confidence_level: float
) -> tuple[Floats, Floats]:
    """Wilson's interval of proportions, by the effective sample size of their errors."""
    # Korn, E. L. and Graubard, B. I. (1998). Confidence intervals for proportions with small expected number
    # of positive counts estimated from survey data. survey methodology 24, 193-201.
    tail = 0.5 + 0.5 * confidence_level
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = values * (1.0 - values) / errors**2
        rare = np.minimum(values, 1.0 - values) * n < _RARE
        effective = np.where(rare, np.minimum(effective, n), effective)
        effective = effective * (ndtri(tail) / stdtrit(degrees, tail)) ** 2
        low, high = wilson_ends(values, effective, confidence_level)
    exact = (errors == 0.0) | np.isinf(effective)
    low, high = np.where(exact, values, low), np.where(exact, values, high)
    return _at_bounds(values, low, high, n, confidence_level)


def _at_bounds(
    values: Floats, low: Floats, high: Floats, n: Floats, confidence_level: float
) -> tuple[Floats, Floats]:
    """Ends where a proportion is 0 or 1: the binomial bound of n effective rows."""
    far = _binomial_bound(n, confidence_level, np.inf)
    high = np.where(values <= _NONE, np.fmax(high, far), high)
    return np.where(values >= 1.0 - _NONE, np.fmin(low, 1.0 - far), low), high


@dataclass(frozen=True)
class Evidence:
    """What intervals of one quantity rest on besides its error, each (n_targets,); NaN where not known."""

    degrees: Floats  # of freedom, by the rows that carry the error
    tails: Floats  # tail index of the influences
    carriers: Floats  # effective number of rows that the quantity is a share of, or that its rarest kind has
    event_share: Floats  # share of the rows where a rare event was seen, that moves the quantity upwards
    event_size: Floats  # how far the quantity moves with that share
    base_share: Floats  # of changes: the same in the data
    base_size: Floats
    skewness: Floats  # of the sum of the influences

    @classmethod
    def unknown(cls, n: int) -> Evidence:
        """Of n targets of which nothing is known."""
        return cls(*np.full((8, n), np.nan))

    @property
    def of_degrees(self) -> Evidence:
        """The degrees of freedom alone."""
        none = np.full_like(self.degrees, np.nan)
        return replace(Evidence(*[none] * len(fields(self))), degrees=self.degrees)

    def reach(self, confidence_level: float, n: Floats) -> tuple[Floats, Floats]:
        """How far values may lie below and above for events of which few, or none, were seen."""
        up, down = (
            np.where(
                np.nan_to_num(share, nan=1.0) * n < _RARE, size * _more_of(share, n, confidence_level), 0.0
            )
            for share, size in ((self.event_share, self.event_size), (self.base_share, self.base_size))
        )
        return np.nan_to_num(down), np.nan_to_num(up)

    def status(self) -> np.ndarray:
        """Whether all is "ok", or why no interval can be trusted, (n_targets,)."""
        few, heavy = self.carriers < _FEWEST, self.tails < _NO_MEAN
        return np.select([few, heavy], [FEW_EVENTS, HEAVY_TAILS], "ok").astype(object)


def _more_of(share: Floats, n: Floats, confidence_level: float) -> Floats:
    """How much larger a share of n rows may be."""
    return wilson_ends(share, np.maximum(n, 1.0), confidence_level)[1] - share


def _binomial_bound(ess: Floats, confidence_level: float, most_degrees: float) -> Floats:
    """The largest proportion that can be without a case among the effective rows."""
    n = np.maximum(np.minimum(ess, most_degrees + 1.0), 1.0)
    return np.asarray(1.0 - (0.5 - 0.5 * confidence_level) ** (1.0 / n))
