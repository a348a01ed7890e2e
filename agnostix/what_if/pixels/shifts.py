"""Means of outcomes shifted: how the average picture shifts with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import InfeasibleTargetError
from agnostix.what_if.constraints.short_forms import Statement
from agnostix.what_if.inference import Evidence, WeightDiagnostics, classify_support, interval
from agnostix.what_if.pixels.columns import stack_rows, standardize_columns
from agnostix.what_if.pixels.effects import NOT_DETERMINED, Arrays, worst
from agnostix.what_if.pixels.population import PixelTable
from agnostix.what_if.predictions import Predictions
from agnostix.what_if.responses import Responses, compare_ends
from agnostix.what_if.sample import ProjectionConfig, Sample
from agnostix.what_if.scenario import solve_constraints
from agnostix.what_if.shifts import shift_degrees
from agnostix.what_if.solving import Closeness
from agnostix.what_if.tilting import ExponentialTilts, density_ratio, solve_kl

_MOST_TOGETHER = 64
_MOST_NUMBERS = 2_000_000
"""Pixels in a block at most, and numbers of them over all pictures."""
_WAYS = np.array([-1, 1])


def reverse_shifts(
    pixels: PixelTable, sample: Sample, config: ProjectionConfig, kl: float, level: float
) -> Arrays:
    """Arrays of `PixelShifts` of one group, each outcome's mean shifted down and up by a divergence."""
    m, n = sample.outcomes.shape[1], sample.base.size
    moves = np.flatnonzero(np.ptp(sample.outcomes, axis=0) > 0.0)
    out = _empty(m, pixels.n_pixels, sample)
    if moves.size:
        z = np.ascontiguousarray(sample.outcomes[:, moves].T)
        alone = stack_rows(z, sample.base, np.empty((n, 0)))
        tilts = solve_kl(alone, np.full((moves.size, 2), kl), _WAYS)
        ratio = density_ratio(z, tilts.xi, alone.extremes, sample.base)
        _write_weights(out, moves, ratio * sample.base, sample)
        out["targets"][moves] = sample.centers[moves, None] + sample.scales[moves, None] * tilts.targets
        responses = compare_ends(alone, tilts)[0]
        out["kl"][moves], out["ess"][moves] = np.maximum(responses.kl, 0.0), responses.ess
        out["status"][moves] = _status(tilts, responses, config.min_ess_fraction * sample.base_ess)
    for block in _iter_blocks(pixels, sample):
        block.write(out, "spread", ..., block.unit)
        if moves.size:
            responses, errors = compare_ends(stack_rows(z, sample.base, block.x), tilts)
            ends = [responses.values[:, k] for k in (0, 1)]
            for name, end in zip(("start", "end"), ends, strict=True):
                block.write(out, name, moves, block.center + block.unit * end)
            block.write(out, "values", moves, block.unit * (ends[1] - ends[0]))
            block.write(out, "std_errors", moves, block.in_units(errors))
    return _finished(out, pixels, level)


def scenario_shifts(
    pixels: PixelTable,
    sample: Sample,
    statement: Statement,
    predictions: Predictions,
    config: ProjectionConfig,
    level: float,
    closeness: Closeness,
) -> Arrays:
    """Arrays of `PixelShifts` of one group, one scenario that meets all constraints."""
    solved = solve_constraints(sample, statement, predictions, config, closeness)
    context, projection = solved.context, solved.projection
    diagnostics = WeightDiagnostics.from_weights(
        projection.weights,
        sample.base,
        projection.status == "boundary",
        config.min_ess_fraction * sample.base_ess,
        sample.design,
    )
    influence = solved.influence(in_rows=True)
    out = _empty(1, pixels.n_pixels, sample)
    _write_weights(out, np.array([0]), np.stack([sample.base, projection.weights])[None], sample)
    out["kl"][0], out["ess"][0] = (0.0, diagnostics.kl), (sample.base_ess, diagnostics.ess)
    out["status"][0] = diagnostics.status
    if len(context.constraints) == 1:
        both = sample.base, projection.weights
        out["targets"][0] = [context.constraints[0].measure(context, weights) for weights in both]
    for block in _iter_blocks(pixels, sample):
        change = block.unit * (influence.weights @ block.x)
        block.write(out, "spread", ..., block.unit)
        block.write(out, "start", 0, block.center)
        block.write(out, "end", 0, block.center + change)
        block.write(out, "values", 0, change)
        block.write(out, "std_errors", 0, block.in_units(influence.errors(block.x)[1]))
        if not influence.one_row_dominates:
            moved = influence.parts(block.x)[1]
            numbers = np.zeros(moved.shape[1], dtype=bool)
            block.write(out, "degrees", 0, shift_degrees(moved, numbers, sample.design))
    return _finished(out, pixels, level)


