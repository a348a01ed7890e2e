"""The package has layers, and a module imports only from layers below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "agnostix"

SLICES = {"occlusion", "shapley", "lime", "surrogate_tree", "what_if", "importance", "neural", "metrics"}
"""One package a method. They never import each other."""

# From the bottom up. Packages of a layer do not import each other, but each its own modules.
CORE = [{"exceptions"}, {"core"}, {"plotting", "maskers"}]
ABOVE = [SLICES, {"report", "testing"}, {"cli"}, {"__main__"}]
LAYERS = [*CORE, *ABOVE]

LOOKS_UP = {("core/explanation/views.py", "plotting")}
"""Modules that import a package above them, within a function, with that package."""


@dataclass(frozen=True)
class Import:
    """An import of the package's own."""

    line: int
    name: tuple[str, ...]
    is_lazy: bool


@dataclass(frozen=True)
class Rules:
    """What may import what."""

    looks_up: frozenset[tuple[str, str]]

    @property
    def height(self) -> dict[str, int]:
        """Of each package and module on the top level."""
        return {name: height for height, names in enumerate(LAYERS) for name in names}

    def violations(self, package: Path) -> list[str]:
        """Imports that are not allowed, packages without a layer, and entries of lists that are idle."""
        found, used = [], set()
        for path in sorted(package.rglob("*.py")):
            own = _module_name(path, package)
            if len(own) == 1:  # the package's own __init__ gathers the public names from everywhere
                continue
            where = path.relative_to(package)
            if own[1] not in self.height:
                found.append(f"{where}: {own[1]!r} has no layer; put it into a slice, or into core")
                continue
            for one in _imports(path, package):
                upwards = (where.as_posix(), one.name[1] if len(one.name) > 1 else "")
                if upwards in self.looks_up and one.is_lazy:
                    used.add(upwards)
                elif reason := self._reason_against(own[1], one.name):
                    found.append(f"{where}:{one.line}: {'.'.join(one.name)}: {reason}")
        idle = sorted(self.looks_up - used)
        return found + [
            f"{module} does not look up to {name!r}; take it out of LOOKS_UP" for module, name in idle
        ]

    def _reason_against(self, own: str, imported: tuple[str, ...]) -> str | None:
        if len(imported) == 1:
            top = "import the module that has the name, not the top"
            return None if own in ("cli", "__main__") else top
        other = imported[1]
        if other == own:
            return None
        if other not in self.height:
            return f"{other!r} has no layer"
        if self.height[other] >= self.height[own]:
            return f"{own} may import only from below, and {other} is not"
        return None


RULES = Rules(frozenset(LOOKS_UP))


