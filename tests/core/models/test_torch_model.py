import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import (  # noqa: E402
    KernelShapExplainer,
    LimeExplainer,
    OcclusionExplainer,
    RiseExplainer,
    as_predictor,
)
from agnostix.core.models import MaskComposer  # noqa: E402
from agnostix.core.models.torch_model import TorchModel  # noqa: E402
from agnostix.core.models.torch_tensors import TorchInput  # noqa: E402
from agnostix.exceptions import DataError, EngineError, ModelOutputError  # noqa: E402
from agnostix.maskers import SegmentMasker, SlidingWindow  # noqa: E402
from agnostix.neural import ExtremalMaskExplainer  # noqa: E402
from agnostix.occlusion.rise import SoftMaskSampler  # noqa: E402
from tests.messages import refuses  # noqa: E402

RNG = np.random.default_rng(0)
PICTURES = RNG.random((5, 6, 8, 3))
BYTES = RNG.integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)
ORDERS = {
    "negative strides": PICTURES[:, ::-1, ::-1],
    "every second": PICTURES[:, :, ::2],
    "Fortran": np.asfortranarray(PICTURES),
    "channels first": np.ascontiguousarray(PICTURES.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
    "big endian": PICTURES.astype(">f8"),
    "half": PICTURES.astype(np.float16),
    "long": PICTURES.astype(np.longdouble),
    "truths": PICTURES > 0.5,
}
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]


class Linear:
    """A linear function of pixels, in numpy: (n, height, width, n_channels) to (n, n_outputs)."""

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, X):
        return np.tensordot(np.asarray(X, dtype=float), self.weights, axes=3)


def linear(weights):
    """The same as a module, on channels first."""
    layer = nn.Linear(weights[..., 0].size, weights.shape[-1], bias=False)
    flat = weights.transpose(2, 0, 1, 3).reshape(-1, weights.shape[-1]).T
    layer.weight.data = torch.tensor(flat, dtype=torch.float32)
    return nn.Sequential(nn.Flatten(), layer)


WEIGHTS = RNG.normal(size=(6, 8, 3, 2)) / 10
HOST = Linear(WEIGHTS)


def small(n_channels=3, n_outputs=4, seed=0):
    """A network with batch normalization and dropout, whose outputs depend on its mode."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(n_channels, 5, 3),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, n_outputs),
    )


def raw(module, **params):
    return as_predictor(module, activation="none", **params)


class Answers(nn.Module):
    """Returns a function of the sum of each image."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x.sum(dim=(1, 2, 3)))


def test_predict_linear_module_matches_numpy():
    np.testing.assert_allclose(raw(linear(WEIGHTS)).predict(PICTURES), HOST(PICTURES), atol=1e-5)


@pytest.mark.parametrize("value_range", ["auto", "0-1", "0-255"])
@pytest.mark.parametrize(("X", "scale"), [(PICTURES, 1), (PICTURES.astype(np.float32), 1), (BYTES, 255)])
def test_mean_and_std_normalize_by_channel(X, scale, value_range):
    if value_range != "auto" and (value_range == "0-255") != (scale == 255):
        X, scale = X / scale if scale == 255 else 255 * X, 256 - scale
    found = raw(linear(WEIGHTS), mean=MEAN, std=STD, value_range=value_range).predict(X)
    np.testing.assert_allclose(found, HOST((X / scale - MEAN) / STD), atol=1e-4)


def test_predict_scales_bytes_to_0_1():
    np.testing.assert_allclose(raw(linear(WEIGHTS)).predict(BYTES), HOST(BYTES / 255), atol=1e-5)


def test_layout_chw():
    first = np.ascontiguousarray(PICTURES.transpose(0, 3, 1, 2))
    found = raw(linear(WEIGHTS), mean=MEAN, std=STD, layout="CHW").predict(first)
    np.testing.assert_allclose(found, HOST((PICTURES - MEAN) / STD), atol=1e-4)


def test_predict_gray_images():
    gray = PICTURES[..., 0]
    weights = WEIGHTS[:, :, :1]
    np.testing.assert_allclose(
        raw(linear(weights)).predict(gray), Linear(weights)(gray[..., None]), atol=1e-5
    )


