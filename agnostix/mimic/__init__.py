"""Trees that copy a model."""

from agnostix.mimic.condition import Condition
from agnostix.mimic.contributions import Contributions
from agnostix.mimic.copy_plan import CopyPlan
from agnostix.mimic.copying import Copy, copied, with_truth
from agnostix.mimic.division import Division
from agnostix.mimic.drawn_in_leaves import DrawnInLeaves
from agnostix.mimic.exports import RuleExports
from agnostix.mimic.fidelity import Fidelity, is_probabilities, measured
from agnostix.mimic.growth import Growth
from agnostix.mimic.material import Material
from agnostix.mimic.ordering import ranked
from agnostix.mimic.queries import SmoothedBootstrap
from agnostix.mimic.query_sampler import QuerySampler
from agnostix.mimic.rule_feature import RuleFeature
from agnostix.mimic.rule_tree import RuleTree
from agnostix.mimic.sources import DrawnOnce, GivenAlone, Source
from agnostix.mimic.stability import Stability, stability_of
from agnostix.mimic.tables import frontier_frame, leaves_frame
from agnostix.mimic.way import Way

__all__ = [
    "Condition",
    "Contributions",
    "Copy",
    "CopyPlan",
    "Division",
    "DrawnInLeaves",
    "DrawnOnce",
    "Fidelity",
    "GivenAlone",
    "Growth",
    "Material",
    "QuerySampler",
    "RuleExports",
    "RuleFeature",
    "RuleTree",
    "SmoothedBootstrap",
    "Source",
    "Stability",
    "Way",
    "copied",
    "frontier_frame",
    "is_probabilities",
    "leaves_frame",
    "measured",
    "ranked",
    "stability_of",
    "with_truth",
]
