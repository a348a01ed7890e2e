"""Metrics of pictures beside plain loops by the published definitions, and beside other packages."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from _clock import print_table
from _metrics_models import (
    MEAN,
    SIDE,
    STD,
    efficientnet,
    explanation_of,
    photographs,
    with_spread_outputs,
)
from torch import nn

from agnostix import as_predictor
from agnostix.metrics import average_drop, average_gain, average_increase, deletion, insertion, road
from tests.neural import networks
from tests.reference import metrics as by_loops

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
_ESPRESSO = 967
_QUIET: dict[str, Any] = {"verbose": 0}
_ALONE: dict[str, Any] = {"least": False, "n_random": 0, "verbose": 0}


@dataclass(frozen=True)
class Case:
    """Pictures (n_rows, height, width, n_channels) from 0 to 1, one map each, and a network."""

    name: str
    pictures: Any
    maps: Any  # (n_rows, height, width), no two values of a map alike
    make: Callable[[Any], Any]  # a module from a dtype
    output: int  # that is explained; a picture may gain of it under its map
    mean: float
    std: float

    def predictor(self, dtype: Any) -> Any:
        n_channels = self.pictures.shape[-1]
        scale = {"mean": [self.mean] * n_channels, "std": [self.std] * n_channels}
        return as_predictor(self.make(dtype), activation="softmax", **scale)

    def explanation(self, predictor: Any, maps: Any) -> Any:
        """That of the output, by the maps."""
        n_outputs = predictor.predict(self.pictures[:1].astype(maps.dtype)).shape[1]
        return explanation_of(maps, names=predictor.names(n_outputs)[self.output : self.output + 1])

    def looped(self, dtype: Any) -> Any:
        """One picture at a time: a function from pictures to probabilities (n_outputs,)."""
        module = self.make(dtype)

        def predict(picture: Any) -> Any:
            normal = torch.as_tensor((picture - self.mean) / self.std).permute(2, 0, 1)[None].to(dtype)
            with torch.no_grad():
                return module(normal).softmax(dim=1)[0].numpy()

        return predict


# Ours and loops ---------------------------------------------------------------------------------


def exact(args: Namespace) -> None:
    """All tables of agreement."""
    rows = []
    for case in _cases(args.small):
        for dtype in (torch.float64, torch.float32):
            if case.pictures.shape[1] == SIDE and dtype == torch.float64:
                continue
            ours, looped = _by_us(case, dtype), _by_loops(case, dtype)
            precision = str(dtype).removeprefix("torch.")
            apart = [_apart(ours[name], looped[name]) for name in looped]
            rows.append([case.name, precision, *apart])
    header = ["", "", "deletion", "insertion", "ROAD", "average drop", "gain", "gain, over Y", "increase"]
    print_table(
        "Largest difference to loops by the published definitions, of a row's score where above 1",
        header,
        rows,
    )
    _beside_grad_cam(args)
    _beside_quantus(args)


def _apart(one: Any, other: Any) -> str:
    return f"{(np.abs(one - other) / np.maximum(np.abs(other), 1.0)).max():.0e}"


def _cases(is_small: bool) -> list[Case]:
    rng = np.random.default_rng(0)

    def case(name: str, pictures: Any, make: Any, output: int, mean: float = 0.0, std: float = 1.0) -> Case:
        # in double precision the numbers of the single one
        own = (pictures, rng.normal(size=pictures.shape[:3]))
        return Case(name, *(one.astype(np.float32).astype(float) for one in own), make, output, mean, std)

    def small(name: str, size: tuple[int, ...], make: Any, mean: float = 0.0, std: float = 1.0) -> Case:
        pictures = rng.random((8, *size)) * np.linspace(0.3, 1.0, 8)[:, None, None, None]
        inputs = torch.as_tensor((pictures - mean) / std).permute(0, 3, 1, 2)
        return case(name, pictures, partial(_spread, make, inputs), 1, mean, std)

    cases = [
        small("VGG-like, 16 x 16", (16, 16, 3), networks.vgg),
        small("ResNet, 24 x 32", (24, 32, 3), networks.ResNet, 0.4, 0.3),
        small("gray, two classes, 16 x 16", (16, 16, 1), _gray),
    ]
    if not is_small:
        pictures, name = photographs()[[2, 3]], "EfficientNet-Lite0, two photographs, 224 x 224"
        cases.append(case(name, pictures, lambda dtype: efficientnet(dtype)[0], _ESPRESSO, MEAN, STD))
    return cases


def _spread(make: Any, inputs: Any, dtype: Any) -> Any:
    return with_spread_outputs(networks.seeded(make), inputs).to(dtype)


def _gray() -> Any:
    maps = [nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(6, 8, 3), nn.ReLU()]
    return nn.Sequential(*maps, nn.Flatten(), nn.Linear(32, 2))


def _by_us(case: Case, dtype: Any) -> dict[str, Any]:
    """Scores (n_rows,) of each metric."""
    kind = str(dtype).removeprefix("torch.")
    pictures, predictor = case.pictures.astype(kind), case.predictor(dtype)
    exp = case.explanation(predictor, case.maps.astype(kind))
    of_curves = {
        "deletion": partial(deletion, **_ALONE),
        "insertion": partial(insertion, **_ALONE),
        "ROAD": partial(road, noise=0.0, proportions=SHARES, **_ALONE),
    }
    of_masks = {
        "average drop": partial(average_drop, **_QUIET),
        "gain": partial(average_gain, **_QUIET),
        "gain, over Y": partial(average_gain, denominator="lecture", **_QUIET),
        "increase": partial(average_increase, **_QUIET),
    }
    return {name: metric(predictor, pictures, exp).scores for name, metric in (of_curves | of_masks).items()}


def _by_loops(case: Case, dtype: Any) -> dict[str, Any]:
    """The same by loops; all but the network in double precision."""
    predict = case.looped(dtype)

    def class_of(picture: Any) -> float:
        return float(predict(picture)[case.output])

    found: dict[str, list[float]] = {}
    for picture, own in zip(case.pictures, case.maps, strict=True):
        y, order = class_of(picture), np.argsort(-own.ravel())
        zero = np.full_like(picture, case.mean)
        blurred = by_loops.blur_of_rise(picture - case.mean) + case.mean
        width = picture.shape[1]
        deleted = by_loops.curve_of_rise(class_of, picture, zero, order, width)
        inserted = by_loops.curve_of_rise(class_of, blurred, picture, order, width)
        mask = np.maximum(own, 0.0) / own.max()
        o = class_of(picture * mask[..., None])
        values = {
            "deletion": by_loops.auc_of_rise(deleted),
            "insertion": by_loops.auc_of_rise(inserted),
            "ROAD": _road_by_loops(class_of, picture, order),
            "average drop": by_loops.average_drop([y], [o]),
            "gain": by_loops.average_gain([y], [o]),
            "gain, over Y": by_loops.average_gain([y], [o], lecture=True),
            "increase": by_loops.average_increase([y], [o]),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(float(value))
    return {name: np.array(values) for name, values in found.items()}


def _road_by_loops(class_of: Any, picture: Any, order: Any) -> float:
    """Mean prediction over the shares; holes of large pictures by `_solved`, others by a dense system."""
    impute = by_loops.imputed if order.size <= 1024 else _solved
    predictions = []
    for share in SHARES:
        hidden = np.zeros(order.size, bool)
        hidden[order[: int(np.ceil(share * order.size - 1e-9))]] = True
        predictions.append(class_of(impute(picture, hidden.reshape(picture.shape[:2]))))
    return float(np.mean(predictions))


def _solved(picture: Any, hidden: Any, n_rounds: int = 4000) -> Any:
    """Hidden pixels as means of their neighbors, by rounds of averaging until nothing moves."""
    weights = np.array([[1.0, 2.0, 1.0], [2.0, 0.0, 2.0], [1.0, 2.0, 1.0]])
    padded = np.pad(np.ones(hidden.shape), 1)

    def neighbors(image: Any) -> Any:
        height, width = hidden.shape
        places = [(y, x) for y in range(3) for x in range(3)]
        return sum(weights[y, x] * image[y : y + height, x : x + width] for y, x in places)

    total, out = neighbors(padded), picture.copy()
    out[hidden] = picture[~hidden].mean(axis=0)
    for _ in range(n_rounds):
        moved = neighbors(np.pad(out, ((1, 1), (1, 1), (0, 0)))) / total[..., None]
        change = np.abs(moved[hidden] - out[hidden]).max()
        out[hidden] = moved[hidden]
        if change < 1e-13:
            break
    return out


# Ours and peers ---------------------------------------------------------------------------------


def _beside_grad_cam(args: Namespace) -> None:
    """ROAD, and masked inputs of torchcam and grad-cam."""
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence

    rows = []
    for case in _cases(args.small)[:2]:
        module, inputs, targets = _single(case)
        ours = _road_at(case, module, inputs)
        for name, removal in _REMOVALS.items():
            theirs = np.mean([_removed(removal, case, module, inputs, targets, p) for p in SHARES], axis=0)
            rows.append([f"{case.name}: ROAD, {name}", f"{np.abs(ours[name] - theirs).max():.0e}"])
        predictor = as_predictor(module, activation="softmax")
        maps = np.maximum(case.maps, 0) / case.maps.max(axis=(1, 2), keepdims=True)
        exp = case.explanation(predictor, maps.astype("float32"))
        pictures = np.moveaxis(inputs.numpy(), 1, -1)
        masked = {
            "average increase": (average_increase, IncreaseInConfidence()),
            "average drop, times Y": (average_drop, DropInConfidence()),
        }
        with torch.no_grad():
            y = module(inputs).softmax(dim=1)[:, case.output].numpy()
        for name, (metric, peer) in masked.items():
            own = metric(predictor, pictures, exp, **_QUIET).scores
            own = own * y if "times" in name else own
            theirs = peer(inputs, maps.astype("float32"), targets, module)
            rows.append([f"{case.name}: {name}", f"{np.abs(own - theirs).max():.0e}"])
    print_table(
        "Largest difference to pytorch-grad-cam, single precision, ROAD without noise", ["", ""], rows
    )
    print(
        "\nIts maps multiply the normalized input, which is the picture here; its drop is not divided by Y."
    )


def _single(case: Case) -> tuple[Any, Any, list[Any]]:
    """Module, inputs that need no further normalization, and targets."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    module = case.make(torch.float32)
    inputs = torch.as_tensor((case.pictures - case.mean) / case.std).float().permute(0, 3, 1, 2).contiguous()
    return module, inputs, [ClassifierOutputSoftmaxTarget(case.output)] * len(inputs)


