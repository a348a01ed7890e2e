"""Two loky workers against one, on models that take a fixed time a row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from _clock import interleave, median_ratio, print_table, seconds, shown
from joblib import Parallel, delayed
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

from agnostix import OcclusionExplainer, as_predictor
from agnostix.core.explanation import Explanation


def workers(repeats: int, quick: bool) -> None:
    """Wall times with one and two workers, the machine's own ratio, and whether bits agree."""
    X = np.random.default_rng(0).normal(size=(2_000, 20))
    rows = X[: 10 if quick else 200]
    start = seconds(partial(Parallel(n_jobs=2), [delayed(_awake)() for _ in range(2)]))
    lines = []
    for name, model in _slow_models(X).items():
        lines += _lines(name, model, X[:100], rows, repeats)
    print_table(
        f"Two workers: {len(rows)} rows x 20 columns x 100 background rows",
        ("", "one worker", "two workers", "ratio", "same bits", "largest difference"),
        lines,
    )
    print(f"\nStarting two workers took {shown(start)} and is not counted; they had answered once before.")


def _awake() -> None:
    """Import what a worker needs."""
    import agnostix  # noqa: F401


def _slow_models(X: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    forest = RandomForestClassifier(200, random_state=0, n_jobs=1).fit(X, X[:, 0] * X[:, 1] > 0)
    machine = SVC().fit(X[:200], X[:200, 0] * X[:200, 1] > 0)
    return {"random forest, 200 trees": forest.predict_proba, "support vectors": machine.decision_function}


def _lines(name: str, model: Any, background: np.ndarray, rows: np.ndarray, repeats: int) -> list[list[str]]:
    explainers = [
        OcclusionExplainer(as_predictor(model), n_jobs=n, random_state=0).fit(background) for n in (1, 2)
    ]
    one, two = (explainer.explain(rows) for explainer in explainers)
    again = np.repeat(rows, 21 * len(background) // 2, axis=0)
    times = interleave(
        {
            "one": partial(explainers[0].explain, rows),
            "two": partial(explainers[1].explain, rows),
            "model once": partial(_model_alone, model, again, 1),
            "model twice": partial(_model_alone, model, again, 2),
        },
        repeats,
    )
    own = [shown(np.median(times[key])) for key in ("one", "two")]
    bare = [shown(np.median(times[key])) for key in ("model once", "model twice")]
    return [
        [name, *own, median_ratio(times["one"], times["two"]), *_agreement(one, two)],
        [
            "the model alone, on half as many rows",
            *bare,
            median_ratio(times["model once"], times["model twice"]),
            "",
            "",
        ],
    ]


def _model_alone(model: Any, rows: np.ndarray, n_jobs: int) -> None:
    """What the machine allows: the model in processes that share nothing and return nothing."""
    Parallel(n_jobs=n_jobs)(delayed(_ask)(model, part) for part in np.array_split(rows, n_jobs))


def _ask(model: Any, rows: np.ndarray) -> None:
    model(rows)


def _agreement(one: Explanation, two: Explanation) -> tuple[str, str]:
    apart = np.abs(one.values - two.values).max()
    same = np.array_equal(one.values, two.values) and np.array_equal(one.std_errors, two.std_errors)
    return "yes" if same else "no", f"{apart:.0e}"
