"""Metrics of explanations as plain loops, one picture or row at a time, by their published definitions."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d


def blur_of_rise(picture, size=11, sigma=5.0):
    """A picture (height, width, n_channels) convolved with a Gaussian cut to size x size pixels."""
    impulse = np.zeros((size, size))
    impulse[size // 2, size // 2] = 1.0
    kernel = gaussian_filter(impulse, sigma)
    return np.stack([convolve2d(one, kernel, mode="same") for one in np.moveaxis(picture, -1, 0)], axis=-1)


def curve_of_rise(predict, start, end, order, step):
    """Predictions while `step` pixels at a time of `start` become those of `end`, in the order given."""
    picture = start.copy()
    flat, target = picture.reshape(-1, picture.shape[-1]), end.reshape(-1, end.shape[-1])
    n_steps = (len(order) + step - 1) // step
    predictions = np.empty(n_steps + 1)
    predictions[0] = predict(picture)
    for i in range(n_steps):
        pixels = order[step * i : step * (i + 1)]
        flat[pixels] = target[pixels]
        predictions[i + 1] = predict(picture)
    return predictions


def auc_of_rise(predictions):
    """Normalized area under the curve."""
    return (predictions.sum() - predictions[0] / 2 - predictions[-1] / 2) / (len(predictions) - 1)


def table_curve(predict, row, background, order):
    """Mean predictions while columns of a row become those of each background row, one after the other."""
    predictions = []
    for n_hidden in range(len(order) + 1):
        total = 0.0
        for other in background:
            mixed = row.copy()
            mixed[order[:n_hidden]] = other[order[:n_hidden]]
            total += predict(mixed[None])[0]
        predictions.append(total / len(background))
    return np.array(predictions)


def text_curve(predict, words, order):
    """Predictions while words are removed from a text of words joined by spaces."""
    return np.array(
        [
            predict([" ".join("" if j in order[:n] else word for j, word in enumerate(words))])[0]
            for n in range(len(order) + 1)
        ]
    )


def imputed(picture, hidden):
    """Hidden pixels as the weighted mean of their neighbors, from a dense system; no noise."""
    height, width, n_channels = picture.shape
    places = [tuple(place) for place in np.argwhere(hidden)]
    number = {place: j for j, place in enumerate(places)}
    system, right = np.zeros((len(places), len(places))), np.zeros((len(places), n_channels))
    for (y, x), j in number.items():
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                near = (y + dy, x + dx)
                if near == (y, x) or not (0 <= near[0] < height and 0 <= near[1] < width):
                    continue
                weight = 1 / 12 if dy and dx else 1 / 6
                system[j, j] += weight
                if near in number:
                    system[j, number[near]] -= weight
                else:
                    right[j] += weight * picture[near]
    out = picture.copy()
    out[hidden] = np.linalg.solve(system, right)
    return out


def average_drop(y, o):
    """Mean of the relative falls."""
    return np.mean([max(0.0, whole - masked) / whole for whole, masked in zip(y, o, strict=True)])


def average_gain(y, o, lecture=False):
    """Mean of the relative rises."""
    pairs = zip(y, o, strict=True)
    return np.mean([max(0.0, masked - whole) / (whole if lecture else 1 - whole) for whole, masked in pairs])


def average_increase(y, o):
    """Proportion of rises."""
    return np.mean([masked > whole for whole, masked in zip(y, o, strict=True)])
