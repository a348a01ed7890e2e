"""Love plot: how far averages are from where they should be, before and after a reweighting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from agnostix.core.explanation import Scenario
from agnostix.core.typing import Floats
from agnostix.plotting.averages import name_averages, order_averages
from agnostix.plotting.display import Display
from agnostix.plotting.style import ACCENT, FAINT, INK, MUTED, PAPER, name_dots

_AVERAGES = ("mean", "proportion")


@dataclass(eq=False, repr=False)
class LoveDisplay(Display):
    """Love plot of a scenario: standardized differences before and after the reweighting.

    An average that was stated should be at its target, every other one where it was in the
    data. Open dots are the distances from there before the reweighting, filled ones after it,
    in standard deviations of the data. Filled dots left of the line are balanced; a filled dot
    right of it, without an open one, is a column that was moved along.

    Parameters
    ----------
    differences : DataFrame
        feature, level, stated, before, after: standardized differences, at least 0.
    max_features : int, default=20
        Averages drawn: those that are farthest before or after.
    threshold : float, default=0.1
        Difference up to which averages count as balanced, the dotted line.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection
    >>> from agnostix.plotting import LoveDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> scenario = EntropicProjection().fit(X, y).what_if({"petal length (cm)": 4.5})
    >>> frame = LoveDisplay.from_explanation(scenario).plot().frame()
    >>> frame[["feature", "before", "after"]].round(2).head(2)
                 feature  before  after
    0  petal length (cm)    0.42    0.0
    1   petal width (cm)    0.00    0.4
    """

    differences: pd.DataFrame
    max_features: int = 20
    threshold: float = 0.1

    @classmethod
    def from_explanation(
        cls, scenario: Scenario, *, max_features: int = 20, threshold: float = 0.1
    ) -> LoveDisplay:
        """Take the differences of a scenario's averages from where they should be.

        Parameters
        ----------
        scenario : Scenario
            The result of `EntropicProjection.what_if`. Targets count if they are of averages and
            proportions over all rows.
        max_features : int, default=20
            Averages drawn.
        threshold : float, default=0.1
            Difference up to which averages count as balanced.

        Returns
        -------
        LoveDisplay
        """
        return cls(_differences(scenario), max_features, threshold)

    def frame(self) -> pd.DataFrame:
        """What was stated first, then the others, the largest differences first; of two levels one.

        Returns
        -------
        DataFrame
        """
        farthest = self.differences[["before", "after"]].max(axis=1)
        return order_averages(self.differences, farthest.fillna(0.0).to_numpy(float))

    def _shown(self) -> pd.DataFrame:
        return self.frame().head(self.max_features)[::-1].reset_index(drop=True)

    def _figsize(self) -> tuple[float, float]:
        return 6.4, 1.1 + 0.28 * len(self._shown())

    def _draw(self) -> None:
        shown = self._shown()
        places = np.arange(len(shown))
        before, after = (shown[name].to_numpy(dtype=float) for name in ("before", "after"))
        self.ax_.hlines(places, before, after, color=ACCENT, alpha=0.45, lw=1.5)
        stated = shown["stated"].to_numpy(dtype=bool)
        self.ax_.plot(before[stated], places[stated], "o", color=ACCENT, mfc=PAPER, ms=5.5, mew=1.5)
        self.ax_.plot(after, places, "o", color=ACCENT, mfc=ACCENT, ms=5.5, mew=1.5)
        names = name_averages(shown, self.differences)
        self.ax_.set_yticks(places, names, color=INK, parse_math=False)
        self.ax_.axvline(0.0, color=FAINT, lw=1, zorder=0)
        self.ax_.axvline(self.threshold, color=MUTED, lw=1, ls=":")
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_xlabel("standardized difference, in standard deviations")
        name_dots(self.ax_, {"before": (ACCENT, PAPER), "after": (ACCENT, ACCENT)})


def _differences(scenario: Scenario) -> pd.DataFrame:
    """Distances of all averages from where they should be, before and after."""
    shifts, conditions = scenario.shifts, scenario.conditions
    plain = conditions["kind"].isin(_AVERAGES) & (conditions["where"] == "")
    own = conditions[plain & (conditions["role"] == "stated")]
    stated = {(row["feature"], _key(row["level"])): row for row in own.to_dict("records")}
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = ((shifts["after"] - shifts["before"]) / shifts["shift"]).abs().to_numpy(dtype=float)
    rows = []
    for row, unit in zip(shifts.to_dict("records"), scale, strict=True):
        target = stated.get((row["feature"], _key(row["level"])))
        if target is None:
            before, after = 0.0, abs(row["shift"])
        else:
            ends = target["low"], target["high"]
            before, after = (_distance(row[name], ends, unit) for name in ("before", "after"))
        rows.append((row["feature"], row["level"], target is not None, before, after))
    frame = pd.DataFrame(rows, columns=["feature", "level", "stated", "before", "after"])
    return frame.assign(level=pd.Series([row[1] for row in rows], dtype=object))


def _key(level: object) -> tuple[type, object]:
    """What tells 1 from "1" and from True."""
    return type(level), level


def _distance(value: float, ends: tuple[float, float], unit: float) -> float:
    """Distance from a range in standard deviations; 0 within, and where nothing moved."""
    gap: Floats = np.maximum(np.maximum(ends[0] - value, value - ends[1]), 0.0)
    return float(gap / unit) if np.isfinite(unit) and unit > 0.0 else 0.0
