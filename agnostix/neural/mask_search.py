"""Gradient search for a mask of an image, through a torch module.

The mask is hard in the forward pass, where a smoothed grid is above its edge; gradients pass as through a
steep sigmoid (straight-through). Adam moves the grid.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from agnostix.core.models.torch_tensors import CHANNELS_LAST
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.neural.objectives import MaskSearch

_POWER = 3.0
_START, _EDGE = 0.6, 0.5
"""What the grid holds at first, all of it inside, and where a mask that has a price ends."""
_LEAST, _BEND = 1e-6, 0.01
_STEEP = 10.0
"""Of the slope by which gradients pass the edge of a mask."""
_SHRINKING = 0.7
"""Share of the steps in which a mask of a given area shrinks to it from the whole picture."""
_SETTLED = 0.8
"""Share of the steps after which nothing is added at random, and the best mask is kept."""


@dataclass(frozen=True)
class MaskResult:
    """A learned mask and the scores it leads to.

    Attributes
    ----------
    mask : ndarray of shape (height, width)
        Between 0 and 1.
    shown : float
        Score of the image where only the mask is visible.
    hidden : float
        Score of the image where the mask is replaced by the fill.
    n_rows : int
        Images that the model was evaluated on.
    """

    mask: Floats
    shown: float
    hidden: float
    n_rows: int


def learn_mask(session: Any, x: Any, fill: Any, output: int, search: MaskSearch, seed: int) -> MaskResult:
    """Learn a mask of an image (height, width[, n_channels]) for one output, through a session."""
    own, other = (session.tensor(image[None]).float() for image in (x, np.broadcast_to(fill, x.shape)))
    if own.shape[-2:] != x.shape[:2]:
        raise DataError(CHANNELS_LAST)
    return _search(lambda batch: session.predict(batch)[:, output], own, other, search, seed)


def _search(score: Callable[[Any], Any], own: Any, other: Any, search: MaskSearch, seed: int) -> MaskResult:
    """The learned mask; all 0, with a warning, if the image and the fill have the same score."""
    with torch.no_grad():
        whole, empty = score(torch.cat([own, other])).tolist()
    fall = abs(whole - empty)
    if fall <= _LEAST * abs(whole):
        _warn_of_nothing_to_hide(whole)
        return MaskResult(np.zeros(own.shape[-2:]), empty, whole, 2)
    mask = _best(
        lambda batch: (score(batch) - empty) / fall, own, other, search, np.random.default_rng([seed, 4])
    )
    with torch.no_grad():
        both = torch.cat([torch.lerp(other, own, mask), torch.lerp(own, other, mask)])
        shown, hidden = score(both).tolist()
    return MaskResult(mask[0, 0].cpu().numpy().astype(float), shown, hidden, search.n_model_rows)


def _best(
    score: Callable[[Any], Any], own: Any, other: Any, search: MaskSearch, random: np.random.Generator
) -> Any:
    """The mask of least loss among those of the last steps."""
    cells = torch.full((1, 1, search.n_cells, search.n_cells), _START, device=own.device, requires_grad=True)
    optimiser = torch.optim.Adam([cells], lr=search.learning_rate)
    bell = _bell(search.n_cells, search.mask_sigma, own.device)
    least, best = np.inf, None
    for step in range(search.n_steps):
        progress = (step + 1) / search.n_steps
        noise = _noise(search, progress, random, own.device)
        mask, slope = _mask(bell @ (cells + noise) @ bell.T, own, search, progress)
        scores = _scores(score, own, other, mask, search, _shift(search, own, random))
        loss = _loss(*scores, mask, bell @ cells @ bell.T, search)
        cells.grad = _gradient(loss, cells, slope, search)
        if progress >= _SETTLED and (best is None or loss.item() < least):
            least, best = loss.item(), mask.detach()
        optimiser.step()
        cells.data.clamp_(0.0, 1.0)
    return best


def _gradient(loss: Any, cells: Any, slope: Any, search: MaskSearch) -> Any:
    """Of the loss; with an area that is given, less what moves the edge, so that places compete at it."""
    if not search.is_extremal:
        return torch.autograd.grad(loss, [cells])[0]
    (of_loss,) = torch.autograd.grad(loss, [cells], retain_graph=True)
    (of_area,) = torch.autograd.grad(slope.sum(), [cells])
    return of_loss - of_area * (of_loss.sum() / of_area.sum().clamp(min=_LEAST))


def _noise(search: MaskSearch, progress: float, random: np.random.Generator, device: Any) -> Any:
    """What is added to the grid, less and less, so that masks far from the best one are tried."""
    drawn = random.standard_normal((1, 1, search.n_cells, search.n_cells))
    spread = search.noise * max(0.0, 1.0 - progress / _SETTLED)
    return torch.as_tensor(spread * drawn, dtype=torch.float32, device=device)


def _shift(search: MaskSearch, own: Any, random: np.random.Generator) -> tuple[int, ...]:
    """Pixels by which the picture is moved."""
    most = [round(search.jitter * length / search.n_cells) for length in own.shape[-2:]]
    return tuple(int(random.integers(-one, one + 1)) for one in most)


def _warn_of_nothing_to_hide(score: float) -> None:
    warnings.warn(
        f"The score is {score:.4g} for both the picture and the fill, so no mask changes it, and the mask is "
        "left empty. Use another fill, or other outputs.",
        UserWarning,
        stacklevel=2,
    )


def _mask(grid: Any, own: Any, search: MaskSearch, progress: float) -> tuple[Any, Any]:
    """1 inside and 0 outside, of the picture's size; and the slope by which gradients pass its edge."""
    field = functional.interpolate(grid, size=own.shape[-2:], mode="bilinear", align_corners=False)
    inside, edge = (
        _highest(field.detach(), search, progress) if search.is_extremal else (field > _EDGE, _EDGE)
    )
    slope = torch.sigmoid(_STEEP * (field - edge))
    return _softened(inside.float(), search.n_cells) + (slope - slope.detach()), slope


