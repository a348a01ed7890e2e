"""Results: what explainers return."""

from agnostix.explanation.scenario import Scenario
from agnostix.explanation.what_if_curves import Histogram, WhatIfCurves

__all__ = ["Histogram", "Scenario", "WhatIfCurves"]
