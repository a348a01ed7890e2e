"""Constraints of `EntropicProjection.what_if` from what ``--what-if`` states, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnostix.cli.read_labels import find_level
from agnostix.cli.statements import FORMS, Amount, ScenarioText, Statement, Wanted
from agnostix.core.names import did_you_mean
from agnostix.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

_GROUP_KINDS = {
    "disparate_impact": "DisparateImpact",
    "statistical_parity": "StatisticalParity",
    "equal_opportunity": "EqualOpportunity",
    "equalized_odds": "EqualizedOdds",
}
_RATE_KINDS = {
    "error_rate": "ErrorRate",
    "true_positive_rate": "TruePositiveRate",
    "false_positive_rate": "FalsePositiveRate",
    "selection_rate": "SelectionRate",
}
_COLUMN_KINDS = {
    "column": "Mean",
    "median": "Quantile",
    "quantile": "Quantile",
    "variance": "Variance",
    "sd": "Variance",
    "covariance": "Covariance",
    "correlation": "Correlation",
    "expected_shortfall": "ExpectedShortfall",
}


class ConstraintBuilder:
    """Makes constraints on a table: its columns exist, and levels are those of the table.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_columns)
        The table.
    path : Path
        Its file, for messages.
    classes : sequence
        Classes of the model, empty if it has none.
    positive : str or None
        The class that the report is about, if it was named.
    """

    def __init__(
        self, X: pd.DataFrame, path: Path, classes: Sequence[Any] = (), positive: str | None = None
    ) -> None:
        self.X, self.path, self.classes, self.positive = X, path, classes, positive
        self._known: dict[str, Any] = {}

    def build(self, scenario: ScenarioText) -> list[Any]:
        """The constraints of a scenario; DataError if a column or level is not in the table."""
        return [one for statement in scenario.statements for one in self._of_statement(statement)]

    def _of_statement(self, one: Statement) -> Iterator[Any]:
        for name in one.names:
            self._column(name)
        settings = self._where(one)
        if one.shares:
            yield from self._proportions(one, settings)
        elif one.subject == "keep":
            yield self._kinds.Keep(*one.names)
        else:
            assert one.amount is not None
            yield self._of_amount(one, one.amount, settings)

    def _of_amount(self, one: Statement, amount: Amount, settings: dict[str, Any]) -> Any:
        if one.subject == "sd":
            amount = _squared(amount)
        settings |= _tolerance(amount)
        target = _target(amount)
        if one.of_prediction:
            quantile = 0.5 if one.subject == "median" else one.number if one.subject == "quantile" else None
            about = {"output": self._output(one), "quantile": quantile}
            about["above"] = one.number if one.subject == "above" else None
            return self._kinds.Prediction(target, **_given(about), **settings)
        if one.subject in _RATE_KINDS:
            return self._kind(_RATE_KINDS[one.subject])(target, **self._classes_of(one), **settings)
        if one.subject in _GROUP_KINDS:
            return self._kind(_GROUP_KINDS[one.subject])(target, **self._groups(one), **settings)
        number = 0.5 if one.subject == "median" else one.number
        between = () if number is None else (number,)
        return self._kind(_COLUMN_KINDS[one.subject])(*one.names, *between, target, **settings)

    @cached_property
    def _kinds(self) -> Any:
        from agnostix.what_if import constraints

        return constraints

    def _kind(self, name: str) -> Any:
        return getattr(self._kinds, name)

    def _proportions(self, one: Statement, settings: dict[str, Any]) -> Iterator[Any]:
        """One constraint for all levels of a column, unless a tolerance tells them apart."""
        (name,) = one.names
        shares = {self._level(name, text): amount for text, amount in one.shares}
        if len(shares) > 1 and all(amount.tolerance is None for amount in shares.values()):
            block = {level: _target(amount) for level, amount in shares.items()}
            yield self._kinds.Proportion(name, block, **settings)
            return
        for level, amount in shares.items():
            yield self._kinds.Proportion(name, level, _target(amount), **settings, **_tolerance(amount))

    def _where(self, one: Statement) -> dict[str, Any]:
        where = {name: self._wanted(name, wanted) for name, wanted in one.where}
        return {"where": where} if where else {}

    def _wanted(self, name: str, wanted: Wanted) -> Any:
        if isinstance(wanted[0], str):
            levels = [self._level(name, str(text)) for text in wanted]
            return levels[0] if len(levels) == 1 else levels
        if self._column(name).levels:
            low, high = wanted
            raise DataError(
                f"--what-if: column {name!r} holds labels, and {low:g}..{high:g} is a range of numbers. "
                "State a level, in double quotes if it is a range itself. It has: "
                f"{_listed(self._column(name).levels)}."
            )
        return wanted

    def _classes_of(self, one: Statement) -> dict[str, Any]:
        """Settings that name a class of the model, and numbers."""
        return {
            name: value if isinstance(value, float) else self._class(name, value)
            for name, value in one.settings
        }

    def _class(self, name: str, value: tuple[str, ...]) -> Any:
        texts = [str(label) for label in self.classes]
        if len(value) != 1 or (texts and value[0] not in texts):
            raise DataError(
                f"--what-if: {name}={';'.join(value)} is not a class of the model. It has: "
                f"{', '.join(texts)}."
            )
        return find_level(value[0], self.classes)

    def _output(self, one: Statement) -> str | None:
        """The output that a statement on the prediction is about: that of the report unless it names one."""
        texts = [str(label) for label in self.classes]
        output = self.positive if one.output is None else one.output
        if output is None and len(texts) > 2:
            raise DataError(
                f"--what-if: the model has {len(texts)} classes ({', '.join(texts)}): say which, as in "
                f"{one.subject}[{texts[-1]}]=0.3, or by --positive."
            )
        if output is not None and texts and output not in texts:
            raise DataError(
                f"--what-if: {output!r} in brackets is not a class of the model. It has: {', '.join(texts)}."
            )
        return output

    def _groups(self, one: Statement) -> dict[str, Any]:
        """The columns that make groups, and settings that name one of these or a class."""
        settings: dict[str, Any] = {"group": one.names[0] if len(one.names) == 1 else list(one.names)}
        for name, value in one.settings:
            if isinstance(value, float):
                settings[name] = value
            elif name in ("reference", "compared"):
                settings[name] = self._group(one.names, name, value)
            else:
                settings[name] = self._class(name, value)
        return settings

    def _group(self, names: tuple[str, ...], setting: str, texts: tuple[str, ...]) -> Any:
        """A level, or one of each column where groups are crossed."""
        if len(texts) != len(names):
            raise DataError(
                f"--what-if: {setting}={';'.join(texts)} must have one level of each of {', '.join(names)}, "
                "separated by semicolons."
            )
        levels = tuple(self._level(name, text) for name, text in zip(names, texts, strict=True))
        return levels[0] if len(levels) == 1 else levels

    def _column(self, name: str) -> Any:
        """A column of the table, read once."""
        from agnostix.what_if import Column

        if name in self._known:
            return self._known[name]
        if name not in self.X.columns:
            near = did_you_mean(name.partition("(")[0], FORMS) if "(" in name else ""
            near = near or did_you_mean(name, map(str, self.X.columns))
            raise DataError(
                f"--what-if: there is no column {name!r} in {self.path}. It has: "
                f"{', '.join(map(str, self.X.columns))}.{near}"
            )
        return self._known.setdefault(name, Column.from_series(name, self.X[name]))

    def _level(self, name: str, text: str) -> Any:
        """The level of a column, or the number, that a text means."""
        column = self._column(name)
        try:
            if column.kind != "categorical":
                return column.number(text)
            return column.levels[column.level_code(find_level(text, column.levels))]
        except ValueError as error:
            raise DataError(f"--what-if: {error}{did_you_mean(text, map(str, column.levels))}") from None


def _target(amount: Amount) -> Any:
    """A target as constraints take it: a number, a pair, or texts of a change."""
    ends = [amount.low, amount.high]
    if amount.relation != "=":
        ends = [f"{amount.relation[0]}{end!r}" for end in ends]  # type: ignore[misc]
    if amount.relation == "-=":
        ends.reverse()  # 5 less is below 2 less
    return ends[0] if amount.low == amount.high else tuple(ends)


def _tolerance(amount: Amount) -> dict[str, float]:
    return {} if amount.tolerance is None else {"tolerance": amount.tolerance}


def _squared(amount: Amount) -> Amount:
    """The variance that a standard deviation means."""
    if amount.relation in ("+=", "-="):
        raise DataError(
            "--what-if: a standard deviation is changed by a factor, as in sd(age)*=1.2, not by a summand."
        )
    width = amount.tolerance or 0.0
    low, high = amount.low - width, amount.high + width
    if low < 0.0:
        raise DataError(f"--what-if: a standard deviation is 0 or more, got {low:g}.")
    return Amount(low**2, high**2, amount.relation)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _listed(levels: Iterable[Any]) -> str:
    return ", ".join(map(repr, list(levels)[:12]))
