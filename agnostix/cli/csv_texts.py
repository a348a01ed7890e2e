"""Texts of a .csv that pandas takes for numbers, truth values or nothing, and numbers with a comma."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnostix.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

_COMMA = re.compile(r"\s*[-+]?\d{1,3}(?:[.\s]\d{3})*,\d+\s*|\s*[-+]?\d+,\d+(?:[eE][-+]?\d+)?\s*")
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*")


def check_decimal_commas(table: pd.DataFrame, path: Path, names: Collection[Any]) -> None:
    """DataError that names column and line if all texts of a column are numbers, some with a comma."""
    for name in names:
        column = table[name].dropna()
        if column.empty or not all(isinstance(cell, str) for cell in column.head(100)):
            continue
        cells = [str(cell) for cell in column.unique()]
        with_comma = [cell for cell in cells if _COMMA.fullmatch(cell)]
        if not with_comma or not all(_COMMA.fullmatch(cell) or _NUMBER.fullmatch(cell) for cell in cells):
            continue
        cell = with_comma[0]
        raise DataError(
            f"{path}, line {line_of(path, table, name, cell)}: column {str(name)!r} has {cell!r}, a number "
            "with a comma; points are needed. Convert the file: "
            f"pandas.read_csv({path.name!r}, decimal=',').to_csv(..., index=False), or with thousands=',' "
            "if the commas separate thousands."
        )


def warn_of_changes(table: pd.DataFrame, raw: pd.DataFrame, path: Path, unknown: list[Any]) -> None:
    """Warn of leading zeros that are lost and of words read as missing, where the model does not say."""
    for name in unknown:
        cells, column = raw[name], table[name]
        if column.dtype.kind in "iuf":
            changed, becomes = cells.str.fullmatch(r"0\d+"), "a number without its zeros"
        elif column.dtype.kind in "OTS" or str(column.dtype) in ("str", "string"):
            changed, becomes = column.isna() & (cells.str.strip() != ""), "a missing value"
        else:
            continue
        if changed.any():
            cell = cells[changed].iloc[0]
            warnings.warn(
                f"{path}, line {line_of(path, table, name, cell)}: {cell!r} in column {str(name)!r} is read "
                f"as {becomes}. If it is a label, save the table as .parquet, which keeps texts.",
                UserWarning,
                stacklevel=2,
            )


def read_texts(path: Path, names: list[Any]) -> pd.DataFrame:
    """All cells as they are written; the names are those of the table."""
    import pandas as pd

    return pd.read_csv(path, dtype=str, keep_default_na=False, low_memory=False).set_axis(names, axis=1)


def line_of(path: Path, table: pd.DataFrame, name: Any, cell: str) -> int:
    """The line of the first row with a cell in a column, as an editor counts."""
    from agnostix.cli.loading import _rows

    rows, place = _rows(path), list(table.columns).index(name)  # the file may have no name for it
    next(rows)
    return next((line for line, row in rows if row[place] == cell), 0)
