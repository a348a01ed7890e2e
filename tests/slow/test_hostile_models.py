"""Pictures, texts and torch modules of every make: the closed form of a linear model, or a clear error."""

from __future__ import annotations

import re
import traceback
import warnings
from functools import partial
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from sklearn.linear_model import LinearRegression

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer, as_predictor
from agnostix.maskers import SegmentMasker, SlidingWindow, TextMasker
from tests.slow.hostile import Case, assert_well, closeness

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix.neural import ExtremalMaskExplainer  # noqa: E402

pytestmark = pytest.mark.slow
torch.optim.Adam([torch.zeros(1, requires_grad=True)]).step()  # brings a folder for temporary files, once

# Pictures


class Weighted:
    """Weighted sums of the pixels, in double precision: a weight for each pixel, channel and output."""

    def __init__(self, shape, n_outputs=1, seed=0):
        self.weights = np.random.default_rng(seed).normal(size=(*shape, n_outputs))

    def __call__(self, X):
        return np.tensordot(np.asarray(X, dtype=float), self.weights, self.weights.ndim - 1)


DTYPES = ("uint8", "int16", "int64", "bool", "float16", "float32", "float64", ">f4", "longdouble")
SCALES = (1.0, 1.0, 1e-6, 1e4, 1e30, 1e140)


