"""The report command: from the two files to the page."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnostix.cli.constraints import ConstraintBuilder
from agnostix.cli.failures import write_line
from agnostix.cli.labels import KnownLabels, by_column, class_labels, table_name
from agnostix.cli.loading import load_model, load_table
from agnostix.cli.model_labels import known_labels
from agnostix.cli.printing import report_lines
from agnostix.cli.read_labels import read_labels
from agnostix.cli.statements import ScenarioText
from agnostix.cli.syntax import parse_scenario
from agnostix.core.files import check_writable, one_line
from agnostix.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

    from agnostix.core.typing import Floats
    from agnostix.surrogate_tree import MimicTree

_READ = "Labels are read as the model has them"
_FORMATS = (".html", ".json", ".md")


@dataclass(frozen=True)
class Inputs:
    """Features, observed outcome (a column or None) and sample weights (n_rows,) or None of a table."""

    X: pd.DataFrame
    y: pd.Series | None
    sample_weight: Floats | None


def run_report(arguments: argparse.Namespace) -> Any:
    """Make and save a WhatIfReport; unless quiet, print its path, findings, scenarios and rows."""
    begin = time.perf_counter()
    check_output(arguments.output)  # before the model runs, which may take long
    scenarios = [parse_scenario(text) for text in arguments.what_if]
    model = load_model(arguments.model, trust_pickle=arguments.trust_pickle, trust_types=arguments.trust_type)
    check_positive(arguments.positive, model)
    table, notes = read_table(model, arguments)
    inputs = split_table(table, model, arguments)
    builder = ConstraintBuilder(inputs.X, arguments.data, class_labels(model), arguments.positive)
    what_if = build_scenarios(scenarios, builder)
    rows = find_rows(arguments.row, inputs.X)

    from agnostix.report import WhatIfReport  # the drawing libraries, not needed for an error above

    report = WhatIfReport(
        model,
        inputs.X,
        inputs.y,
        what_if=what_if,
        by=arguments.by,
        output=arguments.positive,
        sample_weight=inputs.sample_weight,
        title=arguments.title,
        rows=rows,
        explainers=[make_explainer(arguments.explain, model)],
        mimic=make_mimic(model, arguments.mimic),
        data_notes=[f"{_READ}: {'; '.join(notes)}."] if notes else [],
    )
    report.save(arguments.output)
    if not arguments.quiet:
        if notes:
            write_line(one_line(f"agnostix: {_READ.lower()}: {'; '.join(notes)}"), sys.stderr)
        for line in [
            _file_line(arguments, len(inputs.X), time.perf_counter() - begin),
            *report_lines(report),
        ]:
            write_line(one_line(line))
    return report


def read_table(model: Any, arguments: argparse.Namespace) -> tuple[pd.DataFrame, list[str]]:
    """The table with its labels as the model knows them, and what was read in this way."""
    table = load_table(arguments.data)
    removed = _removed(model, arguments)
    known = by_column(known_labels(model), [name for name in table if name not in removed])
    if arguments.target is not None:
        known[arguments.target] = KnownLabels.from_values(class_labels(model))
    return read_labels(table, arguments.data, known)


def make_explainer(name: str, model: Any) -> Any:
    """The explainer of single rows, as named on the command line."""
    from agnostix.lime import LimeExplainer
    from agnostix.occlusion import OcclusionExplainer
    from agnostix.shapley import KernelShapExplainer

    explainers: dict[str, Any] = {
        "occlusion": OcclusionExplainer,
        "shapley": KernelShapExplainer,
        "lime": LimeExplainer,
    }
    return explainers[name](model, random_state=0)


def make_mimic(model: Any, max_leaf_nodes: int | None) -> MimicTree | None:
    """A surrogate tree, if the report is to have rules."""
    if max_leaf_nodes is None:
        return None
    from agnostix.surrogate_tree import MimicTree

    return MimicTree(model, max_leaf_nodes=max_leaf_nodes, random_state=0)


def check_output(path: Path) -> None:
    """Raise ValueError or OSError unless a report can be written to this path."""
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(
            f"--output {path}: a report is written as {', '.join(_FORMATS)}, "
            f"not as {path.suffix or 'no suffix'!r}."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--output {path}: the folder {path.parent} does not exist.")
    try:
        folder = check_writable(path).parent
    except OSError as error:
        message = str(error) if error.strerror is None else f"{path}: {error.strerror}."
        raise type(error)(f"--output {message}") from None
    try:
        # To check permissions is not enough: root has them all, even where nothing can be written.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(
            f"--output {path}: nothing can be written to the folder {path.parent} ({error.strerror})."
        ) from None


def check_positive(positive: str | None, model: Any) -> None:
    """Raise DataError unless it is a class of the model, or None."""
    if positive is None:
        return
    from agnostix.core.models import as_predictor

    classes = [str(label) for label in as_predictor(model).classes or ()]
    if not classes:
        raise DataError(f"--positive {positive!r}: the model predicts numbers, not classes. Leave it out.")
    if positive not in classes:
        raise DataError(f"--positive {positive!r} is not a class of the model. It has: {', '.join(classes)}.")


def split_table(table: pd.DataFrame, model: Any, arguments: argparse.Namespace) -> Inputs:
    """Take outcome and weights out of the table; DataError if a column is missing or unfit for its use."""
    for option, column in (
        ("--target", arguments.target),
        ("--by", arguments.by),
        ("--weight", arguments.weight),
    ):
        if column is not None and column not in table.columns:
            raise DataError(
                f"{option} {column!r} is not a column of {arguments.data}. {_list_columns(table)}"
            )
    _check_model_columns(table, model, arguments)
    if arguments.by is not None and arguments.by == arguments.target:
        raise DataError(f"--by {arguments.by!r} is the target too; groups are made by another column.")
    sample_weight = None if arguments.weight is None else _weights(table[arguments.weight], arguments)
    y = None if arguments.target is None else table[arguments.target]
    X = table.drop(columns=_removed(model, arguments))
    _check_width(X, model, arguments.data)
    return Inputs(X, y, sample_weight)


def _removed(model: Any, arguments: argparse.Namespace) -> list[str]:
    """Columns that are no features: the target, and the weights unless they are used otherwise."""
    used = set(_columns_of(model) or ())
    removed = [arguments.target] if arguments.target is not None else []
    if arguments.weight is not None and arguments.weight not in used | {arguments.by, arguments.target}:
        removed.append(arguments.weight)
    return removed


def build_scenarios(scenarios: list[ScenarioText], builder: ConstraintBuilder) -> list[Any]:
    """Scenarios as the report takes them; DataError, before the model runs, if they do not fit the table."""
    built: list[Any] = []
    columns = set(map(str, builder.X.columns))
    for one in scenarios:
        if one.name is not None and [other.name for other in scenarios].count(one.name) > 1:
            raise DataError(f"--what-if: two scenarios have the name {one.name!r}; rename one.")
        for word in sorted(columns.intersection(statement.subject for statement in one.statements)):
            warnings.warn(
                f'--what-if: {word} is that of the model. For the column of this name, write "{word}" in '
                "double quotes.",
                UserWarning,
                stacklevel=2,
            )
        constraints = builder.build(one)
        built.append(constraints if one.name is None else {one.name: constraints})
    return built


def find_rows(texts: list[str], X: pd.DataFrame) -> list[int]:
    """Positions of rows given by label, where the table has labels that are texts, else by position."""
    from agnostix.report.inputs import SelectedRows, row_labels

    labels = row_labels(X)
    known = set() if labels is None else set(labels)
    keys = [text if text in known or not re.fullmatch(r"[+-]?\d+", text) else int(text) for text in texts]
    try:
        selected = SelectedRows.from_selection(keys, X)
        return [position for position in selected.positions if position is not None]
    except DataError as error:
        raise DataError(f"--row: {error}") from None


def _columns_of(model: Any) -> tuple[str, ...] | None:
    """Names of the columns that the model was fitted on, if it has them."""
    from agnostix.core.models import fitted_columns

    return fitted_columns(model)


def _check_model_columns(table: pd.DataFrame, model: Any, arguments: argparse.Namespace) -> None:
    names = _columns_of(model) or ()
    missing = [name for name in names if table_name(name, list(table.columns)) is None]
    if missing:
        raise DataError(
            f"{arguments.data} lacks {len(missing)} of the {len(names)} columns that the model needs: "
            f"{', '.join(missing)}. {_list_columns(table)}"
        )
    if arguments.target in names:
        raise DataError(
            f"--target {arguments.target!r} is one of the columns that the model predicts from: "
            f"{', '.join(names)}."
        )


def _check_width(X: pd.DataFrame, model: Any, path: Path) -> None:
    """A model that was fitted on an array knows its columns only by their number."""
    expected = getattr(model, "n_features_in_", None)
    if _columns_of(model) is not None or expected is None or expected == X.shape[1]:
        return
    raise DataError(
        f"The model was fitted on {expected} columns without names, but {path} has {X.shape[1]} besides the "
        f"target and the weights: {', '.join(map(str, X.columns))}. Keep only the model's own, in its order, "
        "or fit the model on a DataFrame."
    )


def _weights(column: pd.Series, arguments: argparse.Namespace) -> Floats:
    import numpy as np
    from pandas import to_numeric
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if not is_numeric_dtype(column) or is_bool_dtype(column):
        is_text = to_numeric(column.astype(object), errors="coerce").isna() & column.notna()
        row = int(is_text.to_numpy().argmax())
        raise DataError(
            f"--weight {arguments.weight!r} is not numeric; {arguments.data} has {column.iloc[row]!r} in row "
            f"{row}, counted from 0. Correct the cell, or name another column."
        )
    return column.to_numpy(dtype=float, na_value=np.nan)


def _list_columns(table: pd.DataFrame) -> str:
    return f"It has: {', '.join(map(str, table.columns))}."


def _file_line(arguments: argparse.Namespace, n_rows: int, seconds: float) -> str:
    size = arguments.output.stat().st_size / 1e6
    return f"{arguments.output}: {arguments.model.name} on {n_rows:,} rows, {size:.2f} MB, {seconds:.1f} s"
