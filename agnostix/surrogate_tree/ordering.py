"""Labels put in an order in which a tree may split them."""

from __future__ import annotations

import numpy as np

from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Codes, Floats, Numbers


@one_blas_thread
def level_ranks(codes: Floats, answers: Floats, weights: Floats, n_levels: int) -> Floats:
    """Order labels by the first principal component of their mean answers.

    With one output that is the order of the means, in which the best split in
    two is found among n - 1 cuts; with several it is near it.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,)
        Places of labels, NaN where there is none.
    answers : ndarray of shape (n_rows, n_outputs)
        What is answered.
    weights : ndarray of shape (n_rows,)
        Of the rows.
    n_levels : int
        How many labels there are.

    Returns
    -------
    ndarray of shape (n_levels,)
        Their ranks, from 0; NaN for labels of no row.

    References
    ----------
    .. [1] Coppersmith, D., Hong, S. J., Hosking, J. R. M. (1999). Partitioning
       nominal attributes in decision trees. Data Mining and Knowledge
       Discovery 3, 197-217. https://doi.org/10.1023/A:1009869804967
    """
    there = ~np.isnan(codes)
    places = codes[there].astype(np.intp)
    held = np.bincount(places, weights[there], n_levels)
    seen = np.flatnonzero(held > 0)
    ranks = np.full(n_levels, np.nan)
    if not seen.size:
        return ranks
    sums = [np.bincount(places, weights[there] * column[there], n_levels) for column in answers.T]
    means = np.column_stack(sums)[seen] / held[seen, None]
    order = np.argsort(_component(means, held[seen]), kind="stable")
    ranks[seen[order]] = np.arange(seen.size)
    return ranks


def _component(means: Floats, held: Numbers) -> Floats:
    """Means along the direction in which they differ most."""
    if means.shape[1] == 1:
        return means[:, 0]
    centred = means - held @ means / held.sum()
    moments = (centred * held[:, None]).T @ centred
    direction = np.linalg.eigh(moments)[1][:, -1]
    return centred @ (direction * np.sign(direction[np.abs(direction).argmax()]))


def ranked(numbers: Floats, ranks: dict[int, Floats]) -> Floats:
    """A table whose labels are replaced by their ranks.

    Parameters
    ----------
    numbers : ndarray of shape (n_rows, n_columns)
        Numbers and places of labels.
    ranks : dict of int to ndarray of shape (n_levels,)
        For each column of labels.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Labels without a rank are NaN.
    """
    out = numbers.copy()
    for column, own in ranks.items():
        places = np.where(np.isnan(numbers[:, column]), own.size, numbers[:, column]).astype(np.intp)
        out[:, column] = np.append(own, np.nan)[places]
    return out


def seen_order(ranks: Floats) -> Codes:
    """Labels that have a rank, in its order.

    Parameters
    ----------
    ranks : ndarray of shape (n_levels,)
        From `level_ranks`.

    Returns
    -------
    ndarray of int
        Their places.
    """
    return np.argsort(ranks, kind="stable")[: int((~np.isnan(ranks)).sum())]
