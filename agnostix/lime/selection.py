"""Which features a surrogate uses where it may not use all, and how sure that choice is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sklearn.linear_model import lars_path_gram

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.least_squares import influences, residuals, solved, standard_error
from agnostix.lime.moments import Moments
from agnostix.lime.problem import Problem

_LEAST = 1e-10
"""Share of a feature's variance that must be left for it to be told from those chosen before."""
_FEW = 6
"""Features up to which the greedy choice is the usual one."""
_SLIGHT = 0.01
"""Ridge of the fit whose effects are ranked."""


@dataclass(frozen=True)
class Choice:
    """Features of one output.

    Attributes
    ----------
    features : ndarray of int of shape (n,)
        Ascending.
    margin : float
        Least lead of a chosen feature over the next best, in standard errors; infinite where not asked for.
    """

    features: Codes
    margin: float


class Selection(Protocol):
    """A way to choose."""

    def choose(self, problem: Problem, moments: Moments, most: int, tests: bool) -> Choice:
        """Choose for a problem of one output, at most so many."""


@dataclass(frozen=True)
class ForwardSelection:
    """The feature that raises R2 most, one after the other."""

    def choose(self, problem: Problem, moments: Moments, most: int, tests: bool) -> Choice:
        """Choose greedily, by sweeping chosen features out of the products.

        Parameters
        ----------
        problem : Problem
            What was drawn, with one output.
        moments : Moments
            Its moments.
        most : int
            How many.
        tests : bool
            Whether the margin is told.

        Returns
        -------
        Choice
        """
        gram, cross = moments.gram.copy(), moments.cross[:, 0].copy()
        least = _LEAST * np.diag(gram)
        free = np.ones(cross.size, dtype=bool)
        chosen: list[int] = []
        steps: list[tuple[Floats, Floats]] = []
        for _ in range(most):
            room = np.diag(gram)
            usable = free & (room > least)
            gain = np.where(usable, np.abs(cross) / np.sqrt(np.where(usable, room, 1.0)), -1.0)
            best = int(np.where(free, gain, -np.inf).argmax())
            steps.append((gain, np.where(usable, 1.0 / np.sqrt(np.where(usable, room, 1.0)), 0.0)))
            chosen.append(best)
            free[best] = False
            if usable[best]:
                swept = gram[:, best] / gram[best, best]
                cross = cross - swept * cross[best]
                gram = gram - np.outer(swept, gram[best])
        margin = np.inf
        for step, (gain, scale) in enumerate(steps if tests else []):
            rivals = _against_left_out(gain, chosen, chosen[step])
            margin = min(margin, _lead(problem, moments, chosen[:step], rivals, scale))
        return Choice(np.sort(chosen), margin)


@dataclass(frozen=True)
class LassoPath:
    """The last set on the lasso's path, from its dense end, that is small enough."""

    def choose(self, problem: Problem, moments: Moments, most: int, tests: bool) -> Choice:
        """Choose by the path.

        Parameters
        ----------
        problem : Problem
            What was drawn, with one output.
        moments : Moments
            Its moments.
        most : int
            How many at most.
        tests : bool
            Whether the margin is told.

        Returns
        -------
        Choice
        """
        cross, path = moments.cross[:, 0], _path(moments)
        sizes = np.count_nonzero(path, axis=0)
        knot = int(np.flatnonzero(sizes <= most)[-1])
        margin, final = np.inf, np.flatnonzero(path[:, knot])
        for step in range(knot if tests else 0):
            entered = (path[:, step + 1] != 0) & (path[:, step] == 0)
            idle = (path[:, step] == 0) & (np.diag(moments.gram) > 0)
            if entered.any() and idle.sum() > 1:
                left = np.abs(cross - moments.gram @ path[:, step])
                gain = np.where(idle, left, -1.0)
                gain = _against_left_out(gain, final, int(np.where(entered, left, -1.0).argmax()))
                lead = _lead_of(problem, moments, path[:, step], gain, np.ones(cross.size))
                margin = min(margin, lead)
        return Choice(final, margin)


@dataclass(frozen=True)
class HighestWeights:
    """The features with the largest products of effect and own value in a fit of all."""

    def choose(self, problem: Problem, moments: Moments, most: int, tests: bool) -> Choice:
        """Choose by the size of effects.

        Parameters
        ----------
        problem : Problem
            What was drawn, with one output.
        moments : Moments
            Its moments.
        most : int
            How many.
        tests : bool
            Whether the margin is told.

        Returns
        -------
        Choice
        """
        every = np.arange(moments.mean.size)
        effects = solved(moments, every, _SLIGHT, moments.cross)
        own = problem.own_design + problem.origin
        products = effects[:, 0] * own
        order = np.argsort(-np.abs(products), kind="stable")
        margin = np.inf
        if tests and problem.n_blocks:
            rest = residuals(problem, moments, effects)
            moved = influences(problem, moments, every, _SLIGHT, problem.weights[:, None] * rest)[:, :, 0]
            sides = np.sign(products) * own
            last, next_one = order[most - 1], order[most]
            gap = abs(products[last]) - abs(products[next_one])
            margin = _ratio(gap, moved[:, last] * sides[last] - moved[:, next_one] * sides[next_one], problem)
        return Choice(np.sort(order[:most]), margin)


