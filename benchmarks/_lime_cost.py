"""What surrogates cost beside the lime package: time, model rows, memory."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from _clock import (
    ModelClock,
    forget_peak,
    in_a_process,
    interleave,
    interleave_inside,
    peak_mb,
    peak_rss_mb,
    print_table,
    rss_mb,
    seconds,
    shown,
)
from _data import adult as adult_table
from _data import described
from _lime_cases import N_SAMPLES, Case, logistic
from _lime_peers import EncodedLime, Lime
from _models import pipeline

from agnostix import LimeExplainer, as_predictor

TARGET = "at most 1/15"
WIDE, N_OUTPUTS = 784, 10


def speed(args: Namespace) -> None:
    """1,000 rows x 30 columns, a model that costs next to nothing."""
    n_rows, n_theirs = (100, 4) if args.quick else (1_000, 20)
    lines = []
    for n_features in (10, 5, None):
        clock, case = _clocked(logistic(n_rows))
        build = seconds(partial(Lime, case, 0, n_features))
        peer = Lime(case, 0, n_features)
        times = interleave(
            {
                "lime": partial(_each, peer.coefficients, case.rows[:n_theirs]),
                "ours": partial(case.explained, 0, max_features=n_features),
            },
            args.repeats or 3,
        )
        theirs, ours = (build + times["lime"] * n_rows / n_theirs) / n_rows, times["ours"] / n_rows
        clock.forget()
        case.explained(0, max_features=n_features)
        name = "all features" if n_features is None else f"K={n_features}"
        lines.append([name, *_compared(theirs, ours), f"{N_SAMPLES * n_rows:,}", f"{clock.rows:,}", "6,000"])
    print_table(
        f"Speed: {n_rows:,} rows x 30 columns, {N_SAMPLES:,} samples, a logistic function in numpy",
        ("", "lime, a row", "ours", "ours / lime", "target", "model rows, lime", "ours", "target, at most"),
        lines,
    )
    print(f"\nlime ran on {n_theirs} rows of {n_rows:,}, its time and model rows are scaled; building it is")
    print("spread over the rows. Ours: fit and explain. Each by its own way to select features, which is the")
    print("same in both: forward for K=5, the largest effects for K=10.")


def adult(args: Namespace) -> None:
    """A Pipeline on strings and numbers."""
    n_rows, n_theirs = (50, 4) if args.quick else (1_000, 20)
    table, rich = adult_table(args.adult)
    model, rows = pipeline(table[:20_000], rich[:20_000]), table.tail(n_rows)
    clocks = {name: ModelClock(model.predict_proba) for name in ("lime", "kernel", "tilted")}
    build = seconds(partial(EncodedLime, clocks["lime"], table[:20_000]))
    peer = EncodedLime(clocks["lime"], table[:20_000])
    few = {"lime": n_theirs, "kernel": n_rows, "tilted": 2 * n_theirs}
    explain_one = partial(peer.explain, n_features=10)
    calls: dict[str, Callable[[], Any]] = {
        "lime": partial(_each, explain_one, peer.encoded(rows[:n_theirs])),
        "kernel": partial(_whole, clocks["kernel"], "kernel", table[:20_000], rows),
        "tilted": partial(_whole, clocks["tilted"], "tilted", table[:20_000], rows[: few["tilted"]]),
    }
    taken = interleave_inside({name: (clocks[name], calls[name]) for name in calls}, args.repeats or 3)
    walls = {name: wall / few[name] for name, (wall, _) in taken.items()}
    walls["lime"] = walls["lime"] + build / n_rows
    lines = []
    for name, (_, inside) in taken.items():
        ratio = "1" if name == "lime" else f"1/{np.median(walls['lime'] / walls[name]):.1f}"
        called = "lime.LimeTabularExplainer" if name == "lime" else f"agnostix, sampling={name!r}"
        cells = [shown(np.median(one)) for one in (walls[name], inside / few[name])]
        target = TARGET if name == "kernel" else ""
        lines.append([called, *cells, ratio, target, f"{clocks[name].rows / few[name]:,.0f}"])
    print_table(
        f"{described(args.adult)}: {n_rows:,} rows, boosted trees in a Pipeline, {N_SAMPLES:,} samples, K=10",
        ("", "a row", "in the model", "x lime", "target", "model rows a row"),
        lines,
    )
    print(f"\nlime ran on {n_theirs} rows, tilted on {few['tilted']}; their times are scaled. lime is given")
    print("codes, as it needs, which are decoded to a frame for the model; ours is given the frame.")
    print("Ours: fit and explain, both classes; lime explains one.")
    _outside(args, model, table)


def _outside(args: Namespace, model: Any, table: Any) -> None:
    """What samples of each row's own take beside the model: explain alone."""
    clock = ModelClock(model.predict_proba)
    explainer = _ours(clock, "tilted", table[:20_000])
    lines = []
    for n_rows in (5, 10) if args.quick else (20, 200):
        case = (clock, partial(explainer.explain, table.tail(n_rows)))
        wall, inside = interleave_inside({"": case}, args.repeats or 3)[""]
        cells = [shown(np.median(one) / n_rows) for one in (wall, inside, wall - inside)]
        lines.append([f"{n_rows} rows", *cells, f"{np.median(wall / inside) - 1:.1%}", "at most 10%"])
    print_table(
        f"Outside the model: {described(args.adult)}, strings and numbers, sampling='tilted', explain",
        ("", "a row", "in the model", "outside", "outside / in the model", "target"),
        lines,
    )


