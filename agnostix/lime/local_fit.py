"""What a surrogate near one row has come to."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from agnostix.core.typing import Bools, Floats


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

    def widened(self, free: Bools) -> LocalFit:
        """The same with features that have no effect.

        Parameters
        ----------
        free : ndarray of bool of shape (n_all_features,)
            Those that the fit has.

        Returns
        -------
        LocalFit
        """
        if free.all():
            return self
        shape = (free.size, self.output.size)
        effects, errors, selected = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
        effects[free], errors[free], selected[free] = self.effects, self.std_errors, self.selected
        own = np.ones(free.size)
        own[free] = self.own_design
        return replace(self, effects=effects, std_errors=errors, selected=selected, own_design=own)

    def per_unit(self, units: Floats, own_design: Floats) -> LocalFit:
        """The same on a design in other units.

        Parameters
        ----------
        units : ndarray of shape (n_features,)
            Each feature's unit now, in the new ones.
        own_design : ndarray of shape (n_features,)
            The row's, in the new ones.

        Returns
        -------
        LocalFit
        """
        by = units[:, None]
        return replace(
            self, effects=self.effects / by, std_errors=self.std_errors / by, own_design=own_design
        )
