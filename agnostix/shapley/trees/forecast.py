"""What trees take, from the ensemble and the number of background rows alone: no clock decides anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.row_sources import working_memory
from agnostix.core.trees.ensemble import TreeEnsemble
from agnostix.core.trees.reading import TreeModel
from agnostix.core.typing import Codes
from agnostix.shapley.trees.background import PREPARED
from agnostix.shapley.trees.leaves import MOST_DENSE
from agnostix.shapley.trees.prepared import can_prepare

_PER_LEAF, _PER_COUNT = 2e-5, 3e-9
"""CPU seconds of a leaf, and of a background row at a leaf with few players, on a processor of our days."""
_PER_PAIR, _PER_GROUP = 6e-9, 1.1e-6
"""Those of a background row at a leaf with many players, and of the root of their number, by which the
distinct patterns grow."""
_PER_MODEL_ROW, _PER_SPLIT = 1e-6, 1e-8
"""Those of a row that the model predicts, and of each split on its way down a tree."""


@dataclass(frozen=True)
class TreeForecast:
    """CPU seconds, about."""

    preparation: float  # once, in fit: the background passes the trees that are kept
    first_row: float  # of each call of explain, which the rows of a call share

    @property
    def total(self) -> float:
        """Of a fit and a row."""
        return self.preparation + self.first_row


def forecast_trees(model: TreeModel, n_background: int) -> TreeForecast:
    """What the values of a first row take over so many background rows."""
    ensemble = model.ensemble
    depth, tree = _leaf_depths(ensemble)
    n_players = np.minimum(depth, np.unique(model.owner).size)
    is_dense = n_players <= MOST_DENSE
    seconds = np.where(
        is_dense,
        _PER_LEAF + _PER_COUNT * n_background,
        _PER_LEAF + _PER_PAIR * n_background + _PER_GROUP * np.sqrt(n_background),
    )
    n_bytes = np.where(is_dense, 8.0 * 2.0**n_players, 12.0 * np.minimum(2.0**n_players, n_background))
    by_tree = np.bincount(tree, n_bytes, ensemble.n_trees)
    is_kept = can_prepare(ensemble)
    is_kept &= np.cumsum(np.where(is_kept, by_tree, 0.0)) <= working_memory() // PREPARED
    kept = is_kept[tree]
    rows = float(seconds[~kept].sum() + _PER_LEAF * np.count_nonzero(kept))
    return TreeForecast(float(seconds[kept].sum()), rows)


def seconds_per_row(model: TreeModel) -> float:
    """What a prediction of the model takes."""
    depth, tree = _leaf_depths(model.ensemble)
    n_leaves = np.bincount(tree, minlength=model.ensemble.n_trees)
    mean_depths = np.bincount(tree, depth, model.ensemble.n_trees) / n_leaves
    return _PER_MODEL_ROW + _PER_SPLIT * float(mean_depths.sum())


def _leaf_depths(ensemble: TreeEnsemble) -> tuple[Codes, Codes]:
    """Depth and tree of all leaves, each (n_leaves,)."""
    nodes, tree = ensemble.roots, np.arange(ensemble.n_trees)
    depths, trees, depth = [], [], 0
    while nodes.size:
        inner = ensemble.left[nodes] >= 0
        depths.append(np.full(np.count_nonzero(~inner), depth))
        trees.append(tree[~inner])
        nodes = np.concatenate([ensemble.left[nodes[inner]], ensemble.right[nodes[inner]]])
        tree, depth = np.tile(tree[inner], 2), depth + 1
    return np.concatenate(depths), np.concatenate(trees)
