"""Docstrings do not outgrow the code: complete for public names, one line for internal ones."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "agnostix"
LIMIT = 0.40
"""Lines of docstrings for each line of code, over the whole package."""

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def count_lines(source: str) -> tuple[int, int]:
    """Lines of docstrings and of code, without empty lines and comments."""
    lines = [line.strip() for line in source.splitlines()]
    n_docstring = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Documented) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            n_docstring += sum(map(bool, lines[first.lineno - 1 : first.end_lineno]))
    n_written = sum(bool(line) and not line.startswith("#") for line in lines)
    return n_docstring, n_written - n_docstring


def test_docstrings_are_short() -> None:
    counts = [count_lines(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    n_docstring, n_code = map(sum, zip(*counts, strict=True))
    assert n_docstring <= LIMIT * n_code, "One line with shapes is enough for what no user sees."


def test_count_lines_tells_docstrings_from_code() -> None:
    source = '''"""A module."""

# a comment
LEVEL = 1
"""What it is: a string, but no docstring."""


class Hidden:
    """Short."""

    def method(self):
        """Long.

        Longer.
        """
        return """
        code
        """
'''
    assert count_lines(source) == (1 + 1 + 3, 1 + 1 + 1 + 1 + 3)
