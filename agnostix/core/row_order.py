"""Values that are given for each row of a table, such as y: whether they are in the order of its rows."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import pandas as pd

from agnostix.exceptions import DataError


def check_row_order(X: Any, **given: Any) -> None:
    """Refuse values of pandas, by parameter name, whose row labels are those of X in another order.

    Values go with rows by their places, as in scikit-learn. Where labels only number the rows of one of both
    they may mean nothing, and a warning is given. Labels that differ otherwise say nothing.
    """
    own = getattr(X, "index", None)
    if not isinstance(own, pd.Index):
        return
    for name, values in given.items():
        labels = getattr(values, "index", None)
        if not isinstance(labels, pd.Index) or len(labels) != len(own) or labels.equals(own):
            continue
        if not _have_same_labels(labels, own):
            continue
        place = next(j for j, (one, other) in enumerate(zip(own, labels, strict=True)) if one != other)
        by_label = f"{name}.loc[X.index] to go by the labels, or " if own.is_unique else ""
        message = (
            f"{name} has the row labels of X in another order: at position {place}, X has "
            f"{_label(own, place)} and {name} has {_label(labels, place)}. Pass "
            f"{by_label}{name}.to_numpy() to go by the order"
        )
        numbers = pd.RangeIndex(len(own))
        if not (labels.equals(numbers) or own.equals(numbers)):
            raise DataError(f"{message}.")
        warnings.warn(f"{message}, as is done now.", UserWarning, stacklevel=3)


def _label(labels: pd.Index, place: int) -> str:
    return repr(labels[[place]].tolist()[0])


def _have_same_labels(one: pd.Index, other: pd.Index) -> bool:
    """Whether two indexes of one length have the same labels, each as often."""
    return bool(one.isin(other).all()) and Counter(one) == Counter(other)
