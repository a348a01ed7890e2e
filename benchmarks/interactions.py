"""Interactions of pairs from sampled coalitions, beside the approximators of shapiq, on games of 14 players.

- accuracy: k-SII of features and pairs, 512 and 2,048 of the 16,384 coalitions: squared error relative to the
  sum of squares, the mean over games and seeds. Ours comes with the explainer's defaults but the budget.
- coverage: how often 95 % intervals hold the true value, pooled over games, and CPU seconds a row.

Games are of tables (UCI Adult as codes: boosted trees and a forest), and neural ones (a network on the same
table, sentences with negations, sums of waves). All coalitions are evaluated once: truth and peers read from
a table. Peers with a surrogate model of their own are told apart. Nothing is asserted.
"""

from __future__ import annotations

import time
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from itertools import combinations
from math import comb, factorial
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from _clock import print_table
from _data import add_adult_argument, adult, described
from _mask_games import MaskGame, all_coalitions, many_games
from _shapley_games import Game, adult_model
from shapiq.approximator import (
    SHAPIQ,
    SVARMIQ,
    InconsistentKernelSHAPIQ,
    KernelSHAPIQ,
    PermutationSamplingSII,
    ProxySPEX,
)
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agnostix import KernelShapExplainer, as_predictor
from agnostix.core.masking import Features, TabularMasker

SURROGATE = "ProxySPEX"
BUDGETS = (512, 2048)


def _options(**params: Any) -> dict[str, Any]:
    return {"max_order": 2, "index": "k-SII", **params}


def peers() -> dict[str, Callable[[int, int], Any]]:
    """Approximators by players and seed."""
    found: dict[str, Callable[[int, int], Any]] = {
        "permutations": lambda n, s: PermutationSamplingSII(n, random_state=s, **_options()),
        "SHAP-IQ": lambda n, s: SHAPIQ(n, random_state=s, **_options()),
    }
    for name, kind in (
        ("SVARM-IQ", SVARMIQ),
        ("KernelSHAP-IQ", KernelSHAPIQ),
        ("inconsistent KernelSHAP-IQ", InconsistentKernelSHAPIQ),
    ):
        for pairs in (False, True):
            words = f"{name}, pairs" if pairs else name
            found[words] = lambda n, s, kind=kind, pairs=pairs: kind(
                n, random_state=s, **_options(pairing_trick=pairs)
            )
    found[SURROGATE] = lambda n, s: ProxySPEX(n=n, random_state=s, **_options())
    return found


