"""Maskers hide features of rows, pictures and texts behind background rows or fill values.

- `masker`: the protocols `Masker` and `MaskedRows`; `MaskBlock`, masks with theirs.
- `tabular`: columns of tables; `sparse`: those of sparse ones; `builders`: how perturbed rows are built.
- `segments`: segments of images; `windows`: a window that slides over them; `fills`: what replaces pixels.
- `texts`: words of texts.
"""

from agnostix.core.features import Features
from agnostix.core.masking.fills import Inpainter, SoftMaskBatch
from agnostix.core.masking.masker import (
    BackgroundSubset,
    Builder,
    MaskBlock,
    MaskedRows,
    Masker,
    MaskerConstraint,
    MaskingInputs,
    Narrowing,
    fill_subsets,
    narrowed,
    read_rows,
    widen_masks,
)
from agnostix.core.masking.segments import SegmentMasker
from agnostix.core.masking.sparse import SparseMasker
from agnostix.core.masking.tabular import MaskedTable, TabularMasker
from agnostix.core.masking.texts import TextMasker
from agnostix.core.masking.windows import SlidingWindow, Windows

__all__ = [
    "BackgroundSubset",
    "Builder",
    "Features",
    "Inpainter",
    "MaskBlock",
    "MaskedRows",
    "MaskedTable",
    "Masker",
    "MaskerConstraint",
    "MaskingInputs",
    "Narrowing",
    "SegmentMasker",
    "SlidingWindow",
    "SoftMaskBatch",
    "SparseMasker",
    "TabularMasker",
    "TextMasker",
    "Windows",
    "fill_subsets",
    "narrowed",
    "read_rows",
    "widen_masks",
]
