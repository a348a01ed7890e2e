"""Small networks as lists of layers, one row at a time, in double precision: the ground of the references.

A network is a list of `Layer(kind, **params)`; `forward(layers, x)` is its output for one row x, without an
axis for the batch; `predict(layers, X)` is that of many. Layers that hold lists of layers (`branches`) make
it a graph; an empty list passes its input on.

======================  =====================================================================================
kind                    params, in torch's layout and with its defaults
======================  =====================================================================================
"linear"                weight (n_out, n_in), bias; along the last axis of x
"conv"                  weight (n_out, n_in / groups, *kernel), bias, stride, padding, dilation, groups
"batch_norm"            weight, bias, mean, variance, eps=1e-5; in evaluation, along the first axis
"average_pool"          kernel, stride=kernel, padding=0, count_include_pad=True; x is (n_channels, *places)
"adaptive_pool"         size, for each axis after the first
"mean"                  axis
"shift", "scale"        value: a constant added, a constant factor
"layer_norm"            weight, bias, eps=1e-5; along the last axis
"rms_norm"              weight, eps=1e-5; along the last axis
elementwise             the names in `FUNCTIONS`, as "relu", "tanh", "silu"
"softmax"               along the last axis
"max_pool"              kernel, stride=kernel, padding=0
"flatten"               start=0: the first axis that is flattened
"permute"               axes
"select"                index: x[index]
"embedding"             weight (n_tokens, n_dims); x holds whole numbers
"sum", "concat"         branches, axis=0 of the concatenation
"gate"                  branches: the signal, then the gate that it is multiplied by
"product"               branches: two factors, both of which vary
"attention"             n_heads, in_weight (3 d, d), in_bias, out_weight, out_bias, mask=None: pairs (T, T)
                        that are allowed; self-attention of nn.MultiheadAttention on x (T, d)
======================  =====================================================================================

A layer that is no `Layer` has methods `forward`, `relevance` and `multipliers`, as those of
`recurrent_relevance`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np


class Layer:
    """One operation by its kind, with params by their names. `rule` goes before the rules of its kind."""

    def __init__(self, kind: str, rule: Any = None, **params: Any) -> None:
        self.kind, self.rule, self.params = kind, rule, params
        self.affine_by_shape: dict = {}

    def __getitem__(self, name: str) -> Any:
        return self.params[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A param or its default."""
        return self.params.get(name, default)


