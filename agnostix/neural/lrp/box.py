"""The box in which inputs lie, for the rule ZBox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.exceptions import DataError
from agnostix.neural.lrp.rules import ZBox

_BRIGHTEST = 255.0


@dataclass(frozen=True)
class Box:
    """The least and the largest rows (1, ...), in the units of X."""

    low: Any
    high: Any

    @classmethod
    def from_rule(cls, rule: ZBox | None, rows: Any, has_layer: bool, owner: str) -> Box | None:
        """The box of a rule for rows like these (n_rows, ...); None without a rule."""
        if rule is None:
            return None
        if has_layer:
            raise DataError(
                f"{owner} with layer needs rules without a box, since what a layer gives has no bounds. Use "
                "WSquare() instead of ZBox()."
            )
        low, high = _defaults(rows)
        low = low if rule.low is None else rule.low
        high = high if rule.high is None else rule.high
        corners = []
        for name, value in (("low", low), ("high", high)):
            try:
                corners.append(np.broadcast_to(np.asarray(value, dtype=float), rows.shape[1:])[None])
            except (TypeError, ValueError):
                raise DataError(
                    f"The {name!r} of ZBox must be a number, or numbers that broadcast to a row of shape "
                    f"{rows.shape[1:]}, got {value!r}."
                ) from None
        if not (corners[0] < corners[1]).any() or (corners[0] > corners[1]).any():
            raise DataError(f"The 'low' of ZBox must be below its 'high', got low={low!r} and high={high!r}.")
        box = cls(*(one.astype(rows.dtype if rows.ndim > 2 else float) for one in corners))
        box.check(rows, owner)
        return box

    def check(self, rows: Any, owner: str) -> None:
        """DataError, which names the first, for rows (n_rows, ...) that leave the box."""
        leaves = (rows < self.low) | (rows > self.high)
        if not leaves.any():
            return
        row = int(np.flatnonzero(leaves.reshape(len(rows), -1).any(axis=1))[0])
        value = rows[row][leaves[row]].ravel()[0]
        raise DataError(
            f"Row {row} leaves the box of the rule ZBox: it holds {value:.6g}, and the box is from "
            f"{np.min(self.low):.6g} to {np.max(self.high):.6g}. Give {owner} the rule ZBox(low, high) with "
            "the least and the largest values of X."
        )


def _defaults(rows: Any) -> tuple[Any, Any]:
    if rows.ndim == 2:
        values = rows.astype(float)
        return values.min(axis=0), values.max(axis=0)
    return 0.0, (_BRIGHTEST if rows.dtype == np.uint8 else 1.0)
