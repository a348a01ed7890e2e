"""Occlusion and RISE: the effect of hiding parts of a row or an image on the prediction.

Occlusion (Zeiler and Fergus, 2014; for tables Robnik-Sikonja and Kononenko, 2008), all of it in `explainer`:

Effect           f(x) less the mean of f with one part hidden; a difference in output units, not in log-odds:
                 `OcclusionExplainer._attribute`.
Solver           None: each part is hidden once, `OcclusionExplainer._masks`, against the whole background.
Standard error   That of the choice of the background, 0 for a single fill or all rows:
                 `core.background.ErrorMap`.
Fill             Tables: 50 rows chosen in `fit`, `core.background`. Images: the mean color; windows are
                 `core.masking.windows`, other fills `core.masking.fills`. Parameters `fill`, `masker`.

RISE (Petsiuk, Das and Saenko, 2018), all of it in `rise`:

Effect           The mean of f where a pixel is visible, less the mean of f: `estimate_saliency`.
Solver           None: an average over random soft masks, `SoftMaskSampler`.
Standard error   The spread between independent blocks of masks: `estimate_saliency`.
Fill             The image's mean color: `core.base.images`, `core.masking.fills`. Parameters `fill`, `sigma`.
"""

from agnostix.occlusion.explainer import OcclusionExplainer
from agnostix.occlusion.rise import RiseExplainer

__all__ = ["OcclusionExplainer", "RiseExplainer"]
