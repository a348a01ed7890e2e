"""Layer-wise relevance propagation in relevance form, by loops over the units of a network in `layers`.

`relevances(layers, X, output, rules)` is the relevance of rows X (n_rows, ...) for one output (a number, or
one for each row). It starts with R = y at the output and goes down by R_j = sum_k n_jk / (sum_j n_jk + b_k +
e_k) R_k, with numerators n_jk, bias b_k and stabilizer e_k of the operation's rule. What an operation does
not pass on is counted where it is lost, by its cause, so that `values` and all of `absorbed` add up to
`outputs`:

- "bias": b_k / (...) R_k, also the offset of batch norm and layer norm and a constant that is added;
- "epsilon": e_k / (...) R_k, and all of R_k where the denominator is 0;
- "offset": f(0) / f(x) R_k of an elementwise function;
- "softmax": what the rule of AttnLRP for softmax drops.

`rules` maps a kind of layer to its rule; a layer's own `rule` goes first. "linear" and "conv" have
`Epsilon()` by default; all other affine operations (batch norm, average pooling, norms with their deviation
held) and sums have `EXACT`, LRP-0. "attention" maps to "cp_lrp" (weights held, the default) or "attn_lrp"
(half to each factor of a product of two, R_i = x_i (R_i - s_i sum_k R_k) at the softmax). The layers in and
out of an attention are "linear".

Every rule has `epsilon`, the absolute stabilizer, `share`, its share of the root mean square of the
operation's outputs for the row (both are added, with the sign of the denominator), and `bias`: False leaves
the bias out of the denominator, so that its share goes to the inputs. Whether y is positive in `Gamma` is
asked of y with its bias.

Formulas: Bach et al. 2015, doi 10.1371/journal.pone.0130140; Montavon et al. 2017, doi
10.1016/j.patcog.2016.11.008; Montavon et al. 2019, doi 10.1007/978-3-030-28954-6_10; Achtibat et al. 2024,
doi 10.48550/arXiv.2402.05602.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tests.reference.layers import (
    AFFINE,
    FUNCTIONS,
    Affine,
    Heads,
    Layer,
    affine,
    elementwise,
    forward,
    heads,
    join,
    run,
    softmax,
    split,
    winners,
)

CAUSES = ("bias", "epsilon", "offset", "softmax")


@dataclass(frozen=True)
class Rule:
    """What every rule has."""

    epsilon: float = 1e-6
    share: float = 0.0
    bias: bool = True


@dataclass(frozen=True)
class Epsilon(Rule):
    """n_jk = x_j w_jk."""


@dataclass(frozen=True)
class ZPlus(Rule):
    """n_jk = max(x_j w_jk, 0), with max(b_k, 0)."""


@dataclass(frozen=True)
class Gamma(Rule):
    """n_jk = z_jk + gamma max(z_jk, 0) where y_k > 0, min where y_k < 0; the bias likewise."""

    gamma: float = 0.25


@dataclass(frozen=True)
class AlphaBeta(Rule):
    """alpha times the shares of positive products, less alpha - 1 times those of negative ones."""

    alpha: float = 2.0


@dataclass(frozen=True)
class ZBox(Rule):
    """n_jk = x_j w_jk - low_j max(w_jk, 0) - high_j min(w_jk, 0); the bias is never in the denominator."""

    low: Any = 0.0
    high: Any = 1.0


@dataclass(frozen=True)
class WSquare(Rule):
    """n_jk = w_jk ** 2, with b_k ** 2."""


@dataclass(frozen=True)
class Flat(Rule):
    """n_jk = 1 for each input of the operation; the bias is never in the denominator."""


@dataclass(frozen=True)
class Pass:
    """R_j = R_k, unit by unit."""


EXACT = Epsilon(epsilon=0.0)


class Relevances(NamedTuple):
    """Of rows: relevance of the inputs, of each layer's input, absorbed by cause (n_rows,), and outputs."""

    values: np.ndarray
    layers: list[np.ndarray]
    absorbed: dict[str, np.ndarray]
    outputs: np.ndarray


