"""What explainers of images and texts hide, and what replaces it.

`SegmentMasker` and `TextMasker` go to `KernelShapExplainer(masker=...)`, `LimeExplainer(masker=...)` and
`OcclusionExplainer(masker=...)`, a `SlidingWindow` to the last. Their `fill` replaces hidden pixels: "mean",
"segment_mean", "blur", "inpaint", "noise", a color, or other images. A `SoftMaskBatch` is what a model with a
method ``predict_masked`` of its own gets from RISE.
"""

from agnostix.core.masking import SegmentMasker, SlidingWindow, SoftMaskBatch, TextMasker

__all__ = ["SegmentMasker", "SlidingWindow", "SoftMaskBatch", "TextMasker"]
