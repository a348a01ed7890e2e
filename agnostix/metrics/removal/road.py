"""ROAD: remove and debias. Pixels are hidden behind what their neighbors say of them, see `imputation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np

from agnostix.core.evaluate import evaluate
from agnostix.core.row_sources import RowSource
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.read import ExplainedRows, check_pictures, read_explanation
from agnostix.metrics.removal.curves import checked_proportions
from agnostix.metrics.removal.imputation import Imputer
from agnostix.metrics.removal.ordered import (
    OrderSpec,
    RowOrder,
    average_orders,
    counts_of,
    ordered_result,
    orders_of_rows,
    unit_ranks,
)
from agnostix.metrics.result import MetricResult

INSTEAD = "Use deletion, whose masker takes background rows for tables, or TextMasker()."
PROPORTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def road(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    proportions: Sequence[float] = PROPORTIONS,
    noise: float = 0.01,
    outputs: Any = None,
    least: bool = True,
    n_random: int = 1,
    n_ties: int = 2,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """ROAD: mean prediction with the most relevant pixels imputed from their neighbors; less is better.

    Parameters
    ----------
    model : torch module, fitted estimator, callable or Predictor
        The model that was explained.
    X : array-like of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
        The pictures that were explained.
    explanation : Explanation
        With a value for each pixel or segment.
    proportions : sequence of float, default=(0.1, 0.2, ..., 0.9)
        Of pixels or segments that are hidden, above 0 and below 1, over which predictions are averaged.
    noise : float, default=0.01
        Standard deviation of what is added to imputed pixels, as a share of each channel's range.
    outputs : str, int or list of these, default=None
        Which of the explained outputs; None: the one explained, or each row's predicted one.
    least : bool, default=True
        Whether to hide the least relevant pixels first, too: reference "least".
    n_random : int, default=1
        Random orders of each row to average over: reference "random"; 0 for none.
    n_ties : int, default=2
        Orders of each row where pixels of equal value are on both sides of a proportion.
    random_state : int, default=0
        Of ties, noise and random orders, which depend on it and on what a row holds.
    n_jobs : int, default=None
        Workers for the model and the imputation, as in joblib.
    verbose : int, default=1
        1 shows a bar once work has taken a few seconds; 0 none.

    Returns
    -------
    MetricResult
        Scores are mean predictions over proportions. ``against("least")`` is that of the least
        relevant first less that of the most relevant first: twice what [2]_ calls ROADCombined.

    Raises
    ------
    DataError
        If the rows are no pictures, or the explanation does not fit rows and model.

    Notes
    -----
    A fill such as black leaves the shape of what was hidden to the model, which then predicts by
    it. Imputed pixels give away less of it [1]_. Pixels at the border have the weights of
    the neighbors they have. Imputed values are clipped to the range of the picture's channel.

    References
    ----------
    .. [1] Rong, Y., et al. (2022). A consistent and efficient evaluation strategy for attribution
       methods. ICML. https://doi.org/10.48550/arXiv.2202.00449
    .. [2] Gildenblat, J., and contributors (2021). PyTorch library for CAM methods.
       https://github.com/jacobgil/pytorch-grad-cam

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import RiseExplainer
    >>> from agnostix.metrics import road
    >>> images = np.random.default_rng(0).random((6, 8, 8))
    >>> model = lambda X: X[:, :4, :4].std((1, 2))
    >>> explainer = RiseExplainer(model, n_masks=256, n_cells=4, random_state=0)
    >>> exp = explainer.fit(images).explain(images)
    >>> road(model, images, exp, proportions=[0.2, 0.4]).against("least").score > 0
    True
    """
    spec = OrderSpec(least, n_random, n_ties, random_state).checked("road")
    shares = checked_proportions("road", proportions)
    if not isinstance(noise, Real) or isinstance(noise, bool) or not 0 <= noise < np.inf:
        raise DataError(f"The 'noise' of road must be a number of at least 0, got {noise!r}.")
    check_pictures(explanation, "road", INSTEAD)
    explained = read_explanation(
        model,
        X,
        explanation,
        by="road",
        outputs=outputs,
        random_state=random_state,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    return road_result(explained, spec, shares, float(noise), n_jobs, verbose)


def road_result(
    explained: ExplainedRows, spec: OrderSpec, proportions: Floats, noise: float, n_jobs: Any, verbose: Any
) -> MetricResult:
    """ROAD of pictures that were read."""
    orders = orders_of_rows(explained, spec, counts_of(explained, proportions))
    source = ImputedRows.from_orders(explained, orders, noise)
    answers, n = evaluate(
        explained.predictor,
        source,
        ImputedRows.collect_outputs,
        n_outputs=explained.predictions.shape[1],
        n_jobs=n_jobs,
        verbose=verbose,
    )
    curves = average_orders(
        explained, orders, answers, proportions, lambda _row, _selected, p: float(p.mean())
    )
    return ordered_result(
        explained,
        spec,
        curves,
        "road",
        n,
        greater_is_better=False,
        fill=f"noisy linear imputation, noise {noise:g}",
        x_label=f"proportion of {explained.units.kind}s imputed",
        params={"proportions": proportions.tolist(), "noise": noise},
    )


@dataclass
class ImputedRows(RowSource):
    """Pictures whose units are imputed up to each point of an order. An item is an order of a row."""

    explained: ExplainedRows
    orders: tuple[RowOrder, ...]
    noise: float
    _imputed: tuple[int, Any] = field(default=(-1, None), init=False, repr=False)

    @classmethod
    def from_orders(cls, explained: ExplainedRows, orders: list[RowOrder], noise: float) -> ImputedRows:
        """All orders, one after the other."""
        return cls(explained, tuple(orders), noise)

    @property
    def n_items(self) -> int:
        return len(self.orders)

    @property
    def n_columns(self) -> int:
        return self.explained.units.rows.n_values

    def n_rows(self, block: int) -> int:
        return int(self.orders[block].counts.size)

    def for_worker(self) -> ImputedRows:
        return replace(self)

    def build(self, block: int, part: slice) -> Any:
        # All holes of an order are imputed together, so that no bit depends on the batches.
        if self._imputed[0] != block:
            self._imputed = -1, None  # before others are made
            self._imputed = block, self._impute(self.orders[block])
        return self._imputed[1][part].copy()

    def _impute(self, one: RowOrder) -> Any:
        """The picture at each point of an order, (n_points, ...)."""
        rows: Any = self.explained.units.rows
        own = rows[np.array([one.row])]
        ranks = unit_ranks(self.explained, one)[own.labels[0]]
        imputer = Imputer(own.pixels[0], self.noise, self.explained.seeds[one.row], one.draw)
        return np.stack(list(imputer.fill(ranks < one.counts[:, None, None])))

    def describe(self, block: int, part: slice | None = None) -> str:
        return f"row {self.orders[block].row} with {self.explained.units.kind}s imputed"

    def collect_outputs(self, item: int, predictions: Floats) -> Floats:
        """Predictions (n_points,) of the order's output."""
        one = self.orders[item]
        return predictions[:, self.explained.outputs[one.row, one.selected]].copy()
