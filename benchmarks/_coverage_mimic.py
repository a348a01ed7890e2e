"""Coverage of MimicTree's intervals on tables of known models, truths from 40,000 fresh rows."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from _coverage import Cell, seeds_of
from scipy.special import expit

from agnostix import MimicTree, as_predictor
from agnostix.surrogate_tree.contributions import steps_by_feature
from agnostix.surrogate_tree.fidelity import measure_fidelity

N_FRESH, N_SLOTS = 40_000, 8
"""Fresh rows of a truth; leaves, values or features of each tree, from the least to the most common."""


def _normal(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(n, 6))


def _uniform(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.random((n, 6))


def _sum(X: np.ndarray) -> np.ndarray:
    """Two products and two terms, of unit variance."""
    raw = X[:, 0] + 0.7 * X[:, 1] - 0.5 * X[:, 2] + 0.6 * X[:, 3] * X[:, 4]
    return raw / np.sqrt(2.1)


def _lognormal(sigma: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda X: np.exp(sigma * _sum(X)) if sigma else _sum(X)


def _classes(logit: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    def model(X: np.ndarray) -> np.ndarray:
        p = expit(logit(X))
        return np.column_stack([1 - p, p])

    return model


def _friedman(X: np.ndarray) -> np.ndarray:
    curves = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2
    return curves + 10 * X[:, 3] + 5 * X[:, 4]


def _three(X: np.ndarray) -> np.ndarray:
    raw = np.exp(np.column_stack([2 * X[:, 0], X[:, 1] + X[:, 2] * X[:, 3], 0 * X[:, 0]]))
    return raw / raw.sum(axis=1, keepdims=True)


DESIGNS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "normal": (_lognormal(0.0), _normal, "regression"),
    "lognormal .5": (_lognormal(0.5), _normal, "regression"),
    "lognormal 1": (_lognormal(1.0), _normal, "regression"),
    "lognormal 1.5": (_lognormal(1.5), _normal, "regression"),
    "exp of uniforms": (lambda X: np.exp(X.sum(axis=1)), _uniform, "regression"),
    "friedman": (_friedman, _uniform, "regression"),
    "two classes": (
        _classes(lambda X: 2 * X[:, 0] + 1.5 * X[:, 1] * X[:, 2] - X[:, 3]),
        _normal,
        "classification",
    ),
    "rare class": (_classes(lambda X: 3 * (X[:, 0] + X[:, 1]) - 8.5), _normal, "classification"),
    "three classes": (_three, _normal, "classification"),
}
"""Model, rows and task; of the rare class 3.6 % of the rows are expected."""
FIDELITY = [
    *((name, n) for name in ("normal", "lognormal .5", "lognormal 1") for n in (30, 100, 300, 1000)),
    *(("lognormal 1.5", n) for n in (100, 300, 1000)),
    *((name, n) for name in ("exp of uniforms", "friedman") for n in (30, 100, 1000)),
    *((name, n) for name in ("two classes", "rare class", "three classes") for n in (30, 100, 300)),
]
PATHS = [
    ("two classes", 60, "none"),
    ("two classes", 300, "none"),
    ("three classes", 100, "none"),
    ("lognormal .5", 100, "none"),
    ("lognormal 1", 300, "none"),
    ("friedman", 100, "none"),
    ("normal", 1000, "none"),
    ("two classes", 300, "bootstrap"),
    ("friedman", 300, "bootstrap"),
]


@dataclass(frozen=True)
class Trial:
    """A fitted tree, and fresh rows to measure it on."""

    mimic: MimicTree
    rows: np.ndarray  # (N_FRESH, n_columns)
    predictions: np.ndarray  # (N_FRESH, n_outputs), the model's, in the units of the tree
    leaf: np.ndarray  # (N_FRESH,)

    @classmethod
    def draw(cls, name: str, n: int, seed: int, fresh: np.ndarray, **options: Any) -> Trial:
        """Fit a tree on new rows."""
        model, draw, task = DESIGNS[name]
        X = draw(n, np.random.default_rng([seed, n]))
        predictor = as_predictor(model, task=task)
        mimic = MimicTree(predictor, random_state=seed, verbose=0, **options).fit(X)
        predictions = mimic._fitted.units.encode(model(fresh).reshape(len(fresh), -1))
        return cls(mimic, fresh, predictions, mimic.apply(fresh))

    def targets(self) -> np.ndarray:
        """What the tree was grown on, of the fresh rows."""
        if self.mimic.targets_ == "soft":
            return self.predictions
        return np.eye(self.predictions.shape[1])[self.predictions.argmax(axis=1)]

    def node_means(self) -> np.ndarray:
        """Means (n_nodes, n_outputs) of the fresh targets in the tree's nodes; NaN where none falls."""
        tree = self.mimic._fitted.tree
        means = np.full((tree.n_nodes, self.predictions.shape[1]), np.nan)
        below = [
            np.isin(self.leaf, [leaf for leaf in tree.leaves if k in tree.path(int(leaf))])
            for k in range(tree.n_nodes)
        ]
        for k, inside in enumerate(below):
            if inside.any():
                means[k] = self.targets()[inside].mean(axis=0)
        return means


