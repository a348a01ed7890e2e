"""Outer loop over scalars: the least divergence V(theta) where conditions are linear only given theta.

One scalar: V and its slope on a grid over the range, graded towards the data's value and the hints. An
interval in which the slope turns from negative to positive holds a minimum; the most promising are refined by
safeguarded Newton steps. Where no point of the grid is feasible, the certificate of infeasibility at a point
rules out an interval around it, until a feasible point is found or none is left.

Several scalars: Newton's method with a line search, from the best points of a low-discrepancy sample.

Nothing depends on chance or on the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scipy.stats import qmc

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.calibration.parametric import ParametricProblem, ParametricSolution

_N_UNIFORM = 17
_N_HALVINGS = 10
_N_SAMPLED = 24
"""Points of the sample, for each of several scalars."""
_N_REFINED = 5
"""Most minima that are refined."""
_MAX_STEPS = 80
_MAX_HALVINGS = 40
_FLAT = 1e-13
"""Slope over the whole range at which a minimum is reached."""
_SAME = 1e-6
"""Share of the range within which two minima are the same."""
_ROUNDING = 1e-14
"""Relative difference of values that are equal but for rounding."""
_MAX_CERTIFICATES = 300
_NARROWEST = 1e-8
"""Share of the range below which an interval that no certificate rules out is given up."""
_SOFT = (1e1, 1e3, 1e5, 1e7)
"""Penalties by which a feasible point is approached."""

Closest = Callable[[], Floats | None]
"""Scalars (n_scalars,) at which some weights meet the conditions; None if there are none."""

_METHODS = ("choice alone", "a grid and Newton's method on the slope", "Newton's method from several points")
"""By the number of scalars."""


@dataclass(frozen=True)
class SearchResult:
    """The best solution over the scalars and how it was found."""

    best: ParametricSolution  # if infeasible, the solution that was nearest to being feasible
    n_solves: int
    n_minima: int  # different local minima
    method: str

    @property
    def value(self) -> float:
        """The least value; infinite if no scalars are feasible."""
        return self.best.value

    @property
    def at_end(self) -> Bools:
        """Whether each scalar is at an end of its range (n_scalars,)."""
        problem, theta = self.best.problem, self.best.theta
        return (theta <= problem.low) | (theta >= problem.high)


def search(
    problem: ParametricProblem,
    hints: Sequence[Floats] = (),
    closest: Closest | None = None,
    *,
    any_will_do: bool = False,
) -> SearchResult:
    """The scalars at which the divergence is least. `hints` are values (n_scalars,) worth a look.

    `closest` is asked for values where none was found at which weights meet the conditions. With
    `any_will_do` the search ends at the first that is found.
    """
    tried = _search(problem, hints, closest, any_will_do)
    n_solves = tried.n_solves
    if not tried.feasible and tried.margin >= 0.0:  # no weights but such with zeros will do
        tried = _search(replace(problem, takes_boundary=True), hints, closest, any_will_do)
        n_solves += tried.n_solves
    best = tried.problem.at(tried.best.theta, tried.best.xi)
    return SearchResult(best, n_solves + 1, len(tried.minima), _METHODS[min(problem.start.size, 2)])


def descend(problem: ParametricProblem, theta: Floats, xi: Floats | None = None) -> ParametricSolution:
    """The local minimum that Newton's method reaches from scalars (n_scalars,) and multipliers."""
    tried = _Tried(problem)
    solution = tried.solve(theta, _Point(theta, np.inf, theta, xi))
    if not solution.is_feasible or theta.size == 0:
        return solution
    _descend(tried, tried.points[0])
    return problem.at(tried.best.theta, tried.best.xi)


def _search(
    problem: ParametricProblem, hints: Sequence[Floats], closest: Closest | None, any_will_do: bool
) -> _Tried:
    tried = _Tried(problem, closest, any_will_do)
    if problem.start.size == 0:
        tried.solve(problem.start)
    elif problem.start.size == 1:
        _search_line(tried, np.array([problem.start, *hints]).ravel())
    else:
        _search_box(tried, [problem.start, *hints])
    return tried


