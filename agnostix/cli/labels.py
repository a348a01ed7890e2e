"""What is known of the labels of a table's columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Key: TypeAlias = str | int
"""A column of the table: its name, or its position for a model that was fitted on an array."""
Columns: TypeAlias = tuple[Key | None, ...] | None
"""Columns of the table that an estimator takes, None for one that is computed; None if it is not known."""


@dataclass(frozen=True)
class KnownLabels:
    """What a model keeps of the labels of a column."""

    labels: tuple[Any, ...] = ()  # that it was trained on; empty if only that the column holds labels
    as_category: bool = False  # whether it must be of dtype category, in the order of these labels

    @classmethod
    def from_values(cls, values: Any, as_category: bool = False) -> KnownLabels:
        """Labels as Python objects, without missing ones."""
        plain = (value.item() if hasattr(value, "item") else value for value in values)
        return cls(tuple(value for value in plain if value is not None and value == value), as_category)


def by_column(known: Mapping[Key, KnownLabels], columns: Sequence[Any]) -> dict[str, KnownLabels]:
    """The same by the names of the columns of a table, which a model fitted on an array has by position."""
    found: dict[str, KnownLabels] = {}
    for key, labels in known.items():
        if isinstance(key, str):
            name = table_name(key, columns)
        else:
            name = str(columns[key]) if key < len(columns) else None
        if name is not None:
            found.setdefault(name, labels)
    return found


def table_name(name: str, columns: Sequence[Any]) -> str | None:
    """A table's name of a column that a model has, LightGBM with "_" for spaces; None if it has none."""
    names = list(map(str, columns))
    if name in names:
        return name
    spaced = [one for one in names if re.sub(r"\s", "_", one) == name]
    return spaced[0] if len(spaced) == 1 else None


def class_labels(model: Any) -> tuple[Any, ...]:
    """Labels of a classifier; empty if it has none."""
    labels = getattr(model, "classes_", None)
    return () if labels is None or isinstance(labels, list) else tuple(labels)
