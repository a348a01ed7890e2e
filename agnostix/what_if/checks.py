"""Checks of what is asked of a population: quantiles, columns, and values that they lack."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import ConvergenceError, DataError
from agnostix.what_if.table import Table

_MAX_NAMED = 5
_LIGHT = 1e-12
"""Weight of the lightest row, of the heaviest, down to which targets are reached whatever the rows."""


def parse_quantiles(quantiles: Any, owner: str = "EntropicProjection") -> tuple[float, float]:
    """Two numbers 0 <= low < high <= 1; ValueError for others."""
    try:
        low, high = (float(q) for q in quantiles)
    except (TypeError, ValueError, OverflowError):
        low, high = np.nan, np.nan
    if not 0.0 <= low < high <= 1.0:
        raise ValueError(
            f"The 'quantiles' parameter of {owner} must be two numbers 0 <= low < high <= 1, "
            f"got {quantiles!r}."
        )
    return low, high


def select_columns(
    table: Table, features: str | Sequence[str] | None, targets: Mapping[str, Any] | None
) -> list[str] | None:
    """Names of the columns that features ask for, None for all; ValueError unless they have the targets'."""
    if targets is not None and not isinstance(targets, Mapping):
        raise ValueError(
            f"targets must be a mapping from columns, such as {{'age': [30, 40]}}, got {targets!r}."
        )
    requested = [features] if isinstance(features, str | Integral) else features
    names = None if requested is None else [table.column(name).name for name in requested]
    shifted = [table.column(name).name for name in targets or ()]
    unused = [name for name in shifted if names is not None and name not in names]
    if unused:
        raise ValueError(f"targets names {unused[0]!r}, which features leaves out. Add it there.")
    return names


def warn_of_missing(table: Table, how: str, features: Iterable[str]) -> None:
    """Say for which columns rows were left out, if missing values are to be warned of."""
    if how != "warn":
        return
    missing = {name: int(table.column(name).missing.sum()) for name in dict.fromkeys(features)}
    counts = [f"{name!r} {count}" for name, count in missing.items() if count]
    if counts:
        shown = ", ".join(counts[:_MAX_NAMED]) + (", ..." if len(counts) > _MAX_NAMED else "")
        warnings.warn(
            f"Rows without a value are left out where a column is shifted (of {table.n_rows} rows: "
            f"{shown}); n_rows counts those that are used. Impute them first, or pass missing='omit' "
            "to EntropicProjection to accept this, or missing='raise' to refuse it.",
            UserWarning,
            stacklevel=4,
        )


@contextmanager
def light_weights_named(base: Floats) -> Iterator[None]:
    """Raise DataError where targets are not reached and base weights (n_rows,) span too much for that."""
    n_light = int((base < _LIGHT * base.max()).sum())
    if n_light == 0:
        yield
        return
    try:
        with np.errstate(over="raise"):  # of squares of values that are 1e100 standard deviations away
            yield
    except (ConvergenceError, FloatingPointError) as error:
        raise DataError(
            f"sample_weight spans too much to reach targets: {n_light} of {base.size} rows have less than "
            f"{_LIGHT:g} of the largest weight, so that the data hardly vary. Raise the least weights, "
            "np.maximum(sample_weight, 1e-10 * np.max(sample_weight)), or leave those rows out."
        ) from error
