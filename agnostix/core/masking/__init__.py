"""Maskers hide features of rows, pictures and texts behind background rows or fill values."""

from agnostix.core.masking.background import Background
from agnostix.core.masking.draws import Draws, MaskBlock
from agnostix.core.masking.inpainting import Inpainter
from agnostix.core.masking.masker import Builder, Composition, Masker
from agnostix.core.masking.plan import Plan, one_hidden_at_a_time
from agnostix.core.masking.players import Players
from agnostix.core.masking.segments import SegmentMasker
from agnostix.core.masking.soft_masks import SoftMaskBatch
from agnostix.core.masking.tabular import TabularMasker
from agnostix.core.masking.text_masker import TextMasker

__all__ = [
    "Background",
    "Builder",
    "Composition",
    "Draws",
    "Inpainter",
    "MaskBlock",
    "Masker",
    "Plan",
    "Players",
    "SegmentMasker",
    "SoftMaskBatch",
    "TabularMasker",
    "TextMasker",
    "one_hidden_at_a_time",
]
