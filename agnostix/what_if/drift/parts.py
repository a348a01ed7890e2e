"""The parts of a gap as a table, each with its standard error and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from agnostix.core.intervals import satterthwaite
from agnostix.core.typing import Floats
from agnostix.what_if.drift.density import CovariateShift, DensityRatio
from agnostix.what_if.drift.influence import Game, GameResult
from agnostix.what_if.drift.margins import Left, Margin
from agnostix.what_if.drift.tables import Side
from agnostix.what_if.inference import (
    Design,
    Evidence,
    Influence,
    WeightDiagnostics,
    interval,
    unit_errors,
)
from agnostix.what_if.inference.carried import trusted_degrees
from agnostix.what_if.scenario_influence import off_target

NOT_DETERMINED = "not determined"
_TOUCHING = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A number with the influence of each row of both samples on it."""

    value: float
    psi_a: Floats  # (n_rows_a,)
    psi_b: Floats  # (n_rows_b,)
    designs: tuple[Design | None, Design | None]
    sampling_error: float = 0.0  # of sampled orders of columns
    rests_on_one: bool = False  # whether one row decides, so that the error is unknown

    def __sub__(self, other: Estimate) -> Estimate:
        psi_a, psi_b = self.psi_a - other.psi_a, self.psi_b - other.psi_b
        rests = self.rests_on_one or other.rests_on_one
        return Estimate(self.value - other.value, psi_a, psi_b, self.designs, rests_on_one=rests)

    @property
    def error(self) -> float:
        """Standard error, infinite where one row decides."""
        if self.rests_on_one:
            return np.inf
        pairs = zip((self.psi_a, self.psi_b), self.designs, strict=True)
        errors = [float(unit_errors(psi[:, None], design)[0]) for psi, design in pairs]
        return float(np.linalg.norm([*errors, self.sampling_error]))

    @property
    def degrees(self) -> float:
        """Degrees of freedom by the rows of both samples that carry the error, infinite if there is none."""
        variances, degrees = [], []
        for psi, design in zip((self.psi_a, self.psi_b), self.designs, strict=True):
            if not np.isfinite(psi).all():
                return np.nan
            own = psi[:, None] if design is None else design.centered(psi[:, None])
            variances.append(float((own**2).sum()))
            degrees.append(float(trusted_degrees(own, design=design)[0][0]))
        return float(satterthwaite(variances, degrees))


@dataclass(frozen=True)
class Line:
    """One part."""

    kind: str
    estimate: Estimate
    ess: float  # effective rows that it rests on
    status: str = "ok"
    reason: str | None = None
    column: str | None = None
    shift: float = np.nan
    p_value: float = np.nan


def mean_in(side: Side, game: Game) -> Estimate:
    """The metric in one table."""
    none = np.empty((side.n_rows, 0))
    influence = Influence.from_weights(none, side.base, side.base, side.design)
    psi = influence.of_rows(side.quantity.residual(side.base)[:, None])[:, 0]
    value = side.quantity.value(side.base)
    psi_a, psi_b = (psi if side.name == one.name else np.zeros(one.n_rows) for one in (game.a, game.b))
    return Estimate(value, psi_a, psi_b, game.designs)


def under_margins(game: Game, result: GameResult) -> Estimate:
    """The metric in A under all margins of B."""
    full, psi_b = result.full, game.influence_of_targets(result.full.slopes)
    return Estimate(full.value, full.psi, psi_b, game.designs, rests_on_one=full.rests_on_one)


def under_covariates(game: Game, covariates: CovariateShift) -> Estimate:
    """The metric in A under B's covariates."""
    return Estimate(covariates.value, covariates.psi_a, covariates.psi_b, game.designs)


