from __future__ import annotations

from pathlib import Path

import pytest

from agnostix.cli.csv_lines import check_header, check_lines
from agnostix.exceptions import DataError

MEND = "Mend the line (a text that holds a comma stands in double quotes), or delete it."
EMPTY = "A missing value is an empty place between commas."
OPEN = "Is a double quote here that is never closed?"


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
    ("text", "message"),
    [
        ("", "{} is empty. A header line with the columns' names, then the rows, are needed."),
        ("\n\n", "{} is empty. A header line with the columns' names, then the rows, are needed."),
        ("a,b\n", "{} has a header but no rows."),
        ("b,a,a,b\n1,2,3,4\n", "{} names columns twice: a, b. Rename or drop the repeated ones."),
        ("a;b\n1;2\n", "{} separates its columns by ';'; commas are needed. Convert it: "
                       "pandas.read_csv('t.csv', sep=';').to_csv(..., index=False)."),
        ("a,b\n1,2,3\n", f"{{}}, line 2: 3 values, but the header has 2 columns. {MEND}"),
        ("a,b\n\n1,2,\n", f"{{}}, line 3: 3 values, but the header has 2 columns. {MEND}"),
    ],
)  # fmt: skip
def test_check_header_refuses(csv, text: str, message: str) -> None:
    path = csv(text)
    with pytest.raises(DataError) as caught:
        check_header(path)
    assert str(caught.value) == message.format(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", f", line 3: 1 value, but the header has 2 columns. {MEND} {EMPTY}"),
        ("a,b\n1,2\n3,4,5\n6\n", f", line 3: 3 values, but the header has 2 columns. {MEND}"),
        ('a,b\n"1\n1",2\n\n3,4,5\n', f", line 5: 3 values, but the header has 2 columns. {MEND}"),
        ('a,b\n1,2\n3,"4\n5,6\n', f", line 3: unexpected end of data. {OPEN}"),
    ],
)
def test_check_lines_names_first_broken_line(csv, text: str, message: str) -> None:
    path = csv(text)
    with pytest.raises(DataError) as caught:
        check_lines(path)
    assert str(caught.value) == f"{path}{message}"


def test_check_lines_accepts(csv) -> None:
    check_lines(csv("a,b\n1,\n\n,\n"))
