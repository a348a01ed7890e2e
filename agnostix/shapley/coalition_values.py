"""Values of coalitions: the link of the mean prediction, and what the choice of background rows adds.

The value of a coalition S is

    v(S) = h(sum_k w_k f(x_S, b_k)),

where the players in S have the row's values, all others those of background row b_k, and h is the link. Each
mask is reduced to that mean and to the components of its error, which are linear in the predictions
(`agnostix.core.background.ErrorMap`). Those of v(S) are h' times these (delta method), and those of a Shapley
value the same linear map of them as the value itself is of v.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from agnostix.core.background import ErrorMap
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.shapley.residual_noise import Spread

_EDGE = 1e-15
"""Distance from 0 and 1 that a mean keeps that has no log-odds; `outside` says so."""


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
    """From means and components of masks to coalition values in explained units.

    Means are (n_masks, n_kept, n_rows, n_outputs), with the mean itself first and its components after it.
    """

    link: str  # "identity" or "logit"
    empty: Floats | None = None  # (n_kept, n_outputs), of the background alone; None if evaluated by row

    @classmethod
    def of_background(cls, link: str, predictions: Floats, weights: Floats, errors: ErrorMap) -> LinkedValues:
        """With the predictions (n_background, n_outputs) of the background, which hides everything."""
        # Relative to one of them, so that equal predictions average to themselves.
        reference = predictions[weights.argmax()]
        mean = reference + (weights[:, None] * (predictions - reference)).sum(axis=0)
        return cls(link, np.concatenate([mean[None], errors.of_means(predictions)]))

    def without_components(self) -> LinkedValues:
        """For means alone."""
        return self if self.empty is None else LinkedValues(self.link, self.empty[:1])

    def values(self, means: Floats) -> CoalitionValues:
        """Values of games (n_rows, n_outputs)."""
        empty = None if self.empty is None else self.apply(self.empty[0])
        return _split(self.apply(means[:, 0]), empty)

    def components(self, means: Floats) -> CoalitionValues:
        """Components of the errors of these values, of games (n_components, n_rows, n_outputs)."""
        empty = None
        if self.empty is not None:
            empty = (link_slope(self.link, self.empty[:1]) * self.empty[1:])[:, None]
        return _split(link_slope(self.link, means[:, :1]) * means[:, 1:], empty)

    def apply(self, means: Floats) -> Floats:
        """Link of means; finite everywhere."""
        if self.link == "logit" and _are_outside(means).any():
            means = _clipped(means)
        return apply_link(self.link, means)

    def outside(self, means: Floats) -> Floats:
        """A mean that has no log-odds, (n_rows, n_outputs); NaN for none."""
        found = np.full(means.shape[2:], np.nan)
        if self.link == "identity":
            return found
        whole = means[:, 0]
        if self.empty is not None:
            empty = np.broadcast_to(self.empty[0], (1, *whole.shape[1:]))
            whole = np.concatenate([whole, empty])
        is_outside = _are_outside(whole)
        first = np.take_along_axis(whole, is_outside.argmax(axis=0)[None], axis=0)[0]
        return np.where(is_outside.any(axis=0), first, found)


def _split(values: Floats, empty: Floats | None) -> CoalitionValues:
    """Values (n_masks, ...) by coalition: the full one is first, the empty one second unless it is known."""
    if empty is None:
        return CoalitionValues(values[0], values[1], values[2:])
    return CoalitionValues(values[0], np.broadcast_to(empty, values[0].shape), values[1:])


def _clipped(means: Floats) -> Floats:
    return np.where(_are_outside(means), np.clip(means, _EDGE, 1.0 - _EDGE), means)


def apply_link(link: str, means: Floats) -> Floats:
    """Mean predictions themselves, or their log-odds; DataError if one is not between 0 and 1."""
    if link == "identity":
        return means
    outside = _are_outside(means)
    if outside.any():
        raise DataError(describe_outside(float(means[outside].flat[0])))
    return np.asarray(logit(means))


def link_slope(link: str, means: Floats) -> Floats:
    """Derivative of the link."""
    if link == "identity":
        return np.ones_like(means)
    inside = _clipped(means)
    return 1.0 / (inside * (1.0 - inside))


def describe_outside(mean: float) -> str:
    """Why a mean prediction has no log-odds, and what to do."""
    return (
        "link='logit' needs mean predictions between 0 and 1, both excluded, got "
        f"{mean:.6g}. Use link='identity', or a model whose probabilities are never "
        "exactly 0 or 1, such as a calibrated one."
    )


def find_lacking(outside: Floats, names: Sequence[str]) -> Bools:
    """Rows and outputs (n_rows, n_outputs) that have no log-odds, with a warning; DataError if all rows."""
    lacking = ~np.isnan(outside)
    if not lacking.any():
        return lacking
    rows = np.flatnonzero(lacking.any(axis=1))
    message = describe_outside(float(outside[lacking][0]))
    named = ", ".join(np.array(names)[lacking.any(axis=0)])
    if rows.size == len(outside):
        raise DataError(f"{message} This is so in every row, for the output {named}.")
    shown = ", ".join(map(str, rows[:10])) + (", ..." if rows.size > 10 else "")
    warnings.warn(
        f"{message} Rows {shown} of X have NaN as values of the output {named}; others are explained.",
        UserWarning,
        stacklevel=4,
    )
    return lacking


def _are_outside(means: Floats) -> Bools:
    return (means <= 0.0) | (means >= 1.0)
