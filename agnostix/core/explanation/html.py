"""A small picture of an explanation for notebooks: one table, no script, everything escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation

MOST_FEATURES = 10
MOST_OUTPUTS = 6
MOST_LETTERS = 60

_TABLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
_NUMBER = "text-align:right;padding:2px 10px"
_NAME = "text-align:left;padding:2px 10px"


def explanation_html(explanation: Explanation) -> str:
    """The features that matter most and their values, with standard errors.

    Parameters
    ----------
    explanation : Explanation
        Of one row: its values. Of more: means over the rows of absolute values.

    Returns
    -------
    str
        HTML.
    """
    head = f"<p><b>{_text(explanation.method)}</b> ({explanation.kind}): {explanation._shape_in_words()}"
    head += f"; {explanation.n_model_rows:,} model rows</p>"
    if explanation.values.ndim == 4 or 0 in explanation.values.shape:
        return f"<div>{head}</div>"
    values, errors = _shown(explanation)
    weight = np.nanmax(np.where(np.isnan(values), 0.0, np.abs(values)), axis=1)
    order = np.argsort(-weight, kind="stable")[:MOST_FEATURES]
    names = explanation.output_names[:MOST_OUTPUTS]
    lines = [_line(explanation.feature_names[j], values[j, : len(names)], errors[j]) for j in order]
    header = "".join(f'<th style="{_NUMBER}">{_text(name)}</th>' for name in names)
    return (
        f'<div>{head}<table style="{_TABLE}"><thead><tr><th style="{_NAME}">feature</th>{header}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table><p>{_caption(explanation)}</p></div>"
    )


def _shown(explanation: Explanation) -> tuple[Floats, Floats]:
    if len(explanation) > 1:
        table = explanation.aggregate()
        return table["value"].to_numpy(), table["std_error"].to_numpy()
    errors = explanation.std_errors
    return explanation.values[0], np.full(explanation.values.shape[1:], np.nan) if errors is None else errors[
        0
    ]


def _line(name: str, values: Floats, errors: Floats) -> str:
    cells = [f'<td style="{_NUMBER}">{_number(*pair)}</td>' for pair in zip(values, errors, strict=False)]
    return f'<tr><td style="{_NAME}">{_text(name)}</td>{"".join(cells)}</tr>'


def _number(value: float, error: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.4g}" if np.isnan(error) else f"{value:.4g} ± {error:.2g}"


def _caption(explanation: Explanation) -> str:
    many = len(explanation) > 1
    told = ["Mean absolute value over the rows" if many else "Value"]
    if many or explanation.std_errors is not None:
        told.append("± standard error" + (" of the mean over rows" if many else ""))
    for n, most, noun in (
        (len(explanation.feature_names), MOST_FEATURES, "features"),
        (len(explanation.output_names), MOST_OUTPUTS, "outputs"),
    ):
        if n > most:
            told.append(f"{most} of {n} {noun}")
    return "; ".join(told) + "."


def _text(text: Any) -> str:
    told = str(text)
    return escape(told if len(told) <= MOST_LETTERS else told[: MOST_LETTERS - 1] + "…")
