"""Whether the errors that are stated are the errors that are made."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
from _clock import print_table
from _shapley_games import Setting, adult_model, adult_settings, mean_baseline_settings
from _shapley_peers import explainer_for
from scipy.stats import t

from agnostix import KernelShapExplainer

MULTIPLES = (8, 16, 32)
LEVEL = 0.95
NOTHING = 1e-9
"""Values below this share of the spread of a row's values are left out."""


def coverage(args: Namespace) -> None:
    """Of intervals about the coalition part, pooled over designs, rows and players."""
    n_designs = args.seeds or (5 if args.quick else 100)
    n_rows = 3 if args.quick else 10
    lines = []
    for setting in [adult_settings(args, n_rows)[0], *mean_baseline_settings(n_rows)]:
        for multiple in MULTIPLES:
            lines.append(_line(setting, multiple * setting.n_players, multiple, n_designs))
    print_table(
        f"Coalition errors: coverage of nominal {LEVEL:.0%}, {n_designs} designs x {n_rows} rows x players",
        ("", "1.96 errors", "Student", "worst row", "rms error / rms stated", "left out"),
        lines,
    )
    print("\nStudent: its quantile with pairs + 1 - d degrees of freedom; the worst row is by it. Left out:")
    print(f"values below {NOTHING:.0e} of the spread of their row, and errors below it, made and stated.")


def background(args: Namespace) -> None:
    """Stated errors of the background beside the spread over redrawn ones (and designs, which hardly add)."""
    n_draws, n_rows = (5, 3) if args.quick else (50, 10)
    m = 140 if args.quick else 512
    X, predict = adult_model(args)
    rows, others = X[-n_rows:], X[:20_000]
    values, stated = [], []
    for draw in range(n_draws):
        exp = KernelShapExplainer(predict, budget=m, random_state=draw).fit(others).explain(rows)
        values.append(exp.values[:, :, 0])
        stated.append(exp.extras["background_std_errors"].array[:, :, 0])
    spread = np.var(values, axis=0, ddof=1)
    stated_variance = np.mean(np.square(stated), axis=0)
    by_row = np.sqrt(stated_variance.sum(axis=1) / spread.sum(axis=1))
    print_table(
        f"Background errors: Adult, m={m}, 100 background rows drawn {n_draws} times, {n_rows} rows",
        ("", "stated / spread, pooled", "lowest row", "highest row"),
        [
            (
                "rms",
                f"{np.sqrt(stated_variance.sum() / spread.sum()):.2f}",
                f"{by_row.min():.2f}",
                f"{by_row.max():.2f}",
            )
        ],
    )


def _line(setting: Setting, m: int, multiple: int, n_designs: int) -> list[str]:
    name = f"{setting.name}, {multiple}d = {m}"
    if m >= 2**setting.n_players:
        return [name, "exact", "", "", "", ""]
    errors, stated = [], []
    for seed in range(n_designs):
        exp = explainer_for(setting, m, seed).explain(setting.rows)
        errors.append(np.abs(exp.values[:, :, 0] - setting.truth))
        stated.append(exp.extras["coalition_std_errors"].array[:, :, 0])
    return [name, *_covered(setting, np.array(errors), np.array(stated), m)]


def _covered(setting: Setting, errors: np.ndarray, stated: np.ndarray, m: int) -> list[str]:
    floor = NOTHING * np.ptp(setting.truth, axis=1)[:, None]
    kept = (np.abs(setting.truth) >= floor) & ((errors >= floor) | (stated >= floor))
    student = t.ppf((1 + LEVEL) / 2, max(1, (m - 2) // 2 + 1 - setting.n_players))
    inside = errors <= student * stated
    by_row = (inside & kept).sum(axis=(0, 2)) / np.maximum(kept.sum(axis=(0, 2)), 1)
    ratio = np.sqrt((errors[kept] ** 2).mean() / (stated[kept] ** 2).mean())
    return [
        f"{(errors <= 1.96 * stated)[kept].mean():.3f}",
        f"{inside[kept].mean():.3f}",
        f"{by_row[kept.any(axis=(0, 2))].min():.3f}",
        f"{ratio:.2f}",
        f"{1 - kept.mean():.1%}",
    ]
