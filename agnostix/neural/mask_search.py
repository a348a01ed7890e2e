"""The solver of extremal masks: Adam on a coarse grid of cells, through a torch module.

The grid is smoothed by a Gaussian kernel (`_smoothing_kernel`) and enlarged bilinearly. In the forward pass
the mask is hard: 1 where the field is above a threshold, or among the highest values where the area is fixed.
Gradients pass as through a steep sigmoid (straight-through estimator). `MaskSearch.loss` is minimized.
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

_START, _THRESHOLD = 0.6, 0.5
"""Cells at first, all of them inside, and the level above which a mask with an area penalty is 1."""
_EPS = 1e-6
_STEEPNESS = 10.0
"""Of the sigmoid through which gradients pass the edge of a mask."""
_SHRINKING = 0.7
"""Share of the steps in which a mask of fixed area shrinks to it from the whole image."""
_SETTLED = 0.8
"""Share of the steps after which no noise is added, and the mask of least loss is kept."""


@dataclass(frozen=True)
class MaskResult:
    """A learned mask and its scores."""

    mask: Floats  # (height, width), between 0 and 1
    shown: float  # score of the image where only the mask is visible
    hidden: float  # score of the image where the mask is replaced by the fill
    n_rows: int  # images that the model was evaluated on

    @property
    def is_finite(self) -> bool:
        """Whether mask and scores are numbers, which NaN scores or gradients on the way do not leave."""
        return bool(np.isfinite([self.shown, self.hidden, self.mask.sum()]).all())


def learn_mask(session: Any, x: Any, fill: Any, output: int, search: MaskSearch, seed: int) -> MaskResult:
    """Learn a mask of an image (height, width[, n_channels]) for one output, through a session."""
    image, filled = (session.tensor(one[None]) for one in (x, np.broadcast_to(fill, x.shape)))
    if image.shape[-2:] != x.shape[:2]:
        raise DataError(CHANNELS_LAST)
    return _search(lambda batch: session.predict(batch)[:, output], image, filled, search, seed)


def _search(score: Callable[[Any], Any], image: Any, fill: Any, search: MaskSearch, seed: int) -> MaskResult:
    """The learned mask; all 0, with a warning, if the image and the fill have the same score."""
    with torch.no_grad():
        output, base = score(torch.cat([image, fill])).tolist()
    span = abs(output - base)
    if span <= _EPS * abs(output):
        warnings.warn(
            f"The score is {output:.4g} for both the image and the fill, so no mask changes it, and the mask "
            "is left empty. Use another fill, or other outputs.",
            UserWarning,
            stacklevel=2,
        )
        return MaskResult(np.zeros(image.shape[-2:]), base, output, 2)
    random = np.random.default_rng([seed, 4])
    mask = _minimize(lambda batch: (score(batch) - base) / span, image, fill, search, random)
    with torch.no_grad():
        both = torch.cat([torch.lerp(fill, image, mask), torch.lerp(image, fill, mask)])
        shown, hidden = score(both).tolist()
    return MaskResult(mask[0, 0].cpu().numpy().astype(float), shown, hidden, search.n_model_rows)


def _minimize(
    score: Callable[[Any], Any], image: Any, fill: Any, search: MaskSearch, random: np.random.Generator
) -> Any:
    """The mask (1, 1, height, width) of least loss among those of the last steps."""
    cells = torch.full(
        (1, 1, search.n_cells, search.n_cells),
        _START,
        dtype=image.dtype,
        device=image.device,
        requires_grad=True,
    )
    optimizer = torch.optim.Adam([cells], lr=search.learning_rate)
    kernel = _smoothing_kernel(search.n_cells, search.mask_sigma, image)
    least, best = np.inf, None
    for step in range(search.n_steps):
        progress = (step + 1) / search.n_steps
        noise = _noise(search, progress, random, image)
        mask, slope = _mask(kernel @ (cells + noise) @ kernel.T, image, search, progress)
        scores = _scores(score, image, fill, mask, search, _shift(search, image, random))
        loss = search.loss(*scores, mask, kernel @ cells @ kernel.T)
        cells.grad = _gradient(loss, cells, slope, search)
        if progress >= _SETTLED and (best is None or loss.item() < least):
            least, best = loss.item(), mask.detach()
        optimizer.step()
        cells.data.clamp_(0.0, 1.0)
    return best


def _gradient(loss: Any, cells: Any, slope: Any, search: MaskSearch) -> Any:
    """Gradient of the loss by the cells; for a fixed area, the part that keeps the area."""
    # The common part of the gradient only moves the threshold, which a fixed area sets by itself.
    if not search.is_extremal:
        return torch.autograd.grad(loss, [cells])[0]
    (of_loss,) = torch.autograd.grad(loss, [cells], retain_graph=True)
    (of_area,) = torch.autograd.grad(slope.sum(), [cells])
    return of_loss - of_area * (of_loss.sum() / of_area.sum().clamp(min=_EPS))


def _noise(search: MaskSearch, progress: float, random: np.random.Generator, image: Any) -> Any:
    """Noise on the cells, less from step to step, so that masks far from the best one are tried."""
    sampled = random.standard_normal((1, 1, search.n_cells, search.n_cells))
    spread = search.noise * max(0.0, 1.0 - progress / _SETTLED)
    return torch.as_tensor(spread * sampled, dtype=image.dtype, device=image.device)


def _shift(search: MaskSearch, image: Any, random: np.random.Generator) -> tuple[int, ...]:
    """Pixels by which the image is shifted in a step."""
    most = [round(search.jitter * length / search.n_cells) for length in image.shape[-2:]]
    return tuple(int(random.integers(-one, one + 1)) for one in most)


def _mask(grid: Any, image: Any, search: MaskSearch, progress: float) -> tuple[Any, Any]:
    """Mask of the image's size, and the sigmoid through which gradients pass its edge."""
    field = functional.interpolate(grid, size=image.shape[-2:], mode="bilinear", align_corners=False)
    inside, threshold = (
        _highest(field.detach(), search, progress) if search.is_extremal else (field > _THRESHOLD, _THRESHOLD)
    )
    slope = torch.sigmoid(_STEEPNESS * (field - threshold))
    return _soften(inside.to(field.dtype), search.n_cells) + (slope - slope.detach()), slope


