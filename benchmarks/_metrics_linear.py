"""Linear models, on which the explanation that is best by each metric is known in closed form.

Hidden columns have the values of one background row, or hidden pixels those of a fill, which is not 0. For
each metric: what the best explanation scores and should score, and random explanations beside it: how many
score as well or better, how many are within the interval of the best one's mean, and how many are told apart
from it by the paired interval of the difference.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from _clock import print_table
from _metrics_models import explanation_of, explanation_of_table
from scipy.optimize import minimize
from scipy.special import expit, softmax

from agnostix.metrics import (
    MetricResult,
    average_drop,
    average_gain,
    average_increase,
    comprehensiveness,
    deletion,
    faithfulness_correlation,
    infidelity,
    insertion,
    monotonicity,
    road,
    sensitivity_n,
    sufficiency,
)
from tests.reference.metrics import imputed

N_RANDOM, N_SMALL = 200, 20
_ALONE: dict[str, Any] = {"least": False, "n_random": 0, "verbose": 0}
_PROPORTIONS = (0.1, 0.25, 0.5)
_FILL = 0.3


@dataclass(frozen=True)
class Optimum:
    """A metric, its best explanation, what that should score, and how to draw random explanations."""

    name: str
    best: str
    measure: Callable[[Any], MetricResult]  # from values
    values: Any
    truth: float
    draw: Callable[[np.random.Generator], Any]


def linear(args: Namespace) -> None:
    """The optimum of each metric, and random explanations beside it."""
    rng = np.random.default_rng(0)
    cases = [*_tables(rng), *_masks(rng), *_imputed(rng, 4 if args.small else 12)]
    cases += _differences(rng)
    n = N_SMALL if args.small else N_RANDOM
    rows = [_line(case, n) for case in cases]
    print_table(
        f"Linear models: the best explanation of each metric, and {n} random ones",
        ["", "best", "score", "apart from its truth", "random as good", "in its interval", "told apart"],
        rows,
    )
    _other_optima()


def _line(case: Optimum, n_random: int) -> list[str]:
    rng = np.random.default_rng(1)
    best = case.measure(case.values)
    low, high = best.interval()
    sign = 1.0 if best.greater_is_better else -1.0
    n_good = n_inside = n_apart = 0
    for _ in range(n_random):
        other = case.measure(case.draw(rng))
        n_good += sign * (other.score - best.score) >= -1e-12
        n_inside += low <= other.score <= high
        start, end = best.difference(other).interval()
        n_apart += sign * (start if sign > 0 else end) > 0
    counts = [str(one) for one in (n_good, n_inside, n_apart)]
    return [case.name, case.best, f"{best.score:.4f}", f"{abs(best.score - case.truth):.0e}", *counts]


# Tables: contributions w (x - b) ----------------------------------------------------------------


def _tables(rng: np.random.Generator) -> Iterator[Optimum]:
    n_rows, n_columns = 60, 12
    X, w = rng.normal(size=(n_rows, n_columns)), rng.normal(size=n_columns)
    b = rng.normal(1.0, 1.0, n_columns)
    contributions = w * (X - b)
    ordered = -np.sort(-contributions, axis=1)
    start = (b @ w) * np.ones(n_rows)
    hidden = start + contributions.sum(axis=1) - np.c_[np.zeros(n_rows), ordered.cumsum(axis=1)].T
    shown = start + np.c_[np.zeros(n_rows), ordered.cumsum(axis=1)].T
    counts = [int(np.ceil(share * n_columns - 1e-9)) for share in _PROPORTIONS]
    shares = {"proportions": _PROPORTIONS}
    of_counts = {
        "comprehensiveness": np.mean([ordered[:, :n].sum(axis=1) for n in counts]),
        "sufficiency": np.mean([ordered[:, n:].sum(axis=1) for n in counts]),
    }
    model = _dot(w)
    for metric, truth, extra in (
        (deletion, _area(hidden), {}),
        (insertion, _area(shown), {}),
        (comprehensiveness, of_counts["comprehensiveness"], shares),
        (sufficiency, of_counts["sufficiency"], shares),
    ):
        yield Optimum(
            f"{metric.__name__}, table",
            "w (x - b)",
            partial(_of_table, metric, model, X, b, **extra),
            contributions,
            float(truth),
            lambda rng: rng.normal(size=(n_rows, n_columns)),
        )


def _dot(w: Any) -> Callable[[Any], Any]:
    return lambda X: X.reshape(len(X), -1) @ w.ravel()


def _area(curves: Any) -> float:
    """Mean over rows of the area under curves (n_points, n_rows)."""
    return float(((curves.sum(axis=0) - (curves[0] + curves[-1]) / 2) / (len(curves) - 1)).mean())


def _of_table(metric: Any, model: Any, X: Any, b: Any, values: Any, **extra: Any) -> MetricResult:
    exp = explanation_of_table(values, X)
    result: MetricResult = metric(model, X, exp, masker=b[None], **_ALONE, **extra)
    return result


# Masks: a gain is largest where parts that speak for the class are shown alone ------------------


def _masks(rng: np.random.Generator) -> Iterator[Optimum]:
    pictures, w = rng.random((40, 6, 6)), rng.normal(size=(6, 6))
    parts = w * (pictures - _FILL)
    positive = (parts > 0).astype(float)
    base = float(_FILL * w.sum())

    def predict(X: Any) -> Any:
        return expit(X.reshape(len(X), -1) @ w.ravel() - base)

    y, o = predict(pictures), expit(np.maximum(parts, 0.0).sum(axis=(1, 2)))
    everything = "1 where w (x - b) > 0"
    for metric, truth in (
        (average_gain, np.mean((o - y) / (1 - y))),
        (average_drop, 0.0),
        (average_increase, 1.0),
    ):
        name = f"{metric.__name__}, sigmoid"
        measure = partial(_of_masks, metric, predict, pictures)
        yield Optimum(name, everything, measure, positive, float(truth), partial(_draw_masks, pictures.shape))
    yield _softmax_gain(rng, pictures)


def _draw_masks(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    return rng.random(shape)


def _of_masks(metric: Any, predict: Any, pictures: Any, values: Any) -> MetricResult:
    exp = explanation_of(values, names=("prediction",))
    result: MetricResult = metric(predict, pictures, exp, mask="none", fill=_FILL, verbose=0)
    return result


def _softmax_gain(rng: np.random.Generator, pictures: Any) -> Optimum:
    """The largest log-probability over masks from 0 to 1, which is concave in the mask."""
    pictures, weights = pictures[:12], rng.normal(size=(3, 36))
    parts = weights * (pictures.reshape(-1, 1, 36) - _FILL)  # (n_rows, 3, 36)
    base = weights.sum(axis=1) * _FILL

    def predict(X: Any) -> Any:
        return softmax(X.reshape(len(X), -1) @ weights.T - base, axis=1)[:, 0]

    def loss(mask: Any, own: Any) -> tuple[float, Any]:
        p = softmax(own @ mask)
        return -float(np.log(p[0])), -(own[0] - p @ own)

    best, probabilities = [], []
    for own in parts:
        options = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 2000}
        found = minimize(
            loss, np.full(36, 0.5), (own,), "L-BFGS-B", True, bounds=[(0, 1)] * 36, options=options
        )
        best.append(found.x.reshape(6, 6))
        probabilities.append(np.exp(-found.fun))
    y = predict(pictures)
    truth = np.mean((np.array(probabilities) - y) / (1 - y))
    measure = partial(_of_masks, average_gain, predict, pictures)
    draw = partial(_draw_masks, pictures.shape)
    return Optimum(
        "average_gain, softmax", "by a convex program", measure, np.stack(best), float(truth), draw
    )


# ROAD: what a pixel adds beyond its neighbors ---------------------------------------------------


def _imputed(rng: np.random.Generator, n_rows: int) -> Iterator[Optimum]:
    pictures, w = rng.random((40, 8, 8)), rng.normal(size=(8, 8))
    apart = w * (pictures - np.stack([_neighbors_mean(one) for one in pictures]))
    truth = (pictures * w).sum(axis=(1, 2)) - apart.max(axis=(1, 2))
    yield _of_roads("road, single pixels", "w (x - neighbors' mean)", w, pictures, apart, truth, [1 / 64])
    lattice = np.zeros((8, 8))
    lattice[::2, ::2] = 1.0
    alone = apart * lattice
    shares = [n / 64 for n in (1, 2, 4)]
    largest = -np.sort(-alone.reshape(40, -1), axis=1)
    falls = np.mean([largest[:, :n].sum(axis=1) for n in (1, 2, 4)], axis=0)
    truth = (pictures * w * lattice).sum(axis=(1, 2)) - falls
    # what random explanations hide has no two neighbors either
    yield _of_roads(
        "road, up to 4 pixels without neighbors",
        "w (x - neighbors' mean)",
        w * lattice,
        pictures,
        np.where(lattice > 0, alone, -1e3),
        truth,
        shares,
        lattice,
    )
    small, w = rng.random((n_rows, 4, 4)), rng.normal(size=(4, 4))
    solved = [_best_order(one, w) for one in small]
    values, truth = (np.array(one) for one in zip(*solved, strict=True))
    shares = [n / 16 for n in range(1, 16)]
    yield _of_roads("road, 4 x 4, all sets", "by enumeration", w, small, values, truth, shares)


def _of_roads(
    name: str, best: str, w: Any, pictures: Any, values: Any, truth: Any, shares: Any, among: Any = 1.0
) -> Optimum:
    def measure(values: Any) -> MetricResult:
        exp = explanation_of(values, names=("prediction",))
        return road(_dot(w), pictures, exp, noise=0.0, proportions=shares, **_ALONE)

    def draw(rng: np.random.Generator) -> Any:
        drawn = rng.normal(size=pictures.shape)
        return np.where(np.broadcast_to(among, pictures.shape) > 0, drawn, -1e3 + drawn)

    return Optimum(name, best, measure, values, float(np.mean(truth)), draw)


def _neighbors_mean(picture: Any) -> Any:
    """Weighted mean of the neighbors of each pixel, one after the other."""
    means = np.empty_like(picture)
    for place in np.ndindex(picture.shape):
        hidden = np.zeros(picture.shape, bool)
        hidden[place] = True
        means[place] = imputed(picture[..., None], hidden)[place][0]
    return means


def _best_order(picture: Any, w: Any) -> tuple[Any, float]:
    """Values (4, 4) whose order has the least mean prediction over 1 to 15 imputed pixels, and that mean.

    By dynamic programming over all sets of pixels: the best order to a set ends with one of its pixels.
    """
    n = picture.size
    predictions = np.zeros(2**n)
    for size in range(1, n):
        sets = np.array(list(combinations(range(n), size)))
        predictions[(1 << sets).sum(axis=1)] = _predict_imputed(picture, w, sets)
    total, last = np.full(2**n, np.inf), np.zeros(2**n, dtype=int)
    total[0] = 0.0
    numbers = np.arange(2**n)
    sizes = np.array([int(one).bit_count() for one in numbers])
    for size in range(1, n + 1):
        own = numbers[sizes == size]
        for pixel in range(n):
            having = own[(own >> pixel) & 1 == 1]
            before = total[having ^ (1 << pixel)] + predictions[having]
            better = before < total[having]
            total[having[better]], last[having[better]] = before[better], pixel
    values, left = np.empty(n), 2**n - 1
    for rank in range(n):  # from the last pixel to the first
        values[last[left]] = rank
        left ^= 1 << int(last[left])
    return values.reshape(picture.shape), total[-1] / (n - 1)


def _predict_imputed(picture: Any, w: Any, sets: Any) -> Any:
    """Predictions with each of the sets (n_sets, size) imputed, all systems of a size at once."""
    n, width = picture.size, picture.shape[1]
    places = np.array(list(np.ndindex(picture.shape)))
    steps = np.abs(places[:, None] - places[None]).max(axis=2)
    straight = np.abs(places[:, None] - places[None]).sum(axis=2) == 1
    weights = np.where(steps == 1, np.where(straight, 1 / 6, 1 / 12), 0.0)
    assert width * picture.shape[0] == n
    system = np.diag(weights.sum(axis=1)) - weights
    hidden = np.zeros((len(sets), n), bool)
    np.put_along_axis(hidden, sets, True, axis=1)
    right = np.where(hidden, 0.0, picture.ravel()) @ weights.T
    solved = np.linalg.solve(
        system[sets[:, :, None], sets[:, None, :]], np.take_along_axis(right, sets, axis=1)[..., None]
    )[..., 0]
    filled = np.where(hidden, 0.0, picture.ravel()) @ w.ravel()
    return filled + (w.ravel()[sets] * solved).sum(axis=1)


# Agreement with differences ---------------------------------------------------------------------


def _differences(rng: np.random.Generator) -> Iterator[Optimum]:
    n_rows, n_columns = 60, 8
    X, w = rng.normal(size=(n_rows, n_columns)), rng.normal(size=n_columns)
    b = rng.normal(1.0, 1.0, n_columns)
    model, parts = _dot(w), w * (X - b)
    quiet: dict[str, Any] = {"masker": b[None], "verbose": 0}

    def measure(metric: Any, values: Any, **params: Any) -> MetricResult:
        quantity = params.pop("quantity", "contribution")
        result: MetricResult = metric(model, X, explanation_of_table(values, X, quantity=quantity), **params)
        return result

    def draw(rng: np.random.Generator) -> Any:
        return rng.normal(size=X.shape) * w.std()

    noise = {"perturbation": "noise", "noise": [0.5] * n_columns, "quantity": "sensitivity", "verbose": 0}
    gradient = np.tile(w, (n_rows, 1))
    yield Optimum("infidelity, noise", "w", partial(measure, infidelity, **noise), gradient, 0.0, draw)
    name = "infidelity, subsets, scale free"
    for label, extra in (("infidelity, subsets", {}), (name, {"scale": True})):
        own = partial(measure, infidelity, **quiet, **extra)
        yield Optimum(label, "w (x - b)", own, parts * (3.0 if extra else 1.0), 0.0, draw)
    for metric in (faithfulness_correlation, sensitivity_n):
        yield Optimum(metric.__name__, "w (x - b)", partial(measure, metric, **quiet), parts, 1.0, draw)
    own = partial(measure, monotonicity, **quiet)
    yield Optimum("monotonicity, nguyen", "w (x - b)", own, parts, 1.0, draw)


def _other_optima() -> None:
    """Explanations that are as good as the best ones, by metrics that do not tell them apart."""
    rng = np.random.default_rng(3)
    X, w = rng.normal(size=(40, 6)), rng.normal(size=6)
    other = np.tile(w, (40, 1))
    other[:, 0] = 7.0
    exp = explanation_of_table(other, X, quantity="sensitivity")
    sides = [0.0, *[0.5] * 5]
    result = infidelity(_dot(w), X, exp, perturbation="noise", noise=sides, verbose=0)
    print(
        f"\nNoise on 5 of 6 columns: another value for the sixth scores {result.score:.0e}. "
        + " ".join(result.notes)
    )
    pictures, w = rng.random((40, 6, 6)), rng.normal(size=(6, 6))
    base = float(_FILL * w.sum())

    def predict(X: Any) -> Any:
        return expit(X.reshape(len(X), -1) @ w.ravel() - base)

    positive = (w * (pictures - _FILL) > 0).astype(float)
    everything, half = np.ones_like(pictures), np.where(positive > 0, 0.5, 0.0)
    everything[:, 0, 0] = 1.0 - 1e-12  # a map of one value ranks nothing
    drop = _of_masks(average_drop, predict, pictures, everything).score
    rise = _of_masks(average_increase, predict, pictures, np.where(half > 0, 0.9, 0.0)).score
    gains = [_of_masks(average_gain, predict, pictures, one).score for one in (positive, half, everything)]
    print(
        f"The whole picture has average drop {drop:.0e}, and nine tenths of the positive parts average "
        f"increase {rise:.2f}. Average gain: {gains[0]:.3f} of the positive parts, {gains[1]:.3f} of half of "
        f"them, {gains[2]:.3f} of the whole picture."
    )
