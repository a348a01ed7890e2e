"""The reducer of masked rows to linear functionals of their predictions over background rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.background.error_map import ErrorMap, sum_of_squares
from agnostix.core.masking import BackgroundSubset, MaskBlock
from agnostix.core.reproducibility import multiply
from agnostix.core.typing import Floats

_SINGLE = 1e-20, 1e30
"""Largest components that single precision holds with all their digits."""
_STACKED = 2**16
"""Predictions of masks with the same draws that are copied side by side, so that one product reduces them."""


@dataclass(frozen=True)
class BackgroundMeans:
    """Reducer to means over the background and their error components, (n_rows, n_masks, n_kept, n_outputs).

    Place 0 of the third axis is the mean, the others are components for `ErrorMap.error`.
    """

    errors: ErrorMap

    @property
    def n_kept(self) -> int:
        """The mean and its components."""
        return 1 + self.errors.n_components

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """From (n_draws, n_rows, n_outputs) to (n_masks, n_kept, n_rows, n_outputs)."""
        flat = predictions.reshape(block.n_draws, -1)
        kept = np.empty((len(block.draws), self.n_kept, flat.shape[1]))
        with np.errstate(over="ignore", invalid="ignore"):  # `explain` refuses predictions of such a size
            for draws, masks in _by_draws(block):
                matrix, heaviest = self._matrix(draws), draws.weights.argmax()
                n_together = max(1, _STACKED // flat[block.spans[masks[0]]].size)
                for start in range(0, len(masks), n_together):
                    some = masks[start : start + n_together]
                    # Less the heaviest one: equal predictions then have components of exactly 0.
                    apart = [flat[block.spans[mask]] - flat[block.starts[mask] + heaviest] for mask in some]
                    kept[some] = _applied(matrix, apart)
            kept[:, 0] += flat[block.heaviest]
        return kept.reshape(len(block.draws), self.n_kept, *predictions.shape[1:])

    def finalize(self, blocks: Floats) -> tuple[Floats, ...]:
        """Means and components with rows first."""
        return (blocks.transpose(2, 0, 1, 3),)

    def _matrix(self, draws: BackgroundSubset) -> Floats:
        """From the draws of a mask to its mean and components, (n_kept, n_draws); merged ones are added."""
        matrix = np.zeros((self.n_kept, draws.weights.size))
        matrix[0] = draws.weights
        for component, own in enumerate(self.errors.functionals.T, start=1):
            matrix[component] = np.bincount(draws.which, own, draws.weights.size)
        return matrix


def compact(components: Floats) -> Floats:
    """Components in single precision, or as they are where that does not hold them."""
    largest = float(np.abs(components).max(initial=0.0))
    holds = largest == 0.0 or _SINGLE[0] < largest < _SINGLE[1] or not np.isfinite(largest)
    return components.astype(np.float32) if holds else components


def few(components: Floats) -> Floats:
    """Components (n_features, n_shared, n_rows, n_outputs), added up where they would be too many to keep.

    Each value keeps its variance, whatever the other rows; what two values share is kept on average.
    """
    n_features, n_shared, _, n_outputs = components.shape
    n_kept = int(max(MOST_KEPT // max(n_features * n_outputs, 1), LEAST_KEPT))
    if n_shared <= n_kept:
        return components
    signs = np.random.default_rng(0).choice([-1.0, 1.0], n_shared)
    added = np.zeros((n_features, n_kept, *components.shape[2:]))
    for place in range(n_shared):
        added[:, place % n_kept] += signs[place] * components[:, place]
    before, after = (np.sqrt(sum_of_squares(one, 1)) for one in (components, added))
    factor = np.divide(before, after, out=np.zeros_like(before), where=after > 0.0)
    return np.asarray(added * factor[:, None])


MOST_KEPT, LEAST_KEPT = 2**13, 16
"""Numbers that an explanation keeps of each row of what rows share, and components at least."""


def _applied(matrix: Floats, columns: list[Floats]) -> Floats:
    """A matrix (n_kept, n_draws) applied to the predictions (n_draws, n_columns) of each of some masks."""
    if len(columns) == 1:
        return multiply(matrix, columns[0])[None]
    stacked = np.stack(columns, axis=1)
    own = multiply(matrix, stacked.reshape(matrix.shape[1], -1))
    return own.reshape(matrix.shape[0], len(columns), -1).swapaxes(0, 1)


def _by_draws(block: MaskBlock) -> list[tuple[BackgroundSubset, list[int]]]:
    """Masks of a block that share their draws, together."""
    found: dict[int, tuple[BackgroundSubset, list[int]]] = {}
    for mask, draws in enumerate(block.draws):
        found.setdefault(id(draws), (draws, []))[1].append(mask)
    return list(found.values())
