"""Bars that lead from one number to another, one below the other, with intervals and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.plotting.style import (
    ACCENT,
    CONTRAST,
    FAINT,
    INK,
    MUTED,
    PAPER,
    draw_interval,
    find_limits,
    name_rows,
    write_ticks,
)
from agnostix.plotting.words import format_numbers, label_in_row, wrap_lines

_DIGIT = 6.6
"""Width of a character among the numbers, in points."""
_FILLS = {"base": PAPER, "surrogate": MUTED, "output": INK}
"""What fills the dots."""
_SUMS = ("others", "remainder")
"""Steps with bounds for errors, which may be so wide that the picture leaves out their ends."""
ENDS = ("base", "surrogate", "output")
"""Steps that are predictions and not changes from one to the next."""
UNKNOWN = "not determined"
"""What is written in place of a value that is NaN, or of a half width without end."""


class StepDrawing:
    """Draws `steps`, the table that `WaterfallDisplay` documents, above the name of its axis."""

    ax_: Any
    steps: pd.DataFrame
    output_name: str

    def _figsize(self) -> tuple[float, float]:
        return 7.2, 0.8 + 0.31 * len(self.steps)

    def _draw(self, factor: float = 1.0, suffix: str = "") -> None:
        drawn = self.steps.copy()
        drawn[["value", "low", "high", "start", "end"]] *= factor
        drawn["place"] = np.arange(len(drawn))[::-1]
        self._draw_ends(drawn)
        for step in drawn.to_dict("records"):
            if np.isnan(step["value"]):
                self._write_unknown(step)
            elif step["step"] not in ENDS:
                self._draw_step(step)
        # Where one bar ends, the next begins.
        places, ends = drawn["place"].to_numpy(), drawn["end"].to_numpy()
        self.ax_.vlines(ends[:-1], places[1:], places[:-1], color=MUTED, lw=0.7, zorder=0.9)
        self._name_axes(drawn, suffix)
        self._write_numbers(drawn)

    def _draw_step(self, step: dict[Any, Any]) -> None:
        """A bar, and through its end the interval of its value."""
        place, start, end = step["place"], step["start"], step["end"]
        color = ACCENT if step["value"] >= 0 else CONTRAST
        fill: dict[str, Any] = {"color": color, "linewidth": 0}
        if step["step"] in ("remainder", "gap"):
            fill = {"facecolor": FAINT, "edgecolor": MUTED, "linewidth": 0.8}
        elif step["step"] == "others":
            fill["alpha"] = 0.55
        self.ax_.barh(place, end - start, 0.56, left=start, **fill)
        if not np.isnan(step["low"]):
            draw_interval(self.ax_, place, *_interval_ends(step))

    def _write_unknown(self, step: dict[Any, Any]) -> None:
        """Words in place of a bar."""
        look = {"va": "center_baseline", "fontsize": 9, "color": MUTED, "style": "italic"}
        self.ax_.annotate(UNKNOWN, (step["end"], step["place"]), (5, 0), textcoords="offset points", **look)

    def _draw_ends(self, drawn: pd.DataFrame) -> None:
        for end in drawn[drawn["step"].isin(ENDS)].to_dict("records"):
            look = {"color": INK, "mfc": _FILLS[end["step"]], "ms": 5.5, "mew": 1.5, "zorder": 4}
            self.ax_.plot(end["value"], end["place"], "o", **look)
            if not np.isnan(end["low"]):
                draw_interval(self.ax_, end["place"], end["low"], end["high"])

    def _name_axes(self, drawn: pd.DataFrame, suffix: str) -> None:
        names = [label_in_row(*row) for row in drawn[["label", "data", "condition"]].itertuples(index=False)]
        name_rows(self.ax_, names)
        self.ax_.set_xlabel(wrap_lines(self.output_name), parse_math=False)
        bounded = drawn[~drawn["step"].isin(_SUMS)]
        self.ax_.set_xlim(find_limits(drawn[["start", "end"]], *_interval_ends(bounded)))
        self.ax_.locator_params(axis="x", nbins=5)
        self.ax_.grid(axis="x")
        write_ticks(self.ax_.xaxis, suffix)

    def _write_numbers(self, drawn: pd.DataFrame) -> None:
        """Columns of values and of half widths, to the right of the axes."""
        bars = ~drawn["step"].isin(ENDS).to_numpy()
        texts = _value_texts(drawn, bars)
        half = (drawn["high"] - drawn["low"]).to_numpy() / 2
        uncertain = half > 0
        margins = format_numbers(half[uncertain], like=[*drawn["value"][bars], *half[uncertain]])
        width = _DIGIT * max(map(len, texts)) + 6
        for place, text, heavy in zip(drawn["place"], texts, ~bars, strict=True):
            self._write(text, place, width, ha="right", weight="bold" if heavy else "normal")
        for place, margin, is_known in zip(
            drawn["place"][uncertain], margins, np.isfinite(half[uncertain]), strict=True
        ):
            self._write(f"± {margin}" if is_known else UNKNOWN, place, width + 4, ha="left", color=MUTED)

    def _write(self, text: str, place: float, offset: float, **look: Any) -> None:
        across = self.ax_.get_yaxis_transform()
        look |= {"va": "center_baseline", "fontsize": 9, "annotation_clip": False, "parse_math": False}
        self.ax_.annotate(
            text, (1.0, place), (offset, 0), xycoords=across, textcoords="offset points", **look
        )


def _interval_ends(steps: Any) -> tuple[Any, Any]:
    """Positions of the intervals: around the ends of bars, base value and output."""
    begin = steps["end"] - steps["value"]
    return begin + steps["low"], begin + steps["high"]


def _value_texts(drawn: pd.DataFrame, bars: Any) -> list[str]:
    """Values with a sign, base value and outputs without, all with the same decimals."""
    values = drawn["value"].to_numpy()
    like = values[bars] if np.nan_to_num(np.abs(values[bars])).max(initial=0.0) > 0 else values
    signed, plain = format_numbers(values, signed=True, like=like), format_numbers(values, like=like)
    texts = [with_sign if bar else text for with_sign, text, bar in zip(signed, plain, bars, strict=True)]
    is_unknown = np.isnan(values) | (bars & np.isneginf(drawn["low"]) & np.isposinf(drawn["high"]))
    return ["–" if unknown else text for unknown, text in zip(is_unknown, texts, strict=True)]


def place_steps(frame: pd.DataFrame) -> pd.DataFrame:
    """Steps with where each begins and ends; what is unknown changes nothing."""
    is_end, values = frame["step"].isin(ENDS).to_numpy(), np.nan_to_num(frame["value"].to_numpy(dtype=float))
    reached: Floats = values[0] + np.cumsum(np.where(is_end, 0.0, values))
    return frame.assign(
        start=np.where(is_end, values, [values[0], *reached[:-1]]),
        end=np.where(is_end, values, reached),
    )
