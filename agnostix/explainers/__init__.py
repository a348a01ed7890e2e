"""Explainers: one class, one file."""

from agnostix.explainers.discovery import all_explainers
from agnostix.explainers.entropic import EntropicProjection
from agnostix.explainers.kernel_shap import KernelShapExplainer
from agnostix.explainers.occlusion import OcclusionExplainer

__all__ = ["EntropicProjection", "KernelShapExplainer", "OcclusionExplainer", "all_explainers"]
