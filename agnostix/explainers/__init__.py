"""Explainers: one class, one file."""

from agnostix.explainers.closed_form import lime_exact
from agnostix.explainers.discovery import all_explainers
from agnostix.explainers.entropic import EntropicProjection
from agnostix.explainers.kernel_shap import KernelShapExplainer
from agnostix.explainers.lime import LimeExplainer
from agnostix.explainers.mimic_tree import MimicTree
from agnostix.explainers.occlusion import OcclusionExplainer
from agnostix.explainers.picking import Pick, submodular_pick

__all__ = [
    "EntropicProjection",
    "KernelShapExplainer",
    "LimeExplainer",
    "MimicTree",
    "OcclusionExplainer",
    "Pick",
    "all_explainers",
    "lime_exact",
    "submodular_pick",
]
