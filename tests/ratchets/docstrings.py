"""How long the docstrings of names are that no user sees, against the code.

Public are the names in `__all__` of the packages that users import, their bases, and the public methods of
both. Everything else is internal, and one line is enough for it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from tests.ratchets.source import modules

Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
PUBLIC_PACKAGES = ("", "maskers", "plotting", "report", "testing")
"""Packages whose `__all__` names what users import."""


def count_docstrings(package: Path) -> dict[str, dict[str, int]]:
    """By package, lines of docstrings of internal names and lines of code."""
    parsed = list(modules(package))
    public = _public_names(package, [tree for *_, tree in parsed])
    counts: dict[str, dict[str, int]] = {}
    for home, path, tree in parsed:
        count = counts.setdefault(home, {"docstring lines": 0, "code lines": 0})
        count["docstring lines"] += sum(_n_lines(one) for one in _internal(tree.body, public))
        count["code lines"] += _n_code_lines(path, tree)
    return counts


def _public_names(package: Path, trees: list[ast.Module]) -> set[str]:
    """Names in the lists of public names, and the bases of public classes."""
    bases: dict[str, set[str]] = {}
    for node in (node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)):
        bases.setdefault(node.name, set()).update(_last_name(base) for base in node.bases)
    waiting = [name for path in _public_modules(package) for name in _listed(path)]
    public: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in public:
            public.add(name)
            waiting += bases.get(name, ())
    return public


def _public_modules(package: Path) -> Iterator[Path]:
    for name in PUBLIC_PACKAGES:
        candidates = (package / name / "__init__.py", package / f"{name}.py")
        yield from (path for path in candidates if path.is_file())


def _listed(path: Path) -> list[str]:
    """The names in a module's `__all__`."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(_last_name(one) == "__all__" for one in node.targets):
            return list(ast.literal_eval(node.value))
    return []


def _internal(body: list[ast.stmt], public: set[str], inside_public: bool = False) -> Iterator[Documented]:
    """Classes and functions that are not public, at any depth."""
    for node in body:
        if not isinstance(node, Documented):
            continue
        is_public = not node.name.startswith("_") if inside_public else node.name in public
        if not is_public:
            yield node
        # Functions within functions are nobody's but theirs.
        yield from _internal(node.body, set(), is_public and isinstance(node, ast.ClassDef))


def _n_lines(node: Documented) -> int:
    """Lines of a docstring."""
    first = node.body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0


def _n_code_lines(path: Path, tree: ast.Module) -> int:
    """Lines that are neither empty, nor comments, nor strings that stand for themselves."""
    strings = {
        line
        for node in ast.walk(tree)
        if _is_string(node)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in strings
        for number, line in lines
    )


def _is_string(node: ast.AST) -> TypeGuard[ast.Expr]:
    """Whether a statement is a string that stands for itself."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _last_name(node: ast.expr) -> str:
    """`Base` of `Base`, `module.Base` and `Base[T]`."""
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
