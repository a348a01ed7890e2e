"""The lines of a CSV file that do not fit its header, which pandas shifts, pads or renames in silence."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from agnostix.exceptions import DataError

_MEND = "Mend the line (a text that holds a comma stands in double quotes), or delete it."


def check_header(path: Path) -> None:
    """Raise DataError where pandas would rename columns, find one column or read values as row names."""
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


def check_lines(path: Path) -> None:
    """Raise DataError at the first line with more or fewer values than the header, or that is unreadable."""
    rows = _rows(path)
    _, header = next(rows, (0, []))
    for line, row in rows:
        if len(row) > len(header):
            raise _too_many(path, line, len(row), len(header))
        if len(row) < len(header):
            raise DataError(
                f"{path}, line {line}: {_values(len(row))}, but the header has {len(header)} columns. "
                f"{_MEND} A missing value is an empty place between commas."
            )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line that it begins on; blank lines are passed over, as by pandas."""
    begin = 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for row in reader:
                if len(row) > 1 or (row and row[0].strip()):
                    yield begin, row
                begin = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path}, line {begin}: {error}. Is a double quote here that is never closed?"
            ) from None


def _too_many(path: Path, line: int, n_values: int, n_columns: int) -> DataError:
    return DataError(
        f"{path}, line {line}: {_values(n_values)}, but the header has {n_columns} columns. {_MEND}"
    )


def _values(n: int) -> str:
    return f"{n} value" if n == 1 else f"{n} values"