def _highest(field: Any, search: MaskSearch, progress: float) -> tuple[Any, Any]:
    """The highest places, a share of all that shrinks, and where they end."""
    share = search.area ** min(1.0, progress / _SHRINKING)
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


def _scores(
    score: Any, own: Any, other: Any, mask: Any, search: MaskSearch, shift: tuple[int, ...]
) -> tuple[Any, Any]:
    """Of the picture where only the mask is shown, and of that where it is hidden, as far as needed."""
    mixed = []
    if search.preserves:
        mixed.append(torch.lerp(other, own, mask))
    if search.deletes:
        mixed.append(torch.lerp(own, other, mask))
    found = score(torch.roll(torch.cat(mixed), shift, dims=(2, 3)))
    return (found[0] if search.preserves else None), (found[-1] if search.deletes else None)


def _loss(shown: Any, hidden: Any, mask: Any, grid: Any, search: MaskSearch) -> Any:
    price = search.smoothness * _variation(grid)
    if search.is_extremal:
        return (_logarithm(hidden) if search.deletes else -_logarithm(shown)) + price
    price = price + search.area_penalty * mask.mean()
    if search.objective == "delete":
        return hidden + price
    if search.objective == "preserve":
        return -shown + price
    return hidden - _logarithm(shown) + price


def _logarithm(share: Any) -> Any:
    """Which has a slope where a probability is nearly 0; a line below a hundredth, and for shares below 0."""
    bent = torch.log(torch.clamp(share, min=_BEND))
    return bent + torch.clamp(share / _BEND - 1.0, max=0.0)


def _variation(grid: Any) -> Any:
    down, right = grid.diff(dim=2).abs() ** _POWER, grid.diff(dim=3).abs() ** _POWER
    return down.mean() + right.mean()


def _bell(n_cells: int, sigma: float, device: Any) -> Any:
    """Gaussian weights of cells in each cell, along an axis, of sum 1."""
    places = torch.arange(n_cells, device=device, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((places[:, None] - places) / max(sigma, _LEAST)) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)
