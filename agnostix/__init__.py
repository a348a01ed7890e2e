"""Model-agnostic explanations in scikit-learn's style."""

from importlib.metadata import version

from agnostix.core.explanation import Explanation, Scenario, WhatIfCurves
from agnostix.core.models import as_predictor
from agnostix.exceptions import InfeasibleTargetError
from agnostix.explainers import (
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    lime_exact,
    submodular_pick,
)
from agnostix.report import WhatIfReport
from agnostix.what_if import EntropicProjection

__version__ = version("agnostix")

__all__ = [
    "EntropicProjection",
    "Explanation",
    "InfeasibleTargetError",
    "KernelShapExplainer",
    "LimeExplainer",
    "MimicTree",
    "OcclusionExplainer",
    "Scenario",
    "WhatIfCurves",
    "WhatIfReport",
    "as_predictor",
    "lime_exact",
    "submodular_pick",
]
