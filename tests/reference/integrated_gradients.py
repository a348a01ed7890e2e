"""Second formulations of integrated gradients: exact for ReLUs, by finite differences, closed forms."""

from itertools import pairwise

import numpy as np


def relu_network(weights, biases, x):
    """Outputs of linear layers with ReLU between them, for one row."""
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = weight @ x + bias
        if i < len(weights) - 1:
            x = np.maximum(x, 0.0)
    return x


def relu_gradient(weights, biases, x, output):
    """Gradient of an output of `relu_network`, by the chain rule in a loop over the layers."""
    active = []
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = weight @ x + bias
        active.append(x > 0)
        x = np.maximum(x, 0.0)
    gradient = weights[-1][output]
    for weight, on in zip(reversed(weights[:-1]), reversed(active), strict=True):
        gradient = (gradient * on) @ weight
    return gradient


def kinks(weights, biases, x, baseline):
    """Positions between 0 and 1 on the path where a unit of `relu_network` turns on or off, with 0 and 1.

    Between kinks of the layers before, the inputs of a layer are linear, and cross 0 where a line does.
    """
    places = [0.0, 1.0]
    for n_layers in range(1, len(weights)):

        def inputs(position, n=n_layers):
            """Inputs of the ReLUs of the last of n layers."""
            point = baseline + position * (x - baseline)
            return relu_network(weights[:n], biases[:n], point)

        found = []
        for low, high in pairwise(places):
            before, after = inputs(low), inputs(high)
            for one, other in zip(before, after, strict=True):
                if one * other < 0:
                    found.append(low + (high - low) * one / (one - other))
        places = sorted({*places, *found})
    return places


def exact_integrated_gradients(weights, biases, x, baseline, output):
    """Integrated gradients of `relu_network`: between kinks the gradient is constant."""
    places = kinks(weights, biases, x, baseline)
    total = np.zeros_like(x)
    for low, high in pairwise(places):
        middle = baseline + (low + high) / 2 * (x - baseline)
        total += (high - low) * relu_gradient(weights, biases, middle, output)
    return (x - baseline) * total


def midpoint_integrated_gradients(function, x, baseline, n_steps, step=1e-6):
    """Integrated gradients of a function of one row, by central differences at n_steps midpoints."""
    total = np.zeros_like(x)
    for i in range(n_steps):
        point = baseline + (i + 0.5) / n_steps * (x - baseline)
        for place in np.ndindex(x.shape):
            shift = np.zeros_like(x)
            shift[place] = step
            total[place] += (function(point + shift) - function(point - shift)) / (2 * step * n_steps)
    return (x - baseline) * total


def quadratic_integrated_gradients(matrix, x, baseline):
    """Integrated gradients of x' A x: its gradient is linear, so its mean is that at the middle."""
    return (x - baseline) * ((matrix + matrix.T) @ (x + baseline) / 2)


def quadratic_expected_gradients(matrix, x, rows):
    """Mean of `quadratic_integrated_gradients` over baseline rows."""
    return np.mean([quadratic_integrated_gradients(matrix, x, row) for row in rows], axis=0)
