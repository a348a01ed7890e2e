"""Rows that have some features of one row and the others of another, to see which columns steps mix."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import (
    build_table,
    column_at,
    column_values,
    is_frame,
    kind_of,
    take_rows,
    to_codes,
    to_floats,
    without_index,
)
from agnostix.core.masking import Features
from agnostix.core.typing import Bools, Codes, Floats, Numbers

Reader = Callable[[Any], Numbers]
"""Columns (n_columns, n_rows) that splits compare, of a table."""

_N_OF_EACH = 8
"""Values of a column of which rows are looked for: its ends, what lies between, its rarest levels."""
_MOST_TELLING = 512
_MOST_FLIPPED, _AT_ONCE = 2**10, 2**12
"""Rows of the table that are mixed thoroughly, and rows that are mixed at once."""
_MOST_SINGLE, _N_HALVES = 32, 16
"""Features up to which one after the other is changed; of more, so many random halves are."""
_SHIFTS = (1.0, -1.0, 7.5)
"""What is added to a column that does not vary."""


def mix_rows(first: Any, second: Any, own: Bools, features: Features) -> Any:
    """Rows that have some features (n_rows, n_features) of the first table, the others of the second."""
    n_rows, mixed = len(own), {}
    for number, columns in enumerate(features.columns):
        places = np.where(own[:, number], np.arange(n_rows), n_rows + np.arange(n_rows))
        for j in columns:
            mixed[j] = _joined(column_values(first, j), column_values(second, j))[places]
    return build_table(without_index(first), mixed)


def _joined(values: Any, others: Any) -> Any:
    if isinstance(values, np.ndarray):
        return np.concatenate([values, others])
    if not hasattr(values, "_concat_same_type"):
        return values.clone().append(others)
    if values.dtype == others.dtype:
        return type(values)._concat_same_type([values, others])
    return pd.concat([pd.Series(values), pd.Series(others)], ignore_index=True).array


def telling_rows(table: Any, most: int = _N_OF_EACH) -> Codes:
    """Rows with the ends, some values between, rarest levels and missing values of each column."""
    found: list[int] = []
    each = max(1, min(most, _MOST_TELLING // max(1, table.shape[1])))
    for place in range(min(table.shape[1], _MOST_TELLING)):
        values = _numbers_of(column_at(table, place) if is_frame(table) else table[:, place])
        lost = np.flatnonzero(np.isnan(values))
        kept, first, counts = np.unique(values[~np.isnan(values)], return_index=True, return_counts=True)
        rows = np.flatnonzero(~np.isnan(values))[first]
        ends = (
            rows[np.linspace(0, kept.size - 1, min(kept.size, each)).astype(np.intp)] if kept.size else rows
        )
        rarest = rows[np.argsort(counts, kind="stable")[:each]]
        found += [*lost[:1], *ends, *rarest]
    return np.unique(np.array(found, dtype=np.intp))


def _numbers_of(column: Any) -> Floats:
    """A column as numbers, levels as their codes; NaN where one is missing."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return column.astype(float)
    series = pd.Series(column) if isinstance(column, np.ndarray) else column
    if kind_of(series) == "numeric":
        return np.asarray(to_floats(series), dtype=float)
    codes = np.asarray(to_codes(series)[0], dtype=float)
    return np.where(codes < 0, np.nan, codes)


