"""Results as plain values, which any reader of JSON takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_IN_UNITS_OF_COLUMN = ("target", "start", "before", "after", "reached")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as dicts of plain values.

    Parameters
    ----------
    frame : DataFrame
        Results.

    Returns
    -------
    list of dict
    """
    return [
        {str(key): plain(value, digits_of(str(key))) for key, value in row.items()}
        for row in frame.to_dict("records")
    ]


def plain(value: Any, digits: int = 12) -> Any:
    """One value as number, text, truth value or None.

    Parameters
    ----------
    value : object
        The value; what is none of these becomes its text.
    digits : int, default=12
        Significant digits of a number.

    Returns
    -------
    float, int, bool, str or None
    """
    if isinstance(value, float | np.floating):
        return rounded(float(value), digits)
    if isinstance(value, np.generic):
        return plain(value.item(), digits)
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def digits_of(name: str) -> int:
    """Significant digits of a column of results.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    int
        More for what is in a column's units, which may lie far from 0.
    """
    return 12 if name in _IN_UNITS_OF_COLUMN else 6


def rounded(value: float, digits: int = 6) -> float | None:
    """Some significant digits, None for what JSON cannot hold.

    Parameters
    ----------
    value : float
        The number.
    digits : int, default=6
        How many.

    Returns
    -------
    float or None
    """
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None