def random_pictures(rng, dtype, channels):
    """Pictures of an odd shape, some of them constant, in part or as a whole."""
    shape = (int(rng.integers(1, 4)), *(int(one) for one in rng.integers(1, 10, 2)))
    kind = np.dtype(dtype).kind
    # Four channels before a wide picture are not likelier than four rows of many channels.
    X = rng.random((*shape, *channels))
    if rng.random() < 0.2:
        X[0] = 0.5
    if rng.random() < 0.2:
        X[..., : shape[2] // 2 + 1, *[slice(None)] * len(channels)] = 0.25
    if kind == "b":
        return X < 0.5
    if kind in "iu":
        return np.rint(X * np.iinfo(dtype).max * (1.0 if dtype == "uint8" else 1e-3)).astype(dtype)
    largest = np.finfo(dtype).max
    scale = min(float(rng.choice(SCALES)), float(largest) / 8.0)
    return (scale * (X - float(rng.random() < 0.5) / 2)).astype(dtype)


def in_form(X, form):
    """The same pictures in another container or memory layout."""
    if form == "by column":
        return np.asfortranarray(X)
    if form == "backwards":
        return np.ascontiguousarray(X[:, ::-1, ::-1])[:, ::-1, ::-1]
    if form == "read-only":
        X = X.copy()
        X.flags.writeable = False
        return X
    if form == "every second":
        return np.repeat(np.repeat(X, 2, axis=1), 2, axis=2)[:, ::2, ::2]
    if form == "channels first in memory" and X.ndim == 4:
        return np.ascontiguousarray(np.moveaxis(X, -1, 1)).transpose(0, 2, 3, 1)
    if form == "list":
        return X.tolist() if X.dtype.kind != "f" or X.dtype == np.float64 else list(X)
    if form == "tensor":
        kept = X.dtype.kind != "f" or X.dtype in (np.float16, np.float32, np.float64)
        return torch.as_tensor(np.array(X, dtype=X.dtype.newbyteorder("=")) if kept else X.astype(float))
    if form == "objects":
        return X.astype(object) if X.dtype.kind == "i" else X.copy()
    return X.copy()


FORMS = (
    "plain", "by column", "backwards", "read-only", "every second", "channels first in memory", "list",
    "tensor",
)  # fmt: skip


def mean_color(X):
    """The mean of each channel, as the type of the pictures holds it: (n_rows, 1, 1[, n_channels])."""
    shape = (len(X), 1, 1, *X.shape[3:])
    first = X[:, :1, :1].astype(np.longdouble)
    mean = (first + (X.astype(np.longdouble) - first).mean(axis=(1, 2), keepdims=True)).reshape(shape)
    return np.rint(mean).astype(X.dtype) if X.dtype.kind in "biu" else mean.astype(X.dtype)


def effects_of_pixels(model, X, fill):
    """Effect of each pixel (n_rows, height, width, n_outputs): weights times the distance from the fill."""
    apart = X.astype(float) - np.broadcast_to(fill, X.shape).astype(float)
    by_channel = apart.reshape(*X.shape[:3], -1)[..., None] * model.weights.reshape(
        *X.shape[1:3], -1, model.weights.shape[-1]
    )
    return by_channel.sum(axis=3)


def of_segments(effects, labels):
    """Sums over segments, (n_rows, n_segments, n_outputs)."""
    return np.stack([effects[:, labels == label].sum(axis=1) for label in np.unique(labels)], axis=1)


def of_windows(effects, size, stride):
    """Mean effect, at each pixel, of the windows that cover it, window by window."""
    height, width = effects.shape[1:3]
    total, count = np.zeros_like(effects), np.zeros((1, height, width, 1))
    for top in range(0, height - size[0] + stride[0], stride[0]):
        for left in range(0, width - size[1] + stride[1], stride[1]):
            part = (slice(None), slice(top, top + size[0]), slice(left, left + size[1]))
            total[part] += effects[part].sum(axis=(1, 2), keepdims=True)
            count[part] += 1
    return total / count


def precision(X):
    """Relative precision of a picture's type, at least that of double precision."""
    return max(float(np.finfo(X.dtype).eps), 1e-12) if X.dtype.kind == "f" else 1e-12


def picture_case(seed):
    """An explainer of random pictures in a random form, with its closed form."""
    rng = np.random.default_rng([seed, 17])
    dtype, form = str(rng.choice(DTYPES)), str(rng.choice(FORMS))
    channels = [(), (1,), (2,), (3,), (4,)][int(rng.integers(5))]
    X = random_pictures(rng, dtype, channels)
    if X.ndim == 4 and X.shape[1] <= 4 < min(X.shape[2:]):
        X = X[:, :, :4]
    given, model = in_form(X, form), Weighted(X.shape[1:], int(rng.integers(1, 4)), seed)
    name = str(rng.choice(["window", "segments", "shapley", "lime", "constant"]))
    labels = rng.integers(0, 5, X.shape[1:3])
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    size = tuple(int(rng.integers(1, side + 1)) for side in X.shape[1:3])
    stride = tuple(int(rng.integers(1, side + 1)) for side in size)
    fill = mean_color(X)
    if name == "window":
        explainer = OcclusionExplainer(model, masker=SlidingWindow(size, stride), n_jobs=1)
    elif name == "segments":
        explainer = OcclusionExplainer(model, masker=SegmentMasker(labels))
    elif name == "constant":
        fill = X[:1, :1, :1]
        color = (
            [one.item() for one in fill.ravel()]
            if X.dtype.kind != "b"
            else [int(one) for one in fill.ravel()]
        )
        masker = SegmentMasker(labels, fill=color if channels else color[0])
        explainer = KernelShapExplainer(model, masker=masker, random_state=0)
    elif name == "shapley":
        explainer = KernelShapExplainer(model, masker=SegmentMasker(labels), random_state=0)
    else:
        explainer = LimeExplainer(
            model, masker=SegmentMasker(labels), surrogate=LinearRegression(), random_state=0
        )

    def call():
        fitted = explainer.fit(given)
        return fitted.explain(given), fitted.explain(given[:1])

    def check(answer):
        exp, single = answer
        effects = effects_of_pixels(model, X, fill)
        known = of_windows(effects, size, stride) if name == "window" else of_segments(effects, labels)
        outputs = model(X)
        largest = np.abs(outputs).max(initial=0.0)
        atol = (1e-9 + precision(X)) * max(
            largest,
            np.abs(effects).max(initial=0.0),
            (np.abs(X.astype(float)).max() * np.abs(model.weights).sum()),
        )
        return (
            closeness(exp.values, known, atol=atol)
            or closeness(exp.outputs, outputs, atol=1e-12 * largest, what="outputs")
            or closeness(single.values, exp.values[:1], atol=atol, what="values of a row by itself")
            or (
                None
                if name in ("window", "segments", "lime")
                else closeness(exp.values.sum(axis=1) + exp.base_values, exp.outputs, atol=atol, what="sums")
            )
        )

    return Case(f"{seed}: {name}, {dtype} {X.shape}, {form}", call, check, watched=(given,), must_answer=True)


def test_pictures():
    assert_well((picture_case(seed) for seed in range(200)), 200)


def explainers_of_pictures(shape, n_jobs=None):
    """Every explainer that takes pictures, by name: functions of a model."""
    labels = np.arange(shape[0] * shape[1]).reshape(shape[:2]) // 2
    return {
        "window": partial(OcclusionExplainer, masker=SlidingWindow(1, 1), n_jobs=n_jobs),
        "blurred": partial(OcclusionExplainer, masker=SlidingWindow(1, 1, fill="blur"), n_jobs=n_jobs),
        "inpainted": partial(OcclusionExplainer, masker=SlidingWindow(1, 1, fill="inpaint"), n_jobs=n_jobs),
        "noise": partial(OcclusionExplainer, masker=SegmentMasker(labels, fill="noise"), n_jobs=n_jobs),
        "others": partial(
            OcclusionExplainer, masker=SegmentMasker(labels), fill="draws", random_state=0, n_jobs=n_jobs
        ),
        "segment means": partial(
            KernelShapExplainer,
            masker=SegmentMasker(labels, fill="segment_mean"),
            random_state=0,
            n_jobs=n_jobs,
        ),
        "lime": partial(
            LimeExplainer, masker=SegmentMasker(labels), n_samples=64, random_state=0, n_jobs=n_jobs
        ),
        "rise": partial(RiseExplainer, n_masks=64, n_cells=2, random_state=0, n_jobs=n_jobs),
    }


def same_as_plain_case(seed):
    """Pictures in a form, explained as plain ones with any fill; rows do not depend on others."""
    rng = np.random.default_rng([seed, 18])
    dtype, form = (
        str(rng.choice(["uint8", "int16", "float16", "float32", "float64", ">f4", "longdouble"])),
        str(rng.choice(FORMS)),
    )
    X = random_pictures(rng, dtype, [(), (1,), (3,)][int(rng.integers(3))])
    plain = X.astype(float) if X.dtype.kind == "f" else np.ascontiguousarray(X)
    given, model = in_form(X, form), Weighted(X.shape[1:], 2, seed)
    explainers = explainers_of_pictures(X.shape[1:])
    name = str(rng.choice(list(explainers)))
    explainer = explainers[name]

    def call():
        return [explainer(model).fit(one).explain(one) for one in (given, plain)] + [
            explainer(model).fit(given).explain(given[-1:])
        ]

    def check(answer):
        found, expected, single = answer
        scale = np.abs(np.asarray(X, dtype=float)).max() * np.abs(model.weights).sum()
        eps = precision(X) if name != "rise" else precision(X) * 10
        steps = (
            np.finfo(X.dtype).smallest_subnormal * np.abs(model.weights).sum() if X.dtype.kind == "f" else 0.0
        )
        atol = (1e-9 + 2.0 * eps) * scale + float(steps)
        return (
            closeness(found.values, expected.values, atol=atol)
            or closeness(found.outputs, expected.outputs, atol=1e-10 * scale, what="outputs")
            or (
                None
                if name == "others"
                else closeness(found.std_errors, expected.std_errors, atol=10 * atol, what="errors")
                if found.std_errors is not None
                else None
            )
            or closeness(single.values, found.values[-1:], atol=atol, what="values of a row by itself")
        )

    return Case(f"{seed}: {name}, {dtype} {X.shape}, {form}", call, check, watched=(given,), must_answer=True)


def test_pictures_in_other_forms():
    assert_well((same_as_plain_case(seed) for seed in range(80)), 80)


ONES = np.ones((2, 4, 5, 3))


def with_value(value, row=1):
    X = ONES.copy()
    X[row, 2, 3, 1] = value
    return X


class Interface:
    """An object that gives its array on request."""

    def __init__(self, X):
        self.X = X

    def __array__(self, dtype=None, copy=None):
        return self.X


REFUSED_PICTURES = {
    "NaN": (with_value(np.nan), "row 1"),
    "infinity": (with_value(np.inf, 0), "row 0"),
    "NaN of half precision": (with_value(np.nan).astype(np.float16), "row 1"),
    "masked": (np.ma.masked_equal(with_value(7.0), 7.0), "row 1"),
    "complex": (ONES * 1j, "complex128"),
    "texts": (ONES.astype(str), "<U"),
    "bytes": (ONES.astype("S"), "|S"),
    "dates": (ONES.astype("M8[s]"), "datetime64"),
    "durations": (ONES.astype("m8[s]"), "timedelta64"),
    "objects": (ONES.astype(object), "object"),
    "None inside": (np.where(with_value(7.0) == 7.0, None, ONES), "object"),
    "no rows": (ONES[:0], "(0, 4, 5, 3)"),
    "no height": (ONES[:, :0], "(2, 0, 5, 3)"),
    "no width": (ONES[:, :, :0], "(2, 4, 0, 3)"),
    "no channels": (ONES[..., :0], "(2, 4, 5, 0)"),
    "ragged": ([ONES[0], ONES[0, :2]], "one size"),
    "ragged objects": (np.array([ONES[0], ONES[0, :2], None], dtype=object)[:2], "object"),
    "five axes": (ONES[..., None], "(2, 4, 5, 3, 1)"),
    "channels first": (np.ones((2, 3, 8, 9)), "transpose(0, 2, 3, 1)"),
    "structured": (np.zeros((2, 4, 5), dtype=[("r", "f4"), ("g", "f4")]), "shape"),
    "gradients": (torch.ones(2, 4, 5, 3, requires_grad=True), "detach"),
    "sparse tensor": (torch.ones(2, 4, 5, 3).to_sparse(), "numpy"),
    "bf16 tensor": (torch.ones(2, 4, 5, 3, dtype=torch.bfloat16), "float"),
    "meta tensor": (torch.ones(2, 4, 5, 3, device="meta"), "meta"),
    "complex tensor": (torch.ones(2, 4, 5, 3) * 1j, "complex"),
    "table": (np.ones((6, 4)), "(6, 4)"),
    "number": (5.0, "X"),
    "None": (None, "X"),
    "text": ("picture.png", "X"),
    "dict": ({"x": ONES}, "X"),
    "generator": ((one for one in ONES), "X"),
    "set": ({1, 2}, "X"),
    "empty list": ([], "X"),
    "empty lists": ([[], []], "X"),
    "deep list": ([[[[[[1.0]]]]]], "shape"),
}


def flat_sum(X):
    """A model of whatever numbers there are."""
    return np.asarray(X, dtype=float).reshape(len(X), -1).sum(axis=1)


def refused_pictures():
    for kind, (X, fact) in REFUSED_PICTURES.items():
        for name, explainer in explainers_of_pictures((4, 5)).items():
            refuse = kind != "table" or name in ("window", "rise")
            watched = () if kind in ("generator", "meta tensor", "sparse tensor") else (X,)
            if refuse:
                yield Case(
                    f"fit {kind}, {name}",
                    lambda X=X, make=explainer: make(flat_sum).fit(X),
                    watched=watched,
                    must_refuse=True,
                    facts=(fact, "images of shape"),
                )
                yield Case(
                    f"explain {kind}, {name}",
                    lambda X=X, make=explainer: make(flat_sum).fit(ONES).explain(X),
                    watched=watched,
                    must_refuse=True,
                    facts=(fact, "images of shape"),
                )


def test_refused_pictures():
    assert_well(refused_pictures(), 400)


# torch modules


class Linear(nn.Module):
    """Weighted sums of all numbers of a row, as one layer."""

    def __init__(self, n_inputs, n_outputs, dtype, seed):
        super().__init__()
        self.layer = nn.Linear(n_inputs, n_outputs).to(dtype)
        rng = np.random.default_rng([seed, 19])
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor(rng.integers(-4, 5, (n_outputs, n_inputs)) / 4.0))
            self.layer.bias.copy_(torch.tensor(rng.integers(-4, 5, n_outputs) / 4.0))

    def forward(self, x):
        return self.layer(x.flatten(1))


