"""LIME: local surrogates with standard errors, their exact limits, and the submodular pick (SP-LIME)."""

from agnostix.lime.explainer import LimeExplainer
from agnostix.lime.sp_lime import submodular_pick

__all__ = ["LimeExplainer", "submodular_pick"]
