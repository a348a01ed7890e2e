"""Plots of an explanation, from the explanation itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation


class PlotAccessor:
    """The Displays that draw an explanation, as methods: ``explanation.plot.waterfall(row=3)``.

    Each method takes the parameters of its Display's ``from_explanation`` and
    ``plot``, draws, and returns the Display with ``ax_``, ``figure_`` and ``frame()``.

    Parameters
    ----------
    explanation : Explanation
        What is drawn.

    Examples
    --------
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
