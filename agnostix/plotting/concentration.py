"""Concentration of weight on few rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from agnostix.core.explanation import Scenario
from agnostix.core.typing import Floats
from agnostix.plotting.display import Display
from agnostix.plotting.style import ACCENT, FAINT, MUTED, PAPER
from agnostix.plotting.words import format_percent


@dataclass(eq=False, repr=False)
class WeightConcentrationDisplay(Display):
    """Lorenz curve of the weights: their cumulative share against that of the rows, heaviest first.

    The straight line is equal weights; dotted lines mark 50 % and 90 % of the weight.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,)
        Weights of the rows.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection
    >>> from agnostix.plotting import WeightConcentrationDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> scenario = EntropicProjection().fit(X, y).what_if({"petal length (cm)": 4.5})
    >>> display = WeightConcentrationDisplay.from_explanation(scenario).plot()
    >>> display.frame().columns.tolist()
    ['share_of_rows', 'share_of_weight']
    """

    weights: Floats

    @classmethod
    def from_explanation(cls, scenario: Scenario) -> WeightConcentrationDisplay:
        """Select a scenario's weights.

        Parameters
        ----------
        scenario : Scenario
            The result of `EntropicProjection.what_if`.

        Returns
        -------
        WeightConcentrationDisplay
        """
        return cls(scenario.weights)

    def frame(self) -> pd.DataFrame:
        """The points of the curve, at most 201.

        Returns
        -------
        DataFrame
        """
        ordered = np.sort(self.weights)[::-1]
        held = np.concatenate([[0.0], np.cumsum(ordered) / ordered.sum()])
        at = np.unique(np.linspace(0, ordered.size, 201).round().astype(int))
        return pd.DataFrame({"share_of_rows": at / ordered.size, "share_of_weight": held[at]})

    def _figsize(self) -> tuple[float, float]:
        return 4.2, 3.4

    def _draw(self) -> None:
        curve = self.frame()
        self.ax_.plot([0, 1], [0, 1], color=FAINT, lw=1.5)
        self.ax_.plot(curve["share_of_rows"], curve["share_of_weight"], color=ACCENT, lw=2)
        for share in (0.5, 0.9):
            rows = float(np.interp(share, curve["share_of_weight"], curve["share_of_rows"]))
            self.ax_.plot([rows, rows, 0], [0, share, share], color=MUTED, lw=0.8, ls=":")
            text = f"{format_percent(share, 0)} of the weight:\n{format_percent(rows, 0)} of the rows"
            look = {"fc": PAPER, "ec": "none", "pad": 1.5}  # the dotted line passes behind
            self.ax_.text(0.97, 0.6 * share - 0.24, text, ha="right", fontsize=9, bbox=look)
        self.ax_.set(xlim=(0, 1), ylim=(0, 1.02))
        self.ax_.set(xlabel="cumulative share of rows", ylabel="cumulative share of weight")