def moved_features(
    read: Reader, owner: Codes, first: Any, second: Any, features: Features, is_thorough: bool = True
) -> Codes:
    """Features whose columns (their `owner`) change with others, in mixtures of rows of two tables."""
    wrong: set[int] = set()
    for start in range(0, int(first.shape[0]), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        ours, theirs = take_rows(first, part), take_rows(second, part)
        one, other = read(ours), read(theirs)
        for own in _draws(int(ours.shape[0]), len(features.names), is_thorough):
            expected = np.where(own[:, owner].T, one, other)
            made = read(mix_rows(ours, theirs, own, features))
            wrong.update(owner[~_same(made, expected).all(axis=1)].tolist())
        if wrong:
            break
    return np.array(sorted(wrong), dtype=np.intp)


def _draws(n_rows: int, n_players: int, is_thorough: bool) -> Iterator[Bools]:
    """Which features are the first row's: all but one, or one, in turn; halves drawn at random."""
    rng, n_halves = np.random.default_rng(0), 1
    if is_thorough and n_players <= _MOST_SINGLE:
        for one in np.eye(n_players, dtype=bool):
            yield np.tile(one, (n_rows, 1))
            yield np.tile(~one, (n_rows, 1))
    elif is_thorough:
        n_halves = _N_HALVES
    for _ in range(n_halves):
        half = rng.random((n_rows, n_players)) < 0.5
        yield half
        yield ~half


def _same(made: Numbers, expected: Numbers) -> Bools:
    """Which numbers are the same within rounding."""
    rounding = 1e-6 if made.dtype == np.float32 else 1e-12
    return np.isclose(made, expected, rtol=rounding, atol=0.0, equal_nan=True)


def find_mixing(read: Reader, owner: Codes, table: Any, features: Features) -> tuple[Codes, Codes]:
    """Features whose columns change with others, and those of one value that none can be put in place of.

    Rows of the table are mixed with others, most thoroughly those that differ; where a column does not vary,
    with rows that have other numbers there.
    """
    n_rows, rng = int(table.shape[0]), np.random.default_rng(0)
    spread = np.linspace(0, n_rows - 1, min(n_rows, _MOST_TELLING)).astype(np.intp)
    rows = np.unique(np.concatenate([telling_rows(table), spread]))[:_MOST_FLIPPED]
    others = rng.integers(0, n_rows, rows.size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = take_rows(table, rows)
        moved = moved_features(read, owner, base, take_rows(table, others), features)
        if moved.size == 0 and n_rows > rows.size:
            others = rng.permutation(n_rows)
            moved = moved_features(read, owner, table, take_rows(table, others), features, is_thorough=False)
        shifted, unproved = _shift_constants(take_rows(table, slice(0, 1)), table, features)
        for other in shifted:
            if moved.size == 0:
                moved = moved_features(read, owner, take_rows(table, slice(0, 1)), other, features)
    return moved, unproved


def _shift_constants(row: Any, table: Any, features: Features) -> tuple[list[Any], Codes]:
    """A row with other numbers where the table has one, in some ways, and features where none can be."""
    columns = {j: column_values(row, j) for j in range(row.shape[1])}
    shifted: list[dict[int, Any]] = [{} for _ in _SHIFTS]
    unproved = set()
    for number, places in enumerate(features.columns):
        for j in places:
            column = column_at(table, j) if is_frame(table) else table[:, j]
            values = _numbers_of(column)
            if np.unique(values).size > 1:
                continue
            for made, shift in zip(shifted, _SHIFTS, strict=True):
                other = _shift(column_values(row, j), column, shift)
                if other is None:
                    unproved.add(number)
                else:
                    made[j] = other
    like = without_index(row)
    tables = [build_table(like, columns | made) for made in shifted if made]
    return tables, np.array(sorted(unproved), dtype=np.intp)


def _shift(values: Any, column: Any, shift: float) -> Any:
    """Another value in place of a column's only one (1,); None if it has none."""
    kind = getattr(column.dtype, "kind", "")
    if kind == "b" and isinstance(column.dtype, np.dtype):
        return ~np.asarray(values, dtype=bool)
    if kind not in "fiu" if isinstance(column, np.ndarray) else kind_of(column) != "numeric":
        return None
    number = float(_numbers_of(column)[0])
    number = shift if np.isnan(number) else number + shift * max(1.0, abs(number) / 2)
    if kind in "iu":
        number = float(np.floor(abs(number) if kind == "u" else number))
    made = np.array([number])
    if isinstance(values, np.ndarray):
        return made.astype(values.dtype)
    if hasattr(values, "_from_sequence"):
        return pd.Series(made).astype(values.dtype).array
    return type(values)(values.name, made).cast(values.dtype)
