"""Modules, functions and docstrings keep a size that can be read."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "agnostix"
MAX_MODULE = 500
MAX_FUNCTION = 60
"""Lines, without the docstring."""
MAX_DOCSTRING_SHARE = 0.40
"""Lines of docstrings for each line of code, over the whole package: internal names need only one."""

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


def too_long(package: Path) -> list[str]:
    """Modules and functions above their limit."""
    found = []
    for path in sorted(package.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        where = path.relative_to(package).as_posix()
        if (n_lines := len(source.splitlines())) > MAX_MODULE:
            found.append(f"{where}: {n_lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                has_docstring = ast.get_docstring(node, clean=False) is not None
                body = node.body[has_docstring and len(node.body) > 1 :]
                n_lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
                if n_lines > MAX_FUNCTION:
                    found.append(f"{where}: {node.name}, {n_lines} lines")
    return found


def test_modules_and_functions_are_short() -> None:
    assert too_long(PACKAGE) == []


def test_long_module_and_function_are_found(tmp_path: Path) -> None:
    body = "    x = 1\n" * (MAX_FUNCTION + 1)
    (tmp_path / "a.py").write_text(f'def long():\n    """One."""\n{body}', encoding="utf-8")
    (tmp_path / "b.py").write_text("x = 1\n" * (MAX_MODULE + 1), encoding="utf-8")
    shorter = body.removeprefix("    x = 1\n")
    docstring = '    """One."""\n' + "\n" * 20
    (tmp_path / "c.py").write_text(f"def short():\n{docstring}{shorter}", encoding="utf-8")
    assert too_long(tmp_path) == ["a.py: long, 61 lines", "b.py: 501 lines"]


def test_docstrings_are_short() -> None:
    counts = [count_lines(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    n_docstring, n_code = map(sum, zip(*counts, strict=True))
    assert n_docstring <= MAX_DOCSTRING_SHARE * n_code, "One line with shapes is enough for internal names."


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
