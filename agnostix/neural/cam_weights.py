"""Class activation maps from feature maps A and the gradients g of a score at them. Imports torch.

Feature maps and gradients have shape (n, n_channels, ...), a map (n, ...) has their places; Z is their number.

    CAM           sum_k (sum g) A_k, of a head that is linear in pooled maps: sum g are its weights
    Grad-CAM      sum_k (sum g / Z) A_k
    Grad-CAM++    sum_k sum(a max(g, 0)) A_k  with  a = g^2 / (2 g^2 + g^3 sum A_k)
    XGrad-CAM     sum_k (sum g A_k / sum A_k) A_k
    HiResCAM      sum_k g A_k
    LayerCAM      sum_k max(g, 0) A_k
    Ablation-CAM  sum_k ((y - y_k) / |y|) A_k, y_k the score without channel k
    Score-CAM     sum_k w_k A_k, w = softmax of the predictions for the image under each map

0 / 0 is 0, so that dead channels have no part in a map.
"""

from __future__ import annotations

from typing import Any

import torch


def cam(maps: Any, gradients: Any) -> Any:
    """Zhou et al. (2016)."""
    return combine(_sum(gradients), maps)


def grad_cam(maps: Any, gradients: Any) -> Any:
    """Selvaraju et al. (2017)."""
    return combine(gradients.flatten(2).mean(dim=2), maps)


def grad_cam_pp(maps: Any, gradients: Any) -> Any:
    """Chattopadhay et al. (2018), with the score in an exponential, whose factor is left out."""
    squares, totals = gradients**2, _sum(maps).reshape(*maps.shape[:2], *[1] * (maps.ndim - 2))
    alpha = _divide(squares, 2.0 * squares + squares * gradients * totals)
    return combine(_sum(alpha * gradients.clamp(min=0.0)), maps)


def axiom_cam(maps: Any, gradients: Any) -> Any:
    """Fu et al. (2020)."""
    return combine(_divide(_sum(gradients * maps), _sum(maps)), maps)


def hires_cam(maps: Any, gradients: Any) -> Any:
    """Draelos and Carin (2020)."""
    return (gradients * maps).sum(dim=1)


def layer_cam(maps: Any, gradients: Any) -> Any:
    """Jiang et al. (2021)."""
    return (gradients.clamp(min=0.0) * maps).sum(dim=1)


GRADIENT_CAMS = {
    "cam": cam,
    "grad_cam": grad_cam,
    "grad_cam_pp": grad_cam_pp,
    "axiom_cam": axiom_cam,
    "hires_cam": hires_cam,
    "layer_cam": layer_cam,
}
"""By the name of the method."""


def ablation_weights(drops: Any, scores: Any) -> Any:
    """Weights (n, n_channels) from the drops y - y_k of the scores (n,) without a channel each."""
    # |y|: a channel whose loss lowers a negative score still counts for it. An absolute drop where y is 0.
    sizes = scores.abs()[:, None]
    return drops / torch.where(sizes > 0, sizes, torch.ones_like(sizes))


def combine(weights: Any, maps: Any) -> Any:
    """sum_k w_k A_k of weights (n, n_channels)."""
    return torch.einsum("nk,nk...->n...", weights, maps)


def is_pooled(gradients: Any) -> bool:
    """Whether gradients are the same at all places of a map, up to rounding."""
    flat = gradients.flatten(2)
    apart = (flat - flat.mean(dim=2, keepdim=True)).abs().max()
    return bool(apart <= 8 * torch.finfo(flat.dtype).eps ** 0.75 * flat.abs().max())


def resize(maps: Any, shape: tuple[int, ...]) -> Any:
    """Maps (n, m, ...) of another shape, by bilinear (linear) interpolation."""
    if tuple(maps.shape[2:]) == shape:
        return maps
    mode = "bilinear" if len(shape) == 2 else "linear"
    return torch.nn.functional.interpolate(maps, size=shape, mode=mode, align_corners=False)


def min_max(maps: Any) -> Any:
    """Maps (n, m, ...) from 0 to 1, each by itself; 0 where a map is constant."""
    flat = maps.flatten(2)
    low, high = flat.amin(dim=2, keepdim=True), flat.amax(dim=2, keepdim=True)
    return _divide(flat - low, high - low).reshape(maps.shape)


def _sum(maps: Any) -> Any:
    return maps.flatten(2).sum(dim=2)


def _divide(numerator: Any, denominator: Any) -> Any:
    """The quotient, 0 where the denominator is."""
    is_zero = denominator == 0
    quotient = numerator / torch.where(is_zero, torch.ones_like(denominator), denominator)
    return torch.where(is_zero, torch.zeros_like(quotient), quotient)
