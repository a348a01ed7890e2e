"""An explanation in notebooks (HTML without scripts, everything escaped) and its plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostix.core.explanation.fields import NAMED_DIMS, counted
from agnostix.core.explanation.words import by_words
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation


MOST_FEATURES = 10
MOST_OUTPUTS = 6
MOST_LETTERS = 60
_TABLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
_NUMBER = "text-align:right;padding:2px 10px"
_NAME = "text-align:left;padding:2px 10px"


def describe_shape(explanation: Explanation) -> str:
    """Sizes of the dims in words, such as "2 rows x 3 features x 1 output"."""
    sizes = zip(explanation.dims, explanation.values.shape, strict=True)
    known = (*NAMED_DIMS, "group")
    return " x ".join(counted(n, dim) if dim in known else f"{n} ({dim})" for dim, n in sizes)


def explanation_html(explanation: Explanation) -> str:
    """The features that matter most, with standard errors: of one row its values, else means over rows."""
    head = f"<p><b>{_text(explanation.method)}</b> ({explanation.quantity}): {describe_shape(explanation)}"
    head += f"; {explanation.n_model_rows:,} model rows</p>"
    explanation = by_words(explanation)
    dims = explanation.dims
    is_table = dims.count("feature") == 1 and set(dims) <= {"row", "feature", "output"}
    if not is_table or explanation.values.size == 0:
        return f"<div>{head}</div>"
    values, errors = _by_feature(explanation)
    weight = np.nanmax(np.where(np.isnan(values), 0.0, np.abs(values)), axis=1)
    order = np.argsort(-weight, kind="stable")[:MOST_FEATURES]
    names = explanation.output_names[:MOST_OUTPUTS] or ("value",)
    lines = [_line(explanation.feature_names[j], values[j, : len(names)], errors[j]) for j in order]
    header = "".join(f'<th style="{_NUMBER}">{_text(name)}</th>' for name in names)
    return (
        f'<div>{head}<table style="{_TABLE}"><thead><tr><th style="{_NAME}">feature</th>{header}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table><p>{_caption(explanation)}</p></div>"
    )


def table_html(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table under a title, everything escaped: texts to the left, numbers with four digits to the right."""
    header = "".join(f'<th style="{_NAME}">{_text(name)}</th>' for name in columns)
    lines = ("".join(map(_cell, row)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div><p>{escape(title)}</p><table style="{_TABLE}"><thead><tr>{header}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f'<td style="{_NUMBER}">{"–" if np.isnan(value) else f"{value:.4g}"}</td>'
    if isinstance(value, int | np.integer):
        return f'<td style="{_NUMBER}">{value:,}</td>'
    return f'<td style="{_NAME}">{"" if value is None else _text(value)}</td>'


def _by_feature(explanation: Explanation) -> tuple[Floats, Floats]:
    """Values and errors (n_features, n_outputs), NaN where unknown, infinite where not determined."""
    if _has_many_rows(explanation):
        explanation = explanation.aggregate()
    values, errors = explanation.values, explanation.std_errors
    errors = np.full(values.shape, np.nan) if errors is None else errors
    errors = np.where(np.isinf(explanation.interval()[1]), np.inf, errors)
    return _table(values, explanation.dims), _table(errors, explanation.dims)


def _table(array: Floats, dims: tuple[str, ...]) -> Floats:
    if "row" in dims:
        array = np.moveaxis(array, dims.index("row"), 0)[0]
        dims = tuple(dim for dim in dims if dim != "row")
    array = np.moveaxis(array, dims.index("feature"), 0)
    return array.reshape(len(array), -1)


def _has_many_rows(explanation: Explanation) -> bool:
    return "row" in explanation.dims and len(explanation) > 1


def _line(name: str, values: Floats, errors: Floats) -> str:
    cells = [f'<td style="{_NUMBER}">{_number(*pair)}</td>' for pair in zip(values, errors, strict=False)]
    return f'<tr><td style="{_NAME}">{_text(name)}</td>{"".join(cells)}</tr>'


def _number(value: float, error: float) -> str:
    if np.isnan(value):
        return "–"
    if np.isinf(error):
        return "not determined"
    is_alone = np.isnan(error) or error == 0.0
    return f"{value:.4g}" if is_alone else f"{value:.4g} ± {error:.2g}"


def _caption(explanation: Explanation) -> str:
    many = _has_many_rows(explanation)
    parts = ["Mean absolute value over the rows" if many else "Value"]
    if many:
        parts.append("± standard error of the mean over rows")
    elif explanation.std_errors is not None:
        parts.append("± standard error" if np.any(explanation.std_errors) else "exact")
    for n, most, noun in (
        (len(explanation.feature_names), MOST_FEATURES, "features"),
        (len(explanation.output_names), MOST_OUTPUTS, "outputs"),
    ):
        if n > most:
            parts.append(f"{most} of {n} {noun}")
    return "; ".join(parts) + "."


def _text(text: Any) -> str:
    text = str(text)
    return escape(text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…")


class PlotAccessor:
    """The Displays that draw an explanation, as methods: ``explanation.plot.waterfall(row=3)``.

    Each method takes the parameters of its Display's ``from_explanation`` and ``plot``, draws, and returns
    the Display with ``ax_``, ``figure_`` and ``frame()``.

    >>> from agnostix import Explanation
    >>> exp = Explanation(
    ...     values=[[[0.5], [-0.25]]], base_values=[[1.0]], outputs=[[1.25]], feature_names=("age", "hours"),
    ...     output_names=("income",), quantity="contribution", method="by hand",
    ... )
    >>> exp.plot.waterfall(row=0).frame()["label"].tolist()
    ['base value', 'age', 'hours', 'output']
    """

    def __init__(self, explanation: Explanation) -> None:
        self._explanation = explanation

    def bar(self, **options: Any) -> Any:
        """One row, a global result, or the mean absolute values of all rows: `BarDisplay`."""
        return self._draw("bar", options)

    def beeswarm(self, **options: Any) -> Any:
        """A dot for each row and feature: `BeeswarmDisplay`."""
        return self._draw("beeswarm", options)

    def heatmap(self, **options: Any) -> Any:
        """Rows by features, similar rows side by side, or pairs of features: `HeatmapDisplay`."""
        return self._draw("heatmap", options)

    def pixels(self, **options: Any) -> Any:
        """An image with a value for each pixel: `PixelsDisplay`."""
        return self._draw("pixels", options)

    def pixels_grid(self, **options: Any) -> Any:
        """Maps of several methods or layers, beside the images: `PixelsGridDisplay`."""
        return self._draw("pixels_grid", options)

    def scatter(self, feature: str | int, **options: Any) -> Any:
        """Values of one feature against its own values: `ScatterDisplay`."""
        return self._draw("scatter", options | {"feature": feature})

    def segments(self, **options: Any) -> Any:
        """An image with a value for each segment: `SegmentsDisplay`."""
        return self._draw("segments", options)

    def text(self, **options: Any) -> Any:
        """A text with a value for each word: `TextDisplay`."""
        return self._draw("text", options)

    def waterfall(self, row: Any = 0, **options: Any) -> Any:
        """One row, from the base value to the output: `WaterfallDisplay`."""
        return self._draw("waterfall", options | {"row": row})

    def _draw(self, name: str, options: dict[str, Any]) -> Any:
        # The one import of a higher layer, at the call: results do not need matplotlib.
        import agnostix.plotting

        return agnostix.plotting.display.draw(self._explanation, name, options)
