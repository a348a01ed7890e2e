"""Trees that copy a model."""

from agnostix.mimic.condition import Condition
from agnostix.mimic.rule_feature import RuleFeature
from agnostix.mimic.rule_tree import RuleTree

__all__ = ["Condition", "RuleFeature", "RuleTree"]
