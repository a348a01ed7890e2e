"""Random weighted regressions, and fits of them by scikit-learn."""

import numpy as np
from sklearn.linear_model import LinearRegression, Ridge

from agnostix.lime.truncated_normal import truncnorm_nodes
from agnostix.lime.weighted_regression import WeightedRegression


def regression(seed=0, d=4, n=512, n_outputs=2, n_blocks=16, binary=True, row_predictions=None):
    """Correlated features, predictions with interactions, kernel weights."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    design = 0.4 * shared + rng.normal(size=(d, n))
    if binary:
        design = (design > rng.normal(size=(d, 1)) * 0.5).astype(float)
    slopes = rng.normal(size=(d, n_outputs))
    predictions = (
        design.T @ slopes + np.sin(3.0 * design[0] * design[-1])[:, None] + rng.normal(size=(n, n_outputs))
    )
    own = np.ones(d) if binary else rng.normal(size=d)
    row_predictions = rng.normal(size=n_outputs) if row_predictions is None else row_predictions
    return WeightedRegression(design, rng.exponential(size=n), predictions, own, row_predictions, n_blocks)


def reweighted(one, factors):
    """The same samples with other weights."""
    return WeightedRegression(
        one.design,
        one.weights * factors,
        one.predictions,
        one.row_design,
        one.row_predictions,
        one.n_blocks,
        one.origin,
        one.row_weight,
        one.row_effects,
    )


def only(one, output):
    """The same samples with one output."""
    part = slice(output, output + 1)
    return WeightedRegression(
        one.design,
        one.weights,
        one.predictions[:, part],
        one.row_design,
        one.row_predictions[part],
        one.n_blocks,
    )


def block_of(one):
    return np.arange(one.n_samples) // (one.n_samples // one.n_blocks)


def plain_fit(one, features, ridge, output=0):
    """The regression fitted by scikit-learn."""
    regressor = Ridge(ridge, tol=1e-14) if ridge else LinearRegression()
    return regressor.fit(one.design[features].T, one.predictions[:, output], sample_weight=one.weights)


def left_out_residuals(one, features, ridge, output=0):
    """Residuals of fits without one sample after another."""
    residuals = np.empty(one.n_samples)
    for i in range(one.n_samples):
        fitted = plain_fit(
            reweighted(one, (np.arange(one.n_samples) != i).astype(float)), features, ridge, output
        )
        residuals[i] = one.predictions[i, output] - fitted.predict(one.design[features, i][None])[0]
    return residuals


def left_out_r2(one, residuals, output=0):
    """R2 of predictions for samples that were left out, of the fit and of the mean."""
    y, w = one.predictions[:, output], one.weights
    others = (w @ y - w * y) / (w.sum() - w)
    return 1.0 - w @ residuals**2 / (w @ (y - others) ** 2)


def truncnorm_expectation(function, mean, sd, lo, hi, n_nodes=64):
    """Means of a function under truncated normals, by their quadrature nodes."""
    nodes, weights = truncnorm_nodes(mean, sd, lo, hi, n_nodes)
    return (weights * function(nodes)).sum(-1)


def spread(parts, n_draws, n_fitted):
    """Standard error of a sum of independent blocks, by loops."""
    n_blocks = len(parts)
    mean = sum(parts) / n_blocks
    squares = sum((part - mean) ** 2 for part in parts)
    return np.sqrt(squares * n_blocks / (n_blocks - 1) * n_draws / (n_draws - n_fitted))
