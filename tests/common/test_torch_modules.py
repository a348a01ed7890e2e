"""Torch modules of every make: what they do with memory, gradients and modes, frozen and exported ones."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer, as_predictor  # noqa: E402
from agnostix.exceptions import DataError, ModelOutputError  # noqa: E402
from agnostix.maskers import SegmentMasker, SlidingWindow  # noqa: E402
from agnostix.neural import ExtremalMaskExplainer  # noqa: E402
from tests.messages import refuses  # noqa: E402

PICTURES = np.random.default_rng(0).random((3, 8, 8, 3)).astype(np.float32)
CHANNELS_FIRST = torch.tensor(PICTURES).permute(0, 3, 1, 2).contiguous()
EXPLAINERS = {
    "window": lambda model: OcclusionExplainer(model, masker=SlidingWindow(4, 4)),
    "inpaint": lambda model: OcclusionExplainer(model, masker=SlidingWindow(4, 4, fill="inpaint")),
    "segments": lambda model: OcclusionExplainer(model, masker=SegmentMasker(n_segments=4)),
    "rise": lambda model: RiseExplainer(model, n_masks=32, random_state=0),
    "mask": lambda model: ExtremalMaskExplainer(model, n_steps=2, n_cells=4, random_state=0),
    "shapley": lambda model: KernelShapExplainer(model, masker=SegmentMasker(n_segments=4), random_state=0),
    "lime": lambda model: LimeExplainer(
        model, masker=SegmentMasker(n_segments=4), n_samples=32, random_state=0
    ),
}
explainers = pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)


class Network(nn.Module):
    """Convolution, activation, pooling, and a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(36, 2)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)))

    def head(self, x):
        return self.linear(nn.functional.max_pool2d(x, 2).flatten(1))


class Views(Network):
    def head(self, x):
        return self.linear(nn.functional.max_pool2d(x, 2).view(x.size(0), -1))


class ViewsManyRows(Network):
    """Takes channels for rows, which fails from two rows on alone, where they are last in memory."""

    def forward(self, x):
        return super().forward(x.view(-1, *x.shape[-2:]).reshape(x.shape))


class Strides(Network):
    """Reads memory as if it were in the usual layout, which is wrong in silence in another."""

    def forward(self, x):
        n, c, h, w = x.shape
        return super().forward(torch.as_strided(x, (n, c, h, w), (c * h * w, h * w, w, 1)))


class StorageOrder(Network):
    """The same by the storage."""

    def forward(self, x):
        flat = torch.empty(0, dtype=x.dtype).set_(x.detach().untyped_storage())[: x.numel()]
        return super().forward(x + 0.0 * flat.view(x.shape) if x.requires_grad else flat.view(x.shape))


class Cached(Network):
    """Keeps a table of positions that it makes at the first call."""

    positions = None

    def forward(self, x):
        out = torch.relu(self.conv(x))
        if self.positions is None:
            self.positions = torch.ones(out.shape[-1], device=x.device).exp().log()
        return self.head(out * self.positions)


class Lazy(Network):
    """Its last layer gets its size at the first call."""

    def __init__(self):
        super().__init__()
        self.last = nn.LazyLinear(2)
        self.is_new = True

    def head(self, x):
        flat = nn.functional.max_pool2d(x, 2).flatten(1)
        if self.is_new:
            self.last(flat)
            self.last.load_state_dict(self.linear.state_dict())
            self.is_new = False
        return self.last(flat)


class Slope(Network):
    """Differentiates in its forward; a forward difference of the same network at no distance."""

    def forward(self, x):
        with torch.enable_grad():
            z = (x if x.requires_grad else x.detach()).clone().requires_grad_()
            out = super().forward(z)
            slope = torch.autograd.grad(out.sum(), z, create_graph=x.requires_grad)[0]
        return out + 0.0 * slope.sum()


class Sparse(Network):
    """Its head is of sparse tensors, inside and at the end."""

    def __init__(self):
        super().__init__()
        self.sparsify = ToSparse()

    def head(self, x):
        return self.sparsify(super().head(self.sparsify(x).to_dense()))


class ToSparse(nn.Module):
    def forward(self, x):
        return x.to_sparse()


class Nested(Network):
    """Rows of lengths that may differ."""

    def head(self, x):
        return torch.nested.as_nested_tensor(list(super().head(x)), layout=torch.jagged)


class Padded(Nested):
    def head(self, x):
        return super().head(x).to_padded_tensor(0.0)


