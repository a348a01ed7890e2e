"""What hides parts of images and texts, for the `masker` parameter of explainers."""

from agnostix.core.masking import SegmentMasker, SlidingWindow, TextMasker

__all__ = ["SegmentMasker", "SlidingWindow", "TextMasker"]
