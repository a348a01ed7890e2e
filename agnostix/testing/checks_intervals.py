"""Checks of intervals: what they are made of, what survives, and that errors of 0 are of exact values."""

from __future__ import annotations

import pickle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy import stats

from agnostix.core.explanation.fields import (
    DEGREES_OF_FREEDOM,
    DESIGN_ERRORS,
    INTERVAL_KIND,
    SHARED_ERRORS,
    expand,
)
from agnostix.core.typing import Floats
from agnostix.testing.doubles import ConjunctionModel, InteractionModel
from agnostix.testing.harness import assert_identical, fit_clone, make_rows, takes_tables

LEVELS = (0.5, 0.8, 0.95, 0.99)
SEEDS = (1, 2, 3)
_ROUNDING = 1e-9


def check_intervals(explainer: Any) -> None:
    """Intervals hold the value, grow with the level, are Student's where they say so, and survive storage."""
    X = make_rows(explainer)
    exp = fit_clone(explainer, InteractionModel(), X).explain(X)
    if exp.std_errors is None:
        return
    assert_parts_within_errors(exp)
    inner = exp.values, exp.values
    for level in LEVELS:
        low, high = exp.interval(level)
        for narrow, wide, where in ((low, inner[0], "above"), (inner[1], high, "below")):
            beyond = narrow > wide + _ROUNDING * (1.0 + np.abs(exp.values))
            assert not beyond.any(), f"an end of the interval at {level} is {where} that at a lower level"
        _assert_students(exp, level, high)
        inner = low, high
    _assert_survives(exp)


def assert_parts_within_errors(exp: Any) -> None:
    """Fail if what rows share of a squared error is more than the whole of it."""
    whole = np.nan_to_num(exp.std_errors) ** 2
    for key in (SHARED_ERRORS, DESIGN_ERRORS):
        if key not in exp.extras:
            continue
        part = np.asarray(exp.extras[key].array, dtype=float) ** 2
        part = np.nan_to_num(part.sum(axis=-1) if key == SHARED_ERRORS else part)
        most = float((part - whole * (1.0 + 1e-5)).max(initial=0.0))
        assert most <= 1e-12 * whole.max(initial=0.0), (
            f"extras[{key!r}] are larger than std_errors: squares by up to {most:.3g}"
        )


def _assert_students(exp: Any, level: float, high: Floats) -> None:
    """Fail unless upper ends of kinds "student" and "normal" are SciPy's quantile times the error."""
    kinds, dof = (_by_value(exp, key, default) for key, default in _DEFAULTS)
    is_student = np.isin(kinds, ("student", "normal")) & (exp.std_errors > 0) & np.isfinite(exp.std_errors)
    used = np.where(kinds == "normal", np.inf, dof)[is_student]
    reach = exp.std_errors[is_student] * stats.t.ppf(0.5 + 0.5 * level, np.where(used > 0, used, np.nan))
    expected = exp.values[is_student] + reach
    wrong = ~np.isclose(high[is_student], expected, rtol=1e-8, atol=1e-12, equal_nan=True)
    assert not wrong.any(), (
        f"{wrong.sum()} intervals at {level} are not Student's with their degrees of freedom"
    )


_DEFAULTS = ((INTERVAL_KIND, "student"), (DEGREES_OF_FREEDOM, np.inf))


def _by_value(exp: Any, key: str, default: Any) -> np.ndarray:
    detail = exp.extras.get(key)
    return np.broadcast_to(default if detail is None else expand(detail, exp.dims), exp.values.shape)


def _assert_survives(exp: Any) -> None:
    """Fail if intervals, or means over rows, are others after storage, pickling or selection."""
    expected = _ends(exp)
    with TemporaryDirectory() as folder:
        exp.save(Path(folder) / "rows.npz")
        loaded = type(exp).load(Path(folder) / "rows.npz")
    assert_identical(_ends(loaded), expected, "intervals after save and load")
    assert_identical(_ends(pickle.loads(pickle.dumps(exp))), expected, "intervals after pickling")
    rows = np.arange(len(exp))[::-2]
    own = {name: array[rows] if name in ("low", "high") else array for name, array in expected.items()}
    chosen = {name: array for name, array in _ends(exp[rows]).items() if name in ("low", "high")}
    assert_identical(chosen, {name: own[name] for name in chosen}, "intervals of some rows")


def _ends(exp: Any) -> dict[str, Any]:
    low, high = exp.interval(0.8)
    total = exp.aggregate(how="mean")
    least, most = total.interval(0.8)
    return {"low": low, "high": high, "mean": total.values, "least mean": least, "largest mean": most}


def check_exact_values(explainer: Any) -> None:
    """A value whose error is 0 is the same under another seed, also where a model answers to rare rows.

    Models of images answer to every row, since networks have no steps.
    """
    X = make_rows(explainer).copy()
    X.reshape(len(X), -1)[:, 0] = np.arange(len(X)) % 12 == 0
    models = (InteractionModel(), *([ConjunctionModel()] if takes_tables(explainer) else []))
    for model in models:
        runs = [fit_clone(explainer, model, X, random_state=seed).explain(X) for seed in SEEDS]
        if runs[0].std_errors is None:
            return
        for one in runs:
            for other in runs:
                _assert_exact(one, other, type(model).__name__)


def _assert_exact(one: Any, other: Any, name: str) -> None:
    low, high = other.interval(0.9999)
    room = _ROUNDING * (1.0 + np.abs(one.values))
    wrong = (one.std_errors == 0) & ((one.values < low - room) | (one.values > high + room))
    assert not wrong.any(), (
        f"under a {name}, {wrong.sum()} values have a standard error of 0, and differ under another seed, by "
        f"up to {np.abs(one.values - other.values)[wrong].max(initial=0.0):.3g}"
    )
