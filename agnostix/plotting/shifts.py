"""Shifts of all averages in a scenario."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from agnostix.core.explanation import Scenario
from agnostix.plotting.averages import name_averages, order_averages
from agnostix.plotting.display import Display
from agnostix.plotting.style import ACCENT, INK, MUTED, PAPER, name_dots


@dataclass(eq=False, repr=False)
class ShiftDisplay(Display):
    """Shift of each average in a scenario, in standard deviations.

    Filled dots are the constraints, open ones correlated features; bars are confidence intervals.

    Parameters
    ----------
    shifts : DataFrame
        `Scenario.shifts`.
    max_features : int, default=14
        Averages drawn: those with the largest shifts.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection
    >>> from agnostix.plotting import ShiftDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> scenario = EntropicProjection().fit(X, y).what_if({"petal length (cm)": 4.5})
    >>> ShiftDisplay.from_explanation(scenario).plot().frame()["feature"].iloc[0]
    'petal length (cm)'
    """

    shifts: pd.DataFrame
    max_features: int = 14

    @classmethod
    def from_explanation(cls, scenario: Scenario, *, max_features: int = 14) -> ShiftDisplay:
        """Select a scenario's shifts.

        Parameters
        ----------
        scenario : Scenario
            The result of `EntropicProjection.what_if`.
        max_features : int, default=14
            Averages drawn.

        Returns
        -------
        ShiftDisplay
        """
        return cls(scenario.shifts, max_features)

    def frame(self) -> pd.DataFrame:
        """Constraints first, then the largest shifts; of two levels one.

        Returns
        -------
        DataFrame
        """
        return order_averages(self.shifts, self.shifts["shift"].abs().to_numpy(float))

    def _shown(self) -> pd.DataFrame:
        return self.frame().head(self.max_features)[::-1].reset_index(drop=True)

    def _figsize(self) -> tuple[float, float]:
        return 6.4, 1.1 + 0.28 * len(self._shown())

    def _draw(self) -> None:
        shown = self._shown()
        places = np.arange(len(shown))
        stated = shown["stated"].to_numpy(dtype=bool)
        self.ax_.hlines(places, shown["low"], shown["high"], color=ACCENT, alpha=0.45, lw=2.2)
        self.ax_.hlines(places, 0.0, shown["shift"], color=ACCENT, lw=1)
        for part, face in ((stated, ACCENT), (~stated, PAPER)):
            self.ax_.plot(shown["shift"][part], places[part], "o", color=ACCENT, mfc=face, ms=5.5, mew=1.5)
        names = name_averages(shown, self.shifts)
        self.ax_.set_yticks(places, names, color=INK, parse_math=False)
        self.ax_.axvline(0.0, color=MUTED, lw=1)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_xlabel("shift, in standard deviations")
        name_dots(self.ax_, {"constraint": (ACCENT, ACCENT), "correlated": (ACCENT, PAPER)})
