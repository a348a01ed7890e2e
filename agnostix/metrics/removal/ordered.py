"""Units of rows in the order of an explanation, the other way round, and by chance: their jobs and curves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.typing import Codes, Floats
from agnostix.metrics.checks import check_whole
from agnostix.metrics.orders import RANDOM, comparable, generator, groups_of, masks_of, ranked, ties_matter
from agnostix.metrics.perturbation import MaskJob, predict_jobs
from agnostix.metrics.read import ATTRIBUTIONS, ExplainedRows
from agnostix.metrics.result import MetricCurve, MetricResult

_ROUNDING = 1e-9
"""Of a proportion times a number of units."""


@dataclass(frozen=True)
class OrderSpec:
    """Which orders are evaluated besides the explanation's own."""

    least: bool = True
    n_random: int = 1
    n_ties: int = 2
    random_state: int = 0

    def checked(self, by: str) -> OrderSpec:
        """Itself; DataError for numbers that are not allowed."""
        for name, lowest in (("n_random", 0), ("n_ties", 1), ("random_state", 0)):
            check_whole(by, name, getattr(self, name), lowest)
        return self


@dataclass(frozen=True)
class RowOrder:
    """One order of one row: which it is, which of the selected outputs and which draw."""

    row: int
    selected: int
    name: str  # "explanation", "least" or "random"
    draw: int
    counts: Codes  # (n_points,): units hidden, or shown, at each point


def orders_of_rows(explained: ExplainedRows, spec: OrderSpec, counts: list[Codes]) -> list[RowOrder]:
    """All orders of all rows, counts (n_points,) of each row."""
    orders = []
    for row, own in enumerate(counts):
        for selected in range(explained.n_selected):
            _, values = explained.present_values(row, selected)
            n_own = spec.n_ties if ties_matter(comparable(values), own) else 1
            draws = [("explanation", n_own), ("least", int(spec.least)), ("random", spec.n_random)]
            orders += [RowOrder(row, selected, name, draw, own) for name, n in draws for draw in range(n)]
    return orders


def order_of_units(explained: ExplainedRows, one: RowOrder) -> Codes:
    """Units (n_present,) in an order."""
    units, values = explained.present_values(one.row, one.selected)
    seed = explained.seeds[one.row]
    if one.name == "random":
        return units[generator(seed, RANDOM, one.draw).permutation(units.size)]
    return units[ranked(comparable(values), seed, one.draw, descending=one.name == "explanation")]


def groups_in_order(explained: ExplainedRows, one: RowOrder) -> Codes:
    """Group of each unit (n_units,) by the counts of an order."""
    return groups_of(order_of_units(explained, one), one.counts, explained.units.n_units)


def unit_ranks(explained: ExplainedRows, one: RowOrder) -> Codes:
    """Place of each unit (n_units,) in an order; that of units that a row has not is the last."""
    ranks = np.full(explained.units.n_units, explained.units.n_units)
    order = order_of_units(explained, one)
    ranks[order] = np.arange(order.size)
    return ranks


def counts_of(explained: ExplainedRows, proportions: Floats) -> list[Codes]:
    """Units (n_points,) of each row that proportions are, rounded up."""
    present = explained.units.present.sum(axis=1)
    return [np.maximum(np.ceil(proportions * n - _ROUNDING), 1).astype(np.intp) for n in present]


@dataclass(frozen=True)
class RowCurves:
    """Predictions along the points of each row, and what is computed of them, by the name of the order."""

    scores: dict[str, Floats]  # (n_rows, n_selected), means over draws
    errors: Floats  # (n_rows, n_selected) of the own order, over draws that break ties
    n_tied: int  # rows with more than one such draw
    largest: float  # difference between two of them
    curves: dict[str, Floats]  # (n_rows, n_points, n_selected), means over draws at the points of x
    x: Floats
    random: Floats  # (n_rows, n_draws, n_selected), scores of each random order