@dataclass(frozen=True)
class _Point:
    """What is kept of a solution."""

    theta: Floats
    value: float  # infinite if infeasible
    slope: Floats  # (n_scalars,), NaN if infeasible
    xi: Floats | None  # multipliers, None if infeasible

    @property
    def is_feasible(self) -> bool:
        """Whether any weights meet the conditions there."""
        return self.xi is not None


@dataclass
class _Tried:
    """The points that were solved, and the best of them."""

    problem: ParametricProblem
    closest: Closest | None = None
    any_will_do: bool = False
    n_solves: int = 0
    points: list[_Point] = field(default_factory=list)
    minima: list[_Point] = field(default_factory=list)
    nearest: _Point | None = None  # if none is feasible
    margin: float = -np.inf  # its distance from being feasible, negative

    @property
    def is_over(self) -> bool:
        """Whether what is asked for was found at the last point."""
        return self.any_will_do and bool(self.points) and self.points[-1].is_feasible

    @property
    def feasible(self) -> list[_Point]:
        """Those at which weights meet the conditions."""
        return [point for point in self.points if point.is_feasible]

    @property
    def best(self) -> _Point:
        """The one of the least value, the first of equals; the nearest to feasible if there is none."""
        if not self.feasible:
            return self.nearest or self.points[-1]
        least = min(point.value for point in self.feasible)
        equals = [point for point in self.feasible if point.value <= least + _ROUNDING * max(1.0, abs(least))]
        return min(equals, key=self.steepness)

    def add_minimum(self, point: _Point) -> None:
        """Keep a point where a refinement ended, unless another ended there."""
        width = self.problem.width
        if not any(np.all(np.abs(one.theta - point.theta) <= _SAME * width) for one in self.minima):
            self.minima.append(point)

    def is_settled(self) -> bool:
        """Whether values are known at which weights meet the conditions, or that there are none."""
        if self.closest is None:
            return False
        theta = self.closest()
        if theta is not None:  # exact to rounding errors that a solver may see
            width = self.problem.high - self.problem.low
            trials = [theta + side * width for side in (0.0, 1e-10, -1e-10, 1e-8, -1e-8)]
            any(self.solve(np.clip(one, self.problem.low, self.problem.high)).is_feasible for one in trials)
        return True

    def steepness(self, point: _Point) -> float:
        """Largest slope over the whole range of a scalar that is free to follow it."""
        problem = self.problem
        slope = point.slope * problem.width
        is_free = np.where(slope > 0.0, point.theta > problem.low, point.theta < problem.high)
        return float(np.abs(slope[is_free]).max(initial=0.0))

    def solve(self, theta: Floats, near: _Point | None = None) -> ParametricSolution:
        """Solve at a point and keep what it shows."""
        solution = self.problem.at(theta, None if near is None else near.xi)
        self.n_solves += 1
        if solution.is_feasible:
            point = _Point(theta, solution.value, solution.slope, solution.projection.xi)
        else:
            point = _Point(theta, np.inf, np.full(theta.size, np.nan), None)
            if solution.margin > self.margin:
                self.nearest, self.margin = point, solution.margin
        self.points.append(point)
        return solution


def _search_line(tried: _Tried, hints: Floats) -> None:
    """One scalar: grid, brackets, refinement."""
    problem = tried.problem
    _solve_grid(tried, graded_grid(float(problem.low[0]), float(problem.high[0]), hints))
    if tried.is_over:
        return
    if not tried.feasible:
        if tried.is_settled():
            if tried.any_will_do:
                return
            steps = (problem.high[0] - problem.low[0]) * 0.25 ** np.arange(2, 9)
            around = np.r_[-steps, steps] + (tried.best.theta if tried.feasible else np.nan)
            _solve_grid(tried, np.unique(around[(around > problem.low) & (around < problem.high)]))
        else:
            interval = _find_feasible(tried)
            if interval is None:
                return
            if not tried.is_over:
                _solve_grid(tried, np.linspace(*interval, _N_UNIFORM))
    if tried.any_will_do:
        return
    for bracket in _brackets(tried)[:_N_REFINED]:
        _refine(tried, bracket)


