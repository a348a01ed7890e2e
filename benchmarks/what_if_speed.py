"""Time and memory of what-if questions, beside other solvers of the same problem in the same run.

What is compared, on one thread, with rounds in which every side takes its turn:

- Curves: 5 numeric columns of Adult (its last 8,000 rows) at 41 targets each.
  `EntropicProjection.explain` as a user calls it (intervals, slopes, realism),
  and its solver alone (rows put together, targets solved, mean outcome), against
  one BFGS solve of the dual by scipy for each target, and against the package
  ethik where ``--ethik`` names an interpreter that has it.
- One scenario of 5 averages on the same rows: the solver alone and the whole
  `what_if`, against cvxpy with Clarabel, and against the package
  empirical_calibration where it is installed.
- One continuous column of a million rows at 41 targets.
- 784 pixels of 10,000 pictures with 10 outputs.

Memory is the peak of what Python and numpy allocate (tracemalloc) above what
was held when the call began, in a run of its own; and the growth of the
process's peak resident memory over the run that was timed. Every number says
what this machine did this time; nothing is asserted.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["RAYON_NUM_THREADS"] = "1"

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from _clock import (
    forget_peak,
    in_a_process,
    interleave,
    median_ratio,
    peak_mb,
    peak_rss_mb,
    print_table,
    rss_mb,
    seconds,
    shown,
)
from _data import NUMERIC, add_adult_argument, adult, described, images
from _peers import Ethik, bfgs_curve, calibrate, clarabel, empirical_calibration
from sklearn.ensemble import HistGradientBoostingClassifier

from agnostix import EntropicProjection
from agnostix.what_if.calibration import project
from agnostix.what_if.distinct_values import collapse
from agnostix.what_if.sample import standardize
from agnostix.what_if.tilting import density_ratio, solve_targets

N_TEST = 8_000
GTOL = 1e-10
SCENARIO = {"age": 0.5, "education-num": 0.4, "capital-gain": 0.2, "capital-loss": 0.2, "hours-per-week": 0.3}
"""Targets of the scenario, in standard deviations from the mean."""


def main() -> None:
    """Run all parts, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--ethik", metavar="PYTHON", help="an interpreter that has the package ethik")
    parser.add_argument("--repeats", type=int, default=15, help="rounds (default: 15)")
    parser.add_argument("--only", choices=_PARTS, action="append", help="leave out the other parts")
    args = parser.parse_args()
    for name in args.only or _PARTS:
        _PARTS[name](args)


# Curves on Adult ---------------------------------------------------------------------------------


def curves(args: Namespace) -> None:
    """5 columns at 41 targets: agnostix, its solver, BFGS, ethik."""
    X, predictions, _ = _scored(args)
    projection = EntropicProjection().fit(X, predictions=predictions)
    frame = projection.explain().frame
    targets = {name: part["target"].to_numpy() for name, part in frame.groupby("feature")}
    base = np.full(N_TEST, 1.0 / N_TEST)
    scaled = {name: standardize(X[name].to_numpy(dtype=float), base) for name in X}
    problems = [(z, (targets[name] - mean) / scale) for name, (z, mean, scale) in scaled.items()]
    calls: dict[str, Callable[[], Any]] = {
        "agnostix, explain": projection.explain,
        "agnostix, solver alone": partial(_solve_curves, problems, predictions),
        "scipy BFGS, one solve a target": partial(_bfgs_curves, problems, predictions),
    }
    ours, theirs = calls["agnostix, solver alone"](), calls["scipy BFGS, one solve a target"]()
    gaps = dict.fromkeys(calls, "")
    gaps["agnostix, solver alone"] = f"{_largest_gap(problems, ours[:, 0]):.0e}"
    gaps["scipy BFGS, one solve a target"] = f"{_largest_gap(problems, theirs[:, 0]):.0e}"
    times = interleave(calls, args.repeats)
    if args.ethik:
        times["ethik, explain_influence"], gaps["ethik, explain_influence"] = _time_ethik(
            args, X, predictions, scaled
        )
    fit = interleave({"agnostix, fit": lambda: EntropicProjection().fit(X, predictions=predictions)}, 5)
    _print_curves(args, times, gaps, np.abs(ours[:, 1] - theirs[:, 1]).max(), fit["agnostix, fit"])


def _print_curves(
    args: Namespace, times: dict[str, np.ndarray], gaps: dict[str, str], apart: float, fit: np.ndarray
) -> None:
    print_table(
        f"Curves: {len(NUMERIC)} columns x 41 targets, {N_TEST:,} rows of {described(args.adult)}",
        ("", "median", "fastest", "x explain", "x solver", "largest gap, sd"),
        [
            (
                name,
                shown(np.median(taken)),
                shown(taken.min()),
                median_ratio(taken, times["agnostix, explain"]),
                median_ratio(taken, times["agnostix, solver alone"]),
                gaps[name],
            )
            for name, taken in times.items()
        ],
    )
    print(
        f"\n{args.repeats} rounds; ratios are medians over rounds. The gap of explain is its solver's. "
        f"Mean outcomes of solver and BFGS differ by at most {apart:.0e}. "
        f"Before, once: fit {shown(np.median(fit))}."
    )


