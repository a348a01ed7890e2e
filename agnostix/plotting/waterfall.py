"""Why this row: from the base value to the output."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.plotting.attributions import check_most, one_row_of, output_index, row_index
from agnostix.plotting.fidelity import Fidelity
from agnostix.plotting.marks import draw_interval, limits, write_fidelity, write_ticks
from agnostix.plotting.steps import ENDS, steps_of_row
from agnostix.plotting.style import (
    ACCENT,
    CONTRAST,
    FAINT,
    INK,
    MUTED,
    PAPER,
    axes_for,
    house_style,
)
from agnostix.plotting.words import called, in_lines, number_words

_DIGIT = 6.6
"""Room of a character among the numbers, in points."""
_FILLS = {"base": PAPER, "surrogate": MUTED, "output": INK}
"""What fills the dots."""
_SUMS = ("others", "remainder")
"""Steps with bounds for errors, which may be so wide that the picture leaves out their ends."""


class WaterfallDisplay:
    """One row's way from the base value to the output, the largest values first.

    A bar to the right raises the output, one to the left lowers it; the line
    through its end is the confidence interval of its value, dotted where the
    error is not known. Beside it stands the value, with half the interval's width.
    Unless the explanation is additive, its values need not sum to the output,
    and what is missing is a bar of its own. A surrogate's way ends at its own
    answer, a grey dot, from which the gap leads to the model's; above it stands
    how far the surrogate may be believed.

    Parameters
    ----------
    steps : DataFrame
        From top to bottom: step ("base", "feature", "others", "remainder",
        "surrogate", "gap" or "output"), label, said (a feature's condition or word in
        the row; None without one), data, value, std_error (NaN where it is not told),
        low, high, start, end; in model output units.
    output_name : str, default="output"
        What is explained.
    fidelity : str, default=""
        How far it may be believed, written above.
    is_poor : bool, default=False
        Whether that is a warning.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.plotting import WaterfallDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = OcclusionExplainer(LinearRegression().fit(X, y), random_state=0).fit(X)
    >>> display = WaterfallDisplay.from_explainer(explainer, X, row=3, max_features=4).plot()
    >>> display.frame()["label"].tolist()
    ['base value', 's5', 's2', 's1', 'bp', '6 other features', 'not explained by the sum', 'output']
    """

    def __init__(
        self, steps: pd.DataFrame, output_name: str = "output", fidelity: str = "", is_poor: bool = False
    ) -> None:
        self.steps = steps
        self.output_name = output_name
        self.fidelity = fidelity
        self.is_poor = is_poor

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        row: Hashable = 0,
        output: str | int | None = None,
        max_features: int = 10,
        confidence_level: float = 0.95,
    ) -> WaterfallDisplay:
        """Take one row and one output.

        Parameters
        ----------
        explanation : Explanation
            What an explainer's `explain` returned.
        row : int or hashable, default=0
            Place of the row, or its name, which is no integer.
        output : str or int, default=None
            Name or place of the output; by default the only one, or the last of two.
        max_features : int, default=10
            How many have a bar of their own; the others are summed. The sum's
            error is that of errors that all go the same way, which is never too small.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.

        Returns
        -------
        WaterfallDisplay
        """
        check_most(max_features)
        k, i = output_index(explanation, output), row_index(explanation, row)
        steps = steps_of_row(explanation, i, k, max_features, confidence_level)
        told = Fidelity.of(explanation, i, k, confidence_level)
        fidelity, is_poor = (told.words, told.is_poor) if told else ("", False)
        return cls(steps, explanation.output_names[k], fidelity, is_poor)

    @classmethod
    def from_explainer(
        cls,
        explainer: Any,
        X: Any,
        *,
        row: Hashable = 0,
        output: str | int | None = None,
        max_features: int = 10,
        confidence_level: float = 0.95,
        **explain: Any,
    ) -> WaterfallDisplay:
        """Explain one row and take it.

        Parameters
        ----------
        explainer : BaseExplainer
            A fitted one.
        X : DataFrame or array-like of shape (n_rows, n_columns)
            The rows; where `row` is a place, only that row is explained.
        row : int or hashable, default=0
            Place of the row, or its name, which is no integer.
        output : str or int, default=None
            Name or place of the output; by default the only one, or the last of two.
        max_features : int, default=10
            How many have a bar of their own.
        confidence_level : float, default=0.95
            Nominal coverage of each interval.
        **explain : dict
            Passed to `explain`.

        Returns
        -------
        WaterfallDisplay
        """
        X, row = one_row_of(X, row)
        return cls.from_explanation(
            explainer.explain(X, **explain),
            row=row,
            output=output,
            max_features=max_features,
            confidence_level=confidence_level,
        )

    def frame(self) -> pd.DataFrame:
        """The data behind the picture, from top to bottom.

        Returns
        -------
        DataFrame
        """
        return self.steps.copy()

    def plot(self, ax: Any = None, *, factor: float = 1.0, suffix: str = "") -> WaterfallDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; a new figure by default.
        factor : float, default=1.0
            All numbers are multiplied by it, for example to per cent.
        suffix : str, default=""
            Unit after the numbers of the horizontal axis.

        Returns
        -------
        self : WaterfallDisplay
        """
        with house_style():
            self.ax_, self.figure_ = axes_for(ax, 7.2, 0.8 + 0.31 * len(self.steps))
            drawn = self.steps.copy()
            drawn[["value", "low", "high", "start", "end"]] *= factor
            drawn["place"] = np.arange(len(drawn))[::-1]
            self._draw_ends(drawn)
            for step in drawn.to_dict("records"):
                if step["step"] not in ENDS:
                    self._draw(step)
            self._draw_links(drawn)
            self._name_axes(drawn, suffix)
            self._write_numbers(drawn)
            write_fidelity(self.ax_, self.fidelity, self.is_poor)
        return self

    def _draw(self, step: dict[Any, Any]) -> None:
        """A bar, and through its end the interval of its value."""
        place, start, end = step["place"], step["start"], step["end"]
        colour = ACCENT if step["value"] >= 0 else CONTRAST
        fill: dict[str, Any] = {"color": colour, "linewidth": 0}
        if step["step"] in ("remainder", "gap"):
            fill = {"facecolor": FAINT, "edgecolor": MUTED, "linewidth": 0.8}
        elif step["step"] == "others":
            fill["alpha"] = 0.55
        self.ax_.barh(place, end - start, 0.56, left=start, **fill)
        if not np.isnan(step["std_error"]):
            draw_interval(self.ax_, place, *_reach(step))

    def _draw_ends(self, drawn: pd.DataFrame) -> None:
        for end in drawn[drawn["step"].isin(ENDS)].to_dict("records"):
            look = {"color": INK, "mfc": _FILLS[end["step"]], "ms": 5.5, "mew": 1.5, "zorder": 4}
            self.ax_.plot(end["value"], end["place"], "o", **look)
            if not np.isnan(end["std_error"]):
                draw_interval(self.ax_, end["place"], end["low"], end["high"])

    def _draw_links(self, drawn: pd.DataFrame) -> None:
        """Where one bar ends, the next begins."""
        places, ends = drawn["place"].to_numpy(), drawn["end"].to_numpy()
        self.ax_.vlines(ends[:-1], places[1:], places[:-1], color=MUTED, lw=0.7, zorder=0.9)

    def _name_axes(self, drawn: pd.DataFrame, suffix: str) -> None:
        names = [called(*told) for told in drawn[["label", "data", "said"]].itertuples(index=False)]
        self.ax_.set_yticks(drawn["place"], names, color=INK, parse_math=False)
        self.ax_.set_ylim(-0.6, len(drawn) - 0.4)
        self.ax_.set_xlabel(in_lines(self.output_name), parse_math=False)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_xlim(limits(drawn[["start", "end"]], *_reach(drawn[~drawn["step"].isin(_SUMS)])))
        self.ax_.locator_params(axis="x", nbins=5)
        self.ax_.grid(axis="x")
        self.ax_.spines["left"].set_visible(False)
        write_ticks(self.ax_.xaxis, suffix)

    def _write_numbers(self, drawn: pd.DataFrame) -> None:
        """A column of values and one of half widths, to the right of the picture."""
        bars = ~drawn["step"].isin(ENDS).to_numpy()
        texts = _value_texts(drawn, bars)
        half = (drawn["high"] - drawn["low"]).to_numpy() / 2
        uncertain = half > 0
        margins = number_words(half[uncertain], like=[*drawn["value"][bars], *half[uncertain]])
        width = _DIGIT * max(map(len, texts)) + 6
        for place, text, heavy in zip(drawn["place"], texts, ~bars, strict=True):
            self._write(text, place, width, ha="right", weight="bold" if heavy else "normal")
        for place, margin in zip(drawn["place"][uncertain], margins, strict=True):
            self._write(f"± {margin}", place, width + 4, ha="left", color=MUTED)

    def _write(self, text: str, place: float, offset: float, **look: Any) -> None:
        self.ax_.annotate(
            text,
            (1.0, place),
            (offset, 0),
            xycoords=self.ax_.get_yaxis_transform(),
            textcoords="offset points",
            va="center_baseline",
            fontsize=9,
            annotation_clip=False,
            parse_math=False,
            **look,
        )


def _reach(steps: Any) -> tuple[Any, Any]:
    """Where the intervals lie in the picture: around the ends of the bars, and of base and output."""
    begin = steps["end"] - steps["value"]
    return begin + steps["low"], begin + steps["high"]


def _value_texts(drawn: pd.DataFrame, bars: Any) -> list[str]:
    """Values with their sign, ends without, all with the decimals of the values."""
    values = drawn["value"].to_numpy()
    like = values[bars] if np.abs(values[bars]).max(initial=0.0) > 0 else values
    signed, plain = number_words(values, signed=True, like=like), number_words(values, like=like)
    return [with_sign if bar else text for with_sign, text, bar in zip(signed, plain, bars, strict=True)]