def test_predict_and_explain_tables():
    torch.manual_seed(0)
    mlp = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    X = RNG.normal(size=(30, 4))
    predictor = as_predictor(mlp, task="regression")
    first, second = (layer.weight.detach().numpy().astype(float) for layer in (mlp[0], mlp[2]))
    biases = [layer.bias.detach().numpy().astype(float) for layer in (mlp[0], mlp[2])]
    expected = np.tanh(X @ first.T + biases[0]) @ second.T + biases[1]
    np.testing.assert_allclose(predictor.predict(X), expected, atol=1e-5)
    exp = OcclusionExplainer(predictor, random_state=0).fit(X).explain(X[:3])
    host = OcclusionExplainer(predictor.predict, random_state=0).fit(X).explain(X[:3])
    np.testing.assert_allclose(exp.values, host.values, atol=1e-6)


LOGITS = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 0.0]])
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


class Table(nn.Module):
    """Returns the same stored outputs for any input."""

    def __init__(self, table):
        super().__init__()
        self.register_buffer("table", torch.tensor(table, dtype=torch.float32))

    def forward(self, x):
        return self.table[: len(x)]


@pytest.mark.parametrize(
    ("activation", "given", "expected"),
    [
        ("auto", LOGITS, SHARES),
        ("auto", SHARES, SHARES),
        ("auto", LOGITS[:, :1], LOGITS[:, :1]),
        ("softmax", SHARES, np.exp(SHARES) / np.exp(SHARES).sum(axis=1, keepdims=True)),
        ("sigmoid", LOGITS, 1 / (1 + np.exp(-LOGITS))),
        ("none", LOGITS, LOGITS),
    ],
)
def test_activation(activation, given, expected):
    predictor = as_predictor(Table(given), activation=activation)
    np.testing.assert_allclose(predictor.predict(np.zeros((2, 3))), expected, atol=1e-6)


def test_activation_regression_is_none():
    np.testing.assert_array_equal(
        as_predictor(Table(LOGITS), task="regression").predict(np.zeros((2, 3))), LOGITS
    )


def test_activation_auto_is_decided_on_first_batch():
    answers = Answers(lambda sums: torch.stack([sums, 1.0 - sums], dim=1))
    predictor = as_predictor(answers, batch_size=1, value_range="0-1")
    found = predictor.predict(np.array([7.0, 0.25]).reshape(2, 1, 1, 1))
    np.testing.assert_allclose(found[1], np.exp([0.25, 0.75]) / np.exp([0.25, 0.75]).sum(), atol=1e-6)


TUPLE = Answers(lambda sums: (torch.stack([sums, sums], 1), sums))
DICT = Answers(lambda sums: {"logits": sums, "aux": 2 * sums})


def test_output_picks_entry_of_tuple_and_dict():
    sums = PICTURES.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(as_predictor(TUPLE, output=1).predict(PICTURES)[:, 0], sums, rtol=1e-5)
    np.testing.assert_allclose(as_predictor(DICT, output="aux").predict(PICTURES)[:, 0], 2 * sums, rtol=1e-5)


@pytest.mark.parametrize(
    ("module", "output", "facts"),
    [
        (TUPLE, None, ["module Answers", "tuple with entries 0, 1", "as_predictor(module, output=0)"]),
        (
            DICT,
            None,
            ["module Answers", "dict with entries 'logits', 'aux'", "as_predictor(module, output='logits')"],
        ),
        (
            DICT,
            "loss",
            ["module Answers", "dict with entries 'logits', 'aux'", "as_predictor(module, output='logits')"],
        ),
        (
            nn.Conv2d(3, 2, 1),
            None,
            ["module Conv2d", "tensor of shape (5, 2, 6, 8)", "(n,) or (n, n_outputs)", "pools or selects"],
        ),
    ],
)
def test_output_refuses_what_is_not_a_matrix(module, output, facts):
    with refuses(ModelOutputError, *facts):
        as_predictor(module, output=output).predict(PICTURES)


def test_predict_squeezes_axes_of_length_one():
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1))
    assert raw(module).predict(PICTURES).shape == (5, 2)


