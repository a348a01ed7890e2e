"""Moment constraints of a scenario: averages, proportions and ranges, of columns and of the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.names import label_text
from agnostix.exceptions import DataError
from agnostix.what_if.predictions import Predictions
from agnostix.what_if.sample import Sample, Statistic

_SUM_TOLERANCE = 1e-12


@dataclass(frozen=True)
class MomentConstraint:
    """The average of one statistic and the range in which it must lie."""

    feature: str  # the column, or "prediction" or "error_rate"
    level: Any  # a level of the column, or an output
    low: float
    high: float
    about: str = "column"  # "column", or "outcome" for predictions and the error rate

    @property
    def is_range(self) -> bool:
        """Whether it is a range rather than a single target."""
        return self.low < self.high

    def target_at(self, statistic: Statistic, z: float) -> float:
        """The end of the range that is z in standard deviations, as it was stated; else z in its units."""
        ends = (self.low, self.high)
        return next((end for end in ends if statistic.to_z(end) == z), float(statistic.from_z(z)))


def parse_constraints(
    constraints: Mapping[str, Any] | None, prediction: Any, error_rate: Any, predictions: Predictions
) -> list[MomentConstraint]:
    """Moment constraints from the arguments of `what_if`."""
    if constraints is not None and not isinstance(constraints, Mapping):
        raise ValueError(
            "constraints must be a mapping from columns, such as {'age': 50, 'sex': {'Female': 0.5}}, "
            f"got {constraints!r}."
        )
    parsed: list[MomentConstraint] = []
    for feature, target in (constraints or {}).items():
        if isinstance(target, Mapping):
            parsed.extend(_read_proportions(str(feature), target))
        else:
            parsed.append(_read_target(str(feature), None, target))
    if prediction is not None:
        parsed.extend(_read_prediction_targets(prediction, predictions))
    if error_rate is not None:
        parsed.append(_read_target("error_rate", None, error_rate, "outcome"))
        _check_proportion("error_rate", parsed[-1])
    if not parsed:
        raise ValueError("what_if needs at least one of constraints, prediction and error_rate.")
    return parsed


def build_statistics(
    constraints: list[MomentConstraint], sample: Sample, predictions: Predictions
) -> list[Statistic]:
    """The statistic of each constraint, standardized on the rows of the sample."""
    _check_all_levels(constraints, sample)
    return [
        _outcome(constraint, sample, predictions)
        if constraint.about == "outcome"
        else _moment(constraint, sample)
        for constraint in constraints
    ]


def _read_proportions(feature: str, target: Mapping[Any, Any]) -> list[MomentConstraint]:
    parsed = [_read_target(feature, level, proportion) for level, proportion in target.items()]
    for constraint in parsed:
        _check_proportion(f"{feature} = {label_text(constraint.level, target)}", constraint)
    total = sum(constraint.low for constraint in parsed)
    if total > 1.0 + _SUM_TOLERANCE:
        raise ValueError(
            f"The proportions of {feature!r} sum to {total:.12g}, more than 1: "
            + ", ".join(f"{label_text(one.level, target)} {one.low:g}" for one in parsed)
            + ". Lower them, or leave one level out: the others share what is left."
        )
    return parsed


def _check_all_levels(constraints: list[MomentConstraint], sample: Sample) -> None:
    """If all levels of a column have a target, the proportions must sum to 1."""
    by_feature: dict[str, list[MomentConstraint]] = {}
    for constraint in constraints:
        if constraint.level is not None and constraint.about == "column":
            by_feature.setdefault(constraint.feature, []).append(constraint)
    for feature, stated in by_feature.items():
        total, levels = sum(constraint.high for constraint in stated), sample.column(feature).levels
        if len(stated) == len(levels) and total < 1.0 - _SUM_TOLERANCE:
            raise ValueError(
                f"The proportions of all {len(stated)} levels of {feature!r} sum to {total:.12g}, not to 1: "
                + ", ".join(f"{label_text(one.level, levels)} {one.high:g}" for one in stated)
                + ". Raise them, or leave one level out: it takes what is left."
            )


def _check_proportion(label: str, constraint: MomentConstraint) -> None:
    if constraint.low < 0.0 or constraint.high > 1.0:
        shown = f"({constraint.low:g}, {constraint.high:g})" if constraint.is_range else f"{constraint.low:g}"
        raise ValueError(f"The proportion of {label} must lie between 0 and 1, got {shown}.")


def _read_target(feature: str, level: Any, target: Any, about: str = "column") -> MomentConstraint:
    bounds = tuple(target) if isinstance(target, tuple | list) else (target, target)
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError, OverflowError):
        low = high = np.nan
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        label = feature if level is None else f"{feature} = {level}"
        hint = (
            f" For a level's proportion: {{{feature!r}: {{{target!r}: 0.5}}}}."
            if isinstance(target, str)
            else ""
        )
        raise ValueError(
            f"The target of {label!r} must be a number or a pair (low, high) with low <= high, "
            f"got {target!r}.{hint}"
        )
    return MomentConstraint(feature, level, low, high, about)


def _read_prediction_targets(prediction: Any, predictions: Predictions) -> list[MomentConstraint]:
    names = predictions.output_names
    if isinstance(prediction, Mapping):
        unknown = [name for name in prediction if str(name) not in names]
        if unknown:
            raise ValueError(f"There is no output {unknown[0]!r}. The outputs: {', '.join(names)}.")
        return [_read_target("prediction", str(n), target, "outcome") for n, target in prediction.items()]
    if len(names) > 2 or (len(names) == 2 and not predictions.probabilities):
        raise ValueError(
            f"The model has {len(names)} outputs ({', '.join(names)}): say which, "
            f"as prediction={{{names[-1]!r}: {prediction!r}}}."
        )
    return [_read_target("prediction", names[-1], prediction, "outcome")]


def _moment(constraint: MomentConstraint, sample: Sample) -> Statistic:
    column = sample.column(constraint.feature)
    if column.kind == "categorical" and constraint.level is None:
        example = column.levels[0]
        raise ValueError(
            f"Column {constraint.feature!r} holds labels, which have no average: state the proportion of a "
            f"level, as {{{constraint.feature!r}: {{{example!r}: 0.5}}}}."
        )
    statistic = sample.statistic(column, _known_level(constraint, column))
    if statistic.level is not None and statistic.is_constant:
        raise ValueError(f"Column {constraint.feature!r} has no row with the value {constraint.level!r}.")
    return statistic


def _known_level(constraint: MomentConstraint, column: Any) -> Any:
    """The level of the column that a level or its text refers to."""
    if constraint.level is None:
        return None
    if column.levels:
        return column.levels[column.level_code(constraint.level)]
    return column.number(constraint.level)


def _outcome(constraint: MomentConstraint, sample: Sample, predictions: Predictions) -> Statistic:
    if constraint.feature == "prediction":
        values = predictions.values[:, predictions.output_names.index(constraint.level)]
    else:
        values = _errors(predictions)
    statistic = Statistic.from_numbers(
        constraint.feature, constraint.level, sample.restrict(values), sample.base
    )
    if statistic.is_constant:
        raise DataError(
            f"The {statistic.label} is {statistic.mean:g} in every row, so its average cannot be shifted."
        )
    return statistic


def _errors(predictions: Predictions) -> np.ndarray:
    if predictions.truth is None or predictions.task != "classification" or not predictions.predicted:
        raise DataError(
            "error_rate needs a classifier's predictions and the true labels: pass y to fit. "
            "For a regression, state prediction instead."
        )
    return (predictions.predicted_class != predictions.truth).astype(float)
