"""How far surrogates move with the samples, and whether the stated errors are those that are made."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from _clock import print_table
from _lime_cases import N_SAMPLES, SLOPES, Case, adult_rows, cancer, diabetes, linear, logistic
from _lime_peers import Lime, PlainSamples
from scipy.stats import t as student
from sklearn.tree import DecisionTreeRegressor

from agnostix.core.designs import Design
from tests.reference import lime as reference

BLOCKS = Design.from_n_points(1, N_SAMPLES, 0)
FREEDOM = BLOCKS.degrees_of_freedom
LEVEL = 0.95
NOTHING = 1e-9
"""Spreads below this share of the largest are left out."""
N_SELECTED = 5


def spread(args: Namespace) -> None:
    """Of a linear model's coefficients over seeds, at equal numbers of samples."""
    n_theirs, n_ours = (4, 8) if args.quick else (30, 60)
    lines = []
    for case in (linear(5, 5), linear(30, 5)):
        peers = [Lime(case, seed) for seed in range(n_theirs)]
        theirs = _deviations([_by_row(peer.coefficients, case) for peer in peers])
        plain_samples = PlainSamples(case)
        plain = _deviations(
            [_by_row(partial(plain_samples.coefficients, seed=seed), case) for seed in range(n_theirs)]
        )
        for sampling in ("kernel", "tilted"):
            runs = [_values(case.explained(seed, sampling=sampling)) for seed in range(n_ours)]
            ours = _deviations(runs)
            ratios = [f"{np.median(ours / other):.3f}" for other in (theirs, plain)]
            worst = f"{(ours / theirs).max():.3f}"
            cells = [f"{np.median(sd):.5f}" for sd in (theirs, plain, ours)]
            lines.append([f"{case.name}, sampling={sampling!r}", *cells, ratios[0], worst, "0.5", ratios[1]])
    print_table(
        f"Spread over seeds: a linear model, {N_SAMPLES:,} samples, 5 rows, median sd of a coefficient",
        (
            *("", "lime", "independent samples", "ours", "ours / lime", "worst coefficient"),
            *("target, at most", "ours / independent"),
        ),
        lines,
    )
    print(f"\n{n_theirs} seeds of lime and of independent samples under our least squares, {n_ours} of ours,")
    print(
        f"with {BLOCKS.n_points:,} samples in {BLOCKS.n_draws} arrays. Ratios are medians over coefficients."
    )


def errors(args: Namespace) -> None:
    """Stated errors beside the spread over seeds."""
    n_seeds = args.seeds or (8 if args.quick else 60)
    lines, medians = [], {}
    for sampling, n_rows in (("kernel", 10), ("tilted", 3)):
        for case in _error_cases(args, n_rows):
            found = [case.explained(seed, sampling=sampling) for seed in range(n_seeds)]
            for what, runs in _runs(found).items():
                name = f"{case.name}, {sampling}, {what}"
                lines.append([name, *runs.cells()])
                medians[name] = runs.median()
    print_table(
        f"Stated errors: {N_SAMPLES:,} samples, {n_seeds} seeds, error / sd over seeds",
        (
            *("", "values", "median", "target", "5 %", "95 %"),
            *(f"{LEVEL:.0%}, Student", "1.96 errors", "worst value"),
        ),
        lines,
    )
    of_coefficients = {name: one for name, one in medians.items() if name.endswith("coefficients")}
    worst = max(of_coefficients, key=lambda name: abs(np.log(medians[name])))
    chance, coverage = 1.0 / np.sqrt(2.0 * (n_seeds - 1)), np.sqrt(LEVEL * (1 - LEVEL) / n_seeds)
    print(f"\nWorst median of coefficients: {medians[worst]:.2f} ({worst}). Intervals are about the mean")
    print(f"over seeds; Student's has {FREEDOM} degrees of freedom. An sd over {n_seeds} seeds is known to")
    print(f"{chance:.0%}, by which ratios of values spread, and the coverage of one value to {coverage:.3f}.")
    print(f"Left out: what hardly moves, {NOTHING:.0e} of the most.")