def _module_name(path: Path, package: Path) -> list[str]:
    parts = list(path.relative_to(package.parent).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def _imports(path: Path, package: Path) -> Iterator[Import]:
    """Each import of the package's own, lazy ones and those for types included."""
    inside = _module_name(path, package)
    inside = inside if path.name == "__init__.py" else inside[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lazy = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = inside[: len(inside) - node.level + 1] if node.level else []
            names = [above + (node.module.split(".") if node.module else [])]
            if names == [[package.name]]:  # from agnostix import plotting
                packages = [[*names[0], alias.name] for alias in node.names]
                names = packages if all(_is_module(package / name[1]) for name in packages) else names
        else:
            continue
        own = (name for name in names if name[0] == package.name)
        yield from (Import(node.lineno, tuple(name), id(node) in lazy) for name in own)


def _is_module(path: Path) -> bool:
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_imports_go_downwards_and_lists_are_minimal() -> None:
    assert RULES.violations(PACKAGE) == []


def circles(package: Path) -> list[list[str]]:
    """Groups of modules that import each other when they are loaded, directly or through others."""
    modules = {".".join(_module_name(path, package)): path for path in package.rglob("*.py")}
    imported = {name: _loaded(path, package) & modules.keys() for name, path in modules.items()}
    reached = {name: set(names) for name, names in imported.items()}
    for middle in modules:
        for names in reached.values():
            if middle in names:
                names |= reached[middle]
    together = {
        tuple(sorted({one, *(two for two in reached[one] if one in reached[two])})) for one in modules
    }
    return sorted(list(group) for group in together if len(group) > 1)


def _loaded(path: Path, package: Path) -> set[str]:
    """Names of modules that are imported outside functions and `if TYPE_CHECKING`."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
            # A name of a package is taken from its __init__, a module of it is not.
            files = [package.parent / f"{node.module}.{alias.name}".replace(".", "/") for alias in node.names]
            if not all(_is_module(file) for file in files):
                names.add(node.module)
    return names


def test_no_modules_import_each_other() -> None:
    assert circles(PACKAGE) == []


def test_circle_is_found(tmp_path: Path) -> None:
    files = {
        "lime/a.py": "from agnostix.lime.b import f",
        "lime/b.py": "import agnostix.lime.c",
        "lime/c.py": "from agnostix.lime import a",
        "lime/d.py": "from agnostix.lime import a\n\ndef g():\n    from agnostix.lime.e import h",
        "lime/e.py": "from agnostix.lime import d",
    }
    assert circles(_package(tmp_path, files)) == [[f"agnostix.lime.{name}" for name in "abc"]]


def test_imports_of_every_layer_are_seen() -> None:
    imported = [one.name for path in PACKAGE.rglob("*.py") for one in _imports(path, PACKAGE)]
    seen = {name[1] for name in imported if len(name) > 1}
    assert {"core", "exceptions", "plotting", "report"} <= seen


def test_layers_are_disjoint() -> None:
    every = [name for names in LAYERS for name in names]
    assert len(every) == len(set(every))


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("lime/explainer.py", "from agnostix.shapley import kernel", "lime may import only from below"),
        ("lime/explainer.py", "import agnostix.report.words", "may import only from below"),
        ("lime/explainer.py", "from ..occlusion import rise", "may import only from below"),
        ("lime/__init__.py", "from ..report import page", "may import only from below"),
        ("core/base/explainer.py", "from agnostix.what_if.table import Table", "may import only from below"),
        ("core/base/explainer.py", "from ...plotting import bar", "may import only from below"),
        ("core/a.py", "def f():\n    from agnostix.cli import main", "may import only from below"),
        ("plotting/bar.py", "from agnostix.lime import surrogate", "may import only from below"),
        ("testing/checks.py", "from agnostix.report import page", "may import only from below"),
        ("report/page.py", "from agnostix import as_predictor", "not the top"),
        ("report/page.py", "import agnostix", "not the top"),
        ("report/page.py", "from agnostix.cellar import a", "'cellar' has no layer"),
        ("attic.py", "", "'attic' has no layer"),
        ("attic/a.py", "", "'attic' has no layer"),
        ("core/a.py", "from agnostix.report import page", "may import only from below"),
        ("core/lazy.py", "from agnostix.plotting import bar", "may import only from below"),
        ("core/lazy.py", "def f():\n    from agnostix.report import bar", "may import only from below"),
    ],
)
def test_layer_violation_is_caught(tmp_path: Path, file: str, source: str, complaint: str) -> None:
    violations = _rules().violations(_package(tmp_path, {file: source}))
    assert len([one for one in violations if complaint in one]) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("lime/explainer.py", "from agnostix.lime.kernel import face\nfrom . import atoms"),
        ("lime/explainer.py", "import numpy as np\nfrom agnostix.plotting import bar"),
        ("core/base/a.py", "from agnostix.core.explanation import Explanation\nfrom . import b"),
        ("report/page.py", "from agnostix.lime import LimeExplainer\nfrom .. import plotting, lime"),
        ("cli/__init__.py", "from agnostix import WhatIfReport"),
        ("__init__.py", "from agnostix.report import WhatIfReport"),
    ],
)
def test_allowed_import_passes(tmp_path: Path, file: str, source: str) -> None:
    assert _rules().violations(_package(tmp_path, {file: source})) == []


def test_removed_upward_import_must_leave_list(tmp_path: Path) -> None:
    package = _package(tmp_path, {"core/lazy.py": ""})
    assert _rules().violations(package) == [
        "core/lazy.py does not look up to 'plotting'; take it out of LOOKS_UP"
    ]


def _rules() -> Rules:
    """One import that looks up."""
    return Rules(frozenset({("core/lazy.py", "plotting")}))


def _package(folder: Path, files: dict[str, str]) -> Path:
    """A made-up package that follows the rules, and files to add."""
    names = ("core", "plotting", "lime")
    given = {f"{name}/__init__.py": "" for name in names}
    given["core/lazy.py"] = "def f():\n    from agnostix.plotting import bar"
    for file, source in (given | files).items():
        path = folder / "agnostix" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder / "agnostix"
