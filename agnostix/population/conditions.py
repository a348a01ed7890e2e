"""The language of a scenario: averages, proportions and ranges, for columns and for the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.exceptions import DataError
from agnostix.population.answers import Answers
from agnostix.population.sample import Sample
from agnostix.population.statistic import Statistic

_SUM_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Condition:
    """One average with where it should be.

    Attributes
    ----------
    feature : str
        The column, or "prediction" or "error_rate".
    level : object or None
        A level of the column, or an output.
    low, high : float
        Between which the average should lie; equal for a stated one.
    about : {"column", "outcome"}
        Whether it speaks of a column or of what the model does.
    """

    feature: str
    level: Any
    low: float
    high: float
    about: str = "column"

    @property
    def is_range(self) -> bool:
        """Whether more than one average will do."""
        return self.low < self.high


def parse_conditions(
    constraints: Mapping[str, Any] | None, prediction: Any, error_rate: Any, answers: Answers
) -> list[Condition]:
    """Read a scenario.

    Parameters
    ----------
    constraints : mapping or None
        A number, a (low, high) pair, or for levels a mapping to such.
    prediction : float, pair, mapping or None
        The mean prediction; for several outputs a mapping from names.
    error_rate : float, pair or None
        Share of rows that the model gets wrong.
    answers : Answers
        For the names of the outputs.

    Returns
    -------
    list of Condition

    Raises
    ------
    ValueError
        If nothing is stated, or something cannot be read.
    """
    if constraints is not None and not isinstance(constraints, Mapping):
        raise ValueError(
            "constraints must be a mapping from columns, such as {'age': 50, 'sex': {'Female': 0.5}}, "
            f"got {constraints!r}."
        )
    found: list[Condition] = []
    for feature, wanted in (constraints or {}).items():
        if isinstance(wanted, Mapping):
            found.extend(_shares(str(feature), wanted))
        else:
            found.append(_condition(str(feature), None, wanted))
    if prediction is not None:
        found.extend(_predictions(prediction, answers))
    if error_rate is not None:
        found.append(_condition("error_rate", None, error_rate, "outcome"))
        _check_share("error_rate", found[-1])
    if not found:
        raise ValueError("what_if needs at least one of constraints, prediction and error_rate.")
    return found


def statistics_of(conditions: list[Condition], sample: Sample, answers: Answers) -> list[Statistic]:
    """What each condition averages, on the sample's rows.

    Parameters
    ----------
    conditions : list of Condition
        What is wanted.
    sample : Sample
        The rows, which have a value of every column named.
    answers : Answers
        Predictions and truth of all the table's rows.

    Returns
    -------
    list of Statistic
    """
    _check_whole(conditions, sample)
    return [
        _outcome(condition, sample, answers) if condition.about == "outcome" else _moment(condition, sample)
        for condition in conditions
    ]


def _shares(feature: str, wanted: Mapping[Any, Any]) -> list[Condition]:
    found = [_condition(feature, level, share) for level, share in wanted.items()]
    for condition in found:
        _check_share(f"{feature} = {condition.level}", condition)
    least = sum(condition.low for condition in found)
    if least > 1.0 + _SUM_TOLERANCE:
        raise ValueError(
            f"The proportions of {feature!r} sum to {least:.12g}, more than 1: "
            + ", ".join(f"{condition.level} {condition.low:g}" for condition in found)
            + ". Lower them, or leave one level out: the others share what is left."
        )
    return found


def _check_whole(conditions: list[Condition], sample: Sample) -> None:
    """Where every level of a column is stated, the proportions must sum to 1."""
    by_feature: dict[str, list[Condition]] = {}
    for condition in conditions:
        if condition.level is not None and condition.about == "column":
            by_feature.setdefault(condition.feature, []).append(condition)
    for feature, stated in by_feature.items():
        most = sum(condition.high for condition in stated)
        if len(stated) == len(sample.column(feature).levels) and most < 1.0 - _SUM_TOLERANCE:
            raise ValueError(
                f"The proportions of all {len(stated)} levels of {feature!r} sum to {most:.12g}, not to 1: "
                + ", ".join(f"{condition.level} {condition.high:g}" for condition in stated)
                + ". Raise them, or leave one level out: it takes what is left."
            )


def _check_share(label: str, condition: Condition) -> None:
    if condition.low < 0.0 or condition.high > 1.0:
        shown = f"({condition.low:g}, {condition.high:g})" if condition.is_range else f"{condition.low:g}"
        raise ValueError(f"The proportion of {label} must lie between 0 and 1, got {shown}.")


def _condition(feature: str, level: Any, wanted: Any, about: str = "column") -> Condition:
    bounds = tuple(wanted) if isinstance(wanted, tuple | list) else (wanted, wanted)
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        label = feature if level is None else f"{feature} = {level}"
        hint = (
            f" For a level's proportion: {{{feature!r}: {{{wanted!r}: 0.5}}}}."
            if isinstance(wanted, str)
            else ""
        )
        raise ValueError(
            f"The target of {label!r} must be a number or a pair (low, high) with low <= high, "
            f"got {wanted!r}.{hint}"
        )
    return Condition(feature, level, low, high, about)


def _predictions(prediction: Any, answers: Answers) -> list[Condition]:
    names = answers.output_names
    if isinstance(prediction, Mapping):
        unknown = [name for name in prediction if str(name) not in names]
        if unknown:
            raise ValueError(f"There is no output {unknown[0]!r}. The outputs: {', '.join(names)}.")
        return [_condition("prediction", str(n), wanted, "outcome") for n, wanted in prediction.items()]
    if len(names) > 2 or (len(names) == 2 and not answers.probabilities):
        raise ValueError(
            f"The model has {len(names)} outputs ({', '.join(names)}): say which, "
            f"as prediction={{{names[-1]!r}: {prediction!r}}}."
        )
    return [_condition("prediction", names[-1], prediction, "outcome")]


def _moment(condition: Condition, sample: Sample) -> Statistic:
    column = sample.column(condition.feature)
    if column.kind == "categorical" and condition.level is None:
        example = column.levels[0]
        raise ValueError(
            f"Column {condition.feature!r} holds labels, which have no average: state the proportion of a "
            f"level, as {{{condition.feature!r}: {{{example!r}: 0.5}}}}."
        )
    statistic = sample.statistic(column, _known(condition, column))
    if statistic.level is not None and statistic.is_constant:
        raise ValueError(f"Column {condition.feature!r} has no row with the value {condition.level!r}.")
    return statistic


def _known(condition: Condition, column: Any) -> Any:
    """The level itself where its text was given."""
    if condition.level is None:
        return None
    if column.levels:
        return column.levels[column.level_code(condition.level)]
    return column.number(condition.level)


def _outcome(condition: Condition, sample: Sample, answers: Answers) -> Statistic:
    if condition.feature == "prediction":
        values = answers.predictions[:, answers.output_names.index(condition.level)]
    else:
        values = _errors(answers)
    statistic = Statistic.of_numbers(condition.feature, condition.level, sample.here(values), sample.base)
    if statistic.is_constant:
        raise DataError(f"The {statistic.label} is {statistic.mean:g} in every row, so it cannot be moved.")
    return statistic


def _errors(answers: Answers) -> np.ndarray:
    if answers.truth is None or answers.task != "classification" or not answers.predicted:
        raise DataError(
            "error_rate needs a classifier's predictions and the true labels: pass y to fit. "
            "For a regression, state prediction instead."
        )
    return (answers.decided != answers.truth).astype(float)
