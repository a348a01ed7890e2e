"""Displays in scikit-learn's shape: built from results, drawn by ``plot``, data in ``frame``."""

from agnostix.plotting.concentration import WeightConcentrationDisplay
from agnostix.plotting.curve import WhatIfCurveDisplay
from agnostix.plotting.joint_map import WhatIfMapDisplay
from agnostix.plotting.ranking import WhatIfRankingDisplay
from agnostix.plotting.shifts import ShiftDisplay

__all__ = [
    "ShiftDisplay",
    "WeightConcentrationDisplay",
    "WhatIfCurveDisplay",
    "WhatIfMapDisplay",
    "WhatIfRankingDisplay",
]
