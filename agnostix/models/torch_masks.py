"""Masks that are learned by gradients through a torch module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from agnostix.typing import Floats

_POWER = 3.0
_LEAST = 1e-6
_FIRM = 10.0
"""How firmly areas are held at the end of a search, times the score's range."""


@dataclass(frozen=True)
class MaskFound:
    """A mask, and what it does.

    Attributes
    ----------
    mask : ndarray of shape (height, width)
        From 0 to 1.
    shown : float
        The score where only the mask is shown.
    hidden : float
        The score where the mask is hidden.
    n_model_rows : int
        Pictures that the module was asked about.
    """

    mask: Floats
    shown: float
    hidden: float
    n_model_rows: int


def search(score: Callable[[Any], Any], own: Any, other: Any, how: Any, seed: int) -> MaskFound:
    """Search for a mask.

    Parameters
    ----------
    score : callable
        From a batch as the module takes it to scores of shape (n,), through which gradients flow.
    own, other : tensor of shape (1, n_channels, height, width)
        The picture, and what stands in.
    how : LearnedMask
        What is searched for.
    seed : int
        Of the jitter.

    Returns
    -------
    MaskFound
    """
    height, width = own.shape[-2:]
    cells = torch.zeros((1, 1, how.n_cells, how.n_cells), device=own.device, requires_grad=True)
    optimiser = torch.optim.Adam([cells], lr=how.learning_rate)
    random = np.random.default_rng([seed, 4])
    target = _target(height * width, how.size, own.device)
    n_scores = 0
    for step in range(how.n_steps):
        mask = _enlarged(cells, height, width)
        shift = tuple(int(one) for one in random.integers(-how.jitter, how.jitter + 1, 2))
        shown, hidden = _scores(score, own, other, mask, how, shift)
        n_scores += (shown is not None) + (hidden is not None)
        loss = _loss(shown, hidden, mask, how, target, step / how.n_steps)
        (cells.grad,) = torch.autograd.grad(loss, [cells])
        optimiser.step()
    with torch.no_grad():
        mask = _final(_enlarged(cells, height, width), how)
        both = torch.cat([torch.lerp(other, own, mask), torch.lerp(own, other, mask)])
        ends = score(both).tolist()
    return MaskFound(mask[0, 0].cpu().numpy().astype(float), ends[0], ends[1], n_scores + 2)


def _scores(score: Any, own: Any, other: Any, mask: Any, how: Any, shift: tuple[int, ...]) -> tuple[Any, Any]:
    """Of the picture where only the mask is shown, and of that where it is hidden, as far as needed."""
    wants_shown = how.objective in ("preserve", "both") or (how.objective == "area" and not how.destroy)
    wants_hidden = how.objective in ("delete", "both") or (how.objective == "area" and how.destroy)
    mixed = []
    if wants_shown:
        mixed.append(torch.lerp(other, own, mask))
    if wants_hidden:
        mixed.append(torch.lerp(own, other, mask))
    found = score(torch.roll(torch.cat(mixed), shift, dims=(2, 3)))
    return (found[0] if wants_shown else None), (found[-1] if wants_hidden else None)


def _loss(shown: Any, hidden: Any, mask: Any, how: Any, target: Any, progress: float) -> Any:
    if how.objective == "area":
        aim = hidden if how.destroy else -shown
        ordered = torch.sort(mask.flatten()).values
        return aim + _FIRM * (0.1 + progress) * ((ordered - target) ** 2).mean()
    price = how.area * mask.mean() + how.smoothness * _variation(mask)
    if how.objective == "delete":
        return hidden + price
    if how.objective == "preserve":
        return -shown + price
    return hidden - torch.log(torch.clamp(shown, min=_LEAST)) + price


def _variation(mask: Any) -> Any:
    down, right = mask.diff(dim=2).abs() ** _POWER, mask.diff(dim=3).abs() ** _POWER
    return down.mean() + right.mean()


def _enlarged(cells: Any, height: int, width: int) -> Any:
    return functional.interpolate(
        torch.sigmoid(cells), size=(height, width), mode="bilinear", align_corners=False
    )


def _target(n_pixels: int, size: float, device: Any) -> Any:
    """The mask's values in order: ones on a share of the pixels."""
    return (torch.arange(n_pixels, device=device) >= round(n_pixels * (1.0 - size))).float()


def _final(mask: Any, how: Any) -> Any:
    """For an area exactly so many pixels, the strongest."""
    if how.objective != "area":
        return mask
    flat = mask.flatten()
    chosen = torch.zeros_like(flat)
    n_chosen = flat.numel() - round(flat.numel() * (1.0 - how.size))
    chosen[torch.argsort(flat, descending=True, stable=True)[:n_chosen]] = 1.0
    return chosen.reshape(mask.shape)
