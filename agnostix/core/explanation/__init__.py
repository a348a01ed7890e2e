"""Results: what explainers return."""

from agnostix.core.explanation.detail import Detail
from agnostix.core.explanation.explanation import Explanation
from agnostix.core.explanation.scenario import Scenario
from agnostix.core.explanation.what_if_curves import Histogram, WhatIfCurves

__all__ = ["Detail", "Explanation", "Histogram", "Scenario", "WhatIfCurves"]
