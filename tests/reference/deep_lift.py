"""DeepLIFT by loops over the units of a network in `layers`: multipliers from the output down to the input.

`contributions(layers, X, baselines, output, weights=None, rule="rescale")` is, for rows X (n_rows, ...) and
baselines (n_baselines, ...), the average over the baselines of multiplier times difference, with the
differences of the output that it adds up to.

Rescale (Shrikumar et al. 2017, doi 10.48550/arXiv.1704.02685):

- affine operations: m_j = sum_k w_jk m_k;
- an elementwise function: m = (f(x) - f(x0)) / (x - x0), its derivative at x where they differ by less than
  1e-7;
- max pooling: y - y0 = (M - y0) + (y - M) with M = max(y, y0). The first part goes to the input that wins in
  x, the second to the one that wins in x0; one that wins in both and differs by less than 1e-7 has its
  derivative, 1;
- a product of two factors that vary: the multiplier of each is the mean of the other's two values;
- softmax is exp, a sum, a reciprocal and a product; layer norm is a difference from the mean, its square,
  their mean, one over the root and a product, as is RMS norm; attention is made of the same.

Reveal-cancel: each unit has a positive and a negative part of its difference and a multiplier for each.
Affine operations send an input's parts to the positive part of the output where w_jk (x_j - x0_j) > 0, to the
negative part where it is below 0, and half to each where x_j and x0_j differ by less than 1e-7. A function
has the positive part [f(x0 + p) - f(x0) + f(x0 + n + p) - f(x0 + n)] / 2 for parts p and n of its input, and
the negative one likewise; a multiplier is the part of the output over that of the input, the derivative at x
where the latter is below 1e-7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.reference.layers import (
    AFFINE,
    FUNCTIONS,
    Layer,
    affine,
    elementwise,
    forward,
    heads,
    join,
    run,
    split,
    winners,
)

CLOSE = 1e-7


def contributions(
    layers: list,
    X: np.ndarray,
    baselines: np.ndarray,
    output: Any,
    weights: np.ndarray | None = None,
    rule: str = "rescale",
) -> tuple[np.ndarray, np.ndarray]:
    """Contributions (n_rows, ...) and differences of the output (n_rows,), averages over weighted baselines.

    Tokens have one number each if the network starts with an embedding.
    """
    shares = np.ones(len(baselines)) if weights is None else np.asarray(weights, float)
    shares = shares / shares.sum()
    found, differences = [], []
    for x, unit in zip(X, np.broadcast_to(output, len(X)), strict=True):
        parts = [contribution(layers, x, x0, unit, rule) for x0 in baselines]
        found.append(sum(one * share for (one, _), share in zip(parts, shares, strict=True)))
        differences.append(sum(one * share for (_, one), share in zip(parts, shares, strict=True)))
    return np.stack(found), np.array(differences)


def contribution(
    layers: list, x: np.ndarray, x0: np.ndarray, unit: Any, rule: str
) -> tuple[np.ndarray, float]:
    """Contributions of one row against one baseline, and the difference of the output."""
    if isinstance(layers[0], Layer) and layers[0].kind == "embedding":
        below, difference = contribution(
            layers[1:], forward(layers[:1], x), forward(layers[:1], x0), unit, rule
        )
        return below.sum(axis=-1), difference
    y, y0 = forward(layers, x), forward(layers, x0)
    m = np.zeros(y.shape)
    m[unit] = 1.0
    if rule == "rescale":
        found = multipliers(layers, x, x0, m) * (x - x0)
    else:
        found = _reveal_cancel(layers, x, x0, m)
    return found, float(y[unit] - y0[unit])


# Rescale.


def multipliers(layers: list, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Multipliers of the input of a network from those of its output."""
    pairs = list(zip(run(layers, x), run(layers, x0), strict=True))[:-1]
    for layer, (one, one0) in zip(reversed(layers), reversed(pairs), strict=True):
        m = layer_multipliers(layer, one, one0, m)
    return m


