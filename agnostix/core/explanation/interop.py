"""Explanations as other packages want them; none of those is imported before it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostix.core.frames import kind_of, to_codes, to_floats
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

NO_COLUMN = "…"
"""Shown where a feature is no column of the data: a group of columns has no one value."""
MISSING = "missing"


def explanation_to_shap(explanation: Explanation, columns: dict[str, Any]) -> Any:
    """Build a shap.Explanation; a single output loses its axis.

    Parameters
    ----------
    explanation : Explanation
        What is handed over, as copies: shap's plots write into the arrays they get.
    columns : dict of str to Series
        Columns of the data by the features' names.

    Returns
    -------
    shap.Explanation

    Raises
    ------
    ImportError
        If shap is not installed.
    """
    try:
        shap: Any = import_module("shap")
    except ImportError as error:
        raise ImportError(
            "to_shap needs the package shap, which agnostix does not install: pip install shap."
        ) from error
    data, shown = _data_for_shap(explanation, columns)
    single = len(explanation.output_names) == 1
    values, errors, base = explanation.values, explanation.std_errors, explanation.base_values
    return shap.Explanation(
        values=_as_shap(values, single),
        base_values=_as_shap(base, single),
        data=data,
        display_data=shown,
        feature_names=list(explanation.feature_names) or None,
        output_names=explanation.output_names[0] if single else list(explanation.output_names),
        error_std=None if errors is None else _as_shap(errors, single),
    )


def _as_shap(array: Floats, single: bool) -> Floats:
    return np.array(array[..., 0] if single else array)


def _data_for_shap(explanation: Explanation, columns: dict[str, Any]) -> tuple[Any, Any]:
    """The features' values as numbers, and as they are shown where some are no numbers."""
    if explanation.values.ndim == 4:
        return explanation.data, None
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
        return np.zeros(n_rows), [NO_COLUMN] * n_rows  # one value, one colour: plots choke on NaN alone
    if kind_of(column) == "numeric":
        return to_floats(column), None
    codes, levels = to_codes(column)
    told = [str(level) for level in levels] + [MISSING]
    return np.where(codes < 0, np.nan, codes), [told[code] for code in codes]