class Affine(NamedTuple):
    """y = matrix x + bias over flat units; `field` says which inputs an output unit is connected to."""

    matrix: np.ndarray
    bias: np.ndarray
    field: np.ndarray
    shape: tuple[int, ...]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Output of shape `shape`."""
        return (self.matrix @ np.ravel(x) + self.bias).reshape(self.shape)


def forward(layers: list, x: np.ndarray) -> np.ndarray:
    """Output of a network for one row."""
    return run(layers, x)[-1]


def predict(layers: list, X: np.ndarray) -> np.ndarray:
    """Outputs (n_rows, ...) of a network for rows (n_rows, ...)."""
    return np.stack([forward(layers, x) for x in X])


def run(layers: list, x: np.ndarray) -> list[np.ndarray]:
    """The input and the output of each layer."""
    values = [np.asarray(x)]
    for layer in layers:
        values.append(layer_forward(layer, values[-1]))
    return values


def layer_forward(layer: Any, x: np.ndarray) -> np.ndarray:
    """Output of one layer for one row."""
    if not isinstance(layer, Layer):
        return layer.forward(x)
    if layer.kind in AFFINE:
        return affine(layer, x)(x)
    if layer.kind in FUNCTIONS:
        return elementwise(layer.kind, x)
    return FORWARDS[layer.kind](layer, x)


# Elementwise functions: the function and its derivative, of one number.


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def _normal_cdf(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def _normal_density(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


FUNCTIONS = {
    "relu": (lambda x: max(x, 0.0), lambda x: float(x > 0)),
    "relu6": (lambda x: min(max(x, 0.0), 6.0), lambda x: float(0 < x < 6)),
    "leaky_relu": (lambda x: x if x > 0 else 0.01 * x, lambda x: 1.0 if x > 0 else 0.01),
    "elu": (lambda x: x if x > 0 else math.expm1(x), lambda x: 1.0 if x > 0 else math.exp(x)),
    "tanh": (math.tanh, lambda x: 1.0 - math.tanh(x) ** 2),
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * (1.0 - _sigmoid(x))),
    "softplus": (lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))), _sigmoid),
    "silu": (lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) * (1.0 + x * (1.0 - _sigmoid(x)))),
    "gelu": (lambda x: x * _normal_cdf(x), lambda x: _normal_cdf(x) + x * _normal_density(x)),
    "hardsigmoid": (lambda x: min(max(x / 6 + 0.5, 0.0), 1.0), lambda x: float(-3 < x < 3) / 6),
    "hardswish": (
        lambda x: x * min(max(x / 6 + 0.5, 0.0), 1.0),
        lambda x: 0.0 if x <= -3 else 1.0 if x >= 3 else x / 3 + 0.5,
    ),
}


def elementwise(kind: str, x: np.ndarray, derivative: bool = False) -> np.ndarray:
    """A function, or its derivative, number by number."""
    apply = FUNCTIONS[kind][int(derivative)]
    return np.array([apply(float(one)) for one in np.ravel(x)]).reshape(np.shape(x))


def softmax(x: np.ndarray) -> np.ndarray:
    """exp(x) over its sum along the last axis; -inf has no share."""
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


# Affine operations as matrices over flat units. Norms hold their deviation at x.


def affine(layer: Layer, x: np.ndarray) -> Affine:
    """The operation as a matrix; built once for a shape where it is the same for each row."""
    shape = np.shape(x)
    if layer.kind in ("layer_norm", "rms_norm"):
        return AFFINE[layer.kind](layer, x)
    if shape not in layer.affine_by_shape:
        layer.affine_by_shape[shape] = AFFINE[layer.kind](layer, np.zeros(shape))
    return layer.affine_by_shape[shape]


def _linear(layer: Layer, x: np.ndarray) -> Affine:
    weight, bias = layer["weight"], layer.get("bias")
    n_out, n_in = weight.shape
    places = x.shape[:-1]
    matrix, field = np.zeros((*places, n_out, *places, n_in)), np.zeros((*places, n_out, *places, n_in), bool)
    for place in np.ndindex(*places):
        matrix[(*place, slice(None), *place)] = weight
        field[(*place, slice(None), *place)] = True
    own = np.zeros((*places, n_out)) + (0.0 if bias is None else bias)
    return _flat(matrix, own, field, x)


def _conv(layer: Layer, x: np.ndarray) -> Affine:
    weight, bias = layer["weight"], layer.get("bias")
    n_out, n_group, *kernel = weight.shape
    stride, padding, dilation = (
        _each(layer.get(name, default), len(kernel))
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    places = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(x.shape[1:], kernel, stride, padding, dilation, strict=True)
    ]
    matrix = np.zeros((n_out, *places, *x.shape))
    field = np.zeros(matrix.shape, bool)
    for k in range(n_out):
        first = k // (n_out // layer.get("groups", 1)) * n_group
        for at in np.ndindex(*places):
            for tap in np.ndindex(*kernel):
                place = [
                    a * s - p + t * d
                    for a, s, p, t, d in zip(at, stride, padding, tap, dilation, strict=True)
                ]
                if all(0 <= one < size for one, size in zip(place, x.shape[1:], strict=True)):
                    to = (k, *at, slice(first, first + n_group), *place)
                    matrix[to] = weight[(k, slice(None), *tap)]
                    field[to] = True
    own = np.zeros((n_out, *places))
    if bias is not None:
        own += np.reshape(bias, (-1, *[1] * len(kernel)))
    return _flat(matrix, own, field, x)


def batch_norm_factors(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Factor and offset of each channel."""
    factor = layer["weight"] / np.sqrt(layer["variance"] + layer.get("eps", 1e-5))
    return factor, layer["bias"] - factor * layer["mean"]


def _batch_norm(layer: Layer, x: np.ndarray) -> Affine:
    factor, offset = (
        np.broadcast_to(one.reshape(-1, *[1] * (x.ndim - 1)), x.shape) for one in batch_norm_factors(layer)
    )
    return _diagonal(factor, offset)


def _average_pool(layer: Layer, x: np.ndarray) -> Affine:
    matrix = []
    for at, window in _windows(layer, x.shape[1:]):
        count = len(window) if not layer.get("count_include_pad", True) else math.prod(_kernel(layer, x))
        matrix.append((at, window, 1.0 / count))
    return _pool(matrix, x)