@dataclass(frozen=True)
class AutoSelection:
    """Greedy up to six features, by size beyond."""

    def choose(self, problem: Problem, moments: Moments, most: int, tests: bool) -> Choice:
        """Choose by whichever is usual for so many.

        Parameters
        ----------
        problem : Problem
            What was drawn, with one output.
        moments : Moments
            Its moments.
        most : int
            How many.
        tests : bool
            Whether the margin is told.

        Returns
        -------
        Choice
        """
        how: Selection = ForwardSelection() if most <= _FEW else HighestWeights()
        return how.choose(problem, moments, most, tests)


def choose(
    selection: Selection, problem: Problem, moments: Moments, most: int | None, tests: bool
) -> tuple[Bools, Floats]:
    """Choose for every output.

    Parameters
    ----------
    selection : Selection
        How.
    problem : Problem
        What was drawn.
    moments : Moments
        Its moments.
    most : int or None
        Features at most; None for all.
    tests : bool
        Whether the margin is told.

    Returns
    -------
    chosen : ndarray of bool of shape (n_features, n_outputs)
    margin : ndarray of shape (n_outputs,)
        Infinite where all are chosen.
    """
    d, n_outputs = moments.cross.shape
    margin = np.full(n_outputs, np.inf)
    if most is None or most >= d:
        return np.ones((d, n_outputs), dtype=bool), margin
    chosen = np.zeros((d, n_outputs), dtype=bool)
    for output in range(n_outputs):
        choice = selection.choose(problem.only(output), moments.only(output), most, tests)
        chosen[choice.features, output], margin[output] = True, choice.margin
    return chosen, margin


def alike(chosen: Bools) -> list[Codes]:
    """Outputs that use the same features, together.

    Parameters
    ----------
    chosen : ndarray of bool of shape (n_features, n_outputs)
        Which they use.

    Returns
    -------
    list of ndarray of int
    """
    if chosen.all():
        return [np.arange(chosen.shape[1])]
    _, which = np.unique(chosen, axis=1, return_inverse=True)
    return [np.flatnonzero(which.ravel() == number) for number in range(which.max() + 1)]


def _path(moments: Moments) -> Floats:
    """Effects at each knot of the lasso, found in units in which its tolerances fit."""
    cross, there = moments.cross[:, 0], np.flatnonzero(np.diag(moments.gram) > 0)
    unit = np.abs(cross[there]).max(initial=0.0)
    if unit == 0:
        return np.zeros((cross.size, 1))
    gram = moments.gram[there[:, None], there] / moments.total
    _, _, found = lars_path_gram(cross[there] / unit, gram, n_samples=1, method="lasso")
    path = np.zeros((cross.size, found.shape[1]))
    path[there] = found * (unit / moments.total)
    return path


def _against_left_out(gain: Floats, final: Sequence[int] | Codes, best: int) -> Floats:
    """Gains of the feature that was chosen and of those that never are: others are no rivals of the set."""
    rivals = gain.copy()
    rivals[np.setdiff1d(final, best)] = -1.0
    return rivals


def _lead(problem: Problem, moments: Moments, chosen: list[int], gain: Floats, scale: Floats) -> float:
    effects = np.zeros(moments.mean.size)
    if chosen:
        features = np.array(chosen)
        effects[features] = solved(moments, features, 0.0, moments.cross[features])[:, 0]
    return _lead_of(problem, moments, effects, gain, scale)


def _lead_of(problem: Problem, moments: Moments, effects: Floats, gain: Floats, scale: Floats) -> float:
    """By how many standard errors the best candidate leads, each correlation taken with its own sign."""
    if not problem.n_blocks:
        return np.inf
    best, second = np.argsort(-gain, kind="stable")[:2]
    if gain[second] < 0:
        return np.inf
    rest = residuals(problem, moments, effects[:, None])
    blocks = problem.by_block(problem.weights[:, None] * rest, moments.mean)[:, :, 0]
    total = blocks.sum(axis=0)
    sides = np.sign(total) * scale
    return _ratio(
        gain[best] - gain[second], blocks[:, best] * sides[best] - blocks[:, second] * sides[second], problem
    )


def _ratio(gap: float, parts: Floats, problem: Problem) -> float:
    error = float(standard_error(parts, problem.n_draws, 1))
    if error > 0:
        return float(gap / error)
    return np.inf if gap > 0 else 0.0
