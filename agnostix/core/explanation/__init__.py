"""Results: what explainers return."""

from agnostix.core.explanation.explanation import Explanation
from agnostix.core.explanation.fields import Detail
from agnostix.core.explanation.what_if import Histogram, Scenario, WhatIfCurves

__all__ = ["Detail", "Explanation", "Histogram", "Scenario", "WhatIfCurves"]