class Around(nn.Module):
    """A module around the linear one, whose numbers are the same."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


class InPlace(Around):
    def forward(self, x):
        x += 3
        x -= 3
        out = self.inner(x)
        x.zero_()
        return out


class Viewing(Around):
    def forward(self, x):
        return self.inner(x.view(x.size(0), -1))


class NoGradients(Around):
    def forward(self, x):
        with torch.no_grad():
            return self.inner(x)


class Inference(Around):
    def forward(self, x):
        with torch.inference_mode():
            return self.inner(x)


class Differentiating(Around):
    def forward(self, x):
        with torch.enable_grad():
            z = (x if x.requires_grad else x.detach()).clone().requires_grad_()
            out = self.inner(z)
            slope = torch.autograd.grad(out.sum(), z, create_graph=x.requires_grad)[0]
        return out + 0.0 * slope.sum()


class Noisy(Around):
    """Dropout and batch normalization, which only count in training."""

    def __init__(self, inner):
        super().__init__(inner)
        self.dropout = nn.Dropout(0.9)
        self.norm = nn.BatchNorm1d(inner.layer.in_features, eps=0.0, dtype=inner.layer.weight.dtype)
        self.train()

    def forward(self, x):
        return self.inner(self.norm(self.dropout(x.flatten(1))))


class Seeding(Around):
    """Draws random numbers, which change nothing."""

    def forward(self, x):
        return self.inner(x) + 0.0 * torch.ones(1, dtype=x.dtype)


class Counting(Around):
    """Counts its calls in a buffer of whole numbers."""

    def __init__(self, inner):
        super().__init__(inner)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.calls += 1
        return self.inner(x)


class Tuples(Around):
    def forward(self, x):
        return x.sum(), self.inner(x), "note"


class Dicts(Around):
    def forward(self, x):
        return {"loss": x.sum(), "logits": self.inner(x), "extra": None}


class Heads(Around):
    """The outputs one by one, as heads."""

    def forward(self, x):
        return torch.cat([one[:, None] for one in self.inner(x).unbind(1)], dim=1)


class Sparse(Around):
    def forward(self, x):
        return self.inner(x).to_sparse()


class Lists(Around):
    def forward(self, x):
        return [self.inner(x)]


def with_hooks(module):
    module.register_forward_pre_hook(lambda module, args: (args[0] * 1.0,))
    module.register_forward_hook(lambda module, args, out: out * 1.0)
    return module


def frozen_parameters(module):
    module.requires_grad_(False)
    return module


def quiet(make):
    """Make without the warnings that TorchScript is deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def made_module(kind, inner, example):
    """The linear module in a make of its own, and the `output` to select."""
    wrappers = {
        "in place": InPlace, "view": Viewing, "no_grad": NoGradients, "inference_mode": Inference,
        "differentiates": Differentiating, "dropout": Noisy, "draws": Seeding, "counts": Counting,
        "heads": Heads, "hooks": with_hooks, "sparse": Sparse, "frozen parameters": frozen_parameters,
        "plain": Around,
    }  # fmt: skip
    if kind in wrappers:
        return wrappers[kind](inner), None
    if kind == "tuple":
        return Tuples(inner), 1
    if kind == "list":
        return Lists(inner), 0
    if kind == "dict":
        return Dicts(inner), "logits"
    if kind == "sequential":
        return nn.Sequential(nn.Identity(), inner), None
    if kind == "half inside":
        return nn.ModuleDict({"a": inner})["a"], None
    inner = inner.eval()
    if kind == "script":
        return quiet(lambda: torch.jit.script(inner)), None
    if kind == "traced":
        return quiet(lambda: torch.jit.trace(inner, example)), None
    if kind == "frozen script":
        return quiet(lambda: torch.jit.freeze(torch.jit.script(inner))), None
    n = torch.export.Dim("n")
    return torch.export.export(inner, (example,), dynamic_shapes=({0: n},)).module(), None


