"""The adversary of an explanation: a neighbor that is predicted alike and explained otherwise.

Among real neighbors all are tried. In the ball candidates are drawn, and in further rounds made from the best
so far: numbers put to an edge of the cube or moved a little, the direction in which the change has grown
among the round's candidates, and the change of the explanation itself, if it has a value for each number.
The last is a power iteration where explanations are gradients, whose change is a product with the Hessian.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from agnostix.core.features import joined_values
from agnostix.core.frames import build_table, take_rows
from agnostix.core.models import Predictor, as_predictor
from agnostix.core.row_sources import working_memory
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_one_of, check_whole
from agnostix.metrics.orders import generator, row_seeds
from agnostix.metrics.read import predict_rows
from agnostix.metrics.result import MetricResult
from agnostix.metrics.stability.agreement import SIMILARITIES, check_similarity, compare_values
from agnostix.metrics.stability.explaining import RowExplainer, explain_with_neighborhood
from agnostix.metrics.stability.neighbors import (
    Ball,
    Neighborhood,
    NeighborOptions,
    NeighborRows,
    RealNeighbors,
    blocks_of,
)
from agnostix.metrics.stability.sensitivities import norms_of

SEARCH = 32
"""Stream of a row's seed: candidates."""
CHANGES = ("relative", *SIMILARITIES)
_TOLERANCE = 0.05
"""Of the range of the predictions, for models without classes."""
_SHRINKS, _LEAST = 0.85, 0.05
"""By what steps shrink from round to round, and how far."""
_COPIES = 48
"""Bytes of each number of a candidate and its explanation that are in memory at once."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class AdversaryResult(MetricResult):
    """Changes of the explanation under its adversary, and the adversaries.

    Attributes
    ----------
    name, scores, greater_is_better, made_for, quantity, draw_errors, shared_error, n_draws : object
        As in `MetricResult`, and so are interval_kind, curve, references, fill, mask, n_model_rows,
        output_names, row_names, row_keys, params, details, verdict and notes.
    neighbors : DataFrame or ndarray of n_rows rows
        The adversary of each row; the row itself where none was found.
    distances : ndarray of shape (n_rows,)
        From the row, Euclidean, in units of the images' range or the columns' ranges; 0 for none.
    predictions : ndarray of shape (n_rows, n_outputs)
        Of the adversaries.
    own_predictions : ndarray of shape (n_rows, n_outputs)
        Of the rows.
    """

    neighbors: Any
    distances: Floats
    predictions: Floats
    own_predictions: Floats


def explanation_adversary(
    model: Any,
    X: Any,
    explainer: Any,
    *,
    neighbors: str = "auto",
    data: Any = None,
    radius: float | None = None,
    n_neighbors: int = 10,
    n_rounds: int = 10,
    value_range: Any = None,
    change: str = "relative",
    k: int = 5,
    tolerance: float | None = None,
    outputs: Any = None,
    random_state: int = 0,
) -> AdversaryResult:
    """Search the neighbor that is predicted as the row and whose explanation differs most; less is better.

    Parameters
    ----------
    model, X, explainer, neighbors, data : object
        As in `max_sensitivity`.
    radius : float, default=None
        As in `max_sensitivity`; None: 0.02 for the ball.
    n_neighbors : int, default=10
        Candidates of each row in a round, or real neighbors.
    n_rounds : int, default=10
        Rounds of the search in the ball; real neighbors are all tried at once.
    value_range : (float, float), default=None
        As in `max_sensitivity`.
    change : str, default="relative"
        What is made large. "relative": the size of the difference over that of the row's own
        explanation; or 1 less a `similarity` of `agreement`, such as "top-k" or "spearman".
    k : int, default=5
        Features that "top-k", "signs" and "ranks" look at.
    tolerance : float, default=None
        By how much predictions that count as the same may differ, in all outputs. None: the same
        class, or without classes a twentieth of the range of the predictions of X.
    outputs : "predicted", name or index, default=None
        The output to explain; None: the explainer's, or if it has none each row's predicted one.
    random_state : int, default=0
        Of the candidates, for each row with a seed of its own.

    Returns
    -------
    AdversaryResult
        Scores are the changes, NaN where no candidate is predicted alike.

    Raises
    ------
    TypeError
        If `explainer` is no explainer of rows.
    DataError
        If rows have no neighbors that are predicted alike, are texts, or all explanations are zero.

    Notes
    -----
    What is found is a lower bound: with more rounds it only grows.

    References
    ----------
    .. [1] Ghorbani, A., Abid, A., Zou, J. (2019). Interpretation of neural networks is fragile.
       AAAI, 33. https://doi.org/10.1609/aaai.v33i01.33013681

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.metrics import explanation_adversary
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> model = lambda X: X[:, 0] * X[:, 1]
    >>> explainer = OcclusionExplainer(model, random_state=0).fit(X)
    >>> result = explanation_adversary(model, X[:5], explainer, neighbors="ball", data=X, n_rounds=3)
    >>> result.neighbors.shape, result.scores.shape
    ((5, 3), (5,))
    """
    by = "explanation_adversary"
    _check_parameters(change, k, n_neighbors, n_rounds, tolerance, by)
    options = NeighborOptions(neighbors, data, "captum", radius, n_neighbors, value_range, random_state, by)
    explained, neighborhood = explain_with_neighborhood(model, X, explainer, options, outputs)
    if len(explained.output_names) > 1:
        raise DataError(
            f"{by} searches an adversary for one output, got {len(explained.output_names)}. Choose: "
            f"outputs={explained.output_names[0]!r}, or 'predicted'."
        )
    if change == "relative" and not explained.values.any():
        raise DataError(
            f"{by} divides by the size of a row's explanation, and {explained.own.method} gives all "
            f"{len(explained)} rows zeros: is the prediction constant? Use max_sensitivity(relative=False)."
        )
    judge = Judge.from_rows(explained, neighborhood.rows, change, k, tolerance)
    best = Adversaries.empty(judge, neighborhood)
    n_numbers = int(np.prod(neighborhood.rows.shape[1:])) + explained.values[0].size
    for rows in blocks_of(neighborhood, n_numbers, working_memory() // _COPIES):
        if isinstance(neighborhood, RealNeighbors):
            best.keep(judge.judge(neighborhood.around(rows)), neighborhood)
        else:
            BallSearch(judge, neighborhood, rows, best).run(n_rounds)
    params = {"change": change, "tolerance": judge.tolerance, "n_rounds": n_rounds, "k": k}
    return best.result(params)


def _check_parameters(change: Any, k: Any, n_neighbors: Any, n_rounds: Any, tolerance: Any, by: str) -> None:
    check_one_of(by, "change", change, CHANGES)
    check_similarity("top-k" if change == "relative" else change, k, by)
    check_whole(by, "n_neighbors", n_neighbors, 1)
    check_whole(by, "n_rounds", n_rounds, 1)
    if tolerance is not None and not (isinstance(tolerance, Real) and float(tolerance) >= 0):
        raise DataError(
            f"The 'tolerance' of {by} must be a number of at least 0, or None; got {tolerance!r}."
        )


@dataclass(frozen=True)
class Candidates:
    """Candidates, with how much their explanation differs: -inf where they are predicted otherwise."""

    rows: NeighborRows
    changes: Floats  # (n,)
    predictions: Floats  # (n, n_outputs)
    values: Floats  # (n, n_units), of those that are predicted alike


@dataclass(frozen=True)
class Judge:
    """Says which candidates are predicted alike, and how their explanations differ."""

    explained: RowExplainer
    predictor: Predictor
    predictions: Floats  # (n_rows, n_outputs) of the rows themselves
    has_classes: bool
    tolerance: float | None
    change: str
    k: int
    counter: list[int]  # model rows

    @classmethod
    def from_rows(
        cls, explained: RowExplainer, rows: Any, change: str, k: int, tolerance: float | None
    ) -> Judge:
        """Predict the rows; DataError where nothing says what predictions are alike."""
        predictor = as_predictor(explained.explainer.model_)
        predictions, n = predict_rows(
            predictor, rows, explained.explainer.n_jobs, explained.explainer.verbose
        )
        has_classes = predictor.task != "regression" and predictions.shape[1] > 1
        if not has_classes and tolerance is None:
            tolerance = _TOLERANCE * float(np.ptp(predictions, axis=0).max())
            if tolerance == 0:
                raise DataError(
                    f"{explained.by} takes predictions as the same that differ by at most a twentieth of "
                    f"their range, and those of the {len(rows)} row{'s' * (len(rows) != 1)} of X have none. "
                    "Pass tolerance, the largest difference."
                )
        counter = [n + explained.n_model_rows]
        return cls(explained, predictor, predictions, has_classes, tolerance, change, k, counter)

    def judge(self, candidates: NeighborRows) -> Candidates:
        """Predict candidates, and explain those that are predicted alike."""
        owners = candidates.owners
        changes = np.full(owners.size, -np.inf)
        values = np.full((owners.size, self.explained.values.shape[1]), np.nan)
        if not owners.size:
            return Candidates(candidates, changes, np.empty((0, self.predictions.shape[1])), values)
        explainer = self.explained.explainer
        predictions, n = predict_rows(self.predictor, candidates.rows, explainer.n_jobs, explainer.verbose)
        alike = np.flatnonzero(self._are_alike(predictions, owners) & (candidates.distances > 0))
        if alike.size:
            own, n_explained = self.explained.explain(take_rows(candidates.rows, alike), owners[alike])
            measured = self._measure(self.explained.values[owners[alike]], own)
            changes[alike] = np.where(np.isnan(measured), -np.inf, measured)
            values[alike] = own[..., 0]
            self.counter[0] += n_explained
        self.counter[0] += n
        return Candidates(candidates, changes, predictions, values)

    def _are_alike(self, predictions: Floats, owners: Codes) -> Bools:
        own = self.predictions[owners]
        alike = np.ones(owners.size, dtype=bool)
        if self.has_classes:
            alike &= predictions.argmax(axis=1) == own.argmax(axis=1)
        if self.tolerance is not None:
            alike &= np.abs(predictions - own).max(axis=1) <= self.tolerance
        return alike

    def _measure(self, own: Floats, others: Floats) -> Floats:
        """Changes (n,) from own values (n, n_units, 1) to others."""
        if self.change != "relative":
            return 1.0 - compare_values(self.explained, own, others, self.change, self.k)[:, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            sizes = norms_of(own)[:, 0]
            return np.where(sizes > 0, norms_of(others - own)[:, 0] / sizes, np.nan)


@dataclass
class Adversaries:
    """The best candidate of each row so far."""

    judge: Judge
    neighborhood: Neighborhood
    changes: Floats  # (n_rows,), -inf where there is none
    distances: Floats  # (n_rows,)
    predictions: Floats  # (n_rows, n_outputs)
    positions: Codes  # (n_rows,): real neighbors in the data, -1 for none
    offsets: Floats  # (n_rows, n_numbers) from the row, in the ball; else (n_rows, 0)

    @classmethod
    def empty(cls, judge: Judge, neighborhood: Neighborhood) -> Adversaries:
        """None found yet."""
        n_rows = len(judge.explained)
        n_numbers = 0
        if isinstance(neighborhood, Ball):
            n_numbers = neighborhood.space.read(np.arange(1)).shape[1]
        return cls(
            judge,
            neighborhood,
            np.full(n_rows, -np.inf),
            np.zeros(n_rows),
            judge.predictions.copy(),
            np.full(n_rows, -1),
            np.zeros((n_rows, n_numbers)),
        )

    def keep(self, candidates: Candidates, neighborhood: RealNeighbors) -> None:
        """Keep the best of real neighbors."""
        for row, place in self._improvements(candidates):
            self.positions[row] = neighborhood.positions[row][candidates.rows.places[place]]

    def keep_offsets(self, candidates: Candidates, offsets: Floats) -> list[tuple[int, int]]:
        """Keep the best points of the ball, at offsets (n, n_numbers), and say whose they are."""
        improvements = self._improvements(candidates)
        for row, place in improvements:
            self.offsets[row] = offsets[place]
        return improvements

    def _improvements(self, candidates: Candidates) -> list[tuple[int, int]]:
        """Rows with a better candidate, and its place; what is known of it is kept."""
        improvements = []
        owners = candidates.rows.owners
        for row in np.unique(owners):
            own = np.flatnonzero(owners == row)
            place = int(own[candidates.changes[own].argmax()])
            if candidates.changes[place] > self.changes[row]:
                self.changes[row] = candidates.changes[place]
                self.distances[row] = candidates.rows.distances[place]
                self.predictions[row] = candidates.predictions[place]
                improvements.append((int(row), place))
        return improvements

    def build(self) -> Any:
        """The adversaries as rows; the row itself where there is none."""
        rows, n_rows = self.neighborhood.rows, self.changes.size
        every = np.arange(n_rows)
        if isinstance(self.neighborhood, Ball):
            space = self.neighborhood.space
            return space.build(every, space.read(every) + self.offsets)[0]
        data = self.neighborhood.data
        joined = {place: joined_values(rows, data, place) for place in range(rows.shape[1])}
        places = np.where(self.positions < 0, every, n_rows + self.positions)
        return take_rows(build_table(rows, joined), places)

    def result(self, params: dict[str, Any]) -> AdversaryResult:
        """Scores, NaN where nothing was found, and the adversaries."""
        explained, neighborhood = self.judge.explained, self.neighborhood
        without = ~np.isfinite(self.changes)
        if without.all():
            raise DataError(
                f"{explained.by} found no neighbor of any of the {len(without)} rows that is predicted alike "
                "and explained. Pass a smaller radius, or more n_neighbors."
            )
        notes = explained.notes()
        if without.any():
            notes += (
                f"{int(without.sum())} of {len(without)} rows have no score: none of the neighbors tried is "
                "predicted alike.",
            )
        return AdversaryResult(
            name=explained.by,
            scores=np.where(without, np.nan, self.changes),
            greater_is_better=False,
            n_draws=neighborhood.n_drawn,
            n_model_rows=self.judge.counter[0],
            row_keys=row_seeds(neighborhood.rows),
            params=neighborhood.params | params,
            notes=notes,
            neighbors=self.build(),
            distances=self.distances,
            predictions=self.predictions,
            own_predictions=self.judge.predictions,
            **explained.result_fields(),
        )


class BallSearch:
    """Search in the balls around some rows, all of them at once."""

    def __init__(self, judge: Judge, ball: Ball, rows: Codes, best: Adversaries) -> None:
        self.judge, self.ball, self.rows, self.best = judge, ball, rows, best
        self.centers = ball.space.read(rows)
        self.slopes = np.zeros_like(self.centers)  # of the change, among the last candidates
        self.moves = np.zeros_like(self.centers)  # change of the best one's explanation, by number

    def run(self, n_rounds: int) -> None:
        """Try n_neighbors candidates of each row in every round."""
        m = self.ball.n_neighbors
        owners, centers = np.repeat(self.rows, m), np.repeat(self.centers, m, axis=0)
        for step in range(n_rounds):
            offsets = np.concatenate([self._propose(place, step) for place in range(self.rows.size)])
            candidates = self.judge.judge(self.ball.move(owners, centers, offsets))
            self._learn(offsets, candidates)

    def _propose(self, place: int, step: int) -> Floats:
        """Offsets (n_neighbors, n_numbers) of one row."""
        row, radius, m = self.rows[place], self.ball.radius, self.ball.n_neighbors
        rng = generator(self.ball.seeds[row], SEARCH, step)
        size = (m, self.centers.shape[1])
        even = radius * rng.uniform(-1, 1, size)
        edges = radius * rng.choice([-1.0, 1.0], size)
        is_even = np.arange(m)[:, None] % 2 == 1
        if not np.isfinite(self.best.changes[row]):  # nearer to the row, where the prediction stays
            return np.where(is_even, even, edges) * 0.5**step
        center = self.best.offsets[row]
        left = max(_SHRINKS**step, _LEAST)
        # A part of the numbers is put to an edge, or all of them move a little.
        is_put = rng.uniform(size=size) < np.maximum(0.5 * left, 1.0 / size[1])
        offsets = np.where(is_even, center + left * even, np.where(is_put, edges, center))
        slope, move = self.slopes[place], self.moves[place]
        guided = [radius * np.sign(slope), center + radius * left * np.sign(slope), radius * np.sign(move)]
        for slot, offset in enumerate(guided[: m - 1]):
            if offset.any():
                offsets[slot] = offset
        offsets[-1] = edges[-1]  # somewhere else
        return np.clip(offsets, -radius, radius)

    def _learn(self, offsets: Floats, candidates: Candidates) -> None:
        """Keep the best, and where the change grows."""
        m = self.ball.n_neighbors
        for place in range(self.rows.size):
            own = slice(place * m, (place + 1) * m)
            changes = candidates.changes[own]
            known = np.isfinite(changes)
            if known.sum() > 1:
                apart = changes[known] - changes[known].mean()
                self.slopes[place] = apart @ offsets[own][known]
        for row, kept in self.best.keep_offsets(candidates, offsets):
            own_values = self.judge.explained.values[row, :, 0]
            moved = np.nan_to_num(candidates.values[kept] - own_values)
            n_numbers = self.centers.shape[1]
            if n_numbers % moved.size == 0:  # a pixel's channels have its value
                self.moves[row - self.rows[0]] = np.repeat(moved, n_numbers // moved.size)
