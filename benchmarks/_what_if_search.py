"""Scenarios that are not convex: the stated value, the searched scalar beside a fine grid, standard errors.

What is compared: for each kind of constraint that is linear only given a scalar, random problems on random
tables. The stated value is recomputed from the weights alone; the divergence at the scalar that was found is
set against the least over a grid of it (over random points where there are several). Standard errors of three
means are set against the spread of a bootstrap that searches anew in every draw.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import pandas as pd
from _clock import print_table, shown
from scipy.special import expit
from scipy.stats import qmc

from agnostix import (
    Correlation,
    Covariance,
    DisparateImpact,
    EntropicProjection,
    EqualizedOdds,
    EqualOpportunity,
    Mean,
    SelectionRate,
    StatisticalParity,
    Variance,
)
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.base import Constraint, Context
from agnostix.what_if.constraints.compilation import compile_constraints
from agnostix.what_if.program import Solution, solve_program
from agnostix.what_if.sample import Sample
from agnostix.what_if.scenario_influence import compute_influence

SEX = {"group": "sex", "reference": "Male"}
JOB = {"group": "job", "reference": "clerk"}
SOFT = {"penalty": 5.0, "where": {"sex": "Female"}}
Constraints = tuple[Constraint, ...]


@dataclass(frozen=True)
class Kind:
    """Random constraints of a kind, and the quantities that they state, from the weights alone."""

    name: str
    state: Callable[[np.random.Generator], Constraints]
    n_stated: int = 1  # of the constraints: those after them are ranges or soft


def near(rng: np.random.Generator, low: float, high: float) -> float:
    """A random target."""
    return float(rng.uniform(low, high))


def times(rng: np.random.Generator, spread: float = 0.35) -> str:
    """A target relative to the data."""
    return f"*{float(np.exp(spread * rng.normal())):.6f}"


def around(rng: np.random.Generator, center: float, width: float) -> tuple[float, float]:
    """A range away from a center."""
    low = center + width * float(rng.choice([-1.0, 1.0])) * rng.uniform(0.2, 0.5)
    return low, low + 0.2 * width


KINDS = (
    Kind("disparate impact", lambda rng: (DisparateImpact(times(rng), **SEX),)),
    Kind("disparate impact, smallest of two ratios", lambda rng: (DisparateImpact(times(rng, 0.2), **JOB),)),
    Kind(
        "disparate impact and a mean",
        lambda rng: (DisparateImpact(times(rng), **SEX), Mean("age", near(rng, 37, 44))),
        2,
    ),
    Kind(
        "two disparate impacts",
        lambda rng: (
            DisparateImpact(times(rng), **SEX),
            DisparateImpact(times(rng, 0.2), **JOB, compared="farmer"),
        ),
        2,
    ),
    Kind("disparate impact, soft", lambda rng: (DisparateImpact(times(rng), **SEX, penalty=5.0),), 0),
    Kind("statistical parity", lambda rng: (StatisticalParity(near(rng, -0.3, 0.1), **SEX),)),
    Kind("equal opportunity", lambda rng: (EqualOpportunity(near(rng, -0.3, 0.1), **SEX),)),
    Kind("equalized odds", lambda rng: (EqualizedOdds(near(rng, 0.0, 0.3), **SEX),)),
    Kind("variance, mean free", lambda rng: (Variance("age", times(rng, 0.4), mean="free"),)),
    Kind(
        "variance, mean in a range",
        lambda rng: (Variance("age", times(rng, 0.2)), Mean("age", around(rng, 40, 10))),
    ),
    Kind(
        "variance, mean soft",
        lambda rng: (Variance("age", times(rng, 0.2)), Mean("age", near(rng, 36, 44), penalty=5.0)),
    ),
    Kind(
        "covariance, mean in a range",
        lambda rng: (Covariance("age", "hours", times(rng)), Mean("age", around(rng, 40, 8))),
    ),
    Kind(
        "correlation, variance and mean in ranges",
        lambda rng: (
            Correlation("age", "hours", near(rng, 0.2, 0.7)),
            Variance("age", around(rng, 100, 60)),
            Mean("hours", around(rng, 36, 4)),
        ),
    ),
    Kind("mean of a group, soft", lambda rng: (Mean("age", near(rng, 30, 50), **SOFT),), 0),
    Kind("rate of a group, soft", lambda rng: (SelectionRate(near(rng, 0.1, 0.9), **SOFT),), 0),
)


def make_context(rng: np.random.Generator, n: int, constraints: Constraints = ()) -> Context:
    """A random table of people, scores that depend on sex and job, and true classes."""
    shares = rng.dirichlet([4.0, 2.0, 3.0])
    age = rng.normal(40.0, 10.0, n)
    X = pd.DataFrame(
        {
            "sex": np.where(rng.random(n) < rng.uniform(0.2, 0.6), "Female", "Male"),
            "job": rng.choice(["clerk", "farmer", "teacher"], n, p=shares),
            "age": age,
            "hours": 0.3 * age + rng.normal(24.0, 5.0, n),
        }
    )
    men, farmers = X["sex"] == "Male", X["job"] == "farmer"
    signal = 0.05 * (age - 40.0) + rng.uniform(0.0, 1.0) * men - rng.uniform(0.0, 1.0) * farmers
    score = expit(signal + 0.6 * rng.normal(size=n))
    y = (rng.random(n) < score).astype(int)
    weight = rng.uniform(0.5, 1.5, n)
    projection = EntropicProjection().fit(X, y, weight, predictions=score.to_numpy())
    sample = Sample.from_table(projection.table_, ())
    return Context(sample, projection.predictions_, constraints)


def least_on_grid(solution: Solution, n_points: int) -> float:
    """Least divergence and penalties over points of the scalars, for every choice that there is."""
    program = solution.program
    least = np.inf
    for fixed in program.combinations():
        problem = program.given(fixed)
        n_scalars = problem.start.size
        if n_scalars == 1:
            u = np.linspace(0.0, 1.0, n_points)[:, None]
        else:
            u = qmc.Halton(n_scalars, scramble=False).random(n_points)
        near_best = 2.0 * (qmc.Halton(n_scalars, scramble=False).random(n_points // 4 + 2)[2:] - 0.5)
        best = solution.values[program.is_searched]
        points = [*(problem.low + u * problem.width), *(best + 0.05 * near_best**3 * problem.width)]
        start = None
        for theta in np.clip(points, problem.low, problem.high):
            at = problem.at(theta, start)
            start = at.multipliers
            least = min(least, at.value)
    return least


def check_searches(n_problems: int, n_rows: int, n_points: int) -> None:
    """Print, of each kind, how well random problems are solved."""
    print_table(
        f"Searches: {n_problems} random problems of each kind, {n_rows:,} rows, grids of {n_points:,} points",
        [
            "",
            "out of reach, besides",
            "largest gap",
            "largest lead of the grid",
            "solves, median",
            "most",
            "time, median",
        ],
        (check_kind(i, n_problems, n_rows, n_points) for i in range(len(KINDS))),
    )
    print(
        "\nThe gap is that of the stated value, recomputed from the weights, over 1 or its size if larger."
        " Leads are differences of divergences in nats; one of the grid above rounding would be a miss."
    )


def check_kind(place: int, n_problems: int, n_rows: int, n_points: int) -> list[str]:
    """The table's row of one kind."""
    kind = KINDS[place]
    gaps: list[float] = []
    leads: list[float] = []
    solves: list[int] = []
    taken: list[float] = []
    n_infeasible, draw = 0, 0
    while len(leads) < n_problems:
        rng = np.random.default_rng([place, draw])
        draw += 1
        context = make_context(rng, n_rows, kind.state(rng))
        start = perf_counter()
        try:
            solution = solve_program(compile_constraints(context), context.base)
        except DataError:  # a small group in which all decisions are the same
            continue
        taken.append(perf_counter() - start)
        if solution.projection.status != "ok":
            n_infeasible += 1
            continue
        assert solution.result is not None
        for constraint in context.constraints[: kind.n_stated]:
            target = constraint.bounds(context)[0]
            reached = constraint.measure(context, solution.projection.weights)
            gaps.append(abs(reached - target) / max(1.0, abs(target)))
        solves.append(solution.counts[0])
        leads.append(solution.result.value - least_on_grid(solution, n_points))
    return [
        kind.name,
        str(n_infeasible),
        f"{max(gaps):.0e}" if gaps else "",
        f"{max(leads):.0e}",
        f"{np.median(solves):.0f}",
        f"{max(solves)}",
        shown(float(np.median(taken))),
    ]


