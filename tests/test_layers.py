"""The house has storeys, and a module imports only from those below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "agnostix"

# From the ground up. What stands in one row does not import its neighbours, but a package its own modules.
STOREYS = [
    {"exceptions"},
    {"core"},
    {"perturb", "solvers"},
    {"population", "engine", "maskers"},
    {"games", "surrogates", "mimic"},
    {"explainers"},
    {"plotting", "metrics", "testing"},
    {"report"},
    {"cli"},
    {"__main__"},
]
# A result is drawn from itself, and imports the Displays when it is.
LOOKS_UP = {("agnostix/core/explanation/plot_accessor.py", "agnostix.plotting")}
HEIGHT = {room: height for height, rooms in enumerate(STOREYS) for room in rooms}


def _module_name(path: Path, package: Path) -> list[str]:
    parts = list(path.relative_to(package.parent).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def _imported(path: Path, package: Path) -> Iterator[tuple[int, list[str]]]:
    """Line and dotted name of each import of the package's own, lazy ones and those for types included."""
    inside = _module_name(path, package)
    inside = inside if path.name == "__init__.py" else inside[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = inside[: len(inside) - node.level + 1] if node.level else []
            names = [above + (node.module.split(".") if node.module else [])]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name[0] == package.name)


def _violations(package: Path) -> list[str]:
    found = []
    for path in sorted(package.rglob("*.py")):
        name = _module_name(path, package)
        where = path.relative_to(package.parent)
        if len(name) == 1:  # the package's own __init__ gathers the public names from everywhere
            continue
        room = name[1]
        if room not in HEIGHT:
            found.append(f"{where}: {room!r} has no storey; give it one in {Path(__file__).name}")
            continue
        for line, imported in _imported(path, package):
            reason = _reason_against(room, imported)
            if reason and (where.as_posix(), ".".join(imported)) not in LOOKS_UP:
                found.append(f"{where}:{line}: {'.'.join(imported)}: {reason}")
    return found


def _reason_against(room: str, imported: list[str]) -> str | None:
    if len(imported) == 1:
        return None if room in ("cli", "__main__") else "import the module that has the name, not the top"
    other = imported[1]
    if other == room:
        return None
    if other not in HEIGHT:
        return f"{other!r} has no storey"
    if HEIGHT[other] >= HEIGHT[room]:
        return f"{room} may import only from below, and {other} is not"
    return None


def test_every_import_goes_downwards() -> None:
    assert _violations(PACKAGE) == []


def test_the_only_import_that_looks_up_is_there_and_lazy() -> None:
    ((file, module),) = LOOKS_UP
    path = PACKAGE.parent / file
    assert module in {".".join(name) for _, name in _imported(path, PACKAGE)}
    top = ast.parse(path.read_text(encoding="utf-8")).body
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    assert module not in names


def test_the_house_is_seen_at_all() -> None:
    imported = [name for path in PACKAGE.rglob("*.py") for _, name in _imported(path, PACKAGE)]
    seen = {name[1] for name in imported if len(name) > 1}
    assert {"core", "perturb", "solvers", "engine", "exceptions"} <= seen


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("solvers/dual.py", "from agnostix.population import sample", "may import only from below"),
        ("solvers/dual.py", "import agnostix.engine.run", "may import only from below"),
        ("solvers/dual.py", "from ..report import page", "may import only from below"),
        ("solvers/__init__.py", "from ..report import page", "may import only from below"),
        (
            "core/base/explainer.py",
            "from agnostix.population.table import Table",
            "may import only from below",
        ),
        ("core/base/explainer.py", "from ...engine import run", "may import only from below"),
        (
            "core/base/__init__.py",
            "from agnostix.explainers.occlusion import x",
            "may import only from below",
        ),
        ("perturb/tabular.py", "from agnostix.engine import run", "may import only from below"),
        ("core/models/adapt.py", "from agnostix.perturb import Plan", "may import only from below"),
        ("report/page.py", "from agnostix import as_predictor", "not the top"),
        ("report/page.py", "import agnostix", "not the top"),
        ("report/page.py", "from .. import plotting", "not the top"),
        ("core/a.py", "def f():\n    from agnostix.cli import main", "may import only from below"),
        ("core/a.py", "def f():\n    import agnostix.plotting", "may import only from below"),
        ("report/page.py", "import agnostix.cellar", "'cellar' has no storey"),
        ("attic.py", "", "'attic' has no storey"),
    ],
)
def test_a_violation_is_caught(tmp_path: Path, file: str, source: str, complaint: str) -> None:
    assert complaint in "\n".join(_violations(_house(tmp_path, file, source)))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("solvers/dual.py", "from agnostix.solvers.hull import face\nfrom . import atoms"),
        ("population/a.py", "import numpy as np\nfrom agnostix.solvers import dual"),
        ("engine/run.py", "from agnostix.core.models import Predictor\nfrom agnostix.perturb import Plan"),
        ("core/base/a.py", "from agnostix.core.explanation import Explanation\nfrom . import b"),
        (
            "explainers/occlusion.py",
            "from agnostix.core.base import outputs\nfrom agnostix.engine import run",
        ),
        ("cli/__init__.py", "from agnostix import WhatIfReport"),
        ("__init__.py", "from agnostix.report import WhatIfReport"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, file: str, source: str) -> None:
    assert _violations(_house(tmp_path, file, source)) == []


def _house(folder: Path, file: str, source: str) -> Path:
    path = folder / "agnostix" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return folder / "agnostix"
