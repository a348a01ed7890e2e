"""Parameters of torch modules that `as_predictor` takes, checked."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch

from agnostix.exceptions import DataError

ACTIVATIONS = ("auto", "softmax", "sigmoid", "none")
LAYOUTS = ("HWC", "CHW")
RANGES = ("auto", "0-1", "0-255")
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_WORDS: dict[str, Sequence[Any]] = {
    "activation": ACTIVATIONS,
    "layout": LAYOUTS,
    "value_range": RANGES,
    "precision": tuple(PRECISIONS),
    "compiled": (True, False),
}


def check_params(model: Any) -> None:
    """Check the parameters of a TorchModel one by one."""
    for name, words in _WORDS.items():
        given = getattr(model, name)
        if not any(type(word) is type(given) and word == given for word in words):
            raise _refused(name, f"one of {', '.join(map(repr, words))}", given)
    size = model.batch_size
    if size is not None and (not isinstance(size, Integral) or isinstance(size, bool) or size < 1):
        raise _refused("batch_size", "a whole number of at least 1, or None", size)
    is_place = isinstance(model.output, str | int | None) and not isinstance(model.output, bool)
    if not is_place and (isinstance(model.output, type) or not callable(model.output)):
        allowed = "a place in a tuple, a key of a dict, a function, or None for a torch module"
        raise _refused("output", allowed, model.output)
    if model.device != "auto":
        _check_device(model.device)


def normalization(mean: Any, std: Any) -> tuple[Any, Any]:
    """Mean and std as tuples of floats, or None for both."""
    if (mean is None) != (std is None):
        raise DataError("as_predictor needs both mean and std of a network's normalization, or neither.")
    if mean is None:
        return None, None
    means, stds = _numbers("mean", mean), _numbers("std", std)
    if len(means) != len(stds):
        raise DataError(
            "mean and std of as_predictor must have one number for each channel, got "
            f"{len(means)} and {len(stds)}."
        )
    if max(map(abs, means)) > 1:
        raise DataError(
            "The 'mean' parameter of as_predictor is that of pictures from 0 to 1, got "
            f"{mean!r}. Divide mean and std of pictures from 0 to 255 by 255."
        )
    if min(stds) <= 0:
        raise _refused("std", "numbers above 0, one for each channel", std)
    return means, stds


def _numbers(name: str, given: Any) -> tuple[float, ...]:
    try:
        numbers = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.ndim > 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise _refused(name, "finite numbers, one for each channel", given)
    return tuple(float(one) for one in numbers.ravel())


def _check_device(given: Any) -> None:
    try:
        device = torch.device(given)
    except (RuntimeError, TypeError):
        raise _refused(
            "device", "'auto', 'cpu', 'cuda', 'cuda:1' or another device of torch", given
        ) from None
    way_out = "Use device='auto' or 'cpu'."
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        raise DataError(
            f"The 'device' parameter of as_predictor is {given!r}, and torch finds "
            f"{'only ' + ', '.join(devices) if devices else 'no CUDA'} here. {way_out}"
        )
    try:
        torch.empty(1, device=device).cpu()
    except (RuntimeError, AssertionError):
        raise DataError(
            f"The 'device' parameter of as_predictor is {given!r}, which torch cannot use here. {way_out}"
        ) from None


def _refused(name: str, allowed: str, given: Any) -> DataError:
    return DataError(f"The {name!r} parameter of as_predictor must be {allowed}, got {given!r}.")
