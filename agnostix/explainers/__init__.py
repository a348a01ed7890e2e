"""Explainers: one class, one file."""

from agnostix.explainers.discovery import all_explainers
from agnostix.explainers.entropic import EntropicProjection
from agnostix.explainers.occlusion import OcclusionExplainer

__all__ = ["EntropicProjection", "OcclusionExplainer", "all_explainers"]
