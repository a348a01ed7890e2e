"""Numbers as a reader wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MINUS = "\u2212"
THIN_SPACE = "\u202f"
DASH = "\u2013"
ROOM = 60
"""Characters of a feature and its value in a sentence."""


def is_known(value: float | None) -> bool:
    """Tell a number that can be written from None, NaN and infinity.

    Parameters
    ----------
    value : float or None
        The number.

    Returns
    -------
    bool
    """
    return value is not None and bool(np.isfinite(value))


def number(value: float | None, digits: int = 3) -> str:
    """A number with a stated count of significant digits, never in powers of ten where avoidable.

    Parameters
    ----------
    value : float or None
        The number; a dash is written where it is not known.
    digits : int, default=3
        Significant digits.

    Returns
    -------
    str
    """
    if value is None or not is_known(value):
        return DASH
    if value == 0.0:
        return "0"
    size = int(f"{value:.{digits - 1}e}".partition("e")[2])  # of the rounded number
    if size >= max(9, digits) or size < -4:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    text = f"{value:,.{max(digits - 1 - size, 0)}f}".replace(",", THIN_SPACE)
    return text.replace("-", MINUS)


def digits_apart(values: Any, digits: int = 3) -> int:
    """Significant digits at which numbers that are read side by side differ.

    Parameters
    ----------
    values : array-like of float
        The numbers, such as years, that may lie close together and far from 0.
    digits : int, default=3
        At least so many.

    Returns
    -------
    int
        Enough for two digits of what lies between the farthest of them, at most 12.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    spread, largest = np.ptp(known) if known.size else 0.0, np.abs(known).max(initial=0.0)
    if spread <= 0.0:
        return digits
    sizes = np.floor(np.log10([largest, spread]))
    return int(np.clip(sizes[0] - sizes[1] + 2, digits, 12))


def whole(value: float | None) -> str:
    """A count, its thousands set apart.

    Parameters
    ----------
    value : float or None
        The count; rounded.

    Returns
    -------
    str
    """
    return f"{value:,.0f}".replace(",", THIN_SPACE) if is_known(value) else DASH


def percent(share: float | None, decimals: int = 0) -> str:
    """A share in per cent.

    Parameters
    ----------
    share : float or None
        Between 0 and 1.
    decimals : int, default=0
        Digits after the point; up to 4 are shown where it would print as 0 or 100.

    Returns
    -------
    str
    """
    if share is None or not is_known(share):
        return DASH
    if 5e-7 < share < 1.0 - 5e-7:
        while decimals < 4 and float(f"{100 * share:.{decimals}f}") in (0.0, 100.0):
            decimals += 1
    return f"{100 * share:.{decimals}f}".replace("-", MINUS) + THIN_SPACE + "%"


@dataclass(frozen=True)
class Scale:
    """How the outcome is written.

    Attributes
    ----------
    share : bool
        Whether it is a share, written in per cent.
    decimals : int
        Digits after the point.
    """

    share: bool
    decimals: int

    @classmethod
    def fitting(cls, values: Any, half_width: float, share: bool) -> Scale:
        """As many digits as the errors leave meaning.

        Parameters
        ----------
        values : array-like of float
            Typical values.
        half_width : float
            Half of a typical interval.
        share : bool
            Whether the outcome is a share.

        Returns
        -------
        Scale
        """
        half = half_width * (100.0 if share else 1.0)
        if not (np.isfinite(half) and half > 0.0):
            known = np.abs(np.asarray(values, dtype=float))
            half = 0.01 * float(known[np.isfinite(known)].max(initial=0.0))
            half *= 100.0 if share else 1.0
        decimals = int(np.clip(np.ceil(-np.log10(half / 3.0)), 0, 6)) if half > 0.0 else 2
        return cls(share, min(decimals, 2) if share else decimals)

    @classmethod
    def of_parts(cls, parts: Any, share: bool) -> Scale:
        """Three digits of the largest of some parts, as in the pictures of them.

        Parameters
        ----------
        parts : array-like of float
            In model output units.
        share : bool
            Whether the outcome is a share.

        Returns
        -------
        Scale
        """
        known = np.abs(np.asarray(parts, dtype=float)) * (100.0 if share else 1.0)
        largest = float(known[np.isfinite(known)].max(initial=0.0))
        return cls(share, int(np.clip(2 - np.floor(np.log10(largest)), 0, 9)) if largest > 0.0 else 2)

    @property
    def factor(self) -> float:
        """What the outcome is multiplied by."""
        return 100.0 if self.share else 1.0

    @property
    def suffix(self) -> str:
        """Unit of a value."""
        return THIN_SPACE + "%" if self.share else ""

    def value(self, value: float | None) -> str:
        """A value of the outcome.

        Parameters
        ----------
        value : float or None
            In model output units.

        Returns
        -------
        str
        """
        if value is None or not is_known(value):
            return DASH
        return self._digits(self.factor * value) + self.suffix

    def interval(self, low: float | None, high: float | None) -> str:
        """An interval of the outcome.

        Parameters
        ----------
        low, high : float or None
            In model output units.

        Returns
        -------
        str
        """
        if low is None or high is None or not (is_known(low) and is_known(high)):
            return DASH
        first, last = (self._digits(self.factor * end) for end in (low, high))
        return first + (" to " if MINUS in first + last else DASH) + last + self.suffix

    def change(self, change: float | None) -> str:
        """A difference between two values of the outcome, with its sign.

        Parameters
        ----------
        change : float or None
            In model output units.

        Returns
        -------
        str
        """
        if change is None or not is_known(change):
            return DASH
        text = self._digits(self.factor * change)
        sign = "+" if change > 0 and any(digit in text for digit in "123456789") else ""
        return sign + text + (" points" if self.share else "")

    def change_interval(self, low: float | None, high: float | None) -> str:
        """An interval of a difference, each end with its sign.

        Parameters
        ----------
        low, high : float or None
            In model output units.

        Returns
        -------
        str
        """
        if low is None or high is None or not (is_known(low) and is_known(high)):
            return DASH
        first, last = (self.change(end).removesuffix(" points") for end in (low, high))
        return f"{first} to {last}"

    def _digits(self, value: float) -> str:
        text = f"{value:,.{self.decimals}f}".replace(",", THIN_SPACE).replace("-", MINUS)
        return text.replace(MINUS, "") if not any(c in "123456789" for c in text) else text


def listed(words: list[str], most: int = 6) -> str:
    """Words joined by commas and a last "and".

    Parameters
    ----------
    words : list of str
        What is listed.
    most : int, default=6
        How many are named.

    Returns
    -------
    str
    """
    shown = words if len(words) <= most else [*words[:most], f"{len(words) - most} more"]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]


def realism(ess_fraction: float) -> str:
    """How far from the data, in words.

    Parameters
    ----------
    ess_fraction : float
        Share of the effective rows that is left.

    Returns
    -------
    str
    """
    ess_fraction = min(ess_fraction, 1.0)  # unequal base weights may be evened out
    shown = percent(ess_fraction)
    if ess_fraction >= 0.5:
        return f"Close to the data: {shown} effective rows."
    if ess_fraction >= 0.2:
        return f"Some way from the data: {shown} effective rows."
    return f"Far from the data: only {shown} effective rows."