Intervals = list[tuple[float, float, float, float, float]]
"""Estimate, truth, low, high and standard error of each value."""


def _fidelity(trial: Trial) -> dict[str, Intervals]:
    """Labels, R2 of all outputs and of each, Kullback-Leibler divergence."""
    own, outputs = trial.mimic.fidelity_, trial.mimic._fitted.tree.values[trial.leaf]
    is_classifier = own.label is not None
    true = measure_fidelity(trial.predictions, outputs, is_classifier, "new rows")
    parts = {name: [(own.measures[name], true.measures[name])] for name in own.measures}
    if len(own.outputs_r2) > 2:
        parts["r2"] += list(zip(own.outputs_r2, true.outputs_r2, strict=True))
    return {name: [_interval(one, other.value) for one, other in pairs] for name, pairs in parts.items()}


def _interval(measure: Any, truth: float) -> tuple[float, float, float, float, float]:
    low, high = measure.ends() if measure.status == "ok" else (np.nan, np.nan)
    return measure.value, truth, low, high, measure.std_error


def _values(trial: Trial, **_: Any) -> dict[str, Intervals]:
    """Contributions along paths, against the population's means in the same nodes."""
    fitted, means = trial.mimic._fitted, trial.node_means()
    own, output = fitted.contributions, means.shape[1] - 1
    cells: Intervals = []
    for k, leaf in enumerate(own.leaves):
        for feature, steps in steps_by_feature(fitted.tree, int(leaf)).items():
            truth = sum(means[child, output] - means[parent, output] for parent, child in steps)
            if np.isfinite(truth):
                low, high = own.ends(0.95)
                at = (k, feature, output)
                cells.append((own.values[at], truth, low[at], high[at], own.std_errors[at]))
    return {"path values": cells}


def _leaves(trial: Trial, **_: Any) -> dict[str, Intervals]:
    """Leaves' fidelity, coverage, mean, deviation and error, from the leaf of fewest rows to that of most."""
    table, units = trial.mimic.leaves_.sort_values("n_observed", kind="stable"), trial.mimic._fitted.units
    raw = units.decode(trial.predictions)
    name = trial.mimic.output_names_[-1]
    outputs = trial.mimic.rule_tree_.values[trial.leaf]
    cells: dict[str, Intervals] = {
        f"leaves' {what}": [] for what in ("fidelity", "coverage", "mean", "sd", "rmse")
    }
    for leaf, row in table.iterrows():
        inside = trial.leaf == leaf
        if inside.sum() < 20:
            continue
        truths = {
            "coverage": inside.mean(),
            f"mean {name}": raw[inside, -1].mean(),
            f"sd {name}": raw[inside, -1].std(),
            "rmse": np.sqrt(((raw - outputs)[inside] ** 2).mean()),
        }
        if "fidelity" in row:
            truths["fidelity"] = (raw.argmax(1) == outputs.argmax(1))[inside].mean()
        for column, truth in truths.items():
            what, _, output = column.partition(" ")
            low, high = (row[f"{what}_{end} {output}".strip()] for end in ("low", "high"))
            if np.isnan(row[column]):
                continue
            if not np.isfinite(high):  # one row was tested, or two
                low = high = np.nan
            error = row.get(f"{what}_std_error {output}".strip(), (high - low) / 3.92)
            cells[f"leaves' {what}"].append((row[column], truth, low, high, error))
    worst = [(row, None) for row in cells["leaves' fidelity"]]
    if worst:
        cells["leaf that looks worst"] = [min(cells["leaves' fidelity"])]
    return {what: own for what, own in cells.items() if own}


