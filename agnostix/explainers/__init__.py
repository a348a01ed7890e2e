"""Explainers: one class, one file."""

from agnostix.explainers.discovery import all_explainers
from agnostix.explainers.entropic import EntropicProjection
from agnostix.explainers.kernel_shap import KernelShapExplainer
from agnostix.explainers.lime import LimeExplainer
from agnostix.explainers.occlusion import OcclusionExplainer

__all__ = [
    "EntropicProjection",
    "KernelShapExplainer",
    "LimeExplainer",
    "OcclusionExplainer",
    "all_explainers",
]