def layer_multipliers(layer: Any, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Multipliers of the input of one layer from those of its output."""
    if not isinstance(layer, Layer):
        return layer.multipliers(x, x0, m)
    if layer.kind in ("layer_norm", "rms_norm"):
        return _norm(layer, x, x0, m)
    if layer.kind in AFFINE:
        return _affine(affine(layer, x).matrix, m).reshape(x.shape)
    if layer.kind in FUNCTIONS:
        y, y0 = elementwise(layer.kind, x), elementwise(layer.kind, x0)
        return slope(x, x0, y, y0, elementwise(layer.kind, x, derivative=True)) * m
    return LAYERS[layer.kind](layer, x, x0, m)


def _affine(matrix: np.ndarray, m: np.ndarray) -> np.ndarray:
    found = np.zeros(matrix.shape[1])
    for k, one in enumerate(np.ravel(m)):
        found += matrix[k] * one
    return found


def slope(x: np.ndarray, x0: np.ndarray, y: np.ndarray, y0: np.ndarray, derivative: np.ndarray) -> np.ndarray:
    """Differences of y over those of x, the derivative where x and x0 are close."""
    slopes = np.zeros(np.shape(x))
    for at in np.ndindex(*slopes.shape):
        is_close = abs(x[at] - x0[at]) < CLOSE
        slopes[at] = derivative[at] if is_close else (y[at] - y0[at]) / (x[at] - x0[at])
    return slopes


def _norm(layer: Layer, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    """With d = x, less its mean in a layer norm: y = w d r + b, r = (mean of d ** 2 + eps) ** -1/2."""
    is_centered = layer.kind == "layer_norm"
    eps, n = layer.get("eps", 1e-5), x.shape[-1]
    found = np.zeros(x.shape)
    for row in np.ndindex(*x.shape[:-1]):
        d, d0 = (one[row] - (one[row].mean() if is_centered else 0.0) for one in (x, x0))
        v, v0 = (np.array(np.mean(one**2) + eps) for one in (d, d0))
        r, r0 = v**-0.5, v0**-0.5
        above = layer["weight"] * m[row]
        to_r = sum(above[i] * (d[i] + d0[i]) / 2 for i in range(n))
        to_v = float(slope(v, v0, r, r0, -0.5 * v**-1.5)) * to_r
        to_d = above * (r + r0) / 2 + (d + d0) * to_v / n
        found[row] = to_d - (to_d.sum() / n if is_centered else 0.0)
    return found


def _softmax(layer: Any, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    """y_i = e_i r with e = exp(x) and r = 1 / sum of e; a constant added to both x and x0 changes nothing."""
    found = np.zeros(x.shape)
    for row in np.ndindex(*x.shape[:-1]):
        seen = np.flatnonzero(np.isfinite(x[row]))
        highest = max(x[row].max(), x0[row].max())
        z, z0 = x[row][seen] - highest, x0[row][seen] - highest
        e, e0 = np.exp(z), np.exp(z0)
        total, total0 = np.array(e.sum()), np.array(e0.sum())
        r, r0 = 1.0 / total, 1.0 / total0
        above = m[row][seen]
        to_r = sum(above[i] * (e[i] + e0[i]) / 2 for i in range(len(seen)))
        to_total = float(slope(total, total0, r, r0, -1.0 / total**2)) * to_r
        found[row][seen] = slope(z, z0, e, e0, e) * (above * (r + r0) / 2 + to_total)
    return found


def _max_pool(layer: Layer, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    found = np.zeros(x.shape)
    for (at, best), (_, best0) in zip(winners(layer, x), winners(layer, x0), strict=True):
        y, y0 = x[best], x0[best0]
        highest = max(y, y0)
        for part, place in ((highest - y0, best), (y - highest, best0)):
            difference = x[place] - x0[place]
            if abs(difference) >= CLOSE:
                found[place] += part / difference * m[at]
        if abs(x[best] - x0[best]) < CLOSE and best == best0:
            found[best] += m[at]
    return found


def _permute(layer: Layer, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    return np.transpose(m, np.argsort(layer["axes"]))


def _select(layer: Layer, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    found = np.zeros(x.shape)
    found[layer["index"]] = m
    return found


def _sum(layer: Layer, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    return sum(multipliers(branch, x, x0, m) for branch in layer["branches"])


def _concat(layer: Layer, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    axis = layer.get("axis", 0)
    lengths = [forward(branch, x).shape[axis] for branch in layer["branches"]]
    parts = np.split(m, np.cumsum(lengths)[:-1], axis=axis)
    return sum(
        multipliers(branch, x, x0, part) for branch, part in zip(layer["branches"], parts, strict=True)
    )


def _product(layer: Layer, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    first, second = layer["branches"]
    means = [(forward(branch, x) + forward(branch, x0)) / 2 for branch in (first, second)]
    found = np.zeros(x.shape)
    for branch, own, other in ((first, *means), (second, *means[::-1])):
        to_factor = m * other
        for axis, size in enumerate(own.shape):
            if size < to_factor.shape[axis]:
                to_factor = to_factor.sum(axis=axis, keepdims=True)
        found += multipliers(branch, x, x0, to_factor)
    return found


def _attention(layer: Layer, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    steps, steps0 = heads(layer, x), heads(layer, x0)
    above = split(
        layer_multipliers(steps.layer_out, join(steps.mixed), join(steps0.mixed), m), layer["n_heads"]
    )
    a, v, q, k = (
        (getattr(steps, name) + getattr(steps0, name)) / 2
        for name in ("weights", "values", "queries", "keys")
    )
    to_values, to_queries, to_keys = np.zeros(v.shape), np.zeros(q.shape), np.zeros(k.shape)
    to_weights = np.zeros(a.shape)
    for h, t, s in np.ndindex(*a.shape):
        to_weights[h, t, s] = (above[h, t] * v[h, s]).sum()
        to_values[h, s] += a[h, t, s] * above[h, t]
    to_scores = _softmax(None, steps.scores, steps0.scores, to_weights) / math.sqrt(q.shape[-1])
    for h, t, s in np.ndindex(*a.shape):
        to_queries[h, t] += to_scores[h, t, s] * k[h, s]
        to_keys[h, s] += to_scores[h, t, s] * q[h, t]
    parts = zip(steps.layers_in, (to_queries, to_keys, to_values), strict=True)
    return sum(layer_multipliers(one, x, x0, join(part)) for one, part in parts)


LAYERS = {
    "softmax": _softmax,
    "max_pool": _max_pool,
    "flatten": lambda layer, x, x0, m: m.reshape(x.shape),
    "permute": _permute,
    "select": _select,
    "sum": _sum,
    "concat": _concat,
    "gate": _product,
    "product": _product,
    "attention": _attention,
}


# Reveal-cancel. Parts are pairs (positive, negative), of differences or of multipliers.


def _reveal_cancel(layers: list, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
    difference = x - x0
    p, n = np.maximum(difference, 0), np.minimum(difference, 0)
    seen = part_run(layers, x, x0, p, n)
    m_p, m_n = part_multipliers(layers, seen, m, m)
    return m_p * p + m_n * n


def part_run(layers: list, x: np.ndarray, x0: np.ndarray, p: np.ndarray, n: np.ndarray) -> list:
    """Values, baseline values, positive and negative parts of the input and of the output of each layer."""
    seen = [(x, x0, p, n)]
    for layer in layers:
        seen.append(_part_forward(layer, *seen[-1]))
    return seen


def _part_forward(layer: Layer, x: np.ndarray, x0: np.ndarray, p: np.ndarray, n: np.ndarray) -> tuple:
    y, y0 = forward([layer], x), forward([layer], x0)
    if layer.kind == "flatten":
        return y, y0, p.reshape(y.shape), n.reshape(y.shape)
    if layer.kind == "sum":
        return y, y0, *_part_sum(layer, x, x0, p, n)
    if layer.kind in FUNCTIONS:
        f = [elementwise(layer.kind, x0 + change) for change in (0 * p, p, n, p + n)]
        return y, y0, (f[1] - f[0] + f[3] - f[2]) / 2, (f[2] - f[0] + f[3] - f[1]) / 2
    to_p, to_n = (np.zeros(y.size) for _ in range(2))
    for k, (w_p, w_n) in enumerate(_split_weights(layer, x, x0)):
        to_p[k] = (w_p * (p + n).ravel()).sum()
        to_n[k] = (w_n * (p + n).ravel()).sum()
    return y, y0, to_p.reshape(y.shape), to_n.reshape(y.shape)


def _part_sum(layer: Layer, x: np.ndarray, x0: np.ndarray, p: np.ndarray, n: np.ndarray) -> tuple:
    """A sum is affine with weights of 1."""
    to_p, to_n = 0.0, 0.0
    for branch in layer["branches"]:
        y, y0, own_p, own_n = part_run(branch, x, x0, p, n)[-1]
        positive = _positive(y - y0)
        to_p, to_n = to_p + positive * (own_p + own_n), to_n + (1.0 - positive) * (own_p + own_n)
    return to_p, to_n


def _part_sum_multipliers(layer: Layer, before: tuple, m_p: np.ndarray, m_n: np.ndarray) -> tuple:
    to_p, to_n = 0.0, 0.0
    for branch in layer["branches"]:
        seen = part_run(branch, *before)
        positive = _positive(seen[-1][0] - seen[-1][1])
        own = positive * m_p + (1.0 - positive) * m_n
        own_p, own_n = part_multipliers(branch, seen, own, own)
        to_p, to_n = to_p + own_p, to_n + own_n
    return to_p, to_n


def _positive(difference: np.ndarray) -> np.ndarray:
    """Share of the parts of a unit that counts as positive."""
    return np.where(np.abs(difference) < CLOSE, 0.5, np.where(difference > 0, 1.0, 0.0))


def _split_weights(layer: Layer, x: np.ndarray, x0: np.ndarray) -> list:
    """For each output, weights (n_in,) of the inputs for its positive part and for its negative part."""
    if layer.kind not in AFFINE or layer.kind in ("layer_norm", "rms_norm"):
        raise ValueError(f"reveal-cancel has no rule for {layer.kind}")
    difference = np.ravel(x - x0)
    pairs = []
    for w in affine(layer, x).matrix:
        to_p = np.zeros(len(w))
        for j in range(len(w)):
            is_close = abs(difference[j]) < CLOSE
            to_p[j] = 0.5 * w[j] if is_close else w[j] if w[j] * difference[j] > 0 else 0.0
        pairs.append((to_p, w - to_p))
    return pairs


def part_multipliers(
    layers: list, seen: list, m_p: np.ndarray, m_n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers of the parts of the input from those of the parts of the output."""
    for layer, before, after in zip(reversed(layers), reversed(seen[:-1]), reversed(seen[1:]), strict=True):
        x, x0, p, n = before
        if layer.kind == "flatten":
            m_p, m_n = m_p.reshape(x.shape), m_n.reshape(x.shape)
        elif layer.kind == "sum":
            m_p, m_n = _part_sum_multipliers(layer, before, m_p, m_n)
        elif layer.kind in FUNCTIONS:
            derivative = elementwise(layer.kind, x, derivative=True)
            m_p, m_n = _ratio(after[2], p, derivative) * m_p, _ratio(after[3], n, derivative) * m_n
        else:
            below = np.zeros(x.size)
            for k, (w_p, w_n) in enumerate(_split_weights(layer, x, x0)):
                below += w_p * m_p.ravel()[k] + w_n * m_n.ravel()[k]
            m_p = m_n = below.reshape(x.shape)
    return m_p, m_n


def _ratio(after: np.ndarray, before: np.ndarray, derivative: np.ndarray) -> np.ndarray:
    found = np.array(derivative)
    for at in np.ndindex(*before.shape):
        if abs(before[at]) >= CLOSE:
            found[at] = after[at] / before[at]
    return found
