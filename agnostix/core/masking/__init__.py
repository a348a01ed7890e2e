"""Maskers hide features of rows, pictures and texts behind background rows or fill values."""

from agnostix.core.masking.background import Background, BackgroundSubset, MaskBlock
from agnostix.core.masking.inpainting import Inpainter
from agnostix.core.masking.masker import (
    Builder,
    MaskedRows,
    Masker,
    MaskerConstraint,
    MaskingInputs,
    Players,
    read_rows,
)
from agnostix.core.masking.segments import SegmentMasker
from agnostix.core.masking.soft_masks import SoftMaskBatch
from agnostix.core.masking.tabular import TabularMasker
from agnostix.core.masking.text_masker import TextMasker
from agnostix.core.masking.windows import SlidingWindow, Windows

__all__ = [
    "Background",
    "BackgroundSubset",
    "Builder",
    "Inpainter",
    "MaskBlock",
    "MaskedRows",
    "Masker",
    "MaskerConstraint",
    "MaskingInputs",
    "Players",
    "SegmentMasker",
    "SlidingWindow",
    "SoftMaskBatch",
    "TabularMasker",
    "TextMasker",
    "Windows",
    "read_rows",
]
