"""CSV files: columns of every kind as pandas reads them (pyarrow's reader changes some), and broken lines."""

from __future__ import annotations

import csv
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agnostix.cli.loading import check_header, check_lines, load_table
from agnostix.exceptions import DataError
from tests.messages import refuses

NAN = float("nan")
COLUMNS: dict[str, tuple[list[str], list[object]]] = {
    "integers": (["1", "2", "-3", "4"], [1, 2, -3, 4]),
    "integers with a missing one": (["1", "", "-3", "4"], [1.0, NAN, -3.0, 4.0]),
    "floats": (["0.5", "1e-3", "-2.25", "1e300"], [0.5, 1e-3, -2.25, 1e300]),
    "floats with missing ones": (["0.5", "", "NaN", "-inf"], [0.5, NAN, NAN, -np.inf]),
    "17 digits": (["0.1", "0.30000000000000004", "2.675", "1"], [0.1, 0.30000000000000004, 2.675, 1.0]),
    "bools": (["True", "False", "True", "False"], [True, False, True, False]),
    "bools with a missing one": (["True", "", "False", "True"], [True, NAN, False, True]),
    "0 and 1": (["0", "1", "1", "0"], [0, 1, 1, 0]),
    "texts": (["a", "b", "a b", "ä"], ["a", "b", "a b", "ä"]),
    "texts with a missing one": (["a", "", "b", "a"], ["a", NAN, "b", "a"]),
    "NA": (["a", "NA", "b", "null"], ["a", NAN, "b", NAN]),
    "question marks": (["1", "?", "3", "4"], ["1", "?", "3", "4"]),
    "n/a and a dash": (["1", "n/a", "3", "-"], ["1", NAN, "3", "-"]),
    "texts with spaces": ([" a", "b ", " ", "c"], [" a", "b ", " ", "c"]),
    "numbers with spaces": ([" 1", "2 ", " 3", "4"], [1, 2, 3, 4]),
    "levels": (["low", "high", "mid", "low"], ["low", "high", "mid", "low"]),
    "dates": (["2024-01-31", "2024-02-29", "1999-12-31", "2024-01-01"], []),
    "dates and times": (["2024-01-31 12:30:00", "2024-02-29 00:00:00", "1999-12-31 23:59:59"] * 2, []),
    "times": (["12:30", "00:00", "23:59", "07:05"], []),
    "mixed": (["1", "b", "2.5", "True"], ["1", "b", "2.5", "True"]),
    "leading zeros": (["007", "010", "123", "000"], [7, 10, 123, 0]),
    "beyond 2^53": (["9007199254740993", "1", "2", "3"], [9007199254740993, 1, 2, 3]),
    "beyond 2^53 with a missing one": (
        ["9007199254740993", "", "2", "3"],
        [9007199254740992.0, NAN, 2.0, 3.0],
    ),
    "beyond 2^63": (["9223372036854775808", "1", "2", "3"], [9223372036854775808, 1, 2, 3]),
    "beyond 2^64": (["18446744073709551616", "1", "2", "3"], [18446744073709551616, 1, 2, 3]),
    "thousands": (["1,234", "5,678", "9", "10"], ["1,234", "5,678", "9", "10"]),
    "quotes and lines": (['say "a"', "b,c", "line\nbreak", "d"], ['say "a"', "b,c", "line\nbreak", "d"]),
    "empty": (["", "", "", ""], [NAN, NAN, NAN, NAN]),
    "plus signs": (["+1", "+2", "-3", "4"], [1, 2, -3, 4]),
    "hexadecimals": (["0x1f", "0x2", "0x3", "0x4"], []),
    "per cent": (["10%", "20%", "5%", "1%"], ["10%", "20%", "5%", "1%"]),
}
"""What is written in the file, and what it is read as; empty: as it is written."""

