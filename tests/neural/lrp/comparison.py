"""LrpExplainer on small networks, beside the loops of tests/reference/relevance.py."""

import numpy as np
from torch import nn

from agnostix import LrpExplainer, as_predictor
from agnostix.neural import AlphaBeta, Epsilon, Flat, Gamma, WSquare, ZBox, ZPlus
from agnostix.neural.lrp.conservation import CAUSES
from tests.neural.networks import ResidualBlock, seeded
from tests.reference import relevance as reference

STABILIZER = 1e-9
"""That of rules without an epsilon of their own."""


def explain(module, X, composite="epsilon", fitted_on=None, **params):
    """Relevance of rows, of all outputs as they are."""
    model = as_predictor(module, activation="none") if isinstance(module, nn.Module) else module
    return (
        LrpExplainer(model, composite=composite, **params)
        .fit(X if fitted_on is None else fitted_on)
        .explain(X)
    )


def explain_flat(module, X, composite="epsilon", **params):
    """The same for rows of any shape, each as one row of a table: values (n_rows, ..., n_outputs)."""
    flat = nn.Sequential(nn.Unflatten(1, X.shape[1:]), module) if X.ndim > 2 else module
    exp = explain(flat, X.reshape(len(X), -1), composite, **params)
    return exp.values.reshape(*X.shape, -1), exp


def absorbed(exp):
    """Relevance by cause (n_rows, n_causes, n_outputs)."""
    return exp.extras["absorbed"].array


def assert_kept(exp, atol=1e-12):
    """Fail unless values and what is absorbed are the outputs."""
    kept = exp.values.reshape(len(exp.values), -1, exp.values.shape[-1]).sum(axis=1)
    np.testing.assert_allclose(kept + absorbed(exp).sum(axis=1), exp.outputs, rtol=0, atol=atol)
    np.testing.assert_allclose(exp.completeness_gap, exp.outputs - kept, rtol=0, atol=1e-12)


def assert_as_reference(values, exp, layers, X, rules, atol=1e-10):
    """Fail unless relevance and all that is absorbed are those of the loops, for each output."""
    for k in range(exp.outputs.shape[1]):
        wanted = reference.relevances(layers, X, k, rules)
        size = max(1.0, np.abs(wanted.values).max())
        np.testing.assert_allclose(exp.outputs[:, k], wanted.outputs, rtol=0, atol=1e-12)
        np.testing.assert_allclose(values[..., k], wanted.values, rtol=0, atol=atol * size)
        own = dict(zip(CAUSES, absorbed(exp)[..., k].T, strict=True))
        for cause, amounts in wanted.absorbed.items():
            np.testing.assert_allclose(own[cause], amounts, rtol=0, atol=atol * size, err_msg=cause)


RULES = {
    "epsilon": (Epsilon(), lambda bias: reference.Epsilon(1e-6, bias=bias)),
    "large epsilon": (Epsilon(0.3), lambda bias: reference.Epsilon(0.3, bias=bias)),
    "relative epsilon": (
        Epsilon(0.2, relative=True),
        lambda bias: reference.Epsilon(0.0, share=0.2, bias=bias),
    ),
    "lrp-0": (Epsilon(0.0), lambda bias: reference.Epsilon(0.0, bias=bias)),
    "plus": (ZPlus(), lambda bias: reference.ZPlus(STABILIZER, bias=bias)),
    "gamma": (Gamma(), lambda bias: reference.Gamma(STABILIZER, bias=bias)),
    "large gamma": (Gamma(10.0), lambda bias: reference.Gamma(STABILIZER, bias=bias, gamma=10.0)),
    "alpha2-beta1": (AlphaBeta(), lambda bias: reference.AlphaBeta(STABILIZER, bias=bias)),
    "alpha1-beta0": (AlphaBeta(1.0, 0.0), lambda bias: reference.AlphaBeta(STABILIZER, bias=bias, alpha=1.0)),
    "alpha1.5-beta0.5": (
        AlphaBeta(1.5, 0.5),
        lambda bias: reference.AlphaBeta(STABILIZER, bias=bias, alpha=1.5),
    ),
}
"""Rules of ours and of the loops, by whether biases keep their share."""
DIRECT = {
    "box": (ZBox(-5.0, 6.0), reference.ZBox(STABILIZER, low=-5.0, high=6.0)),
    "square": (WSquare(), reference.WSquare(STABILIZER)),
    "flat": (Flat(), reference.Flat(STABILIZER)),
}


def mlp(bias=True):
    """Three linear layers on 5 numbers."""
    return nn.Sequential(
        nn.Linear(5, 8, bias), nn.ReLU(), nn.Linear(8, 6, bias), nn.Tanh(), nn.Linear(6, 3, bias)
    )


def convolutional():
    """On (2, 7, 7): strides, groups, dilation, padding, pooling, batch norm after and without a bias."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2, bias=False),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(4, 6, 2, stride=2),
        nn.AvgPool2d(2, stride=1, padding=1),
        nn.Flatten(),
        nn.Linear(54, 3),
    )


def residual():
    """Blocks with shortcuts of both kinds on (2, 6, 6)."""
    return nn.Sequential(
        ResidualBlock(2, 4, stride=2),
        ResidualBlock(4, 4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


def series():
    """Convolutions in time, on (2, 9)."""
    return nn.Sequential(
        nn.Conv1d(2, 4, 3, padding=1),
        nn.GELU(),
        nn.Conv1d(4, 3, 3, stride=2),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(12, 2),
    )


NETWORKS = {
    "mlp": (mlp, (5,)),
    "mlp without biases": (lambda: mlp(False), (5,)),
    "convolutional": (convolutional, (2, 7, 7)),
    "residual": (residual, (2, 6, 6)),
    "series": (series, (2, 9)),
}


def network(name, n_rows=2, seed=0):
    """A network in double precision, with rows of either sign."""
    make, shape = NETWORKS[name]
    return seeded(make, seed=seed), np.random.default_rng(seed).normal(size=(n_rows, *shape))
