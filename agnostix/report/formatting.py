"""Numbers and lists as text for a reader, and values as JSON takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

MINUS = "\u2212"
THIN_SPACE = "\u202f"
DASH = "\u2013"
LABEL_WIDTH = 60
"""Characters of a feature and its value in a sentence."""
_IN_COLUMN_UNITS = ("target", "start", "before", "after", "reached")
"""Columns of results that may lie far from 0, like years, and need more digits."""


def is_known(value: float | None) -> bool:
    """Whether a number is neither None, NaN nor infinite."""
    return value is not None and bool(np.isfinite(value))


def number(value: float | None, digits: int = 3) -> str:
    """A number with some significant digits, in powers of ten only if it must be; a dash if unknown."""
    if value is None or not is_known(value):
        return DASH
    if value == 0.0:
        return "0"
    # The size of the rounded number: 9.996 with three digits is 10.0.
    size = int(f"{value:.{digits - 1}e}".partition("e")[2])
    if size >= max(9, digits) or size < -4:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    text = f"{value:,.{max(digits - 1 - size, 0)}f}".replace(",", THIN_SPACE)
    return text.replace("-", MINUS)


def distinguishing_digits(values: Any, digits: int = 3) -> int:
    """Significant digits, at least `digits` and at most 12, that leave two for the range of the values."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    spread, largest = np.ptp(known) if known.size else 0.0, np.abs(known).max(initial=0.0)
    if spread <= 0.0:
        return digits
    sizes = np.floor(np.log10([largest, spread]))
    return int(np.clip(sizes[0] - sizes[1] + 2, digits, 12))


def count(value: float | None) -> str:
    """A rounded count with its thousands set apart; a dash if unknown."""
    return f"{value:,.0f}".replace(",", THIN_SPACE) if is_known(value) else DASH


def percent(proportion: float | None, decimals: int = 0) -> str:
    """A proportion in percent, with up to 4 decimals where it would print as 0 or 100."""
    if proportion is None or not is_known(proportion):
        return DASH
    if 5e-7 < proportion < 1.0 - 5e-7:
        while decimals < 4 and float(f"{100 * proportion:.{decimals}f}") in (0.0, 100.0):
            decimals += 1
    return f"{100 * proportion:.{decimals}f}".replace("-", MINUS) + THIN_SPACE + "%"


@dataclass(frozen=True)
class Scale:
    """How values in model output units are written."""

    in_percent: bool  # whether 0.5 is written as 50 %
    decimals: int

    @classmethod
    def from_interval(cls, values: Any, half_width: float, in_percent: bool) -> Scale:
        """As many decimals as half the width of a typical interval leaves meaning."""
        half = half_width * (100.0 if in_percent else 1.0)
        if not (np.isfinite(half) and half > 0.0):
            known = np.abs(np.asarray(values, dtype=float))
            half = 0.01 * float(known[np.isfinite(known)].max(initial=0.0))
            half *= 100.0 if in_percent else 1.0
        decimals = int(np.clip(np.ceil(-np.log10(half / 3.0)), 0, 6)) if half > 0.0 else 2
        return cls(in_percent, min(decimals, _most_decimals(values)) if in_percent else decimals)

    @classmethod
    def from_contributions(cls, values: Any, in_percent: bool) -> Scale:
        """Three digits of the largest value, as in the figures of contributions."""
        known = np.abs(np.asarray(values, dtype=float)) * (100.0 if in_percent else 1.0)
        largest = float(known[np.isfinite(known)].max(initial=0.0))
        return cls(in_percent, int(np.clip(2 - np.floor(np.log10(largest)), 0, 9)) if largest > 0.0 else 2)

    @property
    def factor(self) -> float:
        """From model output units to what is written."""
        return 100.0 if self.in_percent else 1.0

    @property
    def suffix(self) -> str:
        """Unit of a value."""
        return THIN_SPACE + "%" if self.in_percent else ""

    def value(self, value: float | None) -> str:
        """A value of the outcome."""
        if value is None or not is_known(value):
            return DASH
        return self._digits(self.factor * value) + self.suffix

    def interval(self, low: float | None, high: float | None) -> str:
        """An interval of the outcome."""
        if low is None or high is None or not (is_known(low) and is_known(high)):
            return DASH
        first, last = (self._digits(self.factor * end) for end in (low, high))
        return first + (" to " if MINUS in first + last else DASH) + last + self.suffix

    def change(self, change: float | None) -> str:
        """A signed difference of two values of the outcome."""
        if change is None or not is_known(change):
            return DASH
        text = self._digits(self.factor * change)
        sign = "+" if change > 0 and any(digit in text for digit in "123456789") else ""
        return sign + text + (" points" if self.in_percent else "")

    def change_interval(self, low: float | None, high: float | None) -> str:
        """An interval of a difference, each end with its sign."""
        if low is None or high is None or not (is_known(low) and is_known(high)):
            return DASH
        first, last = (self.change(end).removesuffix(" points") for end in (low, high))
        return f"{first} to {last}"

    def _digits(self, value: float) -> str:
        text = f"{value:,.{self.decimals}f}".replace(",", THIN_SPACE).replace("-", MINUS)
        return text.replace(MINUS, "") if not any(c in "123456789" for c in text) else text


def _most_decimals(values: Any) -> int:
    """Decimals of percentages: two, or more where all would be 0 or 100 with these and are not."""
    shares = np.asarray(values, dtype=float)
    shares = shares[np.isfinite(shares)]
    rare = 100.0 * float(np.minimum(np.abs(shares), np.abs(1.0 - shares)).max(initial=0.0))
    return int(np.clip(1 - np.floor(np.log10(rare)), 2, 9)) if rare > 0.0 else 2


def join_words(words: list[str], most: int = 6) -> str:
    """Words joined by commas and a last "and", those after the first `most` only counted."""
    shown = words if len(words) <= most else [*words[:most], f"{len(words) - most} more"]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]


def describe_ess(ess_fraction: float) -> str:
    """An effective sample size, as a fraction of the data's, and how far from the data that is."""
    ess_fraction = min(ess_fraction, 1.0)  # unequal base weights may be evened out
    if ess_fraction >= 0.5:
        distance = "close to the data"
    elif ess_fraction >= 0.2:
        distance = "some way from the data"
    else:
        distance = "far from the data, with few rows to rest on"
    return f"Effective sample size {percent(ess_fraction)}: {distance}."


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as dicts of plain values."""
    return [
        {str(key): plain(value, significant_digits(str(key))) for key, value in row.items()}
        for row in frame.to_dict("records")
    ]


def plain(value: Any, digits: int = 12) -> Any:
    """A value as int, bool, text, None or a float of some significant digits; others as their text."""
    if isinstance(value, float | np.floating):
        return rounded(float(value), digits)
    if isinstance(value, np.generic):
        return plain(value.item(), digits)
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def significant_digits(column: str) -> int:
    """Significant digits of a column of results."""
    return 12 if column in _IN_COLUMN_UNITS else 6


def rounded(value: float, digits: int = 6) -> float | None:
    """A number of some significant digits; None for what JSON cannot hold."""
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None
