"""The solver of what-ifs: how exact it is, its verdicts, and its time beside others' in the same run.

A part of `what_if_language.py`; alone it runs by ``python benchmarks/_what_if_solver.py``. Peers that are
not installed are left out, and said so.
"""

from __future__ import annotations

import _one_thread  # noqa: F401  # isort: skip

import logging
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from _clock import interleave, median_ratio, print_table, seconds, shown
from _data import NUMERIC, add_adult_argument, adult, described

from agnostix import EntropicProjection
from agnostix.what_if.calibration import DIVERGENCES, Projection, merge_rows, project, spread
from agnostix.what_if.sample import standardize
from tests.reference import calibration as reference
from tests.what_if.calibration.random_problems import FORMS, random_problem

N_PROBLEMS = 50
N_ROWS = 100_000
LEVELS = (6, 8, 10)
"""Levels of the columns that are raked."""
N_MARGIN_TARGETS = 21
N_HULL_TARGETS = 200
OFF_HULL = 1e-6


def main() -> None:
    """Run all parts, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--repeats", type=int, default=15, help="rounds (default: 15)")
    parser.add_argument("--only", choices=PARTS, action="append", help="leave out the other parts")
    args = parser.parse_args()
    for name in args.only or PARTS:
        PARTS[name](args)


# How exact the weights are -----------------------------------------------------------------------


def optimality(_: Namespace) -> None:
    """Residuals and duality gaps, from the weights alone, of random problems of every kind."""
    rows = []
    for name in DIVERGENCES:
        for form in FORMS:
            problems = [random_problem(seed, form) for seed in range(N_PROBLEMS)]
            rows.append((f"{name.replace('_', ' ')}, {form}", *_judged(name, problems)))
    header = (
        *("", "residual", "duality gap", "residual, Clarabel", "duality gap, Clarabel", "Clarabel failed"),
        *("largest bound by L-BFGS-B above", "x Clarabel"),
    )
    print_table(f"{N_PROBLEMS} random problems each, 30 to 500 rows, the largest of each", header, rows)
    print(
        "\nBoth are computed from the weights, by the same function. Clarabel stands at tolerances of 1e-12. "
        "L-BFGS-B maximizes the dual: no bound may be above the value that is reached."
    )


def _judged(name: str, problems: list[dict[str, Any]]) -> tuple[str, ...]:
    ours, theirs, above, taken = [], [], [], np.zeros((2, len(problems)))
    for j, problem in enumerate(problems):
        stated = [problem[part] for part in ("phi", "low", "high", "penalty", "base", "weight_bounds")]
        taken[0, j], result = _timed(partial(project, **problem, divergence=DIVERGENCES[name]))
        taken[1, j], other = _timed(partial(reference.by_cone, name, *stated))
        ours.append(reference.optimality(name, result.weights, *stated))
        if other is not None:
            theirs.append(_of_clarabel(name, other, stated))
        value = reference.objective(name, result.weights, *stated[:-1])
        above.append(reference.by_quasi_newton(name, *stated) - value)
    worst, worst_theirs = (np.abs(part).max(0) for part in (np.array(ours), np.array(theirs)))
    return (
        *(f"{one:.0e}" for one in (*worst, *worst_theirs)),
        str(len(problems) - len(theirs)),
        f"{max(above):.0e}",
        median_ratio(taken[1], taken[0]),
    )


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    results: list[Any] = []
    taken = seconds(lambda: results.append(call()))
    return taken, results[0]


def _of_clarabel(name: str, weights: np.ndarray, stated: list[Any]) -> tuple[float, float]:
    """Its residual and gap; weights a little below 0 are taken as they are meant."""
    with np.errstate(all="ignore"):
        return reference.optimality(name, np.maximum(weights, 1e-300), *stated)


# One large scenario ------------------------------------------------------------------------------


def joint(args: Namespace) -> None:
    """20 constraints on 100,000 rows: 5 ranges, 2 quantiles and 2 conditional means among them."""
    phi, low, high, base = _large_scenario()
    hard = np.full(low.size, np.inf)
    rows = []
    for name, divergence in DIVERGENCES.items():
        call = partial(project, phi, low, high, base, divergence=divergence)
        taken = float(np.median(interleave({name: call}, args.repeats)[name]))
        result = call()
        once, other = _timed(partial(reference.by_cone, name, phi, low, high, hard, base, tol=1e-8))
        rows.append((f"agnostix, {name}", shown(taken), "", f"{result.gap:.0e}", str(result.n_iter)))
        if other is None:
            rows.append((f"cvxpy with Clarabel, {name}", shown(once), f"{once / taken:.0f}", "failed", ""))
        else:
            gap = np.abs(np.clip(other @ phi, low, high) - other @ phi).max()
            rows.append(
                (f"cvxpy with Clarabel, {name}", shown(once), f"{once / taken:.0f}", f"{gap:.0e}", "")
            )
    print_table(
        f"20 constraints on {base.size:,} rows: 5 ranges, 2 quantiles and 2 conditional means among them",
        ("", "median", "x agnostix", "largest gap, sd", "steps"),
        rows,
    )


def _large_scenario() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N_ROWS, 20)) @ (np.eye(20) + 0.2 * rng.random((20, 20)))
    group = rng.random(N_ROWS) < 0.3
    tilt = np.exp(0.03 * x @ rng.normal(size=20))
    wanted = tilt / tilt.sum()
    values = x.copy()
    for j, quantile in ((15, 0.5), (16, 0.8)):  # P(X <= v) = q is the mean of an indicator
        values[:, j] = x[:, j] <= np.quantile(x[:, j], quantile)
    for j, part in ((17, group), (18, ~group)):  # the mean c of a group: E[1_G (X - c)] = 0
        values[:, j] = part * (x[:, j] - (wanted * part) @ x[:, j] / (wanted @ part))
    base = np.full(N_ROWS, 1.0 / N_ROWS)
    phi = np.empty((N_ROWS, 20), order="F")
    for j in range(20):
        phi[:, j] = standardize(values[:, j], base)[0]
    low = wanted @ phi
    high = low.copy()
    low[:5], high[:5] = low[:5] - 0.02, high[:5] + 0.02
    return phi, low, high, base


# Verdicts ----------------------------------------------------------------------------------------


def feasibility(args: Namespace) -> None:
    """Whether targets can be reached, against a linear program: pairs of Adult's columns, a random hull."""
    table, _ = adult(args.adult)
    X = table[list(NUMERIC)].to_numpy(dtype=float)
    base = np.full(len(X), 1.0 / len(X))
    phi = np.column_stack([standardize(X[:, j], base)[0] for j in (0, 1)])
    ends = [np.linspace(phi[:, j].min() - 0.3, phi[:, j].max() + 0.3, N_MARGIN_TARGETS) for j in (0, 1)]
    grid = np.stack(np.meshgrid(*ends), -1).reshape(-1, 2)
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(2_000, 4))
    rays = rng.normal(size=(N_HULL_TARGETS, 4)) * rng.uniform(0.5, 2.0, (N_HULL_TARGETS, 1))
    rows = [
        (f"{NUMERIC[0]} x {NUMERIC[1]}, {len(X):,} rows of {described(args.adult)}", *_verdicts(phi, grid)),
        ("4 normal columns, 2,000 rows", *_verdicts(cloud, rays)),
    ]
    header = (
        "",
        "targets",
        "within reach",
        "too near to tell",
        "verdicts as the linear program's",
        "time of all",
    )
    print_table("Verdicts on targets", header, rows)


