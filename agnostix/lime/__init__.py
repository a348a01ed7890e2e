"""LIME: local surrogates with standard errors (Ribeiro, Singh and Guestrin, 2016).

Where to find what:

- the interpretable representation: `discretizer` (bins and levels learned from a table), `features`
  (also their distributions, and importance sampling of rare levels);
- perturbed samples: `tabular_samples`, `masked_samples` (images and texts);
- where they are drawn, and the proximity kernel that weights them: `sampling`;
- the surrogates: `surrogates`, on a `weighted_regression` with standard errors; selection of K features:
  `selection`;
- all of it near each row: `neighborhood`; levels that no sample has: `unseen_levels`;
- the limit of infinitely many samples: `exact_limits`; the submodular pick: `sp_lime`.
"""

from agnostix.lime.explainer import LimeExplainer
from agnostix.lime.sampling import KernelSampling, LocalSampling, TiltedSampling
from agnostix.lime.sp_lime import submodular_pick

__all__ = ["KernelSampling", "LimeExplainer", "LocalSampling", "TiltedSampling", "submodular_pick"]
