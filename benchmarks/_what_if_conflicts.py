"""Whether contradictions are found, and what is said of them is true, by linear programs of every row.

Three sets of scenarios: 441 averages of two columns of Adult from near their least to near their largest
values, 200 targets around the hull of random points, and 100 pairs of margins that were rounded one by one
and contradict each other. Counted are the scenarios in which

- the verdict is another than that of a linear program (targets closer to the hull than 1e-6 standard
  deviations are left out),
- the conflict that is named is feasible, or infeasible without one of its constraints,
- `what_if(**error.nearest)` or `what_if(**error.ranges)` does not solve,

and measured is by how much the sum of gaps of `nearest` exceeds the least one, in standard deviations and
as a part of the sum of gaps of the data. A last table has the time until an error is raised on many rows.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from _clock import print_table, shown
from _data import add_adult_argument, adult, described
from scipy.optimize import linprog

from agnostix import EntropicProjection, InfeasibleTargetError

CLOSE = 1e-6
"""Standard deviations from the hull within which a verdict is not compared."""
SUM = 1e-8
"""Least sum of gaps up to which a program of constraints counts as feasible."""
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
Targets = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A population, its statistics by the labels of constraints, and scenarios of targets."""

    projection: EntropicProjection
    values: dict[str, np.ndarray]  # (n_rows,) each
    scenarios: Sequence[tuple[Targets, dict[str, float]]]  # as what_if takes it, and by names


@dataclass
class Tally:
    """What was counted over scenarios."""

    title: str
    feasible: int = 0
    infeasible: int = 0
    left_out: int = 0
    wrong: int = 0
    reducible: int = 0
    unsolved: int = 0
    excess: list[float] = field(default_factory=list)
    parts: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        """As texts of a table."""
        return [
            self.title,
            f"{self.feasible} + {self.infeasible}",
            str(self.left_out),
            str(self.wrong),
            str(self.reducible),
            str(self.unsolved),
            f"{max(self.excess, default=0.0):.1e}",
            f"{max(self.parts, default=0.0):.1e}",
            shown(float(np.median(self.seconds))) if self.seconds else "-",
        ]


def least_sum(points: np.ndarray, targets: np.ndarray) -> float:
    """Least sum of distances, in standard deviations, of a mean of points (n, k) from the targets."""
    n, k = points.shape
    program = linprog(
        np.r_[np.zeros(n), np.ones(2 * k)],
        A_eq=np.block([[points.T, np.eye(k), -np.eye(k)], [np.ones((1, n)), np.zeros((1, 2 * k))]]),
        b_eq=np.r_[targets, 1.0],
        method="highs",
        options=TIGHT,
    )
    if program.status != 0:
        raise RuntimeError(program.message)
    return float(program.fun)


def margin(points: np.ndarray, targets: np.ndarray) -> float:
    """How many times as far from the origin a mean of points goes in the direction of the targets."""
    n, k = points.shape
    program = linprog(
        np.r_[np.zeros(n), -1.0],
        A_eq=np.block([[points.T, -targets[:, None]], [np.ones((1, n)), np.zeros((1, 1))]]),
        b_eq=np.r_[np.zeros(k), 1.0],
        bounds=[(0.0, None)] * (n + 1),
        method="highs",
        options=TIGHT,
    )
    return -float(program.fun) if program.status == 0 else 0.0


def run(title: str, case: Case) -> Tally:
    """All scenarios of a case."""
    tally = Tally(title)
    names = list(case.values)
    raw = np.column_stack([case.values[name] for name in names]).astype(float)
    mean, spread = raw.mean(0), raw.std(0)
    points = np.unique((raw - mean) / spread, axis=0)
    for targets, by_name in case.scenarios:
        places = np.array([names.index(name) for name in by_name])
        z = (np.array(list(by_name.values())) - mean[places]) / spread[places]
        own = np.unique(points[:, places], axis=0)
        least = least_sum(own, z)
        inside = least <= SUM and len(places) <= 3 and np.linalg.norm(z) * (margin(own, z) - 1.0) < CLOSE
        if inside or SUM < least < CLOSE:
            tally.left_out += 1
        else:
            _compare(case, tally, targets, (own, list(by_name), z, least))
    return tally


