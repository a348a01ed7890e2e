"""Small sets of pictures, and scores of them."""

from __future__ import annotations

import numpy as np


def digits(n=120, side=4, levels=9, seed=0):
    """Pictures (n, side, side) of few distinct values, the first pixel constant and others often 0."""
    rng = np.random.default_rng(seed)
    light = rng.integers(0, levels, (n, 1, 1)) + rng.integers(-3, 4, (n, side, side))
    pictures = np.clip(light, 0, levels - 1).astype(np.uint8)
    pictures[:, 0, 0] = 3
    pictures[:, 0, 1] = np.where(rng.random(n) < 0.85, 0, pictures[:, 0, 1])
    return pictures


def scores(pictures, seed=1):
    """Probabilities (n, 3) that depend on some of the pixels."""
    flat = pictures.reshape(len(pictures), -1).astype(float)
    logits = flat @ np.random.default_rng(seed).normal(0.0, 0.08, (flat.shape[1], 3))
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def labels(pictures, seed=2):
    """Classes 0 to 2, sampled with the probabilities."""
    p = scores(pictures)
    return (np.random.default_rng(seed).random((len(p), 1)) > np.cumsum(p, axis=1)[:, :-1]).sum(1)


def with_noise(pictures, seed=3):
    """The same with a value of its own in nearly every picture; the constant pixel stays so."""
    noise = np.random.default_rng(seed).random(pictures.shape)
    noise[:, 0, 0] = 0.5
    return pictures + noise
