"""Explainers that hide parts of images by windows, segments or RISE, made by one function."""

from agnostix import OcclusionExplainer, RiseExplainer
from agnostix.core.masking import SegmentMasker, SlidingWindow


def explainer_of(model, method="window", **params):
    """A sliding window, the segments of a grid, or RISE, with the parameters that each takes."""
    window, stride = params.pop("window", 16), params.pop("stride", 8)
    fill, sigma = params.pop("fill", "mean"), params.pop("sigma", 10.0)
    size = params.pop("background_size", 100)
    masks = {name: params.pop(name) for name in ("n_masks", "n_cells", "p_keep") if name in params}
    if method == "rise":
        return RiseExplainer(model, fill=fill, sigma=sigma, **masks, **params)
    if isinstance(fill, str) and fill == "draws":
        params |= {"fill": "draws", "background_size": size}
        fill = "mean"
    seed = params.get("random_state") or 0
    if method == "segments":
        masker = SegmentMasker("grid", fill, sigma=sigma, n_draws=size, random_state=seed)
    else:
        masker = SlidingWindow(window, stride, fill, sigma=sigma, n_draws=size, random_state=seed)
    return OcclusionExplainer(model, masker=masker, **params)
