"""Gradients and activations of torch modules against closed forms."""

import gc
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import as_predictor  # noqa: E402
from agnostix.core.models import Differentiable, MaskComposer, torch_functional  # noqa: E402
from agnostix.core.models.torch_tensors import TorchInput  # noqa: E402
from agnostix.exceptions import DataError, ModelOutputError  # noqa: E402
from tests.messages import refuses  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 4))
IMAGES = RNG.random((5, 6, 8, 3))
BYTES = RNG.integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)
MEAN, STD = [0.5, 0.4, 0.3], np.array([0.2, 0.3, 0.4])
PIXELS = RNG.normal(size=(6, 8, 3, 2)) / 10
"""Weights of each pixel in each of two outputs."""


def model_of(module, **params):
    return as_predictor(module, **({"activation": "none"} | params)).function


def linear_on_pixels(weights=PIXELS):
    """A linear module on images with channels first."""
    layer = nn.Linear(weights[..., 0].size, weights.shape[-1], bias=False)
    flat = weights.transpose(2, 0, 1, 3).reshape(-1, weights.shape[-1]).T
    layer.weight.data = torch.tensor(flat, dtype=torch.float32)
    return nn.Sequential(nn.Flatten(), layer)


def mlp(dtype=torch.float32, n_outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, n_outputs)).to(dtype)