def average_orders(
    explained: ExplainedRows, orders: list[RowOrder], answers: list[Floats], x: Floats, score: Any
) -> RowCurves:
    """From predictions (n_points,) of each order to means over draws; score(row, selected, p) is a number."""
    names = list(dict.fromkeys(one.name for one in orders))
    shape = (len(explained), explained.n_selected)
    parts: dict[tuple[str, int, int], list[tuple[float, Floats]]] = {}
    for one, p in zip(orders, answers, strict=True):
        at = p if p.size == x.size else np.interp(x, one.counts / one.counts[-1], p)
        key = (one.name, one.row, one.selected)
        parts.setdefault(key, []).append((score(one.row, one.selected, p), at))
    scores = {name: np.empty(shape) for name in names}
    curves = {name: np.empty((shape[0], x.size, shape[1])) for name in names}
    errors, n_tied, largest = np.zeros(shape), 0, 0.0
    n_draws = max((one.draw + 1 for one in orders if one.name == "random"), default=0)
    random = np.empty((shape[0], n_draws, shape[1]))
    for (name, row, selected), pairs in parts.items():
        own = np.array([one for one, _ in pairs])
        scores[name][row, selected] = own.mean()
        curves[name][row, :, selected] = np.mean([at for _, at in pairs], axis=0)
        if name == "random":
            random[row, :, selected] = own
        if name == "explanation" and own.size > 1:
            errors[row, selected] = own.std(ddof=1) / np.sqrt(own.size)
            n_tied += 1
            largest = max(largest, float(np.ptp(own)))
    return RowCurves(scores, errors, n_tied, largest, curves, x, random)


def predict_orders(
    explained: ExplainedRows, orders: list[RowOrder], *, reveals: bool, n_jobs: Any, verbose: Any
) -> tuple[list[Floats], int]:
    """Predictions (n_points,) of each order while its units are hidden or shown, and model rows."""
    masks = {n: masks_of(n, reveals=reveals) for n in {one.counts.size for one in orders}}
    jobs = [
        MaskJob(one.row, partial(groups_in_order, explained, one), masks[one.counts.size]) for one in orders
    ]
    answers, n_model_rows = predict_jobs(
        explained.predictor,
        explained.units,
        jobs,
        explained.outputs,
        explained.predictions,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    own = [answer[:, one.selected] for answer, one in zip(answers, orders, strict=True)]
    return own, n_model_rows


def ordered_result(
    explained: ExplainedRows, spec: OrderSpec, curves: RowCurves, name: str, n_model_rows: int, **fields: Any
) -> MetricResult:
    """The result of a metric whose units are hidden in orders."""
    squeeze = explained.squeeze
    own, *others = curves.scores
    notes = explained.notes
    if curves.n_tied:
        notes += (
            f"Units of equal value are hidden in different steps in {curves.n_tied} of "
            f"{curves.scores[own].size} orders; of {spec.n_ties} ways to break ties, scores differ by up to "
            f"{curves.largest:.3g}.",
        )
    if curves.random.shape[1]:
        dims = ("row", "draw", "output")[: squeeze(curves.random).ndim]
        fields["details"] = {"random": Detail(squeeze(curves.random), dims)} | fields.get("details", {})
    params = {"n_random": spec.n_random, "n_ties": spec.n_ties, "random_state": spec.random_state}
    return MetricResult(
        name=name,
        scores=squeeze(curves.scores[own]),
        made_for=ATTRIBUTIONS,
        draw_errors=squeeze(curves.errors) if curves.n_tied else None,
        n_draws=spec.n_ties if curves.n_tied else 0,
        curve=MetricCurve(
            curves.x,
            squeeze(curves.curves[own]),
            {other: squeeze(curves.curves[other]) for other in others},
            fields.pop("x_label"),
        ),
        references={other: squeeze(curves.scores[other]) for other in others},
        n_model_rows=explained.n_model_rows + n_model_rows,
        params=fields.pop("params") | params,
        notes=notes,
        **explained.result_fields() | fields,
    )
