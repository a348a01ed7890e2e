"""Stability of a surrogate tree: trees grown on bootstrap samples of its rows, compared with each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from agnostix.core.intervals import wilson_ends
from agnostix.core.typing import Codes, Floats
from agnostix.surrogate_tree.fitted_tree import FittedTree
from agnostix.surrogate_tree.measures import LEVEL, r2_measure


@dataclass(frozen=True)
class Stability:
    """Trees grown on bootstrap samples of the observed rows, compared pairwise on all of these.

    Attributes
    ----------
    agreement, agreement_sd, agreement_std_error : float or None
        Fraction of rows with the same label: mean over pairs; its spread over pairs, which share trees; and
        how far the mean would move with other resamples (jackknife over trees). None for regression.
    r2, r2_sd, r2_std_error : float
        The same of the R2 of one tree's outputs against the other's.
    jaccard, jaccard_std_error : float
        Features used by both trees, divided by those used by either, mean over pairs; 1 if none is used.
    used, used_low, used_high : pandas.Series
        For each feature the fraction of trees that use it, and its 95 % interval (Wilson).
    leaves : ndarray of int of shape (n_refits,)
        Number of leaves of each tree.
    n_refits : int
        Number of trees.

    Notes
    -----
    Where all pairs are the same, the standard error is 1 / n_refits, as in the rule of three; two trees are
    a single pair, whose spread and standard error are NaN. The errors are those of the number of resamples:
    with more of them they vanish, and the spread of trees stays.
    """

    agreement: float | None
    agreement_sd: float | None
    agreement_std_error: float | None
    r2: float
    r2_sd: float
    r2_std_error: float
    jaccard: float
    jaccard_std_error: float
    used: pd.Series
    used_low: pd.Series
    used_high: pd.Series
    leaves: Codes
    n_refits: int


def measure_stability(fitted: FittedTree, n_refits: int, seed: int) -> Stability:
    """Grow trees on bootstrap samples and compare them; the model is not evaluated."""
    trees = [fitted.regrow(_resample(fitted, seed, k)) for k in range(n_refits)]
    training = fitted.training
    encoded = training.encoded[: training.n_observed]
    outputs = [tree.values[tree.apply_encoded(encoded)] for tree in trees]
    used = [{int(feature) for feature in tree.feature if feature >= 0} for tree in trees]
    agreement, r2, jaccard = np.full((3, n_refits, n_refits), np.nan)
    for a, b in combinations(range(n_refits), 2):
        agreement[a, b] = (outputs[a].argmax(1) == outputs[b].argmax(1)).mean()
        r2[a, b] = r2_measure(outputs[a], outputs[b]).value
        jaccard[a, b] = _jaccard(used[a], used[b])
    names = pd.Index([feature.name for feature in training.features], name="feature")
    fractions = np.array([np.mean([j in features for features in used]) for j in range(len(names))])
    shares = (pd.Series(part, index=names) for part in (fractions, *wilson_ends(fractions, n_refits, LEVEL)))
    fraction, low, high = (part.rename("fraction of trees") for part in shares)
    is_classifier = training.is_classifier
    return Stability(
        agreement=float(np.nanmean(agreement)) if is_classifier else None,
        agreement_sd=_spread(agreement) if is_classifier else None,
        agreement_std_error=_jackknife(agreement) if is_classifier else None,
        r2=float(np.nanmean(r2)),
        r2_sd=_spread(r2),
        r2_std_error=_jackknife(r2),
        jaccard=float(np.nanmean(jaccard)),
        jaccard_std_error=_jackknife(jaccard),
        used=fraction,
        used_low=low,
        used_high=high,
        leaves=np.array([tree.leaves.size for tree in trees]),
        n_refits=n_refits,
    )


def _spread(pairs: Floats) -> float:
    """Standard deviation over pairs of trees, from (n, n) with NaN for what is no pair."""
    return float(np.nanstd(pairs)) if len(pairs) > 2 else float("nan")


def _jackknife(pairs: Floats) -> float:
    """Standard error of the mean over pairs of trees, from (n, n) with NaN for what is no pair."""
    n = len(pairs)
    if n < 3:
        return float("nan")
    if np.nanmax(pairs) - np.nanmin(pairs) <= 1e-12:
        return 1.0 / n
    others = np.arange(n)
    without = np.array([np.nanmean(pairs[np.ix_(others != k, others != k)]) for k in range(n)])
    return float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))


def _resample(fitted: FittedTree, seed: int, k: int) -> Codes:
    """Training rows of bootstrap sample k, each as often as its parent is sampled; once without a parent."""
    rng = np.random.default_rng([seed, 3, k])
    n_observed = fitted.training.n_observed
    observed = np.unique(fitted.rows[fitted.rows < n_observed])
    counts = np.bincount(rng.choice(observed, observed.size), minlength=n_observed + 1)
    counts[-1] = 1  # where a parent of -1 points to
    return np.repeat(fitted.rows, counts[fitted.training.parent[fitted.rows]])


def _jaccard(one: set[int], other: set[int]) -> float:
    either = one | other
    return len(one & other) / len(either) if either else 1.0
