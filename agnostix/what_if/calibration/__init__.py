"""Calibration of weights: means, ranges, soft targets and bounds on weights, solved in the dual."""

from agnostix.what_if.calibration.cells import Cells, merge_rows
from agnostix.what_if.calibration.divergences import (
    CHI_SQUARE,
    DIVERGENCES,
    EMPIRICAL_LIKELIHOOD,
    KULLBACK_LEIBLER,
    Divergence,
)
from agnostix.what_if.calibration.primal import Projection
from agnostix.what_if.calibration.projection import project, spread

__all__ = [
    "CHI_SQUARE",
    "DIVERGENCES",
    "EMPIRICAL_LIKELIHOOD",
    "KULLBACK_LEIBLER",
    "Cells",
    "Divergence",
    "Projection",
    "merge_rows",
    "project",
    "spread",
]
