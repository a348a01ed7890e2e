"""Any linear regressor as a surrogate, with errors from leaving blocks out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.least_squares import r2_of, residuals
from agnostix.lime.local_fit import LocalFit
from agnostix.lime.moments import Moments
from agnostix.lime.problem import Problem
from agnostix.lime.selection import Selection, choose


@dataclass(frozen=True)
class FittedSurrogate:
    """A regressor of the user's, fitted anew for each row and output.

    Attributes
    ----------
    regressor : estimator
        With ``coef_`` and ``intercept_`` once it is fitted.
    selection : Selection
        How features are chosen where not all may be used.
    """

    regressor: Any
    selection: Selection

    gives_parts: ClassVar[bool] = False

    def fit(self, problem: Problem, most: int | None, tests: bool) -> LocalFit:
        """Fit all outputs, and each again without each of the blocks.

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
        effects, errors = np.zeros(chosen.shape), np.zeros(chosen.shape)
        level, output_errors = np.empty(chosen.shape[1]), np.empty(chosen.shape[1])
        for output in range(chosen.shape[1]):
            features = np.flatnonzero(chosen[:, output])
            effects[features, output], level[output] = self._fitted(problem, features, output, None)
            errors[features, output], output_errors[output] = self._errors(problem, features, output)
        own = level + problem.own_design @ effects
        mean = replace(moments, level=level + moments.mean @ effects)  # the regressor's own intercept
        r2, r2_errors = r2_of(problem, moments, residuals(problem, mean, effects))
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

    def _errors(self, problem: Problem, features: Codes, output: int) -> tuple[Floats, float]:
        """Of the effects, and of the answer for the row."""
        n_blocks = problem.n_blocks
        if not n_blocks:
            return np.zeros(features.size), 0.0
        number = np.arange(problem.n_draws) // (problem.n_draws // n_blocks)
        left = [self._fitted(problem, features, output, number != b) for b in range(n_blocks)]
        effects = np.array([found for found, _ in left])
        outputs = np.array([level for _, level in left]) + effects @ problem.own_design[features]
        scale = np.sqrt(n_blocks - 1)
        return scale * np.std(effects, axis=0), float(scale * np.std(outputs))

    def _fitted(
        self, problem: Problem, features: Codes, output: int, kept: Bools | None
    ) -> tuple[Floats, float]:
        """Effects and intercept from all draws or some."""
        rows = slice(None) if kept is None else kept
        if not features.size:
            return np.zeros(0), float(
                np.average(problem.differences[rows, output], weights=problem.weights[rows])
            )
        design, answers = problem.design[features].T[rows], problem.differences[rows, output]
        found = clone(self.regressor).fit(design, answers, sample_weight=problem.weights[rows])
        if not hasattr(found, "coef_"):
            raise DataError(
                "The 'surrogate' of LimeExplainer must have coef_ once it is fitted, and "
                f"{type(found).__name__} has none. Pass 'ridge', 'klasso', 'tree' or a linear regressor."
            )
        return np.ravel(found.coef_), float(np.ravel(getattr(found, "intercept_", 0.0))[0])
