"""Methods that look into a torch network, by its gradients.

- `extremal_mask`: `ExtremalMaskExplainer`, a mask of an image that keeps or removes the score.
- `objectives`: what is minimized (`MaskSearch`).
- `mask_search`: Adam on a coarse grid, with a hard mask in the forward pass (`learn_mask`). Imports torch.
"""

from agnostix.neural.extremal_mask import ExtremalMaskExplainer

__all__ = ["ExtremalMaskExplainer"]
