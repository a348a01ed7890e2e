"""Windows and soft masks over images written a second time: plain loops, pixel by pixel.

Nothing here imports the package.
"""

from __future__ import annotations

import math

import numpy as np


def occlude_windows(model, image, fill, size, stride):
    """Mean effect of the windows that cover each pixel, and the effect of each window, row by row.

    `model` maps images of shape (n, ...) to (n, n_outputs); windows begin at the first corner, and those
    that reach over the border are cut there; there are as many as it takes to cover all pixels.
    """
    height, width = image.shape[:2]
    own = model(image[None])[0]
    total = np.zeros((height, width, own.size))
    count = np.zeros((height, width, 1))
    effects = []
    for top in starts(height, size[0], stride[0]):
        for left in starts(width, size[1], stride[1]):
            hidden = image.copy()
            for y in range(top, min(top + size[0], height)):
                for x in range(left, min(left + size[1], width)):
                    hidden[y, x] = fill if np.ndim(fill) < 2 else fill[y, x]
            effect = own - model(hidden[None])[0]
            effects.append(effect)
            for y in range(top, min(top + size[0], height)):
                for x in range(left, min(left + size[1], width)):
                    total[y, x] += effect
                    count[y, x] += 1
    return total / count, np.array(effects)


def starts(length, size, stride):
    """First pixels of the windows along an axis."""
    first = [0]
    while first[-1] + size < length:
        first.append(first[-1] + stride)
    return first


def soft_mask(grid, shift, height, width):
    """A grid enlarged by linear interpolation to one cell more than the image, and cut out at an offset.

    A pixel's value is interpolated between the centers of the four cells around it; beyond the outermost
    centers that of the outermost cells holds.
    """
    n = len(grid)
    tall, wide = math.ceil(height / n) * (n + 1), math.ceil(width / n) * (n + 1)
    mask = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            down = between((y + shift[0] + 0.5) * n / tall - 0.5, n)
            right = between((x + shift[1] + 0.5) * n / wide - 0.5, n)
            mask[y, x] = math.fsum(
                grid[i][j] * first * second for i, first in down.items() for j, second in right.items()
            )
    return mask


def between(place, n):
    """Cells around a position, and their weights."""
    place = min(max(place, 0.0), n - 1.0)
    low = min(int(place), n - 2)
    return {low: 1.0 - (place - low), low + 1: place - low}


def rise(scores, masks, share):
    """RISE's formula with scores counted from their mean, in which the masks' own mean drops out."""
    mean = sum(scores) / len(scores)
    total = np.zeros(masks[0].shape)
    for score, mask in zip(scores, masks, strict=True):
        total += (score - mean) * (mask - share)
    return total / (len(scores) * share)


def inpainted(image, hidden):
    """Hidden pixels as weighted means of their eight neighbors, by one dense system; without noise."""
    height, width = hidden.shape
    own = {tuple(place): k for k, place in enumerate(np.argwhere(hidden))}
    values = image.reshape(height, width, -1).astype(float)
    left, right = np.zeros((len(own), len(own))), np.zeros((len(own), values.shape[2]))
    for (row, column), k in own.items():
        near = [
            (row + down, column + across)
            for down in (-1, 0, 1)
            for across in (-1, 0, 1)
            if (down or across) and 0 <= row + down < height and 0 <= column + across < width
        ]
        shares = np.array([1 / 6 if r == row or c == column else 1 / 12 for r, c in near])
        shares /= shares.sum()
        left[k, k] = 1.0
        for place, share in zip(near, shares, strict=True):
            if place in own:
                left[k, own[place]] -= share
            else:
                right[k] += share * values[place]
    values[hidden] = np.linalg.solve(left, right)
    return values.reshape(image.shape)


def put_together(X, masks, fill, labels):
    """Masked rows with each fill, of shape (n_rows, n_masks, n_fill, ...)."""
    shown = np.moveaxis(masks[:, labels], 0, 1)[:, :, None]
    shown = shown.reshape(*shown.shape, *[1] * (X.ndim + 2 - shown.ndim))
    return np.where(shown, X[:, None, None], fill[:, None])