def relevances(
    layers: list, X: np.ndarray, output: Any, rules: Mapping[str, Any] | None = None
) -> Relevances:
    """Relevance of rows for one output; tokens have one number each after an embedding as the first layer."""
    rows, absorbed, outputs = [], [], []
    for x, unit in zip(X, np.broadcast_to(output, len(X)), strict=True):
        values = run(layers, x)
        R = np.zeros(values[-1].shape)
        R[unit] = values[-1][unit]
        lost = dict.fromkeys(CAUSES, 0.0)
        rows.append(descend(layers, values, R, rules or {}, lost))
        absorbed.append(lost)
        outputs.append(values[-1][unit])
    by_layer = [np.stack(one) for one in zip(*rows, strict=True)]
    by_cause = {cause: np.array([lost[cause] for lost in absorbed]) for cause in CAUSES}
    return Relevances(by_layer[0], by_layer, by_cause, np.array(outputs))


def descend(
    layers: list, values: list, R: np.ndarray, rules: Mapping[str, Any], absorbed: dict
) -> list[np.ndarray]:
    """Relevance at each layer's input and, last, R at the output; what is lost on the way is counted."""
    found = [R]
    for layer, x in zip(reversed(layers), reversed(values[:-1]), strict=True):
        found.append(layer_relevance(layer, x, found[-1], rules, absorbed))
    return found[::-1]


def layer_relevance(
    layer: Any, x: np.ndarray, R: np.ndarray, rules: Mapping[str, Any], absorbed: dict
) -> np.ndarray:
    """Relevance at the input of one layer."""
    if not isinstance(layer, Layer):
        return layer.relevance(x, R, rules, absorbed)
    if layer.kind in AFFINE:
        return affine_relevance(affine(layer, x), rule_of(layer, rules), x, R, absorbed)
    if layer.kind in FUNCTIONS:
        return _elementwise(layer, x, R, absorbed)
    return LAYERS[layer.kind](layer, x, R, rules, absorbed)


def rule_of(layer: Layer, rules: Mapping[str, Any]) -> Any:
    """A layer's own rule, that of its kind or the default."""
    default = Epsilon() if layer.kind in ("linear", "conv") else EXACT
    return layer.rule or rules.get(layer.kind, default)


# Affine operations.


def affine_relevance(
    operation: Affine, rule: Any, x: np.ndarray, R: np.ndarray, absorbed: dict
) -> np.ndarray:
    """Relevance at the input of y = W x + b by a rule."""
    if isinstance(rule, Pass):
        return R.reshape(x.shape)
    y, flat = operation(x).ravel(), np.ravel(R)
    e = rule.epsilon + rule.share * math.sqrt(np.mean(y**2))
    found = np.zeros(x.size)
    for k in range(len(flat)):
        for numerators, bias, factor in numerators_of(operation, rule, x, y, k):
            own = bias if rule.bias else 0.0
            found += divide(numerators, own, e, factor * flat[k], absorbed)
    return found.reshape(x.shape)


def numerators_of(operation: Affine, rule: Any, x: np.ndarray, y: np.ndarray, k: int) -> list:
    """Numerators n_jk (n_in,) of one output unit, the bias and the factor of R_k, for each part."""
    w, b, z = operation.matrix[k], operation.bias[k], np.ravel(x) * operation.matrix[k]
    positive, negative = (np.maximum(z, 0), max(b, 0.0)), (np.minimum(z, 0), min(b, 0.0))
    if isinstance(rule, ZPlus):
        return [(*positive, 1.0)]
    if isinstance(rule, AlphaBeta):
        return [(*positive, rule.alpha), (*negative, 1.0 - rule.alpha)]
    if isinstance(rule, Gamma):
        part, of_bias = positive if y[k] > 0 else negative
        return [(z + rule.gamma * part, b + rule.gamma * of_bias, 1.0)]
    if isinstance(rule, ZBox):
        low, high = (np.broadcast_to(one, x.shape).ravel() for one in (rule.low, rule.high))
        return [(z - low * np.maximum(w, 0) - high * np.minimum(w, 0), 0.0, 1.0)]
    if isinstance(rule, WSquare):
        return [(w**2, b**2, 1.0)]
    if isinstance(rule, Flat):
        return [(operation.field[k].astype(float), 0.0, 1.0)]
    return [(z, b, 1.0)]


