"""Names are the terms of the field: none from before them is defined, and no word from before is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "agnostix"
TEXTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "agnostix/**/*.py", "benchmarks/*.py", "examples/*.py")
    for path in sorted(ROOT.glob(pattern))
]

# fmt: off
CLASSES = (
    "Answers", "Asked", "Asker", "Asking", "Atoms", "ColumnBuffer", "Companions", "Composition",
    "Copy", "CopyPlan", "Course", "Demand", "Division", "Drawn", "DrawnInLeaves", "DrawnOnce", "Draws",
    "FadedRows", "Fades", "Found", "Gatherer", "GivenAlone", "Inquiry", "Law", "Layout", "Lever",
    "LocalFit", "Marks", "MaskVicinity", "Material", "Neighbourhood", "Problem", "Questions", "Reading",
    "Recipe", "RowFits", "RowShares", "Rows", "Run", "Session", "Settings", "ShareSummary", "Source",
    "Strain", "Summary", "Survey", "TableVicinity", "Tilts", "Traces", "Trial", "UnseenContrasts",
    "Vicinity", "Way", "WorthScale", "Worths",
)
FUNCTIONS = (
    "ask", "ask_faded", "asked", "digest", "drawn", "finish", "found", "given", "goes_along",
    "house_style", "of", "opened", "play", "play_until", "realism", "standardise", "summarise", "told",
)
MODULES = (
    "alike", "answers", "asker", "asking", "atoms", "column_buffer", "companions", "copy_plan",
    "division", "drawn_in_leaves", "draws", "fades", "gatherer", "identity", "local_fit", "marks",
    "mask_draws", "mask_vicinity", "material", "neighbourhood", "own_draws", "problem", "questions",
    "realism", "row_fits", "row_shares", "survey", "table_vicinity", "tempering", "traces", "trial",
    "unseen", "vicinity", "way", "worths",
)
PARAMETERS = (
    "asked", "drawn", "found", "given", "house", "kin", "price", "real", "share", "stand_in", "told",
)
# fmt: on
OLD_NAMES = {
    "class": CLASSES,
    "function": FUNCTIONS,
    "parameter": PARAMETERS,
    "attribute": (*PARAMETERS, "frontier_", "players_"),
    "module": MODULES,
}
ONLY_IN = {
    # A share of the rows or a per cent is no probability that a cell of a mask is kept.
    "share": {"core", "occlusion"},
    # Rows are observed or synthetic. Arguments are given and pictures drawn as everywhere.
    "given": {"surrogate_tree"},
    "real": {"surrogate_tree"},
    "drawn": {"core", "lime", "surrogate_tree"},
    # Shapley values have players.
    "players_": {"core", "lime", "occlusion", "surrogate_tree"},
    # A session of a differentiable model is one.
    "Session": {"shapley"},
}
"""Names that have the old meaning in some packages alone."""

OLD_WORDS = re.compile(
    r"\b(Lever|Tilts|Atoms|Strain|Companions|Asker|Asking|Inquiry|Survey|Traces|Fades|FadedRows|RowFits|Recipe"
    r"|CopyPlan|GivenAlone|Division|Vicinity|Worths|WorthScale|RowShares|Gatherer|UnseenContrasts)\b"
    r"|\b[Ss]tands? in for\b|\b(?:[Nn]eighbour|[Cc]olour|[Gg]rey|[Cc]entre|[Ll]abelled|[Bb]ehaviour)\w*"
    r"|\b(?:[Ss]ummar|[Ss]tandard|[Nn]ormal|[Mm]inim|[Mm]axim|[Oo]ptim|[Rr]egular|[Rr]andom)is(?:e[ds]?|ing)\b"
)
"""Words that nothing else is likely to be called, and British spellings."""


def old_names(package: Path) -> list[str]:
    """Definitions of old names, each with its module."""
    old = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).parts
        definitions = [("module", path.stem), *_definitions(ast.parse(path.read_text(encoding="utf-8")))]
        for kind, name in definitions:
            if name in OLD_NAMES[kind] and parts[0] in ONLY_IN.get(name, parts):
                old.append(f"{'/'.join(parts)}: {kind} {name}")
    return old


def _definitions(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that is defined; local variables are not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield "class", node.name
            fields = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
            yield from (("attribute", target.id) for target in fields if isinstance(target, ast.Name))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield "function", node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            own = node.args
            every = [*own.posonlyargs, *own.args, *own.kwonlyargs, own.vararg, own.kwarg]
            yield from (("parameter", one.arg) for one in every if one is not None)
        if _is_set_on_self(node):
            yield "attribute", node.attr


def _is_set_on_self(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


PARAMETER_OF_QUANTUS = ('"normalise": False', "")  # in benchmarks, where it runs as a peer


def test_no_old_name_is_defined() -> None:
    assert old_names(PACKAGE) == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_has_no_old_word(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace(*PARAMETER_OF_QUANTUS)
    assert [match[0] for match in OLD_WORDS.finditer(text)] == []


@pytest.mark.parametrize(
    ("file", "source", "name"),
    [
        ("what_if/curves.py", "class Lever: pass", "class Lever"),
        ("what_if/curves.py", "def f():\n    class Lever: pass", "class Lever"),
        ("what_if/curves.py", "class A:\n    def told(self): pass", "function told"),
        ("what_if/curves.py", "async def digest(): pass", "function digest"),
        ("surrogate_tree/a.py", "def f(x, *, given=1): pass", "parameter given"),
        ("lime/a.py", "def f(*drawn): pass", "parameter drawn"),
        ("surrogate_tree/a.py", "f = lambda real: real", "parameter real"),
        ("what_if/curves.py", "class A:\n    price: float", "attribute price"),
        ("what_if/curves.py", "class A:\n    def f(self):\n        self.told, x = 1, 2", "attribute told"),
        ("what_if/companions.py", "", "module companions"),
        ("what_if/statistic.py", "class Companions: pass", "class Companions"),
        ("occlusion/rise.py", "def f(share): pass", "parameter share"),
        ("lime/a.py", "class A:\n    def fit(self):\n        self.players_ = 1", "attribute players_"),
    ],
)
def test_old_name_is_found(tmp_path: Path, file: str, source: str, name: str) -> None:
    assert old_names(_package(tmp_path, file, source)) == [f"{file}: {name}"]


@pytest.mark.parametrize(
    "source",
    [
        "given, told, found = 1, 2, 3\nfor drawn in []:\n    real = drawn",
        "x.told = 1\nprint(self.told, f(given=1))",
        "class Levers: pass\ndef tell(): pass",
        "def f(share, given, drawn): pass",
        "class Condition: pass",
        "class A:\n    def fit(self):\n        self.players_ = 1",
        "'class Lever: pass'  # told",
    ],
)
def test_other_use_is_not_found(tmp_path: Path, source: str) -> None:
    assert old_names(_package(tmp_path, "report/page.py", source)) == []


@pytest.mark.parametrize(
    "text", ["a Lever moves", "it stands in for x", "the neighbours", "Colours", "to normalise"]
)
def test_old_word_is_found(text: str) -> None:
    assert OLD_WORDS.search(text)


@pytest.mark.parametrize("text", ["of course", "Levers", "neighbors", "it stands for x", "traces of"])
def test_other_word_is_not_found(text: str) -> None:
    assert not OLD_WORDS.search(text)


def _package(folder: Path, file: str, source: str) -> Path:
    """A package with one module."""
    path = folder / "agnostix" / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    return folder / "agnostix"
