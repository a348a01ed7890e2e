from __future__ import annotations

from pathlib import Path

import pytest

from agnostix.cli.csv_lines import check_header, check_lines
from agnostix.exceptions import DataError
from tests.messages import refuses

MEND = ("comma stands in double quotes", "delete it")
EMPTY = "missing value is an empty place between commas"


@pytest.fixture
def csv(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "t.csv"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "\ufeffa,b\r\n1,2\r\n", '\n \n"a\nx",b\n\n1,2', "a,,\n1,2,3\n", "a\n1\n"]
)
def test_check_header_accepts(csv, text: str) -> None:
    check_header(csv(text))


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
def test_check_header_refuses(csv, text: str, facts: list[str]) -> None:
    path = csv(text)
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
def test_check_lines_names_first_broken_line(csv, text: str, facts: list[str]) -> None:
    path = csv(text)
    with refuses(DataError, str(path), *facts):
        check_lines(path)


def test_check_lines_accepts(csv) -> None:
    check_lines(csv("a,b\n1,\n\n,\n"))
