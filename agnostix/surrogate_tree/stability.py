"""How much a tree would change with other rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from agnostix.core.typing import Codes
from agnostix.surrogate_tree.copying import Copy, grown_again
from agnostix.surrogate_tree.fidelity import r2_of
from agnostix.surrogate_tree.rule_tree import RuleTree


@dataclass(frozen=True)
class Stability:
    """Trees grown again on rows drawn with replacement, compared pair by pair on all given rows.

    Attributes
    ----------
    agreement, agreement_sd : float or None
        Mean over pairs of the share of rows with the same label, and its spread; None for regression.
    r2, r2_sd : float
        Mean over pairs of how much of the variance of one tree's answers the other's explain, and its spread.
    jaccard : float
        Mean over pairs of the features that both use, over those that either uses; 1 where none uses any.
    used : pandas.Series
        For each feature the share of trees that use it.
    leaves : ndarray of int of shape (n_refits,)
        Of each tree.
    n_refits : int
        Trees.
    """

    agreement: float | None
    agreement_sd: float | None
    r2: float
    r2_sd: float
    jaccard: float
    used: pd.Series
    leaves: Codes
    n_refits: int


def stability_of(copy: Copy, n_refits: int, seed: int) -> Stability:
    """Grow again and compare; the model is not asked.

    Parameters
    ----------
    copy : Copy
        What was grown.
    n_refits : int
        How many times to grow, 2 or more.
    seed : int
        Of the draws.

    Returns
    -------
    Stability
    """
    trees = [grown_again(copy, _redrawn(copy, seed, k)).tree for k in range(n_refits)]
    material = copy.material
    numbers = material.numbers[: material.n_real]
    answers = [tree.values[tree.apply_read(numbers)] for tree in trees]
    used = [{int(one) for one in tree.feature if one >= 0} for tree in trees]
    pairs = list(combinations(range(n_refits), 2))
    same = [float((answers[a].argmax(1) == answers[b].argmax(1)).mean()) for a, b in pairs]
    near = [r2_of(answers[a], answers[b])[0] for a, b in pairs]
    labelled = material.classification
    return Stability(
        agreement=float(np.mean(same)) if labelled else None,
        agreement_sd=float(np.std(same)) if labelled else None,
        r2=float(np.mean(near)),
        r2_sd=float(np.std(near)),
        jaccard=float(np.mean([_jaccard(used[a], used[b]) for a, b in pairs])),
        used=_shares(trees[0], used),
        leaves=np.array([tree.leaves.size for tree in trees]),
        n_refits=n_refits,
    )


def _redrawn(copy: Copy, seed: int, k: int) -> Codes:
    """Rows, each as often as the given row is drawn that it was made from; those made from none once."""
    rng = np.random.default_rng([seed, 3, k])
    given = np.unique(copy.rows[copy.rows < copy.material.n_real])
    counts = np.zeros(copy.material.n_real + 1, dtype=np.intp)
    counts[: copy.material.n_real] = np.bincount(
        rng.choice(given, given.size), minlength=copy.material.n_real
    )
    counts[-1] = 1  # where a parent of -1 points to
    return np.repeat(copy.rows, counts[copy.material.parent[copy.rows]])


def _jaccard(one: set[int], other: set[int]) -> float:
    either = one | other
    return len(one & other) / len(either) if either else 1.0


def _shares(tree: RuleTree, used: list[set[int]]) -> pd.Series:
    names = [feature.name for feature in tree.features]
    shares = [float(np.mean([place in own for own in used])) for place in range(len(names))]
    return pd.Series(shares, index=pd.Index(names, name="feature"), name="share of trees")
