"""How far the report may be trusted, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agnostix.core.models import as_predictor
from agnostix.report.findings import question, telling_apart
from agnostix.report.material import Material
from agnostix.report.words import MINUS, THIN_SPACE, listed, percent

_NOTICED = 0.1
"""Standard deviations from which another feature is said to have moved too."""


def caveats(material: Material) -> list[str]:
    """How far the report may be trusted.

    Parameters
    ----------
    material : Material
        Results.

    Returns
    -------
    list of str
    """
    return [
        "Not causal: a reweighted population differs in everything that goes along with what was moved. "
        "It answers \u201cwhat if more rows were like these\u201d, not \u201cwhat if we changed "
        "these rows\u201d.",
        *_dependence(material),
        *_unused(material),
        _thin_support(material),
        f"Intervals have {percent(material.request.confidence_level)} confidence: they cover the sampling of "
        "the rows, given the model, not another model trained on other rows. In the findings and rankings "
        "they hold together for all that was compared; on single curves and in scenarios each holds by "
        "itself, and takes the stated average as exact: so they are narrower there, at the data's own "
        "average, than in the tables of the data as they are.",
        *(f"Left out: {feature} \u2013 {reason}." for feature, _, reason in _skipped(material)),
        *(
            f"Left out: the group {group} of {by} \u2013 {reason}."
            for by, group, reason in _skipped_groups(material)
        ),
        *(
            f"Missing values: {name} is missing in {share} of the rows; what is said about it rests on the "
            "others."
            for name, share in _missing(material)
        ),
        *(
            f"Not reached: {question(asked.constraints)}. {asked.problem}"
            for asked in material.asked
            if asked.problem is not None
        ),
    ]


def _dependence(material: Material) -> list[str]:
    """The strongest companion of each of the features that matter most."""
    out = []
    for row in telling_apart(material):
        goes_along = material.goes_along(row)
        if not goes_along:
            continue
        (other, level), by = max(goes_along.items(), key=lambda item: abs(item[1]))
        if abs(by) >= _NOTICED:
            what = other if level is None else f"the share of {other} = {level}"
            out.append(f"{_name(row)} moved {what} by {_signed(by)} standard deviations too")
    return ["Dependence: " + "; ".join(out) + "."] if out else []


def _name(row: Mapping[Any, Any]) -> str:
    return str(row["feature"]) if row["level"] is None else f"{row['feature']} = {row['level']}"


def _signed(value: float) -> str:
    return ("+" if value > 0 else MINUS) + f"{abs(value):.2f}"


def _unused(material: Material) -> list[str]:
    """Columns that the model never sees: their curves are all company, no cause."""
    columns = as_predictor(material.projection.model_).columns
    if columns is None:
        return []
    unused = [name for name in material.features if name not in columns]
    if not unused:
        return []
    them = "it moves" if len(unused) == 1 else "they move"
    return [
        f"Not used by the model: {listed(unused)}; {them} the outcome only through what goes along. "
        "If one of them is the outcome itself, name it as the target."
    ]


def _thin_support(material: Material) -> str:
    thin = float(material.curves.frame["status"].isin(["thin", "boundary"]).mean())
    if thin == 0.0:
        return "Thin support: every point on the curves rests on enough effective rows."
    within = "" if material.request.by is None else f", drawn within each group of {material.request.by},"
    return (
        f"Thin support: {percent(thin)} of the points on the curves{within} rest on few effective rows "
        f"(fewer than 20{THIN_SPACE}% of the data's, or fewer than 20 among those that gain weight). They "
        "are drawn faint; their intervals may be too narrow."
    )


def _skipped(material: Material) -> list[tuple[str, Any, str]]:
    return [entry for entry in material.skipped if entry[1] is None]


def _skipped_groups(material: Material) -> list[tuple[str, Any, str]]:
    """Groups without a single curve."""
    drawn = set(material.curves.frame["group"])
    return [
        entry
        for entry in material.curves.skipped
        if entry[0] == material.request.by and entry[1] is not None and entry[1] not in drawn
    ]


def _missing(material: Material) -> list[tuple[str, str]]:
    table = material.projection.table_
    columns = {name: column for name, column in table.columns.items() if not column.immovable_reason()}
    shares = {name: float(table.base[column.missing].sum()) for name, column in columns.items()}
    return [(name, percent(share)) for name, share in shares.items() if share > 0.0]
