"""Errors at equal numbers of coalition evaluations."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np
from _clock import print_table
from _shapley_games import Setting, adult_settings, mean_baseline_settings
from _shapley_peers import PEERS, ours, shap_kernel, shap_on_the_model, theirs

OURS = "agnostix, KernelShapExplainer"
LEVERAGE, SHAP = "leverage pairs", "shap.KernelExplainer, l1_reg=False"
BUDGETS = (140, 512, 2_048)


def adult(args: Namespace) -> None:
    """Adult as numeric codes: mean normalized squared errors, and what shap's are of them."""
    for setting in adult_settings(args, 2 if args.quick else 6):
        seeds = range(args.seeds or (2 if args.quick else 20))
        errors_at = {m: _errors(setting, m, seeds, args.kernel) for m in BUDGETS}
        means = {
            m: {name: values.mean() for name, values in errors.items()} for m, errors in errors_at.items()
        }
        size = f"{len(setting.rows)} rows x {len(seeds)} designs"
        print_table(
            f"{setting.name}: mean normalized squared error over {size}",
            ("", *(head for m in BUDGETS for head in (f"m={m:,}", "shap / it"))),
            [(name, *_beside(means.values(), name, SHAP)) for name in means[BUDGETS[0]]],
        )
        game, m = setting.games[0], BUDGETS[0]
        apart = np.abs(shap_kernel(game, m, 0) - shap_on_the_model(game, m, 0)).max()
        print(f"\nshap on the table of the game and on the model itself differ by at most {apart:.0e}.")


def baseline(args: Namespace) -> None:
    """Boosted trees with one row of means as the background: median errors beside leverage pairs."""
    settings = mean_baseline_settings(10 if args.quick else 50)
    seeds = range(args.seeds or (2 if args.quick else 5))
    for multiple in args.multiples:
        _print_baseline(settings, multiple, seeds, args.kernel)
    doubts = ", ".join(f"{setting.name} {setting.doubt:.0e}" for setting in settings)
    print("\nTreeSHAP is apart from the truth, which is enumerated (at 60 columns its sum from the model's),")
    print(f"by at most, relative to a row's largest value: {doubts}.")


def _print_baseline(settings: list[Setting], multiple: int, seeds: range, kernels: list[str]) -> None:
    errors_at = [_errors(setting, multiple * setting.n_players, seeds, kernels) for setting in settings]
    medians = [{name: np.median(values) for name, values in errors.items()} for errors in errors_at]
    heads = [f"{setting.name}, m={multiple * setting.n_players}" for setting in settings]
    size = f"{len(settings[0].rows)} rows x {len(seeds)} designs"
    print_table(
        f"Mean baseline, m={multiple}d: median normalized squared error over {size}",
        ("", *(text for head in heads for text in (head, "leverage / it"))),
        [(name, *_beside(medians, name, LEVERAGE)) for name in medians[0]],
    )


def smallest(args: Namespace) -> None:
    """The smallest budget: what fails, and the errors."""
    settings = mean_baseline_settings(10 if args.quick else 50)
    n_seeds = args.seeds or (10 if args.quick else 100)
    for setting in settings:
        m = 2 * setting.n_players + 2
        lines = []
        for name in (OURS, "antithetic permutations", LEVERAGE, SHAP):
            outcomes = [_outcome(name, setting, m, seed) for seed in range(n_seeds)]
            errors = np.array([error for error, _ in outcomes])
            singular = sum(warned for _, warned in outcomes)
            lines.append((name, *_summarize(errors), str(singular)))
        print_table(
            f"{setting.name}, m=2d+2={m}: {n_seeds} designs, each on the next of {len(setting.rows)} rows",
            ("", "median error", "largest", "no number", "worse than zeros", "warned: singular"),
            lines,
        )


def _errors(setting: Setting, m: int, seeds: range, kernels: list[str]) -> dict[str, np.ndarray]:
    calls = {f"{OURS}, kernel={kernel}": partial(ours, setting, m, kernel=kernel) for kernel in kernels}
    calls |= {name: partial(theirs, estimator, setting, m) for name, estimator in PEERS.items()}
    return {name: np.array([setting.errors(call(seed)) for seed in seeds]) for name, call in calls.items()}


def _beside(columns: Iterable[dict[str, float]], name: str, reference: str) -> list[str]:
    """For each column the error, and how many times larger the reference's is."""
    cells = []
    for errors in columns:
        ratio = errors[reference] / errors[name] if errors[name] > 0 else np.inf
        cells += [f"{errors[name]:.1e}", f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"]
    return cells


def _outcome(name: str, setting: Setting, m: int, seed: int) -> tuple[float, bool]:
    """The error of one row under one design, NaN where there is none, and whether a warning said singular."""
    which = slice(seed % len(setting.rows), seed % len(setting.rows) + 1)
    parts = {part: getattr(setting, part)[which] for part in ("rows", "truth", "games")}
    one = replace(setting, **parts)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            values = ours(one, m, seed) if name == OURS else theirs(PEERS[name], one, m, seed)
        except (np.linalg.LinAlgError, ValueError):
            return np.nan, False
    error = float(one.errors(values)[0])
    return (error if np.isfinite(error) else np.nan), any("singular" in str(w.message) for w in caught)


def _summarize(errors: np.ndarray) -> tuple[str, str, str, str]:
    lost = int(np.isnan(errors).sum())
    return (
        f"{np.nanmedian(errors):.1e}",
        f"{np.nanmax(errors):.1e}",
        str(lost),
        str(int((errors > 1.0).sum())),
    )