MAKES = (
    "plain", "in place", "view", "no_grad", "inference_mode", "differentiates", "dropout", "draws",
    "counts", "heads", "hooks", "frozen parameters", "tuple", "list", "dict", "sequential", "script",
    "traced", "frozen script", "exported", "sparse",
)  # fmt: skip
PRECISION = {torch.float64: 1e-9, torch.float32: 2e-5, torch.float16: 2e-2, torch.bfloat16: 2e-1}


def module_case(seed):
    """A module of a random make and type, on tables or pictures, with its closed form."""
    rng = np.random.default_rng([seed, 20])
    kind = MAKES[seed % len(MAKES)]
    dtype = list(PRECISION)[int(rng.integers(4))]
    n_outputs = int(rng.integers(1, 4))
    is_table = bool(rng.integers(2))
    shape = (
        (int(rng.integers(1, 6)),)
        if is_table
        else (*rng.integers(1, 6, 2).tolist(), *[(), (1,), (3,)][int(rng.integers(3))])
    )
    X = rng.integers(0, 9, (4, *shape)) / 8.0
    given_as = str(rng.choice(["float64", "float32", "float16"] + ["int64", "uint8", "bool"] * is_table))
    X = (8 * X if given_as in ("int64", "uint8") else X > 0.5 if given_as == "bool" else X).astype(given_as)
    height_first = X[:, None] if X.ndim == 3 else np.moveaxis(X, -1, 1) if X.ndim == 4 else X
    inner = Linear(int(np.prod(shape)), n_outputs, dtype, seed)
    with torch.no_grad():
        weights = inner.layer.weight.double().numpy().copy()
        bias = inner.layer.bias.double().numpy().copy()
    example = torch.zeros(2, *height_first.shape[1:], dtype=dtype)
    module, output = made_module(kind, inner, example)
    model = as_predictor(module, activation="none", output=output)
    n_jobs = 2 if seed % 9 == 0 and kind in ("in place", "view", "inference_mode", "dropout") else None
    labels = (
        np.unique(rng.integers(0, 4, shape[:2]), return_inverse=True)[1].reshape(shape[:2])
        if not is_table
        else None
    )
    names = ["occlusion", "shapley", "lime"] + ["rise", "mask"] * (
        not is_table and kind not in ("no_grad", "inference_mode")
    )
    name = str(rng.choice(names))
    if is_table:
        explainer = {
            "occlusion": OcclusionExplainer(model, fill=[0] * shape[0], n_jobs=n_jobs),
            "shapley": KernelShapExplainer(model, random_state=0, n_jobs=n_jobs),
            "lime": LimeExplainer(model, n_samples=64, random_state=0),
        }[name]
    else:
        masker = SegmentMasker(labels, fill=0)
        explainer = {
            "occlusion": OcclusionExplainer(model, masker=masker, n_jobs=n_jobs),
            "shapley": KernelShapExplainer(model, masker=masker, random_state=0, n_jobs=n_jobs),
            "lime": LimeExplainer(model, masker=masker, surrogate=LinearRegression(), random_state=0),
            "rise": RiseExplainer(model, n_masks=32, n_cells=2, fill=0, random_state=0),
            "mask": ExtremalMaskExplainer(model, n_steps=2, n_cells=2, fill=0.5, random_state=0),
        }[name]
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    hooks = (
        [len(part._forward_hooks) for part in module.modules()]
        if kind not in ("script", "traced", "frozen script")
        else []
    )

    def call():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            fitted = explainer.fit(X)
            return fitted.explain(X[:2])

    def check(exp):
        outputs = height_first.reshape(len(X), -1).astype(float) @ weights.T + bias
        size = np.abs(height_first.astype(float)).max() * np.abs(weights).sum() + np.abs(bias).max()
        atol = PRECISION[dtype] * max(size, 1.0)
        if any(part.training != mode for part, mode in modes):
            return "modes of the module are not restored"
        if hooks and hooks != [len(part._forward_hooks) for part in module.modules()]:
            return "hooks are left in the module"
        wrong = closeness(exp.outputs, outputs[:2], atol=atol, what="outputs")
        if wrong or name in ("rise", "mask"):
            return wrong
        if is_table and name == "lime":
            return None
        own = weights.reshape(n_outputs, *height_first.shape[1:])
        if is_table:
            base = X.mean(axis=0).astype(float) if name == "shapley" else 0.0
            known = (X[:2].astype(float) - base)[:, :, None] * weights.T[None]
        else:
            effects = (height_first[:2].astype(float)[:, None] * own[None]).sum(axis=2)
            known = of_segments(np.moveaxis(effects, 1, -1), labels)
        return closeness(exp.values, known, atol=atol)

    return Case(
        f"{seed}: {name}, {kind} of {dtype}, {given_as} {X.shape}, n_jobs={n_jobs}",
        call,
        check,
        watched=(X, module.state_dict() if kind != "counts" else None),
        must_answer=True,
    )


