"""Where the bins of a column end."""

from __future__ import annotations

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from agnostix.core.typing import Codes, Floats

N_BINS = {"quartile": 4, "decile": 10}
_ENTROPY_DEPTH = 3


def quantile_edges(values: Floats, weights: Floats, n_bins: int) -> Floats:
    """Edges between bins of equal weight.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Without gaps.
    weights : ndarray of shape (n,)
        Above 0; a row of weight 2 counts as two of weight 1.
    n_bins : int
        How many bins are wanted; ties leave fewer.

    Returns
    -------
    ndarray
        Ascending, each once.
    """
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(weights[order] / weights.min())
    place = np.arange(1, n_bins) / n_bins * (ends[-1] - 1.0)
    low = np.floor(place)
    below, above = (
        values[order][np.minimum(np.searchsorted(ends, spot, side="right"), order.size - 1)]
        for spot in (low, low + 1.0)
    )
    return np.unique(below + (above - below) * (place - low))


def entropy_edges(values: Floats, weights: Floats, labels: Codes) -> Floats:
    """Edges that tell classes apart: those of a tree of depth 3 on this column alone.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Without gaps.
    weights : ndarray of shape (n,)
        Above 0.
    labels : ndarray of shape (n,)
        Classes.

    Returns
    -------
    ndarray
        Ascending, each once; the median where the tree finds none.
    """
    tree = DecisionTreeClassifier(criterion="entropy", max_depth=_ENTROPY_DEPTH, random_state=0)
    found = tree.fit(values[:, None], labels, sample_weight=weights).tree_
    edges = np.unique(found.threshold[found.feature >= 0])
    return edges if edges.size else quantile_edges(values, weights, 2)


def snapped(edges: Floats, values: Floats) -> Floats:
    """Move edges down to values that occur, which leaves every value in its bin.

    Parameters
    ----------
    edges : ndarray
        Ascending.
    values : ndarray of shape (n,)
        What occurs.

    Returns
    -------
    ndarray
        Ascending, each once.
    """
    found = np.unique(values)
    place = np.searchsorted(found, edges, side="right") - 1
    return np.unique(found[place[place >= 0]])
