"""What is asked: players, masks, and the values that stand in for what is hidden."""

from agnostix.perturb.background import Background
from agnostix.perturb.coalitions import Coalitions, all_coalitions, leverage_pairs, n_pairs_of_all
from agnostix.perturb.draws import Draws, MaskBlock
from agnostix.perturb.fades import FadedRows, Fades
from agnostix.perturb.inpainting import Inpainter
from agnostix.perturb.learn_features import FeatureLearner
from agnostix.perturb.learned_mask import LearnedMask
from agnostix.perturb.mask_draws import MaskDraws
from agnostix.perturb.masker import Builder, Composition, Masker
from agnostix.perturb.neighbourhood import Neighbourhood
from agnostix.perturb.own_draws import OwnDraws
from agnostix.perturb.plan import Plan, one_hidden_at_a_time
from agnostix.perturb.players import Players
from agnostix.perturb.questions import Questions
from agnostix.perturb.segments import SegmentMasker
from agnostix.perturb.shared_rows import SharedRows
from agnostix.perturb.sobol import SobolBlocks
from agnostix.perturb.tabular import TabularMasker
from agnostix.perturb.text_masker import TextMasker
from agnostix.perturb.traces import Traces
from agnostix.perturb.windows import Windows

__all__ = [
    "Background",
    "Builder",
    "Coalitions",
    "Composition",
    "Draws",
    "FadedRows",
    "Fades",
    "FeatureLearner",
    "Inpainter",
    "LearnedMask",
    "MaskBlock",
    "MaskDraws",
    "Masker",
    "Neighbourhood",
    "OwnDraws",
    "Plan",
    "Players",
    "Questions",
    "SegmentMasker",
    "SharedRows",
    "SobolBlocks",
    "TabularMasker",
    "TextMasker",
    "Traces",
    "Windows",
    "all_coalitions",
    "leverage_pairs",
    "n_pairs_of_all",
    "one_hidden_at_a_time",
]
