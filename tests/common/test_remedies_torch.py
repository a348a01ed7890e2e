"""What messages about torch modules advise is done: each call here is refused, and works as it says."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    ExtremalMaskExplainer,
    KernelShapExplainer,
    OcclusionExplainer,
    RiseExplainer,
    as_predictor,
)
from agnostix.core.models import Differentiable
from agnostix.exceptions import ModelOutputError
from agnostix.maskers import SegmentMasker
from tests.common.remedies import LEFT_OUT, Case, check, on

torch = pytest.importorskip("torch")
nn = torch.nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
TABLE = pd.DataFrame(X, columns=["a", "b", "c"])
PICTURES = RNG.random((2, 12, 12, 3)).astype(np.float32)
BYTES = (PICTURES * 255).astype(np.uint8)
FIRST = PICTURES.transpose(0, 3, 1, 2)
MEANS = PICTURES.mean(axis=(1, 2))


class Gives(nn.Module):
    """Returns a function of the batch."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


class Pooled(nn.Module):
    """The mean of each channel."""

    def forward(self, x):
        return x.mean((2, 3))


class Wrapped(nn.Module):
    """A module that returns what a function makes of the output of another."""

    def __init__(self, module, pick):
        super().__init__()
        self.module, self.pick = module, pick

    def forward(self, x):
        return self.pick(self.module(x))


def predict(module, **params):
    given = params.pop("X", X)
    return as_predictor(module, **({"activation": "none"} | params)).predict(given)


def mean(x):
    return x.mean((2, 3))


def own(x):
    return x[:, :2]


def recorded(layer):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return as_predictor(net).require(Differentiable, "test").activations(X, [layer])[layer].shape


LINEAR = nn.Linear(3, 2)
NAMES = {"module": LINEAR, "copy": copy, "as_predictor": as_predictor}
EXACT = LINEAR(torch.tensor(X)).detach().numpy()
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    TORCHSCRIPT = torch.jit.trace(nn.Sequential(LINEAR).eval(), torch.tensor(X[:2]))

