"""Constraints on group fairness measures: ratios and differences of rates between groups."""

from __future__ import annotations

from dataclasses import dataclass

from agnostix.what_if.constraints.comparisons import GroupComparison
from agnostix.what_if.constraints.rates import FalsePositiveRate, TruePositiveRate


@dataclass(frozen=True)
class DisparateImpact(GroupComparison):
    """The ratio of a group's selection rate to that of a reference group.

    Which population, closest to the data, has this ratio? The decisions stay
    what they are; only the weights of the rows change. Of several groups the
    smallest ratio is meant. Given the reference group's rate c, the conditions
    are linear in the weights, with the groups' shares free; c is searched over.

    Parameters
    ----------
    target : float, str or pair of these, default=None
        The ratio to reach, or a range (low, high) for it, as (0.8, inf) for the
        four-fifths rule. Relative to the data's ratio: "+0.1", "*2". None: only measured,
        as ``metric=``.
    group : str or list of str
        Column that makes the groups, or columns that make them crossed.
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
    hold_shares : bool, default=False
        Whether the groups keep their shares of the rows. The conditions are
        then linear, and the population is farther from the data.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The ratio may miss its target, at a cost of penalty / 2 times the
        squared gap in standard deviations of the decisions, divided by the
        reference group's rate, in nats. None: it must be met.
    where : mapping, default=None
        Rows among which groups are compared: columns and the level, the list of
        levels or the range (low, high) of numbers that they must have.

    Raises
    ------
    DataError
        If a group has no rows, or the same decision in all of its rows.

    See Also
    --------
    agnostix.StatisticalParity : The difference of the same rates.
    agnostix.SelectionRate : The rate of one group.

    Notes
    -----
    Second formulation: with m_gd the base weight of group g and decision d, and
    nothing else stated, the least divergence at a reference rate c is
    -log(1 - m_A - m_B + m_A exp(-k_A(r c)) + m_B exp(-k_B(c))), where k_g is the
    Bernoulli divergence from the group's own rate. It has two minima where it
    is cheaper to lose most of one group than to change both, which is why c is
    searched over its whole range. The measure is that of [1]_.

    References
    ----------
    .. [1] Feldman, Friedler, Moeller, Scheidegger and Venkatasubramanian,
       "Certifying and removing disparate impact", KDD 2015.
       https://doi.org/10.1145/2783258.2783311

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import DisparateImpact, EntropicProjection
    >>> X = pd.DataFrame({"sex": ["Female"] * 40 + ["Male"] * 60})
    >>> hired = [1] * 10 + [0] * 30 + [1] * 30 + [0] * 30
    >>> projection = EntropicProjection().fit(X, predictions=hired)
    >>> four_fifths = DisparateImpact(0.8, group="sex", reference="Male")
    >>> scenario = projection.what_if([four_fifths])
    >>> scenario.conditions[["label", "before", "reached"]].round(3)
                                      label  before  reached
    0  disparate impact of sex, reference Male     0.5      0.8
    """

    kind = "disparate impact"
    is_ratio = True


@dataclass(frozen=True)
class StatisticalParity(GroupComparison):
    """The difference of a group's selection rate and that of a reference group.

    Which population, closest to the data, has this difference? Of two groups it
    has a sign; of more the largest in absolute value is meant. Given the
    reference group's rate the conditions are linear in the weights, with the
    groups' shares free; that rate is searched over.

    Parameters
    ----------
    target : float, str or pair of these, default=None
        The difference to reach, group less reference, or a range (low, high)
        for it. Relative to the data's: "+0.1", "*0.5". None: only measured,
        as ``metric=``.
    group : str or list of str
        Column that makes the groups, or columns that make them crossed.
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
    hold_shares : bool, default=False
        Whether the groups keep their shares of the rows. The conditions are
        then linear, and the population is farther from the data.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The difference may miss its target, at a cost of penalty / 2 times the
        squared gap in standard deviations of the decisions, in nats. None: it
        must be met.
    where : mapping, default=None
        Rows among which groups are compared: columns and the level, the list of
        levels or the range (low, high) of numbers that they must have.

    Raises
    ------
    DataError
        If a group has no rows, or the same decision in all of its rows.

    See Also
    --------
    agnostix.DisparateImpact : The ratio of the same rates.

    Notes
    -----
    Second formulation: the closest weights by a general solver of nonlinear
    programmes under the constraint on the difference of two ratios of sums. The
    measure is that of [1]_.

    References
    ----------
    .. [1] Dwork, Hardt, Pitassi, Reingold and Zemel, "Fairness through
       awareness", ITCS 2012. https://doi.org/10.1145/2090236.2090255

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, StatisticalParity
    >>> X = pd.DataFrame({"sex": ["Female"] * 40 + ["Male"] * 60})
    >>> hired = [1] * 10 + [0] * 30 + [1] * 30 + [0] * 30
    >>> projection = EntropicProjection().fit(X, predictions=hired)
    >>> parity = StatisticalParity("*0.5", group="sex", reference="Male")
    >>> projection.what_if([parity]).conditions[["before", "reached"]].round(3)
       before  reached
    0   -0.25   -0.125
    """

    kind = "statistical parity"