def exact(args: Namespace) -> None:
    """Drawn surrogates beside their limits in closed form."""
    n_seeds = args.seeds or (5 if args.quick else 60)
    lines = []
    for sampling in ("kernel", "tilted"):
        for case, contrasts in _closed_cases(10 if sampling == "kernel" else 5):
            limits = _limits(case, contrasts, sampling)
            found = [case.explained(seed, sampling=sampling) for seed in range(n_seeds)]
            scores = np.array([(_values(one) - limits) / one.std_errors[:, :, 0] for one in found])
            lines.append([f"{case.name}, {sampling}", *_scored(scores)])
    expected = [f"{2.0 * student.sf(bound, FREEDOM):.3f}" for bound in (2.0, 3.0)]
    print_table(
        f"Limits in closed form: {N_SAMPLES:,} samples, {n_seeds} seeds, distance in stated errors",
        ("", "values", "rms", "beyond 2", "beyond 3", "largest", "mean over seeds: rms", "expected"),
        lines,
    )
    root = np.sqrt(FREEDOM / (FREEDOM - 2.0))
    print(
        f"\nStudent's distribution has rms {root:.2f}, {expected[0]} beyond 2 and {expected[1]} beyond 3. The"
    )
    print("limit has the penalty and not the row itself, which is no sample of ours. The mean over seeds, in")
    print("its own standard errors, tells a bias.")


def stability(args: Namespace) -> None:
    """Whether the same features are selected with other samples."""
    n_seeds, n_rows = args.seeds or (3 if args.quick else 10), 3 if args.quick else 10
    lines = []
    for case in (cancer(n_rows), diabetes(n_rows), logistic(n_rows)):
        peers = [Lime(case, seed, N_SELECTED) for seed in range(n_seeds)]
        theirs = np.array([_by_row(peer.coefficients, case) != 0 for peer in peers])
        lines.append([f"{case.name}, lime", *_agreed(theirs), f"{N_SAMPLES * n_rows:,}", ""])
        for name, confidence in {"ours": None, "ours, stability=0.95": 0.95}.items():
            settings = {"max_features": N_SELECTED, "stability": confidence}
            lines.append([f"{case.name}, {name}", *_agreed_with(case, n_seeds, settings)])
    print_table(
        f"The same {N_SELECTED} features over {n_seeds} seeds, {n_rows} rows, {N_SAMPLES:,} samples at first",
        ("", "rows with one set for all seeds", "shared by two seeds", "model rows", "called stable"),
        lines,
    )
    print(
        "\nShared by two seeds: of the features selected, the mean share that both have. Model rows: fit and"
    )
    print("explain, for all rows together; the mean over seeds.")


# What is compared ---------------------------------------------------------------------------------


def _error_cases(args: Namespace, n_rows: int) -> Iterator[Case]:
    yield from (linear(5, n_rows), linear(30, n_rows), cancer(n_rows), diabetes(n_rows))
    yield adult_rows(args, n_rows, 5_000)


def _closed_cases(n_rows: int) -> Iterator[tuple[Case, Callable[..., Any]]]:
    """Models, and the functions of the reference that tell their limits."""
    X = np.random.default_rng(0).normal(size=(1_000, SLOPES.size))
    rows = X[:n_rows]
    yield Case("linear", lambda Z: Z @ SLOPES, X, rows), partial(reference.linear, SLOPES)
    parts = [np.sin, np.square, np.exp, np.abs, lambda x: 0.0 * x]
    pairs = list(enumerate(parts))
    yield (
        Case("additive", lambda Z: sum(part(Z[:, j]) for j, part in pairs), X, rows),
        partial(reference.additive, parts),
    )
    sides = {0: (-0.5, 1.2), 2: (-np.inf, 0.3), 3: (-1.0, 2.0)}
    yield Case("box of three columns", partial(_inside, sides), X, rows), partial(reference.box, sides)
    tree = DecisionTreeRegressor(max_leaf_nodes=12, random_state=0)
    tree.fit(X, X[:, 0] * X[:, 1] + (X[:, 2] > 0) * X[:, 3])
    boxes = [(sides, float(value[0])) for sides, value in reference.tree_boxes(tree.tree_)]
    yield Case("tree of 12 leaves", tree.predict, X, rows), partial(reference.sum_of_boxes, boxes)


def _inside(sides: dict[int, tuple[float, float]], Z: np.ndarray) -> np.ndarray:
    return np.all([(low < Z[:, k]) & (Z[:, k] <= high) for k, (low, high) in sides.items()], axis=0) * 1.0


def _limits(case: Case, contrasts: Callable[..., Any], sampling: str) -> np.ndarray:
    plain = PlainSamples(case)
    r = reference.flip_weight(case.table.shape[1])
    found = []
    for row in case.rows:
        apart, _ = contrasts(plain.columns, plain.row_bins(row), r)
        found.append(plain.limit(apart, row, BLOCKS.n_points, sampling == "kernel"))
    return np.array(found)


# Tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Runs:
    """Values and stated errors over seeds, of shape (n_seeds, n)."""

    values: np.ndarray
    stated: np.ndarray

    def median(self) -> float:
        """Of stated errors, in standard deviations over seeds."""
        return float(np.median(self._ratios(self._moving())))

    def cells(self) -> list[str]:
        """The cells of a line."""
        kept = self._moving()
        values, stated, ratio = self.values[:, kept], self.stated[:, kept], self._ratios(kept)
        # the mean has the seed's own value in it
        apart = np.abs(values - values.mean(axis=0)) * np.sqrt(len(values) / (len(values) - 1))
        inside = apart <= student.ppf((1 + LEVEL) / 2, FREEDOM) * stated
        return [
            f"{kept.sum()}",
            f"{np.median(ratio):.2f}",
            "0.8 to 1.2",
            *(f"{share:.2f}" for share in np.quantile(ratio, [0.05, 0.95])),
            f"{inside.mean():.3f}",
            f"{(apart <= 1.96 * stated).mean():.3f}",
            f"{inside.mean(axis=0).min():.3f}",
        ]

    def _moving(self) -> np.ndarray:
        made = self.values.std(axis=0)
        return made > NOTHING * made.max()

    def _ratios(self, kept: np.ndarray) -> np.ndarray:
        return self.stated[:, kept].mean(axis=0) / self.values[:, kept].std(axis=0, ddof=1)


def _runs(found: list[Any]) -> dict[str, _Runs]:
    def over_seeds(tell: Callable[[Any], np.ndarray]) -> np.ndarray:
        return np.array([np.ravel(tell(one)) for one in found])

    return {
        "coefficients": _Runs(over_seeds(lambda e: e.values), over_seeds(lambda e: e.std_errors)),
        "the surrogate's predictions": _Runs(
            over_seeds(lambda e: e.extras["surrogate_outputs"].array),
            over_seeds(lambda e: e.extras["surrogate_std_errors"].array),
        ),
        "R2": _Runs(
            over_seeds(lambda e: e.fidelity["r2"]), over_seeds(lambda e: e.extras["r2_std_errors"].array)
        ),
    }


def _values(exp: Any) -> np.ndarray:
    """Of the one output."""
    return exp.values[:, :, 0]


def _by_row(coefficients: Callable[[np.ndarray], np.ndarray], case: Case) -> np.ndarray:
    return np.array([coefficients(row) for row in case.rows])


def _deviations(runs: list[np.ndarray]) -> np.ndarray:
    return np.std(runs, axis=0, ddof=1).ravel()


def _scored(scores: np.ndarray) -> list[str]:
    size = np.abs(scores)
    mean = scores.mean(axis=0) / (scores.std(axis=0, ddof=1) / np.sqrt(len(scores)))
    shares = [f"{(size > bound).mean():.4f}" for bound in (2.0, 3.0)]
    rms = [f"{np.sqrt(np.square(one).mean()):.2f}" for one in (scores, mean)]
    expected = np.sqrt((len(scores) - 1) / (len(scores) - 3))
    return [f"{size.size:,}", rms[0], *shares, f"{size.max():.1f}", rms[1], f"{expected:.2f}"]


def _agreed(selected: np.ndarray) -> list[str]:
    """Of sets over seeds, of shape (n_seeds, n_rows, n_features)."""
    same = (selected == selected[0]).all(axis=(0, 2)).mean()
    shared = [(one & other).sum(axis=1).mean() / N_SELECTED for one, other in combinations(selected, 2)]
    return [f"{same:.0%}", f"{np.mean(shared):.3f}"]


def _agreed_with(case: Case, n_seeds: int, settings: dict[str, Any]) -> list[str]:
    selected, model_rows, stable = [], [], []
    for seed in range(n_seeds):
        explainer = case.fitted(seed, **settings)
        exp = explainer.explain(case.rows)
        selected.append(exp.extras["selected"].array[:, :, 0])
        model_rows.append(explainer.n_model_rows_ + exp.n_model_rows)
        stable.append(np.mean(exp.extras.get("stable", np.nan)))
    called = "" if settings["stability"] is None else f"{np.mean(stable):.0%}"
    return [*_agreed(np.array(selected)), f"{np.mean(model_rows):,.0f}", called]