def modes(module):
    return [part.training for part in module.modules()]


def mixed_modes():
    module = small().train()
    module[1].eval()
    return module


@pytest.mark.parametrize("method", ["__call__", "learn"])
def test_predict_restores_modes_hooks_and_gradients(method):
    module = mixed_modes()
    calls = []
    module[2].register_forward_hook(lambda *_: calls.append(1))
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    module[0].weight.requires_grad_(False)
    found = modes(module)
    stored = {name: value.clone() for name, value in module.state_dict().items()}
    if method == "learn":
        ExtremalMaskExplainer(raw(module), outputs=0).fit(PICTURES[:1]).explain(PICTURES[:1])
    else:
        first, second = (raw(module).predict(PICTURES) for _ in range(2))
        np.testing.assert_array_equal(first, second)  # evaluation mode: nothing drops out
    assert modes(module) == found
    assert len(module[2]._forward_hooks) == 1
    assert calls
    assert all((parameter.grad == 1).all() for parameter in module.parameters())
    assert [parameter.requires_grad for parameter in module.parameters()] == [False] + [True] * 5
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, stored[name], rtol=0, atol=0)


def test_predict_failure_restores_modes():
    module = mixed_modes()
    found = modes(module)
    with refuses(DataError, "module Sequential", "3 channels", "got 2"):
        TorchModel(module)(PICTURES[..., :2])
    assert modes(module) == found


def test_predict_does_not_copy_module():
    module = small()
    model = TorchModel(module)
    model(PICTURES)
    assert model._runner is module


class Hungry(nn.Module):
    """Runs out of memory for batches beyond a limit."""

    def __init__(self, most, message="CUDA out of memory. Tried to allocate 20.00 MiB."):
        super().__init__()
        self.most, self.message, self.sizes = most, message, []

    def forward(self, x):
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise RuntimeError(self.message)
        return x.sum(dim=(1, 2, 3))


@pytest.mark.parametrize(
    "message",
    ["CUDA out of memory. Tried to allocate 2 MiB.", "DefaultCPUAllocator: can't allocate memory: ..."],
)
def test_batch_size_is_halved_when_memory_runs_out(message):
    module = Hungry(2, message)
    X = RNG.random((11, 2, 2, 1))
    found = as_predictor(module, batch_size=8).predict(X)
    np.testing.assert_allclose(found[:, 0], X.sum(axis=(1, 2, 3)), rtol=1e-6)
    assert module.sizes == [1, 8, 4, 2, 2, 2, 2, 2, 1]  # a row first, to find out the type


def test_memory_error_for_single_row():
    module = Hungry(0)
    facts = (
        "Memory",
        "module Hungry",
        "single row",
        "smaller pictures",
        "precision='bf16'",
        "another device",
    )
    with refuses(ModelOutputError, *facts):
        TorchModel(module, batch_size=4)(np.zeros((3, 2, 2, 1)))
    assert module.sizes == [1]


def test_memory_error_is_not_any_runtime_error():
    with pytest.raises(RuntimeError, match=r"^no luck$"):
        TorchModel(Hungry(0, "no luck"))(np.zeros((3, 2, 2, 1)))


def test_batch_size_follows_largest_tensor():
    module = Hungry(10**9)
    as_predictor(module).predict(np.zeros((20, 8, 8)))
    as_predictor(module).predict(np.zeros((300, 4, 4)))
    wide = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3, padding=1), torch.nn.AvgPool2d(224), Hungry(10**9))
    as_predictor(wide).predict(
        np.zeros((3, 224, 224, 3), dtype=np.uint8)
    )  # 64 x 224 x 224 x 4 bytes: 12.8 MB
    assert module.sizes == [1, 1, 20, 1, 1, 256, 44]  # a row for the type, and one for the size
    assert wide[2].sizes == [2, 2, 1, 1, 1, 1]  # two find out the memory layout
    as_predictor(wide, precision="bf16").predict(np.zeros((3, 224, 224, 3), dtype=np.uint8))
    assert wide[2].sizes[6:] == [2, 2, 1, 3]


