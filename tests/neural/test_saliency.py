"""Gradients against finite differences and closed forms, SmoothGrad against loops, and what is refused."""

import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.base import clone  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from agnostix import OcclusionExplainer, SaliencyExplainer, as_predictor  # noqa: E402
from agnostix.core.sklearn_compat import InvalidParameterError  # noqa: E402
from agnostix.exceptions import DataError, EngineError, ModelOutputError  # noqa: E402
from agnostix.plotting import PixelsDisplay  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.networks import ResNet, efficientnet_lite0, pictures, seeded, vgg  # noqa: E402
from tests.reference.saliency import central_differences  # noqa: E402

X = np.random.default_rng(1).normal(size=(6, 4))
IMAGES = pictures(3, 8)


def mlp(dtype=torch.float64, activation=nn.Tanh):
    return seeded(lambda: nn.Sequential(nn.Linear(4, 16), activation(), nn.Linear(16, 3)), dtype=dtype)


def small_cnn(dtype=torch.float64):
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        ),
        dtype=dtype,
    )


def explain(model, rows=X, *, fitted_on=None, **params):
    predictor = as_predictor(model, activation="none") if isinstance(model, nn.Module) else model
    return SaliencyExplainer(predictor, **params).fit(rows if fitted_on is None else fitted_on).explain(rows)


def differences(predictor, rows, output):
    """Gradients shaped as rows, by central differences of the predictions."""
    return np.stack(
        [central_differences(lambda x: predictor.predict(x[None])[0, output], row) for row in rows]
    )


def test_gradients_of_a_table_equal_finite_differences():
    module = mlp()
    exp = explain(module)
    for k in range(3):
        expected = differences(as_predictor(module, activation="none"), X, k)
        np.testing.assert_allclose(exp.values[..., k], expected, atol=1e-8)
    assert (exp.quantity, exp.completeness, exp.units, exp.std_errors) == (
        "sensitivity",
        None,
        "model output",
        None,
    )
    assert (exp.method, exp.n_model_rows, exp.dims) == ("SaliencyExplainer", 6, ("row", "feature", "output"))
    np.testing.assert_allclose(exp.outputs, module(torch.tensor(X)).detach().numpy())


