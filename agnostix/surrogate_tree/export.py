"""Exports of a fitted tree: text, SQL, a Python function, and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from agnostix.core.files import one_line
from agnostix.exceptions import DataError
from agnostix.surrogate_tree.rule_tree import Condition, RuleFeature, RuleTree, is_arrow_date, is_zoned

SCHEMA = 1
"""Version of the JSON; raised when its keys change."""
_BRANCH, _LAST, _DOWN, _GAP = "├─ ", "└─ ", "│  ", "   "
_FUNCTION = '''import datetime


def is_missing(value):
    return value is None or type(value).__name__ == "NAType" or value != value


def {name}(row):
    """{docstring}"""
'''


class RuleExports:
    """Exports of `MimicTree`; each predicts what ``predict`` does for every row."""

    rule_tree_: RuleTree
    leaves_: pd.DataFrame
    output_names_: tuple[str, ...]
    classes_: Any
    _fitted_task: str

    def to_text(self) -> str:
        """Export the tree as indented text.

        Returns
        -------
        str
            One line for each side of a split; leaves show the label with its
            probability, the observed rows and the fidelity with its interval, or
            for regression the prediction and the root mean squared error with its own.
        """
        check_is_fitted(self)
        texts = [""] * self.rule_tree_.n_nodes
        for leaf, row in self.leaves_.iterrows():
            texts[int(str(leaf))] = self._describe_leaf(int(str(leaf)), row)
        return to_outline(self.rule_tree_, texts)

    def to_sql(self, *, output: str | None = None, table: str | None = None) -> str:
        """Export the tree as standard SQL.

        Parameters
        ----------
        output : str, default=None
            Name of an output, to get its probability or number. None gets the
            label of a classifier, or the only output of a regressor.
        table : str, default=None
            Name of a table, to get a query that adds a column "prediction" to it.
            None gets the CASE expression alone.

        Returns
        -------
        str
            A CASE with one line per leaf, for SQLite and PostgreSQL. Missing
            values are NULL, dates ISO text, and durations nanoseconds, as pandas
            writes them.

        Raises
        ------
        DataError
            If there is no such output, or a label cannot be written in SQL.
        """
        check_is_fitted(self)
        case = to_sql_case(self.rule_tree_, self._results(output))
        return case if table is None else f'SELECT *, {case} AS "prediction"\nFROM {sql_name(table)}'

    def to_python(self, *, output: str | None = None, name: str = "predict") -> str:
        """Export the tree as a Python function without dependencies.

        Parameters
        ----------
        output : str, default=None
            As for `to_sql`.
        name : str, default="predict"
            Name of the function.

        Returns
        -------
        str
            Source of a function from a row, a mapping of column names to values,
            to the prediction. Missing values are None or NaN.

        Raises
        ------
        DataError
            If there is no such output, `name` is not an identifier, or a label
            cannot be written in Python.
        """
        check_is_fitted(self)
        if not name.isidentifier():
            raise DataError(f"The 'name' of to_python must be a Python name, got {name!r}.")
        docstring = (
            f"Predict {'the outcome' if output is None else 'an output'} of a row by a surrogate tree."
        )
        return to_python_function(self.rule_tree_, self._results(output), name, docstring)

    def to_json(self) -> str:
        """Export the tree as JSON.

        Returns
        -------
        str
            An object of "features" (name and type of each column, with its levels),
            "outputs" (their names) and "nodes", parents before children. Each node
            has "prediction" (a label, a number, or a list of numbers), "values",
            "n_observed", "n_synthetic" and "rule"; a split also "feature", "at_most"
            (a number or a date; null for whatever is not missing) or "in" (levels),
            "missing" ("left" or "right", also for levels not seen in fit), and
            "left" and "right" (numbers of nodes).

        Raises
        ------
        DataError
            If a label cannot be written in JSON.
        """
        check_is_fitted(self)
        is_multioutput = self._fitted_task == "regression" and len(self.output_names_) > 1
        results = self.rule_tree_.values.tolist() if is_multioutput else self._results(None)
        return json.dumps(
            to_json_object(self.rule_tree_, results), ensure_ascii=False, indent=1, allow_nan=False
        )

    def _results(self, output: str | None) -> list[Any]:
        """Label or number of each node."""
        values = self.rule_tree_.values
        names = ", ".join(map(repr, self.output_names_))
        if output is not None:
            if output not in self.output_names_:
                raise DataError(f"The 'output' must be one of {names} or None, got {output!r}.")
            return list(values[:, self.output_names_.index(output)].tolist())
        if self._fitted_task == "classification":
            return list(np.asarray(self.classes_)[values.argmax(axis=1)].tolist())
        if values.shape[1] > 1:
            raise DataError(f"The tree predicts several numbers: choose one with output=, one of {names}.")
        return list(values[:, 0].tolist())

    def _describe_leaf(self, leaf: int, row: Any) -> str:
        n_rows = f"{row['n_observed']:,} row" + ("" if row["n_observed"] == 1 else "s")
        values = self.rule_tree_.values[leaf]
        if self._fitted_task == "regression":
            numbers = ", ".join(f"{value:.4g}" for value in values)
            ends = f"{row['rmse_low']:.3g} to {row['rmse_high']:.3g}"
            return f"{numbers}; {n_rows}, " + (
                "not tested" if row["n_tested"] == 0 else f"rmse {row['rmse']:.3g} ({ends})"
            )
        interval = f"{row['fidelity_low']:.2f} to {row['fidelity_high']:.2f}"
        fidelity = "not tested" if row["n_tested"] == 0 else f"fidelity {row['fidelity']:.2f} ({interval})"
        return f"{one_line(str(row['label']))} {_probability(values.max())}; {n_rows}, {fidelity}"


def _probability(probability: float) -> str:
    """With two decimals or, where that would be 1 and is not, two digits of what is missing to 1."""
    rest = 1.0 - probability
    decimals = min(1 - int(np.floor(np.log10(rest))), 9) if 1e-9 < rest < 0.005 else 2
    return f"{probability:.{decimals}f}"


def to_outline(tree: RuleTree, texts: Sequence[str]) -> str:
    """One line per side of a split, followed at leaves by the text of the node."""
    if tree.left[0] < 0:
        return f"any row: {texts[0]}"
    return "\n".join(_outline_below(tree, texts, 0, ""))


def _outline_below(tree: RuleTree, texts: Sequence[str], node: int, indent: str) -> list[str]:
    lines = []
    children = (int(tree.left[node]), int(tree.right[node]))
    marks = ((_BRANCH, _DOWN), (_LAST, _GAP))
    for child, condition, (mark, deeper) in zip(children, tree.describe_split(node), marks, strict=True):
        is_leaf = tree.left[child] < 0
        lines.append(f"{indent}{mark}{one_line(condition)}" + (f": {texts[child]}" if is_leaf else ""))
        if not is_leaf:
            lines += _outline_below(tree, texts, child, indent + deeper)
    return lines


def to_sql_case(tree: RuleTree, results: Sequence[Any]) -> str:
    """One CASE with a line per leaf, from the result of each node; every row meets exactly one condition."""
    lines = [f"  WHEN {_sql_rule(tree, leaf)} THEN {sql_value(results[leaf])}" for leaf in tree.leaves]
    return "\n".join(["CASE", *lines, "END"]) if len(lines) > 1 else sql_value(results[0])


def _sql_rule(tree: RuleTree, node: int) -> str:
    """The conditions on a node's path."""
    texts = [_sql_condition(one, tree.features[one.feature]) for one in tree.conditions(node)]
    return " AND ".join(text for text in texts if text) or "1 = 1"


