"""Occlusion and RISE: the effect of hiding parts of a row or an image on the prediction.

Where to find what:

- `explainer`: `OcclusionExplainer` for columns of tables, windows and segments of images, words of texts. The
  estimator and its error: `OcclusionExplainer._attribute`. The masks: `_masks`, one part hidden at a time.
- `core.evaluate.MeanAndVariance`: the weighted mean and variance over background rows or fills.
- `inpainted`: images with windows interpolated from the pixels around them (`InpaintedWindows`).
- `rise`: `RiseExplainer`, saliency from random soft masks.
- `soft_masks`: how RISE samples its masks (`SoftMaskSampler`), shows them to the model (`SoftMaskRows`) and
  estimates saliency and standard errors from the predictions (`estimate_saliency`).

Fills and segments are `agnostix.core.masking`: the geometry of windows is `core.masking.windows`, the colors
that replace hidden pixels `core.masking.fills`, the background rows of tables `core.masking.masker`.
"""

from agnostix.occlusion.explainer import OcclusionExplainer
from agnostix.occlusion.rise import RiseExplainer

__all__ = ["OcclusionExplainer", "RiseExplainer"]