def test_gradients_of_images_are_per_unit_as_given_and_summed_over_channels():
    module, mean, std = small_cnn(), [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
    predictor = as_predictor(module, activation="none", mean=mean, std=std)
    exp = explain(predictor, IMAGES)
    expected = differences(predictor, IMAGES, 1)
    np.testing.assert_allclose(exp.values[..., 1], expected.sum(axis=3), atol=1e-8)
    in_bytes = (255 * IMAGES).round().astype(np.uint8)
    as_bytes = explain(predictor, in_bytes).values
    scaled = explain(predictor, in_bytes / 255.0).values
    np.testing.assert_allclose(255 * as_bytes, scaled, rtol=1e-9)


@pytest.mark.parametrize("method", ["gradient", "gradient_x_input"])
def test_forms_are_those_of_each_value_put_together_over_channels(method):
    module = small_cnn()
    g = differences(as_predictor(module, activation="none"), IMAGES, 0)
    x = IMAGES if method == "gradient_x_input" else np.ones_like(IMAGES)
    expected = {
        "signed": (x * g).sum(axis=3),
        "absolute": np.abs(x * g).max(axis=3),
        "squared": (x * g**2).sum(axis=3),
    }
    for form, values in expected.items():
        exp = explain(module, IMAGES, method=method, form=form)
        np.testing.assert_allclose(exp.values[..., 0], values, atol=1e-8)
        assert exp.quantity == ("sensitivity" if method == "gradient" else "relevance")


def test_linear_network_gives_its_weights_as_the_lectures_state():
    module = nn.Linear(4, 2).double()
    w = module.weight.detach().numpy().T
    values = {
        (method, form): explain(module, method=method, form=form).values
        for method in ("gradient", "gradient_x_input", "guided", "deconvolution")
        for form in ("signed", "absolute", "squared")
    }
    for method in ("gradient", "guided", "deconvolution"):
        np.testing.assert_allclose(values[method, "signed"], np.broadcast_to(w, (6, 4, 2)))
        np.testing.assert_allclose(values[method, "squared"], np.broadcast_to(w**2, (6, 4, 2)))
    np.testing.assert_allclose(values["gradient_x_input", "signed"], X[..., None] * w)
    np.testing.assert_allclose(values["gradient_x_input", "squared"], X[..., None] * w**2)
    sums = values["gradient_x_input", "signed"].sum(axis=1) + module.bias.detach().numpy()
    np.testing.assert_allclose(sums, module(torch.tensor(X)).detach().numpy())


def test_predictions_are_differentiated_after_the_activation():
    module = mlp()
    predictor = as_predictor(module)
    logits, probabilities = (explain(predictor, target=target) for target in ("logits", "predictions"))
    p = predictor.predict(X)
    g = logits.values
    expected = p[:, None] * (g - (p[:, None] * g).sum(axis=2, keepdims=True))
    np.testing.assert_allclose(probabilities.values, expected, atol=1e-12)
    np.testing.assert_allclose(probabilities.outputs, p)
    np.testing.assert_allclose(logits.outputs, module(torch.tensor(X)).detach().numpy())
    assert (logits.units, probabilities.units) == ("logits", "model output")
    np.testing.assert_allclose(probabilities.values.sum(axis=2), 0, atol=1e-12)


def test_predicted_output_is_each_rows_own():
    whole = explain(mlp())
    predicted = explain(mlp(), outputs="predicted", n_samples=2)
    top = whole.outputs.argmax(axis=1)
    assert len(set(top)) > 1
    np.testing.assert_array_equal(predicted.outputs[:, 0], whole.outputs[np.arange(6), top])
    one = explain(mlp(), outputs="predicted").values[..., 0]
    np.testing.assert_allclose(one, whole.values[np.arange(6), :, top], atol=1e-15)


class Reader(nn.Module):
    """Token ids (n, 5) to a score a place and class (n, 5, 2), in a dict."""

    def __init__(self):
        super().__init__()
        self.table, self.layer, self.score = (
            nn.Embedding(9, 4),
            nn.GRU(4, 6, batch_first=True),
            nn.Linear(6, 2),
        )

    def forward(self, x):
        return {"logits": self.score(self.layer(self.table(x.long()))[0]), "length": 5}


IDS = np.random.default_rng(0).integers(0, 9, (3, 5))


def last_place(returned):
    return returned["logits"][:, -1]


@pytest.mark.parametrize("as_module", [False, True])
def test_tokens_are_explained_by_the_embedding_summed_over_its_dimensions(as_module):
    module = seeded(Reader)
    predictor = as_predictor(module, output=last_place, activation="none")
    layer = module.table if as_module else "table"
    exp = explain(predictor, IDS, layer=layer, method="gradient_x_input")
    assert exp.values.shape == (3, 5, 2)
    for row in range(3):
        embedded = module.table(torch.tensor(IDS[row : row + 1])).detach()

        def score(points, k):
            return last_place({"logits": module.score(module.layer(torch.tensor(points)[None])[0])})[
                0, k
            ].item()

        for k in range(2):
            points = embedded[0].numpy()
            expected = central_differences(lambda one, k=k: score(one, k), points) * points
            np.testing.assert_allclose(exp.values[row, :, k], expected.sum(axis=1), atol=1e-8)
    absolute = explain(predictor, IDS, layer="table", form="absolute").values
    assert (absolute >= 0).all()
    noisy = explain(predictor, IDS, layer="table", n_samples=4, random_state=0)
    assert noisy.std_errors.shape == (3, 5, 2)


def test_rows_of_token_ids_are_refused_with_the_layer_to_name():
    predictor = as_predictor(seeded(Reader), output=last_place, activation="none")
    with refuses(DataError, "Reader", "Embedding", "layer='table'"):
        explain(predictor, IDS)
    assert explain(predictor, IDS, layer="table").values.shape == (3, 5, 2)


def test_layer_of_the_images_size_and_of_another():
    module = seeded(vgg, size=8)
    exp = explain(module, IMAGES, layer="1", method="gradient_x_input")
    features = module[1](module[0](torch.tensor(IMAGES).permute(0, 3, 1, 2))).detach().requires_grad_()
    scores = module[2:](features.clone())
    (gradient,) = torch.autograd.grad(scores[:, 2].sum(), features)
    np.testing.assert_allclose(exp.values[..., 2], (features * gradient).sum(1).detach().numpy(), atol=1e-12)
    assert explain(module, IMAGES, layer="4").values.shape[1:3] == (4, 4)
    widened = nn.Sequential(nn.Linear(4, 8), nn.Unflatten(1, (4, 2)), nn.Tanh(), Squares())
    exp = explain(nn.Sequential(*widened, nn.Flatten(), nn.Linear(32, 2)).double(), layer="3")
    assert exp.dims == ("row", "y", "x", "output")  # of four axes the second are channels
    assert exp.values.shape[1:3] == (4, 2)


class Squares(nn.Module):
    def forward(self, x):
        return torch.stack([x] * 4, dim=1)


def smoothgrad(module, rows, sizes, n_samples, seed, form, times_input=False):
    """Means and standard errors (n_rows, ..., n_outputs) over noise, sample by sample and row by row."""
    samples = []
    for k in range(n_samples):
        noise = np.random.default_rng([seed, 5, k]).standard_normal(rows.shape[1:])
        each = []
        for row, size in zip(rows, sizes, strict=True):
            x = torch.tensor((row + size * noise)[None], requires_grad=True)
            scores = module(x.permute(0, 3, 1, 2) if x.ndim == 4 else x)[0]
            g = np.stack(
                [torch.autograd.grad(s, x, retain_graph=True)[0][0].numpy() for s in scores], axis=-1
            )
            g = {"signed": g, "absolute": np.abs(g), "squared": g**2}[form]
            own = np.abs(row) if form == "absolute" else row
            g = g * own[..., None] if times_input else g
            each.append(g if x.ndim < 4 else g.max(axis=2) if form == "absolute" else g.sum(axis=2))
        samples.append(each)
    samples = np.array(samples)
    return samples.mean(axis=0), samples.std(axis=0, ddof=1) / np.sqrt(n_samples)


@pytest.mark.parametrize("form", ["signed", "absolute", "squared"])
@pytest.mark.parametrize("method", ["gradient", "gradient_x_input"])
def test_smoothgrad_of_a_table_equals_a_loop(method, form):
    exp = explain(mlp(), X[:2], fitted_on=X, method=method, form=form, n_samples=5, noise=0.3, random_state=4)
    sizes = [0.3 * (X.max(axis=0) - X.min(axis=0))] * 2
    mean, error = smoothgrad(mlp(), X[:2], sizes, 5, 4, form, method == "gradient_x_input")
    np.testing.assert_allclose(exp.values, mean, atol=1e-12)
    np.testing.assert_allclose(exp.std_errors, error, atol=1e-12)
    assert exp.n_model_rows == 2 * 6


@pytest.mark.parametrize("form", ["signed", "absolute", "squared"])
def test_smoothgrad_of_images_equals_a_loop(form):
    images = IMAGES * np.array([1.0, 0.5, 2.0])[:, None, None, None]
    exp = explain(small_cnn(), images, form=form, n_samples=4, noise=0.2, random_state=0)
    sizes = [0.2 * (image.max() - image.min()) for image in images]
    mean, error = smoothgrad(small_cnn(), images, sizes, 4, 0, form)
    np.testing.assert_allclose(exp.values, mean, atol=1e-12)
    np.testing.assert_allclose(exp.std_errors, error, atol=1e-12)


def test_intervals_are_students_and_noise_may_leave_the_range_of_images():
    from scipy.stats import t

    predictor = as_predictor(small_cnn(), activation="none", mean=[0.5] * 3, std=[0.5] * 3)
    exp = explain(predictor, IMAGES, n_samples=6, noise=0.9, random_state=0)
    low, high = exp.interval(0.95)
    np.testing.assert_allclose(high - low, 2 * t.ppf(0.975, 5) * exp.std_errors)
    with refuses(DataError, "from 0 to 1", "value_range='0-255'"):
        SaliencyExplainer(predictor).fit(IMAGES).explain(100.0 * IMAGES)


def test_linear_network_has_no_spread_under_noise():
    exp = explain(nn.Linear(4, 2).double(), n_samples=7, random_state=0)
    np.testing.assert_array_equal(exp.std_errors, 0)
    assert explain(nn.Linear(4, 2).double()).std_errors is None


@pytest.mark.parametrize("method", ["gradient", "guided"])
@pytest.mark.parametrize("batch_size", [1, 2, 5, None])
def test_rows_have_the_same_values_in_any_batch_and_order(method, batch_size):
    module = seeded(ResNet)
    predictor = as_predictor(module, activation="none", batch_size=batch_size)
    rows = pictures(5, 8)
    explainer = SaliencyExplainer(predictor, method=method, n_samples=3, random_state=2).fit(rows)
    whole = SaliencyExplainer(
        as_predictor(module, activation="none"), method=method, n_samples=3, random_state=2
    )
    whole = whole.fit(rows).explain(rows)
    order = np.array([3, 0, 4, 2, 1])
    for some in (order, order[:2], order[:1]):
        exp = explainer.explain(rows[some])
        np.testing.assert_allclose(exp.values, whole.values[some], atol=1e-13)
        np.testing.assert_allclose(exp.std_errors, whole.std_errors[some], atol=1e-13)


@pytest.mark.parametrize("seed", range(2))
def test_intervals_cover_the_mean_over_the_noise(seed):
    module = mlp()
    explainer = [
        SaliencyExplainer(as_predictor(module, activation="none"), n_samples=n, random_state=k)
        for n, k in [(20_000, 10**6), *((25, 100 * seed + k) for k in range(60))]
    ]
    truth, *others = (one.fit(X).explain(X[:2]) for one in explainer)
    inside = [
        (low <= truth.values) & (truth.values <= high) for low, high in (one.interval(0.95) for one in others)
    ]
    assert 0.91 < np.mean(inside) < 0.99


def state_of(module):
    return (
        [part.training for part in module.modules()],
        [parameter.requires_grad for parameter in module.parameters()],
        [None if parameter.grad is None else parameter.grad.tolist() for parameter in module.parameters()],
        [value.tolist() for value in module.state_dict().values()],
        [len(part._forward_hooks) + len(part._backward_hooks) for part in module.modules()],
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.random.get_rng_state().tolist(),
        torch.backends.mkldnn.enabled,
    )


class Raises(nn.Module):
    """Raises an error for large rows."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2), nn.ReLU())

    def forward(self, x):
        y = self.inner(x)
        if float(x.detach().abs().max()) > 100:
            raise ArithmeticError("too large")
        return y


@pytest.mark.parametrize("method", ["gradient", "gradient_x_input", "guided", "deconvolution"])
def test_module_is_left_as_it_was_also_after_an_error(method):
    module = Raises().train()
    module.inner[1].eval()
    module.inner[1].weight.requires_grad_(False)
    module.inner[1].bias.grad = torch.ones(2)
    before = state_of(module)
    predictor = as_predictor(module, activation="none")
    explainer = SaliencyExplainer(predictor, method=method, n_samples=2, random_state=0).fit(
        X.astype(np.float32)
    )
    explainer.explain(X.astype(np.float32))
    assert state_of(module) == before
    with refuses(EngineError, "Raises", "rows 0 to 5", "ArithmeticError", "too large"):
        explainer.explain(1000 * X.astype(np.float32))
    assert state_of(module) == before


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("method", ["gradient", "guided"])
def test_callers_without_gradients_and_frozen_parameters(context, method):
    module = mlp(activation=nn.ReLU)
    expected = explain(module, method=method).values
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    with context():
        np.testing.assert_array_equal(explain(module, method=method).values, expected)


@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("method", ["gradient", "guided"])
def test_compiled_module_has_the_same_values(method):
    module = mlp(activation=nn.ReLU)
    expected = explain(module, method=method).values
    compiled = torch.compile(module, backend="eager")
    np.testing.assert_allclose(explain(compiled, method=method).values, expected, atol=1e-12)


@pytest.mark.parametrize("method", ["gradient", "gradient_x_input", "guided", "deconvolution"])
def test_precisions_agree(method):
    rows = pictures(2, 8).astype(np.float32)
    double = explain(seeded(ResNet), rows, method=method).values
    largest = np.abs(double).max()
    single = explain(seeded(ResNet, dtype=torch.float32), rows, method=method)
    assert np.abs(single.values - double).max() < 1e-4 * largest
    half = as_predictor(seeded(ResNet, dtype=torch.float32), activation="none", precision="bf16")
    half = explain(half, rows, method=method)
    assert np.corrcoef(half.values.ravel(), double.ravel())[0, 1] > 0.98
    own = explain(seeded(ResNet, dtype=torch.bfloat16), rows, method=method)
    assert np.corrcoef(own.values.ravel(), double.ravel())[0, 1] > 0.98
    assert half.params["model"]["precision"] == "bf16"


class Overflows(nn.Module):
    """Gradients beyond the range of half precision, of finite predictions."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2, bias=False)

    def forward(self, x):
        return 1e-6 * self.linear(x.half() * 1e4).float() if x.dtype == torch.float32 else x


def test_half_precision_that_overflows_is_refused_with_the_way_out():
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), dtype=torch.float32)
    module[0].weight.data *= 3e3
    module[2].weight.data *= 3e3
    rows = 1e-4 * X.astype(np.float32)
    half = as_predictor(module, activation="none", precision="fp16")
    with refuses(EngineError, "gradients", "row 0", "precision='bf16'", "Sequential"):
        explain(half, rows)
    wider = as_predictor(module, activation="none", precision="bf16")
    single = explain(as_predictor(module, activation="none"), rows).values
    np.testing.assert_allclose(
        explain(wider, rows).values, single, rtol=0.1, atol=0.05 * np.abs(single).max()
    )


