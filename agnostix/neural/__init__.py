"""Methods that look into a torch network, by its gradients.

Extremal masks (Fong and Vedaldi, 2017; Fong, Patrick and Vedaldi, 2019), `ExtremalMaskExplainer`:

Objective        `objectives.MaskSearch`: what is minimized, `MaskSearch.loss`.
Kernel           Gaussian, on a grid of cells: `mask_search._smoothing_kernel`.
Solver           Adam, with a hard mask in the forward pass: `mask_search.learn_mask`. Imports torch.
Standard error   None: a mask is an optimum, not a mean. Whether it succeeded: `ExtremalMaskExplainer._judge`.
Fill             The image's mean color: `core.base.images`, `core.masking.fills`. Parameters `fill`, `sigma`.
"""

from agnostix.neural.extremal_mask import ExtremalMaskExplainer
from agnostix.neural.saliency import SaliencyExplainer

__all__ = ["ExtremalMaskExplainer", "SaliencyExplainer"]
