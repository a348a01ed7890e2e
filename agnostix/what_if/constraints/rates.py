"""Constraints on rates of decisions: errors, true and false positives, selections.

A rate in a group G is a ratio, E[1_G d] / E[1_G], and has the value r where E[1_G (d - r)] = 0: linear in the
weights at its stated value, the group's share being free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.names import label_text
from agnostix.core.typing import Bools, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.what_if.constraints.averages import Average
from agnostix.what_if.constraints.base import Context
from agnostix.what_if.constraints.decisions import class_code, decide, is_of_class
from agnostix.what_if.constraints.measures import rate_quantity
from agnostix.what_if.metrics import Quantity
from agnostix.what_if.predictions import Predictions
from agnostix.what_if.table import Table


class Rate(Average):
    """The share of rows of a kind that have a decision of a kind."""

    is_share = True
    is_measure = True

    @property
    def shifted(self) -> tuple[str, ...]:
        """No column."""
        return ()

    def quantities(self, table: Table, predictions: Predictions) -> list[Quantity]:
        """The rate as a function of the weights."""
        context = Context.of_table(table, predictions)
        return [rate_quantity(self.label, self.numbers(context), self.members(context))]


@dataclass(frozen=True)
class ErrorRate(Rate):
    """The share of rows that a classifier gets wrong, among all rows or those of a group.

    In which population, closest to the data, would the model be wrong this often?

    Parameters
    ----------
    target : float, str or pair of these, default=None
        The rate to reach, from 0 to 1, or a range (low, high) for it. Relative to
        the data's: "+0.1", "-0.1", "*2". None: only measured, as ``metric=``.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The rate may miss its target, at a cost of penalty / 2 times the squared
        gap in standard deviations, in nats. None: it must be met.
    where : mapping, default=None
        Rows among which it is taken: columns and the level, the list of levels
        or the range (low, high) of numbers that they must have.

    Raises
    ------
    ValueError
        If the target is no number, pair or relative target, or a tolerance or
        penalty is below 0.

    See Also
    --------
    agnostix.TruePositiveRate : Of the rows that are positive.

    Notes
    -----
    Second formulation: one less scikit-learn's ``accuracy_score`` of labels and
    most probable classes, with the weights as sample_weight.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from agnostix import EntropicProjection, ErrorRate
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X[:300], y[:300])
    >>> scenario = EntropicProjection(model).fit(X[300:], y[300:]).what_if([ErrorRate("*2")])
    >>> bool(abs(scenario.conditions["reached"][0] / scenario.conditions["before"][0] - 2) < 1e-9)
    True
    """

    target: Any = None
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "error rate"

    @property
    def named(self) -> tuple[str, Any]:
        """The error rate."""
        return "error_rate", None

    @property
    def label(self) -> str:
        """Its name: "error rate where sex = Female"."""
        return self._with_where(self.kind)

    def numbers(self, context: Context) -> Numbers:
        """1 where the most probable class is wrong, shape (n_rows,)."""
        return context.sample.restrict(errors_of(context.predictions))


class _PositiveRate(Rate):
    """A rate of decisions for one class."""

    positive: Any
    threshold: float | None

    @property
    def named(self) -> tuple[str, Any]:
        """The rate and the class."""
        return self.kind.replace(" ", "_"), self.positive

    @property
    def label(self) -> str:
        """Its name: "selection rate of 1 at 0.5 or more where sex = Female"."""
        of = "" if self.positive is None else f" of {self.positive}"
        at = "" if self.threshold is None else f" at {self.threshold:g} or more"
        return self._with_where(f"{self.kind}{of}{at}")

    @property
    def key(self) -> tuple[Any, ...]:
        """What it fixes."""
        return (*super().key, self.threshold)

    def identity(self, context: Context) -> tuple[Any, ...]:
        """Its decisions and rows: a threshold of 0.5 decides as the most probable of two classes does."""
        decided, rows = self.numbers(context) > 0.0, self.members(context)
        parts = (np.packbits(one).tobytes() for one in ([decided] if rows is None else [decided, rows]))
        return (type(self).__name__, *parts)

    def numbers(self, context: Context) -> Numbers:
        """1 where the decision is for the class, shape (n_rows,)."""
        return decide(context, self.positive, self.threshold, "positive")


@dataclass(frozen=True)
class SelectionRate(_PositiveRate):
    """The share of rows for which a classifier decides for one class, among all rows or those of a group.

    Parameters
    ----------
    target : float, str or pair of these, default=None
        The rate to reach, from 0 to 1, or a range (low, high) for it. Relative to
        the data's: "+0.1", "-0.1", "*1.1". None: only measured, as ``metric=``.
    positive : object, default=None
        The class that is decided for. None: the last of two.
    threshold : float, default=None
        It is decided for where its score is this or more. None: where it is the
        most probable class. Regressions and scores need a threshold.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The rate may miss its target, at a cost of penalty / 2 times the squared
        gap in standard deviations, in nats. None: it must be met.
    where : mapping, default=None
        Rows among which it is taken: columns and the level, the list of levels
        or the range (low, high) of numbers that they must have.

    Raises
    ------
    ValueError
        If the target is no number, pair or relative target, or a tolerance or
        penalty is below 0.

    See Also
    --------
    agnostix.Prediction : Mean score.

    Notes
    -----
    Second formulation: the sum of the weights of the rows that are decided for,
    over that of all rows of the group, row by row.

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, SelectionRate
    >>> X = pd.DataFrame({"sex": ["Female", "Male"] * 50})
    >>> chance = [0.2, 0.4, 0.6, 0.9] * 25
    >>> projection = EntropicProjection().fit(X, predictions=chance)
    >>> rate = SelectionRate(0.4, threshold=0.5, where={"sex": "Female"})
    >>> projection.what_if([rate]).conditions[["label", "before", "reached"]].round(2)
                                                    label  before  reached
    0  selection rate at 0.5 or more where sex = Female     0.5      0.4
    """

    target: Any = None
    positive: Any = None
    threshold: float | None = None
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "selection rate"


class _RateAmongTruth(_PositiveRate):
    """A rate of decisions for one class, among the rows that are of it, or are not."""

    is_among_positives = True

    def members(self, context: Context) -> Bools:
        """The rows (n_rows,) of the class, or of others; DataError if there are none."""
        where = super().members(context)
        truth = is_of_class(context, self.positive, "positive") == self.is_among_positives
        member = truth if where is None else truth & where
        if not member.any():
            classes = context.predictions.classes or ()
            name = label_text(classes[class_code(context.predictions, self.positive, "positive")], classes)
            rows = f" where {self.where_label}" if where is not None else ""
            raise DataError(
                f"The {self.label} cannot be taken: no row{rows} has "
                f"{'the class' if self.is_among_positives else 'another class than'} {name}. Widen where=, "
                "or leave the constraint out."
            )
        return member


@dataclass(frozen=True)
class TruePositiveRate(_RateAmongTruth):
    """The share of rows of a class for which a classifier decides for it: sensitivity, or recall.

    Parameters
    ----------
    target : float, str or pair of these, default=None
        The rate to reach, from 0 to 1, or a range (low, high) for it. Relative to
        the data's: "+0.1", "-0.1", "*1.1". None: only measured, as ``metric=``.
    positive : object, default=None
        The class that is decided for. None: the last of two.
    threshold : float, default=None
        It is decided for where its score is this or more. None: where it is the
        most probable class.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The rate may miss its target, at a cost of penalty / 2 times the squared
        gap in standard deviations, in nats. None: it must be met.
    where : mapping, default=None
        Rows among which it is taken: columns and the level, the list of levels
        or the range (low, high) of numbers that they must have.

    Raises
    ------
    ValueError
        If the target is no number, pair or relative target, or a tolerance or
        penalty is below 0.

    See Also
    --------
    agnostix.FalsePositiveRate : Among the other rows.

    Notes
    -----
    Second formulation: scikit-learn's ``recall_score`` with the weights as
    sample_weight.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from agnostix import EntropicProjection, TruePositiveRate
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X[:300], y[:300])
    >>> projection = EntropicProjection(model).fit(X[300:], y[300:])
    >>> projection.what_if([TruePositiveRate(0.8, positive=0)]).conditions["reached"].round(9)[0]
    np.float64(0.8)
    """

    target: Any = None
    positive: Any = None
    threshold: float | None = None
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "true positive rate"


@dataclass(frozen=True)
class FalsePositiveRate(_RateAmongTruth):
    """The share of rows of other classes for which a classifier decides for one: one less specificity.

    Parameters
    ----------
    target : float, str or pair of these, default=None
        The rate to reach, from 0 to 1, or a range (low, high) for it. Relative to
        the data's: "+0.1", "-0.1", "*1.1". None: only measured, as ``metric=``.
    positive : object, default=None
        The class that is decided for. None: the last of two.
    threshold : float, default=None
        It is decided for where its score is this or more. None: where it is the
        most probable class.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The rate may miss its target, at a cost of penalty / 2 times the squared
        gap in standard deviations, in nats. None: it must be met.
    where : mapping, default=None
        Rows among which it is taken: columns and the level, the list of levels
        or the range (low, high) of numbers that they must have.

    Raises
    ------
    ValueError
        If the target is no number, pair or relative target, or a tolerance or
        penalty is below 0.

    See Also
    --------
    agnostix.TruePositiveRate : Among the rows of the class.

    Notes
    -----
    Second formulation: from scikit-learn's ``confusion_matrix`` with the weights
    as sample_weight, false positives over all negatives.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from agnostix import EntropicProjection, FalsePositiveRate
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X[:300], y[:300])
    >>> projection = EntropicProjection(model).fit(X[300:], y[300:])
    >>> projection.what_if([FalsePositiveRate(0.2)]).conditions["reached"].round(9)[0]
    np.float64(0.2)
    """

    target: Any = None
    positive: Any = None
    threshold: float | None = None
    tolerance: float | None = None
    penalty: float | None = None
    where: Mapping[str, Any] | None = None

    kind = "false positive rate"
    is_among_positives = False


def errors_of(predictions: Predictions) -> Floats:
    """1 for misclassified rows, else 0, shape (n_rows,)."""
    if predictions.truth is not None and predictions.task == "classification" and not predictions.predicted:
        raise DataError(
            "error_rate compares predictions with y, and there is y alone: pass a model to "
            "EntropicProjection, or predictions= to fit."
        )
    if predictions.truth is None or predictions.task != "classification" or not predictions.predicted:
        raise DataError(
            "error_rate needs a classifier's predictions and the true labels: pass y to fit. "
            "For a regression, state prediction instead."
        )
    return (predictions.predicted_class != predictions.truth).astype(np.float64)
