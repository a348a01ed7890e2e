"""Masked rows that are put together where a torch module lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from agnostix.core.typing import Codes


@dataclass(frozen=True)
class MaskedCells:
    """Every row under every mask with everything that stands in, in this order.

    Attributes
    ----------
    own : tensor of shape (n_rows, ...)
        The rows, as the module takes them.
    others : tensor of shape (n_rows or 1, n_fill, ...)
        What stands in.
    masks : tensor of shape (n_masks, n_players)
        1 where a row's own values stay, and else 0.
    where : tensor of int of shape (n_rows or 1, ...)
        The player of each place.
    """

    own: Any
    others: Any
    masks: Any
    where: Any

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, masks, and what stands in."""
        return (self.own.shape[0], self.masks.shape[0], self.others.shape[1])

    def built(self, part: slice) -> Any:
        """Some of them.

        Parameters
        ----------
        part : slice
            Which.

        Returns
        -------
        tensor of shape (n, ...)
        """
        row, mask, draw = np.unravel_index(np.arange(part.start, part.stop), self.shape)
        either = row if self.others.shape[0] > 1 else np.zeros_like(row)
        others = self.others.flatten(0, 1)
        own, other = _taken(self.own, row), _taken(others, either * self.shape[2] + draw)
        return torch.lerp(other, own, self._shown(mask, row, own.ndim))

    def _shown(self, mask: Codes, row: Codes, n_axes: int) -> Any:
        """The masks over places, with as many axes as rows."""
        masks = self.masks[torch.as_tensor(mask, device=self.masks.device)]
        where = _taken(self.where, row if self.where.shape[0] > 1 else np.zeros_like(row))
        flat = where.flatten(1)
        shown = masks.index_select(1, flat[0]) if len(flat) == 1 else masks.gather(1, flat)
        return shown.reshape(len(mask), *where.shape[1:], *[1] * (n_axes - where.ndim))


def _taken(rows: Any, places: Codes) -> Any:
    """Rows by their places; one, where it is the same for all, so that it is not copied."""
    if (places == places[0]).all():
        return rows[int(places[0])][None]
    return rows[torch.as_tensor(places, device=rows.device)]
