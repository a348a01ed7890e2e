"""The level of each interval of a ranking at which all hold together.

All changes rest on the same rows. How they move together is that of the rows' influences on them, and so is
what their errors share: a row that carries much of one error carries much of others. The largest of
correlated Student variables (Montiel Olea and Plagborg-Moller, 2019, take normal ones) then needs fewer
standard errors than Bonferroni's inequality.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.what_if.inference import interval_degrees
from agnostix.what_if.inference.bands import student_level
from agnostix.what_if.inference.carried import in_parts_of_the_largest
from agnostix.what_if.response_curves import QuantityCurve, ResponseCurve
from agnostix.what_if.sample import Sample

_MOST_UNITS = 512
"""Sums of rows that correlations are taken from."""


def level_together(curves: Sequence[ResponseCurve], confidence_level: float) -> float:
    """Level of each interval of the changes of all curves at which these hold together."""
    parts = [(curve, part) for curve in curves for part in curve.quantity_curves]
    if not parts:
        return confidence_level
    own, squares, degrees = (
        np.concatenate(x, -1) for x in zip(*(_units(*one) for one in parts), strict=True)
    )
    errors = np.concatenate([part.change_errors for _, part in parts])
    counts = np.isfinite(errors) & (errors > 0.0)
    if not counts.any():
        return confidence_level
    own, squares, degrees = own[:, counts], squares[:, counts], degrees[counts]
    return student_level(_correlation(own), _correlation(squares), degrees, confidence_level)


def _units(curve: ResponseCurve, part: QuantityCurve) -> tuple[Floats, Floats, Floats]:
    """Sums of influences on changes and of their squares (n_sums, n_targets), and degrees (n_targets,)."""
    sample = curve.moment.sample
    degrees = interval_degrees(curve.ess, part.evidence[1], sample.most_degrees)
    if part.influences is None:
        return (*np.zeros((2, _MOST_UNITS, curve.targets.size)), degrees)
    own = in_parts_of_the_largest(np.nan_to_num(part.influences))
    if sample.design is not None:
        own = sample.design.centered(own)
    return _sums(own, places := _places(sample, len(own))), _sums(own**2, places), degrees


def _places(sample: Sample, n_units: int) -> Codes:
    """Which of the sums each row, or cluster, is added to, (n_units,)."""
    # Rows are in the order of a hash, so that every n-th is as good as a random block.
    rows = np.arange(n_units)
    if sample.design is None and sample.rows is not None:
        rows = np.flatnonzero(sample.rows)
    return rows % _MOST_UNITS


def _sums(values: Floats, places: Codes) -> Floats:
    """Sums (n_sums, n_targets) of values (n_units, n_targets)."""
    return np.column_stack([np.bincount(places, column, _MOST_UNITS) for column in values.T])


def _correlation(sums: Floats) -> Floats:
    """Correlations (n_targets, n_targets); what has no spread is apart from all others."""
    centered = sums - sums.mean(0)
    lengths = np.sqrt((centered**2).sum(0))
    unit = centered / np.where(lengths > 0.0, lengths, 1.0)
    out = unit.T @ unit
    np.fill_diagonal(out, 1.0)  # normal variables that are apart need the most: Sidak's inequality
    return out