class Square(nn.Module):
    """x^T A x, one output."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = nn.Parameter(torch.tensor(matrix))

    def forward(self, x):
        return ((x @ self.matrix) * x).sum(dim=1)


def state_of(module):
    return (
        [part.training for part in module.modules()],
        [parameter.requires_grad for parameter in module.parameters()],
        [len(part._forward_hooks) for part in module.modules()],
    )


def mixed_state(module):
    module.train()
    module[1].eval()
    next(module.parameters()).requires_grad_(False)
    return module


def test_torch_module_supports_both_capabilities():
    predictor = as_predictor(mlp())
    assert predictor.supports(MaskComposer)
    assert predictor.supports(Differentiable)
    assert predictor.require(Differentiable, "a test") is predictor.function


def test_gradient_of_linear_module_is_its_weights():
    module = nn.Linear(4, 3)
    weights = module.weight.detach().numpy()
    for j in range(3):
        found = model_of(module).gradients(X, j)
        assert (found.shape, found.dtype) == (X.shape, np.float64)
        np.testing.assert_allclose(found, np.tile(weights[j], (7, 1)), rtol=1e-6)


def test_gradient_of_quadratic_form_in_double():
    matrix = RNG.normal(size=(4, 4))
    found = model_of(Square(matrix)).gradients(X, 0)
    np.testing.assert_allclose(found, X @ (matrix + matrix.T), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ["none", "softmax", "sigmoid"])
def test_gradients_in_double_match_finite_differences(activation):
    model = model_of(mlp(torch.float64), activation=activation)
    outputs = np.array([[0, 2], [1, 1], [2, 0], [0, 1], [1, 2], [2, 2], [0, 0]])
    found = model.gradients(X, outputs)
    assert found.shape == (7, 4, 2)
    step = 1e-5
    with model.session() as session:
        for feature in range(4):
            shift = step * np.eye(4)[feature]
            ahead, behind = (session.predict(session.tensor(X + s * shift)).numpy() for s in (1, -1))
            slopes = np.take_along_axis((ahead - behind) / (2 * step), outputs, axis=1)
            np.testing.assert_allclose(found[:, feature], slopes, rtol=1e-6, atol=1e-9)


def test_gradients_pick_one_output_for_each_row():
    model = model_of(mlp())
    picks = np.array([0, 2, 1, 1, 0, 2, 2])
    found = model.gradients(X, picks)
    every = model.gradients(X, np.tile(np.arange(3), (7, 1)))
    assert found.shape == X.shape
    np.testing.assert_array_equal(found, every[np.arange(7), :, picks])


@pytest.mark.parametrize(
    ("images", "scale", "value_range"),
    [(IMAGES, 1, "auto"), (BYTES, 255, "auto"), (255 * IMAGES, 255, "0-255"), (IMAGES > 0.5, 1, "auto")],
    ids=["decimals", "bytes", "0-255", "bool"],
)
@pytest.mark.parametrize("layout", ["HWC", "CHW"])
def test_gradients_are_per_unit_of_the_images_as_given(images, scale, value_range, layout):
    model = model_of(linear_on_pixels(), mean=MEAN, std=STD, value_range=value_range, layout=layout)
    expected = np.broadcast_to(PIXELS[..., 1] / (STD * scale), images.shape)
    if layout == "CHW":
        images, expected = images.transpose(0, 3, 1, 2), expected.transpose(0, 3, 1, 2)
    found = model.gradients(images, 1)
    assert found.shape == images.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_gradients_of_gray_images_have_no_channels():
    weights = PIXELS[:, :, :1]
    found = model_of(linear_on_pixels(weights)).gradients(IMAGES[..., 0], 0)
    np.testing.assert_allclose(found, np.broadcast_to(weights[..., 0, 0], (5, 6, 8)), rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_gradients_do_not_depend_on_the_batch(batch_size):
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2)).train()
    module[1].running_mean.normal_()
    found = model_of(module, batch_size=batch_size).gradients(X, 1)
    alone = np.concatenate([model_of(module).gradients(X[[i]], 1) for i in range(7)])
    np.testing.assert_allclose(found, alone, atol=1e-6)


def test_gradient_batches_are_halved_when_memory_runs_out():
    class Hungry(nn.Linear):
        sizes = []  # noqa: RUF012

        def forward(self, x):
            if torch.is_grad_enabled():
                self.sizes.append(len(x))
                if len(x) > 2:
                    raise RuntimeError("CUDA out of memory.")
            return super().forward(x)

    module = Hungry(4, 2)
    np.testing.assert_allclose(
        model_of(module, batch_size=7).gradients(X, 0), np.tile(module.weight[0].detach(), (7, 1)), rtol=1e-6
    )
    assert module.sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]


def test_gradient_batches_follow_from_all_tensors_inside(monkeypatch):
    sizes = []

    class Notes(nn.Module):
        def forward(self, x):
            if torch.is_grad_enabled():
                sizes.append(len(x))
            return x

    # The row, six tensors made of it, and two of its gradient; what a layer passes on counts once.
    module = nn.Sequential(Notes(), *[nn.Tanh() for _ in range(6)], nn.Identity())
    monkeypatch.setattr("agnostix.core.models.torch_model.GRAPH_BYTES", 9 * 4 * 8 * 3)
    model_of(module).gradients(X, 0)
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda module: module.train(), id="training"),
        pytest.param(lambda module: module.requires_grad_(False), id="frozen"),
        pytest.param(lambda module: nn.Sequential(nn.ReLU(inplace=True), module), id="in-place first"),
        pytest.param(
            lambda module: nn.Sequential(module[0], nn.ReLU(inplace=True), *module[1:]), id="in-place"
        ),
    ],
)
def test_gradients_of_modules_in_any_state(make):
    module = make(mlp(torch.float64))
    found = model_of(module).gradients(X, 0)
    inputs = torch.tensor(X, requires_grad=True)
    plain = nn.Sequential(*[nn.ReLU() if isinstance(part, nn.ReLU) else part for part in module]).eval()
    (expected,) = torch.autograd.grad(plain(inputs)[:, 0].sum(), inputs)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-12)
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_gradients_of_half_precision_are_close(precision):
    module = mlp().to(torch.bfloat16 if precision == "bf16" else torch.float32)
    found = model_of(module).gradients(X, 0)
    np.testing.assert_allclose(found, model_of(mlp()).gradients(X, 0), atol=0.02)


@pytest.mark.filterwarnings("default")
def test_compiled_module_differentiates_and_records_layers():
    module = mlp()
    plain = model_of(module)
    try:
        found = model_of(module, compiled=True).gradients(X, 0)
    except Exception as error:
        pytest.skip(f"no compiler here: {type(error).__name__}")
    np.testing.assert_allclose(found, plain.gradients(X, 0), atol=1e-5)
    own = model_of(torch.compile(module))
    np.testing.assert_allclose(own.activations(X, ["1"])["1"], plain.activations(X, ["1"])["1"], atol=1e-6)


class Detached(nn.Module):
    def forward(self, x):
        return x.detach().sum(dim=1)


class Looks(nn.Module):
    """An embedding of integer codes."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 3)

    def forward(self, x):
        return self.table(x.long()).sum(dim=1)


