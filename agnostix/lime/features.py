"""Features of a table as a neighbourhood draws them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy.special import ndtri

from agnostix.core.features import Coding, column_of
from agnostix.core.frames import to_numbers
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.drawing import Drawing

_BELOW_ONE = 1.0 - 1e-9
"""Shares within a bin stay below 1, also after rounding."""


@dataclass(frozen=True)
class Drawn:
    """Values of one feature, drawn n times.

    Attributes
    ----------
    columns : list of Series or array of shape (n,)
        One for each column of the feature.
    trace : ndarray of shape (n,)
        Codes of bins, or numbers in standard deviations from the mean.
    """

    columns: list[Any]
    trace: Any


class Feature(Protocol):
    """One feature of a table: how it is drawn, and what the surrogate sees of it."""

    @property
    def positions(self) -> tuple[int, ...]:
        """Of its columns in the table."""

    @property
    def varies(self) -> bool:
        """Whether more than one value was seen."""

    def centres(self, X: Any) -> Any:
        """Trace of each row of X."""

    def told(self, centres: Any) -> list[str]:
        """What is true of each row, in words; empty where only its value could be said."""

    def is_unseen(self, centres: Any) -> Bools:
        """Whether each row's value is one that is never drawn."""

    def drawn(self, u: Floats) -> Drawn:
        """Values as they were seen in fit."""

    def tilted(self, u: Floats, centre: Any, width: float) -> Drawn:
        """Values nearer to a centre, as a kernel would weight them."""

    def around(self, u: Floats, centre: Any, radius: float) -> Drawn:
        """Values around a centre."""

    def log_weights(self, trace: Any) -> Floats | float:
        """Logarithms of the weights that undo that rare values are drawn more often."""