def _adaptive_pool(layer: Layer, x: np.ndarray) -> Affine:
    sizes = _each(layer["size"], x.ndim - 1)
    matrix = []
    for at in np.ndindex(*sizes):
        ranges = [
            range(a * n // size, -(-(a + 1) * n // size))
            for a, n, size in zip(at, x.shape[1:], sizes, strict=True)
        ]
        window = [
            tuple(r[i] for r, i in zip(ranges, tap, strict=True)) for tap in np.ndindex(*map(len, ranges))
        ]
        matrix.append((at, window, 1.0 / len(window)))
    return _pool(matrix, x)


def _pool(parts: list, x: np.ndarray) -> Affine:
    places = [1 + max(at[axis] for at, _, _ in parts) for axis in range(x.ndim - 1)]
    matrix = np.zeros((x.shape[0], *places, *x.shape))
    for channel in range(x.shape[0]):
        for at, window, weight in parts:
            for place in window:
                matrix[(channel, *at, channel, *place)] = weight
    return _flat(matrix, np.zeros((x.shape[0], *places)), matrix != 0, x)


def _mean(layer: Layer, x: np.ndarray) -> Affine:
    axis = layer["axis"] % x.ndim
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    matrix = np.zeros((*shape, *x.shape))
    for at in np.ndindex(*x.shape):
        matrix[(*at[:axis], *at[axis + 1 :], *at)] = 1.0 / x.shape[axis]
    return _flat(matrix, np.zeros(shape), matrix != 0, x)


def _shift(layer: Layer, x: np.ndarray) -> Affine:
    return _diagonal(np.ones(x.shape), np.broadcast_to(layer["value"], x.shape))


def _scale(layer: Layer, x: np.ndarray) -> Affine:
    return _diagonal(np.broadcast_to(layer["value"], x.shape), np.zeros(x.shape))


def _layer_norm(layer: Layer, x: np.ndarray) -> Affine:
    n = x.shape[-1]
    matrix = np.zeros((*x.shape, *x.shape))
    for place in np.ndindex(*x.shape[:-1]):
        deviation = math.sqrt(np.mean((x[place] - x[place].mean()) ** 2) + layer.get("eps", 1e-5))
        for k in range(n):
            for j in range(n):
                matrix[(*place, k, *place, j)] = layer["weight"][k] * (float(k == j) - 1.0 / n) / deviation
    return _flat(matrix, np.broadcast_to(layer["bias"], x.shape), matrix != 0, x)


def _rms_norm(layer: Layer, x: np.ndarray) -> Affine:
    size = np.sqrt((x**2).mean(axis=-1, keepdims=True) + layer.get("eps", 1e-5))
    return _diagonal(layer["weight"] / size, np.zeros(x.shape))


def _diagonal(factor: np.ndarray, offset: np.ndarray) -> Affine:
    matrix = np.diag(np.ravel(factor))
    return Affine(matrix, np.ravel(offset), np.eye(len(matrix), dtype=bool), factor.shape)


def _flat(matrix: np.ndarray, bias: np.ndarray, field: np.ndarray, x: np.ndarray) -> Affine:
    return Affine(matrix.reshape(-1, x.size), np.ravel(bias), field.reshape(-1, x.size), bias.shape)


AFFINE = {
    "linear": _linear,
    "conv": _conv,
    "batch_norm": _batch_norm,
    "average_pool": _average_pool,
    "adaptive_pool": _adaptive_pool,
    "mean": _mean,
    "shift": _shift,
    "scale": _scale,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
}


# Windows of pooling.


def _each(value: Any, n: int) -> tuple[int, ...]:
    return (value,) * n if np.ndim(value) == 0 else tuple(value)


def _kernel(layer: Layer, x: np.ndarray) -> tuple[int, ...]:
    return _each(layer["kernel"], x.ndim - 1)


def _windows(layer: Layer, sizes: tuple[int, ...]) -> list:
    """Place of each output with the places of its inputs, without the padding."""
    kernel = _each(layer["kernel"], len(sizes))
    stride = _each(layer.get("stride", layer["kernel"]), len(sizes))
    padding = _each(layer.get("padding", 0), len(sizes))
    counts = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(sizes, kernel, stride, padding, strict=True)]
    windows = []
    for at in np.ndindex(*counts):
        window = []
        for tap in np.ndindex(*kernel):
            place = tuple(a * s - p + t for a, s, p, t in zip(at, stride, padding, tap, strict=True))
            if all(0 <= one < n for one, n in zip(place, sizes, strict=True)):
                window.append(place)
        windows.append((at, window))
    return windows