def _sql_condition(condition: Condition, feature: RuleFeature) -> str:
    """Empty if every value is admitted."""
    name = sql_name(feature.name)
    if condition.only_missing and not condition.missing:
        return "1 = 0"
    if condition.levels is not None:
        return _sql_levels(condition.levels, condition.missing, feature, name)
    if condition.only_missing:
        return f"{name} IS NULL"
    bounds = " AND ".join(
        f"{name} {sign} {sql_value(threshold_value(feature, bound))}"
        for sign, bound in ((">", condition.low), ("<=", condition.high))
        if np.isfinite(bound)
    )
    if condition.missing:
        return f"({bounds} OR {name} IS NULL)" if bounds else ""
    return bounds or f"{name} IS NOT NULL"


def _sql_levels(levels: tuple[int, ...], missing: bool, feature: RuleFeature, name: str) -> str:
    assert feature.levels is not None
    if not missing:
        return f"{name} IN ({', '.join(sql_value(feature.levels[level]) for level in levels)})"
    # NOT IN the other levels, because unseen levels go with missing values.
    others = [sql_value(level) for code, level in enumerate(feature.levels) if code not in levels]
    return f"({name} IS NULL OR {name} NOT IN ({', '.join(others)}))" if others else ""


def sql_name(name: str) -> str:
    """A quoted identifier."""
    _check_text(name)
    return '"' + name.replace('"', '""') + '"'