def _scored(args: Namespace) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The last rows, a model's probabilities for them, and what is true."""
    table, rich = adult(args.adult)
    X = table[list(NUMERIC)]
    model = HistGradientBoostingClassifier(random_state=0).fit(X[:-N_TEST], rich[:-N_TEST])
    last = X[-N_TEST:].reset_index(drop=True)
    return last, model.predict_proba(last)[:, 1], rich[-N_TEST:]


def _solve_curves(problems: list[tuple[np.ndarray, np.ndarray]], outcome: np.ndarray) -> np.ndarray:
    """Multipliers and mean outcomes, one row a target."""
    base = np.full(outcome.size, 1.0 / outcome.size)
    parts = []
    for z, targets in problems:
        distinct = collapse(z, base, outcome[:, None])
        tilts = solve_targets(distinct, targets)
        ratio = density_ratio(distinct.points, tilts.xi, distinct.span, distinct.mass)
        parts.append(np.column_stack([tilts.xi, ratio @ distinct.first]))
    return np.concatenate(parts)


def _bfgs_curves(problems: list[tuple[np.ndarray, np.ndarray]], outcome: np.ndarray) -> np.ndarray:
    return np.concatenate([bfgs_curve(z, targets, outcome, GTOL)[:, [0, 2]] for z, targets in problems])


def _largest_gap(problems: list[tuple[np.ndarray, np.ndarray]], xi: np.ndarray) -> float:
    """Between stated and reached means, the weights computed on the rows."""
    pairs = [(z, target) for z, targets in problems for target in targets]
    return max(abs(_tilted_mean(z, x) - target) for (z, target), x in zip(pairs, xi, strict=True))


def _tilted_mean(z: np.ndarray, xi: float) -> float:
    weights = np.exp(z * xi - (z * xi).max())
    return float(weights @ z / weights.sum())


def _time_ethik(
    args: Namespace,
    X: pd.DataFrame,
    predictions: np.ndarray,
    scaled: dict[str, tuple[np.ndarray, float, float]],
) -> tuple[np.ndarray, str]:
    """Its own targets, which run between the same quantiles; its gap as its multipliers leave it."""
    peer = Ethik(args.ethik, X, predictions)
    _, frame = peer.explain()
    times = np.array([peer.explain()[0] for _ in range(args.repeats)])
    peer.close()
    gaps = []
    for name, target, xi in zip(frame["feature"], frame["target"], frame["ksi"], strict=True):
        z, mean, scale = scaled[name]
        gaps.append(abs(_tilted_mean(z, xi) - (target - mean) / scale))
    return times, f"{max(gaps):.0e}"


# One scenario ------------------------------------------------------------------------------------


def scenario(args: Namespace) -> None:
    """5 averages at once: agnostix, cvxpy with Clarabel, empirical_calibration."""
    X, predictions, rich = _scored(args)
    base = np.full(N_TEST, 1.0 / N_TEST)
    scaled = {name: standardize(X[name].to_numpy(dtype=float), base) for name in X}
    phi = np.column_stack([z for z, _, _ in scaled.values()])
    target = np.array([SCENARIO[name] for name in X])
    wanted = {name: mean + scale * SCENARIO[name] for name, (_, mean, scale) in scaled.items()}
    plain = EntropicProjection().fit(X, predictions=predictions)
    table, _ = adult(args.adult)
    whole = EntropicProjection().fit(table[-N_TEST:], rich, predictions=predictions)
    peer = empirical_calibration()
    solver_seconds: list[float] = []
    calls: dict[str, Callable[[], Any]] = {
        "agnostix, solver alone": lambda: project(phi, target, target, base).weights,
        "agnostix, what_if": lambda: plain.what_if(wanted).weights / N_TEST,
        "agnostix, what_if, all 14 columns and 5 metrics": lambda: whole.what_if(wanted).weights / N_TEST,
        "cvxpy + Clarabel, stated and solved": partial(_clarabel, phi, target, solver_seconds),
    }
    if peer is not None:
        calls["empirical_calibration"] = partial(calibrate, peer, phi, target)
    weights = {name: call() for name, call in calls.items()}
    solver_seconds.clear()
    times = interleave(calls, args.repeats)
    own = "cvxpy + Clarabel, the solver's own time"
    times[own], weights[own] = np.array(solver_seconds[1:]), weights["cvxpy + Clarabel, stated and solved"]
    _print_scenario(args, times, weights, phi, target)
    if peer is None:
        print("empirical_calibration is not installed here.")


