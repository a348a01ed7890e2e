"""What explainers share."""

from agnostix.core.base.attribution import AttributionExplainer
from agnostix.core.base.background import BackgroundExplainer
from agnostix.core.base.explainer import BaseExplainer

__all__ = ["AttributionExplainer", "BackgroundExplainer", "BaseExplainer"]