def divide(numerators: np.ndarray, bias: float, e: float, R: float, absorbed: dict) -> np.ndarray:
    """n_j / (sum_j n_j + b + e) R; what the bias and e get is counted."""
    below = numerators.sum() + bias
    e = e if below >= 0 else -e
    if below + e == 0:
        absorbed["epsilon"] += R
        return np.zeros(numerators.shape)
    absorbed["bias"] += bias / (below + e) * R
    absorbed["epsilon"] += e / (below + e) * R
    return numerators / (below + e) * R


# Elementwise functions and softmax.


def _elementwise(layer: Layer, x: np.ndarray, R: np.ndarray, absorbed: dict) -> np.ndarray:
    at_0 = float(elementwise(layer.kind, np.zeros(())))
    if at_0 == 0:
        return R
    y = elementwise(layer.kind, x)
    found = np.zeros(x.shape)
    for at in np.ndindex(*x.shape):
        part = at_0 / y[at] if y[at] != 0 else 1.0
        found[at] = (1.0 - part) * R[at]
        absorbed["offset"] += part * R[at]
    return found


def _softmax(layer: Any, x: np.ndarray, R: np.ndarray, rules: Any, absorbed: dict) -> np.ndarray:
    s, found = softmax(x), np.zeros(x.shape)
    for row in np.ndindex(*x.shape[:-1]):
        total = R[row].sum()
        for i in np.flatnonzero(np.isfinite(x[row])):
            found[(*row, i)] = x[(*row, i)] * (R[(*row, i)] - s[(*row, i)] * total)
            absorbed["softmax"] += R[(*row, i)] - found[(*row, i)]
    return found


# Pooling, order of the units, graphs.


def _max_pool(layer: Layer, x: np.ndarray, R: np.ndarray, rules: Any, absorbed: dict) -> np.ndarray:
    found = np.zeros(x.shape)
    for at, best in winners(layer, x):
        found[best] += R[at]
    return found


def _permute(layer: Layer, x: np.ndarray, R: np.ndarray, rules: Any, absorbed: dict) -> np.ndarray:
    return np.transpose(R, np.argsort(layer["axes"]))


def _select(layer: Layer, x: np.ndarray, R: np.ndarray, rules: Any, absorbed: dict) -> np.ndarray:
    found = np.zeros(x.shape)
    found[layer["index"]] = R
    return found


def _embedding(layer: Layer, x: np.ndarray, R: np.ndarray, rules: Any, absorbed: dict) -> np.ndarray:
    return R.sum(axis=-1)


def _branch(branch: list, x: np.ndarray, R: np.ndarray, rules: Any, absorbed: dict) -> np.ndarray:
    return descend(branch, run(branch, x), R, rules, absorbed)[0]


def _sum(layer: Layer, x: np.ndarray, R: np.ndarray, rules: Mapping[str, Any], absorbed: dict) -> np.ndarray:
    rule = rule_of(layer, rules)
    terms = np.stack([forward(branch, x) for branch in layer["branches"]])
    e = rule.epsilon + rule.share * math.sqrt(np.mean(terms.sum(axis=0) ** 2))
    to_terms = np.zeros(terms.shape)
    for at in np.ndindex(*R.shape):
        to_terms[(slice(None), *at)] = divide(terms[(slice(None), *at)], 0.0, e, R[at], absorbed)
    return sum(
        _branch(branch, x, part, rules, absorbed)
        for branch, part in zip(layer["branches"], to_terms, strict=True)
    )


def _concat(layer: Layer, x: np.ndarray, R: np.ndarray, rules: Any, absorbed: dict) -> np.ndarray:
    axis = layer.get("axis", 0)
    lengths = [forward(branch, x).shape[axis] for branch in layer["branches"]]
    parts = np.split(R, np.cumsum(lengths)[:-1], axis=axis)
    return sum(
        _branch(branch, x, part, rules, absorbed)
        for branch, part in zip(layer["branches"], parts, strict=True)
    )


