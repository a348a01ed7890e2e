"""Explainers: one class, one file."""

from agnostix.explainers.closed_form import lime_exact
from agnostix.explainers.kernel_shap import KernelShapExplainer
from agnostix.explainers.lime import LimeExplainer
from agnostix.explainers.mimic_tree import MimicTree
from agnostix.explainers.picking import Pick, submodular_pick

__all__ = [
    "KernelShapExplainer",
    "LimeExplainer",
    "MimicTree",
    "Pick",
    "lime_exact",
    "submodular_pick",
]