@pytest.fixture
def workers():
    """Two workers, whose threads stay when they were needed once."""
    Parallel(2)(delayed(abs)(number) for number in range(4))


@pytest.mark.usefixtures("workers")
def test_modules():
    assert_well((module_case(seed) for seed in range(160)), 160)


class Broken(nn.Module):
    """Sums of the numbers of a row, made into something that is no prediction."""

    def __init__(self, make):
        super().__init__()
        self.make, self.calls = make, 0
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        self.calls += 1
        return self.make(x.flatten(1).sum(1, keepdim=True) * self.weight, self.calls)


def fail(error):
    raise error


MISSING = float("nan")
BROKEN = {
    "NaN": lambda y, n: y * MISSING,
    "infinity": lambda y, n: y / 0.0,
    "NaN where something is hidden": lambda y, n: torch.where(y == y.max(), y, MISSING),
    "three axes": lambda y, n: y[:, :, None].expand(-1, 2, 2),
    "no output": lambda y, n: y[:, :0],
    "a scalar": lambda y, n: y.sum(),
    "one row": lambda y, n: y[:1],
    "one row more": lambda y, n: torch.cat([y, y[:1]]),
    "a row for each number": lambda y, n: y.expand(-1, 3).reshape(-1),
    "transposed": lambda y, n: torch.cat([y, y, y], 1).T,
    "complex": lambda y, n: y * 1j,
    "None": lambda y, n: None,
    "text": lambda y, n: "cat",
    "texts": lambda y, n: ["cat"] * len(y),
    "tuple": lambda y, n: (y, y),
    "dict": lambda y, n: {"a": y, "b": y},
    "empty tuple": lambda y, n: (),
    "more outputs each time": lambda y, n: y.expand(-1, n),
    "RuntimeError": lambda y, n: fail(RuntimeError("broken")),
    "KeyError": lambda y, n: fail(KeyError("layer")),
    "without a message": lambda y, n: fail(AssertionError()),
    "StopIteration": lambda y, n: fail(StopIteration()),
    "RecursionError": lambda y, n: fail(RecursionError("maximum depth")),
    "MemoryError": lambda y, n: fail(MemoryError()),
    "line breaks": lambda y, n: fail(ValueError("a\nb\x1b[31m\n" * 50)),
    "IndexError": lambda y, n: y[:, 5],
    "AttributeError": lambda y, n: y.nope,
    "not a module's": lambda y, n: object(),
    "nested": lambda y, n: torch.nested.as_nested_tensor(list(y), layout=torch.jagged),
}