ERRORS: dict[str, Constraints] = {
    "disparate impact": (DisparateImpact(1.0, **SEX),),
    "disparate impact and a mean": (DisparateImpact(0.9, **SEX), Mean("age", 42.0)),
    "equal opportunity": (EqualOpportunity(0.0, **SEX),),
    "equalized odds": (EqualizedOdds(0.05, **SEX),),
    "disparate impact, soft": (DisparateImpact(1.2, **SEX, penalty=5.0),),
    "variance, mean free": (Variance("age", 140.0, mean="free"),),
}


def check_errors(n_rows: int, n_draws: int) -> None:
    """Print standard errors beside the spread of a bootstrap that searches anew."""
    rows = []
    for i, (name, constraints) in enumerate(ERRORS.items()):
        rng = np.random.default_rng([99, i])
        context = make_context(rng, n_rows, constraints)
        solution = solve_program(compile_constraints(context), context.base)
        sample = context.sample
        women = sample.column("sex").values == sample.column("sex").level_code("Female")
        outcomes = np.column_stack([sample.column("age").values, women, context.predictions.values[:, 0]])
        errors = compute_influence(context, solution).errors(outcomes)[0]
        start = perf_counter()
        draws = np.array([_draw(solution, outcomes, rng) for _ in range(n_draws)])
        taken = (perf_counter() - start) / n_draws
        spread = draws.std(0, ddof=1)
        ratios = [f"{e / s:.2f}" if s > 1e-6 else "" for e, s in zip(errors, spread, strict=True)]
        rows.append([name, *ratios, shown(taken)])
    print_table(
        f"Standard errors over the spread of {n_draws:,} bootstrap draws, {n_rows:,} rows",
        ["", "mean age", "share of women", "mean score", "time of a draw"],
        rows,
    )


def _draw(solution: Solution, outcomes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Weighted means (n_outcomes,) of a bootstrap sample."""
    base = solution.program.base
    return solution.resolve(rng.multinomial(base.size, base) / base.size).weights @ outcomes


def main() -> None:
    """Print both tables."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a trial of a minute")
    small = parser.parse_args().small
    check_searches(*((4, 300, 101) if small else (50, 400, 151)))
    check_errors(*((500, 60) if small else (1_500, 400)))


if __name__ == "__main__":
    main()
