"""Numbers as a reader wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MINUS = "\u2212"
THIN_SPACE = "\u202f"
DASH = "\u2013"


def number(value: float, digits: int = 3) -> str:
    """A number with a stated count of significant digits, never in powers of ten where avoidable.

    Parameters
    ----------
    value : float
        The number.
    digits : int, default=3
        Significant digits.

    Returns
    -------
    str
    """
    if not np.isfinite(value):
        return DASH
    if value == 0.0:
        return "0"
    size = int(np.floor(np.log10(abs(value))))
    if size >= 9 or size < -4:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    text = f"{value:,.{max(digits - 1 - size, 0)}f}".replace(",", THIN_SPACE)
    return text.replace("-", MINUS)


def whole(value: float) -> str:
    """A count, its thousands set apart.

    Parameters
    ----------
    value : float
        The count; rounded.

    Returns
    -------
    str
    """
    return f"{value:,.0f}".replace(",", THIN_SPACE)


def percent(share: float, decimals: int = 0) -> str:
    """A share in per cent.

    Parameters
    ----------
    share : float
        Between 0 and 1.
    decimals : int, default=0
        Digits after the point; more are shown where it would print as 0 or 100.

    Returns
    -------
    str
    """
    while decimals < 4 and 0.0 < share < 1.0 and float(f"{100 * share:.{decimals}f}") in (0.0, 100.0):
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
            half = 0.01 * float(np.nanmax(np.abs(np.asarray(values, dtype=float)), initial=1e-9))
            half *= 100.0 if share else 1.0
        decimals = int(np.clip(np.ceil(-np.log10(half / 3.0)), 0, 6))
        return cls(share, min(decimals, 2) if share else decimals)

    @property
    def factor(self) -> float:
        """What the outcome is multiplied by."""
        return 100.0 if self.share else 1.0

    @property
    def suffix(self) -> str:
        """Unit of a value."""
        return THIN_SPACE + "%" if self.share else ""

    def value(self, value: float) -> str:
        """A value of the outcome.

        Parameters
        ----------
        value : float
            In model output units.

        Returns
        -------
        str
        """
        if not np.isfinite(value):
            return DASH
        return self._digits(self.factor * value) + self.suffix

    def interval(self, low: float, high: float) -> str:
        """An interval of the outcome.

        Parameters
        ----------
        low, high : float
            In model output units.

        Returns
        -------
        str
        """
        if not (np.isfinite(low) and np.isfinite(high)):
            return DASH
        joint = f" to {MINUS}" if high < 0 else DASH
        last = (
            self._digits(self.factor * high).lstrip(MINUS) if high < 0 else self._digits(self.factor * high)
        )
        return self._digits(self.factor * low) + joint + last + self.suffix

    def change(self, change: float) -> str:
        """A difference between two values of the outcome, with its sign.

        Parameters
        ----------
        change : float
            In model output units.

        Returns
        -------
        str
        """
        if not np.isfinite(change):
            return DASH
        text = self._digits(self.factor * change)
        sign = "+" if change > 0 and any(digit in text for digit in "123456789") else ""
        return sign + text + (" points" if self.share else "")

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
    shown = percent(ess_fraction)
    if ess_fraction >= 0.5:
        return f"Close to the data: {shown} effective rows."
    if ess_fraction >= 0.2:
        return f"Some way from the data: {shown} effective rows."
    return f"Far from the data: only {shown} effective rows."