def broken_modules():
    table, pictures = np.arange(12.0).reshape(4, 3), np.arange(32.0).reshape(2, 4, 4) / 32.0
    masker = SegmentMasker("grid", n_segments=4)
    explainers = {
        "occlusion": (OcclusionExplainer, {}, table),
        "shapley": (KernelShapExplainer, {}, table),
        "lime": (LimeExplainer, {"n_samples": 32}, table),
        "windows": (OcclusionExplainer, {"masker": SlidingWindow(2, 2)}, pictures),
        "segments": (KernelShapExplainer, {"masker": masker}, pictures),
        "rise": (RiseExplainer, {"n_masks": 32}, pictures),
        "mask": (ExtremalMaskExplainer, {"n_steps": 2}, pictures),
    }
    for kind, make in BROKEN.items():
        for name, (explainer, params, X) in explainers.items():
            module = Broken(make)

            def call(explainer=explainer, params=params, X=X, module=module):
                try:
                    return explainer(module, **params).fit(X).explain(X)
                except Exception as error:
                    if traceback.extract_tb(error.__traceback__)[-1].filename == __file__:
                        return error  # the model's own, as it is, with the line that it comes from
                    raise

            def check(answer):
                return None if isinstance(answer, Exception) else "answered what has no answer"

            yield Case(f"{name}, {kind}", call, check, facts=("Broken",), watched=(X,))


