"""Hiding one feature at a time by other people's machinery, on the same masked rows of the same model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import shap
import torch
from _clock import ModelClock, interleave_inside, median_ratio, print_table, seconds, shown
from captum.attr import FeatureAblation
from shap.utils import MaskedModel

from agnostix import OcclusionExplainer, as_predictor

OUTPUT = 1
PER_EVAL = (1, 2, 5, 10, 20)

Attribute = Callable[[ModelClock, np.ndarray, np.ndarray], np.ndarray]


def peers(title: str, predict: Callable, X: np.ndarray, background: np.ndarray, repeats: int) -> None:
    """Print one model's table: times, model rows, how far the values are apart."""
    torch.set_num_threads(1)
    sides: dict[str, Attribute] = {
        "agnostix, OcclusionExplainer": occlusion,
        "captum, FeatureAblation, defaults": captum_default,
        **captum_best(predict, X, background),
        "shap, MaskedModel": shap_masks,
    }
    clocks = {name: ModelClock(predict) for name in sides}
    cases = {name: (clocks[name], partial(side, clocks[name], X, background)) for name, side in sides.items()}
    ours = cases["agnostix, OcclusionExplainer"][1]()
    apart = {name: np.abs(call() - ours).max() for name, (_, call) in cases.items()}
    taken = interleave_inside(cases, repeats)
    reference = taken["agnostix, OcclusionExplainer"][0]
    print_table(
        f"Peers, {title}: {X.shape[0]:,} rows x {X.shape[1]} columns x {len(background)} background rows",
        ("", "model rows", "wall", "x agnostix", "share in the model", "largest difference"),
        [
            (
                name,
                f"{clocks[name].rows:,}",
                shown(np.median(wall)),
                median_ratio(wall, reference),
                f"{np.median(inside / wall):.0%}",
                f"{apart[name]:.0e}",
            )
            for name, (wall, inside) in taken.items()
        ],
    )


def occlusion(clock: ModelClock, X: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Ours, of all outputs, with standard errors; the clock leaves out what `fit` asks."""
    explainer = OcclusionExplainer(as_predictor(clock, task="classification"), random_state=0).fit(background)
    clock.forget()
    return explainer.explain(X).values[:, :, OUTPUT]


def captum_default(clock: ModelClock, X: np.ndarray, background: np.ndarray, per_eval: int = 1) -> np.ndarray:
    """One call for each background row as the baseline, and the mean over calls."""
    ablation, inputs = _ablation(clock), torch.from_numpy(X)
    total = np.zeros(X.shape)
    for row in background:
        baseline = torch.from_numpy(row[None])
        found = ablation.attribute(inputs, baseline, target=OUTPUT, perturbations_per_eval=per_eval)
        total += found.numpy()
    return total / len(background)


def captum_repeated(clock: ModelClock, X: np.ndarray, background: np.ndarray, per_eval: int) -> np.ndarray:
    """One call for all, each row repeated once for each background row."""
    inputs = torch.from_numpy(np.repeat(X, len(background), axis=0))
    baselines = torch.from_numpy(np.tile(background, (len(X), 1)))
    ablation = _ablation(clock)
    found = ablation.attribute(inputs, baselines, target=OUTPUT, perturbations_per_eval=per_eval)
    return found.numpy().reshape(len(X), len(background), -1).mean(axis=1)


def captum_best(predict: Callable, X: np.ndarray, background: np.ndarray) -> dict[str, Attribute]:
    """The fastest of its ways on a tenth of the rows, each tried twice."""
    ways: dict[str, Attribute] = {}
    for per_eval in PER_EVAL:
        ways[f"a call a background row, perturbations_per_eval={per_eval}"] = partial(
            captum_default, per_eval=per_eval
        )
        ways[f"one call, perturbations_per_eval={per_eval}"] = partial(captum_repeated, per_eval=per_eval)
    some, clock = X[: max(1, len(X) // 10)], ModelClock(predict)
    tried = {
        name: min(seconds(partial(way, clock, some, background)) for _ in range(2))
        for name, way in ways.items()
    }
    best = min(tried, key=lambda name: tried[name])
    return {f"captum, FeatureAblation, at its best: {best}": ways[best]}


def shap_masks(clock: ModelClock, X: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The row and then each feature hidden, as changes from mask to mask.

    shap has no explainer that hides one feature at a time. Those that it has put their masks to
    MaskedModel row by row, the fastest of them (permutations, exact) as changes, which spares
    the building of whole masks; so this is what such an explainer would cost.
    """
    masker = shap.maskers.Independent(background, max_samples=len(background))
    d = X.shape[1]
    shown_all = [*(-j - 1 for j in range(d - 1)), d - 1]
    hidden_in_turn = [step for j in range(d) for step in ((-j, j) if j else (0,))]
    changes = np.array(shown_all + hidden_in_turn)
    values = np.empty(X.shape)
    for i, row in enumerate(X):
        answers = MaskedModel(clock, masker, shap.links.identity, False, row)(changes)[:, OUTPUT]
        values[i] = answers[0] - answers[1:]
    return values


def _ablation(clock: ModelClock) -> FeatureAblation:
    return FeatureAblation(lambda rows: torch.from_numpy(clock(rows.numpy())))