def test_tune_sets_batch_size_only():
    model = TorchModel(small())
    tuned = model.tune(PICTURES[0], sizes=(1, 4))
    assert tuned.batch_size in (1, 4)
    np.testing.assert_allclose(tuned(PICTURES), model(PICTURES), atol=1e-6)
    assert as_predictor(tuned).supports(MaskComposer)


@given(size=st.integers(1, 7), n_rows=st.integers(1, 9), seed=st.integers(0, 99))
def test_predict_does_not_depend_on_batch_size(size, n_rows, seed):
    X = np.random.default_rng(seed).random((n_rows, 6, 8, 3))
    module = small(seed=seed)
    np.testing.assert_allclose(
        as_predictor(module, batch_size=size).predict(X),
        as_predictor(module).predict(X),
        atol=1e-6,
    )


def test_precision_bf16_is_close():
    module = small()
    full, half = (as_predictor(module, precision=kind).predict(PICTURES) for kind in ("fp32", "bf16"))
    np.testing.assert_allclose(half, full, atol=0.02)
    assert (half != full).any()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_compiled_matches_plain():
    module = small()
    try:
        found = as_predictor(module, compiled=True).predict(PICTURES)
    except Exception as error:
        pytest.skip(f"no compiler here: {type(error).__name__}")
    np.testing.assert_allclose(found, as_predictor(module).predict(PICTURES), atol=1e-5)


def test_predictor_pickles():
    predictor = as_predictor(small(), mean=MEAN, std=STD)
    before = predictor.predict(PICTURES)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(predictor)).predict(PICTURES), before)


def test_explainer_of_module_pickles():
    explainer = OcclusionExplainer(small(), masker=SlidingWindow(4, 2)).fit(PICTURES)
    again = pickle.loads(pickle.dumps(explainer))
    np.testing.assert_array_equal(again.explain(PICTURES).values, explainer.explain(PICTURES).values)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_device_cuda_missing():
    with refuses(DataError, "'device' parameter of as_predictor", "'cuda'", "device='auto' or 'cpu'"):
        as_predictor(small(), device="cuda")


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"activation": "relu"}, ["'activation'", "'auto', 'softmax', 'sigmoid', 'none'", "got 'relu'"]),
        ({"layout": "NHWC"}, ["'layout'", "'HWC', 'CHW'", "got 'NHWC'"]),
        ({"value_range": 255}, ["'value_range'", "'auto', '0-1', '0-255'", "got 255"]),
        ({"precision": "fp8"}, ["'precision'", "'fp32', 'bf16', 'fp16'", "got 'fp8'"]),
        ({"mean": MEAN}, ["both mean and std", "neither"]),
    ],
)
def test_as_predictor_refuses_bad_parameters(params, facts):
    with refuses(DataError, "as_predictor", *facts):
        as_predictor(small(), **params)


@pytest.mark.parametrize(
    ("X", "facts"),
    [
        (
            np.where(np.arange(5)[:, None, None, None] == 2, np.nan, PICTURES),
            ["Row 2", "NaN or infinity", "module Sequential", "Impute them"],
        ),
        (PICTURES[..., :2], ["mean and std of as_predictor have 3 channels", "have 2"]),
        (
            PICTURES.transpose(0, 3, 1, 2),
            ["module Sequential", "(5, 3, 6, 8)", "X.transpose(0, 2, 3, 1)", "layout='CHW'"],
        ),
        (
            PICTURES[..., 0],
            [
                "mean and std of as_predictor have 3 channels",
                "have 1",
                "np.repeat(X.reshape(*X.shape[:3], 1), 3, axis=3)",
            ],
        ),
        (
            np.full((1, 6, 8, 3), 255.0),
            ["module Sequential", "mean and std", "from 0 to 1", "reach 255", "value_range='0-255'"],
        ),
        (np.array([["a"]]), ["module Sequential", "numbers", "type <U1", "Encode"]),
        (
            np.full((1, 6, 8, 3), -1.5),
            ["module Sequential", "mean and std", "from 0 to 1", "down to -1.5", "Leave mean and std out"],
        ),
        (
            BYTES.astype(np.uint16),
            ["type uint16", "X.astype(np.uint8)", "value_range='0-255'", "from 0 to 1"],
        ),
        (PICTURES[:0], ["module Sequential", "tables", "(n_rows, height, width)", "got shape (0, 6, 8, 3)"]),
    ],
)
def test_predict_refuses_images_that_do_not_fit(X, facts):
    with refuses(DataError, *facts):
        TorchModel(small(), mean=MEAN, std=STD)(X)


