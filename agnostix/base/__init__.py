"""What explainers share."""

from agnostix.base.attribution import AttributionExplainer
from agnostix.base.background import BackgroundExplainer
from agnostix.base.explainer import BaseExplainer

__all__ = ["AttributionExplainer", "BackgroundExplainer", "BaseExplainer"]
