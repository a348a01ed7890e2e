"""What explainers share."""

from agnostix.base.attribution import AttributionExplainer
from agnostix.base.explainer import BaseExplainer

__all__ = ["AttributionExplainer", "BaseExplainer"]
