"""Fairness of a model: rates of groups with their comparisons, and distances of other populations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import FairnessStress, GroupMeasures
from agnostix.plotting.display import Display
from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, INK, MUTED, PAPER, name_dots
from agnostix.plotting.words import format_number, shorten

_IN_WORDS = {
    "disparate impact": ("selection rate", "{} times the reference"),
    "equal opportunity": ("true positive rate", "{} against the reference"),
    "false positive parity": ("false positive rate", "{} against the reference"),
    "error parity": ("error rate", "{} against the reference"),
}
"""The comparison that is written beside the groups of each rate, and how."""


@dataclass(eq=False, repr=False)
class GroupMeasuresDisplay(Display):
    """Rates of decisions by group, and how they compare with the reference group.

    Dots are the rates, open ones those of the reference group. Thick lines are intervals,
    each by itself; thin lines hold for all measures together. Beside each group is the ratio
    of selection rates to the reference group, or the difference of the other rates, bold
    where its simultaneous interval is apart from parity. Small groups are gray.

    Parameters
    ----------
    measures : DataFrame
        One line for each rate and group, from top to bottom: measure, group, value, low, high,
        band_low, band_high, status, is_reference, comparison (in words), is_apart.
    max_groups : int, default=8
        Groups drawn: the reference group and the largest others.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, measure_fairness
    >>> from agnostix.plotting import GroupMeasuresDisplay
    >>> X = pd.DataFrame({"sex": ["Female"] * 80 + ["Male"] * 120})
    >>> hired = [1] * 20 + [0] * 60 + [1] * 60 + [0] * 60
    >>> projection = EntropicProjection().fit(X, predictions=hired)
    >>> measures = measure_fairness(projection, group="sex", reference="Male")
    >>> display = GroupMeasuresDisplay.from_explanation(measures).plot()
    >>> display.frame()[["group", "value", "comparison"]]
              group  value               comparison
    0    sex = Male   0.50
    1  sex = Female   0.25  0.5 times the reference
    """

    measures: pd.DataFrame
    max_groups: int = 8

    @classmethod
    def from_explanation(cls, measures: GroupMeasures, *, max_groups: int = 8) -> GroupMeasuresDisplay:
        """Take the rates of a result, with their comparisons.

        Parameters
        ----------
        measures : GroupMeasures
            The result of `measure_fairness`.
        max_groups : int, default=8
            Groups drawn: the reference group and the largest others.

        Returns
        -------
        GroupMeasuresDisplay

        Raises
        ------
        ValueError
            If `max_groups` is below 2.
        """
        if max_groups < 2:
            raise ValueError(f"max_groups must be at least 2, got {max_groups}.")
        rates = measures.rates.assign(is_reference=measures.rates["group"] == measures.reference)
        sizes = rates[rates["measure"] == "selection rate"]
        order = sizes.sort_values(["is_reference", "n_rows"], ascending=False, kind="stable")
        shown = order["group"].head(max_groups).tolist()
        place = {measure: i for i, measure in enumerate(dict.fromkeys(rates["measure"]))}
        rates = rates[rates["group"].isin(shown)]
        keys = rates["measure"].map(place), rates["group"].map(shown.index)
        ordered = rates.iloc[np.lexsort((keys[1], keys[0]))].reset_index(drop=True)
        words = [_comparison(measures, row["measure"], row["group"]) for row in ordered.to_dict("records")]
        columns = [
            "measure",
            "group",
            "value",
            "low",
            "high",
            "band_low",
            "band_high",
            "status",
            "is_reference",
        ]
        compared = {"comparison": [word for word, _ in words], "is_apart": [apart for _, apart in words]}
        return cls(ordered[columns].join(pd.DataFrame(compared)), max_groups)

    def _places(self) -> Any:
        """Where each line is, from the top down, with room for a heading above each rate."""
        is_first = self.measures["measure"] != self.measures["measure"].shift()
        return -(np.arange(len(self.measures)) + 1.35 * is_first.cumsum().to_numpy())

    def _figsize(self) -> tuple[float, float]:
        n_rates = self.measures["measure"].nunique()
        return 7.2, 0.9 + 0.27 * (len(self.measures) + 1.35 * n_rates)

    def _draw(self) -> None:
        ax, table, places = self.ax_, self.measures, self._places()
        colors = np.where(table["status"] == "thin", MUTED, ACCENT)
        for row, y, color in zip(table.to_dict("records"), places, colors, strict=True):
            ax.plot([row["band_low"], row["band_high"]], [y, y], color=color, lw=1, alpha=0.6)
            ax.plot([row["low"], row["high"]], [y, y], color=color, lw=3, alpha=0.45, solid_capstyle="butt")
            face = PAPER if row["is_reference"] else color
            ax.plot([row["value"]], [y], "o", color=color, mfc=face, ms=5.5, mew=1.5)
            weight = "bold" if row["is_apart"] else "normal"
            ax.text(
                1.02, y, row["comparison"], transform=ax.get_yaxis_transform(), va="center", weight=weight
            )
        first = table.drop_duplicates("measure")
        for name, y in zip(first["measure"], places[first.index], strict=True):
            ax.text(0.0, y + 1.0, name, transform=ax.get_yaxis_transform(), va="center", weight="bold")
        ax.set_yticks(places, [shorten(name) for name in table["group"]], color=INK, parse_math=False)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(places.min() - 0.7, places.max() + 1.6)
        ax.grid(axis="x")
        ax.set_xlabel("rate: dots, their intervals (thick), and those of all measures together (thin)")
        name_dots(ax, {"reference": (ACCENT, PAPER), "group": (ACCENT, ACCENT)})


def _comparison(measures: GroupMeasures, rate: str, group: str) -> tuple[str, bool]:
    """How a group compares with the reference group in a rate, in words, and whether it is apart."""
    names = [name for name, (own, _) in _IN_WORDS.items() if own == rate]
    lines = measures.comparisons
    found = lines[(lines["measure"] == (names or [""])[0]) & (lines["group"] == group)]
    if found.empty or not np.isfinite(found["value"].iloc[0]):
        return "", False
    row, is_ratio = found.iloc[0], names[0] == "disparate impact"
    parity = 1.0 if is_ratio else 0.0
    number = format_number(row["value"], ".2g" if is_ratio else "+.2g")
    return _IN_WORDS[names[0]][1].format(number), not row["band_low"] <= parity <= row["band_high"]


@dataclass(eq=False, repr=False)
class FairnessStressDisplay(Display):
    """Divergence of the closest population against the value of a group measure.

    The dot at 0 is the data, the band its interval. Left and right of it are populations in
    which the gap doubles, or is hidden; open dots rest on few rows, crosses are values that
    no population has. Beside the ends are the columns that move most.

    Parameters
    ----------
    distances : DataFrame
        target, named, kl, ess, status, moved: one line for each value of the measure.
    measure : str, default="measure"
        Name of the horizontal axis.
    interval : tuple of float, default=(nan, nan)
        Interval of the measure in the data.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import DisparateImpact, EntropicProjection, stress_fairness
    >>> from agnostix.plotting import FairnessStressDisplay
    >>> X = pd.DataFrame({"sex": ["Female"] * 80 + ["Male"] * 120})
    >>> hired = [1] * 20 + [0] * 60 + [1] * 60 + [0] * 60
    >>> projection = EntropicProjection().fit(X, predictions=hired)
    >>> stress = stress_fairness(projection, DisparateImpact(group="sex", reference="Male"))
    >>> display = FairnessStressDisplay.from_explanation(stress).plot()
    >>> round(float(display.frame()["kl"].iloc[-1]), 3)
    0.034
    """

    distances: pd.DataFrame
    measure: str = "measure"
    interval: tuple[float, float] = (np.nan, np.nan)

    @classmethod
    def from_explanation(cls, stress: FairnessStress) -> FairnessStressDisplay:
        """Take the distances of a result.

        Parameters
        ----------
        stress : FairnessStress
            The result of `stress_fairness`.

        Returns
        -------
        FairnessStressDisplay
        """
        columns = ["target", "named", "kl", "ess", "status", "moved"]
        return cls(stress.frame[columns], stress.measure, (stress.low, stress.high))

    def _figsize(self) -> tuple[float, float]:
        return 7.2, 4.2

    def _draw(self) -> None:
        ax, table = self.ax_, self.distances
        known = table[table["kl"].notna()]
        ax.axvspan(*self.interval, color=FAINT, alpha=0.5, lw=0, zorder=0)
        ax.plot(known["target"], known["kl"], color=ACCENT, lw=1.5)
        for is_ok, face in ((True, ACCENT), (False, PAPER)):
            part = known[(known["status"] == "ok") == is_ok]
            ax.plot(part["target"], part["kl"], "o", color=ACCENT, mfc=face, ms=5.5, mew=1.5)
        none = table[table["kl"].isna()]
        if len(none):
            zero, look = np.zeros(len(none)), {"color": CONTRAST, "ms": 7, "mew": 1.5, "clip_on": False}
            ax.plot(none["target"], zero, "x", label="no population", **look)
        top = float(known["kl"].max()) if len(known) else 1.0
        ax.set_ylim(0.0 if len(none) else -0.03 * (top or 1.0), 1.28 * (top or 1.0))
        for row in table[table["named"] != ""].to_dict("records"):
            ax.axvline(row["target"], color=MUTED, lw=0.8, ls=":", zorder=0)
            label = f"{row['named']}\n{format_number(row['target'], '.3g')}"
            y, side = 0.99, "right" if row["target"] == table["target"].max() else "left"
            ax.text(row["target"], y, f" {label} ", transform=ax.get_xaxis_transform(), va="top", ha=side)
        ax.set_xlabel(shorten(self.measure, 80), parse_math=False)
        ax.set_ylabel("divergence from the data, nats")
        name_dots(ax, {"enough rows": (ACCENT, ACCENT), "few rows": (ACCENT, PAPER)})
        ends = [known.iloc[0], known.iloc[-1]] if len(known) > 1 else []
        words = [
            shorten(f"at {format_number(end['target'], '.3g')}: {end['moved']}", 90)
            for end in ends
            if end["moved"]
        ]
        ax.set_title("\n".join(words), fontsize=9, fontweight="normal", pad=22 if words else None)