def test_fit_refuses_images_of_several_sizes():
    pictures = [PICTURES[0], PICTURES[1, :4]]
    with refuses(DataError, "pictures of one size"):
        OcclusionExplainer(small(), masker=SlidingWindow()).fit(pictures)


def test_layout_chw_refuses_windows():
    first = np.ascontiguousarray(PICTURES.transpose(0, 3, 1, 2))
    explainer = OcclusionExplainer(as_predictor(small(), layout="CHW"), masker=SlidingWindow(2, 2))
    with refuses(DataError, "(5, 3, 6, 8)", "Put them last", "X.transpose(0, 2, 3, 1)"):
        explainer.fit(first)
    explainer.fit(first[:, :, :4])  # three channels or three rows of pixels
    with refuses(EngineError, "channels last", "X.transpose(0, 2, 3, 1)", "layout='HWC'"):
        explainer.explain(first[:1, :, :4])


MASKS = RNG.random((7, 4)) < 0.5
CELLS = np.arange(2).repeat(3)[:, None] * 2 + np.arange(2).repeat(4)


@pytest.mark.parametrize("X", [PICTURES, BYTES], ids=["decimal", "bytes"])
@pytest.mark.parametrize("by_channel", [False, True])
def test_predict_masked_matches_composed_images(X, by_channel):
    predictor = as_predictor(small(), mean=MEAN, std=STD)
    labels = np.broadcast_to(CELLS[..., None], X.shape[1:]).copy() if by_channel else CELLS
    if by_channel:
        labels[..., 1] = 3 - labels[..., 1]
    rows, fill = X[:2], np.stack([X[1:4], X[2:5]])
    labels = np.stack([labels, (labels + 1) % 4])
    found = predictor.function.predict_masked(rows, MASKS, fill, labels)
    for i, own in enumerate(rows):
        shown = MASKS[:, labels[i]] if by_channel else MASKS[:, labels[i]][..., None]
        built = np.stack([predictor.predict(np.where(shown, own, other)) for other in fill[i]], axis=1)
        np.testing.assert_allclose(found[i], built, atol=1e-6)
        alone = predictor.function.predict_masked(rows[[i]], MASKS, fill[[i]], labels[[i]])[0]
        np.testing.assert_allclose(found[i], alone, atol=1e-6)
    shared = predictor.function.predict_masked(rows, MASKS, fill[:1], labels[:1])
    np.testing.assert_allclose(shared[0], found[0], atol=1e-6)
    of_last = predictor.function.predict_masked(rows[1:], MASKS, fill[:1], labels[:1])
    np.testing.assert_allclose(shared[1:], of_last, atol=1e-6)


def test_predict_masked_gray_images_and_tables():
    gray = PICTURES[..., 0]
    module = small(n_channels=1)
    found = TorchModel(module).predict_masked(gray[:1], MASKS, gray[None, 1:2], CELLS[None])[0, :, 0]
    built = TorchModel(module)(np.where(MASKS[:, CELLS], gray[0], gray[1]))
    np.testing.assert_allclose(found, built, atol=1e-6)
    row, other = RNG.random((2, 4))
    mlp = nn.Linear(4, 2)
    found = TorchModel(mlp).predict_masked(row[None], MASKS, other[None, None], np.arange(4)[None])[0, :, 0]
    np.testing.assert_allclose(found, TorchModel(mlp)(np.where(MASKS, row, other)), atol=1e-6)


def test_predict_masked_matches_composed_soft_masks():
    masks = SoftMaskSampler.from_seed((6, 8), 3, 0.5, 64, 0).batch(slice(3, 40))
    model = TorchModel(small(), mean=MEAN, std=STD)
    fills = PICTURES[:4].mean((1, 2), keepdims=True).reshape(2, 2, 1, 1, 3)
    found = model.predict_masked(PICTURES[:2], masks, fills, None)
    assert found.shape == (2, 37, 2, 4)
    for row, own in enumerate(PICTURES[:2]):
        for place, fill in enumerate(fills[row]):
            np.testing.assert_allclose(found[row, :, place], model(masks.compose(own, fill)), atol=1e-5)