def test_broken_modules():
    assert_well(broken_modules(), 200)


# Texts

WORDS = (
    "good", "bad", "Good", "GOOD", "a", "x" * 300, "naïve", "e\u0301te\u0301", "हिन्दी", "கற்றல்",
    "ภาษา", "كِتَابٌ", "שָׁלוֹם", "名前", "日本語", "한국어", "1", "007", "1e5", "None", "nan",
    "UNKWORDZ", "_", "__x__", "ǅ", "ß", "ﬁ", "İ", "ı", "𝔘", "𓀀", "co\u00adop", "می\u200cخواهم", "x²",
    "½",
)  # fmt: skip
SEPARATORS = (
    " ", " ", " ", "\n", "\r\n", "\t", ", ", ". ", "... ", "!", "\u00a0", "\u2028", "\u3000", " -- ",
    "<>", "</", "&", "\0", "\x1b[", "|", "`", "```", "**", "$", "=", "@", " 🙂 ", "👩", "\ufeff",
    "\u202e", "'", '"', "\\", "%", "{}", "\x7f",
)  # fmt: skip


def weight_of(word):
    """A weight for each word, and 0 for what replaces it."""
    return 0.0 if word in ("", "MASK") else (crc32(word.encode()) % 2001 - 1000) / 500.0


class WordCount:
    """Sums of the weights of a text's words, whose places are known from how it was put together."""

    def __init__(self, tokens):
        self.known = {word: weight_of(word) for word in tokens}

    def __call__(self, texts):
        assert all(type(text) is str for text in texts)
        return np.array([self.score(text) for text in texts])

    def score(self, text):
        return sum(self.known.get(word, 0.0) for word in SPLIT.split(text))


SPLIT = re.compile("|".join(map(re.escape, sorted(set(SEPARATORS), key=len, reverse=True))))


def random_text(rng, n_words):
    """Words and separators, and the words in order."""
    words = [WORDS[int(one)] for one in rng.integers(len(WORDS), size=n_words)]
    if rng.random() < 0.3:
        words += [words[0]] * int(rng.integers(1, 5))
    cuts = [SEPARATORS[int(one)] for one in rng.integers(len(SEPARATORS), size=len(words) + 1)]
    edges = rng.random(2) < 0.5
    first, last = cuts[0] if edges[0] else "", cuts[-1] if edges[1] else ""
    text = first + "".join(word + cut for word, cut in zip(words, [*cuts[1:-1], ""], strict=True)) + last
    return text, words


def container(texts, form):
    """Texts in what people keep them in."""
    pl = pytest.importorskip("polars")
    return {
        "list": lambda: texts,
        "tuple": lambda: tuple(texts),
        "objects": lambda: np.array(texts, dtype=object),
        "series": lambda: pd.Series(texts, index=range(5, 5 + len(texts)), name="review"),
        "string": lambda: pd.Series(texts, dtype="string"),
        "arrow": lambda: pd.Series(texts, dtype="string[pyarrow]"),
        "category": lambda: pd.Series(texts, dtype="category"),
        "frame": lambda: pd.DataFrame({"review": texts}),
        "polars": lambda: pl.Series("review", texts),
        "polars frame": lambda: pl.DataFrame({"review": texts}),
        "str_": lambda: [np.str_(text) for text in texts],
    }[form]()


CONTAINERS = (
    "list", "tuple", "objects", "series", "string", "arrow", "category", "frame", "polars",
    "polars frame", "str_",
)  # fmt: skip