@pytest.mark.parametrize(
    ("module", "facts"),
    [
        (Detached(), ["No gradients", "Detached", "detaches", "RiseExplainer or OcclusionExplainer"]),
        (Looks(), ["No gradients", "Looks", "Embedding", "layer='table'"]),
    ],
)
def test_gradients_that_do_not_pass_are_refused_with_a_remedy(module, facts):
    with refuses(DataError, *facts):
        model_of(module).gradients(np.abs(X).round(), 0)


def test_embedding_outputs_can_be_differentiated_by():
    module = Looks()
    model = model_of(module)
    codes = np.array([[0, 1], [4, 4]])
    with model.session() as session:
        layers = session.activations(module.table)
        outputs = session.predict(session.tensor(codes))
        (found,) = torch.autograd.grad(outputs[:, 1].sum(), layers[module.table])
    np.testing.assert_array_equal(found.numpy(), np.broadcast_to([0, 1, 0], (2, 2, 3)))


@pytest.mark.parametrize(
    ("outputs", "facts"),
    [
        (3, ["3 outputs", "0 to 2"]),
        (-1, ["3 outputs", "0 to 2"]),
        ("cat", ["'outputs'", "int", "'cat'"]),
        (np.zeros((2, 1), dtype=int), ["'outputs'", "(7,)", "(7, n_selected)"]),
        (np.zeros((7, 0), dtype=int), ["'outputs'", "(7,)", "(7, n_selected)"]),
    ],
)
def test_outputs_that_do_not_exist_are_named(outputs, facts):
    with refuses(DataError, *facts):
        model_of(mlp()).gradients(X, outputs)


def test_session_tensor_is_prepared_and_predict_matches():
    model = model_of(linear_on_pixels(), mean=MEAN, std=STD, activation="softmax")
    with model.session() as session:
        inputs = session.tensor(IMAGES, requires_grad=True)
        assert inputs.requires_grad
        assert inputs.is_leaf
        expected = ((IMAGES - MEAN) / STD).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(inputs.detach().numpy(), expected, atol=1e-5)
        outputs = session.predict(inputs)
        np.testing.assert_allclose(outputs.detach().numpy(), model(IMAGES), atol=1e-6)
        assert not session.tensor(IMAGES).requires_grad


def test_session_in_place_operations_leave_input():
    module = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 1))
    with model_of(module).session() as session:
        inputs = session.tensor(X)
        before = inputs.clone()
        session.predict(inputs)
        assert torch.equal(inputs, before)


def test_session_restores_modes_flags_and_hooks():
    module = mixed_state(mlp())
    before = state_of(module)
    with model_of(module).session() as session:
        session.activations("0", module[1])
        session.predict(session.tensor(X))
        modes, flags, hooks = state_of(module)
        assert not any(modes)
        assert not any(flags)
        assert sum(hooks) == 2
    assert state_of(module) == before
    assert not torch_functional._TRAINING._original
    assert not torch_functional._REQUIRES_GRAD._original
    assert not torch_functional._REQUIRES_GRAD._n_holders


def _fail_in_session(model, error):
    with model.session() as session:
        session.activations("0", "1")
        raise error


@pytest.mark.parametrize("error", [KeyError("own"), RuntimeError("own"), KeyboardInterrupt()])
def test_session_restores_after_exception_when_nested(error):
    module = mixed_state(mlp())
    before = state_of(module)
    model = model_of(module)
    with model.session() as outer:
        outer.activations("0")
        with pytest.raises(type(error)):
            _fail_in_session(model, error)
        modes, flags, hooks = state_of(module)
        assert not any(modes)  # the outer one is still there
        assert not any(flags)
        assert sum(hooks) == 1
    assert state_of(module) == before


