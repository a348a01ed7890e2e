"""Fidelity along the pruning path of a surrogate tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.plotting.display import Display
from agnostix.plotting.style import ACCENT, CONTRAST, INK, MUTED, PAPER, find_limits, write_ticks


@dataclass(eq=False, repr=False)
class PruningPathDisplay(Display):
    """Fidelity against the number of leaves, with 95 % intervals, and the chosen size.

    Parameters
    ----------
    sizes : DataFrame
        One row per size: leaves, r2, r2_low, r2_high, chosen; for classifiers fidelity,
        fidelity_low, fidelity_high.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from agnostix import MimicTree
    >>> from agnostix.plotting import PruningPathDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> mimic = MimicTree(forest, max_leaf_nodes=4, random_state=0).fit(X)
    >>> display = PruningPathDisplay.from_estimator(mimic).plot()
    >>> int(display.frame()["leaves"].iloc[0])
    1
    """

    sizes: pd.DataFrame

    @classmethod
    def from_estimator(cls, estimator: Any) -> PruningPathDisplay:
        """Select the sizes of a fitted `MimicTree`.

        Parameters
        ----------
        estimator : MimicTree
            A fitted surrogate tree.

        Returns
        -------
        PruningPathDisplay
        """
        return cls(estimator.pruning_path_)

    def _figsize(self) -> tuple[float, float]:
        return 6.4, 3.8

    def _draw(self) -> None:
        r2, low, high = (self.sizes[name] for name in ("r2", "r2_low", "r2_high"))
        self._draw_curve("R² of the predictions", r2, low, high, CONTRAST)
        if "fidelity" in self.sizes:
            ends = (self.sizes["fidelity_low"], self.sizes["fidelity_high"])
            self._draw_curve("agreement of labels", self.sizes["fidelity"], *ends, ACCENT)
        self._mark_chosen()
        self.ax_.set(xlabel="number of leaves", ylabel="fidelity on held-out rows", ylim=self._limits())
        self.ax_.grid(axis="y")
        write_ticks(self.ax_.yaxis, "")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        look = {"facecolor": PAPER, "edgecolor": "none", "framealpha": 1.0}  # the dashed line passes behind
        self.ax_.legend(loc="lower right", **look)

    def _draw_curve(self, name: str, middle: Any, low: Any, high: Any, color: str) -> None:
        leaves = self.sizes["leaves"]
        known = np.isfinite(low)  # no band where no interval holds
        self.ax_.fill_between(leaves, low, high, where=known, color=color, alpha=0.15, lw=0)
        self.ax_.plot(leaves, middle, "o-", color=color, ms=4, lw=1.5, label=name)

    def _mark_chosen(self) -> None:
        leaves = float(self.sizes.loc[self.sizes["chosen"], "leaves"].iloc[0])
        self.ax_.axvline(leaves, color=MUTED, lw=1, ls="--", zorder=0)
        title = f"chosen: {leaves:.0f} {'leaf' if leaves == 1 else 'leaves'}"
        self.ax_.set_title(title, loc="right", fontsize=9, fontweight="normal", color=INK)

    def _limits(self) -> tuple[float, float]:
        shown = self.sizes[[name for name in ("fidelity", "r2") if name in self.sizes]].to_numpy()
        low, _ = find_limits(shown[np.isfinite(shown)])
        return max(low, -0.1), 1.02