def _removals() -> dict[str, Any]:
    from pytorch_grad_cam.metrics.perturbation_confidence import (
        RemoveLeastRelevantFirst,
        RemoveMostRelevantFirst,
    )

    return {"most relevant first": RemoveMostRelevantFirst, "least relevant first": RemoveLeastRelevantFirst}


def _removed(removal: Any, case: Case, module: Any, inputs: Any, targets: Any, share: float) -> Any:
    """Probabilities (n_rows,) with a share of pixels imputed: it keeps those below a percentile."""
    from pytorch_grad_cam.metrics.perturbation_confidence import PerturbationConfidenceMetric
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    metric = PerturbationConfidenceMetric(removal(100.0 * (1.0 - share), NoisyLinearImputer(noise=0.0)))
    return metric(inputs, case.maps, targets, module, return_diff=False)


def _road_at(case: Case, module: Any, inputs: Any) -> dict[str, Any]:
    """Our scores (n_rows,) with as many pixels as a percentile takes."""
    n = case.maps[0].size
    counts = [
        int((case.maps[0] >= np.percentile(case.maps[0], 100.0 * (1.0 - share))).sum()) for share in SHARES
    ]
    predictor = as_predictor(module, activation="softmax")
    pictures = np.moveaxis(inputs.numpy(), 1, -1)
    exp = case.explanation(predictor, case.maps.astype("float32"))
    shares = [count / n for count in counts]
    result = road(predictor, pictures, exp, noise=0.0, proportions=shares, n_random=0, verbose=0)
    return {"most relevant first": result.scores, "least relevant first": result.references["least"]}


