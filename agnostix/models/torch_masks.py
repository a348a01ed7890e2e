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
_START, _EDGE = 0.6, 0.5
"""What the grid holds at first, all of it inside, and where a mask that has a price ends."""
_LEAST = 1e-6
_STEEP = 10.0
"""Of the slope by which gradients pass the edge of a mask."""
_SHRINKING = 0.7
"""Share of the steps in which a mask of a given area shrinks to it from the whole picture."""


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
        loss = _loss(*_scores(score, own, other, mask, how, shift), mask, grid, how)
        (slopes,) = torch.autograd.grad(loss, [cells])
        cells.grad = slopes - slopes.mean() if how.objective == "area" else slopes
        optimiser.step()
        cells.data.clamp_(0.0, 1.0)
    with torch.no_grad():
        mask = _mask(bell @ cells @ bell.T, own, how, 1.0)
        both = torch.cat([torch.lerp(other, own, mask), torch.lerp(own, other, mask)])
        shown, hidden = score(both).tolist()
    return MaskFound(mask[0, 0].cpu().numpy().astype(float), shown, hidden)


def _mask(grid: Any, own: Any, how: Any, progress: float) -> Any:
    """1 inside and 0 outside, of the picture's size; gradients pass as if its edge were a slope."""
    field = functional.interpolate(grid, size=own.shape[-2:], mode="bilinear", align_corners=False)
    inside, edge = (
        _highest(field.detach(), how, progress) if how.objective == "area" else (field > _EDGE, _EDGE)
    )
    slope = torch.sigmoid(_STEEP * (field - edge))
    return _softened(inside.float(), how.n_cells) + slope - slope.detach()


def _highest(field: Any, how: Any, progress: float) -> tuple[Any, Any]:
    """The highest places, a share of all that shrinks, and where they end."""
    share = how.size ** min(1.0, progress / _SHRINKING)
    ordered = torch.sort(field.flatten(), stable=True)
    n_outside = round(field.numel() * (1.0 - share))
    inside = torch.ones_like(ordered.values)
    inside[ordered.indices[:n_outside]] = 0.0
    return inside.reshape(field.shape), ordered.values[min(n_outside, field.numel() - 1)]


def _softened(mask: Any, n_cells: int) -> Any:
    """Edges about as wide as a cell: networks see hard ones, which are in no picture."""
    reach = [max(0, round(length / n_cells) // 2) for length in mask.shape[-2:]]
    padded = functional.pad(mask, (reach[1], reach[1], reach[0], reach[0]), mode="replicate")
    return functional.avg_pool2d(padded, [2 * one + 1 for one in reach], stride=1)


def _scores(score: Any, own: Any, other: Any, mask: Any, how: Any, shift: tuple[int, ...]) -> tuple[Any, Any]:
    """Of the picture where only the mask is shown, and of that where it is hidden, as far as needed."""
    mixed = []
    if how.shows:
        mixed.append(torch.lerp(other, own, mask))
    if how.hides:
        mixed.append(torch.lerp(own, other, mask))
    found = score(torch.roll(torch.cat(mixed), shift, dims=(2, 3)))
    return (found[0] if how.shows else None), (found[-1] if how.hides else None)


def _loss(shown: Any, hidden: Any, mask: Any, grid: Any, how: Any) -> Any:
    price = how.smoothness * _variation(grid)
    if how.objective == "area":
        return (hidden if how.destroy else -shown) + price
    price = price + how.area * mask.mean()
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
