"""How much an explanation changes where the row hardly does: sensitivities and the local Lipschitz estimate.

With Phi(x) the explanation of a row and y its neighbors, the maximal and the average sensitivity are the
maximum and the mean of |Phi(y) - Phi(x)| / |Phi(x)|, and the local Lipschitz estimate is the maximum of
|Phi(y) - Phi(x)| / |y - x|, all norms Euclidean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.row_sources import working_memory
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.orders import row_seeds
from agnostix.metrics.result import MetricResult
from agnostix.metrics.stability.explaining import RowExplainer, explain_with_neighborhood
from agnostix.metrics.stability.neighbors import Neighborhood, NeighborOptions, blocks_of

_COPIES = 32
"""Bytes of each number of a neighbor and its explanation that are in memory at once."""


def max_sensitivity(
    model: Any,
    X: Any,
    explainer: Any,
    *,
    neighbors: str = "auto",
    data: Any = None,
    convention: str = "captum",
    radius: float | None = None,
    n_neighbors: int | None = None,
    value_range: Any = None,
    relative: bool = True,
    outputs: Any = None,
    random_state: int = 0,
) -> MetricResult:
    """Maximal sensitivity: the largest change of the explanation among a row's neighbors; less is better.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that is explained; None: the explainer's.
    X : DataFrame or array-like of shape (n_rows, n_columns), or images
        Rows to explain.
    explainer : fitted explainer
        Explains the rows and their neighbors; it is not changed.
    neighbors : {"auto", "real", "ball"}, default="auto"
        "real", the default for tables: the nearest rows of `data` by Gower's distance, labels and
        missing values included. "ball", the only one for images: points drawn evenly from the cube
        around the row; of tables the columns of numbers move, whole numbers stay whole.
    data : DataFrame or array-like of shape (n_data, n_columns), default=None
        For tables: where real neighbors are taken from, and the ranges that columns are scaled by;
        None: X itself. Rows equal to the row are no neighbors.
    convention : {"captum", "quantus"}, default="captum"
        Defaults for the ball. "captum": radius 0.02 and 10 points; "quantus": 0.2 and 200.
    radius : float, default=None
        Half a side of the cube, in units of the images' range or the columns' ranges; of real
        neighbors the largest Gower distance, None for no limit.
    n_neighbors : int, default=None
        Neighbors of each row; None: 10 real ones, or as `convention` says.
    value_range : (float, float), default=None
        Least and largest value of a pixel, which neighbors do not pass; None: 0 to 255 for uint8,
        else 0 to 1.
    relative : bool, default=True
        Whether changes are divided by the size of the row's own explanation.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain, of neighbors those of their row; None: the explainer's, or if it has
        none each row's predicted one.
    random_state : int, default=0
        Of the points drawn, for each row with a seed of its own.

    Returns
    -------
    MetricResult
        ``details`` has "changes" of explanations and "distances" of the neighbors.

    Raises
    ------
    TypeError
        If `explainer` is no explainer of rows.
    DataError
        If rows have no neighbors, are texts, or all explanations are zero.

    References
    ----------
    .. [1] Yeh, C.-K., Hsieh, C.-Y., Suggala, A., Inouye, D., Ravikumar, P. (2019). On the
       (in)fidelity and sensitivity of explanations. NeurIPS.
       https://doi.org/10.48550/arXiv.1901.09392

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.metrics import max_sensitivity
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> model = lambda X: X @ [1.0, 2.0, 3.0]
    >>> explainer = OcclusionExplainer(model, random_state=0).fit(X)
    >>> result = max_sensitivity(model, X[:20], explainer, data=X)
    >>> result.scores.shape, result.greater_is_better
    ((20,), False)
    """
    options = NeighborOptions(
        neighbors, data, convention, radius, n_neighbors, value_range, random_state, "max_sensitivity"
    )
    changes = measure_changes(model, X, explainer, options, outputs)
    return changes.result(relative=relative, largest=True)


def avg_sensitivity(
    model: Any,
    X: Any,
    explainer: Any,
    *,
    neighbors: str = "auto",
    data: Any = None,
    convention: str = "captum",
    radius: float | None = None,
    n_neighbors: int | None = None,
    value_range: Any = None,
    relative: bool = True,
    outputs: Any = None,
    random_state: int = 0,
) -> MetricResult:
    """Average sensitivity: the mean change of the explanation over a row's neighbors; less is better.

    Parameters
    ----------
    model, X, explainer, neighbors, data, convention, radius, n_neighbors, value_range : object
        As in `max_sensitivity`.
    relative, outputs, random_state : object
        As in `max_sensitivity`.

    Returns
    -------
    MetricResult
        ``details`` has "changes" of explanations and "distances" of the neighbors.

    Raises
    ------
    TypeError
        If `explainer` is no explainer of rows.
    DataError
        If rows have no neighbors, are texts, or all explanations are zero.

    References
    ----------
    .. [1] Bhatt, U., Weller, A., Moura, J. M. F. (2020). Evaluating and aggregating feature-based
       model explanations. IJCAI. https://doi.org/10.24963/ijcai.2020/417

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.metrics import avg_sensitivity
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> model = lambda X: X @ [1.0, 2.0, 3.0]
    >>> explainer = OcclusionExplainer(model, random_state=0).fit(X)
    >>> result = avg_sensitivity(model, X[:20], explainer, neighbors="ball", data=X)
    >>> result.n_draws
    10
    """
    options = NeighborOptions(
        neighbors, data, convention, radius, n_neighbors, value_range, random_state, "avg_sensitivity"
    )
    changes = measure_changes(model, X, explainer, options, outputs)
    return changes.result(relative=relative, largest=False)


def local_lipschitz(
    model: Any,
    X: Any,
    explainer: Any,
    *,
    neighbors: str = "auto",
    data: Any = None,
    convention: str = "captum",
    radius: float | None = None,
    n_neighbors: int | None = None,
    value_range: Any = None,
    relative: bool = False,
    outputs: Any = None,
    random_state: int = 0,
) -> MetricResult:
    """Local Lipschitz estimate: the largest change of the explanation by distance; less is better.

    Parameters
    ----------
    model, X, explainer, neighbors, data, convention, radius, n_neighbors, value_range : object
        As in `max_sensitivity`.
    relative : bool, default=False
        Whether changes are divided by the size of the row's own explanation: needed to compare
        explainers whose values have other units.
    outputs, random_state : object
        As in `max_sensitivity`.

    Returns
    -------
    MetricResult
        Distances are Euclidean, in units of the images' range or of the columns' ranges; labels
        differ by 1. ``details`` has "changes" of explanations and "distances" of the neighbors.

    Raises
    ------
    TypeError
        If `explainer` is no explainer of rows.
    DataError
        If rows have no neighbors, or are texts.

    References
    ----------
    .. [1] Alvarez-Melis, D., Jaakkola, T. S. (2018). On the robustness of interpretability
       methods. https://doi.org/10.48550/arXiv.1806.08049

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.metrics import local_lipschitz
    >>> X = np.random.default_rng(0).uniform(size=(200, 2))
    >>> X[:2] = [[0.0, 0.0], [1.0, 1.0]]
    >>> model = lambda X: X @ [3.0, 4.0]
    >>> explainer = OcclusionExplainer(model, random_state=0).fit(X)
    >>> bool((local_lipschitz(model, X[:20], explainer, data=X).scores <= 4.0 + 1e-9).all())
    True
    """
    options = NeighborOptions(
        neighbors, data, convention, radius, n_neighbors, value_range, random_state, "local_lipschitz"
    )
    changes = measure_changes(model, X, explainer, options, outputs)
    return changes.result(relative=relative, largest=True, by_distance=True)


@dataclass(frozen=True)
class Changes:
    """Changes of explanations between rows and their neighbors."""

    explained: RowExplainer
    neighborhood: Neighborhood
    norms: Floats  # (n_rows, n_neighbors, n_selected), NaN where a row has fewer neighbors
    distances: Floats  # (n_rows, n_neighbors), NaN alike, and where a point is the row itself
    n_model_rows: int

    def result(self, *, relative: bool, largest: bool, by_distance: bool = False) -> MetricResult:
        """Scores of the rows: the largest of their neighbors, or the mean."""
        name = self.explained.by
        if not isinstance(relative, bool | np.bool_):
            raise DataError(f"The 'relative' of {name} must be True or False, got {relative!r}.")
        explained, drawn = self.explained, self.neighborhood.n_drawn
        norms = self.norms
        notes = explained.notes()
        if relative:
            norms, notes = self._over_own_size(notes)
        if by_distance:
            norms = norms / self.distances[..., None]
        known = ~np.isnan(norms)
        counts = known.sum(axis=1)
        if largest:
            scores = np.where(known, norms, -np.inf).max(axis=1)
        else:
            scores = np.where(known, norms, 0.0).sum(axis=1) / np.maximum(counts, 1)
        scores = np.where(counts > 0, scores, np.nan)
        squeeze = explained.squeeze
        return MetricResult(
            name=name,
            scores=squeeze(scores),
            greater_is_better=False,
            draw_errors=squeeze(_mean_errors(norms)) if drawn > 1 and not largest else None,
            n_draws=drawn,
            n_model_rows=self.n_model_rows,
            row_keys=row_seeds(self.neighborhood.rows),
            params={**self.neighborhood.params, "relative": bool(relative)},
            details=self._details(),
            notes=notes + self._notes(counts, largest),
            **explained.result_fields(),
        )

    def _over_own_size(self, notes: tuple[str, ...]) -> tuple[Floats, tuple[str, ...]]:
        """Changes over the size of the row's own explanation, NaN where that is 0."""
        sizes = norms_of(self.explained.values)[:, None]
        is_zero = (sizes == 0).any(axis=(1, 2))
        if (sizes == 0).all():
            raise DataError(
                f"{self.explained.by} divides by the size of a row's explanation, and "
                f"{self.explained.own.method} gives all {len(sizes)} rows zeros: is the prediction constant? "
                "Use relative=False."
            )
        if is_zero.any():
            notes += (
                f"{int(is_zero.sum())} of {len(sizes)} rows have no score, since their explanation is zero.",
            )
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(sizes == 0, np.nan, self.norms / sizes), notes

    def _details(self) -> dict[str, Detail]:
        return {
            "changes": Detail(self.norms, ("row", "neighbor", "output")),
            "distances": Detail(self.distances, ("row", "neighbor")),
        }

    def _notes(self, counts: Any, largest: bool) -> tuple[str, ...]:
        """What is to be known of the neighbors."""
        n_most = self.neighborhood.n_neighbors
        notes: tuple[str, ...] = ()
        without = int(np.isnan(self.distances).all(axis=1).sum())
        if without:
            notes += (f"{without} of {len(counts)} rows have no neighbors, and no score.",)
        fewer = int(((counts < n_most) & (counts > 0)).any(axis=1).sum())
        if fewer:
            notes += (f"{fewer} of {len(counts)} rows have fewer than {n_most} neighbors.",)
        if largest and self.neighborhood.n_drawn > 1:
            notes += (
                f"The largest of {n_most} points drawn: with 95 % confidence, of a proportion of "
                f"{0.05 ** (1.0 / n_most):.2g} of the ball's points.",
            )
        return notes


