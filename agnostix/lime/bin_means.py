"""Means of a function of one column within the bins of a smooth distribution, wherever it jumps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.drawing import TruncatedNormals
from agnostix.lime.truncnorm import truncnorm_cdf, truncnorm_nodes

_N_NODES = 32
_SAME = 1e-10
"""Change of a mean, as a share of the function's size, below which a part of a bin is not halved again."""
_MOST_PANELS = 1024
"""Parts that are halved at once: a function that jumps more often is as rough as its model's rounding."""


def smooth_means(
    drawing: TruncatedNormals, codes: Codes, ask: Callable[[Floats], Floats]
) -> tuple[Floats, int]:
    """Means of a function and of its square in each bin.

    Bins are halved where the halves tell another mean than the whole, so that a function that jumps, as that
    of trees, is followed to its jumps.

    Parameters
    ----------
    drawing : TruncatedNormals
        The distributions within the bins.
    codes : ndarray of int
        The bins that have any values.
    ask : callable
        The function, from numbers of shape (n,) to (n, n_outputs).

    Returns
    -------
    means : ndarray of shape (n_codes, 2, n_outputs)
        0 in other bins.
    n_asked : int
        Numbers that the function was asked about.
    """
    panels = _Panels.of(drawing, codes, drawing.low[codes], drawing.high[codes], ask)
    means, n_asked = np.zeros((drawing.mean.size, *panels.moments.shape[1:])), panels.n_asked
    power = panels.moments[:, 1].max(axis=0)
    most = _SAME * np.stack([np.sqrt(power), power])
    while panels.codes.size:
        whole = ~panels.can_be_halved
        np.add.at(means, panels.codes[whole], panels.moments[whole])
        panels = panels.take(~whole)
        finer = panels.halved(drawing, ask)
        n_asked += finer.n_asked
        sums = finer.moments.reshape(2, *panels.moments.shape).sum(axis=0)
        done = (np.abs(sums - panels.moments) <= most).all(axis=(1, 2))
        done |= panels.codes.size > _MOST_PANELS
        np.add.at(means, panels.codes[done], sums[done])
        panels = finer.take(np.tile(~done, 2))
    return means, n_asked


@dataclass(frozen=True)
class _Panels:
    """Parts of bins, with what they add to the bins' means: of shape (n, 2, n_outputs)."""

    codes: Codes
    low: Floats
    high: Floats
    moments: Floats

    @classmethod
    def of(
        cls,
        drawing: TruncatedNormals,
        codes: Codes,
        low: Floats,
        high: Floats,
        ask: Callable[[Floats], Floats],
    ) -> _Panels:
        law = drawing.mean[codes], drawing.sd[codes]
        nodes, weights = truncnorm_nodes(*law, low, high, _N_NODES)
        answers = ask(nodes.ravel().astype(drawing.dtype)).reshape(*nodes.shape, -1)
        below, above = (
            truncnorm_cdf(end, *law, drawing.low[codes], drawing.high[codes]) for end in (low, high)
        )
        mass = np.where(low < high, above - below, 1.0)
        powers = [np.einsum("pn,pnk->pk", weights, part) for part in (answers, answers**2)]
        return cls(codes, low, high, mass[:, None, None] * np.stack(powers, axis=1))

    @property
    def n_asked(self) -> int:
        """Numbers that they took."""
        return _N_NODES * self.codes.size

    @property
    def middle(self) -> Floats:
        """Where they are halved."""
        return self.low + (self.high - self.low) / 2.0

    @property
    def can_be_halved(self) -> Bools:
        """Points cannot."""
        return (self.low < self.middle) & (self.middle < self.high)

    def take(self, which: Bools) -> _Panels:
        """Some of them."""
        return _Panels(self.codes[which], self.low[which], self.high[which], self.moments[which])

    def halved(self, drawing: TruncatedNormals, ask: Callable[[Floats], Floats]) -> _Panels:
        """All lower halves, and then all upper ones."""
        low, high = np.append(self.low, self.middle), np.append(self.middle, self.high)
        return _Panels.of(drawing, np.tile(self.codes, 2), low, high, ask)
