"""The model written as rules: how far they may be believed, first of all, and then what they are."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from agnostix.core.explanation.statistics import half_widths
from agnostix.core.frames import as_table
from agnostix.core.models import as_predictor, is_fitted
from agnostix.plotting.fidelity import CLOSE, POOR_LEAF, ROUGH, how_closely
from agnostix.plotting.tree import LEVEL
from agnostix.report.plain import records
from agnostix.report.request import Request
from agnostix.report.single_rows import used_columns
from agnostix.report.words import percent, whole
from agnostix.surrogate_tree import MimicTree
from agnostix.what_if import EntropicProjection


def check_mimic(mimic: Any) -> None:
    """See that it can be told as rules.

    Parameters
    ----------
    mimic : MimicTree or None
        As for `WhatIfReport`.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if mimic is not None and not isinstance(mimic, MimicTree):
        raise TypeError(f"The 'mimic' parameter of WhatIfReport must be a MimicTree, or None, got {mimic!r}.")


def gather_rules(request: Request, projection: EntropicProjection) -> MimicTree | None:
    """The copy, fitted on the columns that the model uses if it is not fitted yet.

    Parameters
    ----------
    request : Request
        With ``X``, ``y`` and ``mimic``.
    projection : EntropicProjection
        Fitted.

    Returns
    -------
    MimicTree or None
    """
    mimic: Any = request.mimic
    if mimic is None or is_fitted(mimic):
        return mimic
    table = used_columns(as_table(request.X), as_predictor(projection.model_))
    fitted: MimicTree = clone(mimic).fit(table, request.y)
    return fitted


def summarise_rules(mimic: MimicTree | None, is_weighted: bool = False) -> dict[str, Any]:
    """What the page says of them.

    Parameters
    ----------
    mimic : MimicTree or None
        Fitted.
    is_weighted : bool, default=False
        Whether the page is about rows with weights, which a tree does not take.

    Returns
    -------
    dict
        Empty without rules.
    """
    if mimic is None:
        return {}
    return {
        "sentence": _sentence(mimic),
        "warnings": _warnings(mimic),
        "leaves": [_leaf(row) for row in records(mimic.leaves_.reset_index())],
        "text": mimic.to_text(),
        "note": _note(mimic) + (" Here all rows count alike, whatever their weights." if is_weighted else ""),
        "is_classifier": "label" in mimic.leaves_,
        "n_model_rows": mimic.n_model_rows_,
    }


def _sentence(mimic: MimicTree) -> str:
    found, n = mimic.fidelity_, len(mimic.leaves_)
    tree = f"A tree of {whole(n)} rule{'' if n == 1 else 's'}"
    low, high = _interval(mimic)
    ends = f"{percent(max(low, 0.0))} to {percent(high)}"
    share = f"for {percent(max(found.r2, 0.0))} of how its answers vary ({ends})"
    follows = f"It follows the model {how_closely(low)}."
    if found.label is None:
        return f"{tree}, asked about rows that it was not grown on, accounts {share}. {follows}"
    ends = f"{percent(found.label_low, 1)} to {percent(found.label_high, 1)}"
    return (
        f"{tree} says what the model says for {percent(found.label, 1)} of the rows that it was not grown on "
        f"({ends}), and accounts {share}. {follows}"
    )


def _interval(mimic: MimicTree) -> tuple[float, float]:
    half = float(half_widths(mimic.fidelity_.r2_std_error, LEVEL))
    return mimic.fidelity_.r2 - half, min(1.0, mimic.fidelity_.r2 + half)


def _warnings(mimic: MimicTree) -> list[str]:
    """Why the rules should not be taken for the model, if so."""
    found, low = mimic.fidelity_, _interval(mimic)[0]
    told = []
    if low < ROUGH:
        missed = "miss" if found.r2 < ROUGH else "may miss"
        told.append(
            f"Do not take these rules for the model: they {missed} more than half of how its answers vary. "
            "More leaves (max_leaf_nodes) may follow it better."
        )
    plain = mimic.pruning_path_.iloc[0]
    if found.label is not None and "fidelity" in plain and found.label_low <= plain["fidelity"] < 1.0:
        told.append(
            "Saying the commonest label for every row would agree with the model for "
            f"{percent(plain['fidelity'], 1)} of them: the rules add little to that, as far as the interval "
            "tells."
        )
    return told + _poor_leaves(mimic)


def _poor_leaves(mimic: MimicTree) -> list[str]:
    """Leaves that do not speak for the model."""
    if "fidelity" not in mimic.leaves_:
        return []
    poor = mimic.leaves_[mimic.leaves_["fidelity"] < POOR_LEAF]
    if not len(poor):
        return []
    many = f"{whole(len(poor))} of the rules" if len(poor) > 1 else "One of the rules"
    speak, are = ("speak", "They are") if len(poor) > 1 else ("speaks", "It is")
    share = percent(float(poor["coverage"].sum()), 1)
    return [
        f"{many}, for {share} of the rows, {speak} for the model in less than {percent(POOR_LEAF)} of the "
        f"cases that were tested. {are} marked."
    ]


def _leaf(row: dict[str, Any]) -> dict[str, Any]:
    """A leaf with its numbers as text beside them."""
    known = row.get("fidelity") is not None
    text = {
        "says": None if "label" not in row else str(row["label"]),
        "coverage": percent(row["coverage"], 1),
        "fidelity": percent(row["fidelity"], 1) if known else "not tested",
        "interval": " to ".join(percent(row[f"fidelity_{end}"], 1) for end in ("low", "high") if known),
        "is_poor": bool(known and row["fidelity"] < POOR_LEAF),
    }
    return row | {"text": text}


def _note(mimic: MimicTree) -> str:
    found = mimic.fidelity_
    ways = {
        "cross-fitted": "Each row was told by a tree that was grown without it; the tree shown was grown on "
        "all of them.",
        "held out": f"Measured on {whole(found.n_rows)} rows that were set aside.",
    }
    words = (
        "The rules copy the model, and not the truth: where the model is wrong, so are they. "
        f"\u201cClosely\u201d is a share of at least {percent(CLOSE)}, \u201croughly\u201d of at least "
        f"{percent(ROUGH)}, by the lower end of its interval."
    )
    return f"{ways.get(found.source, '')} {words}".strip()
