"""What explainers of pictures and texts hide, and what they put there instead.

`SegmentMasker` and `TextMasker` go to `KernelShapExplainer(masker=...)`, `LimeExplainer(masker=...)` and
`OcclusionExplainer(masker=...)`. Fills of pictures are chosen with `SegmentMasker(fill=...)`: "mean",
"segment_mean", "blur", "inpaint", "noise", a color, or other pictures. A `SoftMaskBatch` is what a model with
a method ``predict_masked`` of its own gets from RISE.
"""

from agnostix.core.masking import SegmentMasker, SoftMaskBatch, TextMasker

__all__ = ["SegmentMasker", "SoftMaskBatch", "TextMasker"]
