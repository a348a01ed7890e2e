"""The package's source as syntax trees, by package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "agnostix"
ROOT = "(root)"
"""What stands for modules that are in no package of their own."""


def modules(package: Path) -> Iterator[tuple[str, Path, ast.Module]]:
    """Package (the first folder), path and syntax tree of each module."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).parts
        yield parts[0] if len(parts) > 1 else ROOT, path, ast.parse(path.read_text(encoding="utf-8"))
