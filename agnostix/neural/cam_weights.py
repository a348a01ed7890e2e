"""Class activation maps from feature maps A and the gradients g of a score at them. Imports torch.

Feature maps have shape (n, n_channels, ...), gradients of m scores (n, m, n_channels, ...), and results the
shape (n, m, ...). Sums are over the Z places of a map, unless they say k, the channel.

    CAM           sum_k (sum g) A_k, of a head that is linear in pooled maps: sum g are its weights
    Grad-CAM      sum_k (sum g / Z) A_k
    Grad-CAM++    sum_k sum(a max(g, 0)) A_k  with  a = g^2 / (2 g^2 + g^3 sum A_k)
    XGrad-CAM     sum_k (sum g A_k / sum A_k) A_k
    HiResCAM      sum_k g A_k
    LayerCAM      sum_k max(g, 0) A_k
    Ablation-CAM  sum_k ((y - y_k) / |y|) A_k, y_k the score without channel k
    Score-CAM     sum_k w_k A_k, w = softmax of the scores of the image under each map

0 / 0 is 0, so that dead channels have no part in a map.
"""

from __future__ import annotations

from typing import Any

import torch

from agnostix.neural.channel_masks import linear_weights


def cam(maps: Any, gradients: Any) -> Any:
    """Zhou et al. (2016)."""
    return combine(_sum(gradients), maps)


def grad_cam(maps: Any, gradients: Any) -> Any:
    """Selvaraju et al. (2017)."""
    return combine(gradients.flatten(3).mean(dim=3), maps)


def grad_cam_pp(maps: Any, gradients: Any) -> Any:
    """Chattopadhay et al. (2018), with the score in an exponential, whose factor is left out."""
    # a g = g / (2 + g sum A) where g > 0, which needs no powers: those of small gradients would be 0.
    rising = gradients.clamp(min=0.0)
    totals = _sum(maps[:, None])
    totals = totals.reshape(*totals.shape, *[1] * (maps.ndim - 2))
    return combine(_sum(_divide(rising, 2.0 + rising * totals)), maps)


def axiom_cam(maps: Any, gradients: Any) -> Any:
    """Fu et al. (2020)."""
    return combine(_divide(_sum(gradients * maps[:, None]), _sum(maps[:, None])), maps)


def hires_cam(maps: Any, gradients: Any) -> Any:
    """Draelos and Carin (2020)."""
    return (gradients * maps[:, None]).sum(dim=2)


def layer_cam(maps: Any, gradients: Any) -> Any:
    """Jiang et al. (2021)."""
    return (gradients.clamp(min=0.0) * maps[:, None]).sum(dim=2)


CAMS = {
    "cam": cam,
    "grad_cam": grad_cam,
    "grad_cam_pp": grad_cam_pp,
    "axiom_cam": axiom_cam,
    "hires_cam": hires_cam,
    "layer_cam": layer_cam,
}
"""From maps and gradients, by the name of the method."""


def ablation_cam(maps: Any, drops: Any, scores: Any) -> Any:
    """Desai and Ramaswamy (2020), from drops y - y_k (n, m, n_channels) and the scores y (n, m)."""
    # |y|: what raises a negative score counts for it too. The absolute drop where y is 0.
    sizes = scores.abs()[:, :, None]
    return combine(drops / torch.where(sizes > 0, sizes, torch.ones_like(sizes)), maps)


def affine_drops(maps: Any, gradients: Any) -> Any:
    """Drops (n, m, n_channels) of scores that are affine in the maps, when a channel is 0."""
    return _sum(gradients * maps[:, None])


def combine(weights: Any, maps: Any) -> Any:
    """sum_k w_k A_k of weights (n, m, n_channels)."""
    return torch.einsum("nmk,nk...->nm...", weights, maps)


def is_pooled(gradients: Any) -> bool:
    """Whether gradients are the same at all places of a map, up to rounding."""
    flat = gradients.flatten(3)
    apart = (flat - flat.mean(dim=3, keepdim=True)).abs().max()
    return bool(apart <= 8 * torch.finfo(flat.dtype).eps ** 0.75 * flat.abs().max())


def resize(maps: Any, shape: tuple[int, ...]) -> Any:
    """Maps (m, ...) of another shape, by linear interpolation along each axis."""
    # As matrix products, which take a fifth of the time of torch's interpolate where maps are small.
    for axis, length in enumerate(shape, start=1):
        if maps.shape[axis] != length:
            weights = torch.tensor(linear_weights(maps.shape[axis], length), dtype=maps.dtype)
            weights = weights.to(maps.device)
            maps = maps @ weights.T if axis == maps.ndim - 1 else weights @ maps
    return maps


def min_max(maps: Any) -> Any:
    """Maps (m, ...) from 0 to 1, each by itself; 0 where a map is constant."""
    flat = maps.flatten(1)
    low, high = flat.amin(dim=1, keepdim=True), flat.amax(dim=1, keepdim=True)
    return _divide(flat - low, high - low).reshape(maps.shape)


def _sum(maps: Any) -> Any:
    """Sums (n, m, n_channels) over places."""
    return maps.flatten(3).sum(dim=3)


def _divide(numerator: Any, denominator: Any) -> Any:
    """The quotient, 0 where the denominator is."""
    return (numerator / denominator).masked_fill_(denominator == 0, 0.0)
