"""Results: what explainers return.

- `explanation`: `Explanation`; `fields`: its checks, and `Detail`, an array with named axes.
- `statistics`: confidence intervals, means over rows, the completeness gap; `selection`: rows, features.
- `conversion`: tables and shap's objects; `views`: HTML and plots; `storage`, `frame_storage`: files.
- `what_if`: `WhatIfCurves` and `Scenario`; `pixels`: `PixelEffects` and `PixelShifts`, the same of pictures;
  `gap`: `GapExplanation`; `fairness`: `GroupMeasures` and `FairnessStress`.
"""

from agnostix.core.explanation.explanation import Explanation
from agnostix.core.explanation.fairness import FairnessStress, GroupMeasures
from agnostix.core.explanation.fields import Detail
from agnostix.core.explanation.gap import GapExplanation
from agnostix.core.explanation.pixels import PixelEffects, PixelShifts
from agnostix.core.explanation.what_if import Histogram, Scenario, WhatIfCurves

__all__ = [
    "Detail",
    "Explanation",
    "FairnessStress",
    "GapExplanation",
    "GroupMeasures",
    "Histogram",
    "PixelEffects",
    "PixelShifts",
    "Scenario",
    "WhatIfCurves",
]
