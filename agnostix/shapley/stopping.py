"""When a row stops: nested designs of growing size, and what looking at a row several times costs.

Every design has half as many pairs again as the one before. A row stops at the first one where its largest
coalition error is at most `tol` times the range of its values, 0 included, in all outputs of the model.
Errors that are looked at several times are small by chance sooner or later, so they are enlarged: the k-th
look takes Student's quantile of the level 1 - 0.05 / 2**k, in units of that of the normal distribution at
0.95. These chances of an error sum to 0.05, however many looks there are [1]_, so that rows which stop in a
stage that a larger budget has too are left as they are. The first look, whose error is the least certain,
gets most of them.

References
----------
.. [1] K. K. G. Lan, D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70, 1983.
   :doi:`10.1093/biomet/70.3.659`
"""

from __future__ import annotations

import numpy as np

from agnostix.core.intervals import half_widths
from agnostix.core.typing import Codes, Floats
from agnostix.shapley.coalitions import count_pairs, first_pairs

LEVEL = 0.95
"""Probability with which a row that stops has no larger error, over all looks together."""
_LARGEST_BUT_ALL = 0.5
"""Share of all pairs that a design may have at most, unless it has all: exact values are next."""


def stage_pairs(n_players: int, n_pairs: int) -> list[int]:
    """Pairs of each design, from the least that sees most interactions up to n_pairs."""
    every, sizes, n = count_pairs(n_players), [], first_pairs(n_players)
    most = _LARGEST_BUT_ALL * every if n_pairs == every else n_pairs - 1
    while n <= most:
        sizes.append(n)
        n += -(-n // 2)
    return [*sizes, n_pairs]


def level_of_look(look: int) -> float:
    """Level of the interval that the look with this number, from 1 on, compares to the tolerance."""
    return 1.0 - (1.0 - LEVEL) / 2.0**look


def relative_errors(values: Floats, variances: Floats, dof: Floats, level: float) -> Floats:
    """Largest error (n_rows,) relative to the range of an output's values (n_rows, n_players, n_outputs).

    In units of which 1.96 are the half width of Student's interval of this level. Degrees of freedom are
    the median of a row's: those of single values are uncertain themselves, and the least of many too few.
    """
    if values.shape[1] == 0:
        return np.zeros(values.shape[0])
    normal = float(half_widths(1.0, LEVEL))
    halves = half_widths(np.sqrt(variances.max(axis=1)), level, np.median(dof, axis=1))
    largest = halves / normal
    spread = values.max(axis=1, initial=0.0) - values.min(axis=1, initial=0.0)
    unknown = np.where(largest > 0.0, np.inf, 0.0)
    return np.divide(largest, spread, out=unknown, where=spread > 0.0).max(axis=1)


def forecast_evaluations(evaluations: Codes, errors: Floats, n_players: int) -> Floats:
    """Evaluations (n_rows,) that bring errors in units of the tolerance to 1, by the square root of them."""
    needed = np.ceil(evaluations * np.maximum(1.0, errors) ** 2)
    return np.minimum(needed, 2.0 ** min(n_players, 1023))  # all coalitions are exact
