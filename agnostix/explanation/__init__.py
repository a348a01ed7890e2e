"""Results: what explainers return."""

from agnostix.explanation.explanation import Explanation
from agnostix.explanation.scenario import Scenario
from agnostix.explanation.what_if_curves import Histogram, WhatIfCurves

__all__ = ["Explanation", "Histogram", "Scenario", "WhatIfCurves"]
