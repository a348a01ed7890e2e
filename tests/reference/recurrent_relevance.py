"""Relevance through LSTM and GRU by loops over time (Arras et al. 2017, doi 10.18653/v1/W17-5221).

A gate is held and the signal that it weighs takes all relevance; tanh passes it on; a cell's sum is divided
by contribution; a signal's pre-activation z_k = sum_j w_kj x_j + sum_j u_kj h_j + b_k by the rule epsilon,
R_j = w_kj x_j / (z_k + e) R_k, over the inputs of the step and the state before together.

LSTM, with gates i, f, o and signal g = tanh(z): c_t = f c_(t-1) + i g, h_t = o tanh(c_t). GRU, with gates r,
z and signal n = tanh(W x + b_i + r (U h_(t-1) + b_h)): h_t = (1 - z) n + z h_(t-1). Its bias is b_i + r b_h.
The states before the first step are 0.

`Recurrent(kind, params)` has the weights by torch's names, arrays under "weight_ih_l0", "weight_hh_l0",
"bias_ih_l0", "bias_hh_l0", "weight_ih_l0_reverse" and so on; x is (T, n_in), the output (T, n_directions *
n_hidden). It can be a layer of a network in `relevance`, where its rule is `rules["recurrent"]`, `Epsilon()`
by default, and in `deep_lift`, where all products of a step are of two factors that vary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.reference.deep_lift import slope
from tests.reference.layers import elementwise
from tests.reference.relevance import EXACT, Epsilon, divide


class Recurrent:
    """An "lstm" or "gru" of as many layers and directions as its params have."""

    def __init__(self, kind: str, params: Mapping[str, np.ndarray]) -> None:
        self.kind, self.params = kind, params
        self.n_layers = sum(name.startswith("weight_ih") and not name.endswith("reverse") for name in params)
        self.endings = [""] + ["_reverse"] * ("weight_ih_l0_reverse" in params)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """States of the last layer (T, n_directions * n_hidden)."""
        for level in range(self.n_layers):
            x = self._level_forward(level, x)
        return x

    def relevance(self, x: np.ndarray, R: np.ndarray, rules: Mapping[str, Any], absorbed: dict) -> np.ndarray:
        """Relevance (T, n_in) of the inputs from that of the output; "bias" and "epsilon" are counted."""
        inputs = self._inputs(x)
        rule = rules.get("recurrent", Epsilon())
        for level in range(self.n_layers - 1, -1, -1):
            parts = np.split(R, len(self.endings), axis=1)
            R = np.zeros(inputs[level].shape)
            for ending, part in zip(self.endings, parts, strict=True):
                order = slice(None, None, -1 if ending else 1)
                steps = self.steps(level, ending, inputs[level][order])
                R[order] += PASSES[self.kind](steps, part[order], rule, absorbed)
        return R

    def multipliers(self, x: np.ndarray, x0: np.ndarray, m: np.ndarray) -> np.ndarray:
        """Multipliers (T, n_in) of DeepLIFT's rescale; gates vary, so each product has two factors."""
        inputs, inputs0 = self._inputs(x), self._inputs(x0)
        for level in range(self.n_layers - 1, -1, -1):
            parts = np.split(m, len(self.endings), axis=1)
            m = np.zeros(inputs[level].shape)
            for ending, part in zip(self.endings, parts, strict=True):
                order = slice(None, None, -1 if ending else 1)
                steps, steps0 = (self.steps(level, ending, one[level][order]) for one in (inputs, inputs0))
                m[order] += MULTIPLIERS[self.kind](steps, steps0, part[order])
        return m

    def _inputs(self, x: np.ndarray) -> list[np.ndarray]:
        """Input of each layer."""
        inputs = [x]
        for level in range(self.n_layers - 1):
            inputs.append(self._level_forward(level, inputs[-1]))
        return inputs

    def _level_forward(self, level: int, x: np.ndarray) -> np.ndarray:
        states = []
        for ending in self.endings:
            order = slice(None, None, -1 if ending else 1)
            states.append(np.stack([step["h"] for step in self.steps(level, ending, x[order])])[order])
        return np.concatenate(states, axis=1)

    def steps(self, level: int, ending: str, x: np.ndarray) -> list[dict]:
        """What each step of a layer has seen and made, in the order of time of its direction."""
        w, u, b, c = (
            self.params.get(f"{name}_l{level}{ending}", 0.0)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        n_hidden = u.shape[1]
        n_gates = len(u) // n_hidden
        b, c = (np.broadcast_to(one, len(u)) for one in (b, c))
        parts = [
            tuple(one[k * n_hidden : (k + 1) * n_hidden] for one in (w, u, b, c)) for k in range(n_gates)
        ]
        state = {"h": np.zeros(n_hidden), "c": np.zeros(n_hidden)}
        steps = []
        for row in x:
            state = STEPS[self.kind](parts, row, state)
            steps.append(state)
        return steps


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return elementwise("sigmoid", values)


def _lstm_step(parts: list, x: np.ndarray, before: dict) -> dict:
    z = [w @ x + u @ before["h"] + b + c for w, u, b, c in parts]
    i, f, o = _sigmoid(z[0]), _sigmoid(z[1]), _sigmoid(z[3])
    g, c_before = np.tanh(z[2]), before["c"]
    state = f * c_before + i * g
    w, u, b, c = parts[2]
    return {
        "x": x,
        "h_before": before["h"],
        "c_before": c_before,
        "parts": parts,
        "z": z,
        "i": i,
        "f": f,
        "g": g,
        "o": o,
        "kept": f * c_before,
        "added": i * g,
        "signal": z[2],
        "w": w,
        "u": u,
        "b": b + c,
        "c": state,
        "tanh_c": np.tanh(state),
        "h": o * np.tanh(state),
    }


def _gru_step(parts: list, x: np.ndarray, before: dict) -> dict:
    (w_r, u_r, b_r, c_r), (w_z, u_z, b_z, c_z), (w, u, b, c) = parts
    z_r, z_z = w_r @ x + b_r + u_r @ before["h"] + c_r, w_z @ x + b_z + u_z @ before["h"] + c_z
    r, z, inner = _sigmoid(z_r), _sigmoid(z_z), u @ before["h"] + c
    signal = w @ x + b + r * inner
    n = np.tanh(signal)
    return {
        "x": x,
        "h_before": before["h"],
        "parts": parts,
        "z_r": z_r,
        "z_z": z_z,
        "r": r,
        "z": z,
        "n": n,
        "inner": inner,
        "kept": z * before["h"],
        "added": (1.0 - z) * n,
        "signal": signal,
        "w": w,
        "u": r[:, None] * u,
        "b": b + r * c,
        "h": z * before["h"] + (1.0 - z) * n,
    }


def _lstm_pass(steps: list[dict], R: np.ndarray, rule: Any, absorbed: dict) -> np.ndarray:
    """Relevance of inputs (T, n_in) from that of states (T, n_hidden)."""
    found = []
    R_h, R_c = np.zeros(R.shape[1]), np.zeros(R.shape[1])
    for t in range(len(steps) - 1, -1, -1):
        step = steps[t]
        R_c = R_c + R_h + R[t]
        R_c, R_signal = _divide_sum(step, R_c, absorbed)
        R_x, R_h = _divide_signal(step, R_signal, rule, absorbed)
        found.append(R_x)
    return np.stack(found[::-1])


def _gru_pass(steps: list[dict], R: np.ndarray, rule: Any, absorbed: dict) -> np.ndarray:
    """Relevance of inputs (T, n_in) from that of states (T, n_hidden)."""
    found = []
    R_h = np.zeros(R.shape[1])
    for t in range(len(steps) - 1, -1, -1):
        R_kept, R_signal = _divide_sum(steps[t], R_h + R[t], absorbed)
        R_x, R_h = _divide_signal(steps[t], R_signal, rule, absorbed)
        R_h = R_h + R_kept
        found.append(R_x)
    return np.stack(found[::-1])


def _divide_sum(step: dict, R: np.ndarray, absorbed: dict) -> tuple[np.ndarray, np.ndarray]:
    """Relevance of what a cell keeps and of what is added, by contribution."""
    pairs = np.array(
        [
            divide(np.array(terms), 0.0, EXACT.epsilon, one, absorbed)
            for *terms, one in zip(step["kept"], step["added"], R, strict=True)
        ]
    )
    return pairs[:, 0], pairs[:, 1]


def _divide_signal(step: dict, R: np.ndarray, rule: Any, absorbed: dict) -> tuple[np.ndarray, np.ndarray]:
    """Relevance of a step's inputs and of the state before, by the rule epsilon at the pre-activation."""
    e = rule.epsilon + rule.share * math.sqrt(np.mean(step["signal"] ** 2))
    R_x, R_h = np.zeros(len(step["x"])), np.zeros(len(R))
    for k in range(len(R)):
        terms = np.concatenate([step["w"][k] * step["x"], step["u"][k] * step["h_before"]])
        passed = divide(terms, step["b"][k] if rule.bias else 0.0, e, R[k], absorbed)
        R_x += passed[: len(R_x)]
        R_h += passed[len(R_x) :]
    return R_x, R_h


def _lstm_multipliers(steps: list[dict], steps0: list[dict], m: np.ndarray) -> np.ndarray:
    """Multipliers of inputs (T, n_in) from those of states (T, n_hidden)."""
    found, m_h, m_c = [], np.zeros(m.shape[1]), np.zeros(m.shape[1])
    for t in range(len(steps) - 1, -1, -1):
        one, one0 = steps[t], steps0[t]
        mean = {name: (one[name] + one0[name]) / 2 for name in ("i", "f", "g", "o", "tanh_c", "c_before")}
        m_h = m_h + m[t]
        m_c = m_c + m_h * mean["o"] * _function_slope("tanh", one["c"], one0["c"])
        to_gates = (m_c * mean["g"], m_c * mean["c_before"], m_c * mean["i"], m_h * mean["tanh_c"])
        functions = ("sigmoid", "sigmoid", "tanh", "sigmoid")
        m_x, m_h = np.zeros(len(one["x"])), np.zeros(len(m_h))
        for k, (w, u, _, _) in enumerate(one["parts"]):
            to_z = to_gates[k] * _function_slope(functions[k], one["z"][k], one0["z"][k])
            m_x, m_h = m_x + to_z @ w, m_h + to_z @ u
        m_c = m_c * mean["f"]
        found.append(m_x)
    return np.stack(found[::-1])


def _gru_multipliers(steps: list[dict], steps0: list[dict], m: np.ndarray) -> np.ndarray:
    """Multipliers of inputs (T, n_in) from those of states (T, n_hidden)."""
    found, m_h = [], np.zeros(m.shape[1])
    for t in range(len(steps) - 1, -1, -1):
        one, one0 = steps[t], steps0[t]
        mean = {name: (one[name] + one0[name]) / 2 for name in ("r", "z", "n", "inner", "h_before")}
        (w_r, u_r, _, _), (w_z, u_z, _, _), (w, u, _, _) = one["parts"]
        above = m_h + m[t]
        to_signal = above * (1.0 - mean["z"]) * _function_slope("tanh", one["signal"], one0["signal"])
        to_z = above * (mean["h_before"] - mean["n"]) * _function_slope("sigmoid", one["z_z"], one0["z_z"])
        to_r = to_signal * mean["inner"] * _function_slope("sigmoid", one["z_r"], one0["z_r"])
        found.append(to_signal @ w + to_z @ w_z + to_r @ w_r)
        m_h = above * mean["z"] + (to_signal * mean["r"]) @ u + to_z @ u_z + to_r @ u_r
    return np.stack(found[::-1])


def _function_slope(kind: str, x: np.ndarray, x0: np.ndarray) -> np.ndarray:
    return slope(x, x0, elementwise(kind, x), elementwise(kind, x0), elementwise(kind, x, derivative=True))


STEPS = {"lstm": _lstm_step, "gru": _gru_step}
PASSES = {"lstm": _lstm_pass, "gru": _gru_pass}
MULTIPLIERS = {"lstm": _lstm_multipliers, "gru": _gru_multipliers}