def _gate(layer: Layer, x: np.ndarray, R: np.ndarray, rules: Any, absorbed: dict) -> np.ndarray:
    return _branch(layer["branches"][0], x, R, rules, absorbed)


def _product(layer: Layer, x: np.ndarray, R: np.ndarray, rules: Any, absorbed: dict) -> np.ndarray:
    shape = np.shape(R)
    halves = []
    for branch in layer["branches"]:
        half = np.array(R / 2)
        for axis, size in enumerate(forward(branch, x).shape):
            if size < shape[axis]:
                half = half.sum(axis=axis, keepdims=True)
        halves.append(_branch(branch, x, half, rules, absorbed))
    return halves[0] + halves[1]


# Attention.


def _attention(
    layer: Layer, x: np.ndarray, R: np.ndarray, rules: Mapping[str, Any], absorbed: dict
) -> np.ndarray:
    steps = heads(layer, x)
    R_mixed = layer_relevance(steps.layer_out, join(steps.mixed), R, rules, absorbed)
    R_mixed = split(R_mixed, layer["n_heads"])
    method = layer.rule or rules.get("attention", "cp_lrp")
    parts = [np.zeros(steps.queries.shape), np.zeros(steps.queries.shape), np.zeros(steps.queries.shape)]
    if method == "cp_lrp":
        parts[2] = _values(steps, R_mixed, absorbed)
    else:
        to_weights = _weights(steps, R_mixed / 2, absorbed)
        to_scores = _softmax(None, steps.scores, to_weights, rules, absorbed)
        parts = [*_scores(steps, to_scores / 2, absorbed), _values(steps, R_mixed / 2, absorbed)]
    return sum(
        layer_relevance(one, x, join(part), rules, absorbed)
        for one, part in zip(steps.layers_in, parts, strict=True)
    )


def _values(steps: Heads, R: np.ndarray, absorbed: dict) -> np.ndarray:
    """Relevance of the values from R of o_td = sum_s a_ts v_sd."""
    found = np.zeros(steps.values.shape)
    for h, t, d in np.ndindex(*R.shape):
        found[h, :, d] += divide(steps.weights[h, t] * steps.values[h, :, d], 0.0, 0.0, R[h, t, d], absorbed)
    return found


def _weights(steps: Heads, R: np.ndarray, absorbed: dict) -> np.ndarray:
    """Relevance of the weights from R of o_td = sum_s a_ts v_sd."""
    found = np.zeros(steps.weights.shape)
    for h, t, d in np.ndindex(*R.shape):
        found[h, t] += divide(steps.weights[h, t] * steps.values[h, :, d], 0.0, 0.0, R[h, t, d], absorbed)
    return found


def _scores(steps: Heads, R: np.ndarray, absorbed: dict) -> tuple[np.ndarray, np.ndarray]:
    """Relevance R of s_ts = sum_d q_td k_sd, for the queries and for the keys: each gets all of it."""
    to_queries, to_keys = np.zeros(steps.queries.shape), np.zeros(steps.keys.shape)
    for h, t, s in np.ndindex(*R.shape):
        if np.isfinite(steps.scores[h, t, s]):
            terms = steps.queries[h, t] * steps.keys[h, s]
            to_queries[h, t] += divide(terms, 0.0, 0.0, R[h, t, s], absorbed)
            to_keys[h, s] += divide(terms, 0.0, 0.0, R[h, t, s], absorbed)
    return to_queries, to_keys


LAYERS = {
    "softmax": _softmax,
    "max_pool": _max_pool,
    "flatten": lambda layer, x, R, rules, absorbed: R.reshape(x.shape),
    "permute": _permute,
    "select": _select,
    "embedding": _embedding,
    "sum": _sum,
    "concat": _concat,
    "gate": _gate,
    "product": _product,
    "attention": _attention,
}