@pytest.mark.parametrize("explainer", [KernelShapExplainer, LimeExplainer])
def test_segment_explainers_match_plain_function(explainer):
    masker = SegmentMasker("grid", n_segments=4)
    params = {"masker": masker, "random_state": 0}
    found, plain = (
        explainer(model, **params).fit(PICTURES).explain(PICTURES[:2])
        for model in (raw(linear(WEIGHTS)), HOST)
    )
    np.testing.assert_allclose(found.values, plain.values, atol=1e-5)
    np.testing.assert_allclose(found.std_errors, plain.std_errors, atol=1e-5)


def test_predict_is_deterministic():
    np.testing.assert_array_equal(
        as_predictor(small()).predict(PICTURES), as_predictor(small()).predict(PICTURES)
    )


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_fit_refuses_tensors_numpy_cannot_read(kind):
    X = torch.tensor(PICTURES, dtype=kind, requires_grad=True)
    with refuses(DataError, "torch tensor", "X.detach().cpu().float().numpy()"):
        OcclusionExplainer(small(), masker=SlidingWindow(2, 2)).fit(X)
    ready = X.detach().cpu().float().numpy()
    explainer = OcclusionExplainer(small(), masker=SlidingWindow(2, 2)).fit(ready)
    assert explainer.explain(ready).values.shape[0] == 5


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_predict_function_returning_tensor(kind):
    weights = torch.ones(3, dtype=kind, requires_grad=True)
    predictor = as_predictor(lambda X: torch.tensor(X, dtype=kind) @ weights)
    np.testing.assert_allclose(predictor.predict(np.eye(3)), np.ones((3, 1)))


@pytest.mark.parametrize("X", ORDERS.values(), ids=ORDERS)
def test_predict_ignores_memory_layout(X):
    module = small()
    np.testing.assert_array_equal(
        as_predictor(module).predict(X),
        as_predictor(module).predict(np.array(X, dtype=float, order="C")),
    )


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_predict_frames_of_numbers_and_booleans(make):
    columns = {"a": [0.5, 1.5], "b": [1, 2], "c": [True, False]}
    found = raw(nn.Flatten()).predict(make(columns))
    np.testing.assert_array_equal(found, [[0.5, 1, 1], [1.5, 2, 0]])


MANY = np.random.default_rng(1).random((2, 16, 12, 3))


@pytest.mark.parametrize(
    ("explainer", "small_plan", "large_plan"),
    [
        (OcclusionExplainer, {"masker": SlidingWindow(4, 4)}, {"masker": SlidingWindow(4, 1)}),
        (RiseExplainer, {"n_masks": 32}, {"n_masks": 256}),
        (
            OcclusionExplainer,
            {"masker": SegmentMasker(n_segments=4)},
            {"masker": SegmentMasker(n_segments=64)},
        ),
        (LimeExplainer, {"n_samples": 32}, {"n_samples": 512}),
        (KernelShapExplainer, {"budget": 64}, {"budget": 512}),
    ],
)
def test_image_is_transferred_once_for_any_number_of_masks(monkeypatch, explainer, small_plan, large_plan):
    crossed = []
    load = TorchInput.load

    def counted(self, rows, *args):
        crossed.append(len(rows))
        return load(self, rows, *args)

    counts = []
    for plan in (small_plan, large_plan):
        masked = (
            {}
            if explainer in (OcclusionExplainer, RiseExplainer)
            else {"masker": SegmentMasker(n_segments=16)}
        )
        own = explainer(small(), random_state=0, **masked, **plan).fit(MANY)
        monkeypatch.setattr(TorchInput, "load", counted)
        crossed.clear()
        exp = own.explain(MANY)
        monkeypatch.undo()
        counts.append((sum(crossed), exp.n_model_rows))
    assert counts[0][0] == counts[1][0] <= 6 * len(MANY)
    assert counts[1][1] > 4 * counts[0][1]
