"""Coverage of means over rows: rows are a sample, and what all rows share does not average out.

The model is a sum of products of functions of single columns, so that effects and Shapley values against the
whole table are known in closed form; LIME's truth is a fit on many samples for many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from _coverage import Cell, seeds_of

from agnostix import KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer, as_predictor
from agnostix.surrogate_tree.contributions import steps_by_feature

N_TABLE, N_POPULATION, N_REFERENCE = 2_000, 40_000, 3_000
FACTORS: tuple[Callable[[Any], Any], ...] = (
    lambda x: x,
    lambda x: np.minimum(x, 8.0),
    lambda x: x,
    lambda x: x,
    lambda x: np.minimum(x, 4.0),
    lambda x: np.where(x > 0, 1.0, 0.0),
)
TERMS = ((1.0, (0,)), (0.5, (1,)), (1.0, (2,)), (2.0, (3,)), (1.0, (4,)), (1.0, (0, 5)), (0.5, (1, 2)))
"""Coefficient and columns of each product."""
Explain = Callable[[int, np.ndarray, np.ndarray, np.ndarray], tuple[Any, np.ndarray]]
"""From seed, table, rows and population to an explanation of the rows, and the truth of the population."""
NAMES = ("normal", "lognormal", "30 %", "2 %", "90 % zeros", "sign")


def draw(rng: np.random.Generator, n: int, n_idle: int = 0) -> np.ndarray:
    """Six columns that the model uses, and idle ones."""
    columns = [
        rng.normal(size=n),
        rng.lognormal(0.0, 1.0, n),
        rng.random(n) < 0.3,
        rng.random(n) < 0.02,
        np.where(rng.random(n) < 0.1, rng.exponential(size=n), 0.0),
        rng.normal(size=n),
    ]
    return np.column_stack([*columns, rng.normal(size=(n, n_idle))]).astype(float)


def parts(X: Any) -> list[np.ndarray]:
    return [factor(X[:, j]) for j, factor in enumerate(FACTORS)]


def model(X: Any) -> np.ndarray:
    own = parts(np.asarray(X))
    return sum(weight * np.prod([own[j] for j in columns], axis=0) for weight, columns in TERMS)


def effects(X: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Changes of the prediction where one column is replaced by the table's, (n_rows, 6)."""
    own, middle = parts(X), [part.mean() for part in parts(table)]
    values = np.zeros((len(X), len(FACTORS)))
    for weight, columns in TERMS:
        for j in columns:
            others = np.prod([own[i] for i in columns if i != j], axis=0)
            values[:, j] += weight * others * (own[j] - middle[j])
    return values


