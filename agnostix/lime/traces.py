"""What a surrogate sees of draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.features import BinnedFeature, Feature


@dataclass(frozen=True)
class Traces:
    """Draws of all features, compactly.

    Attributes
    ----------
    is_binned : ndarray of bool of shape (n_features,)
        Whether a feature is a bin, or a number in standard deviations.
    codes : ndarray of int of shape (n_binned, n)
        Bins drawn.
    numbers : ndarray of shape (n_scaled, n)
        Numbers drawn.
    log_weights : ndarray of shape (n,)
        Of the weights that undo that rare values are drawn more often.
    """

    is_binned: Bools
    codes: Codes
    numbers: Floats
    log_weights: Floats

    @classmethod
    def of(cls, features: Sequence[Feature], traces: Sequence[Any], weighted: bool) -> Traces:
        """Put the traces of features together.

        Parameters
        ----------
        features : sequence of Feature
            All of them.
        traces : sequence of ndarray of shape (n,)
            Of each.
        weighted : bool
            Whether rare values were drawn more often.

        Returns
        -------
        Traces
        """
        n = traces[0].size
        is_binned = np.array([isinstance(one, BinnedFeature) for one in features])
        pairs = list(zip(features, traces, strict=True))
        codes = [trace for one, trace in pairs if isinstance(one, BinnedFeature)]
        numbers = [trace for one, trace in pairs if not isinstance(one, BinnedFeature)]
        logs = np.zeros(n)
        for one, trace in pairs if weighted else []:
            logs += one.log_weights(trace)
        return cls(
            is_binned,
            np.stack(codes) if codes else np.empty((0, n), dtype=np.int16),
            np.stack(numbers) if numbers else np.empty((0, n)),
            logs,
        )

    @property
    def n_draws(self) -> int:
        """How many there are."""
        return self.log_weights.size

    def first(self, n_draws: int) -> Traces:
        """The first draws.

        Parameters
        ----------
        n_draws : int
            How many.

        Returns
        -------
        Traces
        """
        part = slice(0, n_draws)
        return Traces(self.is_binned, self.codes[:, part], self.numbers[:, part], self.log_weights[part])

    def design(self, centre: Floats) -> tuple[Floats, Floats, Floats]:
        """What differs between draws and a row.

        Parameters
        ----------
        centre : ndarray of shape (n_features,)
            The row's bins and numbers.

        Returns
        -------
        design : ndarray of shape (n_features, n)
            1 in the row's bin and else 0; a number in standard deviations from the mean.
        own : ndarray of shape (n_features,)
            The same of the row itself.
        squares : ndarray of shape (n,)
            Squared distances to the row.
        """
        codes = centre[self.is_binned].astype(np.intp)
        same = self.codes == codes[:, None]
        numbers = centre[~self.is_binned]
        squares = (codes.size - same.sum(axis=0, dtype=np.int32)).astype(float)
        if not numbers.size:
            return same.astype(float), np.ones(codes.size), squares
        squares += np.square(self.numbers - numbers[:, None]).sum(axis=0)
        design = np.empty((centre.size, self.n_draws))
        design[self.is_binned], design[~self.is_binned] = same, self.numbers
        return design, np.where(self.is_binned, 1.0, centre), squares
