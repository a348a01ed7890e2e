"""Model-agnostic explanations in scikit-learn's style."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agnostix.core.background import RepresentativeSample, representative_sample
    from agnostix.core.explanation import (
        Explanation,
        FairnessStress,
        GapExplanation,
        GroupMeasures,
        PixelEffects,
        PixelShifts,
        Scenario,
        WhatIfCurves,
    )
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
    from agnostix.what_if import (
        Correlation,
        Covariance,
        DisparateImpact,
        EntropicProjection,
        EqualizedOdds,
        EqualOpportunity,
        ErrorRate,
        ExpectedShortfall,
        FalsePositiveRate,
        Keep,
        Margins,
        Mean,
        PixelProjection,
        Prediction,
        Proportion,
        Quantile,
        SelectionRate,
        StatisticalParity,
        TruePositiveRate,
        Variance,
        explain_gap,
        measure_fairness,
        stress_fairness,
    )

    __version__: str

__all__ = [
    "CamExplainer",
    "Correlation",
    "Covariance",
    "DeepLiftExplainer",
    "DisparateImpact",
    "EntropicProjection",
    "EqualOpportunity",
    "EqualizedOdds",
    "ErrorRate",
    "ExpectedShortfall",
    "Explanation",
    "ExtremalMaskExplainer",
    "FairnessStress",
    "FalsePositiveRate",
    "GapExplanation",
    "GroupMeasures",
    "InfeasibleTargetError",
    "IntegratedGradientsExplainer",
    "Keep",
    "KernelShapExplainer",
    "LimeExplainer",
    "LrpExplainer",
    "Margins",
    "Mean",
    "MimicTree",
    "OcclusionExplainer",
    "PixelEffects",
    "PixelProjection",
    "PixelShifts",
    "Prediction",
    "Proportion",
    "Quantile",
    "RepresentativeSample",
    "RiseExplainer",
    "SaliencyExplainer",
    "Scenario",
    "SelectionRate",
    "StatisticalParity",
    "TruePositiveRate",
    "Variance",
    "WhatIfCurves",
    "WhatIfReport",
    "as_predictor",
    "explain_gap",
    "guided_grad_cam",
    "measure_fairness",
    "representative_sample",
    "stress_fairness",
    "submodular_pick",
]

_MODULES = {
    "CamExplainer": "neural",
    "Correlation": "what_if",
    "Covariance": "what_if",
    "DeepLiftExplainer": "neural",
    "DisparateImpact": "what_if",
    "EntropicProjection": "what_if",
    "EqualOpportunity": "what_if",
    "EqualizedOdds": "what_if",
    "ErrorRate": "what_if",
    "ExpectedShortfall": "what_if",
    "Explanation": "core.explanation",
    "ExtremalMaskExplainer": "neural",
    "FairnessStress": "core.explanation",
    "FalsePositiveRate": "what_if",
    "GapExplanation": "core.explanation",
    "GroupMeasures": "core.explanation",
    "InfeasibleTargetError": "exceptions",
    "IntegratedGradientsExplainer": "neural",
    "Keep": "what_if",
    "KernelShapExplainer": "shapley",
    "LimeExplainer": "lime",
    "LrpExplainer": "neural",
    "Margins": "what_if",
    "Mean": "what_if",
    "MimicTree": "surrogate_tree",
    "OcclusionExplainer": "occlusion",
    "PixelEffects": "core.explanation",
    "PixelProjection": "what_if",
    "PixelShifts": "core.explanation",
    "Prediction": "what_if",
    "Proportion": "what_if",
    "Quantile": "what_if",
    "RepresentativeSample": "core.background",
    "RiseExplainer": "occlusion",
    "SaliencyExplainer": "neural",
    "Scenario": "core.explanation",
    "SelectionRate": "what_if",
    "StatisticalParity": "what_if",
    "TruePositiveRate": "what_if",
    "Variance": "what_if",
    "WhatIfCurves": "core.explanation",
    "WhatIfReport": "report",
    "as_predictor": "core.models",
    "explain_gap": "what_if",
    "guided_grad_cam": "neural",
    "measure_fairness": "what_if",
    "representative_sample": "core.background",
    "stress_fairness": "what_if",
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
