"""LIME: local surrogates with standard errors (Ribeiro, Singh and Guestrin, 2016).

The surrogate g of the model f near a row x is fitted to perturbed samples z, weighted by a proximity kernel:

    g = argmin sum_z pi_x(z) (f(z) - g(z'))**2 + ridge |g|**2

The values are the coefficients of g (of a tree, what the splits on a feature add).

Interpretable    z': whether a sample is in the row's bin, or keeps a segment or word. Tables: `features`
representation   (bins, levels, standardized numbers), learned by `discretizer`. Others: `masked_samples`.
Samples          z: their distribution is in `sampling`. Tables: `tabular_samples`; rare levels by importance
                 sampling, `features.make_proposals`. Images and texts: `masked_samples`.
Kernel           pi_x: `sampling.Kernel`; its width is a parameter of the sampling.
Surrogate        g: `surrogates` (ridge, a tree, any linear regressor), fitted by `SurrogateSpec.fit` in
                 `surrogate_spec` to a `weighted_regression`, of many features to a `wide_regression`.
K features       `max_features`: `selection`, with S-LIME's test of its stability.
Standard error   The spread of first-order influences of samples, which also tell R2 of samples left out:
                 `influences`; of trees and regressors, that of fits: `tree_surrogate`, `regressor_surrogate`.
Unseen levels    Levels that no sample has, or too few: `unseen_levels`.
Exact limits     Infinitely many samples: `exact_limits`, from the moments of additive models and trees.
SP-LIME          `submodular_pick`.
"""

from agnostix.lime.explainer import LimeExplainer
from agnostix.lime.sampling import KernelSampling, LocalSampling, TiltedSampling
from agnostix.lime.sp_lime import submodular_pick

__all__ = ["KernelSampling", "LimeExplainer", "LocalSampling", "TiltedSampling", "submodular_pick"]