def quiet(make):
    """Make without the warnings that TorchScript is deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def exported(batch=2, dynamic=True):
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    example = (torch.zeros(batch, 3, 8, 8),)
    return torch.export.export(Views().eval(), example, dynamic_shapes=shapes).module()


MAKES = {
    "view": Views,
    "view of rows": ViewsManyRows,
    "strides": Strides,
    "storage": StorageOrder,
    "cached": Cached,
    "lazy": Lazy,
    "differentiates": Slope,
    "sparse": Sparse,
    "nested": Padded,
    "script": lambda: quiet(lambda: torch.jit.script(Network())),
    "traced": lambda: quiet(lambda: torch.jit.trace(Views().eval(), torch.zeros(2, 3, 8, 8))),
    "frozen": lambda: quiet(lambda: torch.jit.freeze(torch.jit.script(Network().eval()))),
    "frozen inside": lambda: nn.Sequential(
        quiet(lambda: torch.jit.freeze(torch.jit.script(Network().eval())))
    ),
    "exported": exported,
    "exported inside": lambda: nn.Sequential(exported(), nn.Dropout(0.9)),
}
makes = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)


@makes
@explainers
def test_explained_as_the_plain_network_is(make, explainer):
    found, expected = (
        explainer(as_predictor(module, activation="none")).fit(PICTURES).explain(PICTURES[:2])
        for module in (make(), Network())
    )
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
    np.testing.assert_allclose(found.outputs, expected.outputs, atol=1e-5)


@makes
@pytest.mark.parametrize("params", [{}, {"batch_size": 2}, {"precision": "bf16"}])
def test_predicted_as_torch_does(make, params):
    found = as_predictor(make(), activation="none", **params).predict(PICTURES)
    with torch.no_grad():
        expected = Network().eval()(CHANNELS_FIRST).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-2 if "precision" in params else 1e-6)


@makes
@pytest.mark.parametrize("name", ["window", "mask"])
def test_modes_are_restored_and_the_module_can_be_trained(make, name):
    module = make()
    modes = [(part, getattr(part, "training", None)) for part in module.modules()]
    EXPLAINERS[name](as_predictor(module, activation="none")).fit(PICTURES).explain(PICTURES[:1])
    assert all(getattr(part, "training", None) == mode for part, mode in modes)
    if list(module.parameters()):
        module(CHANNELS_FIRST.clone().requires_grad_()).sum().backward()
        assert any(one.grad is not None for one in module.parameters())


def test_tables_of_frozen_and_exported_modules():
    X = np.random.default_rng(0).random((5, 3))
    plain = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double().eval()
    n = torch.export.Dim("n")
    others = [
        quiet(lambda: torch.jit.freeze(torch.jit.script(plain))),
        torch.export.export(plain, (torch.zeros(2, 3).double(),), dynamic_shapes=({0: n},)).module(),
    ]
    for explainer in (KernelShapExplainer, LimeExplainer, OcclusionExplainer):
        found, *rest = (
            explainer(as_predictor(one, activation="none"), random_state=0).fit(X).explain(X).values
            for one in (plain, *others)
        )
        for one in rest:
            np.testing.assert_allclose(one, found, atol=1e-10)


def test_program_exported_for_one_size_of_batch_is_refused_with_a_remedy():
    with refuses(
        DataError, "exported program", "(1, 3, 8, 8)", "dynamic_shapes=({0: torch.export.Dim('n')},)"
    ):
        as_predictor(exported(dynamic=False)).predict(PICTURES)
    assert as_predictor(exported(dynamic=True)).predict(PICTURES).shape == (3, 2)


def test_nested_outputs_are_refused_with_a_remedy():
    with refuses(ModelOutputError, "module Nested", "nested", "y.to_padded_tensor(0.0)"):
        as_predictor(Nested()).predict(PICTURES)
    assert as_predictor(Padded()).predict(PICTURES).shape == (3, 2)


class OwnError(nn.Module):
    """Its matrix product does not fit its layer, whatever the rows."""

    def __init__(self):
        super().__init__()
        self.layer, self.weight = nn.Linear(3, 2), nn.Parameter(torch.ones(3, 5))

    def forward(self, x):
        return self.layer((x.mean((2, 3)) if x.ndim > 2 else x) @ self.weight)


class LateError(nn.Module):
    """Fails in its second convolution."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.second(self.first(x))


class Bottleneck(nn.Module):
    """The rows' own shape again, where it fails."""

    def __init__(self):
        super().__init__()
        self.last, self.wide = nn.Linear(4, 2), nn.Linear(3, 3)

    def forward(self, x):
        return self.last(self.wide(x))


class Looks(nn.Module):
    """Has a table of words that it does not reach."""

    def __init__(self):
        super().__init__()
        self.table, self.layer = nn.Embedding(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.table(self.layer(x.relu() @ torch.ones(3, 4)).long())


@pytest.mark.parametrize(
    ("module", "X", "words"),
    [
        (OwnError(), PICTURES, "1x5 and 3x2"),
        (OwnError(), PICTURES[:, 0, 0], "1x5 and 3x2"),
        (LateError(), PICTURES, "to have 3 channels, but got 4"),
        (Bottleneck(), PICTURES[:, 0, 0], "1x3 and 4x2"),
        (Looks(), PICTURES[:, 0, 0], "1x4 and 3x2"),
    ],
)
def test_error_of_the_module_itself_passes_as_it_is(module, X, words):
    with pytest.raises(RuntimeError, match=words) as error:
        as_predictor(module).predict(X)
    assert not isinstance(error.value, DataError)


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_series_as_a_table_remedy_works(n_channels, n_rows):
    X = np.random.default_rng(0).random((n_rows, 40))
    length = 40 // n_channels - 4
    module = nn.Sequential(nn.Conv1d(n_channels, 4, 5), nn.Flatten(), nn.Linear(4 * length, 3))
    with refuses(
        DataError,
        "module Sequential failed",
        "Conv1d",
        f"nn.Sequential(nn.Unflatten(1, ({n_channels}, -1)), module)",
    ):
        as_predictor(module).predict(X)
    wrapped = nn.Sequential(nn.Unflatten(1, (n_channels, -1)), module)
    with torch.no_grad():
        expected = module(torch.tensor(X).float().reshape(n_rows, n_channels, -1)).softmax(1)
    np.testing.assert_allclose(as_predictor(wrapped).predict(X), expected, atol=1e-6)


def test_misfit_of_rows_has_the_message_of_the_module_first():
    with refuses(DataError, "failed: Given groups=1", "takes pictures of 3 channels", "got 2") as error:
        as_predictor(Network()).predict(PICTURES[..., :2])
    assert str(error.value).index("Given groups") < str(error.value).index("takes pictures")
