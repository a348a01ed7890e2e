"""Occlusion and RISE: the effect of hiding parts of a row or an image on the prediction.

                 Occlusion (Zeiler and Fergus, 2014; for        RISE (Petsiuk, Das and Saenko, 2018)
                 tables Robnik-Sikonja and Kononenko, 2008)
Effect           f(x) less the mean of f with one part hidden,  mean of f where a pixel is visible, less the
                 a difference in output units, not log-odds:    mean of f: `rise.estimate_saliency`
                 `OcclusionExplainer._attribute`
Masks            one part at a time: `_masks`                   random, soft: `rise.SoftMaskSampler`
Solver           none: every mask is evaluated                  none: an average over masks
Standard error   spread over the background, 0 for one fill:    spread between independent blocks of masks:
                 `MeanAndVariance`, `_variance_factor`          `rise.estimate_saliency`
Fill             tables: 100 rows sampled in `fit`; images:     the image's mean color; `fill`, `sigma`
                 their mean color; `fill`, `masker`

All of the left column is in `explainer`. `agnostix.core.masking` has the fills of images (`fills`), the
background rows (`masker`), and the positions of a `SlidingWindow` (`windows`).
"""

from agnostix.occlusion.explainer import OcclusionExplainer
from agnostix.occlusion.rise import RiseExplainer

__all__ = ["OcclusionExplainer", "RiseExplainer"]