def margin_lines(game: Game, result: GameResult, margins: Sequence[Margin], min_ess: float) -> list[Line]:
    """The part of each column's margin."""
    p_values = own_moves(game, result)
    status, ess = _support(game, result, min_ess)
    lines = []
    for j, margin in enumerate(margins):
        psi_b = game.influence_of_targets(result.slopes[:, j])
        estimate = Estimate(
            float(result.values[j]),
            result.psi[:, j],
            psi_b,
            game.designs,
            float(result.sampling_errors[j]),
            result.rests_on_one,
        )
        shifts = game.target[game.places[j]]
        shift = float(shifts[np.abs(shifts).argmax() if margin.mean is None else margin.mean])
        lines.append(Line("margin", estimate, ess, status, None, margin.column, shift, float(p_values[j])))
    return lines


def _support(game: Game, result: GameResult, min_ess: float) -> tuple[str, float]:
    """Status of the margins, and effective rows of A under all of them."""
    weights, a = result.full.weights, game.a
    on_edge = bool((weights <= 0.0).any())
    least = min_ess * a.base_ess
    diagnostics = WeightDiagnostics.from_weights(weights, a.base, on_edge, least, a.design)
    return ("relaxed" if result.unreached else diagnostics.status), diagnostics.ess


def own_moves(game: Game, result: GameResult) -> Floats:
    """p-values (n_columns,) of Wald's test that a column's multipliers are 0 under all margins."""
    # The multipliers solve sum_i w_i (phi_i - t) = 0: both samples move them by the inverse second moment.
    p_values = np.full(len(game.places), np.nan)
    full = result.full
    if full.reached < 1.0 or not game.target.size:
        return p_values
    centered = off_target(game.phi - game.target, full.weights > 0)
    moment = (centered * full.weights[:, None]).T @ centered
    inverse = np.linalg.pinv(moment, rcond=1e-12, hermitian=True)
    spread = _square(centered * full.weights[:, None], game.a.design) + _square(
        (game.phi_b - game.target) * game.b.base[:, None], game.b.design
    )
    covariance = inverse @ spread @ inverse
    extreme = (game.target <= game.phi.min(axis=0) + _TOUCHING) | (
        game.target >= game.phi.max(axis=0) - _TOUCHING
    )
    for j, place in enumerate(game.places):
        if extreme[place].any():  # a level that B lacks has a multiplier without bound
            continue
        own, xi = covariance[np.ix_(place, place)], full.xi[place]
        rank = int(np.linalg.matrix_rank(own, hermitian=True))
        if rank:
            p_values[j] = chi2.sf(float(xi @ np.linalg.pinv(own, hermitian=True) @ xi), rank)
    return p_values


def _square(influences: Floats, design: Design | None) -> Floats:
    """Covariance (n_outcomes, n_outcomes) from influences of the rows (n_rows, n_outcomes)."""
    sums = influences if design is None else design.centered(influences)
    return sums.T @ sums


def left_lines(left: Sequence[Left], game: Game) -> list[Line]:
    """Columns without a margin: 0 where both tables have one value, else not determined."""
    lines = []
    for one in left:
        value = 0.0 if one.is_determined else np.nan
        estimate = _constant(value, game)
        status = "ok" if one.is_determined else NOT_DETERMINED
        shift = 0.0 if one.is_determined else np.nan
        lines.append(Line("margin", estimate, game.a.base_ess, status, one.reason, one.column, shift))
    return lines


def _constant(value: float, game: Game) -> Estimate:
    """A number that no row moves, or NaN."""
    return Estimate(value, np.full(game.a.n_rows, value), np.full(game.b.n_rows, value), game.designs)


