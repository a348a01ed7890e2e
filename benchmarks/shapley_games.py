"""How close Shapley values from sampled coalitions come, and whether their errors say so.

Games with known values: boosted trees of 100 trees and depth 4, and a neural network, one row beside the
mean row as the only background. The kernel is learned from 16 rows that are not among those measured. No
peer is needed: antithetic permutations and plain leverage score sampling are written out here.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from argparse import ArgumentParser
from collections import defaultdict

import numpy as np
from _clock import print_table, seconds, shown
from _games import Games, all_games
from scipy.stats import t as student

from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import Coalitions, count_pairs, count_pairs_of_size, sample_pairs
from agnostix.shapley.estimation import Operator, build_operator, learn_operator
from agnostix.shapley.kriging import learn_kernel
from agnostix.shapley.pair_regression import PairRegression
from agnostix.shapley.residual_noise import Spread

N_PILOTS, N_ROWS = 16, 56
OWN = range(N_PILOTS, N_ROWS, 5)
"""Rows with a kernel of their own: learning is once a row then."""
TIMES = (2, 4, 8, 16, 32)
METHODS = ("permutations", "leverage", "pairs", "learned", "leverage there", "own")

Errors = dict[tuple[str, int], list[float]]
Cover = dict[tuple[str, int], list[tuple[int, int, int]]]


def main() -> None:
    """Measure every set of games and print the tables."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=20)
    args = parser.parse_args()
    accuracy, coverage = [], []
    for games in all_games(N_ROWS):
        errors, covered = _measure(games, args.designs)
        accuracy += _accuracy_rows(games, errors)
        coverage += _coverage_rows(games, covered)
    heads = ["permutations", "leverage", "these pairs", "learned kernel", "leverage, some rows", "own kernel"]
    print_table(
        f"Median of ||error||^2 / ||values||^2 over rows and {args.designs} designs, and leverage's over it",
        ["", "m", *heads, "pairs", "learned", "own"],
        accuracy,
    )
    print_table(
        "Coverage of nominal 95 %, pooled; worst and best design; fraction left out as exact to 1e-9",
        ["", "m", "learned kernel", "worst", "best", "left out", "own kernel", "left out"],
        coverage,
    )
    _speed()


def _measure(games: Games, n_designs: int) -> tuple[Errors, Cover]:
    errors, covered = defaultdict(list), defaultdict(list)
    d = games.n_players
    for seed in range(n_designs):
        n_all = count_pairs(d)
        longest = sample_pairs(d, min(16 * d - 1, n_all - 1), seed)
        data = games.coalition_values(longest.masks)
        for times in TIMES:
            n = times * d // 2 - 1
            if n > min(n_all - 1, longest.n_pairs):
                continue
            part = longest.prefix(n), CoalitionValues(data.full, data.empty, data.rest[: 2 * n])
            _measure_ours(games, times, part, errors, covered)
            _measure_plain(games, times, n, seed, errors)
    return errors, covered


def _measure_ours(
    games: Games, times: int, part: tuple[Coalitions, CoalitionValues], errors: Errors, covered: Cover
) -> None:
    design, values = part
    tested = slice(N_PILOTS, None)
    y, delta = values.differences()
    off = PairRegression.from_coalitions(design).matrix @ np.vstack([y, delta])
    errors["pairs", times] += _normalized(off, games.truth, tested)
    params = learn_kernel(design, y[:, :N_PILOTS], delta[:N_PILOTS])
    operator = build_operator(design, params)
    errors["learned", times] += _normalized(operator.game_values(y, delta), games.truth, tested)
    covered["learned", times].append(_covered(operator, _some(values, tested), games.truth[:, tested]))
    for j in OWN:
        one = _some(values, slice(j, j + 1))
        operator = learn_operator(design, one)
        errors["own", times] += _normalized(operator.apply(one), games.truth[:, [j]])
        covered["own", times].append(_covered(operator, one, games.truth[:, [j]]))


def _some(values: CoalitionValues, games: slice) -> CoalitionValues:
    return CoalitionValues(values.full[games], values.empty[games], values.rest[:, games])


def _measure_plain(games: Games, times: int, n: int, seed: int, errors: Errors) -> None:
    tested = slice(N_PILOTS, None)
    rng = np.random.default_rng([seed, times])
    errors["permutations", times] += _normalized(_permutations(games, n, rng), games.truth, tested)
    if n >= 2 * games.n_players - 1:
        values = _by_leverage(games, _plain_leverage(games.n_players, n, rng))
        errors["leverage", times] += _normalized(values, games.truth, tested)
        errors["leverage there", times] += _normalized(values, games.truth, slice(OWN.start, None, OWN.step))


def _by_leverage(games: Games, design: Coalitions) -> np.ndarray:
    """The regression on plain samples; infinite where they happen to be singular."""
    try:
        return PairRegression.from_coalitions(design).matrix @ np.vstack(games.differences(design.masks))
    except ValueError:
        return np.full_like(games.truth, np.inf)


