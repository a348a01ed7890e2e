"""Class activation maps by the five metrics that compare them in the literature, with intervals.

On EfficientNet-Lite0 with weights of ImageNet, twelve photographs; and on a network of digits on cluttered
ground, trained here. The head of both is the mean of the last maps and one linear layer.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from _clock import print_table
from _metrics_models import efficientnet, photographs
from _relevance_truth import averaged, cluttered, train_network
from sklearn.datasets import load_digits

from agnostix import CamExplainer, as_predictor
from agnostix.metrics import MetricResult, average_drop, average_gain, average_increase, deletion, insertion

METHODS = {
    "grad_cam": "Grad-CAM",
    "grad_cam_pp": "Grad-CAM++",
    "score_cam": "Score-CAM",
    "ablation_cam": "Ablation-CAM",
    "axiom_cam": "Axiom-CAM",
}
_OF_SCORE = ("AD", "AG", "AI")
N_TEST = 300
_N_COPIES, _N_STEPS = 8, 800


def lecture(args: Namespace) -> None:
    """Both networks."""
    predictor, pictures, accuracy = _digits(args.small)
    title = f"digits on cluttered ground, {len(pictures)} test pictures, accuracy {accuracy:.3f}"
    _compare(title, predictor, pictures, pictures.shape[2])
    pictures = photographs(96)[:2] if args.small else photographs()
    _, predictor = efficientnet()
    name = f"EfficientNet-Lite0, {len(pictures)} photographs of {pictures.shape[1]} x {pictures.shape[2]}"
    _compare(name, predictor, pictures, 8 * pictures.shape[2])


def _digits(is_small: bool) -> tuple[Any, Any, float]:
    """Predictor, test pictures (n_rows, height, width), and accuracy."""
    data = load_digits()
    digits, labels = data.images / 16.0, data.target
    order = np.random.default_rng(0).permutation(len(digits))
    test, own = order[:N_TEST], np.tile(order[N_TEST:], 1 if is_small else _N_COPIES)
    pictures, _ = cluttered(digits[test], np.random.default_rng(1))
    examples, _ = cluttered(digits[own], np.random.default_rng(2))
    network = train_network(averaged, examples, labels[own], 30 if is_small else _N_STEPS, 0)
    with torch.no_grad():
        predicted = network(torch.as_tensor(pictures)[:, None]).argmax(dim=1).numpy()
    accuracy = float(np.mean(predicted == labels[test]))
    return as_predictor(network, activation="softmax"), pictures[: 20 if is_small else None], accuracy


def _compare(title: str, predictor: Any, pictures: Any, step: int) -> None:
    """A table of the methods, and where Score-CAM stands."""
    explanations = _explain(predictor, pictures)
    one, other = (explanations[name].values for name in ("grad_cam", "axiom_cam"))
    largest = np.abs(one).max(axis=(1, 2, 3), keepdims=True)
    apart = float((np.abs(one - other) / np.where(largest > 0, largest, 1.0)).max())
    results: dict[str, dict[str, MetricResult]] = {}
    for name, metric in _metrics(step).items():
        results[name] = {key: metric(predictor, pictures, exp) for key, exp in explanations.items()}
    rows = []
    for key, label in METHODS.items():
        rows.append([label, *(_shown(by_method[key]) for by_method in results.values())])
    print_table(title, ["", *(f"{name}, {_direction(by)}" for name, by in results.items())], rows)
    print(f"\nAxiom-CAM's maps are Grad-CAM's to {apart:.0e} of the largest value of a map.")
    print(_scored_best(results))


def _explain(predictor: Any, pictures: Any) -> dict[str, Any]:
    explanations = {}
    for method in METHODS:
        explainer = CamExplainer(predictor, method=method, outputs="predicted", verbose=0)
        explanations[method] = explainer.fit(pictures).explain(pictures)
    return explanations


def _metrics(step: int) -> dict[str, Callable[..., MetricResult]]:
    curve: dict[str, Any] = {"convention": "lecture", "step": step, "least": False, "n_random": 0}
    return {
        "AD": partial(average_drop, verbose=0),
        "AG": partial(average_gain, verbose=0),
        "AI": partial(average_increase, verbose=0),
        "INS": partial(insertion, verbose=0, **curve),
        "DEL": partial(deletion, verbose=0, **curve),
    }


def _shown(result: MetricResult) -> str:
    low, high = (100.0 * end for end in result.interval())
    return f"{100.0 * result.score:.1f} ({low:.1f} to {high:.1f})"


def _direction(by_method: dict[str, MetricResult]) -> str:
    return "more is better" if next(iter(by_method.values())).greater_is_better else "less is better"


def _scored_best(results: dict[str, dict[str, MetricResult]]) -> str:
    """Whether Score-CAM is best in AD, AG and AI, by paired intervals of the difference to the best other."""
    sentences = []
    for name in _OF_SCORE:
        by_method = results[name]
        sign = 1.0 if by_method["score_cam"].greater_is_better else -1.0
        others = {key: one for key, one in by_method.items() if key != "score_cam"}
        best = max(others, key=lambda key: sign * others[key].score)
        difference = by_method["score_cam"].difference(others[best])
        low, high = (100.0 * end for end in difference.interval())
        is_best = low > 0 if sign > 0 else high < 0
        is_worse = high < 0 if sign > 0 else low > 0
        verdict = "best" if is_best else "not best" if is_worse else "not told apart from the best other"
        sentences.append(
            f"{name}: {verdict}, {100.0 * difference.score:+.1f} ({low:+.1f} to {high:+.1f}) from "
            f"{METHODS[best]}"
        )
    return "Score-CAM, in percentage points: " + "; ".join(sentences) + "."
