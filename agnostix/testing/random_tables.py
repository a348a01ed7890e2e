"""Tables, groups and weights of a random case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.testing.case import Case
from agnostix.testing.tables import polars_or_skip

_LABELS = ("clerk", "farmer", "teacher", "")


def random_table(case: Case, rng: np.random.Generator) -> Any:
    """Draw the rows of a case: those that are fitted, then those that are explained.

    Parameters
    ----------
    case : Case
        What is drawn.
    rng : numpy.random.Generator
        What draws.

    Returns
    -------
    DataFrame or ndarray of shape (n_fitted + n_explained, n_columns)
    """
    n_rows = case.n_fitted + case.n_explained
    if case.is_mixed:
        kinds = rng.choice(list(_MIXED), case.n_columns)
        columns = [_MIXED[kind](rng, n_rows) for kind in kinds]
        return in_form(case.form, dict(zip(_names(case), columns, strict=True)))
    kinds = rng.choice(3, size=case.n_columns, p=[0.5, 0.35, 0.15])
    numbers = [_numbers(int(kind), rng, n_rows) for kind in kinds]
    return in_form(
        case.form, {name: pd.Series(column) for name, column in zip(_names(case), numbers, strict=True)}
    )


def in_form(form: str, columns: dict[str, pd.Series]) -> Any:
    """Columns as a table of a library.

    Parameters
    ----------
    form : str
        As in `Case`.
    columns : dict of str to pandas.Series
        By name.

    Returns
    -------
    DataFrame or ndarray
    """
    if form == "numpy":
        return np.column_stack([column.to_numpy() for column in columns.values()])
    if form == "mixed objects":
        return pd.DataFrame({name: column.astype(object) for name, column in columns.items()}).to_numpy()
    if form.endswith("pandas"):
        return pd.DataFrame(columns)
    return polars_or_skip().DataFrame({name: _plain(column) for name, column in columns.items()})


def random_groups(case: Case, rng: np.random.Generator) -> dict[str, list[str]] | None:
    """Draw which columns are one feature.

    Parameters
    ----------
    case : Case
        What is drawn.
    rng : numpy.random.Generator
        What draws.

    Returns
    -------
    dict of str to list of str, or None
        Two groups at most, some columns being in none.
    """
    owner = rng.integers(3, size=case.n_columns)
    members = {
        f"group {k}": [name for name, one in zip(_names(case), owner, strict=True) if one == k]
        for k in (0, 1)
    }
    return {group: names for group, names in members.items() if names} or None if case.grouped else None


def random_weights(case: Case, rng: np.random.Generator) -> Floats | None:
    """Draw weights for the rows that are fitted.

    Parameters
    ----------
    case : Case
        What is drawn.
    rng : numpy.random.Generator
        What draws.

    Returns
    -------
    ndarray of shape (n_fitted,), or None
        Positive ones.
    """
    weights = rng.uniform(0.1, 3.0, case.n_fitted)
    return weights if case.weighted else None


def _names(case: Case) -> list[str]:
    return [f"x{j}" for j in range(case.n_columns)]


def _plain(column: pd.Series) -> list[Any]:
    return column.astype(object).where(column.notna(), None).tolist()


def _numbers(kind: int, rng: np.random.Generator, n_rows: int) -> Floats:
    """Numbers that all differ, with ties, or all alike."""
    return (rng.normal(size=n_rows), rng.integers(-1, 2, n_rows).astype(float), np.full(n_rows, 0.1))[kind]


def _with_gaps(column: pd.Series, rng: np.random.Generator) -> pd.Series:
    there = rng.random(len(column)) < 0.7
    there[0] = True  # a column of nothing has no type
    return column.where(there)


def _labels(rng: np.random.Generator, n_rows: int) -> pd.Series:
    return pd.Series(rng.choice(_LABELS, n_rows), dtype=object)


def _days(rng: np.random.Generator, n_rows: int) -> pd.Series:
    return pd.Series(pd.Timestamp("2024-02-28") + pd.to_timedelta(rng.integers(3, size=n_rows), unit="D"))


_MIXED: dict[str, Callable[[np.random.Generator, int], pd.Series]] = {
    "number": lambda rng, n: pd.Series(rng.normal(size=n)),
    "number with gaps": lambda rng, n: _with_gaps(pd.Series(rng.normal(size=n)), rng),
    "count": lambda rng, n: pd.Series(rng.integers(0, 3, n)),
    "count with gaps": lambda rng, n: _with_gaps(pd.Series(rng.integers(0, 3, n), dtype="Int64"), rng),
    "labels": _labels,
    "labels with gaps": lambda rng, n: _with_gaps(_labels(rng, n), rng),
    "category": lambda rng, n: pd.Series(pd.Categorical(_labels(rng, n), categories=[*_LABELS, "nobody"])),
    "truth": lambda rng, n: pd.Series(rng.random(n) < 0.5),
    "date": _days,
    "date with gaps": lambda rng, n: _with_gaps(_days(rng, n), rng),
}
