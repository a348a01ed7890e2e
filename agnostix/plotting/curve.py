"""What-if curve: the outcome against a feature's average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import WhatIfCurves
from agnostix.core.typing import Bools
from agnostix.plotting.display import Display
from agnostix.plotting.style import FAINT, INK, MUTED, SERIES
from agnostix.plotting.words import describe_metric, shorten

_NO_MOVE = 1e-10
"""Nats below which a target is the data's own average."""


@dataclass(eq=False, repr=False)
class WhatIfCurveDisplay(Display):
    """The outcome against the average of a feature, or the proportion of a level.

    The band is the confidence interval; both fade where the effective sample size is
    small. The dot is the observed population, the bars are the feature's histogram.

    Parameters
    ----------
    curve : DataFrame
        Rows of a `WhatIfCurves` frame: one feature, level, quantity and output.
    distribution : DataFrame, default=None
        Columns left, right, share; None draws none.
    quantity_label : str, default=None
        Name of the vertical axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection
    >>> from agnostix.plotting import WhatIfCurveDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> curves = EntropicProjection().fit(X, y).explain(features="petal width (cm)")
    >>> display = WhatIfCurveDisplay.from_explanation(curves, "petal width (cm)").plot()
    >>> len(display.frame())
    41
    """

    curve: pd.DataFrame
    distribution: pd.DataFrame | None = None
    quantity_label: str | None = None

    @classmethod
    def from_explanation(
        cls,
        curves: WhatIfCurves,
        feature: str,
        *,
        level: Any = None,
        output: str | None = None,
        quantity: str | None = None,
    ) -> WhatIfCurveDisplay:
        """Select one curve, or one for each group.

        Parameters
        ----------
        curves : WhatIfCurves
            The result of `EntropicProjection.explain`.
        feature : str
            The column.
        level : object, default=None
            The level, for a column of labels.
        output, quantity : str, default=None
            Names of output and quantity; the last output and the first quantity by default.

        Returns
        -------
        WhatIfCurveDisplay
        """
        chosen = curves.sel(features=feature)
        frame = chosen.frame
        quantity = frame["quantity"].iloc[0] if quantity is None else quantity
        frame = frame[frame["quantity"] == quantity]
        output = frame["output"].iloc[-1] if output is None else output
        frame = frame[frame["output"] == output] if output is not None else frame
        levels = list(dict.fromkeys(frame["level"]))
        if level is None and levels not in ([None], []):
            raise ValueError(
                f"The feature {feature!r} holds labels: say which level, one of "
                f"{', '.join(repr(known) for known in levels[:12])}."
            )
        if level is not None:
            frame = frame[frame["level"] == level]
        if frame.empty:
            raise ValueError(
                f"There is no curve of {feature!r} with level {level!r}, quantity {quantity!r} and output "
                f"{output!r}."
            )
        distribution = chosen.distributions if level is None else None
        return cls(frame.reset_index(drop=True), distribution, describe_metric(quantity, output))

    @classmethod
    def from_explainer(
        cls, explainer: Any, feature: str, *, level: Any = None, output: str | None = None, **explain: Any
    ) -> WhatIfCurveDisplay:
        """Compute a curve.

        Parameters
        ----------
        explainer : EntropicProjection
            A fitted explainer.
        feature : str
            The column.
        level : object, default=None
            The level, for a column of labels.
        output : str, default=None
            Name of the output; the last by default.
        **explain : dict
            Passed to `explain`: targets, metric, by.

        Returns
        -------
        WhatIfCurveDisplay
        """
        curves = explainer.explain(features=feature, **explain)
        return cls.from_explanation(curves, feature, level=level, output=output)

    def _figsize(self) -> tuple[float, float]:
        return 6.4, 3.4

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        groups = list(dict.fromkeys(self.curve["group"]))
        for j, group in enumerate(groups):
            own = self.curve["group"].isna() if group is None else self.curve["group"] == group
            label = None if group is None else shorten(str(group))
            self._draw_curve(self.curve[own], factor, SERIES[j % len(SERIES)], label)
        self._low, self._high = self.ax_.get_ylim()
        if self.distribution is not None and len(self.distribution):
            self._draw_distribution(self.distribution, groups)
        self._name_axes(suffix)
        if len(groups) > 1:
            self.ax_.legend(frameon=False)

    def _draw_curve(self, curve: pd.DataFrame, factor: float, color: str, label: str | None) -> None:
        curve = curve.sort_values("target")
        x, y, low, high = (curve[name].to_numpy(dtype=float) for name in ("target", "value", "low", "high"))
        solid = (curve["status"] == "ok").to_numpy()
        for part, weight in ((solid, 1.0), (~solid, 0.4)):
            reach = _with_neighbors(part)
            self.ax_.fill_between(
                x, factor * low, factor * high, where=reach, color=color, alpha=0.22 * weight, linewidth=0
            )
            line = np.where(reach, factor * y, np.nan)
            self.ax_.plot(x, line, color=color, alpha=weight, lw=2, label=label if weight == 1.0 else None)
        as_it_is = (curve["kl"] < _NO_MOVE).to_numpy()
        self.ax_.plot(x[as_it_is], factor * y[as_it_is], "o", color=color, ms=6, zorder=4)

    def _draw_distribution(self, distribution: pd.DataFrame, groups: list[Any]) -> None:
        targets = self.curve["target"].to_numpy(dtype=float)
        low, high = self._low, self._high
        floor, depth = low - 0.16 * (high - low), 0.13 * (high - low)
        for group, bars in distribution.groupby("group", sort=False, dropna=False):
            alone = len(groups) == 1 or group not in groups
            color = FAINT if alone else SERIES[groups.index(group) % len(SERIES)]
            width = bars["right"] - bars["left"]
            density = bars["share"] / width
            look = {"align": "edge", "color": color, "alpha": 1.0 if alone else 0.3, "linewidth": 0}
            self.ax_.bar(bars["left"], density / density.max() * depth, width, floor, **look)
        self.ax_.set_ylim(floor, high)
        margin = 0.02 * np.ptp(targets)
        self.ax_.set_xlim(targets.min() - margin, targets.max() + margin)

    def _name_axes(self, suffix: str) -> None:
        first = self.curve.iloc[0]
        named = first["feature"] if first["level"] is None else f"{first['feature']} = {first['level']}"
        what = "average" if first["level"] is None else "proportion"
        self.ax_.set_xlabel(shorten(f"{what} of {named}", 60), parse_math=False)
        if self.quantity_label:
            self.ax_.set_ylabel(shorten(self.quantity_label, 40), color=INK, parse_math=False)
        self.ax_.locator_params(axis="x", nbins=6)
        self.ax_.grid(axis="y")
        self.ax_.tick_params(length=3, color=MUTED)
        self.ax_.set_yticks([tick for tick in self.ax_.get_yticks() if self._low <= tick <= self._high])
        if suffix:
            self.ax_.yaxis.set_major_formatter(lambda value, _: f"{value:g}{suffix}")


def _with_neighbors(part: Bools) -> Bools:
    """Points of a part and those next to them, so that parts meet."""
    grown = part.copy()
    grown[1:] |= part[:-1]
    return grown if part.any() else part
