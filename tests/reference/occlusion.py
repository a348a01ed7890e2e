"""Feature occlusion written a second time from its definition: plain loops, one model call each.

Nothing here imports the package. Nothing is merged, batched or vectorised; sums are `math.fsum`.
"""

from __future__ import annotations

import math

import numpy as np


def occlude(model, X, background, weights=None, groups=None, n_rows=math.inf):
    """Values, standard errors, base values and outputs of a model, one row at a time.

    `model` maps an array of shape (n, n_columns) to (n,) or (n, n_outputs); `groups` are lists of
    the positions of columns that are hidden together, by default each column by itself. The background
    was drawn from `n_rows`.
    """
    left = 1.0 - len(background) / n_rows
    X, background = np.asarray(X), np.asarray(background)
    weights = np.full(len(background), 1.0 / len(background)) if weights is None else np.asarray(weights)
    weights = weights / math.fsum(weights)
    groups = [[j] for j in range(X.shape[1])] if groups is None else groups
    outputs = np.array([_ask(model, row) for row in X])
    base = _mean(np.array([_ask(model, row) for row in background]), weights)
    values = np.empty((len(X), len(groups), outputs.shape[1]))
    errors = np.empty_like(values)
    for i, row in enumerate(X):
        for j, group in enumerate(groups):
            answers = []
            for other in background:
                mixed = row.copy()
                for column in group:
                    mixed[column] = other[column]
                answers.append(_ask(model, mixed))
            mean, error = _mean_and_error(np.array(answers), weights)
            values[i, j] = outputs[i] - mean
            errors[i, j] = error * math.sqrt(left)
    return values, errors, base, outputs


def _ask(model, row):
    return np.atleast_1d(np.asarray(model(row[None]), dtype=float)[0])


def _mean(answers, weights):
    return np.array([math.fsum(w * a for w, a in zip(weights, column, strict=True)) for column in answers.T])


def _mean_and_error(answers, weights):
    """Of a weighted mean, by the jackknife: the mean is computed anew without each answer; 0 for one."""
    mean = _mean(answers, weights)
    if len(weights) == 1:
        return mean, np.zeros_like(mean)
    squares = []
    for out in range(len(weights)):
        kept = np.delete(weights, out)
        without = _mean(np.delete(answers, out, axis=0), kept / math.fsum(kept))
        squares.append((without - mean) ** 2)
    return mean, np.sqrt(_mean(np.array(squares), 1.0 - weights))