def text_case(seed):
    """An explainer of random texts, whose effects are the weights of the words hidden."""
    rng = np.random.default_rng([seed, 21])
    n_words = int(rng.choice([1, 2, 3, 5, 8]))
    made = [random_text(rng, n_words) for _ in range(int(rng.integers(1, 4)))]
    if rng.random() < 0.1:
        made[0] = ("good " * 2000 + "bad", ["good"] * 2000 + ["bad"])
    texts, words = [text for text, _ in made], [own for _, own in made]
    form = str(rng.choice(CONTAINERS))
    X = container(texts, form)
    bow = bool(rng.integers(2)) or max(map(len, words)) > 100
    token = [None, "", "MASK"][int(rng.integers(3))]
    model = WordCount([word for own in words for word in own])
    name = str(rng.choice(["occlusion", "shapley", "lime"]))
    masker = TextMasker(bow=bow, mask_token=token)
    explainer = {
        "occlusion": OcclusionExplainer(model, masker=masker),
        "shapley": KernelShapExplainer(model, masker=masker, random_state=0),
        "lime": LimeExplainer(model, masker=masker, surrogate=LinearRegression(), random_state=0),
    }[name]
    replacement = ("" if bow else "UNKWORDZ") if token is None else token

    def call():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return explainer.fit(X).explain(X)

    def check(exp):
        of_replacement = model.known.get(replacement, 0.0)
        names = exp.extras["words"].array
        for row, own in enumerate(words):
            features = list(dict.fromkeys(own)) if bow else own
            if [one for one in names[row].tolist() if one] != features:
                return f"words {names[row].tolist()} of {texts[row]!r}, not {features}"
            known = [
                (model.known[word] - of_replacement) * (own.count(word) if bow else 1) for word in features
            ]
            wrong = closeness(
                exp.values[row, : len(known), 0],
                known,
                atol=1e-7 * max(1.0, sum(map(abs, known))),
                what=f"values of {texts[row]!r}",
            )
            if wrong:
                return wrong
            if not np.isnan(exp.values[row, len(known) :]).all():
                return "values of words that a text has not got"
        exp.to_frame()
        return closeness(exp.outputs[:, 0], model(texts), atol=1e-9, what="outputs")

    return Case(
        f"{seed}: {name}, bow={bow}, mask_token={token!r}, {form} of {texts}"[:300],
        call,
        check,
        watched=(X,),
        must_answer=True,
    )


def test_texts():
    assert_well((text_case(seed) for seed in range(150)), 150)


REFUSED_TEXTS = {
    "empty text": (["good", ""], "Row 1"),
    "spaces": (["good", " \n\t"], "Row 1"),
    "punctuation": (["...!?", "good"], "Row 0"),
    "emoji": (["good", "🙂🙂"], "Row 1"),
    "None": (["good", None], "Row 1"),
    "NaN": (["good", float("nan")], "Row 1"),
    "NA": (pd.Series(["good", pd.NA], dtype="string"), "Row 1"),
    "missing in a category": (pd.Series(["good", None], dtype="category"), "Row 1"),
    "bytes": (["good", b"bad"], "Row 1"),
    "bytearray": ([bytearray(b"good")], "Row 0"),
    "numbers": ([1, 2], "Row 0"),
    "a number": (["good", 3.5], "Row 1"),
    "a list inside": (["good", ["bad"]], "Row 1"),
    "array of bytes": (np.array([b"good", b"bad"]), "Row 0"),
    "array of numbers": (np.arange(3.0), "Row 0"),
    "no texts": ([], "empty"),
    "no rows": (pd.Series([], dtype=str), "shape (0,)"),
    "one string": ("good food", "str"),
    "two columns": (pd.DataFrame({"a": ["good"], "b": ["bad"]}), "shape (1, 2)"),
    "two axes": (np.array([["good", "bad"]], dtype=object), "shape (1, 2)"),
    "no axis": (np.array("good"), "shape ()"),
    "dict": ({"a": "good"}, "dict"),
    "generator": ((one for one in ["good"]), "generator"),
    "None alone": (None, "got None"),
    "date": ([pd.Timestamp("2024-01-01")], "Row 0"),
}


def refused_texts():
    masker = TextMasker()
    explainers = {
        "occlusion": partial(OcclusionExplainer, masker=masker),
        "shapley": partial(KernelShapExplainer, masker=masker),
        "lime": partial(LimeExplainer, masker=masker),
    }
    model = WordCount(["good"])
    for kind, (X, fact) in REFUSED_TEXTS.items():
        for name, explainer in explainers.items():
            facts = {"must_refuse": True, "facts": (fact,), "watched": () if kind == "generator" else (X,)}
            yield Case(f"fit {kind}, {name}", lambda X=X, make=explainer: make(model).fit(X), **facts)
            yield Case(
                f"explain {kind}, {name}",
                lambda X=X, make=explainer: make(model).fit(["good"]).explain(X),
                **facts,
            )


def test_refused_texts():
    assert_well(refused_texts(), 150)
