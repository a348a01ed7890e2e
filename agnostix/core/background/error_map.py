"""The error of values that are averaged over background rows, told by linear functionals.

A value is linear in the predictions behind each background row: it is sum_b w_b P_b, where P_b is the part of
it that row b contributes. Its error is told by a few other combinations of the same P, the components

    c = sum_b P_b E_b,

of a map E (n_background, n_components) whose columns sum to 0. So the predictions of a mask are reduced to a
mean and these components, whatever is computed from the means of many masks afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Codes, Floats

UNSEEN_DOF = 2.0
"""Degrees of freedom of components that are all 0, which tell little of what was not seen."""
N_GROUPS = 20
"""Groups of the jackknife, if there are so many background rows."""


@dataclass(frozen=True)
class BackgroundError:
    """Errors of values (n_features, ...) that come from the choice of the background rows."""

    components: Floats  # (n_features, n_shared, ...): the errors' covariances are their dot products
    degrees_of_freedom: Floats  # shaped as values, infinite where the value has no such error

    @property
    def variances(self) -> Floats:
        """Shaped as values: 0 where the whole table is the background, NaN where its error is not known."""
        return sum_of_squares(self.components, axis=1)


@dataclass(frozen=True)
class ErrorMap:
    """Linear functionals of what background rows contribute, and how they tell the error of a value."""

    functionals: Floats  # (n_background, n_components); no columns where there is no error
    degrees_of_freedom: float  # of Student's distribution, at most; infinite without an error
    relative: float = 0.0  # variance of a mean, relative to that of what single rows contribute

    @classmethod
    def none(cls, n_background: int) -> ErrorMap:
        """For rows that are all there are: no error."""
        return cls(np.zeros((n_background, 0)), np.inf)

    @classmethod
    def of_draws(cls, weights: Floats, groups: Codes, share_drawn: float = 0.0) -> ErrorMap:
        """Of rows drawn at random without replacement: the delete-a-group jackknife as a linear map.

        The mean of group g with a part W_g of the weights is off the mean of all by d_g; the variance is the
        sum of d_g**2 W_g**2 / (1 - W_g), less the share of the population that was drawn (Cochran, 1977,
        Sampling Techniques, 3rd ed., Wiley, ch. 2; Wolter, 2007, Introduction to Variance Estimation, ch. 4,
        https://doi.org/10.1007/978-0-387-35099-8). One row alone tells no error.
        """
        n_groups = int(groups.max()) + 1
        if n_groups == 1:
            return cls(np.full((weights.size, 1), np.nan), 0.0)
        belongs = groups[:, None] == np.arange(n_groups)
        of_group = weights @ belongs
        others = np.array([np.delete(of_group, group).sum() for group in range(n_groups)])
        apart = weights[:, None] * (belongs / of_group - 1.0)
        factors = np.sqrt((1.0 - share_drawn) / others) * of_group
        relative = (1.0 - share_drawn) * float(weights @ weights)
        return cls(apart * factors, n_groups - 1.0, relative=relative)

    @property
    def n_components(self) -> int:
        """Functionals that are kept of each mask, besides the mean."""
        return int(self.functionals.shape[1])

    def of_features(self, columns: Sequence[Sequence[int]], alone: bool = False) -> ErrorMap:
        """The map of values of features of these columns, on which they depend `alone` as in occlusion."""
        return self

    def error(self, components: Floats, typical: Floats | None = None) -> BackgroundError:
        """Errors of the values of some features, from their components (n_features, n_components, ...).

        `typical` is the variance, shaped as values, of what single rows contribute to the feature's values
        anywhere in the table: where no background row has made a difference, others may.
        """
        shape = (components.shape[0], *components.shape[2:])
        error = BackgroundError(components, np.full(shape, self.degrees_of_freedom))
        if typical is None or not self.n_components:
            return error
        zero = np.zeros(shape)
        return with_typical(error, typical, Leaning(zero + self.relative, zero, zero), always=False)

    def of_means(self, predictions: Any) -> Floats:
        """Components (n_components, n_outputs) of the mean of predictions (n_background, n_outputs)."""
        centered = predictions - predictions[:1]
        return np.asarray(self.functionals.T @ centered)


@dataclass(frozen=True)
class Leaning:
    """How an error leans on what is typical of a feature, shaped as values."""

    relative: Floats  # variance of the mean, relative to that of what single rows contribute
    left_open: Floats  # the same by how well the rows cover the columns of the feature
    share: Floats  # of the variance that rests on this


def with_typical(error: BackgroundError, typical: Floats, leaning: Leaning, always: bool = True) -> BackgroundError:
    """An error with one more component: the variance that is typical of the feature, shaped as values.

    It counts as one degree of freedom beside those of the components, as in moderated t statistics (Smyth,
    2004, https://doi.org/10.2202/1544-6115.1027), and more where the rows leave open much of the feature's
    column; unless it leans `always`, only where all components are 0.
    """
    components, dof = error.components, error.degrees_of_freedom
    unseen = (components == 0.0).all(axis=1)
    dof = np.where(unseen, np.minimum(dof, UNSEEN_DOF), dof)
    share = np.where(unseen | always, 1.0 / (dof + 1.0), 0.0)
    variance = share * leaning.relative
    of_column = np.maximum(leaning.share - share, 0.0)
    floor = np.sqrt(typical * (variance + of_column * leaning.left_open))
    share = share + of_column
    joined = np.concatenate([components * np.sqrt(1.0 - share)[:, None], floor[:, None]], axis=1)
    is_exact = unseen & (typical == 0.0)
    return BackgroundError(joined, np.where(is_exact, np.inf, dof + (unseen | always)))


def moment_dof(components: Floats, most: float) -> Floats:
    """Degrees of freedom of sums of squares of components (n, n_components, ...), by their fourth powers.

    A few large components tell less of the variance than many of one size: 2 S2**2 / (S4 - S2**2 / n).
    """
    n = components.shape[1]
    largest = np.abs(components).max(axis=1)
    scaled = np.divide(
        components, largest[:, None], out=np.zeros_like(components), where=largest[:, None] > 0
    )
    two, four = sum_of_squares(scaled, 1), sum_of_squares(np.square(scaled), 1)
    known = four > two**2 / n * (1.0 + 1e-12)
    dof = np.divide(2.0 * two**2, four - two**2 / n, out=np.full(two.shape, most), where=known)
    return np.asarray(np.clip(np.where(two > 0, dof, most), 1.0, most))


def sum_of_squares(components: Floats, axis: int) -> Floats:
    """Sum of squares along an axis, one by one: the bits of a value do not depend on those beside it."""
    parts = np.moveaxis(components, axis, 0)
    total = np.zeros(parts.shape[1:])
    for part in parts:
        total += np.square(part, dtype=float)
    return total


def random_groups(n_rows: int, rng: np.random.Generator) -> Codes:
    """A group (n_rows,) of the jackknife for each row, of at most 20, all of one size but for one row."""
    return np.argsort(rng.permutation(n_rows)) % min(N_GROUPS, n_rows)