CASES = {
    "texts in a table": Case(
        predict,
        {"module": LINEAR, "X": TABLE.assign(c="x")},
        ("Linear takes numbers", "Encode other columns first"),
        then={"X": TABLE},
        expected=EXACT,
    ),
    "missing values": Case(
        predict,
        {"module": LINEAR, "X": np.where(X > 2.0, np.nan, X)},
        ("holds NaN", "Impute them first"),
        then={"X": X},
        expected=EXACT,
    ),
    "parameters of a predictor": Case(
        lambda **params: (
            KernelShapExplainer(as_predictor(LINEAR, **params)).fit(X).explain(X[:2]).outputs.shape
        ),
        {"device": "cuda:7"},
        ("'device'", "cuda:7", "'cpu'"),
        "device='auto'",
        expected=(2, 2),
    ),
    "whole numbers as pictures": Case(
        predict,
        {"module": Pooled(), "X": BYTES.astype(np.int64)},
        ("type int64", "no known range"),
        "X.astype(np.uint8)",
        "X",
        expected=BYTES.mean(axis=(1, 2)) / 255,
    ),
    "whole numbers of a stated range": Case(
        predict,
        {"module": Pooled(), "X": BYTES.astype(np.int64)},
        ("type int64", "no known range"),
        "value_range='0-255'",
        expected=BYTES.mean(axis=(1, 2)) / 255,
    ),
    "decimal numbers to 255": Case(
        predict,
        {"module": Pooled(), "X": PICTURES * 255, "mean": [0.5] * 3, "std": [0.25] * 3},
        ("mean and std", "from 0 to 1", "reach 254.873"),
        "value_range='0-255'",
        expected=(MEANS - 0.5) / 0.25,
    ),
    "normalized twice": Case(
        predict,
        {"module": Pooled(), "X": PICTURES - 3.0, "mean": [0.5] * 3, "std": [0.25] * 3},
        ("go down to -2.9997", "Leave mean and std out"),
        then={"mean": LEFT_OUT, "std": LEFT_OUT},
        expected=MEANS - 3.0,
    ),
    "mean alone": Case(
        predict,
        {"module": Pooled(), "X": PICTURES, "mean": [0.5] * 3},
        ("both mean and std", "or neither"),
        then={"std": [0.25] * 3},
        expected=(MEANS - 0.5) / 0.25,
    ),
    "mean of bytes": Case(
        predict,
        {"module": Pooled(), "X": PICTURES, "mean": [127.5] * 3, "std": [63.75] * 3},
        ("'mean'", "127.5", "Divide mean and std", "by 255"),
        then={"mean": [0.5] * 3, "std": [0.25] * 3},
        expected=(MEANS - 0.5) / 0.25,
    ),
    "means of other channels": Case(
        predict,
        {"module": Pooled(), "X": PICTURES, "mean": [0.5] * 2, "std": [0.25] * 2},
        ("2 channels", "the pictures have 3"),
        then={"mean": [0.5] * 3, "std": [0.25] * 3},
        expected=(MEANS - 0.5) / 0.25,
    ),
    "channels first": Case(
        predict,
        {"module": Pooled(), "X": FIRST},
        ("layout='HWC'", "shape (2, 3, 12, 12)"),
        "X.transpose(0, 2, 3, 1)",
        "X",
        expected=MEANS,
    ),
    "channels first, as they are": Case(
        predict,
        {"module": Pooled(), "X": FIRST},
        ("layout='HWC'", "for predictions alone"),
        "layout='CHW'",
        expected=MEANS,
    ),
    "channels last": Case(
        predict,
        {"module": Pooled(), "X": PICTURES, "layout": "CHW"},
        ("channels first", "shape (2, 12, 12, 3)"),
        "layout='HWC'",
        expected=MEANS,
    ),
    "several outputs": Case(
        lambda predictor: predictor.predict(X),
        {"predictor": as_predictor(Gives(lambda x: {"logits": own(x), "loss": x.mean()}))},
        ("dict with entries 'logits', 'loss'",),
        "as_predictor(module, output='logits')",
        "predictor",
        names=NAMES | {"module": Gives(lambda x: {"logits": torch.softmax(own(x), 1), "loss": x.mean()})},
        error=ModelOutputError,
        expected=torch.softmax(torch.tensor(X[:, :2]), 1).numpy(),
    ),
    "an output that is none": Case(
        predict,
        {"module": Gives(own), "output": "logits"},
        ("'logits'", "one tensor", "Leave output out"),
        then={"output": LEFT_OUT},
        error=ModelOutputError,
        expected=X[:, :2],
    ),
    "an entry that is no tensor": Case(
        predict,
        {"module": Gives(lambda x: {"a": {"b": own(x)}}), "output": "a"},
        ("Entry 'a'", "type dict", "Wrap the module in one that returns it"),
        then={
            "module": Wrapped(Gives(lambda x: {"a": {"b": own(x)}}), lambda given: given["a"]["b"]),
            "output": LEFT_OUT,
        },
        error=ModelOutputError,
        expected=X[:, :2],
    ),
    "complex numbers": Case(
        predict,
        {"module": Gives(lambda x: own(x) + 1j)},
        ("complex numbers", "return their real part"),
        then={"module": Gives(lambda x: (own(x) + 1j).real)},
        error=ModelOutputError,
        expected=X[:, :2],
    ),
    "maps for outputs": Case(
        predict,
        {"module": Gives(lambda x: x), "X": PICTURES},
        ("(2, 3, 12, 12)", "a module that pools or selects"),
        then={"module": Wrapped(Gives(lambda x: x), mean)},
        error=ModelOutputError,
        expected=MEANS,
    ),
    "rows are lost": Case(
        predict,
        {"module": Gives(lambda x: own(x)[1:])},
        ("(39, 2)", "40 rows", "is needed"),
        then={"module": Gives(own)},
        error=ModelOutputError,
        expected=X[:, :2],
    ),
    "layers in a text": Case(
        lambda layers: as_predictor(LINEAR).require(Differentiable, "test").activations(X, layers) is None,
        {"layers": "weight"},
        ("layers must be a sequence", "Pass ['weight']"),
        then={"layers": []},
    ),
    "a layer that is not there": Case(
        recorded, {"layer": "fc"}, ("no layer 'fc'", "'0', '1', '2'"), then={"layer": "2"}, expected=(40, 2)
    ),
    "layers of TorchScript": Case(
        lambda module: as_predictor(module).require(Differentiable, "test").activations(X, ["0"])["0"],
        {"module": TORCHSCRIPT},
        ("TorchScript", "the module it was made from"),
        then={"module": nn.Sequential(LINEAR)},
        expected=EXACT,
    ),
    "outputs beyond the last": Case(
        lambda outputs: as_predictor(LINEAR).require(Differentiable, "test").gradients(X, outputs).shape,
        {"outputs": 2},
        ("2 outputs", "from 0 to 1"),
        then={"outputs": 1},
        expected=(40, 3),
    ),
    "no gradients": Case(
        lambda kind: (
            kind(Gives(lambda x: x.detach().round().mean((2, 3))))
            .fit(PICTURES)
            .explain(PICTURES)
            .values.shape[0]
        ),
        {"kind": lambda module: ExtremalMaskExplainer(module, n_steps=2, n_cells=4)},
        ("No gradients", "OcclusionExplainer"),
        "RiseExplainer",
        "kind",
        names={"RiseExplainer": lambda module: RiseExplainer(module, n_masks=64)},
        expected=2,
    ),
    "no gradients of a function": Case(
        lambda model: (
            ExtremalMaskExplainer(model, n_steps=2, n_cells=4).fit(PICTURES).explain(PICTURES).values.shape[0]
        ),
        {"model": lambda P: P.mean(axis=(1, 2))},
        ("ExtremalMaskExplainer", "gradients", "as_predictor(module)"),
        "as_predictor(module)",
        "model",
        names=NAMES | {"module": Gives(lambda x: (x**2).mean((2, 3)))},
        expected=2,
    ),
    "masks over channels first": Case(
        lambda X, **params: (
            OcclusionExplainer(as_predictor(Pooled(), **params), masker=SegmentMasker(n_segments=4))
            .fit(X)
            .explain(X)
            .values.shape
        ),
        {"X": PICTURES, "layout": "CHW"},
        ("layout='HWC'",),
        "layout='HWC'",
        expected=(2, 4, 3),
    ),
}


@on(CASES)
def test_modules(case):
    check(case, atol=1e-5)  # in single precision


def test_later_outputs_that_are_no_probabilities_have_a_remedy():
    module = Gives(lambda x: x)
    shares = np.full((1, 3), 1 / 3, dtype=np.float32)
    logits = np.array([[1.0, -2.0, 4.0]], dtype=np.float32)
    predictor = as_predictor(module)
    predictor.predict(shares)
    with pytest.raises(ModelOutputError, match="activation='softmax'"):
        predictor.predict(logits)
    names = {"as_predictor": as_predictor, "module": module}
    softmax = eval("as_predictor(module, activation='softmax')", names).predict(logits)
    np.testing.assert_allclose(softmax, np.exp(logits) / np.exp(logits).sum(), rtol=1e-6)
    np.testing.assert_allclose(eval("as_predictor(module, activation='none')", names).predict(logits), logits)
