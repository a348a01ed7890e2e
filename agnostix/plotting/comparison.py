"""Explainers compared by several metrics: scores and intervals in columns, the better to the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.plotting.display import Display
from agnostix.plotting.style import ACCENT, FAINT, INK, MUTED, PAPER, find_limits
from agnostix.plotting.words import shorten, wrap_lines

_DIRECTIONS = {True: "greater is better", False: "less is better", None: ""}
_ROOM = 0.1
"""Of a column's width, left empty on either side."""


@dataclass(eq=False, repr=False)
class ComparisonDisplay(Display):
    """Mean scores of explainers with their intervals, a column for each metric.

    Parameters
    ----------
    scores : DataFrame
        Columns metric, explainer, score, low, high, random (NaN for none), may_be_best,
        greater_is_better: a line for each metric and explainer.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Notes
    -----
    Every column has its own scale, on which better is to the right. Full dots may be the best
    (Hsu's comparison, of each metric by itself), hollow ones are not. Dashed lines are the mean
    scores of random orders, or of values shuffled.
    """

    scores: pd.DataFrame

    @classmethod
    def from_result(cls, result: Any) -> ComparisonDisplay:
        """Take the scores of a comparison.

        Parameters
        ----------
        result : ComparisonResult
            Of `compare_explainers`.

        Returns
        -------
        ComparisonDisplay
        """
        scores = result.to_frame()[["metric", "explainer", "score", "low", "high", "random"]]
        scores["may_be_best"] = result.to_frame("best")["may_be_best"].to_numpy()
        directions = [result.results[one][name].greater_is_better for one, name in _pairs(scores)]
        return cls(scores.assign(greater_is_better=pd.Series(directions, dtype=object)))

    @property
    def _metrics(self) -> list[str]:
        return list(dict.fromkeys(self.scores["metric"]))

    @property
    def _explainers(self) -> list[str]:
        return list(dict.fromkeys(self.scores["explainer"]))

    def _figsize(self) -> tuple[float, float]:
        return 2.0 + 1.9 * len(self._metrics), 1.4 + 0.5 * len(self._explainers)

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        metrics, explainers = self._metrics, self._explainers
        for j, metric in enumerate(metrics):
            self._draw_column(j, self.scores[self.scores["metric"] == metric], factor, suffix)
            if j:
                self.ax_.axvline(j, color=FAINT, lw=1)
        self.ax_.set_xlim(0, len(metrics))
        self.ax_.set_ylim(len(explainers) - 0.4, -0.6)
        names = [shorten(name, 24) for name in explainers]
        self.ax_.set_yticks(range(len(explainers)), names, color=INK, parse_math=False)
        self.ax_.set_xticks(
            np.arange(len(metrics)) + 0.5, [self._label(one) for one in metrics], parse_math=False
        )
        self.ax_.tick_params(length=0)
        self.ax_.xaxis.tick_top()
        for side in ("left", "bottom"):
            self.ax_.spines[side].set_visible(False)
        look = {"marker": "o", "color": ACCENT, "ls": "none", "ms": 6, "mew": 1.5}
        self.ax_.plot([], [], mfc=ACCENT, label="may be the best", **look)
        self.ax_.plot([], [], mfc=PAPER, label="is not the best", **look)
        if self.scores["random"].notna().any():
            self.ax_.plot([], [], color=MUTED, ls="--", lw=1, label="by chance")
        legend = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "ncols": 3, "handletextpad": 0.4}
        sizes = {"fontsize": 9, "title_fontsize": 9}
        self.ax_.legend(frameon=False, title="better to the right", **legend, **sizes)

    def _label(self, metric: str) -> str:
        direction = self.scores.loc[self.scores["metric"] == metric, "greater_is_better"].iloc[0]
        return "\n".join(filter(None, [wrap_lines(metric, 20, 2), _DIRECTIONS[direction]]))

    def _draw_column(self, place: int, own: pd.DataFrame, factor: float, suffix: str) -> None:
        """Scores of one metric, scaled to the width of its column."""
        low, high = find_limits(own[["low", "score", "high", "random"]], margin=0.0)
        is_less = own["greater_is_better"].iloc[0] is False

        def at(value: Any) -> Any:
            within = (np.asarray(value, dtype=float) - low) / (high - low)
            return place + _ROOM + (1 - 2 * _ROOM) * (1 - within if is_less else within)

        for row in own.to_dict("records"):
            y = self._explainers.index(row["explainer"])
            self.ax_.plot(at([row["low"], row["high"]]), [y, y], color=ACCENT, lw=2, alpha=0.5)
            face = ACCENT if row["may_be_best"] else PAPER
            self.ax_.plot(at(row["score"]), y, "o", color=ACCENT, mfc=face, ms=6, mew=1.5)
            text = f"{factor * row['score']:.3g}{suffix}"
            look = {"ha": "center", "va": "bottom", "fontsize": 8, "color": MUTED}
            self.ax_.annotate(text, (at(row["score"]), y), (0, 5), textcoords="offset points", **look)
            if np.isfinite(row["random"]):
                self.ax_.plot([at(row["random"])] * 2, [y - 0.4, y + 0.4], color=MUTED, ls="--", lw=1)


def _pairs(scores: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(scores["metric"], scores["explainer"], strict=True))
