"""Two tables and the steps that lead from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from agnostix.core.explanation import GapExplanation
from agnostix.what_if.drift.coalitions import CoalitionPlan
from agnostix.what_if.drift.density import CovariateShift, DensityRatio
from agnostix.what_if.drift.encoding import Encoded
from agnostix.what_if.drift.influence import Game, GameResult, play_game
from agnostix.what_if.drift.margins import Left, Margin, build_margins, statistics_frame
from agnostix.what_if.drift.parts import (
    NOT_DETERMINED,
    Line,
    build_frame,
    build_totals,
    left_lines,
    margin_lines,
    rest_lines,
)
from agnostix.what_if.drift.tables import Side

_LEAST_EFFECTIVE = 20.0
"""Effective rows of A under the density ratio, below which it says nothing."""
_MOST_NAMED = 3


@dataclass(frozen=True)
class Options:
    """How a gap is taken apart."""

    match: str
    n_orders: int | None
    max_ratio: float
    confidence_level: float


@dataclass(frozen=True)
class Comparison:
    """Two tables, and what is compared."""

    a: Side
    b: Side
    columns: Sequence[str]  # whose margins are explained
    shared: Sequence[str]  # that both tables have
    min_ess_fraction: float
    notes: tuple[str, ...]

    def explain(self, options: Options, n_jobs: int | None, seed: int) -> GapExplanation:
        """All parts of the gap."""
        a, b = self.a, self.b
        margins, left = self._margins(self.columns, options.match)
        game = Game.from_margins(margins, a, b)
        plan = CoalitionPlan.from_columns(len(margins), options.n_orders, seed)
        result = play_game(game, plan, n_jobs)
        lines = margin_lines(game, result, margins, self.min_ess_fraction)
        support = (lines[0].status, lines[0].ess) if lines else ("ok", a.base_ess)
        lines += left_lines(left, game)
        by_ratio = ratio, covariates, reason = self._by_ratio(left, options, n_jobs, seed)
        lines += rest_lines(game, result, by_ratio, support, self.min_ess_fraction)
        used = ratio if reason is None else None
        return GapExplanation(
            frame=build_frame(lines, game, options.confidence_level),
            totals=build_totals(game, options.confidence_level),
            statistics=statistics_frame(margins, b.base, result.full.weights @ game.phi),
            unreached=_unreached_frame(result, margins),
            n_coalitions=result.n_coalitions,
            ratio=_ratio_facts(ratio, covariates, options.max_ratio),
            notes=self.notes + _notes(lines, result, margins, used, options),
            metric=a.quantity.name,
            output=a.quantity.output,
            match=options.match,
            n_rows=(a.n_rows, b.n_rows),
            confidence_level=options.confidence_level,
        )

    def _margins(self, columns: Sequence[str], match: str) -> tuple[list[Margin], list[Left]]:
        """Margins that A can be given one by one, and the columns without one."""
        margins, left = build_margins(columns, self.a, self.b, match)
        game = Game.from_margins(margins, self.a, self.b)
        kept = []
        for j, margin in enumerate(margins):
            if game.solve((j,)).reached < 1.0:
                names = ", ".join(margin.names[:_MOST_NAMED]) + (", ..." if len(margin.names) > 3 else "")
                left.append(Left(margin.column, f"no reweighting of A has B's {names} at once"))
            else:
                kept.append(margin)
        return kept, left

    def _by_ratio(
        self, left: Sequence[Left], options: Options, n_jobs: int | None, seed: int
    ) -> tuple[DensityRatio | None, CovariateShift | None, str | None]:
        """The metric under B's covariates where it takes a density ratio, or why there is none."""
        a, b = self.a, self.b
        if a.quantity.of_covariates:
            return None, None, None
        unknown = {one.column for one in left if not one.is_determined}
        others = [name for name in self.shared if name not in self.columns]
        unknown |= {one.column for one in self._margins(others, "means")[1] if not one.is_determined}
        names = [name for name in self.shared if name not in unknown]
        if not names:
            return None, None, "A and B share no column whose supports meet"
        encoded = Encoded.from_sides(names, a, b)
        ratio = DensityRatio.fit(encoded, a, b, options.max_ratio, seed, n_jobs)
        if ratio.ess < _LEAST_EFFECTIVE:
            reason = (
                f"{ratio.ess:.0f} effective rows of A are left where B's covariates are (a classifier tells "
                f"the tables apart with AUC {ratio.auc:.3f})"
            )
            return ratio, None, reason
        return ratio, CovariateShift.fit(encoded, a, b, ratio.values, seed, n_jobs), None


def _unreached_frame(result: GameResult, margins: Sequence[Margin]) -> pd.DataFrame:
    columns = [tuple(margins[j].column for j in coalition) for coalition, _ in result.unreached]
    frame = pd.DataFrame({"reached": [reached for _, reached in result.unreached]}, dtype=float)
    frame.insert(0, "columns", pd.Series(columns, dtype=object))
    return frame


def _ratio_facts(
    ratio: DensityRatio | None, covariates: CovariateShift | None, max_ratio: float
) -> dict[str, object]:
    if ratio is None:
        return {}
    return {
        "model": ratio.model,
        "regression": None if covariates is None else covariates.model,
        "auc": ratio.auc,
        "ess": ratio.ess,
        "clipped": ratio.clipped,
        "largest": max_ratio,
    }


def _notes(
    lines: Sequence[Line],
    result: GameResult,
    margins: Sequence[Margin],
    ratio: DensityRatio | None,
    options: Options,
) -> tuple[str, ...]:
    """What a reader should know of the parts."""
    with_ = {"means": "means", "variances": "means and variances", "deciles": "means and deciles"}
    notes = [f"Matched: {with_[options.match]} of numbers, proportions of labels."]
    notes += [
        f"{line.column} is not determined: {line.reason}. Its effect is in the parts after the margins."
        for line in lines
        if line.kind == "margin" and line.status == NOT_DETERMINED
    ]
    notes += [
        f"Dependence and conditional are not told apart: {one.reason}." for one in lines if one.kind == "rest"
    ]
    notes += [
        f"Levels of {one.column} that few rows have were matched together: {one.pooled}."
        for one in margins
        if one.pooled
    ]
    if result.unreached:
        first, reached = min(result.unreached, key=lambda one: one[1])
        names = ", ".join(margins[j].column for j in first[:_MOST_NAMED]) + (
            ", ..." if len(first) > 3 else ""
        )
        notes.append(
            f"{len(result.unreached)} of {result.n_coalitions} coalitions of columns cannot have B's margins "
            f"at once and were taken as far as A's rows reach ({names}: {reached:.0%} of the way); see "
            "unreached."
        )
    if ratio is not None and ratio.clipped:
        notes.append(
            f"The density ratio of {ratio.clipped:,} of {ratio.values.size:,} rows of A was cut to "
            f"{options.max_ratio:g} times its mean."
        )
    if any(line.estimate.sampling_error > 0.0 for line in lines):
        notes.append("Orders of columns were sampled; sampling_error is the error of that.")
    return tuple(notes)
