"""Shape of explanations: how few units carry how much of the values, whatever the model does."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.maps import RowMaps, read_maps
from agnostix.metrics.read import ATTRIBUTIONS
from agnostix.metrics.result import MetricResult

ROUNDING = 1e-12
"""Sizes, over the largest of a row, that are taken for 0."""


def sparseness(model: Any, X: Any, explanation: Any, *, outputs: Any = None) -> MetricResult:
    """Sparseness: Gini coefficient of the sizes of the values, 0 if all are equal; greater is better.

    Parameters
    ----------
    model : object
        Not used, there as in all metrics; may be None.
    X : array-like, images, texts or None
        The rows that were explained, by which results are paired; None: those of the explanation.
    explanation : Explanation
        Of columns, pixels, segments or words.
    outputs : str, int or list of these, default=None
        Which of the explained outputs; None: the one explained, or each row's largest.

    Returns
    -------
    MetricResult
        Scores are between 0 and 1 - 1/n for n units, the value of a map with one unit that is
        not 0; NaN where all values are 0.

    Raises
    ------
    DataError
        If the explanation is of other rows, has NaN, or has no value other than 0.

    Notes
    -----
    Of sizes in ascending order s_1, ..., s_n it is 1 - 2 sum_k s_k (n - k + 1/2) / (n sum_k s_k) [1]_,
    without a constant added to them. It is not comparable between explanations with
    different numbers of units.

    References
    ----------
    .. [1] Chalasani, P., et al. (2020). Concise explanations of neural networks using adversarial
       training. ICML. https://doi.org/10.48550/arXiv.1810.06583

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import Explanation
    >>> from agnostix.metrics import sparseness
    >>> values = np.array([[0.0, 3.0, 0.0, 0.0], [1.0, -1.0, 1.0, 1.0]])[..., None]
    >>> exp = Explanation(
    ...     values=values, feature_names=tuple("abcd"), output_names=("price",), quantity="relevance",
    ...     method="by hand",
    ... )
    >>> sparseness(None, None, exp).scores
    array([0.75, 0.  ])
    """
    return _shape_result("sparseness", X, explanation, outputs, gini, greater_is_better=True)


def complexity(model: Any, X: Any, explanation: Any, *, outputs: Any = None) -> MetricResult:
    """Complexity: entropy of each unit's share in the sizes of the values; less is better.

    Parameters
    ----------
    model, X, explanation, outputs : object
        As in `sparseness`.

    Returns
    -------
    MetricResult
        Scores are in nats, from 0 for a single unit to log n for n equal ones; NaN where all
        values are 0.

    Raises
    ------
    DataError
        If the explanation is of other rows, has NaN, or has no value other than 0.

    References
    ----------
    .. [1] Bhatt, U., Weller, A., Moura, J. M. F. (2020). Evaluating and aggregating feature-based
       model explanations. IJCAI. https://doi.org/10.24963/ijcai.2020/417

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import Explanation
    >>> from agnostix.metrics import complexity
    >>> values = np.array([[0.0, 3.0, 0.0, 0.0], [1.0, -1.0, 1.0, 1.0]])[..., None]
    >>> exp = Explanation(
    ...     values=values, feature_names=tuple("abcd"), output_names=("price",), quantity="relevance",
    ...     method="by hand",
    ... )
    >>> np.exp(complexity(None, None, exp).scores)
    array([1., 4.])
    """
    return _shape_result("complexity", X, explanation, outputs, entropy, greater_is_better=False)


def effective_features(
    model: Any, X: Any, explanation: Any, *, order: float = 1, outputs: Any = None
) -> MetricResult:
    """Effective number of features, Hill's number of the units' shares; less is better.

    Parameters
    ----------
    model, X, explanation : object
        As in `sparseness`.
    order : float, default=1
        Of Hill's number, at least 0. 0: how many values are not 0; 1: the exponential of the
        entropy; 2: the reciprocal of the sum of squared shares. The larger, the less small
        values count.
    outputs : str, int or list of these, default=None
        As in `sparseness`.

    Returns
    -------
    MetricResult
        Scores are from 1 to the number of units: so many equal values have the same diversity.
        NaN where all values are 0.

    Raises
    ------
    DataError
        If the explanation is of other rows, has NaN, or has no value other than 0.

    References
    ----------
    .. [1] Hill, M. O. (1973). Diversity and evenness: a unifying notation and its consequences.
       Ecology, 54(2). https://doi.org/10.2307/1934352

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import Explanation
    >>> from agnostix.metrics import effective_features
    >>> values = np.array([[0.0, 3.0, 0.0, 0.0], [1.0, -1.0, 1.0, 1.0]])[..., None]
    >>> exp = Explanation(
    ...     values=values, feature_names=tuple("abcd"), output_names=("price",), quantity="relevance",
    ...     method="by hand",
    ... )
    >>> effective_features(None, None, exp).scores
    array([1., 4.])
    """
    if not isinstance(order, Real) or isinstance(order, bool) or not 0 <= order < np.inf:
        raise DataError(f"The 'order' of effective_features must be a number of at least 0, got {order!r}.")
    return _shape_result(
        "effective_features",
        X,
        explanation,
        outputs,
        lambda sizes: hill_number(sizes, float(order)),
        greater_is_better=False,
        params={"order": float(order)},
    )


def gini(sizes: Floats) -> float:
    """Gini coefficient of sizes (n_units,), of which one at least is not 0."""
    n = sizes.size
    return 1.0 - 2.0 * float(np.sort(sizes) @ (n - np.arange(1, n + 1) + 0.5)) / (n * float(sizes.sum()))


def entropy(sizes: Floats) -> float:
    """Shannon's entropy in nats of the shares of sizes (n_units,), of which one at least is not 0."""
    shares = sizes[sizes > 0] / sizes.sum()
    shares = shares[shares > 0]  # a share may round to 0
    return float(-(shares * np.log(shares)).sum()) + 0.0