def shapley_values(X: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Shapley values against the table's rows, (n_rows, 6), of terms of one or two columns."""
    own, known = parts(X), parts(table)
    values = np.zeros((len(X), len(FACTORS)))
    for weight, columns in TERMS:
        if len(columns) == 1:
            (j,) = columns
            values[:, j] += weight * (own[j] - known[j].mean())
            continue
        for j, i in (columns, columns[::-1]):
            apart = own[j] * own[i] - known[j].mean() * own[i]
            together = own[j] * known[i].mean() - (known[j] * known[i]).mean()
            values[:, j] += 0.5 * weight * (apart + together)
    return values


def _cell(name: str, totals: list[Any], truths: Any, cost: float) -> Cell:
    """Of aggregated explanations of one output."""
    ends = [total.interval() for total in totals]
    return Cell(
        "means over rows",
        name,
        np.stack([total.values[:, 0] for total in totals]),
        np.asarray(truths),
        np.stack([low[:, 0] for low, _ in ends]),
        np.stack([high[:, 0] for _, high in ends]),
        np.stack([total.std_errors[:, 0] for total in totals]),
        cost,
    )


def _of_tables(name: str, explain: Explain, n_rows: int, seeds: range) -> Iterator[Cell]:
    """Means of values and of sizes over rows, and differences of sizes; tables and rows are drawn anew."""
    totals: dict[str, list[Any]] = {"mean": [], "mean_abs": []}
    truths: dict[str, list[Any]] = {"mean": [], "mean_abs": []}
    apart, cost = [], 0.0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        table, rows, population = draw(rng, N_TABLE), draw(rng, n_rows), draw(rng, N_POPULATION)
        explanation, values = explain(seed, table, rows, population)
        cost += explanation.n_model_rows / n_rows / len(seeds)
        for how, own in (("mean", values), ("mean_abs", np.abs(values))):
            totals[how].append(explanation.aggregate(how=how))
            truths[how].append(own.mean(axis=0))
        apart.append([explanation.difference(i, i + 1, how="mean_abs") for i in range(len(FACTORS) - 1)])
    for how, label in (("mean", "means"), ("mean_abs", "sizes")):
        yield _cell(f"{name}, {label} over {n_rows} rows", totals[how], truths[how], cost)
    yield _differences(f"{name}, differences of sizes, {n_rows} rows", apart, truths["mean_abs"], cost)


def _differences(name: str, apart: list[list[Any]], sizes: list[Any], cost: float) -> Cell:
    columns = [_cell(name, list(one), np.zeros(1), cost) for one in zip(*apart, strict=True)]
    joined = {
        field: np.hstack([getattr(column, field) for column in columns])
        for field in ("estimates", "low", "high", "std_errors")
    }
    truths = np.array([[one - other for one, other in pairwise(own)] for own in sizes])
    return Cell("means over rows", name, truths=truths, n_model_rows=cost, **joined)


def _of_idle_columns(seeds: range) -> Iterator[Cell]:
    """Sizes of ten columns that the model does not use, of sampled coalitions of 16: all are 0."""
    for budget in (40, 64, 256, 512):
        totals = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            table, rows = draw(rng, N_TABLE, 10), draw(rng, 100, 10)
            explainer = KernelShapExplainer(model, budget=budget, background_size=20, random_state=seed)
            totals.append(explainer.fit(table).explain(rows).aggregate().sel(features=range(6, 16)))
        yield _cell(
            f"KernelShap, sizes of idle columns, {budget} coalitions of 16", totals, np.zeros(10), budget
        )


def _of_lime(seeds: range, n_reference: int, n_samples: int) -> Iterator[Cell]:
    """One table; rows and draws anew."""
    start = seeds[0]
    table = draw(np.random.default_rng(start), N_TABLE)
    rows = draw(np.random.default_rng(start + 1), n_reference)
    reference = LimeExplainer(model, n_samples=n_samples, random_state=start).fit(table).explain(rows)
    runs = []
    for seed in seeds:
        own = draw(np.random.default_rng(seed + 10), 100)
        runs.append(LimeExplainer(model, random_state=seed).fit(table).explain(own))
    cost = float(np.mean([run.n_model_rows for run in runs]))
    for how, label in (("mean", "means"), ("mean_abs", "sizes")):
        truth = reference.aggregate(how=how).values[:, 0]
        yield _cell(f"Lime, {label} over 100 rows", [run.aggregate(how=how) for run in runs], truth, cost)


def _contributions(mimic: MimicTree, population: np.ndarray) -> np.ndarray:
    """What each column adds on the paths of rows, (n_rows, 6), with the population's means in the nodes."""
    tree, leaf, predictions = mimic.rule_tree_, mimic.apply(population), model(population)
    is_below = {k: [own for own in tree.leaves if k in tree.path(int(own))] for k in range(tree.n_nodes)}
    means = [predictions[np.isin(leaf, below)].mean() for below in is_below.values()]
    values = np.zeros((len(population), len(FACTORS)))
    for own in np.unique(leaf):
        for j, steps in steps_by_feature(tree, int(own)).items():
            values[leaf == own, j] = sum(means[child] - means[parent] for parent, child in steps)
    return values


def _of_tree(seed: int, table: np.ndarray, rows: np.ndarray, population: np.ndarray) -> tuple[Any, Any]:
    """Rows of one leaf share the error of its mean."""
    predictor = as_predictor(model, task="regression")
    mimic = MimicTree(predictor, synthetic="none", random_state=seed, verbose=0).fit(table)
    return mimic.explain(rows), _contributions(mimic, population)


def cells(args: Any) -> Iterator[Cell]:
    """Cells of all explainers; tables, rows, backgrounds and draws differ between designs."""
    seeds = seeds_of(args, 170, 8)
    many = 500 if args.quick else 1_000

    def against_table(make: type, truth: Any) -> Explain:
        return lambda seed, table, rows, population: (
            make(model, random_state=seed).fit(table).explain(rows),
            truth(population, table),
        )

    occlusion = against_table(OcclusionExplainer, effects)
    yield from _of_tables("Occlusion", occlusion, many, seeds)
    # Of fewer rows some have none of the rare level, which no interval can know.
    yield from _of_tables("Occlusion", occlusion, 200, seeds)
    yield from _of_tables("KernelShap", against_table(KernelShapExplainer, shapley_values), many, seeds)
    yield from _of_tables("MimicTree", _of_tree, many, seeds)
    yield from _of_idle_columns(seeds[:100])
    reference = (N_REFERENCE, 8_000) if args.quick else (N_REFERENCE, 20_000)
    yield from _of_lime(seeds, *reference)
