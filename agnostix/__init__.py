"""Model-agnostic explanations in scikit-learn's style."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agnostix.core.explanation import Explanation, PixelEffects, PixelShifts, Scenario, WhatIfCurves
    from agnostix.core.models import as_predictor
    from agnostix.exceptions import InfeasibleTargetError
    from agnostix.lime import LimeExplainer, submodular_pick
    from agnostix.neural import (
        CamExplainer,
        DeepLiftExplainer,
        ExtremalMaskExplainer,
        IntegratedGradientsExplainer,
        LrpExplainer,
        SaliencyExplainer,
        guided_grad_cam,
    )
    from agnostix.occlusion import OcclusionExplainer, RiseExplainer
    from agnostix.report import WhatIfReport
    from agnostix.shapley import KernelShapExplainer
    from agnostix.surrogate_tree import MimicTree
    from agnostix.what_if import EntropicProjection, Mean, PixelProjection, Proportion

    __version__: str

__all__ = [
    "CamExplainer",
    "DeepLiftExplainer",
    "EntropicProjection",
    "Explanation",
    "ExtremalMaskExplainer",
    "InfeasibleTargetError",
    "IntegratedGradientsExplainer",
    "KernelShapExplainer",
    "LimeExplainer",
    "LrpExplainer",
    "Mean",
    "MimicTree",
    "OcclusionExplainer",
    "PixelEffects",
    "PixelProjection",
    "PixelShifts",
    "Proportion",
    "RiseExplainer",
    "SaliencyExplainer",
    "Scenario",
    "WhatIfCurves",
    "WhatIfReport",
    "as_predictor",
    "guided_grad_cam",
    "submodular_pick",
]

_MODULES = {
    "CamExplainer": "neural",
    "DeepLiftExplainer": "neural",
    "EntropicProjection": "what_if",
    "Explanation": "core.explanation",
    "ExtremalMaskExplainer": "neural",
    "InfeasibleTargetError": "exceptions",
    "IntegratedGradientsExplainer": "neural",
    "KernelShapExplainer": "shapley",
    "LimeExplainer": "lime",
    "LrpExplainer": "neural",
    "Mean": "what_if",
    "MimicTree": "surrogate_tree",
    "OcclusionExplainer": "occlusion",
    "PixelEffects": "core.explanation",
    "PixelProjection": "what_if",
    "PixelShifts": "core.explanation",
    "Proportion": "what_if",
    "RiseExplainer": "occlusion",
    "SaliencyExplainer": "neural",
    "Scenario": "core.explanation",
    "WhatIfCurves": "core.explanation",
    "WhatIfReport": "report",
    "as_predictor": "core.models",
    "guided_grad_cam": "neural",
    "submodular_pick": "lime",
}
_SUBPACKAGES = ("maskers", "metrics", "neural", "plotting", "report", "testing")


if not TYPE_CHECKING:  # with a module's __getattr__, a type checker would accept any name

    def __getattr__(name: str) -> Any:
        # Names are imported at first use: `agnostix --help` needs neither pandas nor scikit-learn.
        if name in _MODULES:
            value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        elif name in _SUBPACKAGES:
            value = import_module(f"{__name__}.{name}")
        elif name == "__version__":
            from importlib.metadata import version

            value = version(__name__)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBPACKAGES, "__version__"})
