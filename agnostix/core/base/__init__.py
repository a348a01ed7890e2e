"""What explainers share."""

from agnostix.core.base.attribution import Attribution, AttributionExplainer
from agnostix.core.base.background import BackgroundExplainer
from agnostix.core.base.explainer import BaseExplainer
from agnostix.core.base.images import ImageExplainer
from agnostix.core.base.outputs import OutputSelection

__all__ = [
    "Attribution",
    "AttributionExplainer",
    "BackgroundExplainer",
    "BaseExplainer",
    "ImageExplainer",
    "OutputSelection",
]
