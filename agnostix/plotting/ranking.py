"""What-if ranking: the features that change the outcome most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.names import label_text
from agnostix.plotting.display import Display
from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, MUTED, PAPER, name_dots
from agnostix.plotting.words import describe_metric, shorten


@dataclass(eq=False, repr=False)
class WhatIfRankingDisplay(Display):
    """Change of the outcome when each feature's average is shifted equally far, up and down.

    Shifts are equal in Kullback-Leibler divergence; bars are confidence intervals.

    Parameters
    ----------
    ranking : DataFrame
        Rows of `EntropicProjection.rank` of one quantity and output.
    max_features : int, default=12
        Features drawn: those with the largest change.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection
    >>> from agnostix.plotting import WhatIfRankingDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> display = WhatIfRankingDisplay.from_explainer(EntropicProjection().fit(X, y)).plot()
    >>> display.frame()["feature"].nunique()
    4
    """

    ranking: pd.DataFrame
    max_features: int = 12

    @classmethod
    def from_explainer(
        cls, explainer: Any, *, output: str | None = None, max_features: int = 12, **rank: Any
    ) -> WhatIfRankingDisplay:
        """Compute the ranking and select one output.

        Parameters
        ----------
        explainer : EntropicProjection
            A fitted explainer.
        output : str, default=None
            Name of the output; by default that of a metric over all outputs, else the last.
        max_features : int, default=12
            Features drawn.
        **rank : dict
            Passed to `rank`: kl, metric, features.

        Returns
        -------
        WhatIfRankingDisplay
        """
        ranking = explainer.rank(**rank)
        if output is None and ranking["output"].notna().all():  # rows are by rank, not by output
            names, shown = explainer.predictions_.output_names, set(ranking["output"])
            output = next((name for name in reversed(names) if name in shown), None)
        own = ranking["output"].isna() if output is None else ranking["output"] == output
        return cls(ranking[own].reset_index(drop=True), max_features)

    def frame(self) -> pd.DataFrame:
        """The changes, the largest first; of two levels only the second.

        Returns
        -------
        DataFrame
        """
        order = self._order()
        place = {key: j for j, key in enumerate(order)}
        keys = self._keys()
        shown = [j for j, key in enumerate(keys) if key in place]
        return self.ranking.iloc[sorted(shown, key=lambda j: place[keys[j]])].reset_index(drop=True)

    def _figsize(self) -> tuple[float, float]:
        return 6.4, 0.9 + 0.32 * len(self._order()[: self.max_features])

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        order = self._order()[: self.max_features]
        for row, key in zip(self.ranking.to_dict("records"), self._keys(), strict=True):
            if key in order and np.isfinite(row["change"]):
                self._draw_change(row, len(order) - 1 - order.index(key), factor)
        self._name_axes(order, suffix)

    def _draw_change(self, row: dict[Any, Any], place: int, factor: float) -> None:
        up = row["direction"] == "up"
        color = ACCENT if up else CONTRAST
        y = place + (0.13 if up else -0.13)
        faint = 1.0 if row["status"] == "ok" else 0.45
        ends = [factor * row["change_low"], factor * row["change_high"]]
        self.ax_.plot(ends, [y, y], color=color, lw=2.2, alpha=0.45 * faint, solid_capstyle="butt")
        face = color if up else PAPER
        self.ax_.plot(factor * row["change"], y, "o", color=color, mfc=face, ms=5.5, alpha=faint, mew=1.5)

    def _name_axes(self, order: list[tuple[str, Any]], suffix: str) -> None:
        levels_of: dict[str, list[Any]] = {}
        for feature, level in order:
            levels_of.setdefault(feature, []).append(level)
        names = [
            feature if level is None else f"{feature} = {label_text(level, levels_of[feature])}"
            for feature, level in order
        ]
        shown = [shorten(name) for name in reversed(names)]
        self.ax_.set_yticks(range(len(order)), shown, parse_math=False)
        self.ax_.set_ylim(-0.6, len(order) - 0.4)
        self.ax_.axvline(0.0, color=MUTED, lw=1)
        self.ax_.grid(axis="y", color=FAINT)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_xlabel(shorten(f"change of {self._quantity()}", 60), parse_math=False)
        self.ax_.locator_params(axis="x", nbins=6)
        if suffix:
            self.ax_.xaxis.set_major_formatter(lambda value, _: f"{value:+g}{suffix}" if value else "0")
        name_dots(self.ax_, {"shift up": (ACCENT, ACCENT), "shift down": (CONTRAST, PAPER)})

    def _quantity(self) -> str:
        """What changes, such as "mean prediction of yes"."""
        if self.ranking.empty:
            return "the outcome"
        first = self.ranking.iloc[0]
        return describe_metric(first["quantity"], first["output"])

    def _keys(self) -> list[tuple[str, Any]]:
        return list(zip(self.ranking["feature"], self.ranking["level"], strict=True))

    def _mirrored(self) -> set[tuple[str, Any]]:
        """Keys of the first of two levels, whose change mirrors that of the second."""
        levels: dict[str, list[Any]] = {}
        for feature, level in dict.fromkeys(self._keys()):
            levels.setdefault(feature, []).append(level)
        return {(feature, own[0]) for feature, own in levels.items() if len(own) == 2}

    def _order(self) -> list[tuple[str, Any]]:
        """Keys by their largest |change|, without mirrored ones."""
        largest: dict[tuple[str, Any], float] = {}
        mirrored = self._mirrored()
        for key, change in zip(self._keys(), self.ranking["change"], strict=True):
            if key in mirrored:
                continue
            largest[key] = max(largest.get(key, 0.0), abs(change) if np.isfinite(change) else 0.0)
        return sorted(largest, key=lambda key: (-largest[key], str(key)))