def measure_changes(model: Any, X: Any, explainer: Any, options: NeighborOptions, outputs: Any) -> Changes:
    """Explain the rows, and then all their neighbors at once, as far as memory allows."""
    explained, neighborhood = explain_with_neighborhood(model, X, explainer, options, outputs)
    n_rows, n_most = len(explained), neighborhood.n_neighbors
    norms = np.full((n_rows, n_most, len(explained.output_names)), np.nan)
    distances = np.full((n_rows, n_most), np.nan)
    n_model_rows = explained.n_model_rows
    n_numbers = int(np.prod(neighborhood.rows.shape[1:])) + explained.values[0].size
    for rows in blocks_of(neighborhood, n_numbers, working_memory() // _COPIES):
        around = neighborhood.around(rows)
        if not around.owners.size:
            continue
        values, n = explained.explain(around.rows, around.owners)
        n_model_rows += n
        moved = around.distances > 0  # rounding may leave a point where it was
        norms[around.owners, around.places] = np.where(
            moved[:, None], norms_of(values - explained.values[around.owners]), np.nan
        )
        distances[around.owners, around.places] = np.where(moved, around.distances, np.nan)
    if np.isnan(distances).all():
        raise DataError(
            f"{options.by} could not move any of the {n_rows} rows: a radius of "
            f"{neighborhood.params['radius']:g} is rounded away. Pass a larger radius."
        )
    return Changes(explained, neighborhood, norms, distances, n_model_rows)


def norms_of(values: Floats) -> Floats:
    """Euclidean norms (n_rows, n_selected) over units (n_rows, n_units, n_selected), those that are there."""
    return np.asarray(np.sqrt(np.square(np.nan_to_num(values)).sum(axis=1)))


def _mean_errors(norms: Floats) -> Floats:
    """Standard errors (n_rows, n_selected) of means over draws (n_rows, n_draws, n_selected)."""
    known = ~np.isnan(norms)
    n = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, norms, 0.0).sum(axis=1) / n
        squares = np.where(known, norms - mean[:, None], 0.0) ** 2
        return np.asarray(np.sqrt(squares.sum(axis=1) / (n - 1.0) / n))
