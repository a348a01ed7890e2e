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
_START = 0.5
_LEAST = 1e-6
_SOFT, _SHARP = 2.0, 40.0
"""How steep the edges of a mask of a given area are, at the first and at the last step."""


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
    """

    mask: Floats
    shown: float
    hidden: float


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
    cells = torch.full((1, 1, how.n_cells, how.n_cells), _START, device=own.device, requires_grad=True)
    optimiser = torch.optim.Adam([cells], lr=how.learning_rate)
    random = np.random.default_rng([seed, 4])
    bell = _bell(how.n_cells, how.sigma, own.device)
    for step in range(how.n_steps):
        grid = bell @ cells @ bell.T
        mask = _mask(grid, own, how, step / how.n_steps)
        shift = tuple(int(one) for one in random.integers(-how.jitter, how.jitter + 1, 2))
        loss = _loss(*_scores(score, own, other, mask, how, shift), grid, how)
        (cells.grad,) = torch.autograd.grad(loss, [cells])
        optimiser.step()
        with torch.no_grad():
            cells.clamp_(0.0, 1.0)
    with torch.no_grad():
        mask = _mask(bell @ cells @ bell.T, own, how, None)
        both = torch.cat([torch.lerp(other, own, mask), torch.lerp(own, other, mask)])
        shown, hidden = score(both).tolist()
    return MaskFound(mask[0, 0].cpu().numpy().astype(float), shown, hidden)


def _mask(grid: Any, own: Any, how: Any, progress: float | None) -> Any:
    """Of the picture's size; of a given area at the end, where progress is None."""
    size = own.shape[-2:]
    mask = functional.interpolate(grid, size=size, mode="bilinear", align_corners=False)
    if how.objective != "area":
        return mask
    n_outside = round(mask.numel() * (1.0 - how.size))
    ordered = torch.sort(mask.flatten(), stable=True)
    if progress is None:
        chosen = torch.ones_like(ordered.values)
        chosen[ordered.indices[:n_outside]] = 0.0
        return chosen.reshape(mask.shape)
    steepness = _SOFT * (_SHARP / _SOFT) ** progress
    return torch.sigmoid(steepness * (mask - ordered.values[n_outside]))


def _scores(score: Any, own: Any, other: Any, mask: Any, how: Any, shift: tuple[int, ...]) -> tuple[Any, Any]:
    """Of the picture where only the mask is shown, and of that where it is hidden, as far as needed."""
    mixed = []
    if how.shows:
        mixed.append(torch.lerp(other, own, mask))
    if how.hides:
        mixed.append(torch.lerp(own, other, mask))
    found = score(torch.roll(torch.cat(mixed), shift, dims=(2, 3)))
    return (found[0] if how.shows else None), (found[-1] if how.hides else None)


def _loss(shown: Any, hidden: Any, grid: Any, how: Any) -> Any:
    price = how.smoothness * _variation(grid)
    if how.objective == "area":
        return (hidden if how.destroy else -shown) + price
    price = price + how.area * grid.mean()
    if how.objective == "delete":
        return hidden + price
    if how.objective == "preserve":
        return -shown + price
    return hidden - torch.log(torch.clamp(shown, min=_LEAST)) + price


def _variation(grid: Any) -> Any:
    down, right = grid.diff(dim=2).abs() ** _POWER, grid.diff(dim=3).abs() ** _POWER
    return down.mean() + right.mean()


def _bell(n_cells: int, sigma: float, device: Any) -> Any:
    """Gaussian weights of cells in each cell, along an axis, of sum 1."""
    places = torch.arange(n_cells, device=device, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((places[:, None] - places) / max(sigma, _LEAST)) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)