def memory(args: Namespace) -> None:
    """784 columns, ten outputs, each in a fresh process."""
    n_rows = 3 if args.quick else 100
    lines = []
    for name, side, n in [
        (f"agnostix, {n_rows} rows", "ours", n_rows),
        ("lime.LimeTabularExplainer, 1 row, one output", "lime", 1),
    ]:
        traced, resident = (in_a_process(_peaks, side, n, how) for how in (True, False))
        target = "256 MB" if side == "ours" else ""
        lines.append((name, *(f"{size:,.0f} MB" for size in (*traced, *resident)), target))
    print_table(
        f"Memory above the inputs: {WIDE} columns, {N_SAMPLES:,} samples, {N_OUTPUTS} outputs",
        ("", "fit, tracemalloc", "explain", "fit, resident set", "explain", "target, below"),
        lines,
    )


def _clocked(case: Case) -> tuple[ModelClock, Case]:
    clock = ModelClock(case.function)
    return clock, Case(case.name, clock, case.table, case.rows)


def _each(call: Callable[[Any], Any], rows: np.ndarray) -> None:
    for row in rows:
        call(row)


def _compared(theirs: np.ndarray, ours: np.ndarray) -> list[str]:
    ratio = f"1/{np.median(theirs / ours):.1f}"
    return [shown(np.median(theirs)), shown(np.median(ours)), ratio, TARGET]


def _ours(function: Any, sampling: str, table: Any) -> LimeExplainer:
    predictor = as_predictor(function, task="classification")
    return LimeExplainer(predictor, max_features=10, sampling=sampling, random_state=0).fit(table)


def _whole(function: Any, sampling: str, table: Any, rows: Any) -> Any:
    return _ours(function, sampling, table).explain(rows)


def _first_columns(X: np.ndarray) -> np.ndarray:
    """A model that holds nothing beyond its predictions."""
    return X[:, :N_OUTPUTS]


def _first_column(X: np.ndarray) -> np.ndarray:
    return X[:, 0]


def _peaks(side: str, n_rows: int, traced: bool) -> tuple[float, float]:
    """Peaks in MB above the inputs of what comes before explaining, and of explaining."""
    X = np.random.default_rng(0).normal(size=(1_000, WIDE))
    peak = _traced if traced else _resident
    case = Case("", _first_columns if side == "ours" else _first_column, X, X[:n_rows])
    if side == "ours":
        explainer, first = peak(partial(LimeExplainer(as_predictor(case.function), random_state=0).fit, X))
        return first, peak(partial(explainer.explain, case.rows))[1]
    peer, first = peak(partial(Lime, case, 0))
    return first, peak(partial(_each, peer.coefficients, case.rows))[1]


def _traced(call: Callable[[], Any]) -> tuple[Any, float]:
    return peak_mb(call)


def _resident(call: Callable[[], Any]) -> tuple[Any, float]:
    forget_peak()
    before = rss_mb()
    return call(), peak_rss_mb() - before
