"""Values of coalitions: the link of the mean prediction, with and without parts of the background.

The value of a coalition S is

    v(S) = h(sum_k w_k f(x_S, b_k)),

where the players in S have the row's values, all others those of background row b_k, and h is the link. Means
are kept for groups of background rows, so that the delete-a-group jackknife of the background needs no more
predictions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logit

from agnostix.core.masking import MaskBlock
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.shapley.residual_noise import Spread

_EDGE = 1e-15
"""Distance from 0 and 1 that a mean without one group keeps, since its log-odds only serve the error."""


@dataclass(frozen=True)
class GroupMeans:
    """Reducer to mean predictions over groups of background rows, (n_rows, n_masks, n_groups, n_outputs)."""

    groups: Codes  # (n_background,), numbered from 0 without gaps
    weights: Floats  # (n_background,)

    @property
    def n_kept(self) -> int:
        """Number of groups."""
        return int(self.groups.max()) + 1

    def reduce_background(self, predictions: Floats) -> Floats:
        """Means (n_groups, n_outputs) of predictions (n_background, n_outputs) of the background."""
        return np.stack([self._mean(predictions, self.groups == group) for group in range(self.n_kept)])

    def _mean(self, predictions: Floats, members: Bools) -> Floats:
        own, weights = predictions[members], self.weights[members] / self.weights[members].sum()
        # Relative to one of them, so that equal predictions average to themselves.
        reference = own[weights.argmax()]
        return reference + (weights[:, None] * (own - reference)).sum(axis=0)

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """From (n_draws, n_rows, n_outputs) to (n_masks, n_groups, n_rows, n_outputs)."""
        centered, reference = block.counted(predictions)
        means = block.averaging_by(self.groups, self.weights) @ centered
        means = means.reshape(len(block.draws), self.n_kept, -1) + reference[:, None]
        return means.reshape(len(block.draws), self.n_kept, *predictions.shape[1:])

    def finalize(self, blocks: Floats) -> tuple[Floats, ...]:
        """The means with rows first."""
        return (blocks.transpose(2, 0, 1, 3),)


@dataclass(frozen=True)
class CoalitionValues:
    """Values of the coalitions of a plan, for games of any shape (...)."""

    full: Floats  # (...), of the full coalition
    empty: Floats  # (...), of the empty one
    rest: Floats  # (n_coalitions, ...), of all others in the order of the plan

    def differences(self) -> tuple[Floats, Floats]:
        """Differences (n_pairs, n_games) of the sides of each pair, and of full and empty (n_games,)."""
        differences = self.rest[0::2] - self.rest[1::2]
        return differences.reshape(differences.shape[0], -1), (self.full - self.empty).ravel()

    def spread(self) -> Spread:
        """Mean squares over the pairs of each game (n_games,)."""
        ends = (self.full + self.empty).ravel()
        first, second = (side.reshape(len(side), ends.size) for side in (self.rest[0::2], self.rest[1::2]))
        return Spread.from_pairs(first, second, ends)


@dataclass(frozen=True)
class LinkedValues:
    """From mean predictions by background group to coalition values in explained units."""

    link: str  # "identity" or "logit"
    group_weights: Numbers  # (n_groups,), summing to 1; a single group where the background is not sampled
    empty_means: Floats | None = None  # (n_groups, n_outputs), of the background; None if evaluated by row

    @property
    def is_sample(self) -> bool:
        """Whether there are groups for a jackknife."""
        return self.group_weights.size > 1

    def without_groups(self) -> LinkedValues:
        """The same for means over the whole background, as a single group."""
        empty = None if self.empty_means is None else self._mean(self.empty_means[None])
        return LinkedValues(self.link, np.ones(1), empty)

    def values(self, means: Floats) -> CoalitionValues:
        """Values of games (n_rows, n_outputs) from means (n_masks, n_groups, n_rows, n_outputs)."""
        return self._split(means, self.apply)

    def replicates(self, means: Floats) -> CoalitionValues:
        """Jackknife replicates of these values, of games (n_groups, n_rows, n_outputs)."""
        return self._split(means, self.apply_without_groups)

    def _split(self, means: Floats, link: Callable[[Floats], Floats]) -> CoalitionValues:
        values = link(means)
        if self.empty_means is None:
            return CoalitionValues(values[0], values[1], values[2:])
        empty = link(self.empty_means[None])[0]
        return CoalitionValues(values[0], np.broadcast_to(empty[..., None, :], values[0].shape), values[1:])

    def apply(self, means: Floats) -> Floats:
        """Link of the overall means, from (n_masks, n_groups, ...) to (n_masks, ...); finite everywhere."""
        whole = self._mean(means)
        if self.link == "logit" and _are_outside(whole).any():  # `outside` says where
            whole = np.where(_are_outside(whole), np.clip(whole, _EDGE, 1.0 - _EDGE), whole)
        return apply_link(self.link, whole)

    def outside(self, means: Floats) -> Floats:
        """A mean that has no log-odds, (n_rows, n_outputs), from (n_masks, n_groups, ...); NaN for none."""
        found = np.full(means.shape[2:], np.nan)
        if self.link == "identity":
            return found
        whole = self._mean(means)
        if self.empty_means is not None:
            empty = np.broadcast_to(self._mean(self.empty_means[None])[:, None], (1, *whole.shape[1:]))
            whole = np.concatenate([whole, empty])
        is_outside = _are_outside(whole)
        first = np.take_along_axis(whole, is_outside.argmax(axis=0)[None], axis=0)[0]
        return np.where(is_outside.any(axis=0), first, found)

    def apply_without_groups(self, means: Floats) -> Floats:
        """Link of the means without each group, (n_masks, n_groups, ...)."""
        if self.link == "identity":
            # Values are linear in the means, so those of a group alone say as much as those without it.
            return means
        whole = self._mean(means)
        without = np.empty_like(means)
        for group, weight in enumerate(self.group_weights):
            without[:, group] = whole + weight / self._others[group] * (whole - means[:, group])
        return apply_link(self.link, np.clip(without, _EDGE, 1.0 - _EDGE))

    def jackknife_variances(self, values: Floats, replicates: Floats) -> Floats:
        """Variances shaped as values (n, ...) of a linear map, from its replicates (n, n_groups, ...)."""
        factors = self.group_weights**2 / self._others if self.link == "identity" else self._others
        variances = np.zeros_like(values)
        for group, factor in enumerate(factors):
            variances += factor * np.square(replicates[:, group] - values)
        return variances

    @cached_property
    def _others(self) -> Floats:
        """Weights of all other groups (n_groups,); a difference from 1 could be 0."""
        return np.array(
            [np.delete(self.group_weights, group).sum() for group in range(self.group_weights.size)]
        )

    def _mean(self, means: Floats) -> Floats:
        # Relative to the heaviest group, so that equal means average to themselves; group by group, so that
        # the bits of a row do not depend on the rows beside it.
        reference = means[:, self.group_weights.argmax()]
        whole = reference.copy()
        for group, weight in enumerate(self.group_weights):
            whole += weight * (means[:, group] - reference)
        return whole


def apply_link(link: str, means: Floats) -> Floats:
    """Mean predictions themselves, or their log-odds; DataError if one is not between 0 and 1."""
    if link == "identity":
        return means
    outside = _are_outside(means)
    if outside.any():
        raise DataError(describe_outside(float(means[outside].flat[0])))
    return np.asarray(logit(means))


def describe_outside(mean: float) -> str:
    """Why a mean prediction has no log-odds, and what to do."""
    return (
        "link='logit' needs mean predictions between 0 and 1, both excluded, got "
        f"{mean:.6g}. Use link='identity', or a model whose probabilities are never "
        "exactly 0 or 1, such as a calibrated one."
    )


def _are_outside(means: Floats) -> Bools:
    return (means <= 0.0) | (means >= 1.0)
