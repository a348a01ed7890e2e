"""Fidelity of a surrogate tree by leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.plotting.display import Display
from agnostix.plotting.fidelity import POOR_LEAF
from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, INK, MUTED, write_ticks
from agnostix.plotting.words import shorten, wrap_lines

_MOST, _WIDTH = 120, 68
"""Characters of a rule, and of each of its lines."""


@dataclass(eq=False, repr=False)
class LeavesDisplay(Display):
    """Fidelity of each leaf (for regression the root mean squared error), the worst at the top.

    Lines are confidence intervals, the dashed line is the fidelity over all rows, the
    size of a dot the fraction of the training rows in the leaf. Leaves below 0.8 are
    orange; those without a held-out row have no dot.

    Parameters
    ----------
    leaves : DataFrame
        One row per leaf: rule, coverage, rmse and, if known, rmse_low, rmse_high; for classifiers label,
        fidelity, fidelity_low, fidelity_high.
    overall : float, default=None
        Fidelity over all rows.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

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

    leaves: pd.DataFrame
    overall: float | None = None

    @classmethod
    def from_estimator(cls, estimator: Any) -> LeavesDisplay:
        """Select the leaves of a fitted `MimicTree`.

        Parameters
        ----------
        estimator : MimicTree
            A fitted surrogate tree.

        Returns
        -------
        LeavesDisplay
        """
        return cls(estimator.leaves_, estimator.fidelity_.label)

    def frame(self) -> pd.DataFrame:
        """The leaves, the worst first.

        Returns
        -------
        DataFrame
        """
        if self._is_classifier:
            return self.leaves.sort_values("fidelity", kind="stable", na_position="last")
        return self.leaves.sort_values("rmse", ascending=False, kind="stable", na_position="last")

    def _figsize(self) -> tuple[float, float]:
        return 9.0, 0.36 * len(self.leaves) + 1.2

    def _draw(self) -> None:
        leaves = self.frame()
        name = "fidelity" if self._is_classifier else "rmse"
        for place, (_, leaf) in enumerate(leaves.iterrows()):
            self._draw_leaf(place, leaf, name)
        if self._is_classifier and self.overall is not None:
            self.ax_.axvline(self.overall, color=MUTED, lw=1, ls="--", zorder=0)
        self._name_axes(leaves)

    @property
    def _is_classifier(self) -> bool:
        return "fidelity" in self.leaves

    def _draw_leaf(self, place: int, leaf: Any, name: str) -> None:
        if not np.isfinite(leaf[name]):
            return
        color = CONTRAST if name == "fidelity" and leaf[name] < POOR_LEAF else ACCENT
        if f"{name}_low" in leaf:
            ends = [leaf[f"{name}_low"], self._shown(leaf[f"{name}_high"])]
            self.ax_.plot(ends, [place, place], color=color, lw=1.4)
        self.ax_.scatter(
            leaf[name], place, s=14 + 260 * leaf["coverage"], color=color, zorder=3, clip_on=False
        )

    def _shown(self, end: float) -> float:
        """An end of an interval, as far as the axis reaches."""
        return end if self._is_classifier else min(end, self._highest)

    @property
    def _highest(self) -> float:
        """Where the axis of errors ends: at three times the largest error, or where the intervals do."""
        largest = float(np.nanmax(self.leaves["rmse"], initial=0.0))
        ends = self.leaves.get("rmse_high", self.leaves["rmse"]).to_numpy(dtype=float)
        return min(3.0 * largest, float(np.nanmax(ends, initial=largest))) if largest > 0 else 1.0

    def _name_axes(self, leaves: pd.DataFrame) -> None:
        labels = [f"  →  {label}" for label in leaves["label"]] if self._is_classifier else [""] * len(leaves)
        words = [
            wrap_lines(_end(rule), _WIDTH) + shorten(one, 22)
            for rule, one in zip(leaves["rule"], labels, strict=True)
        ]
        self.ax_.set_yticks(range(len(leaves)), words, fontsize=8.5, color=INK, parse_math=False)
        self.ax_.set_ylim(len(leaves) - 0.4, -0.6)
        what = "fraction of rows with the model's label" if self._is_classifier else "root mean squared error"
        self.ax_.set_xlabel(what)
        self.ax_.set_xlim((0, 1.02) if self._is_classifier else (0, 1.05 * self._highest))
        self.ax_.grid(axis="x", color=FAINT)
        write_ticks(self.ax_.xaxis, "")


def _end(rule: str) -> str:
    """The last conditions of a rule that have room; the end of the last one if it is too long."""
    if len(rule) <= _MOST:
        return rule
    start = rule.find(" and ", len(rule) - _MOST + 1)
    return "…" + (rule[start:] if start >= 0 else rule[1 - _MOST :])
