"""Constraints on variances, covariances and correlations, linear at means and variances that are held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from agnostix.core.typing import Floats, Numbers
from agnostix.what_if.constraints.averages import Average, Given, average_of
from agnostix.what_if.constraints.base import Compiled, Context, OfColumn
from agnostix.what_if.constraints.held import CenteredAverage
from agnostix.what_if.constraints.moments import Mean, number_column


@dataclass(frozen=True)
class Variance(OfColumn, CenteredAverage):
    """The variance of a column of numbers, over all rows or over those of a group.

    At a fixed mean m the variance is E[(x - m)^2], which is linear in the
    weights. So the mean is held: where it is stated as a number there, where
    nothing is stated at the data's. Where it is a range, soft or free, it is
    searched over.

    Parameters
    ----------
    feature : str
        Column of numbers.
    target : float, str or pair of these
        The variance to reach (divided by the sum of the weights), or a range
        (low, high) for it. Relative to the data's: "+5", "-5", "*1.1".
    mean : {"held", "free"}, default="held"
        "free" searches for the mean at which the population is closest.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The variance may miss its target, at a cost of penalty / 2 times the
        squared gap in standard deviations of (x - m)^2, in nats.
    where : mapping, default=None
        Rows that it is taken over, around their own mean: columns and the
        level, the list of levels or the range (low, high) of numbers.

    Raises
    ------
    ValueError
        If a target is below 0 or no number, pair or relative target, or a
        tolerance or penalty is below 0.

    See Also
    --------
    agnostix.Correlation : Of two columns.

    Notes
    -----
    Second formulation: half the weighted mean of the squared differences of all
    pairs of rows, sum_ij w_i w_j (x_i - x_j)^2 / 2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection, Variance
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> scenario = EntropicProjection().fit(X, y).what_if([Variance("sepal width (cm)", "*1.2")])
    >>> scenario.conditions[["label", "role", "before", "reached"]].round(3)
                              label    role  before  reached
    0  variance of sepal width (cm)  stated   0.189    0.226
    1      mean of sepal width (cm)    held   3.057    3.057
    """

    feature: str
    target: Any
    mean: Literal["held", "free"] = "held"
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "variance"
    is_of_columns = True
    limits = (0.0, np.inf)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mean not in ("held", "free"):
            raise ValueError(f"The mean of {self.label} must be 'held' or 'free', got {self.mean!r}.")

    def needed(self, context: Context) -> tuple[tuple[Average, bool], ...]:
        """The mean."""
        return ((self._mean, self.mean == "free"),)

    def numbers_given(self, context: Context, given: Given) -> Numbers:
        """Squared distances from the mean, shape (n_rows,)."""
        return (numbers_of(context, self.feature) - given[self._mean.key]) ** 2

    def compile(self, context: Context) -> Compiled:
        """Its conditions and that on the mean; with only a lower end it is convex, which is noted."""
        compiled = super().compile(context)
        if not compiled.scalars or self.bounds(context)[1] < np.inf:
            return compiled
        note = (
            f"A {self.label} of at least a number is a convex condition on the weights, whatever the "
            f"{self._mean.label}: no other population that meets it is as close."
        )
        return replace(compiled, notes=(*compiled.notes, note))

    def extremes(self, context: Context) -> tuple[float, float]:
        """From 0 to half the rows at each extreme."""
        low, high = self._mean.extremes(context)
        return 0.0, 0.25 * (high - low) ** 2

    def measure(self, context: Context, weights: Floats) -> float:
        """The variance around the mean under weights (n_rows,)."""
        return covariance_of(context, (self.feature, self.feature), self.members(context), weights)

    @property
    def _mean(self) -> Mean:
        return Mean(self.feature, 0.0, where=self.where)


@dataclass(frozen=True)
class Covariance(CenteredAverage):
    """The covariance of two columns of numbers, over all rows or over those of a group.

    At fixed means m the covariance is E[(x1 - m1) (x2 - m2)], which is linear in
    the weights. So both means are held: where they are stated as a number there,
    where nothing is stated at the data's. Where one is a range or soft, it is
    searched over.

    Parameters
    ----------
    first, second : str
        Columns of numbers.
    target : float, str or pair of these
        The covariance to reach (divided by the sum of the weights), or a range
        (low, high) for it. Relative to the data's: "+5", "-5", "*1.1".
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The covariance may miss its target, at a cost of penalty / 2 times the
        squared gap in standard deviations of the product, in nats.
    where : mapping, default=None
        Rows that it is taken over, around their own means: columns and the
        level, the list of levels or the range (low, high) of numbers.

    Raises
    ------
    ValueError
        If the columns are the same, a target is no number, pair or relative
        target, or a tolerance or penalty is below 0.

    See Also
    --------
    agnostix.Variance : Of one column.

    Notes
    -----
    Second formulation: half the weighted mean over all pairs of rows of the
    products of their differences, sum_ij w_i w_j (x1_i - x1_j) (x2_i - x2_j) / 2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import Covariance, EntropicProjection
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> wish = Covariance("sepal width (cm)", "sepal length (cm)", 0.0)
    >>> scenario = EntropicProjection().fit(X, y).what_if([wish])
    >>> scenario.conditions["reached"].round(3).tolist()
    [-0.0, 3.057, 5.843]
    """

    first: str
    second: str
    target: Any
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "covariance"
    is_of_columns = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if str(self.first) == str(self.second):
            raise ValueError(
                f"The {self.kind} needs two columns, got {self.first!r} twice. For one column, state its "
                "Variance."
            )

    @property
    def named(self) -> tuple[str, Any]:
        """The columns."""
        return f"{self.first}, {self.second}", None

    @property
    def subject(self) -> str:
        """The columns."""
        return f"{self.first} and {self.second}"

    @property
    def key(self) -> tuple[Any, ...]:
        """What it fixes, whichever column is the first."""
        return (type(self).__name__, frozenset(self.shifted), *super().key[-1:])

    @property
    def shifted(self) -> tuple[str, ...]:
        """The columns."""
        return str(self.first), str(self.second)

    def needed(self, context: Context) -> tuple[tuple[Average, bool], ...]:
        """Both means."""
        return tuple((mean, False) for mean in self._means)

    def numbers_given(self, context: Context, given: Given) -> Numbers:
        """Products of the distances from the means, shape (n_rows,)."""
        one, two = (numbers_of(context, mean.feature) - given[mean.key] for mean in self._means)
        return one * two

    def measure(self, context: Context, weights: Floats) -> float:
        """The covariance around the means under weights (n_rows,)."""
        return covariance_of(context, self.shifted, self.members(context), weights)

    @property
    def _means(self) -> tuple[Mean, ...]:
        return tuple(Mean(name, 0.0, where=self.where) for name in self.shifted)


@dataclass(frozen=True)
class Correlation(Covariance):
    """The correlation of two columns of numbers, over all rows or over those of a group.

    At fixed means m and variances s^2 the correlation is
    E[(x1 - m1) (x2 - m2)] / (s1 s2), which is linear in the weights. So means and
    variances are held: where they are stated as a number there, where nothing is
    stated at the data's. Where one is a range or soft, it is searched over.

    Parameters
    ----------
    first, second : str
        Columns of numbers.
    target : float, str or pair of these
        Pearson's correlation to reach, from -1 to 1, or a range (low, high) for
        it. Relative to the data's: "+0.1", "-0.1", "*1.1".
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The correlation may miss its target, at a cost of penalty / 2 times the
        squared gap in standard deviations of the standardized product, in nats.
    where : mapping, default=None
        Rows that it is taken over: columns and the level, the list of levels or
        the range (low, high) of numbers.

    Raises
    ------
    ValueError
        If the columns are the same, a target is no number, pair or relative
        target or not from -1 to 1, or a tolerance or penalty is below 0.

    See Also
    --------
    agnostix.Covariance : In the columns' units.

    Notes
    -----
    Second formulation: ``numpy.cov`` with the weights as aweights, its entries
    divided by the roots of the diagonal.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import Correlation, EntropicProjection
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> wish = Correlation("sepal width (cm)", "sepal length (cm)", 0.2)
    >>> scenario = EntropicProjection().fit(X, y).what_if([wish])
    >>> scenario.conditions[["role", "label"]]
         role                                               label
    0  stated  correlation of sepal width (cm) and sepal leng...
    1    held                            mean of sepal width (cm)
    2    held                           mean of sepal length (cm)
    3    held                        variance of sepal width (cm)
    4    held                       variance of sepal length (cm)
    """

    kind = "correlation"
    limits = (-1.0, 1.0)

    def needed(self, context: Context) -> tuple[tuple[Average, bool], ...]:
        """Both means and both variances."""
        return (*super().needed(context), *((one, False) for one in self._variances))

    def numbers_given(self, context: Context, given: Given) -> Numbers:
        """Products of the standardized columns, shape (n_rows,)."""
        one, two = (given[variance.key] for variance in self._variances)
        return super().numbers_given(context, given) / (np.sqrt(one) * np.sqrt(two))

    def measure(self, context: Context, weights: Floats) -> float:
        """The correlation under weights (n_rows,)."""
        member = self.members(context)
        one, two = (covariance_of(context, (name, name), member, weights) for name in self.shifted)
        return super().measure(context, weights) / float(np.sqrt(one) * np.sqrt(two))

    @property
    def _variances(self) -> tuple[Variance, ...]:
        return tuple(Variance(name, 1.0, where=self.where) for name in self.shifted)


def numbers_of(context: Context, feature: str) -> Floats:
    """A column of numbers, shape (n_rows,)."""
    return np.asarray(number_column(context.sample, feature).values, dtype=np.float64)


def covariance_of(context: Context, features: Sequence[str], member: Any, weights: Floats) -> float:
    """Weighted covariance of two columns over the members, around their means."""
    columns = [numbers_of(context, name) for name in features]
    one, two = (column - average_of(column, member, weights) for column in columns)
    product = one * two
    return average_of(product, member, weights)
