"""Results: what explainers return."""

from agnostix.explanation.scenario import Scenario
from agnostix.explanation.what_if_curves import WhatIfCurves

__all__ = ["Scenario", "WhatIfCurves"]