def graded_grid(low: float, high: float, hints: Floats) -> Floats:
    """Points from low to high: equal steps, and steps that get shorter towards each hint and the ends."""
    width = high - low
    inside = np.unique(np.clip(hints, low, high))
    halved = width * 0.5 ** np.arange(2, 2 + _N_HALVINGS)
    quartered = width * 0.25 ** np.arange(3, 6)
    grid = [np.linspace(low, high, _N_UNIFORM), inside, low + quartered, high - quartered]
    grid += [hint + sign * halved for hint in inside for sign in (-1.0, 1.0)]
    points = np.unique(np.concatenate(grid))
    return points[(points >= low) & (points <= high)]


def _solve_grid(tried: _Tried, grid: Floats) -> None:
    near: _Point | None = None
    for theta in grid:
        tried.solve(np.array([theta]), near)
        if tried.is_over:
            return
        near = tried.points[-1]


@dataclass(frozen=True)
class _Bracket:
    """An interval that holds a minimum; an end that is infeasible has no value."""

    left: _Point
    right: _Point

    @property
    def promise(self) -> float:
        """An estimate of the least value inside: where the tangents meet, if they do inside."""
        ends = [end for end in (self.left, self.right) if end.is_feasible]
        least = min(end.value for end in ends)
        if len(ends) == 1:
            return least
        (a, b), (x, y) = [float(end.slope[0]) for end in ends], [float(end.theta[0]) for end in ends]
        crossing = (ends[1].value - ends[0].value + a * x - b * y) / (a - b)
        return min(least, ends[0].value + a * (crossing - x))


def _brackets(tried: _Tried) -> list[_Bracket]:
    """Intervals between points that hold a minimum, the most promising first."""
    points = sorted(tried.points, key=lambda point: float(point.theta[0]))
    found = []
    for left, right in pairwise(points):
        falls = left.is_feasible and left.slope[0] < 0.0
        rises = right.is_feasible and right.slope[0] > 0.0
        if (falls and rises) or (falls and not right.is_feasible) or (rises and not left.is_feasible):
            found.append(_Bracket(left, right))
    return sorted(found, key=lambda bracket: bracket.promise)


def _refine(tried: _Tried, bracket: _Bracket) -> None:
    """Safeguarded Newton steps on the slope, to rounding error."""
    problem = tried.problem
    low, high = float(bracket.left.theta[0]), float(bracket.right.theta[0])
    width = float(problem.width[0])
    near = min((bracket.left, bracket.right), key=lambda end: end.value)
    theta = _crossing(bracket)
    before = high - low
    for step in range(_MAX_STEPS):
        solution = tried.solve(np.array([theta]), near)
        if not solution.is_feasible:
            inwards = near.theta[0] > theta
            low, high = (theta, high) if inwards else (low, theta)
            theta = 0.5 * (low + high)
            continue
        near, slope = tried.points[-1], float(solution.slope[0])
        if abs(slope) * width <= _FLAT:
            break
        low, high = (low, theta) if slope > 0.0 else (theta, high)
        curvature = float(solution.curvature[0, 0])
        ahead = theta - slope / curvature if curvature > 0.0 else np.nan
        if step % 4 == 3 and high - low > 0.25 * before:  # Newton's method makes little way
            ahead, before = np.nan, high - low
        theta, last = (ahead if low < ahead < high else 0.5 * (low + high)), theta
        if abs(theta - last) <= 1e-16 * width or high - low <= 2.0 * np.spacing(max(abs(low), abs(high))):
            break
    tried.add_minimum(near)


def _crossing(bracket: _Bracket) -> float:
    """Where the slope would be 0 if it were linear; the middle if an end is infeasible."""
    left, right = bracket.left, bracket.right
    x, y = float(left.theta[0]), float(right.theta[0])
    if not (left.is_feasible and right.is_feasible):
        return 0.5 * (x + y)
    a, b = float(left.slope[0]), float(right.slope[0])
    return min(max(x - a * (y - x) / (b - a), x + 0.01 * (y - x)), y - 0.01 * (y - x))


