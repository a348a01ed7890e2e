"""Background rows that a mask needs, and blocks of masks that are evaluated together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from agnostix.core.typing import Bools, Codes, Floats, Numbers


@dataclass(frozen=True)
class BackgroundSubset:
    """Background rows that differ in what a mask hides, with their weights.

    Attributes
    ----------
    rows : ndarray of int of shape (n_draws,)
        One background row for each distinct set of hidden values.
    weights : ndarray of shape (n_draws,)
        Their weights, summing to 1.
    which : ndarray of int of shape (n_background,)
        For each background row its place in `rows`.
    """

    rows: Codes
    weights: Numbers
    which: Codes

    @cached_property
    def averaging(self) -> sparse.csr_array:
        """The weights as a matrix of one row; draws that many masks share have it once."""
        return _averaging(self.weights, np.array([0, self.weights.size]))


def _averaging(weights: Floats, starts: Codes) -> sparse.csr_array:
    shape = (starts.size - 1, weights.size)
    return sparse.csr_array((weights, np.arange(weights.size), starts), shape=shape)


def fill_subsets(masks: Bools, weights: Floats) -> list[BackgroundSubset]:
    """For each mask (n_masks, n_features), all fills (n_fill,), or the first where nothing is hidden."""
    every = np.arange(weights.size)
    nothing = np.zeros_like(every)
    hidden = BackgroundSubset(every, weights, every)
    whole = BackgroundSubset(nothing[:1], np.ones(1), nothing)
    return [whole if mask.all() else hidden for mask in masks]


@dataclass(frozen=True)
class MaskBlock:
    """Consecutive masks of a plan and the background rows of each, evaluated and averaged together.

    Attributes
    ----------
    places : slice
        Of the masks in their stage.
    masks : ndarray of bool of shape (n_masks, n_players)
        True where the row's own values stay.
    draws : tuple of BackgroundSubset
        One for each mask.
    """

    places: slice
    masks: Bools
    draws: tuple[BackgroundSubset, ...]

    @cached_property
    def starts(self) -> Codes:
        """Where each mask's draws start, and where the last ones end."""
        return np.cumsum([0, *(part.rows.size for part in self.draws)])

    @property
    def n_draws(self) -> int:
        """Draws of all masks."""
        return int(self.starts[-1])

    @cached_property
    def spans(self) -> tuple[slice, ...]:
        """Each mask's share of the draws."""
        return tuple(slice(*pair) for pair in zip(self.starts, self.starts[1:], strict=False))

    @cached_property
    def rows(self) -> Codes:
        """Background rows of all draws, of shape (n_draws,)."""
        return np.concatenate([part.rows for part in self.draws])

    @cached_property
    def heaviest(self) -> Codes:
        """The draw of most weight under each mask, of shape (n_masks,)."""
        within = [part.weights.argmax() for part in self.draws]
        return self.starts[:-1] + np.array(within, dtype=np.intp)

    def counted(self, answers: Floats) -> tuple[Floats, Floats]:
        """Predictions (n_draws, n_rows, n_outputs) less that of each mask's heaviest draw, and the latter.

        Equal predictions then average to themselves and have a variance of exactly 0. Shapes of the result:
        (n_draws, n_rows * n_outputs), a copy, and (n_masks, n_rows * n_outputs).
        """
        flat = answers.reshape(self.n_draws, -1)
        apart, middle = np.empty_like(flat), flat[self.heaviest]
        for span, reference in zip(self.spans, middle, strict=True):
            np.subtract(flat[span], reference, out=apart[span])
        return apart, middle

    @cached_property
    def averaging(self) -> sparse.csr_array:
        """Weights of the draws as a matrix of shape (n_masks, n_draws).

        A sparse product adds draw after draw, each column for itself, so that
        the bits of an average do not depend on what else is averaged with it.
        """
        if len(self.draws) == 1:
            return self.draws[0].averaging
        return _averaging(np.concatenate([part.weights for part in self.draws]), self.starts)

    def averaging_by(self, groups: Codes, weights: Floats) -> sparse.csr_array:
        """Weights of the draws in the means of groups (n_background,) of background rows.

        Shape (n_masks * n_groups, n_draws), rows adding up to 1; groups are numbered from 0 without gaps.
        """
        if id(groups) not in self._averages:
            self._averages[id(groups)] = self._averaged_by(groups, weights)
        return self._averages[id(groups)]

    @cached_property
    def _averages(self) -> dict[int, sparse.csr_array]:
        """What `averaging_by` has made, for groups that its caller keeps."""
        return {}

    def _averaged_by(self, groups: Codes, weights: Floats) -> sparse.csr_array:
        order = np.argsort(groups, kind="stable")
        share = (weights / np.bincount(groups, weights)[groups])[order]
        places = [start + part.which[order] for start, part in zip(self.starts, self.draws, strict=False)]
        ends = np.cumsum(np.tile(np.bincount(groups), len(self.draws)))
        entries = (np.tile(share, len(self.draws)), np.concatenate(places), np.concatenate([[0], ends]))
        return sparse.csr_array(entries, shape=(ends.size, self.n_draws))
