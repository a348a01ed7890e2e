"""Random cases: a small table of any form, a model double, weights, groups, and a way to divide the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.testing.tables import polars_or_skip

FORMS = ("numpy", "pandas", "polars", "mixed objects", "mixed pandas", "mixed polars")
MODELS = ("additive", "interaction", "constant", "ignoring", "probabilities")
WORKING_MEMORIES = (0.0, 0.0005, 0.002, 0.01, 0.1, 2000.0)
MAX_COLUMNS, MAX_FITTED, MAX_EXPLAINED = 5, 12, 6
_LABELS = ("clerk", "farmer", "teacher", "")


@dataclass(frozen=True)
class Case:
    """One case of `check_case`.

    Parameters
    ----------
    form : str
        "numpy", "pandas" or "polars": numbers; "mixed objects", "mixed pandas"
        or "mixed polars": columns of any type.
    model : str
        "additive", "interaction", "constant", "ignoring" or "probabilities".
        Mixed tables have `MixedFrameModel` instead.
    n_columns, n_fitted, n_explained : int
        Width of the table, rows given to fit, rows explained.
    weighted : bool
        Whether fit is given weights.
    grouped : bool
        Whether some columns form a group, for explainers with `feature_groups`.
    n_jobs : int
        Number of threads.
    working_memory : float
        In MB.
    seed : int
        Seed of the table, the weights, the groups, and the rows that are
        explained alone.

    Examples
    --------
    >>> from agnostix.testing import Case
    >>> Case("numpy", "additive", 2, 5, 3, False, False, 1, 0.01, seed=0).form
    'numpy'
    """

    form: str
    model: str
    n_columns: int
    n_fitted: int
    n_explained: int
    weighted: bool
    grouped: bool
    n_jobs: int
    working_memory: float
    seed: int

    @property
    def is_mixed(self) -> bool:
        """Whether columns may be of any type."""
        return self.form.startswith("mixed")


def random_case(rng: np.random.Generator) -> Case:
    """Sample a case.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    Case
    """
    return Case(
        form=FORMS[rng.integers(len(FORMS))],
        model=MODELS[rng.integers(len(MODELS))],
        n_columns=int(rng.integers(1, MAX_COLUMNS + 1)),
        n_fitted=int(rng.integers(2, MAX_FITTED + 1)),
        n_explained=int(rng.integers(1, MAX_EXPLAINED + 1)),
        weighted=bool(rng.random() < 0.5),
        grouped=bool(rng.random() < 0.5),
        n_jobs=int(rng.integers(1, 3)),
        working_memory=float(rng.choice(WORKING_MEMORIES)),
        seed=int(rng.integers(2**31)),
    )


def random_table(case: Case, rng: np.random.Generator) -> Any:
    """A table (n_fitted + n_explained, n_columns) of the case's form: rows to fit, then rows to explain."""
    n_rows = case.n_fitted + case.n_explained
    if case.is_mixed:
        kinds = rng.choice(list(_MIXED), case.n_columns)
        columns = [_MIXED[kind](rng, n_rows) for kind in kinds]
    else:
        codes = rng.choice(len(_NUMERIC), size=case.n_columns, p=[0.5, 0.35, 0.15])
        columns = [pd.Series(_NUMERIC[code](rng, n_rows)) for code in codes]
    return _to_form(case.form, dict(zip(_column_names(case), columns, strict=True)))


def _to_form(form: str, columns: dict[str, pd.Series]) -> Any:
    """Columns by name as a table of a form."""
    if form == "numpy":
        return np.column_stack([column.to_numpy() for column in columns.values()])
    if form == "mixed objects":
        return pd.DataFrame({name: column.astype(object) for name, column in columns.items()}).to_numpy()
    if form.endswith("pandas"):
        return pd.DataFrame(columns)
    return polars_or_skip().DataFrame({name: _to_list(column) for name, column in columns.items()})


def _to_list(column: pd.Series) -> list[Any]:
    return column.astype(object).where(column.notna(), None).tolist()


def random_groups(case: Case, rng: np.random.Generator) -> dict[str, list[str]] | None:
    """At most two groups of columns by name, some columns in none; None where the case has no groups."""
    owner = rng.integers(3, size=case.n_columns)
    members = {
        f"group {k}": [name for name, own in zip(_column_names(case), owner, strict=True) if own == k]
        for k in (0, 1)
    }
    return {group: names for group, names in members.items() if names} or None if case.grouped else None


def random_weights(case: Case, rng: np.random.Generator) -> Floats | None:
    """Positive weights (n_fitted,); None where the case has no weights."""
    weights = rng.uniform(0.1, 3.0, case.n_fitted)
    return weights if case.weighted else None


def _column_names(case: Case) -> list[str]:
    return [f"x{j}" for j in range(case.n_columns)]


_NUMERIC: tuple[Callable[[np.random.Generator, int], Floats], ...] = (
    lambda rng, n: rng.normal(size=n),
    lambda rng, n: rng.integers(-1, 2, n).astype(float),
    lambda rng, n: np.full(n, 0.1),
)
"""Distinct numbers, numbers with ties, and a constant."""


def _with_missing(column: pd.Series, rng: np.random.Generator) -> pd.Series:
    present = rng.random(len(column)) < 0.7
    present[0] = True  # a column without values has no type
    return column.where(present)


def _labels(rng: np.random.Generator, n_rows: int) -> pd.Series:
    return pd.Series(rng.choice(_LABELS, n_rows), dtype=object)


def _dates(rng: np.random.Generator, n_rows: int) -> pd.Series:
    return pd.Series(pd.Timestamp("2024-02-28") + pd.to_timedelta(rng.integers(3, size=n_rows), unit="D"))


_MIXED: dict[str, Callable[[np.random.Generator, int], pd.Series]] = {
    "float": lambda rng, n: pd.Series(rng.normal(size=n)),
    "float with missing": lambda rng, n: _with_missing(pd.Series(rng.normal(size=n)), rng),
    "integer": lambda rng, n: pd.Series(rng.integers(0, 3, n)),
    "integer with missing": lambda rng, n: _with_missing(
        pd.Series(rng.integers(0, 3, n), dtype="Int64"), rng
    ),
    "label": _labels,
    "label with missing": lambda rng, n: _with_missing(_labels(rng, n), rng),
    "category": lambda rng, n: pd.Series(pd.Categorical(_labels(rng, n), categories=[*_LABELS, "nobody"])),
    "boolean": lambda rng, n: pd.Series(rng.random(n) < 0.5),
    "date": _dates,
    "date with missing": lambda rng, n: _with_missing(_dates(rng, n), rng),
}