def _beside_quantus(args: Namespace) -> None:
    """ROAD and pixel flipping, on gray pictures: Quantus counts each channel as a pixel of its own."""
    try:
        import quantus
    except ImportError as error:
        print(f"\nQuantus is left out: {error}")
        return
    rng = np.random.default_rng(1)
    n_rows, side = 12, 16
    pictures, maps = rng.random((n_rows, side, side, 1)), rng.normal(size=(n_rows, side, side))
    inputs = np.moveaxis(pictures, -1, 1).astype("float32")
    module = _spread(_gray, torch.as_tensor(inputs).double(), torch.float32)
    predictor, exp = as_predictor(module, activation="softmax"), explanation_of(maps)
    with torch.no_grad():
        classes = module(torch.as_tensor(inputs)).argmax(dim=1).numpy()
    given = {
        "model": module,
        "x_batch": inputs,
        "y_batch": classes,
        "a_batch": maps[:, None],
        "softmax": True,
    }
    plain = {"disable_warnings": True, "normalise": False, "abs": False}
    flips = quantus.PixelFlipping(features_in_step=side, perturb_baseline=0.0, **plain)
    theirs = np.array(flips(**given))
    pictures = pictures.astype("float32")
    ours = deletion(predictor, pictures, exp, **_ALONE).curve.values
    rows = [["pixel flipping, its curve", f"{np.abs(ours[:, 1:] - theirs).max():.0e}", "probabilities"]]
    percents = [10, 30, 50, 70, 90]
    removal = quantus.ROAD(percentages=percents, noise=0.0, **plain)
    accuracy = np.array(list(removal(**given).values()))
    shares = [int(side * side * percent / 100) / side**2 for percent in percents]
    curve = road(predictor, pictures, exp, noise=0.0, proportions=shares, **_ALONE).curve.values
    rows.append(
        ["ROAD, its accuracy", f"{np.abs((curve > 0.5).mean(axis=0) - accuracy).max():.0e}", "of 12 rows"]
    )
    print_table(
        f"Largest difference to Quantus {quantus.__version__}, single precision", ["", "", "of"], rows
    )
    print(
        "\nIts pixel flipping has no point before the first step, and its area, which needs NumPy below 2.4, "
        "is not divided by the number of steps. Its ROAD gives the share of rows still classified alike, and "
        "fails for pictures in color; pixel flipping ranks channels one by one there. It has no insertion, "
        "average drop, gain or increase."
    )


_REMOVALS = _removals()
