"""Surrogates near the rows of a table, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.threads import one_blas_thread
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.perturb import Neighbourhood, OwnDraws, Traces
from agnostix.perturb.features import Drawn
from agnostix.surrogates.kernel import Kernel
from agnostix.surrogates.local_fit import LocalFit
from agnostix.surrogates.problem import Problem
from agnostix.surrogates.surrogate import Surrogate


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
    """

    surrogate: Surrogate
    kernel: Kernel | None
    radius: float | None
    most: int | None
    tests: bool

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
    """Surrogates on draws that serve all rows: the model is asked nothing more.

    Attributes
    ----------
    recipe : Recipe
        What is fitted.
    traces : Traces
        The draws.
    answers : ndarray of shape (n_draws, n_outputs)
        The model's, to the draws.
    n_blocks : int
        Of the draws.
    centres : ndarray of shape (n_items, n_features)
        Each row's bins and numbers.
    own_answers : ndarray of shape (n_items, n_outputs)
        The model's, to the rows themselves.
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
    width: int = 1

    def opened(self) -> SharedFits:
        """Keeps nothing."""
        return self

    @property
    def n_items(self) -> int:
        """Rows."""
        return self.rows.size

    def size(self, item: int) -> int:
        """No row is asked about."""
        return 0

    def build(self, item: int, part: slice) -> Any:
        """Never called."""
        raise NotImplementedError

    def digest(self, item: int, answers: Floats) -> tuple[Floats, ...]:
        """Fit near a row."""
        return self.recipe.fit(
            self.traces,
            self.centres[item],
            self.answers,
            self.own_answers[item],
            self.free[item],
            self.n_blocks,
            int(self.rows[item]),
        ).arrays()

    def told(self, item: int, part: slice) -> str:
        """Name the row."""
        return f"the draws around row {self.rows[item]}"


class OwnFits:
    """Surrogates on draws of each row's own.

    Parameters
    ----------
    recipe : Recipe
        What is fitted.
    draws : OwnDraws
        What is drawn.
    centres : ndarray of shape (n_items, n_features)
        Each row's bins and numbers.
    own_answers : ndarray of shape (n_items, n_outputs)
        The model's, to the rows themselves.
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

    def opened(self) -> OwnFits:
        """One for a worker alone, since it keeps what it has drawn."""
        draws = self._draws.opened()
        return OwnFits(self._recipe, draws, self._centres, self._own_answers, self._free, self._rows)

    @property
    def _neighbourhood(self) -> Neighbourhood:
        return self._draws.neighbourhood

    @property
    def n_items(self) -> int:
        """Rows."""
        return self._rows.size

    @property
    def width(self) -> int:
        """Columns."""
        return self._neighbourhood.width

    def size(self, item: int) -> int:
        """Draws around a row."""
        return self._neighbourhood.points.n_points

    def build(self, item: int, part: slice) -> Any:
        """Some of the draws around a row."""
        return self._neighbourhood.table(self._drawn(item), part)

    def digest(self, item: int, answers: Floats) -> tuple[Floats, ...]:
        """Fit near a row."""
        return self._recipe.fit(
            self._draws.traces(self._drawn(item)),
            self._centres[item],
            answers,
            self._own_answers[item],
            self._free[item],
            self._neighbourhood.points.n_blocks,
            int(self._rows[item]),
        ).arrays()

    def told(self, item: int, part: slice) -> str:
        """Name the row and the draws."""
        return f"draws {part.start} to {part.stop - 1} around row {self._rows[item]}"

    def _drawn(self, item: int) -> list[Drawn]:
        if self._at[0] != item:
            self._at = item, self._draws.draw(self._centres[item])
        return self._at[1]
