"""What is asked: players, masks, and the values that stand in for what is hidden."""

from agnostix.perturb.background import Background
from agnostix.perturb.coalitions import Coalitions, all_coalitions, leverage_pairs, n_pairs_of_all
from agnostix.perturb.draws import Draws, MaskBlock
from agnostix.perturb.masker import Builder, Composition, Masker
from agnostix.perturb.plan import Plan, one_hidden_at_a_time
from agnostix.perturb.players import Players
from agnostix.perturb.questions import Questions
from agnostix.perturb.segments import SegmentMasker
from agnostix.perturb.tabular import TabularMasker
from agnostix.perturb.text_masker import TextMasker

__all__ = [
    "Background",
    "Builder",
    "Coalitions",
    "Composition",
    "Draws",
    "MaskBlock",
    "Masker",
    "Plan",
    "Players",
    "Questions",
    "SegmentMasker",
    "TabularMasker",
    "TextMasker",
    "all_coalitions",
    "leverage_pairs",
    "n_pairs_of_all",
    "one_hidden_at_a_time",
]