def _find_feasible(tried: _Tried) -> tuple[float, float] | None:
    """Ends of an interval with a feasible point, all around it ruled out; None if there is none."""
    problem = tried.problem
    low, high = float(problem.low[0]), float(problem.high[0])
    left = [(low, high)]  # what no certificate rules out
    for _ in range(_MAX_CERTIFICATES):
        if not left:
            return None
        left.sort(key=lambda interval: interval[1] - interval[0])
        start, end = left.pop()
        middle = 0.5 * (start + end)
        solution = tried.solve(np.array([middle]))
        if solution.is_feasible:
            return start, end
        if end - start <= _NARROWEST * (high - low):
            continue
        below, above = solution.ruled_out
        left += [part for part in ((start, middle - below), (middle + above, end)) if part[0] <= part[1]]
    return None


def _search_box(tried: _Tried, hints: Sequence[Floats]) -> None:
    """Several scalars: Newton's method from the best points of a sample."""
    problem = tried.problem
    for theta in (*hints, *_sample(problem)):
        tried.solve(theta, tried.best if tried.points else None)
        if tried.is_over:
            return
    if not tried.feasible and not tried.is_settled():
        _approach(tried)
    if tried.any_will_do:
        return
    starts = sorted(tried.feasible, key=lambda point: point.value)
    for start in starts[:_N_REFINED]:
        _descend(tried, start)


def _sample(problem: ParametricProblem) -> Floats:
    """Points (n_points, n_scalars) of the box: half evenly spread, half gathered about the data's values."""
    n_scalars = problem.start.size
    u = qmc.Halton(n_scalars, scramble=False).random(_N_SAMPLED * n_scalars + 1)[1:]
    even = problem.low + u * problem.width
    side = 2.0 * u - 1.0
    reach = np.where(side > 0.0, problem.high - problem.start, problem.start - problem.low)
    gathered = problem.start + reach * side**3
    return np.where(np.arange(len(u))[:, None] % 2 == 0, even, gathered)


def _approach(tried: _Tried) -> None:
    """Look for a feasible point by making all conditions soft, and less and less so."""
    problem = tried.problem
    theta = tried.best.theta
    for penalty in _SOFT:
        softer = _Tried(problem.soften(penalty))
        softer.solve(theta)
        _descend(softer, softer.best)
        tried.n_solves += softer.n_solves
        theta = softer.best.theta
        if tried.solve(theta).is_feasible:
            return


def _descend(tried: _Tried, start: _Point) -> None:
    """Newton's method within the box, with a line search."""
    problem = tried.problem
    width = problem.width
    solution, here = problem.at(start.theta, start.xi), start
    for _ in range(_MAX_STEPS):
        if tried.steepness(here) <= _FLAT:
            break
        gradient = here.slope * width
        inwards = np.where(gradient > 0.0, here.theta > problem.low, here.theta < problem.high)
        step = np.zeros(width.size)
        curvature = (solution.curvature * np.outer(width, width))[np.ix_(inwards, inwards)]
        step[inwards] = _newton_step(curvature, gradient[inwards]) * width[inwards]
        ahead = _line_search(tried, here, step)
        if ahead is None:
            break
        solution, here = ahead, tried.points[-1]
    tried.add_minimum(here)


def _newton_step(curvature: Floats, gradient: Floats) -> Floats:
    """A descent direction: the curvature's eigenvalues by their sizes, so that saddles repel."""
    values, vectors = np.linalg.eigh(0.5 * (curvature + curvature.T))
    sizes = np.maximum(np.abs(values), 1e-8 * max(np.abs(values).max(), 1e-300))
    return -vectors @ ((vectors.T @ gradient) / sizes)


def _line_search(tried: _Tried, here: _Point, step: Floats) -> ParametricSolution | None:
    """The first halving that lowers the value enough, or the slope where the value is flat to rounding."""
    problem, size = tried.problem, 1.0
    width = problem.width
    for _ in range(_MAX_HALVINGS):
        theta = np.clip(here.theta + size * step, problem.low, problem.high)
        solution = tried.solve(theta, here)
        ahead = tried.points[-1]
        expected = float(here.slope @ (theta - here.theta))
        noise = _ROUNDING * max(1.0, abs(here.value))
        if ahead.value <= here.value + 1e-4 * expected and expected < -noise:
            return solution
        flatter = np.abs(ahead.slope * width).max() < 0.9 * np.abs(here.slope * width).max()
        if (
            ahead.is_feasible
            and abs(expected) <= 1e-8
            and ahead.value <= here.value + 100.0 * noise
            and flatter
        ):
            return solution
        size *= 0.5
    return None
