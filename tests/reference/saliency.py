"""Backward rules by loops over the layers of a small network, and as functions with another backward pass."""

from __future__ import annotations

import numpy as np


def convolve(x, weight, bias):
    """Valid cross-correlation of x (channels, height, width) with weight (n_out, channels, rows, columns)."""
    n_out, _, rows, columns = weight.shape
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    y = np.zeros((n_out, height, width))
    for k in range(n_out):
        for i in range(height):
            for j in range(width):
                y[k, i, j] = bias[k] + (weight[k] * x[:, i : i + rows, j : j + columns]).sum()
    return y


def convolve_back(gradient, weight, shape):
    """Gradient by the input (channels, height, width) of `convolve`."""
    x = np.zeros(shape)
    _, _, rows, columns = weight.shape
    for k, i, j in np.ndindex(*gradient.shape):
        x[:, i : i + rows, j : j + columns] += gradient[k, i, j] * weight[k]
    return x


def rectify(x, highest):
    """ReLU, or ReLU6 for highest=6."""
    return np.array([min(max(one, 0.0), highest) for one in x.ravel()]).reshape(x.shape)


def rectify_back(gradient, x, highest, method):
    """What a rectifier passes on of a gradient, one by one."""
    passed = np.zeros_like(gradient)
    for at in np.ndindex(*x.shape):
        is_active = 0.0 < x[at] < highest
        if method == "gradient":
            passed[at] = gradient[at] if is_active else 0.0
        elif method == "guided":
            passed[at] = gradient[at] if is_active and gradient[at] > 0 else 0.0
        else:
            passed[at] = gradient[at] if gradient[at] > 0 else 0.0
    return passed


def backpropagate(layers, x, output, method):
    """Gradient of one output by x, for layers ("conv", weight, bias), ("linear", ...), ("relu", highest)."""
    seen = []
    for kind, *params in layers:
        seen.append(x)
        if kind == "conv":
            x = convolve(x, *params)
        elif kind == "linear":
            x = params[0] @ x.ravel() + params[1]
        else:
            x = rectify(x, *params)
    gradient = np.eye(len(x))[output]
    for (kind, *params), before in zip(reversed(layers), reversed(seen), strict=True):
        if kind == "conv":
            gradient = convolve_back(gradient, params[0], before.shape)
        elif kind == "linear":
            gradient = (gradient @ params[0]).reshape(before.shape)
        else:
            gradient = rectify_back(gradient, before, params[0], method)
    return gradient


def relu_with_rule(method):
    """ReLU as a torch function whose own backward pass is the rule: a network made with it needs no other."""
    import torch

    class Ruled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            keep = gradient > 0 if method == "deconvolution" else (gradient > 0) & (x > 0)
            return torch.where(keep, gradient, torch.zeros_like(gradient))

    return Ruled.apply


def central_differences(score, x, step=1e-6):
    """Gradient of a score of one row by central differences, number by number."""
    gradient = np.zeros(x.shape)
    for at in np.ndindex(*x.shape):
        shift = np.zeros(x.shape)
        shift[at] = step
        gradient[at] = (score(x + shift) - score(x - shift)) / (2.0 * step)
    return gradient
