"""Another table, or its means, as a scenario: the averages and proportions that both tables have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import as_table, is_frame
from agnostix.core.frames import columns as series_of
from agnostix.core.names import did_you_mean
from agnostix.exceptions import DataError
from agnostix.what_if.sample import too_many_levels
from agnostix.what_if.table import Column, Table

_MAX_NAMED = 5


def is_table(stated: Any) -> bool:
    """Whether it is a frame of rows, or a series."""
    return isinstance(stated, pd.Series) or is_frame(stated)


def read_table(table: Table, other: Any) -> tuple[dict[str, Any], list[str]]:
    """The mapping of columns that a table, or a series of means, makes, and notes on what was left out."""
    if isinstance(other, pd.Series):
        return _read_means(table, other), []
    rows = series_of(as_table(other))
    shared = [name for name in table.columns if name in rows]
    if not shared:
        axes = [
            name for name in (*_names(other, "index"), *_names(other, "columns")) if name in table.columns
        ]
        hint = " For a cross table, state Margins(table)." if axes else ""
        raise ValueError(
            f"The table has no column of X. Its columns: {_listed(rows)}; those of X: "
            f"{_listed(table.columns)}.{hint}"
        )
    stated: dict[str, Any] = {}
    notes = _of_one_table(table, rows)
    for name in shared:
        target, note = _compare(table.columns[name], Column.from_series(name, rows[name]))
        if target is not None:
            stated[name] = target
        if note:
            notes.append(note)
    if not stated:
        raise ValueError(f"The table has no column that can be shifted. {' '.join(notes)}")
    return stated, notes


def _names(other: Any, axis: str) -> list[str]:
    return [
        str(name) for name in getattr(getattr(other, axis, None), "names", None) or [] if name is not None
    ]


def _read_means(table: Table, means: pd.Series) -> dict[str, Any]:
    stated = {}
    for name, value in means.items():
        if str(name) not in table.columns:
            hint = (
                " For the shares of its levels, state Margins(series)."
                if str(means.index.name) in table.columns or means.index.nlevels > 1
                else did_you_mean(name, table.columns)
            )
            raise ValueError(
                f"The series has {name!r} in its index, which is no column of X: a series holds the mean of "
                f"columns, by their names.{hint}"
            )
        stated[str(name)] = value
    return stated


def _of_one_table(table: Table, rows: dict[str, Any]) -> list[str]:
    """Notes on columns that only one of the tables has."""
    notes = []
    for names, others, text in (
        (table.columns, rows, "Columns of X that the table lacks are free: {}."),
        (rows, table.columns, "Columns of the table that X lacks were left out: {}."),
    ):
        alone = [name for name in names if name not in others]
        if alone:
            notes.append(text.format(_listed(alone)))
    return notes


def _compare(own: Column, other: Column) -> tuple[Any, str | None]:
    """The target of a column, None if there is none, and a note on what was left out."""
    reason = own.immovable_reason() or too_many_levels(own)
    if reason:
        return None, f"Column {own.name!r} was left out: {reason}."
    if own.kind != other.kind and not other.missing.all():
        kinds = {"numeric": "numbers", "categorical": "labels", "date": "dates", "nested": "lists or dicts"}
        raise DataError(
            f"Column {own.name!r} holds {kinds[own.kind]} in X and {kinds[other.kind]} in the table. Convert "
            "it, or leave it out of the table."
        )
    values = other.values[~other.missing]
    if values.size == 0:
        return None, f"Column {own.name!r} was left out: all its values are missing in the table."
    if own.kind == "numeric":
        return float(values.mean()), None
    return _shares(own, other)


def _shares(own: Column, other: Column) -> tuple[dict[Any, float] | None, str | None]:
    """The shares of the levels that both tables have, and a note on the others."""
    counts = np.bincount(other.values[~other.missing].astype(np.intp), minlength=len(other.levels))
    known, unknown = dict.fromkeys(own.levels, 0.0), []
    for level, count in zip(other.levels, counts.tolist(), strict=True):
        if count == 0:
            continue
        try:
            known[own.levels[own.level_code(level)]] += count
        except ValueError:
            unknown.append(level)
    total = sum(known.values())
    lacking = [level for level, count in known.items() if count == 0.0]
    if total == 0.0:
        return None, f"Column {own.name!r} was left out: the table has none of its levels."
    notes = []
    if unknown:
        notes.append(f"no row of X has {_listed(unknown)}, so the others share its proportion")
    if lacking:
        notes.append(f"the table lacks {_listed(lacking)}, whose rows get no weight")
    shares = {level: count / total for level, count in known.items()}
    return shares, f"Levels of {own.name!r}: {'; '.join(notes)}." if notes else None


def _listed(names: Iterable[Any]) -> str:
    every = [repr(name) for name in names]
    return ", ".join(every[:_MAX_NAMED]) + (f", ... ({len(every)} in all)" if len(every) > _MAX_NAMED else "")
