"""Maskers of pictures and texts, for `KernelShapExplainer(masker=...)` and `LimeExplainer(masker=...)`."""

from agnostix.core.masking import SegmentMasker, TextMasker

__all__ = ["SegmentMasker", "TextMasker"]
