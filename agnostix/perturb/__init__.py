"""What is asked: players, masks, and the values that stand in for what is hidden."""

from agnostix.perturb.coalition_plan import CoalitionPlan
from agnostix.perturb.coalitions import Coalitions, all_coalitions, leverage_pairs, n_pairs_of_all
from agnostix.perturb.learn_features import FeatureLearner
from agnostix.perturb.mask_draws import MaskDraws
from agnostix.perturb.neighbourhood import Neighbourhood
from agnostix.perturb.own_draws import OwnDraws
from agnostix.perturb.shared_rows import SharedRows
from agnostix.perturb.traces import Traces

__all__ = [
    "CoalitionPlan",
    "Coalitions",
    "FeatureLearner",
    "MaskDraws",
    "Neighbourhood",
    "OwnDraws",
    "SharedRows",
    "Traces",
    "all_coalitions",
    "leverage_pairs",
    "n_pairs_of_all",
]
