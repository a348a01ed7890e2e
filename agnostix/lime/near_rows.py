"""Surrogates near the rows of a table, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from agnostix.core.evaluate import WorkerProgress, run_in_shares
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.row_sources import RowSource
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.features import Drawn
from agnostix.lime.kernel import Kernel
from agnostix.lime.local_fit import LocalFit
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.own_draws import OwnDraws
from agnostix.lime.problem import Problem
from agnostix.lime.surrogate import Surrogate
from agnostix.lime.traces import Traces


@dataclass(frozen=True)
class Recipe:
    """What is fitted near each row, and how.

    Attributes
    ----------
    surrogate : Surrogate
        What is fitted.
    kernel : Kernel or None
        Weights of draws; None where all weigh the same.
    radius : float or None
        In standard deviations, where draws are around the row: numbers are then counted from it.
    most : int or None
        Features at most.
    tests : bool
        Whether the margin of their choice is told.
    n_jobs : int or None
        Workers that fit.
    verbose : int
        1 shows a bar when fitting takes a few seconds.
    """

    surrogate: Surrogate
    kernel: Kernel | None
    radius: float | None
    most: int | None
    tests: bool
    n_jobs: int | None = None
    verbose: int = 0

    @one_blas_thread
    def fit(
        self,
        traces: Traces,
        centre: Floats,
        answers: Floats,
        own_answers: Floats,
        free: Bools,
        n_blocks: int,
        row: int,
    ) -> LocalFit:
        """Fit near one row.

        Parameters
        ----------
        traces : Traces
            What was drawn.
        centre : ndarray of shape (n_features,)
            The row's bins and numbers.
        answers : ndarray of shape (n_draws, n_outputs)
            The model's.
        own_answers : ndarray of shape (n_outputs,)
            The model's, to the row itself.
        free : ndarray of bool of shape (n_features,)
            Features that some draws share with the row and others do not.
        n_blocks : int
            Of the draws.
        row : int
            Which row it is, for messages.

        Returns
        -------
        LocalFit
        """
        design, own, squares = traces.design(centre)
        weights = self._weights(traces, squares)
        scale = np.where(traces.is_binned, 1.0, self.radius or 1.0)
        start = np.zeros_like(own) if self.radius is None else np.where(traces.is_binned, 0.0, own)
        if self.radius is not None:
            design = (design - start[:, None]) / scale[:, None]
        if not free.all():
            design = design[free]
        self._check(design, squares, traces.log_weights, row)
        near, origin = ((own - start) / scale)[free], (start / scale)[free]
        problem = Problem(design, weights, answers, near, own_answers, n_blocks, origin)
        fit = self.surrogate.fit(problem, self.most, self.tests)
        whole = fit.widened(free)
        return whole if self.surrogate.gives_parts else whole.per_unit(scale, own)

    def weights(self, traces: Traces, centre: Floats) -> Floats:
        """Weigh draws near a row.

        Parameters
        ----------
        traces : Traces
            What was drawn.
        centre : ndarray of shape (n_features,)
            The row's bins and numbers.

        Returns
        -------
        ndarray of shape (n_draws,)
        """
        return self._weights(traces, traces.design(centre)[2])

    def _check(self, design: Floats, squares: Floats, log_weights: Floats, row: int) -> None:
        if self.kernel is not None:
            self.kernel.check(squares, log_weights, design, row)

    def _weights(self, traces: Traces, squares: Floats) -> Floats:
        if self.kernel is None:
            return np.ones(traces.n_draws)
        return self.kernel.weights(squares, traces.log_weights)


@dataclass(frozen=True)
class SharedFits:
    """Surrogates on draws that serve all rows: the model is not called.

    Attributes
    ----------
    recipe : Recipe
        What is fitted.
    traces : Traces
        The draws.
    answers : ndarray of shape (n_draws, n_outputs)
        Predictions of the draws.
    n_blocks : int
        Of the draws.
    centres : ndarray of shape (n_items, n_features)
        Each row's bins and numbers.
    own_answers : ndarray of shape (n_items, n_outputs)
        Predictions of the rows themselves.
    free : ndarray of bool of shape (n_items, n_features)
        As for `Recipe.fit`, row by row.
    rows : ndarray of int of shape (n_items,)
        Places of the rows, for messages.
    """

    recipe: Recipe
    traces: Traces
    answers: Floats
    n_blocks: int
    centres: Floats
    own_answers: Floats
    free: Bools
    rows: Codes

    def fit(self) -> list[tuple[Any, ...]]:
        """Fields of the fit near each row, one share of the rows for each worker."""
        shares = run_in_shares(
            self._fit_items,
            self.rows.size,
            self.describe,
            size=self.rows.size,
            n_jobs=self.recipe.n_jobs,
            verbose=self.recipe.verbose,
        )
        return list(chain.from_iterable(shares))

    def describe(self, item: int) -> str:
        """Name the surrogate of a row."""
        return f"the surrogate near row {self.rows[item]}"

    def _fit_items(self, progress: WorkerProgress, worker: int, items: range) -> list[tuple[Any, ...]]:
        return [self._fit_item(item) for item in progress.follow(worker, items)]

    def _fit_item(self, item: int) -> tuple[Any, ...]:
        return self.recipe.fit(
            self.traces,
            self.centres[item],
            self.answers,
            self.own_answers[item],
            self.free[item],
            self.n_blocks,
            int(self.rows[item]),
        ).arrays()


class OwnFits(RowSource):
    """Draws of each row's own, and the surrogates that are fitted to them.

    Parameters
    ----------
    recipe : Recipe
        What is fitted.
    draws : OwnDraws
        What is drawn.
    centres : ndarray of shape (n_items, n_features)
        Each row's bins and numbers.
    own_answers : ndarray of shape (n_items, n_outputs)
        Predictions of the rows themselves.
    free : ndarray of bool of shape (n_items, n_features)
        As for `Recipe.fit`, row by row.
    rows : ndarray of int of shape (n_items,)
        Places of the rows, for messages.
    """

    def __init__(
        self,
        recipe: Recipe,
        draws: OwnDraws,
        centres: Floats,
        own_answers: Floats,
        free: Bools,
        rows: Codes,
    ) -> None:
        self._recipe = recipe
        self._draws = draws
        self._centres = centres
        self._own_answers = own_answers
        self._free = free
        self._rows = rows
        self._at: tuple[int, list[Drawn]] = (-1, [])

    def for_worker(self) -> OwnFits:
        draws = self._draws.for_worker()
        return OwnFits(self._recipe, draws, self._centres, self._own_answers, self._free, self._rows)

    @property
    def _neighbourhood(self) -> Neighbourhood:
        return self._draws.neighbourhood

    @property
    def n_items(self) -> int:
        return self._rows.size

    @property
    def n_columns(self) -> int:
        return self._neighbourhood.width

    def n_rows(self, block: int) -> int:
        return self._neighbourhood.points.n_points

    def build(self, block: int, part: slice) -> Any:
        return self._neighbourhood.table(self._drawn(block), part)

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"draws {first} to {last} around row {self._rows[block]}"

    def fit_item(self, item: int, answers: Floats) -> tuple[Any, ...]:
        """Fields of the fit near a row, from the predictions of its draws."""
        return self._recipe.fit(
            self._draws.traces(self._drawn(item)),
            self._centres[item],
            answers,
            self._own_answers[item],
            self._free[item],
            self._neighbourhood.points.n_blocks,
            int(self._rows[item]),
        ).arrays()

    def _drawn(self, item: int) -> list[Drawn]:
        if self._at[0] != item:
            self._at = item, self._draws.draw(self._centres[item])
        return self._at[1]
