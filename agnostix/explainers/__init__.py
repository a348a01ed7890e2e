"""Explainers: one class, one file."""

from agnostix.explainers.entropic import EntropicProjection

__all__ = ["EntropicProjection"]