class Roots(nn.Module):
    def forward(self, x):
        return x.pow(2).sum(dim=1, keepdim=True).sqrt()


def test_gradients_that_are_not_finite_name_the_row():
    rows = X.copy()
    rows[4] = 0.0
    with refuses(EngineError, "gradients", "Roots", "NaN", "row 4", "Roots and norms"):
        explain(Roots(), rows)
    values = explain(Roots(), rows[:4]).values[..., 0]
    np.testing.assert_allclose(values, rows[:4] / np.linalg.norm(rows[:4], axis=1, keepdims=True))


@pytest.mark.parametrize("batch_size", [2, None])
def test_missing_values_are_refused_with_their_row(batch_size):
    rows = X.copy()
    rows[4, 1] = np.nan
    model = as_predictor(mlp(), activation="none", batch_size=batch_size)
    with refuses(DataError, "Row 4", "NaN", "Sequential", "Impute"):
        SaliencyExplainer(model).fit(X).explain(rows)


@pytest.mark.parametrize("params", [{}, {"n_samples": 3}, {"layer": "1"}, {"layer": "1", "n_samples": 3}])
def test_cost_counts_rows_that_the_network_runs(params):
    module = nn.Sequential(nn.Identity(), nn.Tanh(), nn.Linear(4, 2)).double()
    n_rows = []
    explainer = SaliencyExplainer(as_predictor(module, activation="none"), **params).fit(X)
    module[2].register_forward_hook(lambda _module, _inputs, outputs: n_rows.append(len(outputs)))

    exp = explainer.explain(X)
    assert exp.n_model_rows == explainer.cost(X) == sum(n_rows)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_explained_as_their_arrays(library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({name: X[:, i] for i, name in enumerate("abcd")})
    explainer = SaliencyExplainer(as_predictor(mlp(), activation="none"), n_samples=3, random_state=0)
    exp = explainer.fit(frame).explain(frame)
    of_array = explain(mlp(), n_samples=3, random_state=0)
    np.testing.assert_array_equal(exp.values, of_array.values)
    np.testing.assert_array_equal(exp.std_errors, of_array.std_errors)
    assert exp.feature_names == tuple("abcd")
    assert list(explainer.get_feature_names_out()[:2]) == ["output_0: a", "output_0: b"]
    np.testing.assert_array_equal(explainer.transform(frame)[:, 4:8], exp.values[..., 1])


class Detached(nn.Module):
    def forward(self, x):
        return x.detach().sum(dim=1, keepdim=True)


class Constant(nn.Module):
    def forward(self, x):
        return torch.ones(len(x), 1)


@pytest.mark.parametrize("module", [Detached(), Constant()])
@pytest.mark.parametrize("method", ["gradient", "guided"])
def test_networks_without_gradients_are_refused_with_what_needs_none(module, method):
    with refuses(DataError, "No gradients", type(module).__name__, "OcclusionExplainer"):
        explain(module, method=method)
    assert OcclusionExplainer(as_predictor(module, activation="none")).fit(X).explain(X[:1]).values.shape == (
        1,
        4,
        1,
    )


def test_models_that_are_no_module_are_refused_in_fit():
    with refuses(DataError, "SaliencyExplainer", "gradients", "torch module"):
        SaliencyExplainer(lambda rows: rows.sum(axis=1)).fit(X)


def test_unknown_layers_are_refused_in_fit_with_those_there_are():
    with refuses(DataError, "no layer 'conv9'", "'0', '1', '2'"):
        explain(mlp(), layer="conv9")
    with refuses(DataError, "no layer"):
        explain(mlp(), layer=nn.Linear(4, 4))


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"method": "lrp"}, ["'method'", "'guided'", "'lrp'"]),
        ({"form": "abs"}, ["'form'", "'absolute'", "'abs'"]),
        ({"target": "scores"}, ["'target'", "'logits'"]),
        ({"n_samples": 1}, ["'n_samples'", "Got 1"]),
        ({"n_samples": -2}, ["'n_samples'", "Got -2"]),
        ({"noise": 0.0}, ["'noise'", "Got 0.0"]),
        ({"layer": 3}, ["'layer'", "Got 3"]),
        ({"rules": "gelu"}, ["'rules'", "Got 'gelu'"]),
    ],
)
def test_bad_parameters_are_refused(params, facts):
    with refuses(InvalidParameterError, "SaliencyExplainer", *facts):
        explain(mlp(), **params)


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"rules": {"gelu": "gradient"}}, ["'rules'", "method='gradient'", "guided"]),
        ({"rules": {"gelu": "relu"}, "method": "guided"}, ["'rules'", "'gelu': 'relu'", "'rectify'"]),
        ({"rules": {nn.GELU: "gradient"}, "method": "guided"}, ["'rules'", "'rectify'"]),
        ({"rules": {"gelus": "gradient"}, "method": "guided"}, ["'rules'", "'gelus'", "no operation"]),
    ],
)
def test_bad_rules_are_refused(params, facts):
    with refuses(DataError, "SaliencyExplainer", *facts):
        explain(mlp(), **params)


