"""What is drawn near the rows of a table, and the surrogates that are fitted to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import t as student

from agnostix.engine import Survey
from agnostix.perturb import Neighbourhood, OwnDraws, SharedRows, Traces
from agnostix.surrogates.near_rows import OwnFits, Recipe, SharedFits
from agnostix.surrogates.row_fits import RowFits
from agnostix.typing import Bools, Codes, Floats

MOST_DOUBLINGS = 4
"""Times that the draws are doubled at most while the choice of features is not sure."""


@dataclass(frozen=True)
class TableVicinity:
    """Draws for all rows together, asked about once, or draws near each row.

    Attributes
    ----------
    neighbourhood : Neighbourhood
        What is drawn.
    own : OwnDraws or None
        How draws near each row are made; None where all rows share them.
    stability : float or None
        How sure the choice of features must be; draws are doubled for rows where it is less.
    traces : Traces or None
        The shared draws.
    answers : ndarray of shape (n_draws, n_outputs) or None
        The model's, to the shared draws.
    """

    neighbourhood: Neighbourhood
    own: OwnDraws | None
    stability: float | None
    traces: Traces | None = None
    answers: Floats | None = None

    @property
    def n_draws(self) -> int:
        """Draws for a row, and of those that are shared."""
        return self.neighbourhood.points.n_points

    def asked(self, survey: Survey) -> TableVicinity:
        """Put the shared draws to the model, where there are any.

        Parameters
        ----------
        survey : Survey
            The model.

        Returns
        -------
        TableVicinity
        """
        if self.own is not None:
            return self
        start = 0 if self.answers is None else self.answers.shape[0]
        rows = SharedRows(self.neighbourhood, start)
        found = survey.ask(rows)
        answers = found if self.answers is None else np.concatenate([self.answers, found])
        return replace(self, traces=rows.traces(), answers=answers)

    def cost(self, n_rows: int) -> int:
        """Model rows that draws take at most.

        Parameters
        ----------
        n_rows : int
            Rows to be explained.

        Returns
        -------
        int
        """
        if self.own is not None:
            return n_rows * self.n_draws
        return 0 if self.stability is None else self.n_draws * (2**MOST_DOUBLINGS - 1)

    def fits(
        self, survey: Survey, recipe: Recipe, X: Any, own_answers: Floats, rows: Codes
    ) -> tuple[RowFits, int]:
        """Fit a surrogate near each row.

        Parameters
        ----------
        survey : Survey
            The model.
        recipe : Recipe
            What is fitted.
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The rows.
        own_answers : ndarray of shape (n_rows, n_outputs)
            The model's, to them.
        rows : ndarray of int of shape (n_rows,)
            Their places, for messages.

        Returns
        -------
        fits : RowFits
        n_model_rows : int
            Rows that the model was asked about.
        """
        centres = self.neighbourhood.centres(X)
        if self.own is not None:
            fixed = self.neighbourhood.fixed(centres)
            near = OwnFits(recipe, self.own, centres, own_answers, fixed, rows)
            return RowFits.of(survey.answer(near), self.n_draws), rows.size * self.n_draws
        fits = self._shared(survey, recipe, centres, own_answers, rows)
        wider, n_asked = self, 0
        for _ in range(MOST_DOUBLINGS if self.stability is not None else 0):
            unsure = np.flatnonzero(wider.is_unsure(fits))
            if unsure.size == 0:
                break
            wider = wider._doubled(survey)
            n_asked = wider.n_draws - self.n_draws
            fits.put(
                unsure, wider._shared(survey, recipe, centres[unsure], own_answers[unsure], rows[unsure])
            )
        return fits, n_asked

    def is_unsure(self, fits: RowFits) -> Bools:
        """Rows in which another feature might as well have been chosen.

        Parameters
        ----------
        fits : RowFits
            The rows.

        Returns
        -------
        ndarray of bool of shape (n_rows,)
        """
        n_blocks = fits.n_draws / self.neighbourhood.points.size
        return fits.margin.min(axis=1) < student.ppf(self.stability, n_blocks - 1)

    def _doubled(self, survey: Survey) -> TableVicinity:
        points = self.neighbourhood.points.longer(2)
        return replace(self, neighbourhood=replace(self.neighbourhood, points=points)).asked(survey)

    def _shared(
        self, survey: Survey, recipe: Recipe, centres: Floats, own_answers: Floats, rows: Codes
    ) -> RowFits:
        assert self.traces is not None
        assert self.answers is not None
        fixed = self.neighbourhood.fixed(centres)
        n_blocks = self.neighbourhood.points.n_blocks
        near = SharedFits(recipe, self.traces, self.answers, n_blocks, centres, own_answers, fixed, rows)
        return RowFits.of(survey.answer(near), self.n_draws)
