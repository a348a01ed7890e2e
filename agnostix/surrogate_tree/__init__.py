"""A tree that mimics a model."""

from agnostix.surrogate_tree.explainer import MimicTree

__all__ = ["MimicTree"]