def winners(layer: Layer, x: np.ndarray) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Place of each output of a max pooling and place of its largest input, the first of equal ones."""
    found = []
    for channel in range(x.shape[0]):
        for at, window in _windows(layer, x.shape[1:]):
            best = max(window, key=lambda place: x[(channel, *place)])
            found.append(((channel, *at), (channel, *best)))
    return found


def _max_pool(layer: Layer, x: np.ndarray) -> np.ndarray:
    pairs = winners(layer, x)
    y = np.zeros([1 + max(at[axis] for at, _ in pairs) for axis in range(x.ndim)])
    for at, best in pairs:
        y[at] = x[best]
    return y


# Graphs and attention.


def _sum(layer: Layer, x: np.ndarray) -> np.ndarray:
    return sum(forward(branch, x) for branch in layer["branches"])


def _concat(layer: Layer, x: np.ndarray) -> np.ndarray:
    return np.concatenate([forward(branch, x) for branch in layer["branches"]], axis=layer.get("axis", 0))


def _product(layer: Layer, x: np.ndarray) -> np.ndarray:
    first, second = layer["branches"]
    return forward(first, x) * forward(second, x)


class Heads(NamedTuple):
    """Steps of an attention: the layers in and out, queries (n_heads, T, d_head), keys, and so on."""

    layers_in: list
    layer_out: Layer
    queries: np.ndarray
    keys: np.ndarray
    values: np.ndarray
    scores: np.ndarray
    weights: np.ndarray
    mixed: np.ndarray


def heads(layer: Layer, x: np.ndarray) -> Heads:
    """All steps of an attention on x (T, d); pairs that the mask does not allow have a score of -inf."""
    d = x.shape[-1]
    into, out = [], Layer("linear", weight=layer["out_weight"], bias=layer.get("out_bias"))
    for part in range(3):
        bias = layer.get("in_bias")
        own = None if bias is None else bias[part * d : (part + 1) * d]
        into.append(Layer("linear", weight=layer["in_weight"][part * d : (part + 1) * d], bias=own))
    q, k, v = (split(layer_forward(one, x), layer["n_heads"]) for one in into)
    scores = np.einsum("htd,hsd->hts", q, k) / math.sqrt(q.shape[-1])
    if layer.get("mask") is not None:
        scores = np.where(layer["mask"], scores, -np.inf)
    weights = softmax(scores)
    return Heads(into, out, q, k, v, scores, weights, np.einsum("hts,hsd->htd", weights, v))


def split(x: np.ndarray, n_heads: int) -> np.ndarray:
    """(T, d) as (n_heads, T, d_head)."""
    return x.reshape(len(x), n_heads, -1).transpose(1, 0, 2)


def join(x: np.ndarray) -> np.ndarray:
    """(n_heads, T, d_head) as (T, d)."""
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def _attention(layer: Layer, x: np.ndarray) -> np.ndarray:
    steps = heads(layer, x)
    return layer_forward(steps.layer_out, join(steps.mixed))


FORWARDS = {
    "softmax": lambda layer, x: softmax(x),
    "max_pool": _max_pool,
    "flatten": lambda layer, x: x.reshape(*x.shape[: layer.get("start", 0)], -1),
    "permute": lambda layer, x: np.transpose(x, layer["axes"]),
    "select": lambda layer, x: x[layer["index"]],
    "embedding": lambda layer, x: layer["weight"][x],
    "sum": _sum,
    "concat": _concat,
    "gate": _product,
    "product": _product,
    "attention": _attention,
}


def merge_batch_norms(layers: list) -> list:
    """The same network with each batch norm merged into the linear operation right before it."""
    merged: list = []
    for layer in layers:
        if isinstance(layer, Layer) and "branches" in layer.params:
            branches = [merge_batch_norms(branch) for branch in layer["branches"]]
            layer = Layer(layer.kind, layer.rule, **{**layer.params, "branches": branches})
        before = merged[-1] if merged and isinstance(merged[-1], Layer) else None
        if (
            getattr(layer, "kind", "") == "batch_norm"
            and before is not None
            and before.kind in ("linear", "conv")
        ):
            factor, offset = batch_norm_factors(layer)
            weight = before["weight"] * factor.reshape(-1, *[1] * (before["weight"].ndim - 1))
            bias = offset if before.get("bias") is None else before["bias"] * factor + offset
            merged[-1] = Layer(before.kind, before.rule, **{**before.params, "weight": weight, "bias": bias})
        else:
            merged.append(layer)
    return merged
