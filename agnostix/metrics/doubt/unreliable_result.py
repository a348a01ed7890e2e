"""How well signs of doubt single out wrong predictions: areas under ROC curves, and verdicts in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation.views import table_html
from agnostix.core.typing import Bools, Floats
from agnostix.metrics.comparison.multiple import holm
from agnostix.metrics.doubt.roc import Areas, roc_curve

MARGIN = "margin"
"""The model's own doubt: 1 less the difference of its two largest outputs."""


@dataclass(frozen=True, eq=False, kw_only=True)
class UnreliableResult:
    """How well signs of doubt about an explanation single out wrong predictions.

    Attributes
    ----------
    signals : dict of str to ndarray of shape (n_rows,)
        Greater where there is more doubt; NaN where a row has none. "margin" is the model's own:
        1 less the difference of its two largest outputs.
    is_wrong : ndarray of bool of shape (n_rows,)
        Which predictions are wrong.
    level : float
        Of the intervals; 1 - level is that of Holm's tests over the explanation's signals.
    n_model_rows : int
        Rows that the model evaluated.
    method : str
        Of the explanation.
    notes : tuple of str
        What a reader should know.
    """

    signals: dict[str, Floats]
    is_wrong: Bools
    level: float = 0.95
    n_model_rows: int = 0
    method: str = ""
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Give areas under ROC curves, and how they differ from that of the margin.

        Returns
        -------
        DataFrame
            A line for each signal: signal, n_wrong, n_right, auc, low, high, p_holm (that of an area
            of 0.5), difference (from the margin's on the same rows), difference_low,
            difference_high, difference_p_holm.
        """
        return self._table.copy()

    def curve(self, signal: str) -> tuple[Floats, Floats]:
        """Give a ROC curve.

        Parameters
        ----------
        signal : str
            A key of `signals`.

        Returns
        -------
        false, hits : ndarray of shape (n_points,)
            Proportions of right and of wrong predictions with the signal above a threshold.

        Raises
        ------
        KeyError
            If there is no such signal.
        """
        if signal not in self.signals:
            raise KeyError(f"There is no signal {signal!r}. The signals: {', '.join(self.signals)}.")
        known = np.isfinite(self.signals[signal])
        return roc_curve(self.signals[signal][known], self.is_wrong[known])

    @property
    def verdicts(self) -> tuple[str, ...]:
        """A sentence for each signal: whether it singles out wrong predictions, also beside the margin."""
        return tuple(self._verdict(row) for row in self._table.to_dict("records"))

    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw the ROC curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        **style : dict
            Passed to the Display.

        Returns
        -------
        RocDisplay
        """
        from agnostix.plotting import RocDisplay

        return RocDisplay.from_result(self).plot(ax=ax, **style)

    def __repr__(self) -> str:
        wrong = f"{int(self.is_wrong.sum()):,} of {self.is_wrong.size:,} predictions are wrong"
        head = f"UnreliableResult({self.method!r}: {wrong}; {self.n_model_rows:,} model rows)"
        return "\n  ".join([head, *self.verdicts, *self.notes])

    def _repr_html_(self) -> str:
        lines = [tuple(row) for row in self._table.itertuples(index=False)]
        return table_html(" ".join([*self.verdicts, *self.notes]), list(self._table.columns), lines)

    @cached_property
    def _table(self) -> pd.DataFrame:
        lines = [self._line(name) for name in self.signals]
        table = pd.DataFrame(lines)
        own = (table["signal"] != MARGIN).to_numpy()
        for name in ("p", "difference_p"):
            values = table.pop(name).to_numpy(dtype=float)
            table[f"{name}_holm"] = holm(np.where(own, values, np.nan))
        order = ["signal", "n_wrong", "n_right", "auc", "low", "high", "p_holm", "difference"]
        return table[[*order, "difference_low", "difference_high", "difference_p_holm"]]

    def _line(self, name: str) -> dict[str, Any]:
        """Area, interval and difference from the margin's, on rows that have the signal."""
        signal, margin = self.signals[name], self.signals.get(MARGIN)
        known = np.isfinite(signal)
        wrong = self.is_wrong[known]
        together = [signal[known]] if margin is None else [signal[known], margin[known]]
        areas = Areas.from_signals(np.array(together), wrong)
        low, high = areas.interval(0, self.level)
        has_other = margin is not None and name != MARGIN
        ends = areas.difference(0, 1, self.level) if has_other else (np.nan,) * 4
        names = ("difference", "difference_low", "difference_high", "difference_p")
        return {
            "signal": name,
            "n_wrong": areas.n_positive,
            "n_right": areas.n_negative,
            "auc": float(areas.areas[0]),
            "low": low,
            "high": high,
            "p": areas.p_value(0),
            **dict(zip(names, ends, strict=True)),
        }

    def _verdict(self, row: dict[Any, Any]) -> str:
        area = f"AUC {row['auc']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        if row["signal"] == MARGIN:
            return f"{MARGIN}, the model's own: {area}."
        words = "does not single out wrong predictions"
        if row["p_holm"] < 1.0 - self.level:
            is_greater = row["auc"] > 0.5
            words = (
                "singles out wrong predictions" if is_greater else "is smaller where predictions are wrong"
            )
        if np.isnan(row["difference"]):
            return f"{row['signal']} {words}: {area}."
        beside = "not told apart from the margin's"
        if row["difference_p_holm"] < 1.0 - self.level:
            beside = f"{'above' if row['difference'] > 0 else 'below'} the margin's"
        ends = f"{row['difference_low']:+.2f} to {row['difference_high']:+.2f}"
        return f"{row['signal']} {words}: {area}, {beside} ({row['difference']:+.2f}, {ends})."
