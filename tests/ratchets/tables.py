"""Counts that may only fall, and the tables that they are compared with.

Counts are kept by package. What moves from one package to another raises the count of the other and is no
rise: a package may have more where the whole has not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.ratchets.docstrings import count_docstrings
from tests.ratchets.names import count_names
from tests.ratchets.source import PACKAGE

FOLDER = Path(__file__).parent
SLACK = 0.005
"""By how much a ratio of lines may rise: a few lines of code that are deleted raise it too."""

Names = Mapping[str, Mapping[str, int]]
Lines = Mapping[str, Mapping[str, int]]


def load(name: str, folder: Path = FOLDER) -> Any:
    """A committed table."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def risen_names(now: Names, table: Names) -> list[str]:
    """Old names that are defined more often than the table has it, and where."""
    risen = []
    for name, by_package in now.items():
        before = table.get(name, {})
        if sum(by_package.values()) > sum(before.values()):
            where = ", ".join(
                f"{package} {before.get(package, 0)} -> {count}"
                for package, count in by_package.items()
                if count > before.get(package, 0)
            )
            risen.append(f"{name}: {where}")
    return risen


def risen_docstrings(now: Lines, table: Lines) -> list[str]:
    """Packages with more docstring lines per code line on internal names than the table has."""
    whole, before = _ratio(*now.values()), _ratio(*table.values())
    if whole <= before + SLACK:
        return []
    risen = [f"all packages: {before:.3f} -> {whole:.3f} docstring lines per code line"]
    for package, count in now.items():
        # A new package is held to what the whole had.
        limit = _ratio(table[package]) if package in table else before
        if _ratio(count) > limit + SLACK:
            risen.append(f"{package}: {limit:.3f} -> {_ratio(count):.3f}")
    return risen


def lower(package: Path = PACKAGE, folder: Path = FOLDER) -> list[str]:
    """Write the present counts into the tables; returns what has risen, and then writes nothing."""
    names, lines = count_names(package), count_docstrings(package)
    risen = [*risen_names(names, load("names", folder)), *risen_docstrings(lines, load("docstrings", folder))]
    if not risen:
        write("names", names, folder)
        write("docstrings", lines, folder)
    return risen


def write(name: str, table: Any, folder: Path = FOLDER) -> None:
    """Store a table with a line for each entry, so that branches that lower different ones merge."""
    entries = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in table.items())
    (folder / f"{name}.json").write_text("{\n" + ",\n".join(entries) + "\n}\n", encoding="utf-8")


def _ratio(*counts: Mapping[str, int]) -> float:
    n_docstring, n_code = (sum(count[key] for count in counts) for key in ("docstring lines", "code lines"))
    return n_docstring / max(1, n_code)
