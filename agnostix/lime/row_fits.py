"""Surrogates near many rows, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.lime.local_fit import LocalFit


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
        return cls.stacked([np.stack(arrays) for arrays in zip(*fits, strict=True)], n_draws)

    @classmethod
    def stacked(cls, arrays: Sequence[Numbers], n_draws: int) -> RowFits:
        """The same from stacks.

        Parameters
        ----------
        arrays : sequence of ndarray of n_rows rows
            Those of `LocalFit.arrays`, stacked.
        n_draws : int
            Draws of each row.

        Returns
        -------
        RowFits
        """
        names = [one.name for one in fields(LocalFit)]
        own = dict(zip(names, arrays, strict=True))
        return cls(**own, n_draws=np.full(arrays[0].shape[0], n_draws))

    @classmethod
    def empty(cls, n_rows: int, n_features: int, n_outputs: int) -> RowFits:
        """Room for fits.

        Parameters
        ----------
        n_rows, n_features, n_outputs : int
            The shape.

        Returns
        -------
        RowFits
        """
        cells, by_output = (n_rows, n_features, n_outputs), (n_rows, n_outputs)
        return cls(
            effects=np.zeros(cells),
            std_errors=np.zeros(cells),
            own_design=np.ones((n_rows, n_features)),
            output=np.zeros(by_output),
            output_std_errors=np.zeros(by_output),
            r2=np.zeros(by_output),
            r2_std_errors=np.zeros(by_output),
            selected=np.zeros(cells, dtype=bool),
            margin=np.zeros(by_output),
            effective=np.zeros(n_rows),
            n_draws=np.zeros(n_rows, dtype=int),
        )

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
