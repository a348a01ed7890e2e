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
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.own_draws import OwnDraws
from agnostix.lime.surrogates import Surrogate
from agnostix.lime.traces import Traces
from agnostix.lime.weighted_regression import WeightedRegression


@dataclass(frozen=True)
class SurrogateSpec:
    """What is fitted near each row, and how.

    Attributes
    ----------
    surrogate : Surrogate
        What is fitted.
    kernel : Kernel or None
        Weights of draws; None where all weigh the same.
    radius : float or None
        In standard deviations, where draws are around the row: numbers are then counted from it.
    max_features : int or None
        Features at most.
    with_margin : bool
        Whether the margin of their selection is wanted.
    n_jobs : int or None
        Workers that fit.
    verbose : int
        1 shows a bar when fitting takes a few seconds.
    """

    surrogate: Surrogate
    kernel: Kernel | None
    radius: float | None
    max_features: int | None
    with_margin: bool
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
    ) -> LocalFits:
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
        LocalFits
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
        regression = WeightedRegression(design, weights, answers, near, own_answers, n_blocks, origin)
        fit = self.surrogate.fit(regression, self.max_features, self.with_margin).insert_features(free)
        return fit if self.surrogate.has_contributions else fit.rescale(scale, own)

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
    spec : SurrogateSpec
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
        As for `SurrogateSpec.fit`, row by row.
    rows : ndarray of int of shape (n_items,)
        Places of the rows, for messages.
    """

    spec: SurrogateSpec
    traces: Traces
    answers: Floats
    n_blocks: int
    centres: Floats
    own_answers: Floats
    free: Bools
    rows: Codes

    def fit(self) -> list[LocalFits]:
        """The fit near each row, one share of the rows for each worker."""
        shares = run_in_shares(
            self._fit_items,
            self.rows.size,
            self.describe,
            size=self.rows.size,
            n_jobs=self.spec.n_jobs,
            verbose=self.spec.verbose,
        )
        return list(chain.from_iterable(shares))

    def describe(self, item: int) -> str:
        """Name the surrogate of a row."""
        return f"the surrogate near row {self.rows[item]}"

    def _fit_items(self, progress: WorkerProgress, worker: int, items: range) -> list[LocalFits]:
        return [self._fit_item(item) for item in progress.follow(worker, items)]

    def _fit_item(self, item: int) -> LocalFits:
        return self.spec.fit(
            self.traces,
            self.centres[item],
            self.answers,
            self.own_answers[item],
            self.free[item],
            self.n_blocks,
            int(self.rows[item]),
        )


class OwnFits(RowSource):
    """Draws of each row's own, and the surrogates that are fitted to them.

    Parameters
    ----------
    spec : SurrogateSpec
        What is fitted.
    draws : OwnDraws
        What is drawn.
    centres : ndarray of shape (n_items, n_features)
        Each row's bins and numbers.
    own_answers : ndarray of shape (n_items, n_outputs)
        Predictions of the rows themselves.
    free : ndarray of bool of shape (n_items, n_features)
        As for `SurrogateSpec.fit`, row by row.
    rows : ndarray of int of shape (n_items,)
        Places of the rows, for messages.
    """

    def __init__(
        self,
        spec: SurrogateSpec,
        draws: OwnDraws,
        centres: Floats,
        own_answers: Floats,
        free: Bools,
        rows: Codes,
    ) -> None:
        self._spec = spec
        self._draws = draws
        self._centres = centres
        self._own_answers = own_answers
        self._free = free
        self._rows = rows
        self._at: tuple[int, list[Drawn]] = (-1, [])

    def for_worker(self) -> OwnFits:
        draws = self._draws.for_worker()
        return OwnFits(self._spec, draws, self._centres, self._own_answers, self._free, self._rows)

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

    def fit_item(self, item: int, answers: Floats) -> LocalFits:
        """The fit near a row, from the predictions of its draws."""
        return self._spec.fit(
            self._draws.traces(self._drawn(item)),
            self._centres[item],
            answers,
            self._own_answers[item],
            self._free[item],
            self._neighbourhood.points.n_blocks,
            int(self._rows[item]),
        )

    def _drawn(self, item: int) -> list[Drawn]:
        if self._at[0] != item:
            self._at = item, self._draws.draw(self._centres[item])
        return self._at[1]
