"""Whether a table has the columns and types of another."""

from __future__ import annotations

from typing import Any

import pandas as pd

from agnostix.core.frames import column_at, column_names, is_frame
from agnostix.exceptions import DataError


def check_schema(X: Any, seen: Any) -> None:
    """Raise DataError unless X has the columns and dtypes of a table seen in `fit`."""
    if is_frame(X) != is_frame(seen):
        kinds = ("a DataFrame", "an array") if is_frame(seen) else ("an array", "a DataFrame")
        raise DataError(f"fit saw {kinds[0]} and X is {kinds[1]}. Pass both in the same form.")
    own, given = column_names(seen), column_names(X)
    if own != given:
        missing = [name for name in own if name not in given]
        extra = [name for name in given if name not in own]
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(extra)} more"
        what = what if missing or extra else "has them in another order"
        raise DataError(f"X must have the columns that fit saw ({', '.join(own)}), but it {what}.")
    if not is_frame(X):
        _check_arrays(X, seen)
        return
    for position, name in enumerate(own):
        _check_types(name, *(column_at(table, position).dtype for table in (X, seen)))


def _check_arrays(X: Any, seen: Any) -> None:
    texts = [part.dtype.kind in "SU" for part in (X, seen)]
    if texts[0] != texts[1] and object not in (X.dtype, seen.dtype):
        raise DataError(
            f"X holds values of type {X.dtype} and what fit saw is of type {seen.dtype}. Convert one of them."
        )


def _check_types(name: str, given: Any, own: Any) -> None:
    if given == own:
        return
    if isinstance(given, pd.CategoricalDtype) and isinstance(own, pd.CategoricalDtype):
        what = "the categories"
        shown = [", ".join(map(repr, dtype.categories)) for dtype in (given, own)]
    else:
        what, shown = "dtype", [str(given), str(own)]
    raise DataError(
        f"Column {name!r} has {what} {shown[0]} in X and {shown[1]} in what fit saw. Convert one of them."
    )
