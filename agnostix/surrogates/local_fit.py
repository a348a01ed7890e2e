"""What a surrogate near one row has come to."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from agnostix.typing import Bools, Floats


@dataclass(frozen=True)
class LocalFit:
    """A simple model near a row, output by output, in model output units.

    Attributes
    ----------
    effects : ndarray of shape (n_features, n_outputs)
        Change of the surrogate with a feature's design.
    std_errors : ndarray of shape (n_features, n_outputs)
        Of the effects, for the choice of features that was made.
    own_design : ndarray of shape (n_features,)
        By what effects are multiplied for the row itself.
    output : ndarray of shape (n_outputs,)
        What the surrogate answers for the row.
    output_std_errors : ndarray of shape (n_outputs,)
        Of `output`.
    r2 : ndarray of shape (n_outputs,)
        Share of the answers' weighted variance that it tells.
    r2_std_errors : ndarray of shape (n_outputs,)
        Of `r2`.
    selected : ndarray of bool of shape (n_features, n_outputs)
        Features that it uses.
    margin : ndarray of shape (n_outputs,)
        Least lead of a chosen feature over the next best one, in standard errors; infinite where none was
        left out.
    effective : float
        Draws of equal weight that would tell as much.
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
    effective: float

    def arrays(self) -> tuple[Floats, ...]:
        """All of it as arrays, in the order of the fields.

        Returns
        -------
        tuple of ndarray
        """
        return tuple(np.asarray(getattr(self, one.name)) for one in fields(self))
