"""Model-agnostic explanations in scikit-learn's style."""

from importlib.metadata import version

from agnostix.core.explanation import Explanation, Scenario, WhatIfCurves
from agnostix.core.models import as_predictor
from agnostix.exceptions import InfeasibleTargetError
from agnostix.explainers import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    lime_exact,
    submodular_pick,
)
from agnostix.neural import ExtremalMaskExplainer
from agnostix.occlusion import OcclusionExplainer, RiseExplainer
from agnostix.report import WhatIfReport

__version__ = version("agnostix")

__all__ = [
    "EntropicProjection",
    "Explanation",
    "ExtremalMaskExplainer",
    "InfeasibleTargetError",
    "KernelShapExplainer",
    "LimeExplainer",
    "MimicTree",
    "OcclusionExplainer",
    "RiseExplainer",
    "Scenario",
    "WhatIfCurves",
    "WhatIfReport",
    "as_predictor",
    "lime_exact",
    "submodular_pick",
]
