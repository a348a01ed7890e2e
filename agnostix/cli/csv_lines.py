"""The lines of a CSV file that do not fit its header, which pandas shifts, pads or renames in silence."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from agnostix.exceptions import DataError

_MEND = "Mend the line (a text that holds a comma stands in double quotes), or delete it."


def check_header(path: Path) -> None:
    """Check what pandas would rename or read as row names.

    Parameters
    ----------
    path : Path
        A CSV file in UTF-8.

    Raises
    ------
    DataError
        If the file is empty or has no rows, if two columns share a name, if the columns are not
        separated by commas, or if the first row has more values than the header has names.
    """
    rows = _rows(path)
    _, header = next(rows, (0, []))
    if not header:
        raise DataError(f"{path} is empty. A header line with the columns' names, then the rows, are needed.")
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path} names columns twice: {', '.join(repeated)}. Rename or drop the repeated ones."
        )
    separator = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0]), None)
    if separator:
        raise DataError(
            f"{path} separates its columns by {separator!r}; commas are needed. "
            f"Convert it: pandas.read_csv({path.name!r}, sep={separator!r}).to_csv(..., index=False)."
        )
    line, first = next(rows, (0, []))
    if not first:
        raise DataError(f"{path} has a header but no rows.")
    if len(first) > len(header):
        raise _too_many(path, line, len(first), len(header))


def find_broken_line(path: Path) -> DataError | None:
    """Find the first line that has not as many values as the header has names.

    Parameters
    ----------
    path : Path
        A CSV file in UTF-8.

    Returns
    -------
    DataError or None
        The error to raise, which names the line; None if all lines fit.
    """
    n_columns, last = 0, 0
    try:
        for line, row in _rows(path):
            last = line
            n_columns = n_columns or len(row)
            if len(row) > n_columns:
                return _too_many(path, line, len(row), n_columns)
            if len(row) < n_columns:
                return DataError(
                    f"{path}, line {line}: {_values(len(row))}, but the header has {n_columns} columns. "
                    f"{_MEND} A missing value is an empty place between commas."
                )
    except csv.Error as error:
        return DataError(f"{path} cannot be read after line {last}: {error}. Is a double quote never closed?")
    return None


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line that it begins on; blank lines are passed over, as by pandas."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        begin = 1
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                yield begin, row
            begin = reader.line_num + 1


def _too_many(path: Path, line: int, n_values: int, n_columns: int) -> DataError:
    return DataError(
        f"{path}, line {line}: {_values(n_values)}, but the header has {n_columns} columns. {_MEND}"
    )


def _values(n: int) -> str:
    return f"{n} value" if n == 1 else f"{n} values"