@dataclass(frozen=True)
class EqualOpportunity(GroupComparison):
    """The difference of a group's true positive rate and that of a reference group.

    The true positive rate is the share of favorable decisions among the rows
    whose true class is favorable. Of two groups the difference has a sign; of
    more the largest in absolute value is meant. Given the reference group's
    rate the conditions are linear in the weights, with the groups' shares free;
    that rate is searched over.

    Parameters
    ----------
    target : float, str or pair of these, default=None
        The difference to reach, group less reference, or a range (low, high)
        for it. Relative to the data's: "+0.1", "*0.5". None: only measured,
        as ``metric=``.
    group : str or list of str
        Column that makes the groups, or columns that make them crossed.
    reference : object
        The group that others are compared with: a level, or one of each column
        as a tuple or mapping.
    compared : object or list, default=None
        The groups that are compared with it; None for all others.
    favorable : object, default=None
        The class that is the favorable decision; None for the second of two.
    threshold : float, default=None
        Score of that class from which on the decision is favorable; None: where
        the class is the most probable.
    hold_shares : bool, default=False
        Whether the rows of each group whose true class is favorable keep their
        share. The conditions are then linear, and the population is farther
        from the data.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The difference may miss its target, at a cost of penalty / 2 times the
        squared gap in standard deviations of the decisions, in nats. None: it
        must be met.
    where : mapping, default=None
        Rows among which groups are compared: columns and the level, the list of
        levels or the range (low, high) of numbers that they must have.

    Raises
    ------
    DataError
        If the true classes are unknown, or a group has no rows whose true class
        is favorable, or the same decision in all of these.

    See Also
    --------
    agnostix.EqualizedOdds : True and false positive rates together.
    agnostix.TruePositiveRate : The rate of one group.

    Notes
    -----
    Second formulation: the least divergence over a grid of the reference
    group's rate, each of a cone programme. The measure is that of [1]_.

    References
    ----------
    .. [1] Hardt, Price and Srebro, "Equality of opportunity in supervised
       learning", NIPS 2016. https://doi.org/10.48550/arXiv.1610.02413

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, EqualOpportunity
    >>> X = pd.DataFrame({"sex": ["Female"] * 40 + ["Male"] * 60})
    >>> hired = [1] * 10 + [0] * 30 + [1] * 30 + [0] * 30
    >>> able = [1] * 20 + [0] * 20 + [1] * 40 + [0] * 20
    >>> projection = EntropicProjection().fit(X, able, predictions=hired)
    >>> nearly = EqualOpportunity(-0.1, group="sex", reference="Male")
    >>> projection.what_if([nearly]).conditions[["before", "reached"]].round(3)
       before  reached
    0   -0.25     -0.1
    """

    kind = "equal opportunity"
    kinds = (TruePositiveRate,)


@dataclass(frozen=True)
class EqualizedOdds(GroupComparison):
    """The larger of the differences in true and false positive rates between groups and a reference group.

    The differences are taken in absolute value, the largest over both rates and
    all groups. Given the reference group's two rates the conditions are linear
    in the weights, with the groups' shares free; the rates are searched over.

    Parameters
    ----------
    target : float, str or pair of these, default=None
        The largest difference to reach, 0 or more, or a range (low, high) for
        it, as (0, 0.1) for at most 0.1. Relative to the data's: "*0.5". None: only measured,
        as ``metric=``.
    group : str or list of str
        Column that makes the groups, or columns that make them crossed.
    reference : object
        The group that others are compared with: a level, or one of each column
        as a tuple or mapping.
    compared : object or list, default=None
        The groups that are compared with it; None for all others.
    favorable : object, default=None
        The class that is the favorable decision; None for the second of two.
    threshold : float, default=None
        Score of that class from which on the decision is favorable; None: where
        the class is the most probable.
    hold_shares : bool, default=False
        Whether each group's rows of each true class keep their share. The
        conditions are then linear, and the population is farther from the data.
    tolerance : float, default=None
        Widens a single target to a range.
    penalty : float, default=None
        The largest difference may miss its target, at a cost of penalty / 2
        times the squared gap in standard deviations of the decisions, in nats.
        None: it must be met.
    where : mapping, default=None
        Rows among which groups are compared: columns and the level, the list of
        levels or the range (low, high) of numbers that they must have.

    Raises
    ------
    DataError
        If the true classes are unknown, or a group has no rows of a true class,
        or the same decision in all of these.

    See Also
    --------
    agnostix.EqualOpportunity : True positive rates alone.

    Notes
    -----
    Second formulation: the closest weights by a general solver of nonlinear
    programmes, for each rate, group and sign that may be the largest. The
    measure is that of [1]_.

    References
    ----------
    .. [1] Hardt, Price and Srebro, "Equality of opportunity in supervised
       learning", NIPS 2016. https://doi.org/10.48550/arXiv.1610.02413

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix import EntropicProjection, EqualizedOdds
    >>> X = pd.DataFrame({"sex": ["Female"] * 40 + ["Male"] * 60})
    >>> hired = [1] * 14 + [0] * 26 + [1] * 33 + [0] * 27
    >>> able = [1] * 10 + [0] * 5 + [1] * 5 + [0] * 20 + [1] * 25 + [0] * 10 + [1] * 5 + [0] * 20
    >>> projection = EntropicProjection().fit(X, able, predictions=hired)
    >>> odds = EqualizedOdds((0, 0.05), group="sex", reference="Male")
    >>> projection.what_if([odds]).conditions[["before", "reached"]].round(3)
       before  reached
    0   0.167     0.05
    """

    kind = "equalized odds"
    kinds = (TruePositiveRate, FalsePositiveRate)
