"""What else moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Scenario
from agnostix.plotting.style import ACCENT, INK, MUTED, PAPER, axes_for, house_style, shortened


class ShiftDisplay:
    """How far each average moved in a scenario, in standard deviations.

    Filled dots were asked for; open ones went along, because the features depend on each other.

    Parameters
    ----------
    shifts : DataFrame
        `Scenario.shifts`.
    max_features : int, default=14
        How many are drawn: those that moved most.

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
    >>> from agnostix.plotting import ShiftDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> scenario = EntropicProjection().fit(X, y).what_if({"petal length (cm)": 4.5})
    >>> ShiftDisplay.from_explanation(scenario).plot().frame()["feature"].iloc[0]
    'petal length (cm)'
    """

    def __init__(self, shifts: pd.DataFrame, max_features: int = 14) -> None:
        self.shifts = shifts
        self.max_features = max_features

    @classmethod
    def from_explanation(cls, scenario: Scenario, *, max_features: int = 14) -> ShiftDisplay:
        """Take a scenario's shifts.

        Parameters
        ----------
        scenario : Scenario
            What `EntropicProjection.what_if` returned.
        max_features : int, default=14
            How many are drawn.

        Returns
        -------
        ShiftDisplay
        """
        return cls(scenario.shifts, max_features)

    def frame(self) -> pd.DataFrame:
        """The data behind the picture: what was asked for, then what moved most; of two levels one.

        Returns
        -------
        DataFrame
        """
        order = np.lexsort((-self.shifts["shift"].abs(), ~self.shifts["stated"].astype(bool)))
        ordered = self.shifts.iloc[order]
        n_levels = ordered.groupby("feature")["feature"].transform("size")
        mirrored = (n_levels == 2) & ordered.duplicated("feature")
        return ordered[~mirrored].reset_index(drop=True)

    def plot(self, ax: Any = None) -> ShiftDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; a new figure by default.

        Returns
        -------
        self : ShiftDisplay
        """
        shown = self.frame().head(self.max_features)[::-1].reset_index(drop=True)
        with house_style():
            self.ax_, self.figure_ = axes_for(ax, 6.4, 0.8 + 0.28 * len(shown))
            places = np.arange(len(shown))
            stated = shown["stated"].to_numpy(dtype=bool)
            self.ax_.hlines(places, shown["low"], shown["high"], color=ACCENT, alpha=0.45, lw=2.2)
            self.ax_.hlines(places, 0.0, shown["shift"], color=ACCENT, lw=1)
            for part, face in ((stated, ACCENT), (~stated, PAPER)):
                self.ax_.plot(
                    shown["shift"][part], places[part], "o", color=ACCENT, mfc=face, ms=5.5, mew=1.5
                )
            names = [
                shortened(f if level is None else f"{f} = {level}")
                for f, level in zip(shown["feature"], shown["level"], strict=True)
            ]
            self.ax_.set_yticks(places, names, color=INK, parse_math=False)
            self.ax_.axvline(0.0, color=MUTED, lw=1)
            self.ax_.tick_params(axis="y", length=0)
            self.ax_.set_xlabel("shift, in standard deviations")
        return self
