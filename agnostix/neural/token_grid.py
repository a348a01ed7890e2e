"""Outputs of layers as feature maps with channels first; tokens of a transformer on their grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from agnostix.exceptions import DataError

TokenGrid = tuple[int, int] | Callable[[Any], Any] | None


def to_maps(output: Any, n_axes: int, token_grid: TokenGrid, layer: str) -> Any:
    """A layer's output as maps (n, n_channels, height, width), or (n, n_channels, length) for n_axes=1."""
    if callable(token_grid):
        return _checked(token_grid(output), output, n_axes, layer)
    shape = tuple(output.shape)
    if output.ndim == n_axes + 2 and math.prod(shape[2:]) > 1:
        return output
    if n_axes == 2 and output.ndim == 3:
        height, width = find_grid(shape[1], token_grid, layer)
        # Class and register tokens come first.
        return output[:, shape[1] - height * width :].transpose(1, 2).unflatten(2, (height, width))
    raise DataError(_no_grid(shape, n_axes, layer))


def find_grid(n_tokens: int, token_grid: tuple[int, int] | None, layer: str) -> tuple[int, int]:
    """Height and width of the grid of tokens, of which others may come before."""
    if token_grid is not None:
        height, width = token_grid
        if height * width <= n_tokens:
            return height, width
        raise DataError(
            f"token_grid={token_grid!r} has {height * width} places, and layer {layer} gives {n_tokens} "
            "tokens."
        )
    for n_before in (0, 1):
        side = math.isqrt(n_tokens - n_before)
        if side > 1 and side**2 == n_tokens - n_before:
            return side, side
    raise DataError(
        f"Layer {layer} gives {n_tokens} tokens, which are no square grid with or without a class token "
        "before it. Pass token_grid=(height, width), or a function from the layer's output to maps (n_rows, "
        "n_channels, height, width)."
    )


def channel_axis(n_dims: int, n_axes: int, token_grid: TokenGrid) -> int | None:
    """Axis of a layer's output with the channels; None where a function makes the maps."""
    if callable(token_grid):
        return None
    return 1 if n_dims == n_axes + 2 else n_dims - 1


def _checked(maps: Any, output: Any, n_axes: int, layer: str) -> Any:
    wanted = "(n_rows, n_channels, height, width)" if n_axes == 2 else "(n_rows, n_channels, length)"
    shape = tuple(getattr(maps, "shape", ()))
    if len(shape) != n_axes + 2 or shape[0] != output.shape[0]:
        got = f"shape {shape}" if shape else f"a {type(maps).__name__}"
        raise DataError(
            f"The function token_grid must give a tensor {wanted}, and gave {got} for the output "
            f"{tuple(output.shape)} of layer {layer}."
        )
    return maps


def _no_grid(shape: tuple[int, ...], n_axes: int, layer: str) -> str:
    has = "a height and a width" if n_axes == 2 else "a length"
    return (
        f"Layer {layer} gives {shape}, which has not got {has} above 1. Name a convolution, or a layer "
        "after it and before pooling; or pass token_grid, a function from its output to maps."
    )