def test_session_restores_when_the_module_fails():
    module = mixed_state(mlp())
    before = state_of(module)
    with pytest.raises(DataError, match="4 numbers a row"):
        model_of(module).gradients(X[:, :2], 0)
    with pytest.raises(DataError, match="4 numbers a row"):
        model_of(module).activations(X[:, :2], ["2"])
    assert state_of(module) == before


def test_session_without_memory_says_so():
    with pytest.raises(ModelOutputError, match="Memory"):
        _fail_in_session(model_of(mlp()), RuntimeError("CUDA out of memory."))


@pytest.mark.parametrize("around", [torch.inference_mode, torch.no_grad])
def test_gradients_whatever_the_mode_of_torch(around):
    model = model_of(mlp())
    with around():
        found = model.gradients(X, 0)
    np.testing.assert_array_equal(found, model.gradients(X, 0))


def test_activations_of_layers_by_name_and_module():
    module = mlp(torch.float64)
    found = model_of(module, batch_size=2).activations(X, ["0", module[1]])
    weights, bias = (p.detach().numpy() for p in module[0].parameters())
    np.testing.assert_allclose(found["0"], X @ weights.T + bias, atol=1e-12)
    np.testing.assert_allclose(found[module[1]], np.tanh(X @ weights.T + bias), atol=1e-12)


def test_activations_are_those_before_a_later_in_place_operation():
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 1))
    found = model_of(module).activations(X, ["0", "1"])
    assert (found["0"] < 0).any()
    np.testing.assert_array_equal(found["1"], np.maximum(found["0"], 0))


def test_outputs_are_differentiated_by_activations():
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 2))
    with model_of(module).session() as session:
        layers = session.activations("0")
        outputs = session.predict(session.tensor(X))
        (found,) = torch.autograd.grad(outputs[:, 1].sum(), layers["0"])
        expected = (layers["0"] > 0) * module[2].weight[1]
        assert torch.equal(found, expected)
        first = layers["0"]
        session.predict(session.tensor(X[:2]))
        assert layers["0"].shape[0] == 2 != len(first)  # of the latest predict


@pytest.mark.parametrize("layer", ["fc", nn.ReLU()])
def test_layers_that_do_not_exist_are_named(layer):
    name = layer if isinstance(layer, str) else "ReLU"
    with refuses(DataError, "Sequential", repr(name), "'0', '1', '2'"):
        model_of(mlp()).activations(X, [layer])


@pytest.mark.parametrize("layer", ["0", "fc1"])
def test_activations_refuses_name_of_single_layer(layer):
    with refuses(DataError, "layers", repr(layer), f"[{layer!r}]"):
        model_of(mlp()).activations(X, layer)


def test_layer_that_gives_a_tuple_is_refused():
    module = nn.Sequential(nn.LSTM(4, 3), nn.Identity())
    with refuses(DataError, "'0'", "tuple", "one tensor"):
        model_of(module, output=0).activations(X, ["0"])


@pytest.mark.filterwarnings("default")
def test_layers_of_torchscript_are_refused():
    scripted = torch.jit.trace(mlp().eval(), torch.zeros(1, 4))
    np.testing.assert_allclose(model_of(scripted).gradients(X, 0), model_of(mlp()).gradients(X, 0), atol=1e-6)
    with pytest.raises(DataError, match="TorchScript"):
        model_of(scripted).activations(X, ["0"])


def test_graphs_are_freed_after_gradients():
    tensors = []

    class Watched(nn.Linear):
        def forward(self, x):
            out = super().forward(x)
            if torch.is_grad_enabled():
                tensors.append(weakref.ref(out))
            return out

    model_of(Watched(4, 2), batch_size=3).gradients(X, 0)
    gc.collect()
    assert len(tensors) == 3
    assert all(tensor() is None for tensor in tensors)


@pytest.mark.parametrize(("batch_size", "n_prepared"), [(3, 7), (None, 8)])
def test_rows_are_prepared_once_where_the_batch_size_is_given(monkeypatch, batch_size, n_prepared):
    prepared = []
    load = TorchInput.load

    def counted(self, rows, *args):
        prepared.append(len(rows))
        return load(self, rows, *args)

    monkeypatch.setattr(TorchInput, "load", counted)
    model_of(mlp(), batch_size=batch_size)(X)
    assert sum(prepared) == n_prepared
