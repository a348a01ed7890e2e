"""What an explanation says in fewer numbers: intervals, means over rows, differences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from agnostix.core.explanation.differences import difference_fields
from agnostix.core.explanation.pairs import by_pairs
from agnostix.core.explanation.row_means import aggregated_fields
from agnostix.core.explanation.statistics import interval_of
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation


class Summaries:
    """Methods of an `Explanation` that put its values and errors together."""

    def aggregate(self, by: Any = None, how: str = "mean_abs") -> Explanation:
        """Aggregate over rows: which features matter over all of them, or over groups.

        Parameters
        ----------
        by : str or array-like of shape (n_rows,), default=None
            A column of `data`, or a label for each row: one block for each group,
            rows without a label being one too. None aggregates all rows.
        how : {"mean_abs", "mean", "max_abs"}, default="mean_abs"
            Mean of the absolute values, mean of the values, or the largest absolute value.

        Returns
        -------
        Explanation
            Without the dim "row"; with `by` its first dim is "group". Standard
            errors are those of a mean over rows drawn independently, from their
            spread, and of what all rows share: the background sample and the
            draws (``extras["shared_errors"]``, ``extras["design_errors"]``).
            Intervals are Student's. Errors are NaN for a single row, and for
            "max_abs", which is no mean. ``extras["aggregate"]`` is `how`. Base
            values, outputs, data and details by row are left out.

        Raises
        ------
        ValueError
            If there are no rows, or `by` fits neither the columns nor the rows.

        Notes
        -----
        Noise makes the mean of absolute values too large: a value of 0 known with
        error s has size 0.8 s on average. What the values' own errors add is taken
        off as far as it can be known, and what may be left is part of the error:
        see docs/intervals.md. Values that are not determined are left out.

        Examples
        --------
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=[[[0.5], [-0.2]], [[0.1], [0.4]]], feature_names=("age", "hours"),
        ...     output_names=("income",), quantity="effect", method="by hand",
        ... )
        >>> exp.aggregate().to_frame()
          feature  output  value  std_error
        0     age  income    0.3        0.2
        1   hours  income    0.3        0.1
        """
        explanation = cast("Explanation", self)
        explanation._check_rows("aggregate")
        return replace(explanation, **aggregated_fields(explanation, by, how))

    def difference(self, one: Any, other: Any, dim: str = "feature", how: str | None = None) -> Explanation:
        """Subtract one feature, row, output or group from another, with the error of the difference.

        Errors that both share cancel as far as they are the same, so that a
        difference can be surer than the values are. Comparing two intervals
        instead misses most of what differs.

        Parameters
        ----------
        one, other : str, int or hashable
            Two entries of the dim, by name, coordinate or place.
        dim : str, default="feature"
            One of `dims`: "feature", "row", "output", or "group" of an aggregated explanation.
        how : {None, "mean", "mean_abs"}, default=None
            None subtracts value by value. "mean" and "mean_abs" subtract the means
            over rows that `aggregate` gives, paired row by row.

        Returns
        -------
        Explanation
            With one entry along `dim`, "one - other", and its errors, degrees of
            freedom and intervals.

        Raises
        ------
        KeyError
            If there is no such entry.
        ValueError
            If there is no such dim; if means are asked for without rows; or if the
            explanation was aggregated, and the rows that pair two features are gone.

        Examples
        --------
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=[[[0.5], [-0.2]], [[0.1], [0.4]], [[0.9], [-0.1]]],
        ...     feature_names=("age", "hours"), output_names=("income",), quantity="effect", method="by hand",
        ... )
        >>> exp.difference("age", "hours", how="mean_abs").to_frame().round(2)
               feature  output  value  std_error
        0  age - hours  income   0.27       0.32
        """
        explanation = cast("Explanation", self)
        return replace(explanation, **difference_fields(explanation, one, other, dim, how))

    def pairs_as_features(self) -> Explanation:
        """List interactions: single features, then pairs, each as a feature of its own.

        All Displays of features draw the result, such as
        ``exp.pairs_as_features().plot.waterfall(row=0)``.

        Returns
        -------
        Explanation
            With one dim "feature", of which pairs are named "age × hours"; itself
            if it is not of quantity "interaction" with two dims "feature".

        Examples
        --------
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=[[0.5, 0.2], [0.2, -0.1]], dims=("feature", "feature"), feature_names=("age", "hours"),
        ...     quantity="interaction", method="by hand",
        ... )
        >>> exp.pairs_as_features().to_frame()["feature"].tolist()
        ['age', 'hours', 'age × hours']
        """
        return by_pairs(cast("Explanation", self))

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Confidence intervals, each value by itself.

        Student's where ``extras["degrees_of_freedom"]`` has finite degrees of
        freedom, else normal, unless ``extras["interval_kind"]`` says which: see
        `docs/intervals.md`. Both are Details with dims among those of values.

        Parameters
        ----------
        level : float, default=0.95
            Nominal coverage, between 0 and 1.

        Returns
        -------
        low, high : ndarray shaped as values
            Equal to values where they are exact or nothing was sampled, NaN
            where the error is unknown, infinite where the kind is "undetermined".

        Examples
        --------
        >>> from agnostix import Explanation
        >>> exp = Explanation(
        ...     values=[1.0, 2.0], std_errors=[0.1, 0.0], dims=("feature",), feature_names=("age", "hours"),
        ...     quantity="effect", method="by hand",
        ... )
        >>> low, high = exp.interval()
        >>> low.round(2).tolist(), high.round(2).tolist()
        ([0.8, 2.0], [1.2, 2.0])
        """
        return interval_of(cast("Explanation", self), level)
