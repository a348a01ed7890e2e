"""What explanations cost: wall time beside the model's own, memory, model rows."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import shap
from _clock import (
    ModelClock,
    forget_peak,
    in_a_process,
    interleave_inside,
    median_ratio,
    peak_mb,
    peak_rss_mb,
    print_table,
    rss_mb,
    seconds,
    shown,
)
from _data import adult, described
from _models import pipeline
from sklearn.linear_model import LogisticRegression

from agnostix import KernelShapExplainer, as_predictor

WIDE = 784


def speed(args: Namespace) -> None:
    """1,000 rows, 20 columns, 100 background rows, 3 outputs, against shap at equal budgets."""
    n_rows, n_theirs = (100, 5) if args.quick else (1_000, 50)
    model, X, background = _cheap(n_rows)
    clocks = {name: ModelClock(model.predict_proba) for name in ("agnostix", "shap")}
    explainer = _ours(clocks["agnostix"], args.budget)
    fit = seconds(partial(explainer.fit, background))
    fitted = clocks["agnostix"].rows
    theirs = shap.KernelExplainer(clocks["shap"], background)
    cases: dict[str, tuple[ModelClock, Callable[[], Any]]] = {
        "agnostix": (clocks["agnostix"], partial(explainer.explain, X)),
        "shap": (clocks["shap"], partial(_shap, theirs, X[:n_theirs], args.budget)),
    }
    taken = interleave_inside(cases, args.repeats or 3)
    walls = {"agnostix": taken["agnostix"][0], "shap": taken["shap"][0] * n_rows / n_theirs}
    names = {"agnostix": "agnostix, KernelShapExplainer", "shap": "shap.KernelExplainer, l1_reg=False"}
    print_table(
        f"Speed: {n_rows:,} rows x 20 columns x 100 background rows, 3 outputs, m={args.budget:,}",
        ("", "wall", "x agnostix", "outside the model", "model rows"),
        [
            (
                names[key],
                shown(np.median(walls[key])),
                median_ratio(walls[key], walls["agnostix"]),
                f"{1 - np.median(inside / wall):.0%}",
                f"{clocks[key].rows * (n_rows // n_theirs if key == 'shap' else 1):,}",
            )
            for key, (wall, inside) in taken.items()
        ],
    )
    print(
        f"\nshap works row by row: it ran on {n_theirs} rows, time and model rows are scaled to {n_rows:,}."
    )
    print(f"fit, once: {shown(fit)} and {fitted:,} model rows; with it, shap takes ", end="")
    print(f"{median_ratio(walls['shap'], walls['agnostix'] + fit)} times as long.")


def memory(args: Namespace) -> None:
    """784 columns and 100 background rows, at shap's own default budget; each in a fresh process."""
    m = 2 * WIDE + 2_048 + 2
    n_rows = 1 if args.quick else 5
    sides = {
        f"agnostix, {n_rows} rows": ("agnostix", n_rows),
        "shap.KernelExplainer, l1_reg=False, 1 row": ("shap", 1),
    }
    lines = []
    for name, (side, n) in sides.items():
        traced = in_a_process(_peaks, side, n, m, True)
        resident = in_a_process(_peaks, side, n, m, False)
        lines.append((name, *(f"{size:,.0f} MB" for size in (*traced, *resident))))
    print_table(
        f"Memory above the inputs: {WIDE} columns x 100 background rows, m={m:,}",
        ("", "fit, tracemalloc", "explain", "fit, resident set", "explain"),
        lines,
    )


def frame(args: Namespace) -> None:
    """A Pipeline on strings and numbers: model rows, duplicates merged."""
    table, rich = adult(args.adult)
    model = pipeline(table[:20_000], rich[:20_000])
    rows = table.tail(10 if args.quick else 100)
    lines = []
    for m in (140, 512):
        explainer = KernelShapExplainer(model, budget=m, background_size=100, random_state=0)
        explainer.fit(table[:20_000])
        n_rows, most = explainer.explain(rows).n_model_rows, m * 100 * len(rows)
        lines.append((f"m={m}", f"{most:,}", f"{n_rows:,}", f"{1 - n_rows / most:.0%}"))
    print_table(
        f"Model rows: a Pipeline on {described(args.adult)}, {len(rows)} rows, 100 background rows",
        ("", "m x background x rows", "evaluated", "fewer"),
        lines,
    )


def _cheap(n_rows: int) -> tuple[LogisticRegression, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5_000, 20))
    y = (X @ rng.normal(size=(20, 3)) + rng.gumbel(size=(5_000, 3))).argmax(axis=1)
    return LogisticRegression().fit(X, y), rng.normal(size=(n_rows, 20)), X[:100]


def _ours(function: Callable, budget: int) -> KernelShapExplainer:
    return KernelShapExplainer(as_predictor(function), budget=budget, background_size=100, random_state=0)


def _shap(explainer: shap.KernelExplainer, rows: np.ndarray, budget: int) -> np.ndarray:
    return explainer.shap_values(rows, nsamples=budget - 2, l1_reg=False, silent=True)


def _peaks(side: str, n_rows: int, m: int, traced: bool) -> tuple[float, float]:
    """Peaks in MB above the inputs of what comes before explaining, and of explaining."""
    rng = np.random.default_rng(0)
    background, rows = rng.normal(size=(100, WIDE)), rng.normal(size=(n_rows, WIDE))
    peak = _traced if traced else _resident
    if side == "agnostix":
        fitted, first = peak(partial(_ours(_three_columns, m).fit, background))
        return first, peak(partial(fitted.explain, rows))[1]
    explainer, first = peak(partial(shap.KernelExplainer, _three_columns, background))
    return first, peak(partial(_shap, explainer, rows, m))[1]


def _three_columns(X: np.ndarray) -> np.ndarray:
    return X[:, 0] * X[:, 1] + X[:, 2]


def _traced(call: Callable[[], Any]) -> tuple[Any, float]:
    return peak_mb(call)


def _resident(call: Callable[[], Any]) -> tuple[Any, float]:
    forget_peak()
    before = rss_mb()
    return call(), peak_rss_mb() - before
