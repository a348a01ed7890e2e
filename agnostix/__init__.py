"""Model-agnostic explanations in scikit-learn's style."""

from importlib.metadata import version

from agnostix.exceptions import InfeasibleTargetError
from agnostix.explainers import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    lime_exact,
    submodular_pick,
)
from agnostix.explanation import Explanation, Scenario, WhatIfCurves
from agnostix.models import as_predictor
from agnostix.report import WhatIfReport

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