def _compare(
    case: Case, tally: Tally, targets: Targets, program: tuple[np.ndarray, list[str], np.ndarray, float]
) -> None:
    points, names, z, least = program
    start = perf_counter()
    try:
        case.projection.what_if(targets)
        tally.feasible += 1
        tally.wrong += least > SUM
        return
    except InfeasibleTargetError as error:
        tally.seconds.append(perf_counter() - start)
        found = error
    tally.infeasible += 1
    tally.wrong += least <= SUM
    conflict = np.array([names.index(label) for label in found.conflict])
    tally.reducible += not _is_irreducible(points, z, conflict)
    try:
        case.projection.what_if(**found.ranges)
        nearest = case.projection.what_if(**found.nearest)
    except ValueError:
        tally.unsolved += 1
        return
    _measure(case, tally, names, z, least, nearest.weights)


def _is_irreducible(points: np.ndarray, z: np.ndarray, conflict: np.ndarray) -> bool:
    if least_sum(points[:, conflict], z[conflict]) <= SUM:
        return False
    rest = [np.delete(conflict, j) for j in range(conflict.size)]
    return all(some.size == 0 or least_sum(points[:, some], z[some]) <= SUM for some in rest)


def _measure(
    case: Case, tally: Tally, names: list[str], z: np.ndarray, least: float, weights: np.ndarray
) -> None:
    means = []
    for name in names:
        values = case.values[name].astype(float)
        means.append(float(weights @ (values - values.mean()) / weights.sum() / values.std()))
    excess = float(np.abs(np.array(means) - z).sum()) - least
    tally.excess.append(excess)
    tally.parts.append(excess / float(np.abs(z).sum()))


def adult_pairs(args: Namespace) -> Case:
    """441 averages of age and hours, from near their least to near their largest values."""
    table, _ = adult(args.adult)
    X = table[["age", "hours-per-week"]].tail(8_000).reset_index(drop=True)
    grids = [np.linspace(X[name].min(), X[name].max(), 43)[1::2] for name in X]
    scenarios = [
        ({"age": a, "hours-per-week": b}, {"mean of age": a, "mean of hours-per-week": b})
        for a in map(float, grids[0])
        for b in map(float, grids[1])
    ]
    projection = EntropicProjection().fit(X, predictions=X["age"])
    return Case(projection, {f"mean of {name}": X[name].to_numpy() for name in X}, scenarios)


def around_a_hull() -> Case:
    """200 targets at 0.9 to 1.1 times the distance of the hull of random points in three columns."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"])
    points = (X.to_numpy() - X.to_numpy().mean(0)) / X.to_numpy().std(0)
    scenarios = []
    for direction in rng.normal(size=(200, 3)):
        z = direction * margin(points, direction) * rng.uniform(0.9, 1.1)
        means = dict(zip(X, X.to_numpy().mean(0) + z * X.to_numpy().std(0), strict=True))
        targets = {name: float(value) for name, value in means.items()}
        scenarios.append((targets, {f"mean of {name}": value for name, value in targets.items()}))
    projection = EntropicProjection().fit(X, predictions=X["a"])
    return Case(projection, {f"mean of {name}": X[name].to_numpy() for name in X}, scenarios)


def rounded_margins(n_pairs: int = 100, digits: int = 4) -> Case:
    """Pairs of cross tables with a column in common, each rounded by itself, that contradict each other."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame({name: rng.choice(list("abcd")[:size], 2_000) for name, size in _SIZES.items()})
    tables = {"age sex": X["age"] + X["sex"], "sex region": X["sex"] + X["region"]}
    frame = pd.DataFrame(tables)
    values = {
        f"proportion of {name} = {level}": (labels == level).to_numpy()
        for name, labels in tables.items()
        for level in sorted(labels.unique())
    }
    scenarios = []
    for shares in _rounded(rng, X, tables, digits):
        scenarios.append(
            (
                shares,
                {f"proportion of {name} = {k}": v for name, part in shares.items() for k, v in part.items()},
            )
        )
        if len(scenarios) == n_pairs:
            break
    projection = EntropicProjection().fit(frame, predictions=np.zeros(2_000) + rng.normal(size=2_000))
    return Case(projection, values, scenarios)