def _highest(field: Any, search: MaskSearch, progress: float) -> tuple[Any, Any]:
    """The highest pixels of the field, from all of them down to the area over the steps; the threshold."""
    area = search.area ** min(1.0, progress / _SHRINKING)
    ordered = torch.sort(field.flatten(), stable=True)
    n_outside = round(field.numel() * (1.0 - area))
    inside = torch.ones_like(ordered.values)
    inside[ordered.indices[:n_outside]] = 0.0
    return inside.reshape(field.shape), ordered.values[min(n_outside, field.numel() - 1)]


def _soften(mask: Any, n_cells: int) -> Any:
    """The mask with edges about a cell wide: a network responds to hard ones, which images do not have."""
    reach = [max(0, round(length / n_cells) // 2) for length in mask.shape[-2:]]
    padded = functional.pad(mask, (reach[1], reach[1], reach[0], reach[0]), mode="replicate")
    return functional.avg_pool2d(padded, [2 * one + 1 for one in reach], stride=1)


def _scores(
    score: Any, image: Any, fill: Any, mask: Any, search: MaskSearch, shift: tuple[int, ...]
) -> tuple[Any, Any]:
    """Scores with only the mask visible, and with it hidden; None where the objective does not need it."""
    mixed = []
    if search.preserves:
        mixed.append(torch.lerp(fill, image, mask))
    if search.deletes:
        mixed.append(torch.lerp(image, fill, mask))
    scores = score(torch.roll(torch.cat(mixed), shift, dims=(2, 3)))
    return (scores[0] if search.preserves else None), (scores[-1] if search.deletes else None)


def _smoothing_kernel(n_cells: int, sigma: float, image: Any) -> Any:
    """Gaussian weights (n_cells, n_cells) of cells along an axis, rows summing to 1."""
    positions = torch.arange(n_cells, device=image.device, dtype=image.dtype)
    weights = torch.exp(-0.5 * ((positions[:, None] - positions) / max(sigma, _EPS)) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)
