"""Which features move the outcome."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, MUTED, PAPER, axes_for, house_style, shortened


class WhatIfRankingDisplay:
    """Change of the outcome when each feature moves equally far, both ways.

    A filled dot is the feature's average (or the level's proportion) moved
    up, an open one down; the bar through it is the confidence interval of the change.

    Parameters
    ----------
    ranking : DataFrame
        Rows of `EntropicProjection.rank` of one quantity and output.
    max_features : int, default=12
        How many are drawn: those with the largest change.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Its figure.

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

    def __init__(self, ranking: pd.DataFrame, max_features: int = 12) -> None:
        self.ranking = ranking
        self.max_features = max_features

    @classmethod
    def from_explainer(
        cls, explainer: Any, *, output: str | None = None, max_features: int = 12, **rank: Any
    ) -> WhatIfRankingDisplay:
        """Compute the ranking and take one output.

        Parameters
        ----------
        explainer : EntropicProjection
            A fitted one.
        output : str, default=None
            Which output; the last by default.
        max_features : int, default=12
            How many are drawn.
        **rank : dict
            Passed to `rank`: kl, metric, features.

        Returns
        -------
        WhatIfRankingDisplay
        """
        ranking = explainer.rank(**rank)
        output = ranking["output"].iloc[-1] if output is None else output
        own = ranking["output"].isna() if output is None else ranking["output"] == output
        return cls(ranking[own].reset_index(drop=True), max_features)

    def frame(self) -> pd.DataFrame:
        """The data behind the picture, the largest change first; of two levels only the second.

        Returns
        -------
        DataFrame
        """
        order = self._order()
        place = {key: j for j, key in enumerate(order)}
        keys = self._keys()
        shown = [j for j, key in enumerate(keys) if key in place]
        return self.ranking.iloc[sorted(shown, key=lambda j: place[keys[j]])].reset_index(drop=True)

    def plot(self, ax: Any = None, *, factor: float = 1.0, suffix: str = "") -> WhatIfRankingDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; a new figure by default.
        factor : float, default=1.0
            The change is multiplied by it, for example to per cent.
        suffix : str, default=""
            Unit after the numbers of the horizontal axis.

        Returns
        -------
        self : WhatIfRankingDisplay
        """
        with house_style():
            order = self._order()[: self.max_features]
            self.ax_, self.figure_ = axes_for(ax, 6.4, 0.9 + 0.32 * len(order))
            keys = self._keys()
            for row, key in zip(self.ranking.to_dict("records"), keys, strict=True):
                if key in order and np.isfinite(row["change"]):
                    self._draw(row, len(order) - 1 - order.index(key), factor)
            self._name_axes(order, suffix)
        return self

    def _draw(self, row: dict[Any, Any], place: int, factor: float) -> None:
        up = row["direction"] == "up"
        colour = ACCENT if up else CONTRAST
        y = place + (0.13 if up else -0.13)
        faint = 1.0 if row["status"] == "ok" else 0.45
        ends = [factor * row["change_low"], factor * row["change_high"]]
        self.ax_.plot(ends, [y, y], color=colour, lw=2.2, alpha=0.45 * faint, solid_capstyle="butt")
        face = colour if up else PAPER
        self.ax_.plot(factor * row["change"], y, "o", color=colour, mfc=face, ms=5.5, alpha=faint, mew=1.5)

    def _name_axes(self, order: list[tuple[str, Any]], suffix: str) -> None:
        names = [feature if level is None else f"{feature} = {level}" for feature, level in order]
        shown = [shortened(name) for name in reversed(names)]
        self.ax_.set_yticks(range(len(order)), shown, parse_math=False)
        self.ax_.set_ylim(-0.6, len(order) - 0.4)
        self.ax_.axvline(0.0, color=MUTED, lw=1)
        self.ax_.grid(axis="y", color=FAINT)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_xlabel("change of the outcome")
        self.ax_.locator_params(axis="x", nbins=6)
        if suffix:
            self.ax_.xaxis.set_major_formatter(lambda value, _: f"{value:+g}{suffix}" if value else "0")
        for label, face, colour in (("moved up", ACCENT, ACCENT), ("moved down", PAPER, CONTRAST)):
            self.ax_.plot([], [], "o", color=colour, mfc=face, ms=5.5, mew=1.5, label=label)
        self.ax_.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderpad=0)

    def _keys(self) -> list[tuple[str, Any]]:
        return list(zip(self.ranking["feature"], self.ranking["level"], strict=True))

    def _mirrored(self) -> set[tuple[str, Any]]:
        """The first of two levels: it moves as the second does, the other way round."""
        levels: dict[str, list[Any]] = {}
        for feature, level in dict.fromkeys(self._keys()):
            levels.setdefault(feature, []).append(level)
        return {(feature, own[0]) for feature, own in levels.items() if len(own) == 2}

    def _order(self) -> list[tuple[str, Any]]:
        largest: dict[tuple[str, Any], float] = {}
        mirrored = self._mirrored()
        for key, change in zip(self._keys(), self.ranking["change"], strict=True):
            if key in mirrored:
                continue
            largest[key] = max(largest.get(key, 0.0), abs(change) if np.isfinite(change) else 0.0)
        return sorted(largest, key=lambda key: (-largest[key], str(key)))
