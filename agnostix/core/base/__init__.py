"""What explainers share."""

from agnostix.core.base.attribution import Attribution, AttributionExplainer, BackgroundExplainer
from agnostix.core.base.explainer import BaseExplainer, OutputSelection
from agnostix.core.base.images import ImageExplainer

__all__ = [
    "Attribution",
    "AttributionExplainer",
    "BackgroundExplainer",
    "BaseExplainer",
    "ImageExplainer",
    "OutputSelection",
]