def _permutations(games: Games, n_pairs: int, rng: np.random.Generator) -> np.ndarray:
    """Marginal contributions along random orderings and their reverses, as many as the evaluations allow."""
    d = games.n_players
    passes = max(1, n_pairs // (d - 1))
    total = np.zeros_like(games.truth)
    for _ in range(passes):
        order = rng.permutation(d)
        for ordering in (order, order[::-1]):
            place = np.argsort(ordering)
            total[ordering] += np.diff(games.value(place[None, :] < np.arange(d + 1)[:, None]), axis=0)
    return total / (2 * passes)


def _plain_leverage(d: int, n_pairs: int, rng: np.random.Generator) -> Coalitions:
    """Sizes equally often, each coalition at random among those not drawn yet."""
    sizes = [s for s in range(1, d // 2 + 1) for _ in range(1 if 2 * s == d else 2)]
    count = dict.fromkeys(sizes, 0)
    seen: dict[bytes, np.ndarray] = {}
    while len(seen) < n_pairs:
        for size in rng.permutation(sizes):
            if len(seen) == n_pairs or count[size] == count_pairs_of_size(d, size):
                continue
            count[size] += 1
            mask = None
            while mask is None or mask.tobytes() in seen:
                mask = rng.permutation(np.arange(d) < size)
                if 2 * size == d and not mask[0]:
                    mask = ~mask
            seen[mask.tobytes()] = mask
    return Coalitions(np.array(list(seen.values())))


def _normalized(values: np.ndarray, truth: np.ndarray, part: slice = slice(None)) -> list[float]:
    off = np.square(values - truth).sum(0) / np.square(truth).sum(0)
    return [float(error) for error in off[part]]


def _covered(operator: Operator, values: CoalitionValues, truth: np.ndarray) -> tuple[int, int, int]:
    """Values inside their intervals, values that count, and values that are exact."""
    found, variances, dof = operator.solve(values)
    off, half = np.abs(found - truth), student.ppf(0.975, dof) * np.sqrt(variances)
    counts = off > 1e-9 * np.ptp(truth, axis=0)
    return int((off <= half)[counts].sum()), int(counts.sum()), int((~counts).sum())


def _accuracy_rows(games: Games, errors: Errors) -> list[list[str]]:
    rows = []
    for times in (t for t in TIMES if errors["learned", t]):
        median = {method: float(np.median(errors[method, times] or [np.nan])) for method in METHODS}
        against = {"pairs": "leverage", "learned": "leverage", "own": "leverage there"}
        ratios = [median[plain] / median[method] for method, plain in against.items()]
        shown_ratios = ["" if np.isnan(ratio) else f"{ratio:.3g}" for ratio in ratios]
        levels = ["" if np.isnan(median[method]) else f"{median[method]:.1e}" for method in METHODS]
        rows.append([games.name, f"{times}d", *levels, *shown_ratios])
    return rows


def _coverage_rows(games: Games, covered: Cover) -> list[list[str]]:
    rows = []
    for times in (t for t in TIMES[1:] if covered["learned", t]):
        fractions = [inside / max(1, count) for inside, count, _ in covered["learned", times]]
        line = [games.name, f"{times}d", _pooled(covered["learned", times])]
        line += [f"{min(fractions):.3f}", f"{max(fractions):.3f}", _left_out(covered["learned", times])]
        rows.append([*line, _pooled(covered["own", times]), _left_out(covered["own", times])])
    return rows


def _pooled(covered: list[tuple[int, int, int]]) -> str:
    inside, count, _ = np.sum(covered, axis=0)
    return f"{inside / count:.3f}" if count else ""


def _left_out(covered: list[tuple[int, int, int]]) -> str:
    _, count, exact = np.sum(covered, axis=0)
    return f"{exact / (exact + count):.0%}"


def _speed() -> None:
    rows = []
    for d, n in ((20, 250), (60, 479), (20, 1000), (60, 1000)):
        design, rng = sample_pairs(d, n, 0), np.random.default_rng(0)
        y, delta = rng.normal(size=(n, 48)), rng.normal(size=48)
        params = learn_kernel(design, y, delta)
        operator = build_operator(design, params)
        many = (rng.normal(size=(n, 3000)), rng.normal(size=3000))
        spread = Spread(np.ones(3000), np.ones(3000))
        calls = [
            lambda d=d, n=n: sample_pairs(d, n, 0),
            lambda design=design, y=y, delta=delta: learn_kernel(design, y, delta),
            lambda design=design, params=params: build_operator(design, params),
            lambda operator=operator, many=many: operator.game_values(*many),
            lambda operator=operator, many=many, spread=spread: operator.game_variances(*many, spread),
        ]
        rows.append([f"{d} players, {n} pairs", *(shown(min(map(seconds, [c] * 3))) for c in calls)])
    heads = ["", "design", "learn from 48 games", "operator", "3,000 values", "3,000 variances"]
    print_table("Time, one thread", heads, rows)


if __name__ == "__main__":
    main()
