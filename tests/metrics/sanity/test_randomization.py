"""Model randomization and random logits: which layers are reset, loops by hand, verdicts, bad input."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.datasets import load_breast_cancer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402
from torch import nn  # noqa: E402

from agnostix import (  # noqa: E402
    CamExplainer,
    KernelShapExplainer,
    LrpExplainer,
    OcclusionExplainer,
    SaliencyExplainer,
    as_predictor,
)
from agnostix.exceptions import DataError  # noqa: E402
from agnostix.maskers import SegmentMasker  # noqa: E402
from agnostix.metrics import data_randomization, model_randomization, random_logit  # noqa: E402
from agnostix.metrics.sanity.explain_again import (  # noqa: E402
    ChosenMaps,
    background_of,
    compare_maps,
    copy_for,
)
from agnostix.metrics.sanity.reset_layers import find_layers, reset_copy, reset_layer  # noqa: E402
from agnostix.metrics.sanity.verdicts import judge, seeds_of, similarity_to_others  # noqa: E402
from tests.messages import assert_states, refuses  # noqa: E402
from tests.metrics.sanity.sanity_networks import (  # noqa: E402
    Attention,
    Reversed,
    SameMap,
    trained_on_digits,
)
from tests.reference import metrics_sanity as reference  # noqa: E402

ROWS = np.random.default_rng(0).normal(size=(12, 6)).astype(np.float32)


def _seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval()


def _state(module):
    return {name: one.clone() for name, one in module.state_dict().items()}


def _is_same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def _gradients(network, rows, classes):
    points = torch.tensor(rows, requires_grad=True)
    network(points)[np.arange(len(rows)), classes].sum().backward()
    return points.grad.numpy().reshape(len(rows), -1).astype(float)


def test_layers_come_in_the_order_of_their_use():
    predictor = as_predictor(_seeded(Reversed))
    assert find_layers(predictor, ROWS, "test") == (("",), ("first",), ("norm",), ("last",))
    predictor = as_predictor(_seeded(Attention))
    found = find_layers(predictor, ROWS, "test")
    assert found == (("embed",), ("attention", "attention.out_proj"), ("head",))


@pytest.mark.parametrize("make", [Reversed, Attention])
def test_all_that_is_learned_is_reset_and_the_network_left_as_it_is(make):
    network = _seeded(make)
    with torch.no_grad():
        for one in network.parameters():
            one.add_(0.5)
        for one in network.buffers():
            one.add_(2)
    before, random = _state(network), torch.random.get_rng_state()
    predictor = as_predictor(network)
    groups = find_layers(predictor, ROWS, "test")
    twin, _ = reset_copy(predictor, groups, range(len(groups)), "test")
    after = twin.function.module.state_dict()
    assert not [name for name in before if torch.equal(before[name], after[name])]
    assert _is_same(before, network.state_dict())
    assert torch.equal(random, torch.random.get_rng_state())
    assert not any(part._forward_pre_hooks for part in network.modules())
    again, _ = reset_copy(predictor, groups, range(len(groups)), "test")
    assert _is_same(after, again.function.module.state_dict())


def test_batch_norm_starts_anew():
    norm = nn.BatchNorm2d(3)
    norm.running_mean.fill_(5.0)
    with torch.no_grad():
        norm.weight.fill_(7.0)
        reset_layer(norm)
    assert norm.running_mean.tolist() == [0.0] * 3
    assert norm.weight.tolist() == [1.0] * 3


def test_parameters_without_a_reset_are_drawn_with_their_spread():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(3.0 + 2.0 * torch.randn(4000))
            self.scale = nn.Parameter(torch.tensor([4.0]))
            self.zeros = nn.Parameter(torch.zeros(5))

    layer = _seeded(Own)
    before = layer.weight.detach().clone()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        reset_layer(layer)
    assert abs(np.corrcoef(before, layer.weight.detach())[0, 1]) < 0.1
    assert layer.weight.mean().item() == pytest.approx(3.0, abs=0.2)
    assert layer.weight.std().item() == pytest.approx(2.0, abs=0.2)
    assert layer.scale.item() != 4.0
    assert layer.zeros.abs().sum().item() == 0.0


def test_parametrized_layers_are_reset():
    network = _seeded(
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 4)), nn.Linear(4, 2))
    )
    predictor = as_predictor(network)
    groups = find_layers(predictor, ROWS, "test")
    twin, _ = reset_copy(predictor, groups, range(len(groups)), "test")
    assert not torch.equal(network[0].weight, twin.function.module[0].weight)


@pytest.mark.parametrize("how", ["cascading", "independent"])
def test_curve_is_that_of_a_loop(how):
    network = _seeded(
        lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    )
    explainer = SaliencyExplainer(network).fit(ROWS)
    result = model_randomization(network, ROWS, explainer, how=how, n_draws=3, random_state=4)
    with torch.no_grad():
        classes = network(torch.tensor(ROWS)).argmax(dim=1).numpy()
    own = _gradients(network, ROWS, classes)
    predictor, layers = as_predictor(network), ["4", "2", "0"]
    draws = np.empty((12, 3, 3))
    for place in range(3):
        start = place if how == "independent" else 0
        some = range(start, place + 1)
        for draw in range(3):
            seeds = [int(seeds_of(4, j, draw)[0]) for j in some]
            twin, _ = reset_copy(predictor, [(layers[j],) for j in some], seeds, "test")
            again = _gradients(twin.function.module, ROWS, classes)
            for row in range(12):
                draws[row, place, draw] = reference.spearman(abs(own[row]), abs(again[row]))
    curve = np.nanmean(draws, axis=2) if how == "independent" else draws[..., 0]
    scores = np.nanmean(draws[:, -1], axis=1)
    if how == "cascading":
        curve[:, -1] = scores
    else:
        scores = np.nanmean(np.nanmean(draws, axis=1), axis=1)
    np.testing.assert_allclose(result.curve.values[:, 0], 1.0)
    np.testing.assert_allclose(result.curve.values[:, 1:], curve, atol=1e-6)
    np.testing.assert_allclose(result.scores, scores, atol=1e-6)
    assert result.details["points"].array.tolist() == ["nothing", *layers]
    n_explained = 1 + (5 if how == "cascading" else 9)
    assert result.n_model_rows == 12 * n_explained
    assert (result.verdict is None) == (how == "independent")


def test_reference_is_the_similarity_to_other_rows():
    network = _seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1)))
    explainer = SaliencyExplainer(network).fit(ROWS)
    rows = ROWS[:5]
    result = model_randomization(network, rows, explainer, n_draws=1, n_steps=1, similarity="spearman")
    own = _gradients(network, rows, np.zeros(5, dtype=int))
    seeds = [int(seeds_of(0, place, 0)[0]) for place in range(2)]
    twin, _ = reset_copy(as_predictor(network), [("2",), ("0",)], seeds, "test")
    again = _gradients(twin.function.module, rows, np.zeros(5, dtype=int))
    expected = [
        np.mean([reference.spearman(own[other], again[row]) for other in range(5) if other != row])
        for row in range(5)
    ]
    np.testing.assert_allclose(result.references["other rows"], expected, atol=1e-6)
    assert result.curve.x.tolist() == [0.0, 2.0]
    assert_states(" ".join(result.notes), "One draw")


@pytest.mark.parametrize(
    ("method", "similarity", "word"),
    [
        ("guided", "absolute-spearman", "insensitive"),
        ("guided", "ssim", "insensitive"),
        ("gradient", "absolute-spearman", "sensitive"),
        ("gradient", "ssim", "sensitive"),
        ("gradient_x_input", "absolute-spearman", "insensitive"),
    ],
)
def test_guided_backpropagation_of_digits_does_not_show_what_was_learned(method, similarity, word):
    network, X, _ = trained_on_digits()
    rows = X[:60]
    before = _state(network)
    explainer = SaliencyExplainer(network, method=method).fit(rows)
    result = model_randomization(network, rows, explainer, n_steps=1, n_draws=10, similarity=similarity)
    assert result.verdict.split()[0] == word
    if similarity == "absolute-spearman":
        expected = {"guided": 0.55, "gradient": 0.15, "gradient_x_input": 0.9}[method]
        assert result.score == pytest.approx(expected, abs=0.08)
    assert _is_same(before, network.state_dict())


def test_exact_contributions_are_not_flagged_for_the_sizes_of_their_inputs():
    network, X, _ = trained_on_digits()
    masker = SegmentMasker("grid", n_segments=9, fill=0.0)
    explainer = KernelShapExplainer(network, masker=masker, random_state=0).fit(X[:4])
    result = model_randomization(network, X[:20], explainer, n_steps=1, n_draws=20)
    assert result.verdict.split()[0] == "sensitive"
    options = {"n_steps": 1, "n_draws": 20, "similarity": "absolute-spearman"}
    sizes = model_randomization(network, X[:20], explainer, **options)
    assert sizes.verdict.split()[0] == "insensitive"
    np.testing.assert_array_equal(sizes.details["spearman"].array, result.curve.values)


def test_verdicts_of_unrelated_maps_are_wrong_as_rarely_as_they_say():
    rng, n_wrong = np.random.default_rng(0), 0
    for _ in range(200):
        values = rng.normal(size=(12, 10))
        first = ChosenMaps(values, (), ("a",) * 12, ("a",), "relevance", None, np.arange(12), 0)
        again = [rng.normal(size=(12, 10)) for _ in range(4)]
        own = np.stack([compare_maps("spearman", values, one, ()) for one in again], axis=1)
        others = np.stack([similarity_to_others(first, one, "spearman", 0) for one in again], axis=1)
        n_wrong += judge(own, others, "it", "spearman", 0.0, 0.95).startswith("insensitive")
    assert n_wrong <= 10 + 2 * np.sqrt(200 * 0.05 * 0.95)


def test_warnings_of_changed_models_are_told_once():
    network, X, _ = trained_on_digits()
    explainer = LrpExplainer(network).fit(X[:4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = model_randomization(network, X[:10], explainer, n_steps=1, n_draws=3)
    assert_states(" ".join(result.notes), "changed models", "warned")


def test_maps_that_are_the_same_for_all_rows_are_flagged():
    network, X, _ = trained_on_digits()
    explainer = SameMap(network).fit(X[:4])
    result = model_randomization(network, X[:8], explainer, n_steps=1, n_draws=2)
    assert result.score == pytest.approx(1.0)
    assert_states(result.verdict, "insensitive", "6 layers", "0.5")
    assert_states(random_logit(network, X[:8], explainer).verdict, "insensitive", "output")


def test_layers_among_parameters_follow_the_copies():
    network, X, _ = trained_on_digits()
    explainer = CamExplainer(network, layer=network[7]).fit(X[:4])
    by_module = model_randomization(network, X[:6], explainer, n_draws=2)
    explainer = CamExplainer(network, layer="7").fit(X[:4])
    by_name = model_randomization(network, X[:6], explainer, n_draws=2)
    np.testing.assert_array_equal(by_module.scores, by_name.scores)
    assert explainer.explain(X[:2]).values.shape == (2, 8, 8, 10)


def test_explainers_of_predictions_alone_are_measured_too():
    network = _seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)))
    explainer = KernelShapExplainer(network, random_state=0).fit(ROWS)
    result = model_randomization(network, ROWS[:5], explainer, n_draws=2, outputs="output_1")
    assert result.output_names == ("output_1",)
    assert -1 <= result.score < 0.9
    again = model_randomization(network, ROWS[:5], explainer, n_draws=2, outputs="output_1")
    np.testing.assert_array_equal(result.scores, again.scores)


def test_copies_of_an_explainer_have_its_background():
    network = _seeded(lambda: nn.Linear(6, 2))
    explainer = KernelShapExplainer(network, background_size=4, background="medoids", random_state=0).fit(
        ROWS
    )
    own = explainer.explain(ROWS[:3]).values
    twin = copy_for(explainer, network, *background_of(explainer, None, ROWS[:3]))
    np.testing.assert_allclose(twin.explain(ROWS[:3]).values, own, atol=1e-6)
    other = copy_for(explainer, network, *background_of(explainer, ROWS[6:], ROWS[:3]))
    assert not np.allclose(other.explain(ROWS[:3]).values, own)


def test_estimators_are_trained_on_shuffled_labels():
    X, y = load_breast_cancer(return_X_y=True)
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    explainer = OcclusionExplainer(model, random_state=0).fit(X)
    result = model_randomization(model, X[:10], explainer, train=(X, y), n_draws=2)
    other = data_randomization(model, X, y, explainer, rows=X[:10], n_draws=2)
    np.testing.assert_array_equal(result.scores, other.scores)
    assert result.name == "model_randomization"
    with refuses(DataError, "'train'", "model_randomization", "ndarray"):
        model_randomization(model, X[:10], explainer, train=X)


def test_random_logit_compares_with_another_output():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 5)), rng.integers(0, 3, 120)
    model = LogisticRegression().fit(X, y)
    explainer = OcclusionExplainer(model, random_state=0).fit(X)
    result = random_logit(model, X[:20], explainer, n_draws=40)
    exp = explainer.explain(X[:20])
    for row in range(20):
        own = exp.outputs[row].argmax()
        candidates = [
            reference.spearman(exp.values[row, :, own], exp.values[row, :, other])
            for other in range(3)
            if other != own
        ]
        assert min(candidates) - 1e-9 <= result.scores[row] <= max(candidates) + 1e-9
        assert result.scores[row] == pytest.approx(np.mean(candidates), abs=0.5 * np.ptp(candidates) + 1e-9)
    single = random_logit(model, X[3:4], explainer, n_draws=40)
    np.testing.assert_allclose(single.scores, result.scores[3])  # draws depend on what a row holds
    assert np.isfinite(result.draw_errors).all()


def test_random_logit_of_digits_tells_guided_backpropagation_from_gradients():
    network, X, _ = trained_on_digits()
    words = {}
    for method in ("guided", "gradient"):
        explainer = SaliencyExplainer(network, method=method).fit(X[:4])
        words[method] = random_logit(network, X[:60], explainer).verdict.split()[0]
    assert words == {"guided": "insensitive", "gradient": "sensitive"}


def test_two_outputs_that_mirror_each_other_are_told():
    X, y = load_breast_cancer(return_X_y=True)
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    explainer = OcclusionExplainer(model, random_state=0).fit(X)
    result = random_logit(model, X[:8], explainer, similarity="absolute-spearman")
    np.testing.assert_allclose(result.scores, 1.0)
    assert_states(" ".join(result.notes), "sum to 1", "sizes")
    np.testing.assert_allclose(random_logit(model, X[:8], explainer).scores, -1.0)


def test_one_row_has_no_others():
    network = _seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1)))
    explainer = SaliencyExplainer(network).fit(ROWS)
    result = model_randomization(network, ROWS[:1], explainer, n_draws=4)
    assert result.interval_source == "draws"
    assert np.isnan(result.references["other rows"]).all()
    assert_states(result.verdict, "undecided")


def test_explanations_of_constant_predictions_are_refused():
    def constant(X):
        return np.ones((len(X), 2)) / 2

    explainer = OcclusionExplainer(constant).fit(ROWS)
    with refuses(DataError, "random_logit", "one value", "12 rows", "constant"):
        random_logit(constant, ROWS, explainer)


def test_networks_that_die_when_reset_have_no_similarity():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(6))

        def reset_parameters(self):
            self.weight.zero_()

        def forward(self, x):
            return (x * x * self.weight).sum(dim=1, keepdim=True)

    network = Flat()
    explainer = SaliencyExplainer(network).fit(ROWS)
    result = model_randomization(network, ROWS, explainer, n_draws=2)
    assert np.isnan(result.scores).all()
    assert_states(" ".join(result.notes), "12 of 12", "one value")
    assert_states(result.verdict, "undecided")


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_models_without_layers_are_refused_with_what_works():
    def function(X):
        return np.asarray(X).sum(axis=1)

    explainer = OcclusionExplainer(function).fit(ROWS)
    with refuses(DataError, "model_randomization", "torch module", "function", "refit=", "train="):
        model_randomization(function, ROWS, explainer)
    with refuses(DataError, "random_logit", "two outputs", "'prediction'", "data_randomization"):
        random_logit(function, ROWS, explainer)
    scripted = torch.jit.script(nn.Sequential(nn.Linear(6, 2)))
    with refuses(DataError, "scripted", "model_randomization"):
        model_randomization(scripted, ROWS, OcclusionExplainer(scripted).fit(ROWS))
    plain = nn.Sequential(nn.ReLU())
    with refuses(DataError, "model_randomization", "parameters", "random_logit"):
        model_randomization(plain, ROWS, SaliencyExplainer(plain).fit(ROWS))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("how", "bottom-up"),
        ("similarity", "pearson"),
        ("n_draws", 0),
        ("n_steps", 0.5),
        ("margin", -0.1),
        ("random_state", None),
    ],
)
def test_parameters_are_checked(name, value):
    network = _seeded(lambda: nn.Linear(6, 2))
    explainer = SaliencyExplainer(network).fit(ROWS)
    with refuses(DataError, repr(name), "model_randomization", repr(value)):
        model_randomization(network, ROWS, explainer, **{name: value})


def test_other_bad_input_is_refused():
    network = _seeded(lambda: nn.Linear(6, 2))
    explainer = SaliencyExplainer(network).fit(ROWS)
    with refuses(DataError, "'ssim'", "pixels", "'auto'"):
        model_randomization(network, ROWS, explainer, similarity="ssim")
    with refuses(TypeError, "'explainer'", "random_logit", "Explanation"):
        random_logit(network, ROWS, explainer.explain(ROWS))
    with refuses(DataError, "one output", "outputs='output_0'"):
        model_randomization(network, ROWS, explainer, outputs=["output_0", "output_1"])
    regression = as_predictor(network, task="regression")
    with refuses(DataError, "regression", "outputs='output_0'"):
        random_logit(regression, ROWS, SaliencyExplainer(regression).fit(ROWS))
