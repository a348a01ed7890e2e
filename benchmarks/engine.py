"""What the engine adds to the model's own time, beside peers on the same masked rows, and what it holds.

Feature occlusion is the client: every column of every row hidden behind 100 background rows.

- share: how much of the wall time is spent inside the model, by a clock around its call.
- frame: a Pipeline on a frame of strings and numbers, against one plain call of its `predict_proba`
  on a frame of all distinct perturbed rows, built beforehand.
- peers: captum's FeatureAblation and shap's masks, on the same masked rows of the same model.
- memory: 784 columns, by tracemalloc and by the resident set, each in a fresh process.
- workers: two loky workers against one, on two slow models.

Every time is a median of rounds in which each side takes its turn; one thread; nothing is asserted.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
import pandas as pd
from _clock import (
    ModelClock,
    forget_peak,
    in_a_process,
    interleave,
    interleave_inside,
    median_ratio,
    peak_mb,
    peak_rss_mb,
    print_table,
    rss_mb,
    shown,
)
from _data import add_adult_argument, adult, described
from _engine_peers import peers
from _engine_workers import workers
from _models import pipeline
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from agnostix import OcclusionExplainer, as_predictor


def main() -> None:
    """Run all tables, or those named."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_adult_argument(parser)
    parser.add_argument("--repeats", type=int, help="rounds (default: 7)")
    parser.add_argument("--quick", action="store_true", help="a trial: a tenth of the rows, 3 rounds")
    parser.add_argument("--only", choices=_TABLES, action="append", help="leave out the other tables")
    args = parser.parse_args()
    args.repeats = args.repeats or (3 if args.quick else 7)
    for name in args.only or _TABLES:
        _TABLES[name](args)


def _models(X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    return {
        "logistic regression": LogisticRegression().fit(X, y),
        "boosted trees": HistGradientBoostingClassifier(random_state=0).fit(X, y),
    }


def _data(args: Namespace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to explain, what happened in them, and the background."""
    rng = np.random.default_rng(0)
    X, background = rng.normal(size=(1_000, 20)), rng.normal(size=(100, 20))
    return (X[:100] if args.quick else X), X[:, 0] + X[:, 1] * X[:, 2] > 0, background


# Share of the time ------------------------------------------------------------------------------


def share(args: Namespace) -> None:
    """How much of the wall time is the model's."""
    X, _, background = _data(args)
    clocks, cases = {}, {}
    for name, model in _models(*_training()).items():
        clocks[name] = ModelClock(model.predict_proba)
        explainer = _occlusion(clocks[name], background)
        cases[name] = (clocks[name], partial(explainer.explain, X))
    taken = interleave_inside(cases, args.repeats)
    print_table(
        f"Inside the model: {len(X):,} rows x 20 columns x {len(background)} background rows",
        ("", "model rows", "wall", "in the model", "share"),
        [
            (name, f"{clocks[name].rows:,}", *map(shown, map(np.median, pair)), _percent(*pair))
            for name, pair in taken.items()
        ],
    )


def _training() -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(1).normal(size=(5_000, 20))
    return X, X[:, 0] + X[:, 1] * X[:, 2] > 0


def _occlusion(function: Any, background: Any) -> OcclusionExplainer:
    return OcclusionExplainer(as_predictor(function, task="classification"), random_state=0).fit(background)


def _percent(wall: np.ndarray, inside: np.ndarray) -> str:
    return f"{np.median(inside / wall):.0%}"


# A frame of strings and numbers -------------------------------------------------------------------


def frame(args: Namespace) -> None:
    """A Pipeline on a frame, against one plain call on the same distinct rows."""
    table, rich = adult(args.adult)
    model = pipeline(table[:20_000], rich[:20_000])
    rows, background = table.tail(50 if args.quick else 500), table[:20_000]
    asked = _asked(model, rows, background)
    distinct = asked.drop_duplicates(ignore_index=True)
    explainer = OcclusionExplainer(model, random_state=0).fit(background)
    times = interleave(
        {"explain": partial(explainer.explain, rows), "plain": partial(model.predict_proba, distinct)},
        args.repeats,
    )
    print_table(
        f"A Pipeline on {described(args.adult)}: {len(rows)} rows, strings and numbers, 100 background rows",
        ("", "model rows", "wall", "x plain call"),
        [
            (name, f"{n:,}", shown(np.median(times[key])), median_ratio(times[key], times["plain"]))
            for name, key, n in [
                ("explain", "explain", len(asked)),
                ("one plain predict_proba on the distinct perturbed rows", "plain", len(distinct)),
            ]
        ],
    )


def _asked(model: Pipeline, rows: pd.DataFrame, background: pd.DataFrame) -> pd.DataFrame:
    """All rows that an explanation puts to the model, as one frame of the same types."""
    batches: list[pd.DataFrame] = []

    def noted(X: pd.DataFrame) -> np.ndarray:
        batches.append(X.copy())
        return model.predict_proba(X)

    explainer = _occlusion(noted, background)
    batches.clear()
    explainer.explain(rows)
    asked = pd.concat(batches, ignore_index=True)
    assert (asked.dtypes == rows.dtypes).all()
    return asked


# Memory ------------------------------------------------------------------------------------------


def memory(args: Namespace) -> None:
    """What is held above inputs and result at 784 columns."""
    n_rows = 20 if args.quick else 500
    rows = []
    for line, n_outputs in {"1 output": 1, "10 outputs": 10}.items():
        traced, held = in_a_process(_traced, n_rows, n_outputs)
        resident = in_a_process(_resident, n_rows, n_outputs)
        rows.append((line, *(f"{size:.0f} MB" for size in (held, traced - held, resident - held))))
    print_table(
        f"Memory: 784 columns x 100 background rows x {n_rows} rows, above the inputs",
        ("", "the result", "more than it, tracemalloc", "more than it, resident set"),
        rows,
    )


def _table(n_rows: int, n_outputs: int, n_columns: int = 784) -> tuple[OcclusionExplainer, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(n_rows, n_columns))
    return OcclusionExplainer(_first_columns(n_outputs), random_state=0).fit(X), X


def _first_columns(n_outputs: int) -> Any:
    """A model that holds nothing itself beyond its answer."""
    return lambda X: X[:, :n_outputs]


def _traced(n_rows: int, n_outputs: int) -> tuple[float, float]:
    explainer, X = _table(n_rows, n_outputs)
    exp, peak = peak_mb(partial(explainer.explain, X))
    return peak, (exp.values.nbytes + exp.std_errors.nbytes) / 1e6


def _resident(n_rows: int, n_outputs: int) -> float:
    explainer, X = _table(n_rows, n_outputs)
    small, few = _table(10, n_outputs, 10)
    small.explain(few)  # what is loaded on first use is not held for these rows
    forget_peak()
    before = rss_mb()
    explainer.explain(X)
    return peak_rss_mb() - before


def _peers(args: Namespace) -> None:
    X, _, background = _data(args)
    for name, model in _models(*_training()).items():
        peers(name, model.predict_proba, X, background, args.repeats)


_TABLES = {
    "share": share,
    "frame": frame,
    "peers": _peers,
    "memory": memory,
    "workers": lambda args: workers(args.repeats, args.quick),
}

if __name__ == "__main__":
    main()