def named_group(error: InfeasibleTargetError, group: Any) -> InfeasibleTargetError:
    """The same error, that says in which group."""
    named = f"In the group {group!r}: {error}"
    return InfeasibleTargetError(
        named, error.nearest, error.reachable, error.ranges, error.conflict, error.reason
    )


def _empty(m: int, n_pixels: int, sample: Sample) -> Arrays:
    out: Arrays = {name: np.full((m, n_pixels), np.nan) for name in ("values", "std_errors", "start", "end")}
    out["degrees"] = np.full((m, n_pixels), np.nan)
    out |= {name: np.full((m, 2), np.nan) for name in ("targets", "kl", "ess")}
    out["status"] = np.full(m, NOT_DETERMINED, dtype=object)
    out["spread"] = np.empty(n_pixels)
    out["weights"] = np.full((m, 2, sample.table.n_given), np.nan)
    return out


@dataclass(frozen=True)
class _Block:
    """Some pixels, standardized on the base weights."""

    # As wide for the last pixels as for the others, and for any working memory: products of matrices round by
    # how many columns there are.

    pixels: slice
    x: Floats  # (n_rows, width), 0 beyond the last pixel
    center: Floats  # (width,)
    unit: Floats  # (width,), 0 where a pixel is constant

    def in_units(self, errors: Floats) -> Floats:
        """Errors (..., width) in the pixels' units, 0 of constant ones even where others are unknown."""
        return np.where(self.unit > 0.0, self.unit, 1.0) * np.where(self.unit > 0.0, errors, 0.0)

    def write(self, out: Arrays, name: str, places: Any, values: Floats) -> None:
        """Put values (n_places, width) into an array by output and pixel."""
        out[name][places, self.pixels] = values[..., : self.pixels.stop - self.pixels.start]


def _iter_blocks(pixels: PixelTable, sample: Sample) -> Iterator[_Block]:
    n = sample.base.size
    width = int(np.clip(_MOST_NUMBERS // n, 1, _MOST_TOGETHER))
    for block in pixels.blocks(width):
        values = np.zeros((width, n))
        values[: block.stop - block.start] = pixels.numbers(block, sample.rows).T
        low, high = values.min(1), values.max(1)
        z, center, unit = standardize_columns(values, low, high, sample.base)
        unit = np.where(high > low, unit, 0.0)
        yield _Block(block, np.ascontiguousarray(z.T), low + center, unit)


def _write_weights(out: Arrays, places: Any, weights: Floats, sample: Sample) -> None:
    """Weights (n_places, 2, n_here) that sum to 1, in the user's order and with mean 1."""
    for k, both in zip(places, weights, strict=True):
        for end, one in enumerate(both):
            out["weights"][k, end] = sample.table.to_user_order(sample.expand(one)) * sample.table.n_given


def _status(tilts: ExponentialTilts, responses: Responses, min_ess: float) -> np.ndarray:
    return worst(
        classify_support(tilts.infeasible, tilts.boundary, responses.ess, responses.gain_ess, min_ess)
    )


def _finished(out: Arrays, pixels: PixelTable, level: float) -> Arrays:
    """The arrays with intervals, and pixels in the axes of a picture."""
    ess = out["ess"].min(1)[:, None]
    evidence = replace(Evidence.unknown(1), degrees=out.pop("degrees"))
    out["low"], out["high"] = interval(out["values"], out["std_errors"], ess, level, evidence=evidence)
    maps = ("values", "std_errors", "low", "high", "start", "end", "spread")
    return out | {name: pixels.as_pictures(out[name]) for name in maps}