def _importances(trial: Trial, **_: Any) -> dict[str, Intervals]:
    """Importances, against the population's reductions of the loss by the same splits."""
    tree, means = trial.mimic._fitted.tree, trial.node_means()
    share = np.array(
        [
            np.isin(trial.leaf, [leaf for leaf in tree.leaves if k in tree.path(int(leaf))]).mean()
            for k in range(tree.n_nodes)
        ]
    )
    reductions = np.zeros(len(tree.features))
    for node in np.flatnonzero(tree.left >= 0):
        for child in (tree.left[node], tree.right[node]):
            if share[child] > 0:
                reductions[tree.feature[node]] += share[child] * ((means[child] - means[node]) ** 2).sum()
    truths = reductions / max(reductions.sum(), 1e-300)
    table = trial.mimic.importances_
    names = [feature.name for feature in tree.features]
    split = table[table["importance"] > 0]
    return {
        "importances": [
            (row.importance, truths[names.index(feature)], row.low, row.high, row.std_error)
            for feature, row in zip(split.index, split.itertuples(), strict=True)
        ]
    }


def _accuracies(trial: Trial, seed: int = 0) -> dict[str, Intervals]:
    """Accuracies on 100 new rows with labels drawn from the model, against those of the fresh rows."""
    rng = np.random.default_rng([seed, 7])
    new = trial.rows[rng.integers(N_FRESH, size=100)]
    classes, raw = trial.mimic.classes_, trial.mimic._fitted.units.decode(trial.predictions)
    probabilities = trial.mimic.model(new) if callable(trial.mimic.model) else trial.mimic.model.predict(new)
    drawn = (np.cumsum(probabilities, axis=1) < rng.random((100, 1))).sum(axis=1)
    measures = trial.mimic.fidelity(new, classes[np.minimum(drawn, len(classes) - 1)]).measures
    labels = trial.mimic._fitted.tree.values[trial.leaf].argmax(axis=1)
    model, rows = raw.argmax(axis=1), np.arange(N_FRESH)
    truths = {
        "accuracy_model": raw[rows, model].mean(),
        "accuracy_tree": raw[rows, labels].mean(),
        "accuracy_both": np.where(model == labels, raw[rows, model], 0.0).mean(),
    }
    truths["accuracy_difference"] = truths["accuracy_model"] - truths["accuracy_tree"]
    return {"accuracies": [_interval(measures[name], truth) for name, truth in truths.items()]}


def _cells(
    name: str, n: int, seeds: range, measures: list[Callable[..., Any]], **options: Any
) -> Iterator[Cell]:
    """One cell for each kind of value, of trees on tables drawn anew."""
    fresh = DESIGNS[name][1](N_FRESH, np.random.default_rng(99))
    collected: dict[str, list[Intervals]] = {}
    for seed in seeds:
        trial = Trial.draw(name, n, seed, fresh, **options)
        for measure in measures:
            for what, values in (
                measure(trial) if measure is not _accuracies else measure(trial, seed)
            ).items():
                collected.setdefault(what, []).append(values)
    words = f"{name}, n={n:,}" + (f", {options['synthetic']}" if "synthetic" in options else "")
    for what, designs in collected.items():
        n_slots = min(N_SLOTS, max(map(len, designs)))
        slots = [_slots(values, n_slots) for values in designs if values]
        parts = np.array(slots).transpose(2, 0, 1)  # (5, n_designs, n_slots)
        yield Cell("MimicTree", f"{what}: {words}", *parts)


def _slots(values: Intervals, n: int) -> Intervals:
    """As many values of a tree, evenly from the first to the last."""
    at = np.linspace(0, len(values) - 1, n).round().astype(int)
    return [values[k] for k in at]


def cells(args: Namespace) -> Iterator[Cell]:
    """Fidelities by table, then values, leaves, importances and accuracies."""
    seeds = seeds_of(args, 200, 10)
    for name, n in FIDELITY:
        yield from _cells(name, n, seeds, [_fidelity])
    for name, n, synthetic in PATHS:
        measures: list[Callable[..., Any]] = [_leaves]
        if synthetic == "none":
            measures += [_values, _importances]
        if DESIGNS[name][2] == "classification":
            measures.append(_accuracies)
        yield from _cells(name, n, seeds, measures, synthetic=synthetic)
