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

from agnostix.core.typing import Bools, Codes, Floats

UNSEEN_DOF = 2.0
"""Degrees of freedom of components that are all 0, which tell little of what was not seen."""
LEAST_DOF = 2.0
"""Degrees of freedom that the kurtosis of contributions leaves to a value at least."""
KNOWN_BETTER = 3.0
"""Degrees of freedom of a variance by kriging where kurtosis is large, beside one of independent rows."""
N_GROUPS = 20
"""Groups of the jackknife, if there are so many background rows."""


@dataclass(frozen=True)
class BackgroundError:
    """Errors of values (n_features, ...) that come from the choice of the background rows."""

    components: Floats  # (n_features, n_shared, ...): the errors' covariances are their dot products
    degrees_of_freedom: Floats  # shaped as values, infinite where the value has no such error
    unseen: Bools | None = None  # shaped as values, where the error is that of the rule of three

    @property
    def variances(self) -> Floats:
        """Shaped as values: 0 where the whole table is the background, NaN where its error is not known."""
        return sum_of_squares(self.components, axis=1)

    @property
    def kinds(self) -> np.ndarray | None:
        """Kinds of the intervals, shaped as values; None if all are Student's."""
        if self.unseen is None or not self.unseen.any():
            return None
        return np.where(self.unseen, "rule_of_three", "student")


@dataclass(frozen=True)
class Elsewhere:
    """What may be where no background row is, shaped as values (n_features, ...)."""

    typical: Floats  # variance of what single rows contribute to the feature's values anywhere in the table
    spread: Floats  # standard deviation of the predictions that were seen
    is_exact: Bools  # whether the background rows have all values of the table that matter
    kurtosis: Floats  # of what single rows contribute, 3 for normal contributions

    def take(self, features: slice, rows: slice = slice(None)) -> Elsewhere:
        """Of some features and rows."""
        some = (features, rows)
        return Elsewhere(self.typical[some], self.spread[some], self.is_exact[some], self.kurtosis[some])


@dataclass(frozen=True)
class ErrorMap:
    """Linear functionals of what background rows contribute, and how they tell the error of a value."""

    functionals: Floats  # (n_background, n_components); no columns where there is no error
    degrees_of_freedom: float  # of Student's distribution, at most; infinite without an error
    relative: float = 0.0  # variance of a mean, relative to that of what single rows contribute
    n_seen: float = 1.0  # rows that were looked at, by Kish's effective number of weighted ones

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
        return cls(apart * factors, n_groups - 1.0, relative=relative, n_seen=effective_number(weights))

    @property
    def n_components(self) -> int:
        """Functionals that are kept of each mask, besides the mean."""
        return int(self.functionals.shape[1])

    def of_features(self, columns: Sequence[Sequence[int]], alone: bool = False) -> ErrorMap:
        """The map of values of features of these columns, on which they depend `alone` as in occlusion."""
        return self

    def error(self, components: Floats, elsewhere: Elsewhere | None = None) -> BackgroundError:
        """Errors of the values of some features, from their components (n_features, n_components, ...).

        Where no background row has made a difference, rows `elsewhere` in the table may.
        """
        shape = (components.shape[0], *components.shape[2:])
        error = BackgroundError(components, np.full(shape, self.degrees_of_freedom))
        if elsewhere is None or not self.n_components:
            return error
        zero = np.zeros(shape)
        leaning = Leaning(zero + self.relative, zero, zero)
        return with_elsewhere(error, elsewhere, leaning, self.n_seen, always=False)

    def of_means(self, predictions: Any) -> Floats:
        """Components (n_components, n_outputs) of the mean of predictions (n_background, n_outputs)."""
        centered = predictions - predictions[:1]
        return np.asarray(self.functionals.T @ centered)


@dataclass(frozen=True)
class Leaning:
    """How an error leans on what is typical of a feature, shaped as values."""

    relative: Floats  # variance of the mean, relative to that of what single rows contribute
    left_open: Floats  # the same by how well the rows cover the columns of the feature
    reliance: Floats  # part of the variance that rests on this


def with_elsewhere(
    error: BackgroundError, elsewhere: Elsewhere, leaning: Leaning, n_seen: float, always: bool = True
) -> BackgroundError:
    """An error with one more component: of what is typical of the feature, or of what nobody has seen.

    What is typical counts as one degree of freedom beside those of the components, as in moderated t
    statistics (Smyth, 2004, https://doi.org/10.2202/1544-6115.1027), and more where the rows leave open much
    of the feature's column; unless it leans `always`, only where all components are 0. Where nothing made a
    difference anywhere, the rule of three bounds what one of n rows may have hidden (Hanley and
    Lippman-Hand, 1983, https://doi.org/10.1001/jama.1983.03330370053031).

    Where few rows of the table make most of the variance, those that were seen may all be others: no value
    has more degrees of freedom than the kurtosis of what rows contribute leaves to so many rows, and the
    fewer these are, the more it leans on what is typical.
    """
    components, dof, typical = error.components, error.degrees_of_freedom, elsewhere.typical
    none = (components == 0.0).all(axis=1)
    is_exact = none & elsewhere.is_exact
    unseen = none & (typical == 0.0) & ~is_exact & (elsewhere.spread > 0.0)
    dof = np.where(none, np.minimum(dof, UNSEEN_DOF), dof)
    most = _dof_of_kurtosis(elsewhere.kurtosis, n_seen)
    share = np.where(none | always, 1.0 / (np.minimum(dof, KNOWN_BETTER * most) + 1.0), 0.0)
    of_column = np.maximum(leaning.reliance - share, 0.0)
    variance = typical * (share * leaning.relative + of_column * leaning.left_open)
    floor = np.where(unseen, elsewhere.spread / n_seen, np.sqrt(variance))
    floor = np.where(is_exact, 0.0, floor)
    share = share + of_column
    joined = np.concatenate([components * np.sqrt(1.0 - share)[:, None], floor[:, None]], axis=1)
    dof = np.where(none & (floor == 0.0), np.inf, np.minimum(dof + (none | always), most))
    return BackgroundError(joined, dof, unseen)


def _dof_of_kurtosis(kurtosis: Floats, n_rows: float) -> Floats:
    """Degrees of freedom of a variance of n rows, by the kurtosis of what they contribute.

    The squared coefficient of variation of a sample variance is (kurtosis - 1) / n, that of a chi-squared
    variance 2 / dof (Satterthwaite, 1946, https://doi.org/10.2307/3002019).
    """
    apart = np.maximum(kurtosis - 1.0, 0.0)
    most = np.divide(2.0 * n_rows, apart, out=np.full(apart.shape, np.inf), where=apart > 0.0)
    return np.maximum(most, LEAST_DOF)


def effective_number(weights: Floats) -> float:
    """Rows that equally weighted ones would be (Kish, 1992, Weighting for unequal P_i)."""
    return float(np.square(weights.sum()) / (weights @ weights))


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
