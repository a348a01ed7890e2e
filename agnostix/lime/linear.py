"""Linear surrogates by least squares with a ridge, with errors from the spread between blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from agnostix.lime.least_squares import (
    influences,
    output_influences,
    r2_of,
    residuals,
    solved,
    standard_error,
)
from agnostix.lime.local_fit import LocalFit
from agnostix.lime.moments import Moments
from agnostix.lime.problem import Problem
from agnostix.lime.selection import Selection, alike, choose


@dataclass(frozen=True)
class LinearSurrogate:
    """Weighted least squares, the intercept free.

    With A the products of the centred design plus the ridge, an effect changes by A^-1 s where a block's
    scores (products of the centred design with its weighted errors) change by s: the blocks' scores vary
    about their mean as those of other blocks would.

    Attributes
    ----------
    ridge : float
        Penalty on squared effects.
    selection : Selection
        How features are chosen where not all may be used.
    """

    ridge: float
    selection: Selection

    gives_parts: ClassVar[bool] = False

    def fit(self, problem: Problem, most: int | None, tests: bool) -> LocalFit:
        """Fit all outputs.

        Parameters
        ----------
        problem : Problem
            What was drawn.
        most : int or None
            Features at most; None for all.
        tests : bool
            Whether the margin of their choice is told.

        Returns
        -------
        LocalFit
        """
        moments = Moments.of(problem)
        chosen, margin = choose(self.selection, problem, moments, most, tests)
        groups = [(np.flatnonzero(chosen[:, outputs[0]]), outputs) for outputs in alike(chosen)]
        effects = np.zeros(chosen.shape)
        for features, outputs in groups:
            cells = features[:, None], outputs
            effects[cells] = solved(moments, features, self.ridge, moments.cross[cells])
        rest = residuals(problem, moments, effects)
        errors, output_errors = np.zeros(chosen.shape), np.zeros(chosen.shape[1])
        for features, outputs in groups if problem.n_blocks else []:
            weighted = problem.weights[:, None] * rest[:, outputs]
            moved = influences(problem, moments, features, self.ridge, weighted)
            errors[features[:, None], outputs] = standard_error(moved, problem.n_draws, features.size + 1)
            parts = output_influences(problem, moments, features, weighted, moved)
            output_errors[outputs] = standard_error(parts, problem.n_draws, features.size + 1)
        own = moments.level + (problem.own_design - moments.mean) @ effects
        r2, r2_errors = r2_of(problem, moments, rest)
        return LocalFit(
            effects=effects,
            std_errors=errors,
            own_design=problem.own_design,
            output=problem.own_answers + own,
            output_std_errors=output_errors,
            r2=r2,
            r2_std_errors=r2_errors,
            selected=chosen,
            margin=margin,
            effective=problem.effective,
        )
