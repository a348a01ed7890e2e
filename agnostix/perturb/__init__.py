"""What is asked: players, masks, and the values that stand in for what is hidden."""

from agnostix.perturb.background import Background
from agnostix.perturb.draws import Draws, MaskBlock
from agnostix.perturb.masker import Builder, Composition, Masker
from agnostix.perturb.plan import Plan, one_hidden_at_a_time
from agnostix.perturb.players import Players
from agnostix.perturb.tabular import TabularMasker

__all__ = [
    "Background",
    "Builder",
    "Composition",
    "Draws",
    "MaskBlock",
    "Masker",
    "Plan",
    "Players",
    "TabularMasker",
    "one_hidden_at_a_time",
]