def _clarabel(phi: np.ndarray, target: np.ndarray, taken: list[float]) -> np.ndarray:
    weights, own_seconds = clarabel(phi, target)
    taken.append(own_seconds)
    return weights


def _print_scenario(
    args: Namespace,
    times: dict[str, np.ndarray],
    weights: dict[str, np.ndarray],
    phi: np.ndarray,
    target: np.ndarray,
) -> None:
    ours = weights["agnostix, solver alone"]
    print_table(
        f"One scenario: {len(SCENARIO)} averages, {N_TEST:,} rows of {described(args.adult)}",
        ("", "median", "fastest", "x solver", "x what_if", "largest gap, sd", "largest weight apart, 1/n"),
        [
            (
                name,
                shown(np.median(taken)),
                shown(taken.min()),
                median_ratio(taken, times["agnostix, solver alone"]),
                median_ratio(taken, times["agnostix, what_if"]),
                f"{np.abs(weights[name] @ phi - target).max():.0e}",
                f"{np.abs(weights[name] - ours).max() * N_TEST:.0e}",
            )
            for name, taken in times.items()
        ],
    )


# Large tables ------------------------------------------------------------------------------------


def million(args: Namespace) -> None:
    """One continuous column, 1,000,000 rows, 41 targets."""
    _print_large("One continuous column, 1,000,000 rows, 41 targets", _million, args, {})


def pixels(args: Namespace) -> None:
    """10,000 pictures with 10 outputs: both ends of the default grid and the mean; then two given targets."""
    heading = "784 pixels, 10,000 pictures, 10 outputs, both ends"
    _print_large(f"{heading} (n_targets=3)", _pictures, args, {"n_targets": 3})
    _print_large(f"{heading}, given as targets", _pictures_with_targets, args, {})


def _million() -> tuple[pd.DataFrame, np.ndarray, None]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=1_000_000)
    return pd.DataFrame({"x": x}), 1.0 / (1.0 + np.exp(-x - rng.normal(size=x.size))), None


def _pictures() -> tuple[pd.DataFrame, np.ndarray, None]:
    return *images(), None


def _pictures_with_targets() -> tuple[pd.DataFrame, np.ndarray, dict[str, list[float]]]:
    X, scores = images()
    lit = X.loc[:, X.nunique() > 1].astype(float)
    step = 0.5 * np.minimum(lit.std(), lit.mean())
    ends = {name: [lit[name].mean() - step[name], lit[name].mean() + step[name]] for name in lit}
    return X, scores, ends


def _print_large(title: str, make: Callable[[], Any], args: Namespace, params: dict[str, Any]) -> None:
    repeats = max(1, args.repeats // 5)
    timed, data, held, grown = in_a_process(_time_large, make, params, repeats)
    peaks = in_a_process(_trace_large, make, params)
    print_table(
        title,
        ("", "median", "fastest", "peak above the data"),
        [
            (name, shown(np.median(taken)), shown(taken.min()), f"{peaks[name]:.0f} MB")
            for name, taken in timed.items()
        ],
    )
    print(
        f"\n{repeats} rounds. Data: {data:.0f} MB. The fitted projection holds {peaks['held']:.0f} MB. "
        f"Resident memory of the process: {held:.0f} MB with the data, at most {grown:.0f} MB more."
    )


def _time_large(
    make: Callable[[], Any], params: dict[str, Any], repeats: int
) -> tuple[dict[str, np.ndarray], float, float, float]:
    X, predictions, targets = make()
    data = (X.memory_usage(index=False).sum() + predictions.nbytes) / 1e6
    forget_peak()
    before = rss_mb()
    times: dict[str, list[float]] = {"fit": [], "explain": []}
    for _ in range(repeats):
        projection = EntropicProjection(**params)
        times["fit"].append(seconds(partial(projection.fit, X, predictions=predictions)))
        times["explain"].append(seconds(partial(projection.explain, targets=targets)))
    taken = {name: np.array(some) for name, some in times.items()}
    return taken, float(data), before, peak_rss_mb() - before


def _trace_large(make: Callable[[], Any], params: dict[str, Any]) -> dict[str, float]:
    import tracemalloc

    X, predictions, targets = make()
    small = X.iloc[:200], predictions[:200]
    EntropicProjection().fit(small[0], predictions=small[1]).explain(features=[X.columns[X.shape[1] // 2]])
    tracemalloc.start()
    projection = EntropicProjection(**params).fit(X, predictions=predictions)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    _, explaining = peak_mb(partial(projection.explain, targets=targets))
    return {"fit": peak / 1e6, "held": held / 1e6, "explain": explaining}


_PARTS: dict[str, Callable[[Namespace], None]] = {
    "curves": curves,
    "scenario": scenario,
    "million": million,
    "pixels": pixels,
}

if __name__ == "__main__":
    main()
