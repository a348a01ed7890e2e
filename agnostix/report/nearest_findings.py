"""What is said of the real rows nearest to a row, in sentences written from the numbers."""

from __future__ import annotations

import numpy as np

from agnostix.plotting.words import format_value, label_feature
from agnostix.report.findings import name_truth
from agnostix.report.material import Material
from agnostix.report.row_findings import row_name
from agnostix.report.single_rows import KnownRow, SingleRow
from agnostix.report.words import ROOM, Scale, listed, number, whole


def nearest_sentences(single: SingleRow, material: Material, scale: Scale) -> list[str]:
    """Whether a row is in the data, and what is known of the real rows nearest to it.

    Parameters
    ----------
    single : SingleRow
        The row.
    material : Material
        Results.
    scale : Scale
        How predictions are written.

    Returns
    -------
    list of str
    """
    return [_in_data(single, material), *_how_near(single), _said_of_them(single, material, scale)]


def _in_data(single: SingleRow, material: Material) -> str:
    n, row = single.neighbors.n_equal, single.row
    name = row_name(row)[0].upper() + row_name(row)[1:]
    where = _columns(len(single.compared), len(material.projection.table_.columns))
    if row.is_new and n == 0:
        return f"{name} is not in the data: no row there is equal to it in {where}."
    if row.is_new:
        return f"{name} is in the data: {_rows_are(n, '')} equal to it in {where}."
    return f"{name} is one of the data's own; {_rows_are(n, 'other ')} equal to it in {where}."


def _rows_are(n: int, other: str) -> str:
    if n == 0:
        return f"no {other}row is"
    return f"one {other}row is" if n == 1 else f"{whole(n)} {other}rows are"


def _columns(n: int, n_all: int) -> str:
    if n == n_all:
        return f"all {n} columns" if n > 1 else "the only column"
    return f"the {n} columns that the model uses" if n > 1 else "the one column that the model uses"


def _how_near(single: SingleRow) -> list[str]:
    near = single.neighbors
    if near.distances[0] == 0.0:
        return []
    differing = [name for name, part in zip(single.compared, near.parts[0], strict=True) if part > 0]
    names = listed([label_feature(name, most=ROOM) for name in differing], most=4)
    return [
        f"The nearest, {row_name(single.nearest[0])}, differs in {names}: a distance of "
        f"{number(near.distances[0], 2)} (1 is as far as can be; half of the {whole(near.n_compared)} rows "
        f"are at least {number(near.median, 2)} away)."
    ]


def _said_of_them(single: SingleRow, material: Material, scale: Scale) -> str:
    rows = single.nearest
    answers = [row.prediction for row in rows]
    low, high = scale.value(min(answers)), scale.value(max(answers))
    given = low if low == high else scale.interval(min(answers), max(answers))
    them = "it" if len(rows) == 1 else f"the {len(rows)} nearest"
    return f"The model gives {them} {given}{_truth_of_them(rows, material)}."


def _truth_of_them(rows: list[KnownRow], material: Material) -> str:
    truths = [row.truth for row in rows]
    if truths[0] is None:
        return ""
    if material.projection.predictions_.task == "classification":
        n = sum(str(truth) == material.output for truth in truths)
        return f"; the truth is {name_truth(material, material.output)} for {n} of {len(truths)}"
    numbers = np.asarray(truths, dtype=float)
    low, high = format_value(numbers.min()), format_value(numbers.max())
    return f"; the truth is {low}" if low == high else f"; the truth runs from {low} to {high}"
