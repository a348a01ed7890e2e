"""Local surrogates: LIME, its limits in closed form, and the submodular pick."""

from agnostix.lime.closed_form import lime_exact
from agnostix.lime.explainer import LimeExplainer
from agnostix.lime.picking import submodular_pick

__all__ = ["LimeExplainer", "lime_exact", "submodular_pick"]
