"""What the battery asks, of explainers that need the operations of a network, on small networks."""

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.base import clone  # noqa: E402
from torch import nn  # noqa: E402

from agnostix import (  # noqa: E402
    DeepLiftExplainer,
    Explanation,
    IntegratedGradientsExplainer,
    LrpExplainer,
    as_predictor,
)
from agnostix.exceptions import EngineError  # noqa: E402
from agnostix.neural import Gamma, WSquare  # noqa: E402
from tests.common.test_explainers import NEEDS_OPERATIONS  # noqa: E402
from tests.messages import refuses  # noqa: E402

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(7, 4))
IMAGES = RNG.random((6, 8, 8, 3))
TOKENS = RNG.integers(0, 9, size=(6, 5))
# Random relevance nearly cancels in some row.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Transformer(nn.Module):
    """An embedding, a layer with attention and a head."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 4)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embedding(x.long())).mean(dim=1))


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def cnn():
    maps = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*maps, nn.Flatten(), nn.Linear(36, 3))


def of_rules(make, X, explainer=LrpExplainer, **params):
    return pytest.param(make, X, explainer, params, id=f"{explainer.__name__}-{make.__name__}-{params}")


CASES = [
    *(of_rules(mlp, TABLE, composite=name) for name in ("epsilon", "epsilon_gamma_box", "deep_taylor")),
    of_rules(mlp, TABLE, composite={"first": WSquare(), "default": Gamma()}, target="predictions"),
    *(
        of_rules(cnn, IMAGES, composite=name)
        for name in ("epsilon", "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1")
    ),
    of_rules(cnn, IMAGES, bias="distributed"),
    of_rules(Transformer, TOKENS, composite="epsilon", layer="embedding"),
    of_rules(mlp, TABLE, layer="1"),
    of_rules(cnn, IMAGES, layer="3"),
    of_rules(cnn, IMAGES, layer="0", layer_values="channels"),
    of_rules(Transformer, TOKENS, composite="epsilon", attention="attn_lrp", layer="embedding"),
    of_rules(mlp, TABLE, DeepLiftExplainer),
    of_rules(mlp, TABLE, DeepLiftExplainer, rule="reveal_cancel"),
    of_rules(mlp, TABLE, DeepLiftExplainer, baseline="data", random_state=0),
    of_rules(cnn, IMAGES, DeepLiftExplainer, target="predictions"),
    of_rules(cnn, IMAGES, DeepLiftExplainer, layer="3", layer_values="channels"),
    of_rules(cnn, IMAGES, IntegratedGradientsExplainer, method="gauss-legendre", layer="3"),
    of_rules(mlp, TABLE, IntegratedGradientsExplainer, method="gauss-legendre", layer="1"),
]
cases = pytest.mark.parametrize(("make", "X", "explainer", "params"), CASES)


def network(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().double().eval()


def build(make, explainer, params, module=None):
    model = as_predictor(network(make) if module is None else module, activation="softmax")
    return explainer(model, **params)


def arrays(exp):
    names = ("values", "outputs", "base_values", "std_errors", "completeness_gap")
    own = {name: np.asarray(one) for name in names if (one := getattr(exp, name)) is not None}
    by_row = {name: one.array for name, one in exp.extras.items() if getattr(one, "dims", ())[:1] == ("row",)}
    return own | by_row


def assert_equal(one, other, atol=0.0):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_allclose(array, other[name], rtol=0, atol=atol, err_msg=name)


@cases
def test_rows_have_the_same_values_in_any_batch_and_order(make, X, explainer, params):
    fitted = build(make, explainer, params).fit(X)
    whole = arrays(fitted.explain(X))
    assert_equal(arrays(fitted.explain(X)), whole)
    order = np.random.default_rng(1).permutation(len(X))
    for rows in (order, np.array([2]), np.array([0, 3, 3])):
        assert_equal(arrays(fitted.explain(X[rows])), {name: one[rows] for name, one in whole.items()}, 1e-12)


@cases
def test_values_and_their_gap_are_the_outputs(make, X, explainer, params):
    exp = build(make, explainer, params).fit(X).explain(X)
    total = exp.values.reshape(len(X), -1, exp.values.shape[-1]).sum(axis=1) + exp.completeness_gap
    start = 0.0 if exp.base_values is None else exp.base_values
    np.testing.assert_allclose(total + start, exp.outputs, rtol=0, atol=1e-12)


@cases
def test_copies_and_pickles_explain_alike(make, X, explainer, params, tmp_path):
    fitted = build(make, explainer, params).fit(X)
    exp = fitted.explain(X)
    assert_equal(arrays(pickle.loads(pickle.dumps(fitted)).explain(X)), arrays(exp))
    assert_equal(arrays(clone(fitted).fit(X).explain(X)), arrays(exp), 1e-12)
    exp.save(tmp_path / "exp.npz")
    assert_equal(arrays(Explanation.load(tmp_path / "exp.npz")), arrays(exp))


@cases
def test_module_and_rows_are_left_as_they_were(make, X, explainer, params):
    module, rows = network(make).train(), X.copy()
    state = copy.deepcopy(module.state_dict())
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    build(make, explainer, params, module).fit(rows).explain(rows)
    np.testing.assert_array_equal(rows, X)
    assert all(part.training for part in module.modules())
    assert all(one.requires_grad and one.grad is None for one in module.parameters())
    assert all(torch.equal(one, state[name]) for name, one in module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


@cases
def test_cost_is_no_less_than_the_rows_that_the_module_predicts(make, X, explainer, params):
    module = network(make)
    fitted = build(make, explainer, params, module).fit(X)
    sizes = []  # of passes that come to the output: those for the corners of a box stop early
    with module.register_forward_hook(lambda _module, inputs, _output: sizes.append(len(inputs[0]))):
        exp = fitted.explain(X)
    assert sum(sizes) == exp.n_model_rows <= fitted.cost(X)


@cases
def test_outputs_can_be_selected(make, X, explainer, params):
    whole = build(make, explainer, params).fit(X).explain(X)
    one = build(make, explainer, params | {"outputs": [2]}).fit(X).explain(X)
    np.testing.assert_allclose(one.values[..., 0], whole.values[..., 2], rtol=0, atol=1e-12)
    best = build(make, explainer, params | {"outputs": "predicted"}).fit(X).explain(X)
    chosen = whole.outputs.argmax(axis=1)
    wanted = np.stack([row[..., k] for row, k in zip(whole.values, chosen, strict=True)])
    np.testing.assert_allclose(best.values[..., 0], wanted, rtol=0, atol=1e-12)


@cases
def test_failing_module_is_named_with_its_rows(make, X, explainer, params):
    module = network(make)
    fitted = build(make, explainer, params, module).fit(X)

    def fail(_module, _inputs):
        raise RuntimeError("a fuse has blown")

    with module.register_forward_pre_hook(fail), refuses(EngineError, "rows 0 to 2", "a fuse has blown"):
        fitted.explain(X[:3])


def test_explainers_without_doubles_are_here():
    assert {case.values[2].__name__ for case in CASES} >= NEEDS_OPERATIONS