def sql_value(value: Any) -> str:
    """A literal of standard SQL; dates are ISO text, durations nanoseconds."""
    plain = plain_value(value)
    if isinstance(plain, bool):
        return str(plain).upper()
    if isinstance(plain, int | float):
        return repr(plain)
    if isinstance(plain, timedelta):
        return str(plain // timedelta(microseconds=1) * 1000)
    text = str(plain)
    _check_text(text)
    return "'" + text.replace("'", "''") + "'"


def _check_text(text: str) -> None:
    if "\0" in text:
        raise DataError(f"SQL cannot hold the character NUL, which is in {text!r}. Rename it before fit.")


def to_python_function(tree: RuleTree, results: Sequence[Any], name: str, docstring: str) -> str:
    """Source of a function of a row (a mapping of columns), from the result of each node."""
    head = _FUNCTION.format(name=name, docstring=docstring)
    source = head + "\n".join(_python_lines(tree, results, 0, "    ")) + "\n"
    return source if "datetime." in source else source.removeprefix("import datetime\n\n\n")


def _python_lines(tree: RuleTree, results: Sequence[Any], node: int, indent: str) -> list[str]:
    if tree.left[node] < 0:
        return [f"{indent}return {python_value(results[node])}"]
    # The smaller side is indented: Python allows no more than 100 levels.
    children = [int(tree.left[node]), int(tree.right[node])]
    goes_left = _count_leaves(tree, children[0]) <= _count_leaves(tree, children[1])
    smaller, larger = children if goes_left else children[::-1]
    inner = _python_lines(tree, results, smaller, indent + "    ")
    outer = _python_lines(tree, results, larger, indent)
    return [f"{indent}if {_python_condition(tree, node, goes_left)}:", *inner, *outer]


def _count_leaves(tree: RuleTree, node: int) -> int:
    if tree.left[node] < 0:
        return 1
    return _count_leaves(tree, int(tree.left[node])) + _count_leaves(tree, int(tree.right[node]))


def _python_condition(tree: RuleTree, node: int, goes_left: bool) -> str:
    """What holds for the rows on one side of a split."""
    feature, missing = tree.features[tree.feature[node]], bool(tree.missing_left[node]) == goes_left
    value = f"row[{feature.name!r}]"
    if feature.levels is not None:
        is_here = [(code in tree.levels[node]) == goes_left for code in range(len(feature.levels))]
        listed = [level for level, here in zip(feature.levels, is_here, strict=True) if here != missing]
        text = ", ".join(python_value(level) for level in listed) + ("," if len(listed) == 1 else "")
        return f"{value} {'not in' if missing else 'in'} ({text})"
    threshold = float(tree.threshold[node])
    if np.isinf(threshold):
        return str(missing) if goes_left == missing else f"{'' if missing else 'not '}is_missing({value})"
    compared = f"{value} {'<=' if goes_left else '>'} {python_value(threshold_value(feature, threshold))}"
    return f"is_missing({value}) or {compared}" if missing else f"not is_missing({value}) and {compared}"


def python_value(value: Any) -> str:
    """A Python literal; dates need the module datetime."""
    plain = plain_value(value)
    if isinstance(plain, datetime):
        return f"datetime.datetime.fromisoformat({plain.isoformat()!r})"
    if isinstance(plain, date):
        return f"datetime.date.fromisoformat({plain.isoformat()!r})"
    if isinstance(plain, timedelta):
        return f"datetime.timedelta(microseconds={plain // timedelta(microseconds=1)})"
    return repr(plain)


def to_json_object(tree: RuleTree, results: Sequence[Any]) -> dict[str, Any]:
    """The tree as `MimicTree.to_json` documents it, from the result of each node."""
    return {
        "schema": SCHEMA,
        "features": [_json_feature(feature) for feature in tree.features],
        "outputs": list(tree.output_names),
        "nodes": [
            _json_node(tree, node) | {"prediction": _json_value(results[node])}
            for node in range(tree.n_nodes)
        ],
    }


def _json_feature(feature: RuleFeature) -> dict[str, Any]:
    if feature.levels is not None:
        levels = [_json_value(level) for level in feature.levels]
        return {"name": feature.name, "type": "labels", "labels": levels}
    return {"name": feature.name, "type": "number" if feature.dtype is None else "date"}


def _json_node(tree: RuleTree, node: int) -> dict[str, Any]:
    entry = {
        "values": tree.values[node].tolist(),
        "n_observed": int(tree.n_observed[node]),
        "n_synthetic": int(tree.n_synthetic[node]),
        "rule": tree.rule(node),
    }
    return entry if tree.left[node] < 0 else _json_split(tree, node) | entry


def _json_split(tree: RuleTree, node: int) -> dict[str, Any]:
    feature = tree.features[tree.feature[node]]
    threshold = float(tree.threshold[node])
    if feature.levels is not None:
        levels = [_json_value(feature.levels[code]) for code in sorted(tree.levels[node])]
        condition: dict[str, Any] = {"in": levels}
    else:
        is_finite = np.isfinite(threshold)
        condition = {"at_most": _json_value(threshold_value(feature, threshold)) if is_finite else None}
    missing = {"missing": "left" if tree.missing_left[node] else "right"}
    children = {"left": int(tree.left[node]), "right": int(tree.right[node])}
    return {"feature": feature.name} | condition | missing | children


def _json_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_json_value(one) for one in value]
    plain = plain_value(value)
    return str(plain) if isinstance(plain, date | timedelta) else plain