READ_BY_PANDAS_3 = {"17 digits", "beyond 2^64"}
CHANGED_BY_PYARROW = {
    "dates",
    "dates and times",
    "times",
    "beyond 2^63",
    "beyond 2^64",
    "plus signs",
    "hexadecimals",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all columns."""
    path = tmp_path_factory.mktemp("csv") / "columns.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(zip(*(written for written, _ in COLUMNS.values()), strict=False))
    return path


@pytest.mark.parametrize("name", COLUMNS)
def test_load_table_csv_keeps_values_and_missing_values(path: Path, name: str) -> None:
    if name in READ_BY_PANDAS_3 and int(pd.__version__.split(".")[0]) < 3:
        pytest.skip("as pandas 3 reads it")
    written, read = COLUMNS[name]
    column = load_table(path)[name].tolist()
    expected = read or written[:4]
    assert [type(value) for value in column] == [type(value) for value in expected]
    assert all(a == b or (a != a and b != b) for a, b in zip(column, expected, strict=True))


@pytest.mark.parametrize("name", COLUMNS)
def test_load_table_csv_has_the_columns_of_pandas(path: Path, name: str) -> None:
    pd.testing.assert_series_equal(load_table(path)[name], pd.read_csv(path)[name])


def test_pyarrow_changes_columns() -> None:
    # If this fails, pyarrow's reader may do for `agnostix.cli.loading`.
    arrow = pytest.importorskip("pyarrow.csv")
    for name in sorted(CHANGED_BY_PYARROW):
        written, _ = COLUMNS[name]
        text = "\n".join([name, *written]).encode()
        read = arrow.read_csv(BytesIO(text)).to_pandas()[name]
        expected = pd.read_csv(BytesIO(text))[name]
        assert (read.dtype, read.tolist()) != (expected.dtype, expected.tolist()), name


MEND = ("comma must be in double quotes", "delete it")
EMPTY = "missing value is an empty place between commas"


@pytest.fixture
def csv_file(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "t.csv"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "\ufeffa,b\r\n1,2\r\n", '\n \n"a\nx",b\n\n1,2', "a,,\n1,2,3\n", "a\n1\n"]
)
def test_check_header_accepts(csv_file, text: str) -> None:
    check_header(csv_file(text))


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", ["is empty", "header line", "rows"]),
        ("\n\n", ["is empty", "header line", "rows"]),
        ("a,b\n", ["header", "no rows"]),
        ("b,a,a,b\n1,2,3,4\n", ["columns twice: a, b", "Rename or drop"]),
        ("a;b\n1;2\n", ["';'", "commas", "pandas.read_csv('t.csv', sep=';').to_csv(..., index=False)"]),
        ("a,b\n1,2,3\n", ["line 2", "3 values", "header has 2 columns", *MEND]),
        ("a,b\n\n1,2,\n", ["line 3", "3 values", "header has 2 columns", *MEND]),
    ],
)
def test_check_header_refuses(csv_file, text: str, facts: list[str]) -> None:
    path = csv_file(text)
    with refuses(DataError, str(path), *facts):
        check_header(path)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("a,b\n1,2\n3\n", ["line 3", "1 value", "header has 2 columns", *MEND, EMPTY]),
        ("a,b\n1,2\n3,4,5\n6\n", ["line 3", "3 values", "header has 2 columns", *MEND]),
        ('a,b\n"1\n1",2\n\n3,4,5\n', ["line 5", "3 values", "header has 2 columns", *MEND]),
        ('a,b\n1,2\n3,"4\n5,6\n', ["line 3", "unexpected end", "double quote", "never closed"]),
    ],
)
def test_check_lines_names_first_broken_line(csv_file, text: str, facts: list[str]) -> None:
    path = csv_file(text)
    with refuses(DataError, str(path), *facts):
        check_lines(path)


def test_check_lines_accepts(csv_file) -> None:
    check_lines(csv_file("a,b\n1,\n\n,\n"))
