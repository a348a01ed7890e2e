"""Least squares on a local problem, and how far its results would move with other draws."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.lime.moments import Moments
from agnostix.lime.problem import Problem


def solved(moments: Moments, features: Codes, ridge: float, right: Floats) -> Floats:
    """Solve the normal equations of some features.

    Parameters
    ----------
    moments : Moments
        Of the problem.
    features : ndarray of int of shape (n,)
        Which.
    ridge : float
        Penalty on squared effects; without one the shortest solution is given.
    right : ndarray of shape (n, n_columns)
        Right-hand sides.

    Returns
    -------
    ndarray of shape (n, n_columns)
    """
    gram = moments.gram
    if features.size < gram.shape[0]:
        gram = gram[features[:, None], features]
    if ridge > 0:
        solution = np.linalg.solve(gram + ridge * np.eye(features.size), right)
    else:
        solution = np.linalg.lstsq(gram, right, rcond=None)[0]
    return np.asarray(solution, dtype=np.float64)


def residuals(problem: Problem, moments: Moments, effects: Floats) -> Floats:
    """What effects leave over of each draw's answers.

    Parameters
    ----------
    problem : Problem
        What was drawn.
    moments : Moments
        Its moments.
    effects : ndarray of shape (n_features, n_outputs)
        The surrogate's.

    Returns
    -------
    ndarray of shape (n_draws, n_outputs)
    """
    return problem.differences - (moments.level - moments.mean @ effects) - problem.design.T @ effects


def influences(problem: Problem, moments: Moments, features: Codes, ridge: float, weighted: Floats) -> Floats:
    """How much each block moves the effects, to first order.

    Parameters
    ----------
    problem : Problem
        What was drawn.
    moments : Moments
        Its moments.
    features : ndarray of int of shape (n,)
        Those that have effects.
    ridge : float
        Penalty on squared effects.
    weighted : ndarray of shape (n_draws, n_columns)
        Residuals times weights.

    Returns
    -------
    ndarray of shape (n_blocks, n, n_columns)
    """
    scores = problem.by_block(weighted, moments.mean)[:, features]
    n_blocks, n, n_columns = scores.shape
    flat = scores.transpose(1, 0, 2).reshape(n, n_blocks * n_columns)
    moved = solved(moments, features, ridge, flat)
    return moved.reshape(n, n_blocks, n_columns).transpose(1, 0, 2)


def standard_error(moved: Floats, n_draws: int, n_fitted: int) -> Floats:
    """Standard error of a sum whose parts are independent blocks.

    Parameters
    ----------
    moved : ndarray of shape (n_blocks, ...)
        The parts.
    n_draws : int
        Draws in all.
    n_fitted : int
        Coefficients, by which residuals are too small.

    Returns
    -------
    ndarray of shape (...)
    """
    n_blocks = moved.shape[0]
    apart = moved - moved.mean(axis=0)
    factor = n_blocks / (n_blocks - 1) * n_draws / max(n_draws - n_fitted, 1)
    return np.sqrt(factor * np.square(apart).sum(axis=0))


def block_sums(problem: Problem, weights: Floats, columns: Floats) -> Floats:
    """Weighted sums over the draws of each block, as products, which are faster than sums of few columns.

    Parameters
    ----------
    problem : Problem
        What was drawn.
    weights : ndarray of shape (n_draws,)
        What draws count.
    columns : ndarray of shape (n_draws, n_columns)
        What is added up.

    Returns
    -------
    ndarray of shape (n_blocks, n_columns)
    """
    n_blocks = problem.n_blocks
    rows = weights.reshape(n_blocks, 1, -1)
    return (rows @ columns.reshape(n_blocks, rows.shape[2], -1))[:, 0]


def r2_of(problem: Problem, moments: Moments, rest: Floats) -> tuple[Floats, Floats]:
    """Weighted R2 of any surrogate, and its standard error.

    Parameters
    ----------
    problem : Problem
        What was drawn.
    moments : Moments
        Its moments.
    rest : ndarray of shape (n_draws, n_outputs)
        Residuals.

    Returns
    -------
    tuple of two ndarray of shape (n_outputs,)
        1 and 0 for answers that do not vary.
    """
    lost, power = rest**2, moments.power
    total = problem.weights @ lost
    varies = power > 0
    room = np.where(varies, power, 1.0)
    r2 = np.where(varies, 1.0 - total / room, 1.0)
    if not problem.n_blocks:
        return r2, np.zeros_like(r2)
    spread = (problem.differences - moments.level) ** 2
    moved = block_sums(problem, problem.weights, lost - (1.0 - r2) * spread) / room
    return r2, np.where(varies, standard_error(moved, problem.n_draws, 1), 0.0)


def output_influences(
    problem: Problem, moments: Moments, features: Codes, weighted: Floats, moved: Floats
) -> Floats:
    """How much each block moves the surrogate's answer for the row.

    Parameters
    ----------
    problem : Problem
        What was drawn.
    moments : Moments
        Its moments.
    features : ndarray of int of shape (n,)
        Those that have effects.
    weighted : ndarray of shape (n_draws, n_columns)
        Residuals times weights.
    moved : ndarray of shape (n_blocks, n, n_columns)
        From `influences`.

    Returns
    -------
    ndarray of shape (n_blocks, n_columns)
    """
    level = block_sums(problem, np.ones(problem.n_draws), weighted) / moments.total
    return level + np.einsum("f,bfc->bc", (problem.own_design - moments.mean)[features], moved)
