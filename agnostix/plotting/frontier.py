"""How faithful trees of each size are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation.intervals import half_widths
from agnostix.plotting.marks import limits, write_ticks
from agnostix.plotting.style import ACCENT, CONTRAST, INK, MUTED, axes_for, house_style
from agnostix.plotting.tree import LEVEL


class FrontierDisplay:
    """Fidelity against the number of leaves, with bands of 95 %, and the size that was chosen.

    Parameters
    ----------
    sizes : DataFrame
        A size in each row: leaves, r2, r2_std_error, chosen; of classifiers fidelity,
        fidelity_low, fidelity_high.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from agnostix import MimicTree
    >>> from agnostix.plotting import FrontierDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> mimic = MimicTree(forest, max_leaf_nodes=4, random_state=0).fit(X)
    >>> display = FrontierDisplay.from_estimator(mimic).plot()
    >>> int(display.frame()["leaves"].iloc[0])
    1
    """

    def __init__(self, sizes: pd.DataFrame) -> None:
        self.sizes = sizes

    @classmethod
    def from_estimator(cls, estimator: Any) -> FrontierDisplay:
        """Take a fitted `MimicTree`.

        Parameters
        ----------
        estimator : MimicTree
            A fitted one.

        Returns
        -------
        FrontierDisplay
        """
        return cls(estimator.frontier_)

    def frame(self) -> pd.DataFrame:
        """The data behind the picture.

        Returns
        -------
        DataFrame
        """
        return self.sizes.copy()

    def plot(self, ax: Any = None) -> FrontierDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; a new figure by default.

        Returns
        -------
        self : FrontierDisplay
        """
        with house_style():
            self.ax_, self.figure_ = axes_for(ax, 6.4, 3.8)
            half = half_widths(self.sizes["r2_std_error"], LEVEL)
            r2 = self.sizes["r2"]
            self._draw("R² of the answers", r2, r2 - half, r2 + half, CONTRAST)
            if "fidelity" in self.sizes:
                ends = (self.sizes["fidelity_low"], self.sizes["fidelity_high"])
                self._draw("share of equal labels", self.sizes["fidelity"], *ends, ACCENT)
            self._mark_chosen()
            self.ax_.set(xlabel="leaves", ylabel="fidelity on rows not grown on", ylim=self._limits())
            self.ax_.grid(axis="y")
            write_ticks(self.ax_.yaxis, "")
            self.ax_.xaxis.get_major_locator().set_params(integer=True)
            self.ax_.legend(loc="lower right", frameon=False)
        return self

    def _draw(self, name: str, middle: Any, low: Any, high: Any, colour: str) -> None:
        leaves = self.sizes["leaves"]
        self.ax_.fill_between(leaves, low, high, color=colour, alpha=0.15, lw=0)
        self.ax_.plot(leaves, middle, "o-", color=colour, ms=4, lw=1.5, label=name)

    def _mark_chosen(self) -> None:
        leaves = float(self.sizes.loc[self.sizes["chosen"], "leaves"].iloc[0])
        self.ax_.axvline(leaves, color=MUTED, lw=1, ls="--", zorder=0)
        words = f"chosen: {leaves:.0f}"
        self.ax_.set_title(words, loc="right", fontsize=9, fontweight="normal", color=INK)

    def _limits(self) -> tuple[float, float]:
        shown = self.sizes[[name for name in ("fidelity", "r2") if name in self.sizes]].to_numpy()
        low, _ = limits(shown[np.isfinite(shown)])
        return max(low, -0.1), 1.02