def games(args: Namespace) -> dict[str, list[np.ndarray]]:
    """Values of all coalitions, some games of each kind."""
    n = 2 if args.quick else args.games
    X, boosted = adult_model(args)
    rich = adult(args.adult)[1]
    rng = np.random.default_rng(0)
    background, rows = X[rng.permutation(20_000)[:30]], X[-n:]
    network = make_pipeline(StandardScaler(), MLPClassifier((50, 50), max_iter=30, random_state=0))
    forest = RandomForestClassifier(30, min_samples_leaf=3, random_state=0, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = {
            "boosted trees": boosted,
            "forest": _of(forest.fit(X[:20_000], rich[:20_000])),
            "network": _of(network.fit(X[:20_000], rich[:20_000])),
        }
    found = {
        f"{described(args.adult)}, {name}": [Game(model, row, background).table for row in rows]
        for name, model in models.items()
    }
    neural: dict[str, list[MaskGame]] = many_games(n)
    return found | {
        name: [one.table for one in neural[name]] for name in ("sentiment, 14 words", "waves, 14")
    }


def _of(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: model.predict_proba(rows)[:, 1]


def exact(table: np.ndarray) -> np.ndarray:
    """k-SII by its definition: single players on the diagonal of (d, d), pairs above it."""
    d = int(np.log2(table.size))
    codes, sizes = np.arange(2**d), all_coalitions(d).sum(axis=1)
    of_pair = np.array([factorial(s) * factorial(d - s - 2) / factorial(d - 1) for s in range(d - 1)])
    of_player = np.array([1.0 / (d * comb(d - 1, s)) for s in range(d)])
    found = np.zeros((d, d))
    for i, j in combinations(range(d), 2):
        both = (1 << i) | (1 << j)
        rest = codes[(codes & both) == 0]
        second = table[rest | both] - table[rest | (1 << i)] - table[rest | (1 << j)] + table[rest]
        found[i, j] = of_pair[sizes[rest]] @ second
    for i in range(d):
        rest = codes[(codes >> i & 1) == 0]
        own = of_player[sizes[rest]] @ (table[rest | (1 << i)] - table[rest])
        found[i, i] = own - 0.5 * (found[i].sum() + found[:, i].sum())
    return found


def ours(table: np.ndarray, budget: int, seed: int, index: str = "k-SII") -> Any:
    """Our explanation of a game, as a model of bits with one background row of zeros."""
    d = int(np.log2(table.size))
    masker = TabularMasker(
        np.zeros((1, d)), np.ones(1), Features.from_names([f"x{j}" for j in range(d)], None)
    )
    model = as_predictor(lambda rows: table[np.asarray(rows).astype(bool) @ (1 << np.arange(d))])
    explainer = KernelShapExplainer(model, budget=budget, masker=masker, random_state=seed, verbose=0)
    return explainer.fit(np.ones((1, d))).explain_interactions(np.ones((1, d)), index=index)


def theirs(kind: Callable[[int, int], Any], table: np.ndarray, budget: int, seed: int) -> np.ndarray:
    """A peer's values, as `exact` has them."""
    d = int(np.log2(table.size))
    codes = 1 << np.arange(d)
    known = kind(d, seed).approximate(
        budget=budget, game=lambda masks: table[np.atleast_2d(masks).astype(bool) @ codes]
    )
    found = np.zeros((d, d))
    for i in range(d):
        for j in range(i, d):
            found[i, j] = known[(i,) if i == j else (i, j)]
    return found


def accuracy(args: Namespace) -> None:
    """Squared errors beside the best peer's."""
    by_name, rows = peers(), []
    for name, tables in games(args).items():
        truths = [exact(table) for table in tables]
        for budget in BUDGETS:
            errors: dict[str, list[float]] = {}
            for number, (table, truth) in enumerate(zip(tables, truths, strict=True)):
                for seed in range(args.seeds):
                    own = np.triu(ours(table, budget, seed).values[0, :, :, 0])
                    errors.setdefault("agnostix", []).append(_relative(own, truth))
                    for peer, kind in by_name.items():
                        if peer == SURROGATE and (seed or number > 1):
                            continue  # some ten seconds each
                        errors.setdefault(peer, []).append(
                            _relative(theirs(kind, table, budget, seed), truth)
                        )
            means = {peer: float(np.mean(each)) for peer, each in errors.items()}
            sampled = {peer: mean for peer, mean in means.items() if peer not in ("agnostix", SURROGATE)}
            best = min(sampled, key=sampled.__getitem__)
            ratio = sampled[best] / means["agnostix"]
            cells = [f"{means['agnostix']:.1e}", f"{sampled[best]:.1e} ({best})", f"{ratio:.0f} x"]
            rows.append([name, f"{budget:,}", *cells, f"{means[SURROGATE]:.1e}"])
    header = ["game", "coalitions", "agnostix", "best sampled peer", "ratio", f"{SURROGATE} (surrogate)"]
    print_table(f"k-SII, relative squared error, {args.games} games x {args.seeds} seeds", header, rows)


def _relative(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.square(found - truth).sum() / np.square(truth).sum())


def coverage(args: Namespace) -> None:
    """How often intervals hold the truth."""
    rows, tables = [], games(args)
    for index in ("k-SII", "STII", "FSII"):
        for budget in (128, *BUDGETS):
            inside, exact_ones, taken, n = [], 0, 0.0, 0
            for each in tables.values():
                for seed, table in enumerate(each):
                    truth = ours(table, table.size, 0, index).values
                    start = time.process_time()
                    exp = ours(table, budget, seed, index)
                    taken, n = taken + time.process_time() - start, n + 1
                    upper = np.triu_indices(truth.shape[1])
                    low, high = (one[0, :, :, 0][upper] for one in exp.interval())
                    value = truth[0, :, :, 0][upper]
                    inside.append((low <= value) & (value <= high))
                    exact_ones += int((high == low).sum())
            parts = [np.mean([np.mean(one[part]) for one in inside]) for part in _parts(len(inside[0]))]
            cells = [f"{share:.3f}" for share in (np.mean(inside), *parts)]
            rows.append([index, f"{budget:,}", *cells, str(exact_ones), f"{taken / n:.2f}"])
    header = ["index", "coalitions", "coverage", "features", "pairs", "errors of 0", "CPU s a row"]
    print_table("Coverage of 95 % intervals", header, rows)


def _parts(n_values: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of single features and of pairs in an upper triangle."""
    d = int((np.sqrt(8 * n_values + 1) - 1) / 2)
    first, second = np.triu_indices(d)
    return first == second, first != second


PARTS: dict[str, Callable[[Namespace], None]] = {"accuracy": accuracy, "coverage": coverage}


def main() -> None:
    """Print the chosen parts."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all by default")
    parser.add_argument("--games", type=int, default=4, help="games of each kind")
    parser.add_argument("--seeds", type=int, default=2, help="designs of each game")
    parser.add_argument("--quick", action="store_true", help="two games of each kind")
    args = parser.parse_args()
    for part in args.parts or PARTS:
        PARTS[part](args)


if __name__ == "__main__":
    main()
