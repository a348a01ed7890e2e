"""Shapley values by coalitions of features: KernelSHAP."""

from agnostix.shapley.explainer import KernelShapExplainer

__all__ = ["KernelShapExplainer"]
