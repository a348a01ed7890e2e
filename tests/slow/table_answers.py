"""What explainers of tables answer, as arrays, and what must hold of it: brute force and identities.

A table is compared with the same numbers in float64 under plain names, in plain units. The references are
written a second time in `tests/reference/`; nothing that is checked here is computed by the package itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from agnostix import EntropicProjection, KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer
from tests.reference import occlusion, shapley
from tests.reference.surrogate_tree import r2
from tests.slow.hostile import closeness

NAMES = ("Occlusion", "KernelShap", "LIME", "MimicTree", "EntropicProjection")
OF_ROWS = NAMES[:4]
OF_BACKGROUND = NAMES[:2]
"""Whose values have a reference for any model."""
N_EXPLAINED = 2
SLOPES = (2.0, -3.0, 0.5)
RTOL = 1e-8


def make(name: str, model: Any, **params: Any) -> Any:
    """An explainer that is fast and draws no background: all rows."""
    if name == "Occlusion":
        return OcclusionExplainer(
            model, **{"background_size": 1000, "random_state": 0, "verbose": 0} | params
        )
    if name == "KernelShap":
        return KernelShapExplainer(model, **{"background": "all", "random_state": 0, "verbose": 0} | params)
    if name == "LIME":
        return LimeExplainer(model, **{"n_samples": 64, "random_state": 0, "verbose": 0} | params)
    if name == "MimicTree":
        common = {"max_leaf_nodes": 4, "synthetic": "none", "random_state": 0, "verbose": 0}
        return MimicTree(model, **common | params)
    return EntropicProjection(model, **{"n_targets": 3, "missing": "omit"} | params)


def cell(value: Any) -> float:
    """A number from a cell of any type; missing ones are 0."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return 0.0
    return float(value)


def column(X: Any, j: int) -> Any:
    """A column (n_rows,) as float64, read cell by cell."""
    one = X[X.columns[j]] if hasattr(X, "columns") else X[:, j]
    if isinstance(one, pd.DataFrame):  # columns of one name
        one = X.iloc[:, j]
    cells = one.to_list() if hasattr(one, "to_list") else one.tolist()
    return np.array([cell(value) for value in cells])


def linear(X: Any) -> Any:
    """The sum of the first columns times their slopes."""
    width = min(len(SLOPES), X.shape[1])
    return sum((SLOPES[j] * column(X, j) for j in range(width)), start=np.zeros(X.shape[0]))


def crossed(X: Any) -> Any:
    """The same, and a product of two columns."""
    last = min(len(SLOPES), X.shape[1]) - 1
    return linear(X) + 0.5 * column(X, 0) * column(X, last)


def probabilities(X: Any) -> Any:
    """Two classes that exclude each other."""
    p = 1.0 / (1.0 + np.exp(-linear(X) / 4.0))
    return np.column_stack([1.0 - p, p])


MODELS = {"linear": linear, "crossed": crossed, "probabilities": probabilities}


def answer(
    name: str,
    model: Any,
    table: Any,
    rows: Any = ...,
    *,
    y: Any = None,
    weights: Any = None,
    target: Any = None,
    **params: Any,
) -> dict[str, Any]:
    """Fit and explain; arrays by name. `target` is a mapping for `what_if`; `rows` are the first ones."""
    weighted = {} if weights is None else {"sample_weight": weights}
    fitted = make(name, model, **params)
    fitted = fitted.fit(table, **weighted) if y is None else fitted.fit(table, y, **weighted)
    if name == "EntropicProjection":
        return _population(fitted, target)
    rows = first_rows(table) if rows is ... else rows
    found = fitted.explain(rows)
    result = {
        "values": found.values,
        "outputs": found.outputs,
        "base_values": found.base_values,
        "std_errors": found.std_errors,
    }
    if name in ("LIME", "MimicTree"):
        result["surrogate"] = np.asarray(found.extras["surrogate_outputs"])
    if name == "MimicTree":
        predicted = np.asarray(fitted.predict(rows), dtype=object)
        result |= {"predict": predicted, "fidelity": fitted.fidelity(table).r2, "fitted": fitted}
    result["explanation"] = found
    return result


def _population(fitted: Any, target: Any) -> dict[str, Any]:
    baseline, curves = fitted.baseline(), fitted.explain()
    frame = curves.frame
    result = {
        "baseline": baseline["value"].to_numpy(),
        "baseline_error": baseline["std_error"].to_numpy(),
        "curves": frame[["value", "std_error"]].to_numpy(float),
        "targets": frame["target"].to_numpy(float),
        "curve_features": frame["feature"].to_numpy(),
        "skipped": [entry[0] for entry in curves.skipped],
        "projection": fitted,
    }
    if target is not None:
        scenario = fitted.what_if(target)
        result |= {
            "scenario": scenario.outcomes["value"].to_numpy(),
            "weights": np.asarray(scenario.weights),
            "gap": scenario.gap,
        }
    if len(frame):
        result["rank"] = fitted.rank()[["value", "std_error"]].to_numpy(float)
    return result


def first_rows(table: Any, n: int = N_EXPLAINED) -> Any:
    """The first rows of what can be cut."""
    return table.iloc[:n] if isinstance(table, pd.DataFrame) else table[:n]


def compare(found: dict[str, Any], known: dict[str, Any], keys: Any = None, rtol: float = RTOL) -> str | None:
    """What differs between two answers, in units of the outputs; None for nothing."""
    for key in keys or ("outputs", "base_values", "values", "std_errors", "surrogate", *POPULATION):
        if key in known and key in found and known[key] is not None:
            size = np.abs(known.get("outputs", 0.0)).max(initial=0.0) if key != "outputs" else 0.0
            wrong = closeness(found[key], known[key], rtol, atol=rtol * float(size), what=key)
            if wrong:
                return wrong
    return None