def rest_lines(
    game: Game,
    result: GameResult,
    by_ratio: tuple[DensityRatio | None, CovariateShift | None, str | None],
    support: tuple[str, float],
    min_ess: float,
) -> list[Line]:
    """What the margins leave: of predictions dependence, of errors also the conditional part."""
    in_b, all_margins = mean_in(game.b, game), under_margins(game, result)
    (ratio, covariates, reason), (status, ess) = by_ratio, support
    if covariates is None and reason is None:
        return [Line("dependence", in_b - all_margins, ess, status)]
    if covariates is None or ratio is None:
        unknown = _constant(np.nan, game)
        parts = [Line(kind, unknown, ess, NOT_DETERMINED, reason) for kind in ("dependence", "conditional")]
        return [Line("rest", in_b - all_margins, ess, status, reason), *parts]
    under_ratio = under_covariates(game, covariates)
    thin = "thin" if ratio.ess < min_ess * game.a.base_ess else "ok"
    own = status if status != "ok" else thin
    return [
        Line("dependence", under_ratio - all_margins, min(ess, ratio.ess), own),
        Line("conditional", in_b - under_ratio, ratio.ess, thin),
    ]


def build_frame(lines: Sequence[Line], game: Game, confidence_level: float) -> pd.DataFrame:
    """The parts in the order in which they are read: margins by size, then the rest."""
    margins = [line for line in lines if line.kind == "margin"]
    order = sorted(
        margins, key=lambda one: (np.isnan(one.estimate.value), -abs(np.nan_to_num(one.estimate.value)))
    )
    ordered = [*order, *(line for line in lines if line.kind != "margin")]
    moved = _holm(np.array([line.p_value for line in ordered]), 1.0 - confidence_level)
    rows = []
    for line, has_moved in zip(ordered, moved, strict=True):
        value, error = line.estimate.value, line.estimate.error
        ess = min(line.ess, game.b.base_ess)
        low, high = _ends(line.estimate, ess, game.degrees, confidence_level)
        rows.append(
            {
                "part": f"margin of {line.column}" if line.kind == "margin" else _WORDS[line.kind],
                "kind": line.kind,
                "column": line.column,
                "value": value,
                "std_error": error,
                "low": low,
                "high": high,
                "sampling_error": line.estimate.sampling_error,
                "shift": line.shift,
                "p_value": line.p_value,
                "moved": has_moved,
                "status": line.status,
                "reason": line.reason,
            }
        )
    frame = pd.DataFrame(rows)
    for name in ("column", "moved", "reason"):
        frame[name] = pd.Series([row[name] for row in rows], dtype=object)
    return frame


_WORDS = {"dependence": "dependence", "conditional": "conditional", "rest": "dependence and conditional"}


def build_totals(game: Game, level: float) -> pd.DataFrame:
    """The metric in A, in B, and the gap."""
    a, b = game.a, game.b
    in_a, in_b = mean_in(a, game), mean_in(b, game)
    lines = {}
    for name, estimate, ess, degrees in (
        ("A", in_a, a.base_ess, a.degrees),
        ("B", in_b, b.base_ess, b.degrees),
        ("gap", in_b - in_a, min(a.base_ess, b.base_ess), game.degrees),
    ):
        own = {"bounds": a.quantity.bounds, "kind": a.quantity.kind} if name != "gap" else {}
        low, high = _ends(estimate, ess, degrees, level, **own)
        lines[name] = {"value": estimate.value, "std_error": estimate.error, "low": low, "high": high}
    return pd.DataFrame.from_dict(lines, orient="index")


def _ends(estimate: Estimate, ess: float, degrees: float, level: float, **metric: Any) -> tuple[float, float]:
    """Ends of the interval of a part or total."""
    values, errors, rows = (np.array([one]) for one in (estimate.value, estimate.error, ess))
    evidence = replace(Evidence.unknown(1), degrees=np.array([estimate.degrees]))
    low, high = interval(values, errors, rows, level, **metric, evidence=evidence, most_degrees=degrees)
    return float(low[0]), float(high[0])


def _holm(p_values: Floats, alpha: float) -> list[bool | None]:
    """Which hypotheses are refused at a level over all of them (Holm); None where untested."""
    tested = np.flatnonzero(~np.isnan(p_values))
    refused: list[bool | None] = [None] * p_values.size
    still = True
    for rank, place in enumerate(tested[np.argsort(p_values[tested], kind="stable")]):
        still = bool(still and p_values[place] <= alpha / (tested.size - rank))
        refused[int(place)] = still
    return refused