@dataclass(frozen=True)
class BinnedFeature:
    """A feature that is in the row's bin or not.

    Attributes
    ----------
    positions : tuple of int
        Of its columns in the table.
    coding : Coding
        Its bins or levels.
    seen : ndarray of shape (n_codes,)
        Shares in fit, summing to 1.
    drawing : Drawing
        Values within the bins.
    asked : ndarray of shape (n_codes,)
        Shares with which they are drawn for all rows together.
    """

    positions: tuple[int, ...]
    coding: Coding
    seen: Floats
    drawing: Drawing
    asked: Floats

    @property
    def varies(self) -> bool:
        """Whether more than one bin was seen."""
        return bool(np.count_nonzero(self.seen) > 1)

    def centres(self, X: Any) -> Codes:
        """Code of each row.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        return self.coding.codes(X)

    def is_unseen(self, centres: Codes) -> Bools:
        """Whether each row is in a bin in which none was in fit.

        Parameters
        ----------
        centres : ndarray of int of shape (n_rows,)
            From `centres`.

        Returns
        -------
        ndarray of bool of shape (n_rows,)
        """
        return np.append(self.seen, 0.0)[centres.astype(np.intp)] == 0.0

    def told(self, centres: Codes) -> list[str]:
        """The bin of each row in words.

        Parameters
        ----------
        centres : ndarray of int of shape (n_rows,)
            From `centres`.

        Returns
        -------
        list of str
        """
        words = {int(code): self.coding.describe(int(code)) for code in np.unique(centres)}
        return [words[int(code)] for code in centres]

    def with_asked(self, shares: Floats) -> BinnedFeature:
        """The same, drawn with other shares.

        Parameters
        ----------
        shares : ndarray of shape (n_codes,)
            Summing to 1, 0 where `seen` is.

        Returns
        -------
        BinnedFeature
        """
        return replace(self, asked=shares)

    def drawn(self, u: Floats) -> Drawn:
        """Values of all bins.

        Parameters
        ----------
        u : ndarray of shape (n,)
            From 0 to 1.

        Returns
        -------
        Drawn
        """
        return self._drawn(u, self.asked)

    def tilted(self, u: Floats, centre: int, width: float) -> Drawn:
        """Values of the row's bin more often, as if each other one cost a factor.

        Parameters
        ----------
        u : ndarray of shape (n,)
            From 0 to 1.
        centre : int
            The row's code.
        width : float
            Of the kernel.

        Returns
        -------
        Drawn
        """
        factor = np.exp(-0.5 / width**2)
        shares = np.where(np.arange(self.seen.size) == centre, self.seen, self.seen * factor)
        if not shares.any():
            shares = self.seen  # a row outside all bins, under a kernel that leaves nothing else
        return self._drawn(u, shares / shares.sum())

    def around(self, u: Floats, centre: int, radius: float) -> Drawn:
        """Values as they were seen in fit: bins have no distances.

        Parameters
        ----------
        u : ndarray of shape (n,)
            From 0 to 1.
        centre : int
            Not used.
        radius : float
            Not used.

        Returns
        -------
        Drawn
        """
        return self._drawn(u, self.seen)

    def log_weights(self, trace: Codes) -> Floats | float:
        """How much rarer a bin was in fit than it is drawn.

        Parameters
        ----------
        trace : ndarray of int of shape (n,)
            Codes drawn.

        Returns
        -------
        ndarray of shape (n,) or float
            0 where all is drawn as it was seen.
        """
        if self.asked is self.seen:
            return 0.0
        ratio = np.divide(self.seen, self.asked, out=np.ones_like(self.seen), where=self.asked > 0)
        return np.log(ratio)[trace]

    def _drawn(self, u: Floats, shares: Floats) -> Drawn:
        ends = np.cumsum(shares)
        ends /= ends[-1]
        codes = np.searchsorted(ends, u, side="right")
        starts = np.concatenate([[0.0], ends])[codes]
        within = np.clip((u - starts) / (ends[codes] - starts), 0.0, _BELOW_ONE)
        return Drawn(self.drawing.columns(codes, within), codes.astype(self._compact))

    @property
    def _compact(self) -> Any:
        return np.int16 if self.seen.size < 2**15 else np.int32


@dataclass(frozen=True)
class ScaledFeature:
    """A number, counted in standard deviations from its mean.

    Attributes
    ----------
    positions : tuple of one int
        Of its column in the table.
    name : str
        Of its column.
    mean, sd : float
        In fit; a standard deviation of 0 is that of a constant.
    dtype : dtype
        Of the column; whole numbers are rounded to.
    """

    positions: tuple[int, ...]
    name: str
    mean: float
    sd: float
    dtype: Any

    @property
    def varies(self) -> bool:
        """Whether more than one value was seen."""
        return self.sd > 0

    def centres(self, X: Any) -> Floats:
        """Each row's number of standard deviations.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ndarray of shape (n_rows,)

        Raises
        ------
        DataError
            If one is missing or infinite.
        """
        numbers = to_numbers(column_of(X, self.positions[0]))
        bad = np.flatnonzero(~np.isfinite(numbers))
        if bad.size:
            raise DataError(
                f"Column {self.name!r} is {numbers[bad[0]]} in row {bad[0]} of X, which has no distance from "
                "its mean. Fill it, or use discretizer='quartile', where missing values are a bin."
            )
        return self._scaled(numbers)

    def is_unseen(self, centres: Floats) -> Bools:
        """Never, but for a constant that the row has not.

        Parameters
        ----------
        centres : ndarray of shape (n_rows,)
            From `centres`.

        Returns
        -------
        ndarray of bool of shape (n_rows,)
        """
        return (centres != 0.0) & (self.sd == 0)

    def told(self, centres: Floats) -> list[str]:
        """Nothing: the value says it all.

        Parameters
        ----------
        centres : ndarray of shape (n_rows,)
            From `centres`.

        Returns
        -------
        list of str
        """
        return [""] * len(centres)

    def drawn(self, u: Floats) -> Drawn:
        """Normal values with the mean and spread that were seen.

        Parameters
        ----------
        u : ndarray of shape (n,)
            From 0 to 1.

        Returns
        -------
        Drawn
        """
        return self._drawn(ndtri(u))

    def tilted(self, u: Floats, centre: float, width: float) -> Drawn:
        """Normal values times a normal kernel around the row.

        Parameters
        ----------
        u : ndarray of shape (n,)
            From 0 to 1.
        centre : float
            The row's.
        width : float
            Of the kernel.

        Returns
        -------
        Drawn
        """
        share = width**2 / (1.0 + width**2)
        return self._drawn(centre * (1.0 - share) + np.sqrt(share) * ndtri(u))

    def around(self, u: Floats, centre: float, radius: float) -> Drawn:
        """Normal values around the row.

        Parameters
        ----------
        u : ndarray of shape (n,)
            From 0 to 1.
        centre : float
            The row's.
        radius : float
            In standard deviations of the column.

        Returns
        -------
        Drawn
        """
        return self._drawn(centre + radius * ndtri(u))

    def log_weights(self, trace: Floats) -> float:
        """All is drawn as it was seen.

        Parameters
        ----------
        trace : ndarray of shape (n,)
            Not used.

        Returns
        -------
        float
        """
        return 0.0

    def _scaled(self, numbers: Floats) -> Floats:
        return (numbers - self.mean) / (self.sd or 1.0)

    def _drawn(self, z: Floats) -> Drawn:
        column = _as_dtype(self.mean + self.sd * z, self.dtype)
        return Drawn([column], z if self.dtype.kind == "f" else self._scaled(column.astype(float)))


def _as_dtype(numbers: Floats, dtype: Any) -> Any:
    """Numbers in the type of a column; rounded where it has whole ones, up to its ends."""
    if dtype.kind not in "iu":
        return numbers.astype(dtype, copy=False)
    ends = np.iinfo(dtype)
    largest = np.nextafter(float(ends.max) + 1.0, 0.0)  # the type's own may be no float
    return np.clip(np.rint(numbers), ends.min, np.floor(largest)).astype(dtype)
