"""Copies of a torch network some of whose layers are reset to random parameters. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from agnostix.core.frames import is_frame, take_rows
from agnostix.core.models import Predictor
from agnostix.exceptions import DataError

LayerGroup = tuple[str, ...]
"""Names of layers that are reset together."""


def find_layers(predictor: Predictor, X: Any, by: str) -> tuple[LayerGroup, ...]:
    """Layers with parameters in the order of their use for a row, the first used first.

    Layers that are used without being called, as by torch's attention, go with the one around them.
    """
    twin, _ = copy_network(predictor, by)
    module = twin.function.module  # type: ignore[attr-defined]
    called: list[str] = []
    hooks = [
        part.register_forward_pre_hook(lambda _part, _inputs, name=name: called.append(name))
        for name, part in module.named_modules()
    ]
    try:
        twin.predict(take_rows(X if is_frame(X) else np.asarray(X), np.arange(1)))
    finally:
        for hook in hooks:
            hook.remove()
    order = list(dict.fromkeys(called))
    groups: dict[str, list[str]] = {name: [] for name in order}
    for name, part in module.named_modules():
        if _has_parameters(part):
            groups[_nearest(name, groups)].append(name)
    found = tuple(tuple(own) for own in groups.values() if own)
    if not found:
        raise DataError(
            f"{by} needs layers with parameters, and the network {predictor.name} has none that are called. "
            "Use random_logit, which resets nothing."
        )
    return found


def copy_network(predictor: Predictor, by: str) -> tuple[Predictor, dict[int, Any]]:
    """A deep copy of a network as a Predictor with the same settings, and what was copied to what."""
    model: Any = predictor.function
    module = getattr(model.module, "_orig_mod", model.module)
    if isinstance(module, torch.jit.ScriptModule):
        raise DataError(
            f"{by} resets layers, and the network {predictor.name} is scripted, so that they cannot be told "
            "apart. Pass the module from which it was made."
        )
    memo: dict[int, Any] = {}
    try:
        twin = deepcopy(module, memo)
    except Exception as error:
        raise DataError(
            f"{by} resets a copy of the network {predictor.name}, which cannot be copied: {error}. "
            "Give the module a __deepcopy__."
        ) from error
    memo[id(model.module)] = twin
    settings = {
        "activation": predictor.params.get("activation", "none"),  # as it was found of the own network
        "output": deepcopy(model.output, memo),
        "compiled": False,
    }
    return replace(predictor, function=replace(model, module=twin, **settings)), memo


def reset_copy(
    predictor: Predictor, groups: Sequence[LayerGroup], seeds: Sequence[int], by: str
) -> tuple[Predictor, dict[int, Any]]:
    """A copy of a network some of whose layers are reset, each group by a seed of its own."""
    twin, memo = copy_network(predictor, by)
    module: Any = twin.function.module  # type: ignore[attr-defined]
    devices = {one.device for one in module.parameters() if one.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad():
        for names, seed in zip(groups, seeds, strict=True):
            torch.manual_seed(seed)
            for name in names:
                reset_layer(module.get_submodule(name))
    return twin, memo


def reset_layer(layer: Any) -> None:
    """Reset a layer's own parameters by its `reset_parameters`; those that it leaves keep their spread."""
    own = dict(layer.named_parameters(recurse=False))
    before = {name: one.detach().clone() for name, one in own.items()}
    reset = getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)
    if reset is not None:
        reset()
    for name, one in own.items():
        if torch.equal(one, before[name]):
            _draw_like(one)


def _draw_like(parameter: Any) -> None:
    """Draw a parameter from a normal distribution of its own mean and spread; a single number about 0."""
    values = parameter.detach().float()
    center, spread = (values.mean(), values.std()) if values.numel() > 1 else (0.0, values.abs().sum())
    if float(spread) > 0:
        parameter.normal_(float(center), float(spread))


def _has_parameters(layer: Any) -> bool:
    """Whether a layer has parameters of its own, or statistics that it can reset."""
    has_own = any(True for _ in layer.parameters(recurse=False))
    has_statistics = any(True for _ in layer.buffers(recurse=False))
    return has_own or (has_statistics and hasattr(layer, "reset_parameters"))


def _nearest(name: str, groups: dict[str, list[str]]) -> str:
    """The layer itself where it is called, else the nearest one around it that is; else the first."""
    while name not in groups and name:
        name = name.rpartition(".")[0]
    return name if name in groups else next(iter(groups), "")
