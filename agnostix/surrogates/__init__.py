"""Simple models near rows: what was drawn, how it is weighed, what is fitted."""

from agnostix.surrogates.fitted import FittedSurrogate
from agnostix.surrogates.kernel import Kernel
from agnostix.surrogates.linear import LinearSurrogate
from agnostix.surrogates.local_fit import LocalFit
from agnostix.surrogates.mask_vicinity import MaskVicinity
from agnostix.surrogates.near_rows import OwnFits, Recipe, SharedFits
from agnostix.surrogates.problem import Problem
from agnostix.surrogates.row_fits import RowFits
from agnostix.surrogates.selection import (
    AutoSelection,
    ForwardSelection,
    HighestWeights,
    LassoPath,
    Selection,
)
from agnostix.surrogates.surrogate import Surrogate
from agnostix.surrogates.table_vicinity import TableVicinity
from agnostix.surrogates.tree import TreeSurrogate
from agnostix.surrogates.vicinity import Found, Vicinity

__all__ = [
    "AutoSelection",
    "FittedSurrogate",
    "ForwardSelection",
    "Found",
    "HighestWeights",
    "Kernel",
    "LassoPath",
    "LinearSurrogate",
    "LocalFit",
    "MaskVicinity",
    "OwnFits",
    "Problem",
    "Recipe",
    "RowFits",
    "Selection",
    "SharedFits",
    "Surrogate",
    "TableVicinity",
    "TreeSurrogate",
    "Vicinity",
]
