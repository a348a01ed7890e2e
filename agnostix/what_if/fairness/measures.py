"""measure_fairness: every rate of every group and its comparisons, with intervals that hold together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from agnostix.core.explanation import GroupMeasures
from agnostix.core.intervals import check_level
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Bools, Floats
from agnostix.what_if.constraints.base import Context
from agnostix.what_if.constraints.comparisons import GroupComparison
from agnostix.what_if.constraints.decisions import decide, is_of_class
from agnostix.what_if.constraints.fairness import StatisticalParity
from agnostix.what_if.constraints.measures import GroupShare, RatePair, comparison_quantity, rate_quantity
from agnostix.what_if.constraints.rates import FalsePositiveRate, SelectionRate, TruePositiveRate
from agnostix.what_if.explainer import EntropicProjection
from agnostix.what_if.inference import Evidence, Influence, interval
from agnostix.what_if.inference.bands import pointwise_level
from agnostix.what_if.inference.carried import trusted_degrees
from agnostix.what_if.inference.support import MIN_GAIN_ESS
from agnostix.what_if.metrics import SmoothQuantity
from agnostix.what_if.sample import Sample

_ERRORS = "error rate"


@one_blas_thread
def measure_fairness(
    projection: EntropicProjection,
    *,
    group: str | Sequence[str],
    reference: Any,
    compared: Any = None,
    favorable: Any = None,
    threshold: float | None = None,
    where: Mapping[str, Any] | None = None,
    confidence_level: float | None = None,
) -> GroupMeasures:
    """Every rate of every group and its comparisons with a reference group, with intervals.

    Selection, error, true and false positive rates of each group, and ratio and
    differences to those of the reference group. Who looks at many measures will
    see some that are far off by chance: a second interval holds for all of them
    together.

    Parameters
    ----------
    projection : EntropicProjection
        Fitted on the population.
    group : str or list of str
        Column that makes the groups, or columns that make them crossed. Rows
        without a value are in no group.
    reference : object
        The group that others are compared with: a level, or one of each column
        as a tuple or mapping.
    compared : object or list, default=None
        The groups that are compared with it; None for all others.
    favorable : object, default=None
        The class that is the favorable decision, or the output where there are
        no classes; None for the second of two classes.
    threshold : float, default=None
        Score of that class, or output, from which on the decision is favorable;
        None: where the class is the most probable.
    where : mapping, default=None
        Rows among which groups are compared: columns and the level, the list of
        levels or the range (low, high) of numbers that they must have.
    confidence_level : float, default=None
        Of the intervals; None for that of `projection`.

    Returns
    -------
    GroupMeasures
        Its ``frame`` has a line for each measure and group. Without true
        classes only selection rates are measured, and ``notes`` says so.

    Raises
    ------
    DataError
        If a group has no rows, or none of a true class.
    ValueError
        If a column, level or class is unknown.

    See Also
    --------
    stress_fairness : How far a population with another value of a measure is.
    EntropicProjection.explain : Curves of a measure, as ``metric=``.

    Notes
    -----
    A rate is a ratio of sums and has the influence function 1_G (d - r) / P(G);
    those of ratios and differences follow, and standard errors are by the delta
    method, with Student's distribution by the rows that carry the error, at
    most a third of the effective rows of the smallest group. Rates have
    Wilson's interval, and one of 0 or 1 the binomial bound.
    The simultaneous intervals are sup-t [1]_: the quantile of the largest of
    the correlated errors. The error rate is that of the decision:
    favorable for a row of another class, or not for a row of the class.
    Equalized odds are the larger of the differences in true and false positive
    rates, in absolute value; near parity their interval is too short, as there
    the larger changes sides.

    References
    ----------
    .. [1] Montiel Olea, J. L., Plagborg-Moller, M. (2019). Simultaneous
       confidence bands: theory, implementation, and an application to SVARs.
       Journal of Applied Econometrics 34(1). https://doi.org/10.1002/jae.2656

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, measure_fairness
    >>> X = pd.DataFrame({"sex": ["Female"] * 80 + ["Male"] * 120})
    >>> hired = [1] * 20 + [0] * 60 + [1] * 60 + [0] * 60
    >>> projection = EntropicProjection().fit(X, predictions=hired)
    >>> measures = measure_fairness(projection, group="sex", reference="Male")
    >>> measures.frame[["measure", "group", "value", "low", "high"]].round(2)
                  measure         group  value   low  high
    0      selection rate    sex = Male   0.50  0.41  0.59
    1      selection rate  sex = Female   0.25  0.16  0.36
    2    disparate impact  sex = Female   0.50  0.28  0.73
    3  statistical parity  sex = Female  -0.25 -0.39 -0.11
    """
    check_projection(projection, "measure_fairness")
    level = projection.config_.confidence_level if confidence_level is None else confidence_level
    check_level(level, "confidence_level")
    options = {"favorable": favorable, "threshold": threshold, "where": where}
    comparison = StatisticalParity(group=group, reference=reference, compared=compared, **options)
    context = Context.of_table(projection.table_, projection.predictions_)
    groups = _Groups.from_context(comparison, context)
    lines = list(groups.lines())
    sample = Sample.from_table(projection.table_, [line.quantity for line in lines])
    notes = () if _has_classes(context) else (_WITHOUT_TRUTH,)
    return GroupMeasures(
        frame=_frame(lines, sample, level),
        reference=groups.reference,
        favorable=favorable,
        threshold=threshold,
        notes=notes,
        confidence_level=level,
    )


_WITHOUT_TRUTH = (
    "The true classes are unknown, so only selection rates are measured. Pass y to fit for error rates, true "
    "and false positive rates."
)


def _has_classes(context: Context) -> bool:
    """Whether the true classes are known."""
    return context.predictions.truth is not None and context.predictions.task == "classification"


def check_projection(projection: Any, caller: str) -> None:
    """TypeError unless it is a fitted EntropicProjection."""
    if not isinstance(projection, EntropicProjection):
        raise TypeError(
            f"{caller} takes a fitted EntropicProjection, got {type(projection).__name__}. Pass "
            "EntropicProjection(model).fit(X, y)."
        )
    check_is_fitted(projection, "n_features_in_")


class Line(NamedTuple):
    """A measure of a group."""

    measure: str
    group: str
    reference: str | None  # None for rates
    quantity: SmoothQuantity
    members: tuple[Bools, ...]  # rows (n_rows,) of the groups that it rests on


@dataclass(frozen=True)
class _Groups:
    """Rates of each group as functions of the weights, by rate and group, the reference group first."""

    shares: Mapping[str, Mapping[str, GroupShare]]

    @classmethod
    def from_context(cls, comparison: GroupComparison, context: Context) -> _Groups:
        """All rates that the predictions have; DataError if a group has no rows."""
        kinds = (SelectionRate, TruePositiveRate, FalsePositiveRate)
        has_truth = _has_classes(context)
        shares = {}
        for rate in comparison.rates(context, kinds if has_truth else kinds[:1]):
            rate.check_has_rows()
            shares[rate.name] = {name: GroupShare(rate.decisions, own) for name, own in rate.groups.items()}
        if has_truth:
            decided = decide(context, comparison.favorable, comparison.threshold)
            wrong = np.abs(decided - is_of_class(context, comparison.favorable))
            selections = shares[SelectionRate.kind]
            shares[_ERRORS] = {name: GroupShare(wrong, own.member) for name, own in selections.items()}
        return cls(shares)

    @property
    def reference(self) -> str:
        """The reference group."""
        return next(iter(self.shares[SelectionRate.kind]))

    def lines(self) -> Iterator[Line]:
        """Each rate of each group, then each comparison of each group."""
        for rate, shares in self.shares.items():
            for name, share in shares.items():
                quantity = rate_quantity(rate, share.decisions, share.member)
                assert isinstance(quantity, SmoothQuantity)
                yield Line(rate, name, None, quantity, (share.member,))
        others = [name for name in self.shares[SelectionRate.kind] if name != self.reference]
        for measure, rates, is_ratio, is_absolute in _COMPARISONS:
            for name in others if all(rate in self.shares for rate in rates) else ():
                yield self._compare(measure, name, rates, is_ratio, is_absolute)

    def _compare(
        self, measure: str, name: str, rates: Sequence[str], is_ratio: bool, is_absolute: bool
    ) -> Line:
        both = [(self.shares[rate][name], self.shares[rate][self.reference]) for rate in rates]
        pairs = [RatePair(own, other, is_ratio, is_absolute) for own, other in both]
        members = tuple(share.member for pair in both for share in pair)
        return Line(measure, name, self.reference, comparison_quantity(measure, pairs), members)


_COMPARISONS = (
    ("disparate impact", ("selection rate",), True, False),
    ("statistical parity", ("selection rate",), False, False),
    ("equal opportunity", ("true positive rate",), False, False),
    ("false positive parity", ("false positive rate",), False, False),
    ("error parity", ("error rate",), False, False),
    ("equalized odds", ("true positive rate", "false positive rate"), False, True),
)
"""Name, the rates that are compared, whether their ratio is taken, and whether the sign is left out."""


def _frame(lines: Sequence[Line], sample: Sample, level: float) -> pd.DataFrame:
    """A line for each measure, with its interval and that of all together."""
    base, design = sample.base, sample.design
    measured = [line.quantity.measure(base) for line in lines]
    influence = Influence.from_weights(np.empty((base.size, 0)), base, base, design)
    psi = np.column_stack([derivative for _, derivative in measured])
    errors, _ = influence.errors(psi)
    own = influence.of_rows(psi)
    own = own if design is None else design.centered(own)
    together = _levels_together(own, errors, level)
    finite = np.where(np.isfinite(own), own, 0.0)
    degrees, _, skewness = trusted_degrees(finite, is_bounded=True, design=design)
    rows = []
    for j, (line, (value, _), error, joint) in enumerate(
        zip(lines, measured, errors.tolist(), together, strict=True)
    ):
        groups = line.quantity.groups_at(base)
        assert groups is not None
        evidence = replace(Evidence.unknown(1), degrees=degrees[[j]], skewness=skewness[[j]])
        parts = (line.quantity, value, error, groups, sample.most_degrees, evidence)
        ends = [_ends(*parts, at) for at in (level, joint)]
        ess = float(groups[:, 0].min())
        status = "ok" if ess >= MIN_GAIN_ESS else "thin"
        n_rows = min(int(member.sum()) for member in line.members)
        rows.append((*line[:3], value, error, *ends[0], *ends[1], n_rows, ess, status))
    labels = {name: pd.Series([row[j] for row in rows], dtype=object) for j, name in enumerate(_NAMES[:3])}
    return pd.DataFrame(rows, columns=_NAMES).assign(**labels)


_NAMES = ["measure", "group", "reference", "value", "std_error", "low", "high"]
_NAMES += ["band_low", "band_high", "n_rows", "ess", "status"]


def _levels_together(influences: Floats, errors: Floats, level: float) -> Floats:
    """Level of each interval at which all hold together, (n_measures,), from influences (n_units, ...).

    Measures without spread, of rates that are 0 or 1, take their share by Bonferroni's inequality.
    """
    known = np.isfinite(errors)
    still = known & (errors <= 0.0)
    share = (1.0 - level) / max(int(known.sum()), 1)
    moving = known & ~still
    own = 1.0 - share * max(int(moving.sum()), 1)
    return np.where(still, 1.0 - share, pointwise_level(influences[:, moving], own))


def _ends(
    quantity: SmoothQuantity,
    value: float,
    error: float,
    groups: Floats,
    most_degrees: float,
    evidence: Evidence,
    level: float,
) -> tuple[float, float]:
    low, high = interval(
        *(np.array([value]), np.array([error]), groups[:, 0].min(keepdims=True), level, quantity.bounds),
        kind=quantity.kind,
        evidence=evidence,
        most_degrees=most_degrees,
        groups=groups[None],
    )
    return float(low[0]), float(high[0])
