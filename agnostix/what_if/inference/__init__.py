"""How far a reweighted mean can be trusted: standard errors, intervals, and support by enough rows.

`influence` has the delta method for any divergence, `design` what it makes of clusters and strata,
`intervals` Student's t and the jackknife over blocks for what has no known derivative, `support` the status.
"""

from agnostix.what_if.inference.cells import AnyInfluence, CellInfluence
from agnostix.what_if.inference.design import Design
from agnostix.what_if.inference.influence import (
    MAX_LEVERAGE,
    MIN_CARRIED_WEIGHT,
    Influence,
    unit_errors,
)
from agnostix.what_if.inference.intervals import (
    DIFFERENCE,
    FEW_EVENTS,
    HEAVY_TAILS,
    Evidence,
    assign_blocks,
    degrees_of_freedom,
    interval,
    interval_degrees,
    jackknife,
)
from agnostix.what_if.inference.support import WeightDiagnostics, classify_support, compute_gain_ess

__all__ = [
    "DIFFERENCE",
    "FEW_EVENTS",
    "HEAVY_TAILS",
    "MAX_LEVERAGE",
    "MIN_CARRIED_WEIGHT",
    "AnyInfluence",
    "CellInfluence",
    "Design",
    "Evidence",
    "Influence",
    "WeightDiagnostics",
    "assign_blocks",
    "classify_support",
    "compute_gain_ess",
    "degrees_of_freedom",
    "interval",
    "interval_degrees",
    "jackknife",
    "unit_errors",
]