def plain_value(value: Any) -> Any:
    """The Python object of a numpy or pandas value, dates rounded down to microseconds."""
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        floored = value.floor("us")
        return floored.to_pydatetime() if isinstance(floored, pd.Timestamp) else floored.to_pytimedelta()
    plain = value.item() if isinstance(value, np.generic) else value
    is_number = isinstance(plain, int | float) and math.isfinite(plain)
    if not is_number and not isinstance(plain, str | date | timedelta):
        raise DataError(
            f"The label {value!r} is of type {type(value).__name__}, which cannot be exported. Convert the "
            "column to text before fit, as with X[column].astype(str)."
        )
    return plain


def threshold_value(feature: RuleFeature, threshold: float) -> Any:
    """A threshold as a value of the column: a number, date, datetime or timedelta."""
    if feature.dtype is None:
        return threshold
    ticks = int((threshold + feature.origin) // 1)
    if not isinstance(feature.dtype, np.dtype | pd.api.extensions.ExtensionDtype):
        return _polars_date(ticks, feature.dtype)
    if getattr(feature.dtype, "kind", "M") == "m":
        return plain_value(pd.Timedelta(ticks, "ns"))
    moment = pd.Timestamp(ticks, tz="UTC" if is_zoned(feature.dtype) else None)
    return moment.date() if is_arrow_date(feature.dtype) else plain_value(moment)


def _polars_date(ticks: int, dtype: Any) -> Any:
    import polars as pl

    return pl.Series([ticks]).cast(pl.Int32 if dtype == pl.Date else pl.Int64).cast(dtype)[0]