POPULATION = ("baseline", "baseline_error", "scenario", "weights", "curves", "rank")


@cache
def reference(
    name: str, model: Any, numbers: bytes, shape: tuple[int, int], weights: bytes = b""
) -> dict[str, Any]:
    """Occlusion and Shapley values of the first rows, all rows the background, by brute force."""
    table = np.frombuffer(numbers).reshape(shape)
    own = np.frombuffer(weights) if weights else np.ones(len(table))
    rows = table[:N_EXPLAINED]
    if name == "Occlusion":
        values, _, base, outputs = occlusion.occlude(model, rows, table, own)
        return {"values": values, "outputs": outputs, "base_values": np.tile(base, (len(rows), 1))}

    def predict(mixed: Any) -> Any:
        return model(np.asarray(mixed))

    values = [shapley.masked_values(shapley.masked_predictions(predict, row, table), own) for row in rows]
    outputs = np.asarray(model(rows), dtype=float).reshape(len(rows), -1)
    every = np.asarray(model(table), dtype=float).reshape(len(table), -1)
    base = (every * (own / own.sum())[:, None]).sum(axis=0)
    return {"values": np.stack(values), "outputs": outputs, "base_values": np.tile(base, (len(rows), 1))}


def check_reference(
    name: str, model: Any, table: Any, found: dict[str, Any], weights: Any = None
) -> str | None:
    """Against brute force, for plain float64 numbers."""
    table = np.ascontiguousarray(table, dtype=float)
    own = b"" if weights is None else np.ascontiguousarray(weights, dtype=float).tobytes()
    known = reference(name, model, table.tobytes(), table.shape, own)
    outputs = np.abs(known["outputs"]).max(initial=0.0)
    for key in ("outputs", "base_values", "values"):
        given = np.asarray(found[key], dtype=float).reshape(known[key].shape)
        wrong = closeness(given, known[key], RTOL, atol=RTOL * outputs, what=key)
        if wrong:
            return f"brute force: {wrong}"
    return None


def check_identities(name: str, found: dict[str, Any]) -> str | None:
    """Completeness, finiteness, the surrogate's own sums and its fidelity; the weights' sum."""
    if name == "EntropicProjection":
        if "weights" in found:
            total = found["weights"].sum() / len(found["weights"])
            if abs(total - 1.0) > RTOL or (found["weights"] < 0).any():
                return f"weights average {total}"
        return None
    explanation = found["explanation"]
    values, outputs = np.asarray(found["values"], dtype=float), np.asarray(found["outputs"], dtype=float)
    if not (np.isfinite(values).all() and np.isfinite(outputs).all()):
        return "values or outputs are not finite"
    total = values.sum(axis=1) + found["base_values"]
    size = RTOL * max(
        np.abs(outputs).max(initial=0.0), np.abs(np.asarray(found["base_values"])).max(initial=0.0)
    )
    if name == "KernelShap":
        return closeness(total, outputs, RTOL, atol=size, what="sums of values and base values")
    if name in ("LIME", "MimicTree"):
        return closeness(total, found["surrogate"], RTOL, atol=size, what="sums of values and base values")
    return None if len(explanation) == len(outputs) else "rows are lost"


def check_fidelity(model: Any, plain: Any, table: Any, found: dict[str, Any]) -> str | None:
    """MimicTree's own fidelity on rows, recomputed from its predictions and the model's."""
    fitted = found["fitted"]
    truth = np.asarray(model(plain), dtype=float).reshape(len(plain), -1)
    nodes = fitted.apply(table)
    predictions = np.asarray(fitted.rule_tree_.values)[nodes].reshape(len(plain), -1)
    if predictions.shape != truth.shape or np.ptp(truth, axis=0).max() <= 1e-9 * np.abs(truth).max():
        return None
    with np.errstate(all="ignore"):
        spread = truth.std(axis=0)
        spread[spread == 0.0] = 1.0
        known = r2((truth / spread).tolist(), (predictions / spread).tolist())
    return closeness(found["fidelity"], known, 1e-6, atol=1e-6, what="fidelity r2")


def check_target(found: dict[str, Any], shifted: Any, target: float) -> str | None:
    """The tilted mean of a column (n_rows,), by weights in the order of the rows, is the target."""
    weights = found["weights"] / found["weights"].sum()
    with np.errstate(over="ignore"):
        size = np.abs(shifted).max()
        middle = shifted / size - target / size
        spread = (shifted / size).std()
    gap = abs(float((weights * middle).sum())) / max(spread, np.finfo(float).tiny)
    return None if gap <= 1e-8 else f"the mean misses its target by {gap:.3g} standard deviations"


def check_population(found: dict[str, Any], predictions: Any, base: Any = None) -> str | None:
    """Baseline and scenario are weighted means of the model's own predictions (n_rows, n_outputs)."""
    predictions = np.asarray(predictions, dtype=float).reshape(len(predictions), -1)
    base = np.full(len(predictions), 1.0) if base is None else np.asarray(base, dtype=float)
    known = (predictions * (base / base.sum())[:, None]).sum(axis=0)
    wrong = closeness(
        found["baseline"][: known.size], known, RTOL, RTOL * np.abs(predictions).max(), "baseline"
    )
    if wrong or "weights" not in found:
        return wrong
    weights = found["weights"] / found["weights"].sum()
    known = (predictions * weights[:, None]).sum(axis=0)
    return closeness(
        found["scenario"][: known.size], known, RTOL, RTOL * np.abs(predictions).max(), "scenario"
    )
