"""Each pixel's average shifted down and up: what it does to the means of all outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from agnostix.core.row_sources import working_memory
from agnostix.core.typing import Codes, Floats
from agnostix.what_if.distinct_values import DistinctValues
from agnostix.what_if.inference import classify_support, interval
from agnostix.what_if.moments import quantile_ends
from agnostix.what_if.pixels.columns import PixelColumns, merges_levels
from agnostix.what_if.pixels.population import PixelTable
from agnostix.what_if.responses import compare_ends
from agnostix.what_if.sample import ProjectionConfig, Sample
from agnostix.what_if.tilting import EDGE, ExponentialTilts, solve_kl, solve_targets

_MOST_TOGETHER = 64
"""Pixels in a block at most: more are no faster."""
_MOST_NUMBERS = 60_000
"""Numbers of the pixels in a block that are not merged, at most."""
_ENDS = 40
"""Numbers of each point of a pixel while both its ends are measured."""
_WAYS = np.array([-1, 1])
NOT_DETERMINED = "not determined"

Arrays = dict[str, Any]


def measure_effects(
    pixels: PixelTable, sample: Sample, config: ProjectionConfig, kl: float | None, level: float
) -> Arrays:
    """Arrays of `PixelEffects` of one group, with a last axis of all pixels."""
    m, n_pixels = sample.outcomes.shape[1], pixels.n_pixels
    by_output = ("values", "std_errors", "down", "up", "down_std_errors", "up_std_errors")
    out: Arrays = {name: np.full((m, n_pixels), np.nan) for name in by_output}
    out |= {name: np.full((2, n_pixels), np.nan) for name in ("targets", "kl", "ess")}
    out["status"] = np.full(n_pixels, NOT_DETERMINED, dtype=object)
    out["averages"] = np.empty(n_pixels)
    for block, columns in _iter_columns(pixels, sample):
        out["averages"][block] = columns.averages
        if columns.places.size:
            _fill(out, columns, _shift(columns.distinct, sample.base, config, kl), sample, config)
    ess = out["ess"].min(0)
    out["low"], out["high"] = interval(out["values"], out["std_errors"], ess, level)
    return {name: pixels.as_pictures(array) for name, array in out.items()} | {"base": sample.centers.copy()}


def _iter_columns(pixels: PixelTable, sample: Sample) -> Iterator[tuple[slice, PixelColumns]]:
    n_rows, m = sample.base.size, sample.outcomes.shape[1]
    if pixels.levels is not None and merges_levels(pixels, n_rows):
        n_numbers = pixels.levels.size * (_ENDS + 8 * m) + 4 * n_rows
        blocks = pixels.blocks(int(np.clip(working_memory() // (8 * n_numbers), 1, _MOST_TOGETHER)))
    else:
        # As wide for any working memory: columns that share their rows are multiplied together, and
        # products of matrices round by how many columns there are.
        blocks = pixels.blocks(int(np.clip(_MOST_NUMBERS // n_rows, 1, _MOST_TOGETHER)))
    for block in blocks:
        yield block, PixelColumns.from_pixels(pixels, block, sample.base, sample.outcomes, sample.rows)


def _shift(
    distinct: DistinctValues, base: Floats, config: ProjectionConfig, kl: float | None
) -> ExponentialTilts:
    """Multipliers (n_columns, 2) down and up: to the quantiles, or by a divergence."""
    if kl is not None:
        return solve_kl(distinct, np.full((len(distinct.points), 2), kl), _WAYS)
    low, high = _quantiles(distinct, base, config.quantiles)
    return solve_targets(distinct, quantile_ends(distinct, low, high))


def _quantiles(distinct: DistinctValues, base: Floats, quantiles: tuple[float, float]) -> list[Floats]:
    """Weighted quantiles (n_columns,): the smallest values with at least this share at or below."""
    columns = np.arange(len(distinct.points))
    if distinct.mass.ndim > 1:  # merged values, in increasing order
        below = np.cumsum(distinct.mass, axis=1)
        wanted = [below[:, -1:] * q * (1.0 - 1e-12) for q in quantiles]
        return [distinct.points[columns, (below < one).sum(1)] for one in wanted]
    if base.min() == base.max():
        below = np.cumsum(base)
        place = np.searchsorted(below, np.array(quantiles) * below[-1] * (1.0 - 1e-12))
        place = np.minimum(place, base.size - 1)
        return list(np.partition(distinct.points, np.unique(place), axis=1)[:, place].T)
    order: Codes = distinct.points.argsort(axis=1, kind="stable")
    below = np.cumsum(base[order], axis=1)
    wanted = [below[:, -1:] * q * (1.0 - 1e-12) for q in quantiles]
    places = [np.minimum((below < one).sum(1), base.size - 1) for one in wanted]
    return [distinct.points[columns, order[columns, place]] for place in places]


def _fill(
    out: Arrays, columns: PixelColumns, tilts: ExponentialTilts, sample: Sample, config: ProjectionConfig
) -> None:
    """Measure both ends of a block of pixels, and write them into the arrays."""
    at = columns.places
    responses, errors = compare_ends(columns.distinct, tilts)
    unit, center = sample.scales[:, None], sample.centers[:, None]
    down, up = (responses.values[:, k].T for k in (0, 1))
    out["values"][:, at] = unit * (up - down)
    out["std_errors"][:, at] = unit * errors.T
    out["down"][:, at], out["up"][:, at] = center + unit * down, center + unit * up
    for k, name in enumerate(("down_std_errors", "up_std_errors")):
        out[name][:, at] = unit * responses.std_errors[:, k].T
    out["targets"][:, at] = columns.from_z(tilts.targets).T
    out["kl"][:, at] = np.maximum(responses.kl, 0.0).T
    out["ess"][:, at] = responses.ess.T
    moving = np.abs(tilts.targets) > EDGE
    status = classify_support(
        tilts.infeasible,
        tilts.boundary,
        responses.ess,
        np.where(moving, responses.gain_ess, np.inf),
        config.min_ess_fraction * sample.base_ess,
    )
    out["status"][at] = worst(status)


def worst(status: np.ndarray) -> np.ndarray:
    """The worse status of the two ends (n, 2) of each shift."""
    both = [np.isin(status, ["boundary", "infeasible"]).any(-1), (status == "thin").any(-1)]
    return np.select(both, ["boundary", "thin"], "ok").astype(object)
