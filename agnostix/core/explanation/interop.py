"""Conversion of explanations to the objects of other packages, which are imported when needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostix.core.explanation.tables import data_columns
from agnostix.core.frames import kind_of, to_codes, to_floats
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

NO_COLUMN = "…"
"""Shown where a feature is no column of the data: a group of columns has no one value."""
MISSING = "missing"


def explanation_to_shap(explanation: Explanation) -> Any:
    """A shap.Explanation of copies, since shap's plots write into their arrays; drops a single output."""
    dims = explanation.dims
    if dims[0] != "row":
        raise ValueError(
            f"to_shap needs dims that begin with 'row', since shap's Explanation goes by row; got {dims}. "
            "to_frame() gives the values as a table."
        )
    try:
        shap: Any = import_module("shap")
    except ImportError as error:
        raise ImportError(
            "to_shap needs the package shap, which agnostix does not install: pip install shap."
        ) from error
    data, shown = _data_for_shap(explanation)
    names = explanation.output_names
    drops = len(names) == 1 and dims[-1] == "output"
    return shap.Explanation(
        values=_as_shap(explanation.values, drops),
        base_values=_as_shap(explanation.base_values, drops),
        data=data,
        display_data=shown,
        feature_names=list(explanation.feature_names) or None,
        output_names=names[0] if drops else list(names) or None,
        error_std=_as_shap(explanation.std_errors, drops),
    )


def _as_shap(array: Floats | None, drops: bool) -> Floats | None:
    return None if array is None else np.array(array[..., 0] if drops else array)


def _data_for_shap(explanation: Explanation) -> tuple[Any, Any]:
    """The features' values as numbers, and as text where some are no numbers."""
    if "feature" not in explanation.dims:
        data = explanation.data
        return (data.copy() if isinstance(data, np.ndarray) else data), None
    columns = data_columns(explanation)
    own = [columns.get(name) for name in explanation.feature_names]
    if all(column is None for column in own):
        return None, None
    coded = [_coded(column, len(explanation)) for column in own]
    data = np.column_stack([numbers for numbers, _ in coded])
    if all(text is None for _, text in coded):
        return data, None
    shown = data.astype(object)
    for j, (_, text) in enumerate(coded):
        if text is not None:
            shown[:, j] = text
    return data, shown


def _coded(column: Any, n_rows: int) -> tuple[Floats, list[str] | None]:
    if column is None:
        return np.zeros(n_rows), [NO_COLUMN] * n_rows  # one value, one color: plots choke on NaN alone
    if kind_of(column) == "numeric":
        return to_floats(column), None
    codes, levels = to_codes(column)
    labels = [str(level) for level in levels] + [MISSING]
    return np.where(codes < 0, np.nan, codes), [labels[code] for code in codes]
