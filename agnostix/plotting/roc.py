"""ROC curves of signs that a prediction is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from agnostix.plotting.display import Display
from agnostix.plotting.style import FAINT, INK, MUTED, SERIES
from agnostix.plotting.words import shorten


@dataclass(eq=False, repr=False)
class RocDisplay(Display):
    """Share of wrong predictions that signals find, against the share of right ones they suspect.

    Parameters
    ----------
    curves : DataFrame
        Columns signal, false, hits: a line for each point of each curve.
    areas : DataFrame
        Columns signal, auc, low, high.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Notes
    -----
    The model's own margin is gray, and the diagonal is a signal of chance.
    """

    curves: pd.DataFrame
    areas: pd.DataFrame

    @classmethod
    def from_result(cls, result: Any) -> RocDisplay:
        """Take the curves of a result.

        Parameters
        ----------
        result : UnreliableResult
            Of `unreliable`.

        Returns
        -------
        RocDisplay
        """
        parts = []
        for name in result.signals:
            false, hits = result.curve(name)
            parts.append(pd.DataFrame({"signal": name, "false": false, "hits": hits}))
        areas = result.to_frame()[["signal", "auc", "low", "high"]]
        return cls(pd.concat(parts, ignore_index=True), areas)

    def _figsize(self) -> tuple[float, float]:
        return 5.2, 4.6 + 0.2 * len(self.areas)

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        self.ax_.plot([0, factor], [0, factor], color=FAINT, lw=1)
        place = 0
        for row in self.areas.to_dict("records"):
            own = self.curves[self.curves["signal"] == row["signal"]]
            is_margin = row["signal"] == "margin"
            color = MUTED if is_margin else SERIES[place % len(SERIES)]
            place += not is_margin
            name = shorten(str(row["signal"]), 30).replace("_", " ")
            label = f"{name}: {row['auc']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
            look = {"color": color, "lw": 1.4 if is_margin else 1.8, "ls": "--" if is_margin else "-"}
            self.ax_.plot(factor * own["false"], factor * own["hits"], label=label, **look)
        self.ax_.set_xlim(-0.02 * factor, 1.02 * factor)
        self.ax_.set_ylim(-0.02 * factor, 1.02 * factor)
        self.ax_.set_xlabel("proportion of right predictions suspected", color=INK)
        self.ax_.set_ylabel("proportion of wrong predictions found", color=INK)
        self.ax_.grid(color=FAINT)
        legend = self.ax_.legend(
            frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), title="area under the curve"
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        if suffix:
            for axis in (self.ax_.xaxis, self.ax_.yaxis):
                axis.set_major_formatter(lambda value, _: f"{value:g}{suffix}")
