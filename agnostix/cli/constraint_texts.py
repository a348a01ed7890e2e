"""The text of ``--what-if`` that states given constraints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from agnostix.cli.statements import Amount, ScenarioText, Setting, Statement, Wanted
from agnostix.cli.text_writer import write_scenario
from agnostix.core.names import label_text

_COLUMN_WORDS = {
    "Mean": "column",
    "Quantile": "quantile",
    "Variance": "variance",
    "Covariance": "covariance",
    "Correlation": "correlation",
    "ExpectedShortfall": "expected_shortfall",
}
_OTHER_WORDS = {
    "ErrorRate": "error_rate",
    "TruePositiveRate": "true_positive_rate",
    "FalsePositiveRate": "false_positive_rate",
    "SelectionRate": "selection_rate",
    "DisparateImpact": "disparate_impact",
    "StatisticalParity": "statistical_parity",
    "EqualOpportunity": "equal_opportunity",
    "EqualizedOdds": "equalized_odds",
}
_SETTINGS = ("reference", "compared", "favorable", "positive", "threshold")
_UNWRITTEN = {"penalty": None, "hold_shares": False, "mean": "held"}
"""Parameters, and their defaults, that the command line does not have."""


def write_constraints(
    constraints: Iterable[Any], levels: Mapping[str, tuple[Any, ...]] | None = None
) -> str | None:
    """The text that states constraints; None if the command line cannot.

    `levels` has the levels of columns, of which 1 and '1' are told apart.
    """
    writer = _Writer(levels or {})
    try:
        statements = [part for one in constraints for part in writer.of_constraint(one)]
        return write_scenario(ScenarioText(_with_joined_shares(statements)))
    except _UnwrittenError:
        return None


def _with_joined_shares(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Shares of a column's levels in one statement, since a column may be stated only once."""
    joined: dict[Any, Statement] = {}
    for one in statements:
        before = joined.get(one.key)
        if before is None:
            joined[one.key] = one
            continue
        shares = (*before.shares, *one.shares)
        relations = {amount.relation for _, amount in shares}
        if len(dict(shares)) < len(shares) or len(relations) != 1 or not (before.shares and one.shares):
            raise _UnwrittenError
        joined[one.key] = replace(before, shares=shares)
    return tuple(joined.values())


class _UnwrittenError(Exception):
    """A constraint that the command line does not have."""


class _Writer:
    """Statements from constraints."""

    def __init__(self, levels: Mapping[str, tuple[Any, ...]]) -> None:
        self.levels = levels

    def of_constraint(self, one: Any) -> Iterator[Statement]:
        """The statements that make a constraint."""
        kind = type(one).__name__
        if any(getattr(one, name, default) != default for name, default in _UNWRITTEN.items()):
            raise _UnwrittenError
        if kind == "Keep":
            yield Statement("keep", one.columns)
        elif kind == "Parts":
            for part in one.listed:
                yield from self.of_constraint(part)
        elif kind == "Proportion":
            yield self._proportion(one)
        elif kind == "Prediction":
            yield self._prediction(one)
        elif kind in _COLUMN_WORDS and getattr(one, "quantile", None) is None:
            names = (one.first, one.second) if hasattr(one, "first") else (one.feature,)
            number = getattr(one, "q", None)
            yield Statement(
                _COLUMN_WORDS[kind], names, _amount(one.target, one), number=number, where=self._where(one)
            )
        elif kind in _OTHER_WORDS:
            yield self._of_model(one, _OTHER_WORDS[kind])
        else:
            raise _UnwrittenError

    def _proportion(self, one: Any) -> Statement:
        block = one.level if isinstance(one.level, Mapping) else {one.level: one.target}
        shares = {self._text(one.feature, level): _amount(target, one) for level, target in block.items()}
        if len({amount.relation for amount in shares.values()}) > 1:
            raise _UnwrittenError
        return Statement("column", (one.feature,), shares=tuple(shares.items()), where=self._where(one))

    def _prediction(self, one: Any) -> Statement:
        word, number = "prediction", None
        if one.quantile is not None:
            word, number = "quantile", one.quantile
        elif one.above is not None:
            word, number = "above", float(one.above)
        output = None if one.output is None else str(one.output)
        amount, where = _amount(one.target, one), self._where(one)
        return Statement(word, (), amount, number=number, where=where, output=output, of_prediction=True)

    def _of_model(self, one: Any, word: str) -> Statement:
        names = tuple(getattr(one, "columns", ()))
        settings = [
            (name, self._setting(name, value, names))
            for name in _SETTINGS
            if (value := getattr(one, name, None)) is not None
        ]
        return Statement(
            word, names, _amount(one.target, one), settings=tuple(settings), where=self._where(one)
        )

    def _setting(self, name: str, value: Any, names: tuple[str, ...]) -> Setting:
        if name == "threshold":
            return float(value)
        if name not in ("reference", "compared"):
            return (str(value),)
        levels = value if isinstance(value, tuple) else (value,)
        if len(levels) != len(names):
            raise _UnwrittenError
        return tuple(self._text(column, level) for column, level in zip(names, levels, strict=True))

    def _where(self, one: Any) -> tuple[tuple[str, Wanted], ...]:
        return tuple((name, self._wanted(name, value)) for name, value in (one.where or {}).items())

    def _wanted(self, name: str, value: Any) -> Wanted:
        if isinstance(value, tuple):
            low, high = (float(end) for end in value)
            return low, high
        listed = list(value) if isinstance(value, list | set | frozenset) else [value]
        return tuple(self._text(name, level) for level in listed)

    def _text(self, name: str, level: Any) -> str:
        return label_text(level, self.levels.get(name, ()))


def _amount(target: Any, one: Any) -> Amount:
    """Where a quantity must lie, as it is written."""
    ends = list(target) if isinstance(target, tuple | list) else [target, target]
    signs = {end.strip()[0] for end in ends if isinstance(end, str)}
    if not signs:
        low, high = (float(end) for end in ends)
        return Amount(low, high, tolerance=one.tolerance)
    if len(signs) > 1 or not all(isinstance(end, str) for end in ends):
        raise _UnwrittenError
    sign, (low, high) = signs.pop(), (float(end.strip()[1:]) for end in ends)
    low, high = (high, low) if sign == "-" else (low, high)
    return Amount(low, high, f"{sign}=", one.tolerance)
