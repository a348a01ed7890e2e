"""Class activation maps by loops over channels and places, of a head that is a function in numpy."""

import numpy as np

STEP = 1e-5


def convolve(image, kernels):
    """Maps (n_channels, height - 2, width - 2) of an image (height, width) after 3 x 3 kernels and ReLU."""
    height, width = image.shape
    maps = np.zeros((len(kernels), height - 2, width - 2))
    for k, kernel in enumerate(kernels):
        for y in range(height - 2):
            for x in range(width - 2):
                maps[k, y, x] = max(0.0, (kernel * image[y : y + 3, x : x + 3]).sum())
    return maps


def gradient(head, maps):
    """Central differences of head(maps), a number, by each place of the maps."""
    slopes = np.zeros(maps.shape)
    for place in np.ndindex(maps.shape):
        up, down = maps.copy(), maps.copy()
        up[place] += STEP
        down[place] -= STEP
        slopes[place] = (head(up) - head(down)) / (2 * STEP)
    return slopes


def weights(method, maps, slopes):
    """Weights (n_channels,) of the maps in the methods that have them."""
    found = np.zeros(len(maps))
    for k, (A, g) in enumerate(zip(maps, slopes, strict=True)):
        if method == "cam":
            found[k] = g.sum()
        if method == "grad_cam":
            found[k] = g.sum() / g.size
        if method == "axiom_cam" and A.sum() != 0:
            found[k] = (g * A).sum() / A.sum()
        if method == "grad_cam_pp":
            for slope in g.ravel():
                below = 2 * slope**2 + slope**3 * A.sum()
                found[k] += (slope**2 / below if below != 0 else 0.0) * max(slope, 0.0)
    return found


def class_activation_map(method, maps, head):
    """A map (height, width) before ReLU; head is a function from maps (n_channels, ...) to a score."""
    if method == "ablation_cam":
        return _weighted(ablation_weights(maps, head), maps)
    slopes = gradient(head, maps)
    if method == "hires_cam":
        return sum(g * A for g, A in zip(slopes, maps, strict=True))
    if method == "layer_cam":
        return sum(np.maximum(g, 0) * A for g, A in zip(slopes, maps, strict=True))
    return _weighted(weights(method, maps, slopes), maps)


def ablation_weights(maps, head):
    """(y - y_k) / |y|, with channel k at 0."""
    score, found = head(maps), np.zeros(len(maps))
    for k in range(len(maps)):
        without = maps.copy()
        without[k] = 0.0
        found[k] = (score - head(without)) / abs(score)
    return found


def score_cam(maps, image, score):
    """Weights are the softmax of the scores of the image times each enlarged map, scaled to 0 to 1."""
    scores = []
    for A in maps:
        large = enlarge(A, image.shape)
        span = large.max() - large.min()
        scores.append(score(image * ((large - large.min()) / span if span > 0 else 0.0 * large)))
    exponentials = np.exp(np.array(scores) - max(scores))
    return _weighted(exponentials / exponentials.sum(), maps)


def enlarge(A, shape):
    """Bilinear interpolation between the centers of cells."""
    large = np.zeros(shape)
    for y, x in np.ndindex(*shape):
        at = [
            min(max((place + 0.5) * n / length - 0.5, 0.0), n - 1.0)
            for place, n, length in zip((y, x), A.shape, shape, strict=True)
        ]
        low = [int(one) for one in at]
        high = [min(one + 1, n - 1) for one, n in zip(low, A.shape, strict=True)]
        dy, dx = (one - start for one, start in zip(at, low, strict=True))
        large[y, x] = (
            A[low[0], low[1]] * (1 - dy) * (1 - dx)
            + A[high[0], low[1]] * dy * (1 - dx)
            + A[low[0], high[1]] * (1 - dy) * dx
            + A[high[0], high[1]] * dy * dx
        )
    return large


def _weighted(found, maps):
    total = np.zeros(maps.shape[1:])
    for weight, A in zip(found, maps, strict=True):
        total += weight * A
    return total
