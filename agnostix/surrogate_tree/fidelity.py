"""How faithfully a tree copies a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import rel_entr
from scipy.stats import beta

from agnostix.core.typing import Floats

LEVEL = 0.95
"""Of all intervals."""
SMALLEST = 1e-6
"""Probabilities below count as this in a Kullback-Leibler divergence, lest it be infinite."""


@dataclass(frozen=True)
class Fidelity:
    """Agreement of a tree with the model that it copies, on rows that it was not grown on.

    Attributes
    ----------
    label, label_low, label_high : float or None
        Share of rows with the same label, and its 95 % interval (Clopper-Pearson); None for regression.
    r2, r2_std_error : float
        Share of the variance of the model's answers that the tree explains, over all outputs; 1 and 0 for
        answers that do not vary.
    r2_outputs, r2_outputs_std_errors : ndarray of shape (n_outputs,)
        The same of each output.
    kl, kl_std_error : float or None
        Mean Kullback-Leibler divergence of the tree's probabilities from the model's, in nats; None where
        the answers are no probabilities.
    accuracy_model, accuracy_tree, accuracy_both : float or None
        Shares of rows where the model is right, where the tree is, and where both are; for regression the
        R2 to the truth of the first two. None where the truth is not known.
    n_rows : int
        Rows that tell.
    n_effective : float
        What they count for: fewer, where trees take turns.
    source : {"cross-fitted", "held out", "given"}
        Whether every row was told by a tree that was grown without it; or rows were set aside; or they were
        given later.
    """

    label: float | None
    label_low: float | None
    label_high: float | None
    r2: float
    r2_std_error: float
    r2_outputs: Floats
    r2_outputs_std_errors: Floats
    kl: float | None
    kl_std_error: float | None
    accuracy_model: float | None
    accuracy_tree: float | None
    accuracy_both: float | None
    n_rows: int
    n_effective: float
    source: str


def measured(
    answers: Floats, copies: Floats, labelled: bool, source: str, inflation: float = 1.0
) -> Fidelity:
    """Compare a tree's answers with the model's.

    Parameters
    ----------
    answers, copies : ndarray of shape (n_rows, n_outputs)
        The model's, and the tree's.
    labelled : bool
        Whether the largest answer is the label.
    source : str
        As the attribute.
    inflation : float, default=1.0
        Factor on variances.

    Returns
    -------
    Fidelity
    """
    n = answers.shape[0]
    counts = n / inflation
    hits = float((answers.argmax(1) == copies.argmax(1)).mean()) if labelled else None
    low, high = (None, None) if hits is None else clopper_pearson(hits * counts, counts)
    pooled, by_output = (
        r2_of(answers, copies, inflation),
        [r2_of(answers[:, [k]], copies[:, [k]], inflation) for k in range(answers.shape[1])],
    )
    kl = divergence(answers, copies) if labelled and is_probabilities(answers) else None
    return Fidelity(
        label=hits,
        label_low=low,
        label_high=high,
        r2=pooled[0],
        r2_std_error=pooled[1],
        r2_outputs=np.array([one[0] for one in by_output]),
        r2_outputs_std_errors=np.array([one[1] for one in by_output]),
        kl=None if kl is None else float(kl.mean()),
        kl_std_error=None if kl is None else _standard_error(kl, inflation),
        accuracy_model=None,
        accuracy_tree=None,
        accuracy_both=None,
        n_rows=n,
        n_effective=counts,
        source=source,
    )


def clopper_pearson(hits: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """An interval for a share that covers it at least as often as is said.

    Parameters
    ----------
    hits, n : float
        How many of how many; not necessarily whole.
    level : float, default=0.95
        Of the interval.

    Returns
    -------
    tuple of float

    References
    ----------
    .. [1] Clopper, C. J., Pearson, E. S. (1934). The use of confidence or fiducial
       limits illustrated in the case of the binomial. Biometrika 26, 404-413.
       https://doi.org/10.1093/biomet/26.4.404
    """
    tail, missed = (1.0 - level) / 2.0, n - hits
    low = 0.0 if hits <= 0 else float(beta.ppf(tail, hits, missed + 1.0))
    high = 1.0 if missed <= 1e-9 * n else float(beta.ppf(1.0 - tail, hits + 1.0, missed))
    return low, high


def r2_of(answers: Floats, copies: Floats, inflation: float = 1.0) -> tuple[float, float]:
    """R2 over all outputs together, and its standard error by the delta method.

    Parameters
    ----------
    answers, copies : ndarray of shape (n_rows, n_outputs)
        The model's, and the tree's.
    inflation : float, default=1.0
        Factor on the variance.

    Returns
    -------
    tuple of float
        1 and 0 for answers that do not vary.
    """
    lost = ((copies - answers) ** 2).sum(axis=1)
    spread = ((answers - answers.mean(axis=0)) ** 2).sum(axis=1)
    if spread.mean() <= 1e-24 * (answers**2).sum(axis=1).mean() or not spread.any():
        return 1.0, 0.0
    ratio = lost.mean() / spread.mean()
    return float(1.0 - ratio), _standard_error((lost - ratio * spread) / spread.mean(), inflation)


def divergence(answers: Floats, copies: Floats) -> Floats:
    """The Kullback-Leibler divergence of each row, in nats.

    Parameters
    ----------
    answers, copies : ndarray of shape (n_rows, n_outputs)
        Probabilities of the model, and of the tree.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    floored = np.maximum(copies, SMALLEST)
    return rel_entr(np.maximum(answers, 0.0), floored / floored.sum(axis=1, keepdims=True)).sum(axis=1)


def is_probabilities(answers: Floats) -> bool:
    """Whether answers are probabilities of classes.

    Parameters
    ----------
    answers : ndarray of shape (n_rows, n_outputs)
        A model's.

    Returns
    -------
    bool
    """
    sums = answers.sum(axis=1)
    return answers.shape[1] > 1 and bool((answers >= -1e-6).all() and (np.abs(sums - 1.0) < 1e-4).all())


def _standard_error(parts: Floats, inflation: float) -> float:
    n = parts.size
    return float(np.sqrt(inflation * parts.var(ddof=1) / n)) if n > 1 else 0.0