def _verdicts(phi: np.ndarray, targets: np.ndarray) -> tuple[str, ...]:
    base = np.full(len(phi), 1.0 / len(phi))
    corners = np.unique(phi, axis=0)
    results: list[Projection] = []
    taken = seconds(lambda: results.extend(project(phi, target, target, base) for target in targets))
    margins = np.array([reference.reach(corners, target) for target in targets])
    known = np.abs(margins) > OFF_HULL
    ours = np.array([result.status != "infeasible" for result in results])
    agreed = int((ours == (margins > 0.0))[known].sum())
    counts = (len(targets), int((margins > 0.0).sum()), int((~known).sum()))
    return *map(str, counts), f"{agreed} of {int(known.sum())}", shown(taken)


# Raking ------------------------------------------------------------------------------------------


def raking(args: Namespace) -> None:
    """3 margins of 100,000 rows, beside iterative proportional fitting by bincount, ipfn and balance."""
    codes, margins = _margins()
    frame = pd.DataFrame(
        {f"c{j}": pd.Categorical.from_codes(code, _levels(j)) for j, code in enumerate(codes)}
    )
    shares = {f"c{j}": dict(zip(_levels(j), margin, strict=True)) for j, margin in enumerate(margins)}
    projection = EntropicProjection().fit(frame, predictions=np.random.default_rng(1).random(N_ROWS))
    calls: dict[str, Callable[[], np.ndarray]] = {
        "agnostix, rows merged and solved": partial(_by_cells, codes, margins),
        "agnostix, what_if": lambda: projection.what_if(shares).weights / N_ROWS,
        "ten lines of numpy.bincount": partial(_by_bincount, codes, margins),
    }
    calls |= _raking_peers(frame, shares)
    expected = reference.rake(codes, margins, np.full(N_ROWS, 1.0 / N_ROWS))
    apart = {name: np.abs(call() / expected - 1.0).max() for name, call in calls.items()}
    times = interleave(calls, max(1, args.repeats // 3))
    print_table(
        f"Raking {N_ROWS:,} rows to 3 margins of {', '.join(map(str, LEVELS))} levels",
        ("", "median", "fastest", "x merged and solved", "x what_if", "largest weight apart, relative"),
        [
            (
                name,
                shown(np.median(taken)),
                shown(taken.min()),
                median_ratio(taken, times["agnostix, rows merged and solved"]),
                median_ratio(taken, times["agnostix, what_if"]),
                f"{apart[name]:.0e}",
            )
            for name, taken in times.items()
        ],
    )


def _levels(j: int) -> list[str]:
    return [f"level {i}" for i in range(LEVELS[j])]


def _margins() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Codes of three columns that depend on each other, and their margins in another population."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=N_ROWS)
    codes, margins = [], []
    for m in LEVELS:
        score = 0.5 * common + rng.normal(size=N_ROWS)
        codes.append(np.digitize(score, np.quantile(score, np.linspace(0.0, 1.0, m + 1)[1:-1] ** 1.3)))
        margin = np.bincount(codes[-1], minlength=m) * rng.uniform(0.7, 1.3, m)
        margin /= margin.sum()
        margin[-1] = 1.0 - margin[:-1].sum()
        margins.append(margin)
    return codes, margins


def _by_cells(codes: list[np.ndarray], margins: list[np.ndarray]) -> np.ndarray:
    base = np.full(N_ROWS, 1.0 / N_ROWS)
    cells = merge_rows(codes, base)
    assert cells is not None
    pairs = zip(codes, margins, strict=True)
    phi = np.column_stack([code[cells.first] == level for code, m in pairs for level in range(m.size)])
    share, target = cells.base @ phi, np.concatenate(margins)
    scale = np.sqrt(share * (1.0 - share))
    z = (target - share) / scale
    return spread(project((phi - share) / scale, z, z, cells.base), cells, base).weights


def _by_bincount(codes: list[np.ndarray], margins: list[np.ndarray]) -> np.ndarray:
    weights = np.full(N_ROWS, 1.0 / N_ROWS)
    for _ in range(1_000):
        worst = 0.0
        for code, margin in zip(codes, margins, strict=True):
            factor = margin / np.bincount(code, weights, margin.size)
            weights *= factor[code]
            worst = max(worst, np.abs(factor - 1.0).max())
        if worst <= 1e-12:
            break
    return weights


def _raking_peers(
    frame: pd.DataFrame, shares: dict[str, dict[str, float]]
) -> dict[str, Callable[[], np.ndarray]]:
    calls: dict[str, Callable[[], np.ndarray]] = {}
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    try:
        from ipfn.ipfn import ipfn

        calls["ipfn"] = partial(_by_ipfn, ipfn, frame, shares)
    except ImportError:
        print("ipfn is not installed here.")
    try:
        from balance.weighting_methods.rake import rake

        calls["balance"] = partial(_by_balance, rake, frame, shares)
    except ImportError:
        print("balance is not installed here.")
    return calls


def _by_ipfn(package: Any, frame: pd.DataFrame, shares: dict[str, dict[str, float]]) -> np.ndarray:
    table = frame.assign(total=1.0 / len(frame))
    totals = [pd.Series(part).rename_axis(name).rename("total") for name, part in shares.items()]
    fitted = package(
        table, totals, [[name] for name in shares], convergence_rate=1e-12, rate_tolerance=0.0
    ).iteration()
    return fitted["total"].to_numpy()


def _by_balance(rake: Any, frame: pd.DataFrame, shares: dict[str, dict[str, float]]) -> np.ndarray:
    weights = rake(
        frame,
        pd.Series(np.ones(len(frame))),
        None,
        None,
        transformations=None,
        convergence_rate=1e-12,
        rate_tolerance=0.0,
        target_margins=shares,
    )["weight"].to_numpy()
    return weights / weights.sum()


PARTS: dict[str, Callable[[Namespace], None]] = {
    "optimality": optimality,
    "joint": joint,
    "feasibility": feasibility,
    "raking": raking,
}

if __name__ == "__main__":
    main()
