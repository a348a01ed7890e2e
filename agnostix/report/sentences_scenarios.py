"""Sentences on scenarios, written from the constraints and the numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Scenario
from agnostix.report.formatting import MINUS, THIN_SPACE, Scale, describe_ess, join_words
from agnostix.report.scenarios import ScenarioResult
from agnostix.what_if import (
    ErrorRate,
    Keep,
    Margins,
    Mean,
    Prediction,
    Proportion,
    Quantile,
)
from agnostix.what_if.constraints import Constraint
from agnostix.what_if.constraints.comparisons import GroupComparison

if TYPE_CHECKING:
    from agnostix.report.data import ReportData

_MOST_PARTS = 12
_N_SHIFTS = 3
_EXACT = 1e-9
"""Width of an interval, as a share of its ends, up to which it is that of a stated value."""
_LEAST = 0.005
"""Shift, in standard deviations, from which it is mentioned if nothing was stated about a feature."""
_NOTICEABLE = 0.1
"""Shift, in standard deviations, from which it is mentioned."""


def scenario_heading(result: ScenarioResult, data: ReportData) -> str:
    """A scenario by its name and in words, as after "What if"."""
    words = describe_scenario(result, data)
    return words if result.name is None else f"{result.name} ({words})"


def scenario_sentence(result: ScenarioResult, data: ReportData) -> str:
    """The outcome in a scenario, or why it cannot be reached."""
    scenario = result.scenario
    if scenario is None:
        return f"This population cannot be reached. {result.problem}"
    row = scenario.outcomes[scenario.outcomes["output"] == data.output].iloc[0].to_dict()
    scale = Scale.from_interval([row["value"]], float(row["high"] - row["low"]) / 2.0, data.in_percent)
    sentences = [f"The {data.outcome_name} is {instead(row, scale)}.", describe_ess(scenario.ess_fraction)]
    if scenario.status == "thin":
        sentences.append("Support is thin: the interval may be too narrow.")
    if scenario.status == "boundary":
        sentences.append("The targets are on the boundary of the data: only some rows keep any weight.")
    return " ".join(sentences)


def instead(row: Mapping[Any, Any], scale: Scale) -> str:
    """An outcome with its interval, and what it is in the data."""
    low, high = row["low"], row["high"]
    interval = "as stated" if is_stated(low, high) else scale.interval(low, high)
    return f"{scale.value(row['value'])} ({interval}) instead of {scale.value(row['base'])}"


def is_stated(low: float | None, high: float | None) -> bool:
    """Whether an interval is that of an outcome which the scenario itself states."""
    if low is None or high is None:
        return False
    return high - low <= _EXACT * max(abs(low), abs(high))


def shift_sentence(result: ScenarioResult, data: ReportData) -> str:
    """What shifts with a scenario although it was not stated, the most first; empty if nothing could."""
    scenario = result.scenario
    if scenario is None or scenario.shifts["stated"].all():
        return ""
    is_reverse = not scenario.shifts["stated"].any()
    rows = _free_shifts(scenario, _LEAST if is_reverse else _NOTICEABLE)
    if not rows:
        return "Nothing shifts noticeably." if is_reverse else "Nothing else shifts noticeably."
    parts = [f"{_moment(row, data)} ({_signed(row['shift'])})" for row in rows]
    lead = "What shifts most to reach it" if is_reverse else "What shifts most besides"
    return f"{lead}, in standard deviations: {join_words(parts)}."


def _free_shifts(scenario: Scenario, least: float) -> list[dict[Any, Any]]:
    """The largest shifts of what was not stated, one a feature."""
    shifts = scenario.shifts
    # Of two levels the other is the mirror image.
    mirrored = shifts.groupby("feature")["stated"].transform("any") & (
        shifts.groupby("feature")["stated"].transform("size") == 2
    )
    free = shifts[~shifts["stated"] & ~mirrored & np.isfinite(shifts["shift"])]
    order = free["shift"].abs().sort_values(ascending=False, kind="stable").index
    first = free.loc[order].drop_duplicates("feature")
    return first[first["shift"].abs() >= least].head(_N_SHIFTS).to_dict("records")


def _moment(row: Mapping[Any, Any], data: ReportData) -> str:
    if row["level"] is None or pd.isna(row["level"]):
        return str(row["feature"])
    return f"{row['feature']} = {data.level_text(row['feature'], row['level'])}"


def _signed(shift: float) -> str:
    return ("+" if shift > 0 else MINUS) + f"{abs(shift):.2f}"


def describe_scenario(result: ScenarioResult, data: ReportData) -> str:
    """A scenario in words; six digits of numbers that were not stated but computed."""
    constraints = map(_with_six_digits, result.constraints) if result.is_computed else result.constraints
    return describe_constraints(list(constraints), data)


def _with_six_digits(one: Constraint) -> Constraint:
    if isinstance(one, Proportion) and isinstance(one.level, Mapping):
        return replace(one, level={level: _six_digits(target) for level, target in one.level.items()})
    if isinstance(one, Keep | Margins):
        return one
    return replace(one, target=_six_digits(one.target))  # type: ignore[type-var]


def _six_digits(target: Any) -> Any:
    if isinstance(target, tuple | list):
        return tuple(map(_six_digits, target))
    return target if isinstance(target, str) else float(f"{target:.6g}")


def describe_constraints(constraints: Sequence[Constraint], data: ReportData | None = None) -> str:
    """A scenario in words, as after "What if"."""
    parts = [part for one in constraints for part in _describe(one, data)]
    return join_words(parts, most=_MOST_PARTS)


def _describe(one: Constraint, data: ReportData | None) -> list[str]:
    """A constraint in words, a block of levels one by one."""
    rows = f" where {one.where_label}" if one.where_label else ""
    if isinstance(one, Proportion):
        block = one.level if isinstance(one.level, Mapping) else {one.level: one.target}
        return [
            f"{one.feature} = {_level_text(one.feature, level, data)} {_share(target, one)}{rows}"
            for level, target in block.items()
        ]
    if isinstance(one, Keep):
        return [f"{join_words(list(one.columns))} as in the data"]
    if isinstance(one, Margins):
        return [f"the {one.label} as stated"]
    if isinstance(one, Prediction):
        name = _prediction(one, data)
        return [f"{_article(name)} {name}{rows}"]
    if isinstance(one, GroupComparison):
        name = one.kind if one.is_ratio else f"{one.kind} difference"
        return [f"{_article(name)} {name} {_target(one.target, one)} for {_groups(one)}{rows}"]
    name, in_percent = _quantity(one)
    return [f"{_article(name)} {name} {_target(one.target, one, in_percent=in_percent)}{rows}"]


def _groups(one: GroupComparison) -> str:
    """The columns that make groups, crossed if there are several, and the reference group."""
    reference = one.reference
    if isinstance(reference, Mapping):
        reference = tuple(reference.values())
    if isinstance(reference, tuple | list):
        reference = " x ".join(map(str, reference))
    return f"{one.named[0]}, reference {reference}"


def _quantity(one: Constraint) -> tuple[str, bool]:
    """What a constraint is about in words, and whether it is written in percent."""
    if isinstance(one, Mean):
        return f"average {one.feature}", False
    if isinstance(one, ErrorRate):
        return "error rate", True
    if isinstance(one, Quantile):
        return (
            f"median {one.feature}"
            if one.q == 0.5
            else f"{100 * one.q:g}{THIN_SPACE}% quantile of {one.feature}"
        ), False
    where = f" where {one.where_label}" if one.where_label else ""
    return one.label.removesuffix(where), bool(getattr(one, "is_share", False))


def _level_text(feature: str, level: Any, data: ReportData | None) -> str:
    return str(level) if data is None else data.level_text(feature, level)


def _prediction(one: Prediction, data: ReportData | None) -> str:
    """A constraint on the prediction: on its mean, a quantile, or the share of rows above a threshold."""
    in_percent, name = False, "prediction"
    if data is not None:
        names = data.projection.predictions_.output_names
        is_own = str(names[-1] if one.output is None else one.output) == data.output
        name, in_percent = (
            data.prediction_name if is_own else f"prediction of {one.output or names[-1]}",
            data.in_percent,
        )
    if one.above is not None:
        return f"{name} above {_plain(one.above, in_percent)} {_share(one.target, one)}"
    kind = "mean" if one.quantile is None else f"{100 * one.quantile:g}{THIN_SPACE}% quantile of the"
    kind = "median" if one.quantile == 0.5 else kind
    return f"{kind} {name} {_target(one.target, one, in_percent=in_percent)}"


def _article(text: str) -> str:
    return "an" if re.match(r"[aeiouAEIOU8]|1[18]\b", text) else "a"


def _target(target: Any, one: Constraint, *, in_percent: bool = False) -> str:
    """A target in words, after what it is of."""
    if isinstance(target, str):
        return _relative(target, in_percent)
    if isinstance(target, tuple | list):
        return f"between {_ends(target, in_percent, ' and ')}"
    near = "near" if one.penalty is not None else "of"
    return f"{near} {_plain(target, in_percent)}{_width(one, in_percent)}"


def _share(target: Any, one: Constraint) -> str:
    """A share of the rows in words."""
    if isinstance(target, str):
        sign, size = _read_relative(target)
        if sign == "*":
            return f"in {size:.12g} times as many of the rows as in the data"
        return f"in {100 * size:.12g} points {'more' if sign == '+' else 'less'} of the rows than in the data"
    if isinstance(target, tuple | list):
        return f"in {_ends(target, True, ' to ')} of the rows"
    near = "near" if one.penalty is not None else "in"
    return f"{near} {_plain(target, True)}{_width(one, True)} of the rows"


def _ends(target: Any, in_percent: bool, between: str) -> str:
    return between.join(
        _relative(end, in_percent) if isinstance(end, str) else _plain(end, in_percent) for end in target
    )


def _width(one: Constraint, in_percent: bool) -> str:
    return "" if one.tolerance is None else f" \u00b1 {_plain(one.tolerance, in_percent)}"


def _read_relative(target: str) -> tuple[str, float]:
    """Sign and size of a relative target such as "+5"."""
    text = target.strip()
    return text[0], float(text[1:])


def _relative(target: str, in_percent: bool) -> str:
    """A change in words: "5 higher than in the data"."""
    sign, size = _read_relative(target)
    if sign == "*":
        return f"{size:.12g} times that of the data"
    amount = f"{100 * size:.12g} points" if in_percent else f"{size:.12g}"
    return f"{amount} {'higher' if sign == '+' else 'lower'} than in the data"


def _plain(value: Any, in_percent: bool) -> str:
    return f"{100 * float(value):.8g}{THIN_SPACE}%" if in_percent else f"{float(value):.12g}"
