"""Rows of a table that stand for it, for whatever averages over rows."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from agnostix.core.background.chosen import choose_rows
from agnostix.core.frames import as_table, take_rows
from agnostix.core.row_order import check_row_order
from agnostix.core.typing import Codes, Floats


@dataclass(frozen=True)
class RepresentativeSample:
    """Rows of a table that stand for it, with weights.

    Attributes
    ----------
    rows : DataFrame or ndarray of shape (n_chosen, n_columns)
        The rows, in the order of the table.
    weights : ndarray of shape (n_chosen,)
        Their weights, above 0, adding up to 1.
    indices : ndarray of shape (n_chosen,)
        Their places in the table, ascending.

    Examples
    --------
    >>> from agnostix import representative_sample
    >>> sample = representative_sample([[0.0], [0.0], [3.0], [3.0], [3.0], [9.0]], 3)
    >>> sample.rows.ravel().tolist(), sample.weights.round(2).tolist()
    ([0.0, 3.0, 9.0], [0.33, 0.5, 0.17])
    """

    rows: Any
    weights: Floats
    indices: Codes


def representative_sample(
    X: Any, n_rows: int, *, sample_weight: Any = None, random_state: Any = 0
) -> RepresentativeSample:
    """Choose rows of a table that together are as the table is, and weigh them.

    Means over the chosen rows, with their weights, are near those over the table:
    fifty do what hundreds of random ones do. Rows are taken one by one, each the one
    that brings the energy distance between sample and table down most [1]_ [2]_; it adds
    up distances in every column and in all of them together. Levels, missing values
    and tails that so few rows would miss have a row each, with the weight that they
    have in the table.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_columns)
        Numbers, dates and labels, missing ones among them.
    n_rows : int
        Rows to choose, at least 1. No more than there are distinct ones; if these are
        all chosen, the sample is the table.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    random_state : int, RandomState, Generator or None, default=0
        Of tables with more than 1,000 distinct rows, draws the candidates.

    Returns
    -------
    RepresentativeSample
        Rows, weights and indices. The same for any order of the rows.

    Raises
    ------
    ValueError
        If `n_rows` is no whole number of at least 1, or X or the weights cannot be used.

    References
    ----------
    .. [1] Chen, Y., Welling, M., Smola, A. (2010). Super-samples from kernel herding.
       UAI. https://doi.org/10.48550/arXiv.1203.3472
    .. [2] Mak, S., Joseph, V. R. (2018). Support points. Annals of Statistics 46(6A).
       https://doi.org/10.1214/17-AOS1629

    Examples
    --------
    >>> from agnostix import representative_sample
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> sample = representative_sample(X, 30)
    >>> sample.rows.shape
    (30, 10)
    >>> apart = sample.weights @ sample.rows.to_numpy() - X.to_numpy().mean(axis=0)
    >>> bool(abs(apart).max() < 0.2 * X.to_numpy().std())
    True
    """
    if not isinstance(n_rows, Integral) or isinstance(n_rows, bool) or n_rows < 1:
        raise ValueError(f"n_rows must be a whole number of rows, at least 1, got {n_rows!r}.")
    table = as_table(X)
    check_row_order(X, sample_weight=sample_weight)
    chosen = choose_rows(table, int(n_rows), random_state, sample_weight)
    return RepresentativeSample(take_rows(table, chosen.rows), chosen.weights, chosen.rows)