_SIZES = {"age": 4, "sex": 2, "region": 3}


def _rounded(
    rng: np.random.Generator, X: pd.DataFrame, tables: dict[str, pd.Series], digits: int
) -> Iterator[Targets]:
    """Shares of both tables under random weights, each table rounded to sum to 1, where they contradict."""
    while True:
        weights = rng.uniform(0.5, 1.5, len(X)) * np.exp(rng.normal(0.0, 0.3, len(X)))
        shares = {}
        for name, labels in tables.items():
            exact = pd.Series(weights).groupby(labels.to_numpy()).sum() / weights.sum()
            rounded = exact.round(digits)
            rounded.iloc[0] = round(rounded.iloc[0] + 1.0 - rounded.sum(), digits)
            shares[name] = rounded.to_dict()
        sums = [
            sum(v for k, v in shares["age sex"].items() if k[1] == "a"),
            sum(v for k, v in shares["sex region"].items() if k[0] == "a"),
        ]
        if abs(sums[0] - sums[1]) > 0.5 * 10.0**-digits:
            yield shares


def time_many_rows(n_rows: int = 100_000) -> None:
    """How long an error takes with 20 constraints, 5 of them ranges."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(n_rows, 15)) @ (np.eye(15) + 0.15 * rng.normal(size=(15, 15)))
    X = pd.DataFrame(numbers, columns=[f"x{j}" for j in range(15)])
    for j in range(5):
        X[f"g{j}"] = rng.choice(list("abcd"), n_rows)
    projection = EntropicProjection().fit(X, predictions=X["x0"])
    rows = []
    for size in (1.0, 1.5, 3.0):
        targets = _targets(np.random.default_rng(2), numbers, size)
        start = perf_counter()
        try:
            projection.what_if(targets)
        except InfeasibleTargetError as error:
            taken = perf_counter() - start
            rows.append([f"{size:g} standard deviations", str(len(error.conflict)), shown(taken)])
    header = ["targets off the data by about", "constraints in conflict", "time until the error"]
    print_table(f"{n_rows:,} rows, 20 constraints, 5 of them ranges", header, rows)


def _targets(rng: np.random.Generator, numbers: np.ndarray, size: float) -> Targets:
    z = numbers.mean(0) + size * rng.normal(size=15) * numbers.std(0)
    targets: Targets = {f"x{j}": float(z[j]) for j in range(10)}
    targets |= {f"x{j}": (float(z[j]), float(z[j]) + 0.2) for j in range(10, 15)}
    return targets | {f"g{j}": {"a": float(rng.uniform(0.1, 0.5))} for j in range(5)}


def main() -> None:
    """Run all parts."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    run_all(parser.parse_args())


def run_all(args: Namespace) -> None:
    """Print both tables."""
    tallies = [
        run(f"441 averages of two columns of {described(args.adult)}", adult_pairs(args)),
        run("200 targets around a random hull", around_a_hull()),
        run("100 pairs of rounded margins", rounded_margins()),
    ]
    header = [
        "scenarios",
        "feasible + not",
        "left out",
        "other verdict",
        "conflict reducible",
        "nearest unsolved",
        "largest excess of gaps (sd)",
        "as a part",
        "median time of an error",
    ]
    print_table(
        "Contradictions, against linear programs of every row", header, [one.row() for one in tallies]
    )
    time_many_rows()


if __name__ == "__main__":
    main()