def test_function_of_the_output_that_is_no_matrix_is_refused():
    predictor = as_predictor(seeded(Reader), output=lambda returned: returned["logits"])
    with refuses(ModelOutputError, "'output'", "(3, 5, 2)", "(n,) or (n, n_outputs)"):
        explain(predictor, IDS, layer="table")


def test_clone_keeps_layers_that_are_modules():
    module = nn.Sequential(nn.Identity(), nn.Linear(4, 2)).double()
    explainer = SaliencyExplainer(as_predictor(module, activation="none"), layer=module[0])
    again = clone(explainer)
    assert again.layer is module[0]
    np.testing.assert_array_equal(again.fit(X).explain(X).values, explain(module).values)
    unpickled = pickle.loads(pickle.dumps(explainer.fit(X)))
    np.testing.assert_array_equal(unpickled.explain(X).values, explain(module).values)


def test_pickled_explainer_explains_equally():
    explainer = SaliencyExplainer(
        as_predictor(mlp(activation=nn.ReLU), activation="none"), method="guided", n_samples=3
    )
    exp = explainer.fit(X).explain(X)
    again = pickle.loads(pickle.dumps(explainer)).explain(X)
    np.testing.assert_array_equal(again.values, exp.values)
    np.testing.assert_array_equal(again.std_errors, exp.std_errors)


