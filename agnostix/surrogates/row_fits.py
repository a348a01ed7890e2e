"""Surrogates near many rows, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from agnostix.surrogates.local_fit import LocalFit
from agnostix.typing import Bools, Codes, Floats


@dataclass(frozen=True)
class RowFits:
    """What `LocalFit` tells, row by row.

    Attributes
    ----------
    effects, std_errors : ndarray of shape (n_rows, n_features, n_outputs)
        Effects and their errors.
    own_design : ndarray of shape (n_rows, n_features)
        By what effects are multiplied for the rows themselves.
    output, output_std_errors, r2, r2_std_errors, margin : ndarray of shape (n_rows, n_outputs)
        The surrogates' answers for the rows, how well they fit, and how sure the choice of features is.
    selected : ndarray of bool of shape (n_rows, n_features, n_outputs)
        Features that are used.
    effective : ndarray of shape (n_rows,)
        Draws of equal weight that would tell as much.
    n_draws : ndarray of int of shape (n_rows,)
        Draws.
    """

    effects: Floats
    std_errors: Floats
    own_design: Floats
    output: Floats
    output_std_errors: Floats
    r2: Floats
    r2_std_errors: Floats
    selected: Bools
    margin: Floats
    effective: Floats
    n_draws: Codes

    @classmethod
    def of(cls, fits: Sequence[tuple[Floats, ...]], n_draws: int) -> RowFits:
        """Stack the fits of rows.

        Parameters
        ----------
        fits : sequence of tuple of ndarray
            From `LocalFit.arrays`.
        n_draws : int
            Draws of each.

        Returns
        -------
        RowFits
        """
        names = [one.name for one in fields(LocalFit)]
        stacked = [np.stack(arrays) for arrays in zip(*fits, strict=True)]
        return cls(**dict(zip(names, stacked, strict=True)), n_draws=np.full(len(fits), n_draws))

    def take(self, rows: Codes) -> RowFits:
        """Some rows, in the order asked for.

        Parameters
        ----------
        rows : ndarray of int of shape (n,)
            Which.

        Returns
        -------
        RowFits
        """
        return RowFits(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def put(self, rows: Codes, other: RowFits) -> None:
        """Replace some rows.

        Parameters
        ----------
        rows : ndarray of int of shape (n,)
            Which.
        other : RowFits
            By what, n rows.
        """
        for one in fields(self):
            getattr(self, one.name)[rows] = getattr(other, one.name)
