"""Masked rows that are composed where a torch module lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from agnostix.core.masking.soft_masks import SoftMaskBatch
from agnostix.core.typing import Bools, Codes


@dataclass(frozen=True)
class MaskedBatch:
    """Every row under every mask with every fill, in this order.

    Attributes
    ----------
    own : tensor of shape (n_rows, ...)
        The rows, as the module takes them.
    fills : tensor of shape (n_rows or 1, n_fill, ...)
        What replaces masked values.
    n_masks : int
    weights : callable
        From masks and rows, each (n,), to a tensor that broadcasts to (n, ...): 1 keeps the row's own
        value, 0 takes that of the fill.
    """

    own: Any
    fills: Any
    n_masks: int
    weights: Callable[[Codes, Codes], Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, masks and fills."""
        return (self.own.shape[0], self.n_masks, self.fills.shape[1])

    def compose(self, part: slice) -> Any:
        """Some of the masked rows (n, ...)."""
        row, mask, fill = np.unravel_index(np.arange(part.start, part.stop), self.shape)
        of_row = row if self.fills.shape[0] > 1 else np.zeros_like(row)
        own = _take(self.own, row)
        other = _take(self.fills.flatten(0, 1), of_row * self.shape[2] + fill)
        return torch.lerp(other, own, self.weights(mask, row))


def hard_weights(masks: Bools, segments: Codes, own: Any) -> Callable[[Codes, Codes], Any]:
    """Weights of masks (n_masks, n_segments) over segments (n_rows or 1, ...) in the module's layout."""
    kept = torch.as_tensor(np.ascontiguousarray(masks), dtype=torch.float32, device=own.device)
    places = torch.as_tensor(segments, device=own.device)

    def weights(mask: Codes, row: Codes) -> Any:
        chosen = kept[torch.as_tensor(mask, device=own.device)]
        where = _take(places, row if len(places) > 1 else np.zeros_like(row))
        flat = where.flatten(1)
        shown = chosen.index_select(1, flat[0]) if len(flat) == 1 else chosen.gather(1, flat)
        return shown.reshape(len(mask), *where.shape[1:], *[1] * (own.ndim - where.ndim))

    return weights


def soft_weights(masks: SoftMaskBatch, own: Any) -> Callable[[Codes, Codes], Any]:
    """Weights (n, 1, height, width) of soft masks, interpolated on the device."""
    grids, rows, columns = (
        torch.as_tensor(part, dtype=torch.float32, device=own.device)
        for part in (masks.grids, masks.row_weights, masks.column_weights)
    )
    offsets = torch.as_tensor(np.ascontiguousarray(masks.offsets), device=own.device)

    def weights(mask: Codes, _row: Codes) -> Any:
        at = torch.as_tensor(mask, device=own.device)
        shown = rows[offsets[at, 0]] @ grids[at] @ columns[offsets[at, 1]].transpose(1, 2)
        return shown[:, None]

    return weights


def _take(rows: Any, places: Codes) -> Any:
    """Rows at some places; a view of one where all are the same."""
    if (places == places[0]).all():
        return rows[int(places[0])][None]
    return rows[torch.as_tensor(places, device=rows.device)]
