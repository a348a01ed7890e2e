"""What explainers share.

- `explainer`: `BaseExplainer` (parameters, the model), how rows are read, `OutputSelection`.
- `attribution`: `AttributionExplainer` (`fit`, `explain`, `transform`, `cost`).
- `background`: `BackgroundExplainer` for those that hide features behind background rows.
- `images`: `ImageExplainer` for those that mix images with one fill.
"""

from agnostix.core.base.attribution import Attribution, AttributionExplainer
from agnostix.core.base.background import BackgroundExplainer
from agnostix.core.base.explainer import BaseExplainer, OutputSelection
from agnostix.core.base.images import ImageExplainer, fill_whole

__all__ = [
    "Attribution",
    "AttributionExplainer",
    "BackgroundExplainer",
    "BaseExplainer",
    "ImageExplainer",
    "OutputSelection",
    "fill_whole",
]
