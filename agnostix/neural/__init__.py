"""Methods that look into a torch network, by its gradients.

Extremal masks (Fong and Vedaldi, 2017; Fong, Patrick and Vedaldi, 2019), `ExtremalMaskExplainer`:

Objective        `objectives.MaskSearch`: what is minimized, `loss`.
Kernel           Gaussian, on a grid of cells: `mask_search._smoothing_kernel`.
Solver           `mask_search.learn_mask`: Adam, with a hard mask in the forward pass. Imports torch.
Standard error   none: a mask is an optimum, not a mean. Whether it succeeded: `ExtremalMaskExplainer._judge`.
Fill             the image's mean color by default; `fill`, `sigma`: `core.base.images`, `core.masking.fills`.
"""

from agnostix.neural.extremal_mask import ExtremalMaskExplainer

__all__ = ["ExtremalMaskExplainer"]
