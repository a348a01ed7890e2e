"""What stands in for the values that a mask hides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from agnostix.core.typing import Bools, Codes, Floats, Numbers


@dataclass(frozen=True)
class Draws:
    """Background rows that differ in what a mask hides, with their weights.

    Attributes
    ----------
    rows : ndarray of int of shape (n_draws,)
        One background row for each distinct set of hidden values.
    weights : ndarray of shape (n_draws,)
        Their weights, summing to 1.
    which : ndarray of int of shape (n_background,)
        For each row of the background the draw that stands for it.
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


def sure_draws(n_masks: int) -> list[Draws]:
    """Draws of what stands in under every mask alike, with nothing left to chance.

    Parameters
    ----------
    n_masks : int
        How many masks.

    Returns
    -------
    list of Draws
        One for each mask.
    """
    only = np.zeros(1, dtype=np.intp)
    return [Draws(only, np.ones(1), only)] * n_masks


@dataclass(frozen=True)
class MaskBlock:
    """Some neighbouring masks of a plan and the draws of each: what is asked, and averaged, together.

    Attributes
    ----------
    places : slice
        Of the masks in their stage.
    masks : ndarray of bool of shape (n_masks, n_players)
        True where the row's own values stay.
    draws : tuple of Draws
        One for each mask.
    """

    places: slice
    masks: Bools
    draws: tuple[Draws, ...]

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
        """Count answers from that to each mask's heaviest draw.

        So that equal answers average to themselves, and vary by exactly 0.

        Parameters
        ----------
        answers : ndarray of shape (n_draws, n_rows, n_outputs)
            The model's.

        Returns
        -------
        apart : ndarray of shape (n_draws, n_rows * n_outputs)
            Differences, a copy.
        middle : ndarray of shape (n_masks, n_rows * n_outputs)
            What they are counted from.
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
        """Weights of the draws in the means of groups of background rows.

        Parameters
        ----------
        groups : ndarray of int of shape (n_background,)
            The group of each row, from 0 without gaps.
        weights : ndarray of shape (n_background,)
            Weights of the rows.

        Returns
        -------
        csr_array of shape (n_masks * n_groups, n_draws)
            Each row sums to 1.
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