@pytest.mark.parametrize(
    ("params", "is_signed"),
    [
        ({}, True),
        ({"form": "absolute"}, False),
        ({"form": "squared"}, False),
        ({"method": "guided"}, True),
        ({"method": "guided", "form": "absolute"}, False),
        ({"method": "gradient_x_input", "form": "squared"}, True),
        ({"method": "gradient_x_input", "form": "absolute"}, False),
    ],
)
def test_displays_know_whether_values_have_signs(params, is_signed):
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 1)).double()
    module[1].weight.data.abs_()  # no value is negative
    exp = explain(module, IMAGES, **params)
    assert PixelsDisplay.from_explanation(exp).is_signed == is_signed
    assert not PixelsDisplay.from_explanation(exp.aggregate()).is_signed or exp.quantity == "relevance"


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explain(mlp(activation=nn.ReLU), method="guided", n_samples=2, random_state=0)


@pytest.mark.slow
def test_gradient_of_efficientnet_lite0_equals_finite_differences():
    images = pictures(1, 64)
    module = efficientnet_lite0().double()
    predictor = as_predictor(module, mean=[0.498] * 3, std=[0.502] * 3)
    explainer = SaliencyExplainer(predictor, outputs=[285], target="predictions").fit(images)
    values = explainer.explain(images).values[0, ..., 0]
    for y, x in [(10, 12), (33, 40), (50, 5)]:
        shift = np.zeros(images.shape)
        shift[0, y, x] = 1e-5
        low, high = (predictor.predict(images + sign * shift)[0, 285] for sign in (-1, 1))
        assert values[y, x] == pytest.approx((high - low) / 2e-5, rel=1e-4, abs=1e-9)


def test_relu_at_a_kink_has_gradient_zero_as_torch():
    module = nn.Sequential(nn.Linear(4, 1, bias=False), nn.ReLU()).double()
    np.testing.assert_array_equal(explain(module, np.zeros((2, 4))).values, 0)
    assert functional.relu(torch.zeros(1)).item() == 0
