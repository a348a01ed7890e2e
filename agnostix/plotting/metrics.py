"""Results of metrics: predictions along a perturbation, and the scores of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.intervals import half_widths
from agnostix.plotting.display import Display
from agnostix.plotting.style import FAINT, INK, MUTED, SERIES
from agnostix.plotting.words import shorten


@dataclass(eq=False, repr=False)
class MetricCurveDisplay(Display):
    """Mean predictions along a perturbation, such as the proportion of hidden pixels.

    Parameters
    ----------
    curve : DataFrame
        Columns order, x, mean, low, high: a line for each point of each order.
    x_label, y_label : str
        Names of the axes.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Notes
    -----
    The band around the explanation's own curve is a Student interval of the mean over
    rows at each point, without rows that have no value there.
    """

    curve: pd.DataFrame
    x_label: str = "proportion hidden"
    y_label: str = "prediction"

    @classmethod
    def from_result(cls, result: Any, output: str | None = None, level: float = 0.95) -> MetricCurveDisplay:
        """Average the curves over rows.

        Parameters
        ----------
        result : MetricResult
            A result with a curve.
        output : str, default=None
            Which output; None: the first.
        level : float, default=0.95
            Nominal coverage of the band.

        Returns
        -------
        MetricCurveDisplay
        """
        curve = result.curve
        if curve is None:
            raise ValueError(f"{result.name} has no curve. Use MetricScoresDisplay.")
        place = _place_of(result, output)
        lines = []
        for name, values in {"explanation": curve.values, **curve.references}.items():
            own = values if values.ndim == 2 else values[..., place]
            known = np.isfinite(own)
            n = known.sum(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):  # no band for a single row
                mean = np.where(known, own, 0.0).sum(axis=0) / n
                squares = (np.where(known, own - mean, 0.0) ** 2).sum(axis=0)
                half = half_widths(np.sqrt(squares / (n - 1.0) / n), level, n - 1.0)
            part = {"order": name, "x": curve.x, "mean": mean, "low": mean - half, "high": mean + half}
            lines.append(pd.DataFrame(part))
        label = result.output_names[place]
        label = curve.y_label or ("predicted output" if label == "predicted" else label)
        return cls(pd.concat(lines, ignore_index=True), curve.x_label, label)

    def _figsize(self) -> tuple[float, float]:
        return 5.6, 3.4

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        looks = {"explanation": (SERIES[0], 2.0), "least": (SERIES[1], 1.2), "random": (MUTED, 1.2)}
        for j, (name, part) in enumerate(self.curve.groupby("order", sort=False)):
            color, width = looks.get(str(name), (SERIES[(j + 1) % len(SERIES)], 1.2))
            x = part["x"].to_numpy()
            label = {"least": "least relevant first", "random": "random order"}.get(str(name), str(name))
            self.ax_.plot(x, factor * part["mean"], color=color, lw=width, label=label)
            if name == "explanation":
                low, high = factor * part["low"], factor * part["high"]
                self.ax_.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
        self.ax_.set_xlabel(self.x_label, color=INK)
        self.ax_.set_ylabel(shorten(self.y_label, 40), color=INK, parse_math=False)
        self.ax_.grid(axis="y")
        self.ax_.legend(frameon=False)
        if suffix:
            self.ax_.yaxis.set_major_formatter(lambda value, _: f"{value:g}{suffix}")


@dataclass(eq=False, repr=False)
class MetricScoresDisplay(Display):
    """Scores of rows, their mean and its interval, one line for each output.

    Parameters
    ----------
    scores : DataFrame
        Columns row, output, score.
    means : DataFrame
        Columns output, mean, low, high.
    label : str
        Name of the metric.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    """

    scores: pd.DataFrame
    means: pd.DataFrame
    label: str = "score"

    @classmethod
    def from_result(cls, result: Any, level: float = 0.95) -> MetricScoresDisplay:
        """Take the scores of a result, their mean and its interval.

        Parameters
        ----------
        result : MetricResult
            Of any metric.
        level : float, default=0.95
            Nominal coverage of the interval.

        Returns
        -------
        MetricScoresDisplay
        """
        low, high = (np.atleast_1d(end) for end in result.interval(level))
        means = {"output": result.output_names, "mean": np.atleast_1d(result.score), "low": low, "high": high}
        return cls(result.to_frame()[["row", "output", "score"]], pd.DataFrame(means), result.name)

    def _figsize(self) -> tuple[float, float]:
        return 5.6, 1.2 + 0.5 * len(self.means)

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        ends = factor * self.means[["mean", "low", "high"]].to_numpy(dtype=float)
        for j, (mean, low, high) in enumerate(ends):
            is_own = self.scores["output"] == self.means["output"].iloc[j]
            own = factor * self.scores.loc[is_own, "score"].to_numpy(dtype=float)
            self.ax_.plot(own, np.full(own.size, j), "|", color=FAINT, ms=12)
            self.ax_.plot([low, high], [j, j], color=SERIES[0], lw=3)
            self.ax_.plot(mean, j, "o", color=SERIES[0], ms=6)
        names = [shorten(str(name)) for name in self.means["output"]]
        self.ax_.set_yticks(range(len(names)), names, parse_math=False)
        self.ax_.set_ylim(len(self.means) - 0.5, -0.5)
        self.ax_.set_xlabel(shorten(self.label, 60), color=INK, parse_math=False)
        self.ax_.grid(axis="x")
        if suffix:
            self.ax_.xaxis.set_major_formatter(lambda value, _: f"{value:g}{suffix}")


def _place_of(result: Any, output: str | None) -> int:
    if output is None:
        return 0
    if output not in result.output_names:
        raise ValueError(f"There is no output {output!r}. The outputs: {', '.join(result.output_names)}.")
    return int(result.output_names.index(output))
