"""How a fitted copy leaves: as text, SQL, JSON, or a function of plain Python."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from agnostix.exceptions import DataError
from agnostix.surrogate_tree.export_json import tree_values
from agnostix.surrogate_tree.export_python import python_function
from agnostix.surrogate_tree.export_sql import sql_case
from agnostix.surrogate_tree.export_text import tree_text
from agnostix.surrogate_tree.literals import sql_name
from agnostix.surrogate_tree.rule_tree import RuleTree


class RuleExports:
    """What `MimicTree` writes its rules as; each says the same as ``predict`` on every row."""

    rule_tree_: RuleTree
    leaves_: pd.DataFrame
    output_names_: tuple[str, ...]
    classes_: Any
    _copied_task: str

    def _check_fitted(self) -> None:
        raise NotImplementedError

    def to_text(self) -> str:
        """Write the tree as indented text.

        Returns
        -------
        str
            A line for each split's sides; at leaves what is said there, the given rows, and the fidelity with
            its interval, or for numbers the root mean squared error.
        """
        self._check_fitted()
        told = [""] * self.rule_tree_.n_nodes
        for leaf, row in self.leaves_.iterrows():
            told[int(str(leaf))] = self._leaf_words(int(str(leaf)), row)
        return tree_text(self.rule_tree_, told)

    def to_sql(self, *, output: str | None = None, table: str | None = None) -> str:
        """Write the tree as standard SQL.

        Parameters
        ----------
        output : str, default=None
            Name of an output whose probability or number is wanted. None: the label of a classifier, or the
            only number.
        table : str, default=None
            Of the database: a whole query that adds the column "prediction". None: the expression alone.

        Returns
        -------
        str
            A CASE with a line for each leaf, that SQLite and PostgreSQL read. Missing values are NULL;
            dates are text in ISO's form, and durations nanoseconds, as pandas writes them.

        Raises
        ------
        DataError
            If there is no such output, or labels have no form in SQL.
        """
        self._check_fitted()
        case = sql_case(self.rule_tree_, self._said(output))
        return case if table is None else f'SELECT *, {case} AS "prediction"\nFROM {sql_name(table)}'

    def to_python(self, *, output: str | None = None, name: str = "predict") -> str:
        """Write the tree as the source of a function that needs nothing but Python.

        Parameters
        ----------
        output : str, default=None
            As for `to_sql`.
        name : str, default="predict"
            Of the function.

        Returns
        -------
        str
            A function from a row, a mapping from column names to values, to what the tree says. Missing
            values are None or NaN.

        Raises
        ------
        DataError
            If there is no such output, the name is none, or labels have no form in Python.
        """
        self._check_fitted()
        if not name.isidentifier():
            raise DataError(f"The 'name' of to_python must be a Python name, got {name!r}.")
        what = "what a tree of rules says of a row" if output is None else "a number of a tree of rules"
        return python_function(self.rule_tree_, self._said(output), name, f"Tell {what}.")

    def to_json(self) -> str:
        """Write the tree as JSON.

        Returns
        -------
        str
            Features, outputs and nodes, as `agnostix.surrogate_tree.export_json.tree_values` says; the answer
            of a node is a label, a number, or a list of numbers.

        Raises
        ------
        DataError
            If labels have no form in JSON.
        """
        self._check_fitted()
        one_number = self._copied_task == "regression" and len(self.output_names_) > 1
        answers = self.rule_tree_.values.tolist() if one_number else self._said(None)
        return json.dumps(
            tree_values(self.rule_tree_, answers), ensure_ascii=False, indent=1, allow_nan=False
        )

    def _said(self, output: str | None) -> list[Any]:
        """What each node says."""
        values = self.rule_tree_.values
        if output is not None:
            if output not in self.output_names_:
                known = ", ".join(map(repr, self.output_names_))
                raise DataError(f"The 'output' must be one of {known} or None, got {output!r}.")
            return list(values[:, self.output_names_.index(output)].tolist())
        if self._copied_task == "classification":
            return list(np.asarray(self.classes_)[values.argmax(axis=1)].tolist())
        if values.shape[1] > 1:
            known = ", ".join(map(repr, self.output_names_))
            raise DataError(
                f"The tree answers with several numbers a row: say which by output=, one of {known}."
            )
        return list(values[:, 0].tolist())

    def _leaf_words(self, leaf: int, row: Any) -> str:
        rows = f"{row['n_real']:,} row" + ("" if row["n_real"] == 1 else "s")
        values = self.rule_tree_.values[leaf]
        if self._copied_task == "regression":
            told = ", ".join(f"{value:.4g}" for value in values)
            return f"{told}; {rows}, rmse {row['rmse']:.3g}"
        interval = f"{row['fidelity_low']:.2f} to {row['fidelity_high']:.2f}"
        shown = "not tested" if row["n_tested"] == 0 else f"fidelity {row['fidelity']:.2f} ({interval})"
        return f"{row['label']} {values.max():.2f}; {rows}, {shown}"
