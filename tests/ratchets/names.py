"""Names that are being replaced by terms of the field, and how often each is still defined.

A name counts where it is defined: a class, a function, a module, a parameter, or an attribute (a field of a
class, or what is assigned to `self`). Everyday words count only as such definitions, and not as local
variables.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.ratchets.source import modules

# fmt: off
CLASSES = (
    "Answers", "Asked", "Asker", "Asking", "Atoms", "ColumnBuffer", "Companions", "Condition", "Composition",
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
# fmt: on
PARAMETERS = (
    "asked",
    "drawn",
    "found",
    "given",
    "house",
    "kin",
    "price",
    "real",
    "share",
    "stand_in",
    "told",
)
ATTRIBUTES = (*PARAMETERS, "frontier_", "players_")

OLD_NAMES = {
    "class": CLASSES,
    "function": FUNCTIONS,
    "parameter": PARAMETERS,
    "attribute": ATTRIBUTES,
    "module": MODULES,
}
_MASKS = {"core", "engine", "explainers", "occlusion", "perturb"}
_TREES = {"explainers", "mimic", "surrogate_tree"}
_SAMPLES = {"core", "lime", "perturb", "surrogates", *_TREES}
ONLY_IN = {
    # A share of the rows or a per cent is no probability that a cell of a mask is kept.
    "share": _MASKS,
    # Rows are observed or synthetic. Arguments are given and pictures drawn as everywhere.
    "given": _TREES,
    "real": _TREES,
    "drawn": _SAMPLES,
    # Shapley values have players.
    "players_": {"core", "explainers", "lime", "occlusion", "surrogate_tree"},
    # A session of a differentiable model is one.
    "Session": {"games", "shapley"},
    # A condition of a rule is one.
    "Condition": {"population", "what_if"},
}
"""Names that have the old meaning in some packages alone."""


def count_names(package: Path) -> dict[str, dict[str, int]]:
    """For each old name its definitions by package: {"class Lever": {"population": 2}}."""
    counts: dict[str, Counter[str]] = {}
    for home, path, tree in modules(package):
        found = [("module", path.stem), *_definitions(tree)]
        for kind, name in found:
            key = f"{kind} {name}"
            if name in OLD_NAMES[kind] and home in ONLY_IN.get(name, {home}):
                counts.setdefault(key, Counter())[home] += 1
    return {key: dict(sorted(counts[key].items())) for key in sorted(counts)}


def _definitions(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that is defined."""
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
            yield "attribute", node.attr  # type: ignore[attr-defined]


def _is_set_on_self(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )
