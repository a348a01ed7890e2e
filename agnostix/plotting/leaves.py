"""How faithful a tree is leaf by leaf."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.plotting.fidelity import POOR_LEAF
from agnostix.plotting.marks import write_ticks
from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, INK, MUTED, axes_for, house_style, shortened

_MOST = 68
"""Characters of a rule."""


class LeavesDisplay:
    """The fidelity of each leaf with its interval, the worst at the top.

    Of numbers it is the root mean squared error. Long rules are named by their
    end. The size of a dot is the share of the given rows that come to the leaf; the
    dashed line is the fidelity over all of them. Leaves below 0.8 are orange.
    Leaves that no row tested have no dot.

    Parameters
    ----------
    leaves : DataFrame
        A leaf in each row: rule, coverage, rmse; of classifiers label, fidelity, fidelity_low, fidelity_high.
    overall : float, default=None
        Fidelity over all rows.

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
    >>> from agnostix.plotting import LeavesDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> mimic = MimicTree(forest, max_leaf_nodes=4, random_state=0).fit(X)
    >>> display = LeavesDisplay.from_estimator(mimic).plot()
    >>> bool(display.frame()["fidelity"].is_monotonic_increasing)
    True
    """

    def __init__(self, leaves: pd.DataFrame, overall: float | None = None) -> None:
        self.leaves = leaves
        self.overall = overall

    @classmethod
    def from_estimator(cls, estimator: Any) -> LeavesDisplay:
        """Take a fitted `MimicTree`.

        Parameters
        ----------
        estimator : MimicTree
            A fitted one.

        Returns
        -------
        LeavesDisplay
        """
        return cls(estimator.leaves_, estimator.fidelity_.label)

    def frame(self) -> pd.DataFrame:
        """The data behind the picture.

        Returns
        -------
        DataFrame
            The leaves, the worst first.
        """
        if self._is_classifier:
            return self.leaves.sort_values("fidelity", kind="stable", na_position="last")
        return self.leaves.sort_values("rmse", ascending=False, kind="stable", na_position="last")

    def plot(self, ax: Any = None) -> LeavesDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; a new figure by default.

        Returns
        -------
        self : LeavesDisplay
        """
        with house_style():
            told = self.frame()
            self.ax_, self.figure_ = axes_for(ax, 9.0, 0.36 * len(told) + 1.2)
            name = "fidelity" if self._is_classifier else "rmse"
            numbers = told[name].to_numpy()
            for place, (_, leaf) in enumerate(told.iterrows()):
                self._draw(place, leaf, name)
            if self._is_classifier and self.overall is not None:
                self.ax_.axvline(self.overall, color=MUTED, lw=1, ls="--", zorder=0)
            self._write_axes(told, numbers)
        return self

    @property
    def _is_classifier(self) -> bool:
        return "fidelity" in self.leaves

    def _draw(self, place: int, leaf: Any, name: str) -> None:
        if not np.isfinite(leaf[name]):
            return
        colour = CONTRAST if name == "fidelity" and leaf[name] < POOR_LEAF else ACCENT
        if name == "fidelity":
            ends = [leaf["fidelity_low"], leaf["fidelity_high"]]
            self.ax_.plot(ends, [place, place], color=colour, lw=1.4)
        self.ax_.scatter(leaf[name], place, s=14 + 260 * leaf["coverage"], color=colour, zorder=3)

    def _write_axes(self, told: pd.DataFrame, numbers: Any) -> None:
        says = [f"  →  {label}" for label in told["label"]] if self._is_classifier else [""] * len(told)
        rules = [rule if len(rule) <= _MOST else "…" + rule[1 - _MOST :] for rule in told["rule"]]
        words = [rule + shortened(one, 22) for rule, one in zip(rules, says, strict=True)]
        self.ax_.set_yticks(range(len(told)), words, fontsize=8.5, color=INK, parse_math=False)
        self.ax_.set_ylim(len(told) - 0.4, -0.6)
        what = "share of rows with the model's label" if self._is_classifier else "root mean squared error"
        self.ax_.set_xlabel(what)
        highest = np.nanmax(numbers, initial=0.0)
        self.ax_.set_xlim((0, 1.02) if self._is_classifier else (0, 1.05 * highest if highest > 0 else 1.0))
        self.ax_.grid(axis="x", color=FAINT)
        write_ticks(self.ax_.xaxis, "")
