"""What is asked: players, masks, and the values that stand in for what is hidden."""

from agnostix.perturb.coalition_plan import CoalitionPlan
from agnostix.perturb.coalitions import Coalitions, all_coalitions, leverage_pairs, n_pairs_of_all
from agnostix.perturb.inpainted_windows import InpaintedWindows
from agnostix.perturb.learn_features import FeatureLearner
from agnostix.perturb.learned_mask import LearnedMask
from agnostix.perturb.mask_draws import MaskDraws
from agnostix.perturb.mean_and_variance import MeanAndVariance
from agnostix.perturb.neighbourhood import Neighbourhood
from agnostix.perturb.own_draws import OwnDraws
from agnostix.perturb.shared_rows import SharedRows
from agnostix.perturb.sobol import SobolBlocks
from agnostix.perturb.soft_mask_rows import SoftMaskRows
from agnostix.perturb.soft_masks import SoftMaskSampler
from agnostix.perturb.traces import Traces
from agnostix.perturb.windows import Windows

__all__ = [
    "CoalitionPlan",
    "Coalitions",
    "FeatureLearner",
    "InpaintedWindows",
    "LearnedMask",
    "MaskDraws",
    "MeanAndVariance",
    "Neighbourhood",
    "OwnDraws",
    "SharedRows",
    "SobolBlocks",
    "SoftMaskRows",
    "SoftMaskSampler",
    "Traces",
    "Windows",
    "all_coalitions",
    "leverage_pairs",
    "n_pairs_of_all",
]
