"""Random weighted regressions, and fits of them by scikit-learn."""

import numpy as np
from sklearn.linear_model import LinearRegression, Ridge

from agnostix.lime.problem import Problem


def problem(seed=0, d=4, n=512, n_outputs=2, n_blocks=16, binary=True, own_answers=None):
    """Correlated features, answers with interactions, kernel weights."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    design = 0.4 * shared + rng.normal(size=(d, n))
    if binary:
        design = (design > rng.normal(size=(d, 1)) * 0.5).astype(float)
    slopes = rng.normal(size=(d, n_outputs))
    answers = (
        design.T @ slopes + np.sin(3.0 * design[0] * design[-1])[:, None] + rng.normal(size=(n, n_outputs))
    )
    own = np.ones(d) if binary else rng.normal(size=d)
    own_answers = rng.normal(size=n_outputs) if own_answers is None else own_answers
    return Problem(design, rng.exponential(size=n), answers, own, own_answers, n_blocks)


def reweighted(one, factors):
    """The same draws with other weights."""
    return Problem(
        one.design,
        one.weights * factors,
        one.answers,
        one.own_design,
        one.own_answers,
        one.n_blocks,
        one.origin,
    )


def block_of(one):
    return np.arange(one.n_draws) // (one.n_draws // one.n_blocks)


def plain_fit(one, features, ridge, output=0):
    """The problem fitted by scikit-learn."""
    regressor = Ridge(ridge, tol=1e-14) if ridge else LinearRegression()
    return regressor.fit(one.design[features].T, one.answers[:, output], sample_weight=one.weights)


def spread(parts, n_draws, n_fitted):
    """Standard error of a sum of independent blocks, by loops."""
    n_blocks = len(parts)
    mean = sum(parts) / n_blocks
    squares = sum((part - mean) ** 2 for part in parts)
    return np.sqrt(squares * n_blocks / (n_blocks - 1) * n_draws / (n_draws - n_fitted))
