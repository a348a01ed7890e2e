"""Problems that are linear given scalars: rates of two groups, moments about a free mean."""

from __future__ import annotations

import numpy as np

from agnostix.what_if.calibration import KULLBACK_LEIBLER, project
from agnostix.what_if.calibration.parametric import LinearConditions, ParametricProblem
from tests.reference.what_if import standardize

NEAR = 1e-9


def make(conditions, base, low, start, high, *, cost=None, divergence=KULLBACK_LEIBLER, bounds=None):
    """A problem of equalities, or ranges with pairs of targets."""

    def linear(theta):
        phi, low_, high_, penalty = conditions(theta)
        return LinearConditions(
            np.column_stack(phi), *(np.array(part, dtype=float) for part in (low_, high_, penalty))
        )

    def solve(one, first):
        return project(
            one.phi,
            one.low,
            one.high,
            base,
            penalty=one.penalty,
            divergence=divergence,
            weight_bounds=bounds,
            start=first,
        )

    ends = (np.atleast_1d(np.asarray(part, dtype=float)) for part in (low, start, high))
    return ParametricProblem(linear, solve, *ends, cost)


def two_groups(n=200, seed=0):
    """Decisions of two groups with different rates, a number that goes with both, and base weights."""
    rng = np.random.default_rng(seed)
    group = rng.random(n) < 0.4
    x = rng.normal(size=n) + 0.5 * group
    decision = (rng.random(n) < 1.0 / (1.0 + np.exp(-x + 1.2 * group))).astype(float)
    z, base = standardize(x, rng.uniform(0.5, 1.5, n))
    return group, decision, z, base


def ratio_problem(ratio=0.9, mean=None, seed=0, **options):
    """The group's rate is so many times the reference group's, perhaps at a stated mean of the number."""
    group, decision, z, base = two_groups(seed=seed)
    start = base[~group] @ decision[~group] / base[~group].sum()

    def conditions(theta):
        phi = [~group * (decision - theta[0]), group * (decision - ratio * theta[0])]
        targets = [0.0, 0.0]
        if mean is not None:
            phi, targets = [*phi, z], [*targets, mean]
        return phi, targets, targets, [np.inf] * len(phi)

    top = min(1.0, 1.0 / ratio) - NEAR
    return make(conditions, base, NEAR, min(start, top), top, **options)


def cells_problem(ratio, masses, rates):
    """The same for five cells: two decisions of a group and of the reference group, and the rest."""
    base = np.array(
        [masses[0] * rates[0], masses[0] * (1 - rates[0]), masses[1] * rates[1], masses[1] * (1 - rates[1])]
    )
    base = np.append(base, 1.0 - base.sum())
    group, reference = np.array([1, 1, 0, 0, 0]), np.array([0, 0, 1, 1, 0])
    decision = np.array([1.0, 0.0, 1.0, 0.0, 0.0])
    scales = [
        np.sqrt(base @ (part * (decision - p)) ** 2)
        for part, p in zip((group, reference), rates, strict=True)
    ]

    def conditions(theta):
        phi = [
            reference * (decision - theta[0]) / scales[1],
            group * (decision - ratio * theta[0]) / scales[0],
        ]
        return phi, [0.0, 0.0], [0.0, 0.0], [np.inf] * 2

    return make(conditions, base, NEAR, rates[1], 1.0 - NEAR)


def variance_problem(low, high, mean=None, seed=0, n=150, **options):
    """The variance in a range, its mean free or in a range of its own."""
    rng = np.random.default_rng(seed)
    z, base = standardize(rng.normal(size=n), rng.uniform(0.5, 1.5, n))

    def conditions(theta):
        phi = [z, (z - theta[0]) ** 2]
        return phi, [theta[0], low], [theta[0], high], [np.inf] * 2

    ends = (z.min(), z.max()) if mean is None else mean
    return make(conditions, base, ends[0], np.clip(0.0, *ends), ends[1], **options), z, base


def correlation_problem(target, seed=0, n=150, **options):
    """The correlation, with both means and both variances free: not quadratic in the variances."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.4], [0.0, 1.0]])
    z, base = standardize(x, rng.uniform(0.5, 1.5, n))

    def conditions(theta):
        a, b, v, w = theta
        one, two = z[:, 0] - a, z[:, 1] - b
        with np.errstate(all="ignore"):
            phi = [z[:, 0], z[:, 1], one**2, two**2, one * two / np.sqrt(v * w)]
        targets = [a, b, v, w, target]
        return phi, targets, targets, [np.inf] * 5

    low, high = np.r_[z.min(0), 0.05, 0.05], np.r_[z.max(0), 4.0, 4.0]
    return make(conditions, base, low, [0.0, 0.0, 1.0, 1.0], high, **options), z, base