def hill_number(sizes: Floats, order: float) -> float:
    """Hill's number of the shares of sizes (n_units,), of which one at least is not 0."""
    if order == 1.0:
        return float(np.exp(entropy(sizes)))
    shares = sizes[sizes > 0] / sizes.sum()
    largest = shares.max()  # powers of its ratios do not all vanish
    log_sum = order * np.log(largest) + np.log(((shares / largest) ** order).sum())
    return float(np.exp(log_sum / (1.0 - order)))


def _shape_result(
    name: str,
    X: Any,
    explanation: Any,
    outputs: Any,
    measure: Callable[[Floats], float],
    *,
    greater_is_better: bool,
    params: dict[str, Any] | None = None,
) -> MetricResult:
    maps = read_maps(explanation, X, outputs, name)
    scores = _measure_maps(maps, measure)
    empty = int(np.isnan(scores).any(axis=1).sum())
    if np.isnan(scores).all():
        raise DataError(
            f"The explanation of {name} has the value 0 for every unit of all {len(scores)} rows, which has "
            "no shape. Explain with another method, or more samples."
        )
    notes = (f"{empty} of {len(scores)} rows have no score: all of their values are 0.",) if empty else ()
    return MetricResult(
        name=name,
        scores=maps.squeeze(scores),
        greater_is_better=greater_is_better,
        made_for=(*ATTRIBUTIONS, "sensitivity"),
        params=params or {},
        notes=notes,
        **maps.result_fields(),
    )


def _measure_maps(maps: RowMaps, measure: Callable[[Floats], float]) -> Floats:
    """A measure of the sizes of each row and output, (n_rows, n_selected); NaN where all are 0."""
    n_rows, _, n_selected = maps.values.shape
    scores = np.full((n_rows, n_selected), np.nan)
    for row in range(n_rows):
        for selected in range(n_selected):
            own = maps.values[row, :, selected]
            sizes = np.abs(own[~np.isnan(own)])
            largest = sizes.max(initial=0.0)
            if largest > 0:
                shown = sizes / largest
                scores[row, selected] = measure(np.where(shown > ROUNDING, shown, 0.0))
    return scores
