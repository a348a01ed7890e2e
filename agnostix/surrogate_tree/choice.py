"""What trials say of ways to grow and of sizes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from agnostix.core.typing import Floats
from agnostix.surrogate_tree.scores import Scores
from agnostix.surrogate_tree.trial import Trial

SURE = 2.0
"""Standard errors by which one way to grow must be better than another to be chosen by labels."""


def price_steps(prices: Floats) -> tuple[Floats, Floats]:
    """The sizes of a tree along its cost-complexity path.

    Parameters
    ----------
    prices : ndarray of shape (n_nodes,)
        From `weakest_links`.

    Returns
    -------
    steps : ndarray of shape (n_sizes,)
        Prices up to which splits are given up, from the largest tree to the root alone.
    between : ndarray of shape (n_sizes,)
        For each a price halfway to the next, by ratio: at which other trees are of like size.
    """
    steps = np.unique(np.append(prices[np.isfinite(prices)], 0.0))
    return steps, np.append(np.sqrt(steps[:-1] * steps[1:]), np.inf)


def smallest(tree_prices: Floats, trials: Iterable[Trial]) -> float:
    """The price of the smallest tree that is as good as the best of its path.

    As good: by labels and by squared distances within one standard error,
    that of the difference on the same rows. Rows drawn near a row that a tree
    was grown without tell of it too, which makes these errors small enough to
    be of use where few rows are given.

    Parameters
    ----------
    tree_prices : ndarray of shape (n_nodes,)
        Of the tree that is to be made smaller.
    trials : iterable of Trial
        Of other trees that were grown in the same way.

    Returns
    -------
    float
        Splits up to it are to be given up.
    """
    steps, between = price_steps(tree_prices)
    tried = list(trials)
    found = [Scores.joined([trial.scores_nearby(price) for trial in tried]) for price in between]
    by_labels = found[int(np.argmax([one.hits.mean() for one in found]))]
    by_answers = found[int(np.argmin([one.losses.mean() for one in found]))]
    good = [one.is_as_good(by_labels)[0] and one.is_as_good(by_answers)[1] for one in found]
    return float(steps[max(np.flatnonzero(good), default=0)])


def best_way(trials: list[list[Trial]], kinds: list[str], selection: str) -> int:
    """Which way to grow comes nearest to the model.

    By labels: of those that are not worse than the best by more than two
    standard errors, which labels cannot tell apart, the one whose answers are nearest.
    Between ways that draw the same rows, rows drawn near those that are tested tell
    of the answers too: a model has often been fitted on given rows, and is
    surer of them than of others.

    Parameters
    ----------
    trials : list of list of Trial
        For each way its trees, tested by the same given rows.
    kinds : list of str
        For each way which rows are drawn.
    selection : {"label", "r2"}
        What counts.

    Returns
    -------
    int
        The first of those that are alike.
    """
    found = [Scores.joined([trial.scores() for trial in own]) for own in trials]
    places = list(range(len(found)))
    if selection == "label":
        best = found[int(np.argmax([one.hits.mean() for one in found]))]
        places = [k for k in places if found[k].is_as_good(best, SURE)[0]]
    nearby = [Scores.joined([trial.scores_nearby(-1.0) for trial in own]).losses.mean() for own in trials]
    firsts = [
        min((k for k in places if kinds[k] == kind), key=lambda k: float(nearby[k]))
        for kind in dict.fromkeys(kinds[k] for k in places)
    ]
    return min(firsts, key=lambda k: float(found[k].losses.mean()))
