"""Surrogate trees: a small decision tree that approximates a model, with its fidelity."""

from agnostix.surrogate_tree.explainer import MimicTree

__all__ = ["MimicTree"]
