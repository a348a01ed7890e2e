"""Small networks in the layers of tests/reference, with random weights, one for each group of operations."""

import numpy as np

from tests.reference.layers import Layer
from tests.reference.recurrent_relevance import Recurrent


def linear(rng, n_in, n_out, bias=True, **params):
    """A linear layer with random weights."""
    own = rng.normal(0, 0.4, n_out) if bias else None
    return Layer("linear", weight=rng.normal(0, n_in**-0.5, (n_out, n_in)), bias=own, **params)


def conv(rng, n_in, n_out, *kernel, bias=True, **params):
    """A convolution with random weights."""
    shape = (n_out, n_in // params.get("groups", 1), *kernel)
    own = rng.normal(0, 0.4, n_out) if bias else None
    return Layer("conv", weight=rng.normal(0, np.prod(shape[1:]) ** -0.5, shape), bias=own, **params)


def batch_norm(rng, n):
    """A batch norm with random parameters and statistics."""
    names = ("weight", "bias", "mean")
    return Layer(
        "batch_norm", variance=rng.uniform(0.5, 2, n), **{name: rng.normal(1, 0.5, n) for name in names}
    )


def attention(rng, d, n_heads=2, **params):
    """A self-attention with random weights."""
    weights = {"in_weight": rng.normal(0, 0.6, (3 * d, d)), "in_bias": rng.normal(0, 0.3, 3 * d)}
    weights |= {"out_weight": rng.normal(0, 0.6, (d, d)), "out_bias": rng.normal(0, 0.3, d)}
    return Layer("attention", n_heads=n_heads, **weights, **params)


def layer_norm(rng, d):
    """A layer norm with random parameters."""
    return Layer("layer_norm", weight=rng.normal(1, 0.3, d), bias=rng.normal(0, 0.3, d))


def mlp(rng, bias=True):
    """Three linear layers on 5 numbers."""
    relu = Layer("relu")
    return [linear(rng, 5, 8, bias), relu, linear(rng, 8, 6, bias), relu, linear(rng, 6, 3, bias)]


def piecewise_linear(rng, bias=True):
    """ReLU network on (2, 6, 6) with each operation that has no curve."""
    inner = [conv(rng, 4, 4, 3, 3, bias=bias, padding=1, groups=2), Layer("relu")]
    other = [conv(rng, 4, 2, 3, 3, bias=bias, padding=2, dilation=2)]
    return [
        conv(rng, 2, 4, 3, 3, bias=bias, padding=1),
        *([batch_norm(rng, 4)] if bias else []),
        Layer("relu"),
        Layer("sum", branches=[inner, []]),
        Layer("max_pool", kernel=3, stride=2, padding=1),
        Layer("concat", branches=[other, [Layer("relu")]]),
        Layer("average_pool", kernel=2, stride=1, padding=1),
        conv(rng, 6, 5, 2, 2, bias=bias, stride=2),
        Layer("leaky_relu"),
        Layer("adaptive_pool", size=1),
        Layer("flatten"),
        linear(rng, 5, 3, bias),
    ]


def gated(rng):
    """Smooth activations, a gate from the mean of each channel and a product of two factors, on (2, 8)."""
    gate = [Layer("adaptive_pool", size=1), conv(rng, 4, 4, 1), Layer("sigmoid")]
    factors = [[conv(rng, 4, 3, 1)], [conv(rng, 4, 3, 1), Layer("softplus")]]
    return [
        conv(rng, 2, 4, 3, padding=1),
        Layer("silu"),
        Layer("gate", branches=[[], gate]),
        Layer("product", branches=factors),
        Layer("gelu"),
        Layer("mean", axis=1),
        Layer("scale", value=3.0),
        linear(rng, 3, 4),
        Layer("tanh"),
        linear(rng, 4, 3),
    ]


def encoder(rng, d=4, mask=None):
    """A transformer's layer on tokens (3, d)."""
    norm = [
        Layer("rms_norm", weight=rng.normal(1, 0.2, d)),
        linear(rng, d, 6),
        Layer("gelu"),
        linear(rng, 6, d),
    ]
    return [
        Layer("shift", value=rng.normal(0, 0.3, (3, d))),
        Layer("sum", branches=[[layer_norm(rng, d), attention(rng, d, mask=mask)], []]),
        Layer("sum", branches=[norm, []]),
        Layer("select", index=0),
        linear(rng, d, 3),
    ]


def recurrent(rng, kind, n_in=2, n_hidden=3, n_layers=2, both=True):
    """Layers of a recurrent network with random weights, in torch's names."""
    n_gates, params = {"lstm": 4, "gru": 3}[kind], {}
    for level in range(n_layers):
        width = n_in if level == 0 else n_hidden * (1 + both)
        for ending in ["", "_reverse"][: 1 + both]:
            shapes = {"weight_ih": (width,), "weight_hh": (n_hidden,), "bias_ih": (), "bias_hh": ()}
            for name, shape in shapes.items():
                params[f"{name}_l{level}{ending}"] = rng.normal(0, 0.6, (n_gates * n_hidden, *shape))
    return Recurrent(kind, params)


def sequence(kind):
    """A network on series (4, 2) around a recurrent layer."""

    def make(rng):
        return [recurrent(rng, kind), Layer("select", index=-1), linear(rng, 6, 3)]

    return make


def convolutional(rng):
    """ReLU network on (1, 5, 5) with average pooling."""
    relu = Layer("relu")
    ends = [Layer("average_pool", kernel=2), Layer("flatten"), linear(rng, 12, 5), relu, linear(rng, 5, 3)]
    return [conv(rng, 1, 4, 2, 2), relu, conv(rng, 4, 3, 1, 1), batch_norm(rng, 3), relu, *ends]


def residual(rng):
    """MLP with a shortcut, on 4 numbers."""
    relu = Layer("relu")
    return [
        linear(rng, 4, 6),
        relu,
        Layer("sum", branches=[[linear(rng, 6, 6), relu], []]),
        linear(rng, 6, 3),
    ]


NETWORKS = {
    "mlp": (mlp, (5,)),
    "residual": (residual, (4,)),
    "convolutional": (convolutional, (1, 5, 5)),
    "piecewise_linear": (piecewise_linear, (2, 6, 6)),
    "gated": (gated, (2, 8)),
    "encoder": (encoder, (3, 4)),
    "lstm": (sequence("lstm"), (4, 2)),
    "gru": (sequence("gru"), (4, 2)),
}


def network(name, seed=0, n_rows=2):
    """A network by its name with rows of either sign."""
    make, shape = NETWORKS[name]
    rng = np.random.default_rng(seed)
    return make(rng), rng.normal(size=(n_rows, *shape))
