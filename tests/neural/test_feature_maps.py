"""Where feature maps are found in networks of many spellings, and the head run alone."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from agnostix import CamExplainer, as_predictor  # noqa: E402
from agnostix.core.models import Differentiable  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural.feature_maps import MapNetwork, ReplayError  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.networks import ResNet, pictures, seeded, spellings, vgg  # noqa: E402

X = pictures()


class Net(nn.Module):
    """Convolution, batch norm, ReLU as `relu` writes it, pooling as `pool` does, a linear layer."""

    def __init__(self, relu=functional.relu, pool=lambda x: x.mean((2, 3)), head=None):
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 4)
        self.relu, self.pool, self.head = relu, pool, head or self.linear

    def forward(self, x):
        return self.head(self.pool(self.relu(self.norm(self.conv(x)))))


def forget_result(x):
    torch.relu_(x)
    return x


def scaled(x):
    x *= 0.5
    return functional.relu(x) * 2


def part_by_part(x):
    for k in range(x.shape[1]):
        x[:, k].relu_()
    return x


RELUS = {
    "module": nn.ReLU(),
    "in place": nn.ReLU(inplace=True),
    "functional": functional.relu,
    "functional in place": lambda x: functional.relu(x, inplace=True),
    "torch": torch.relu,
    "method": lambda x: x.relu_(),
    "clamp": lambda x: x.clamp(min=0),
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "product": lambda x: x * (x > 0),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "result forgotten": forget_result,
    "scaled": scaled,
}
POOLS = {
    "mean": lambda x: x.mean((2, 3)),
    "module": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "functional": lambda x: functional.adaptive_avg_pool2d(x, 1).flatten(1),
    "avg_pool2d": lambda x: functional.avg_pool2d(x, 14)[:, :, 0, 0],
    "reshape": lambda x: x.reshape(x.shape[0], x.shape[1], -1).mean(2),
    "twice": lambda x: x.mean(3).mean(2),
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last).mean((2, 3)),
}


def open_network(module, layers=("auto",), **params):
    """A session and a MapNetwork in it."""
    session = as_predictor(module, activation="none", **params).require(Differentiable, by="a test").session()
    return session, list(layers)


def maps_of(module, layers=("auto",), rows=X):
    """Sources, maps, scores and gradients of the first score at the maps."""
    session, layers = open_network(module, layers)
    with session as opened:
        network = MapNetwork(opened, opened.score, layers)
        sources, _ = network.find(rows[:1], 2)
        scores, outputs = network.run(rows, sources)
        gradients = torch.autograd.grad(scores[:, 0].sum(), outputs)
    return sources, [one.detach().numpy() for one in outputs], scores.detach(), [g.numpy() for g in gradients]


def expected_maps(net):
    with torch.no_grad():
        return functional.relu(net.norm(net.conv(torch.as_tensor(X).permute(0, 3, 1, 2)))).numpy()


@pytest.mark.parametrize("relu", RELUS)
def test_last_maps_are_after_relu_however_it_is_written(relu):
    net = seeded(Net, RELUS[relu])
    (source,), (maps,), _, (gradients,) = maps_of(net)
    np.testing.assert_allclose(maps, expected_maps(net), atol=1e-12)
    expected = (net.linear.weight[0].detach() / maps[0, 0].size)[:, None, None].expand(8, 14, 14)
    np.testing.assert_allclose(gradients[1], expected, atol=1e-12)
    assert source.is_cut
    assert source.is_affine


@pytest.mark.parametrize("pool", POOLS)
def test_last_maps_are_before_pooling_however_it_is_written(pool):
    net = seeded(Net, pool=POOLS[pool])
    (source,), (maps,), *_ = maps_of(net)
    np.testing.assert_allclose(maps, expected_maps(net), atol=1e-12)
    assert source.is_affine


def test_four_spellings_have_the_same_maps():
    first, *others = (maps_of(module) for module in spellings().values())
    assert first[0][0].shape == (8, 8, 8)
    for other in others:
        np.testing.assert_allclose(other[1][0], first[1][0], atol=1e-12)
        np.testing.assert_allclose(other[3][0], first[3][0], atol=1e-12)


def test_layer_that_is_used_several_times():
    """The maps are those of its last use; the graph does not begin at the first."""

    class Shared(Net):
        def __init__(self):
            super().__init__(nn.ReLU())
            self.conv2 = nn.Conv2d(8, 8, 3)

        def forward(self, x):
            x = self.relu(self.norm(self.conv(x)))
            return self.linear(self.relu(self.conv2(x)).mean((2, 3)))

    net = seeded(Shared)
    (auto, named), (maps, by_name), *_ = maps_of(net, ["auto", "relu"])
    assert (auto.layer, auto.use) == ("relu", 1)
    assert auto.shape == named.shape == (8, 12, 12)
    np.testing.assert_array_equal(maps, by_name)


def test_residual_and_module_outputs():
    (source,), *_ = maps_of(seeded(ResNet))
    assert (source.layer, source.shape) == ("stages.1.relu2", (16, 8, 8))
    (source,), *_ = maps_of(seeded(vgg))
    assert (source.layer, source.shape, source.is_affine) == ("9", (16, 4, 4), False)


def test_batch_norm_is_not_taken_for_the_relu_that_changed_it():
    """relu_ returns the tensor that the batch norm gave: by identity alone that layer would be named."""
    (source,), *_ = maps_of(seeded(Net, lambda x: x.relu_()))
    assert source.layer is None
    assert source.function == "relu_"


def test_layers_in_order_of_list_and_by_module():
    net = seeded(ResNet)
    sources, outputs, _, gradients = maps_of(net, ["auto", net.stages[0], "relu1"])
    assert [one.name for one in sources] == ["auto", "ResidualBlock", "relu1"]
    assert [one.shape for one in outputs] == [(3, 16, 8, 8), (3, 8, 16, 16), (3, 8, 16, 16)]
    for layer, output, slopes in zip(("stages.0", "relu1"), outputs[1:], gradients[1:], strict=True):
        _, (alone,), _, (own,) = maps_of(net, [layer])
        np.testing.assert_array_equal(output, alone)
        np.testing.assert_allclose(slopes, own, atol=1e-14)


def test_only_the_head_has_a_graph():
    session, layers = open_network(seeded(ResNet))
    with session as opened:
        network = MapNetwork(opened, opened.score, layers)
        sources, _ = network.find(X[:1], 2)
        scores, (maps,) = network.run(X, sources)
        assert maps.is_leaf
        nodes, stack = set(), [scores.grad_fn]
        while stack:
            node = stack.pop()
            if node is not None and node not in nodes:
                nodes.add(node)
                stack += [before for before, _ in node.next_functions]
        assert not any("Convolution" in node.name() for node in nodes)


@pytest.mark.parametrize("layer", ["auto", "stages.0", "relu1"])
def test_head_alone_gives_scores_of_other_maps(layer):
    """Against the network from the image on, with the same maps in place of its own."""
    session, layers = open_network(seeded(ResNet), [layer])
    with session as opened:
        network = MapNetwork(opened, opened.score, layers)
        (source,), calls = network.find(X[:1], 2)
        scores, (maps,) = network.run(X, [source])
        others = torch.cat([maps.detach(), torch.rand(2, *source.shape, dtype=maps.dtype)])
        alone = network.run_head(source, calls, X[:1], others)
        whole = network.run_with(source, np.repeat(X[:1], 5, axis=0), others)
        torch.testing.assert_close(alone, whole)
        torch.testing.assert_close(alone[:3], scores.detach())


def test_head_of_another_forward_pass_is_not_replayed():
    class Fickle(Net):
        turns = 0

        def forward(self, x):
            Fickle.turns += 1
            return super().forward(x if Fickle.turns % 2 else x + 1)

    session, layers = open_network(seeded(Fickle))
    with session as opened:
        network = MapNetwork(opened, opened.score, layers)
        Fickle.turns = 0
        (source,), calls = network.find(X[:1], 2)
        with pytest.raises(ReplayError):
            network.run_head(source, calls, X[:1], torch.rand(2, *source.shape, dtype=torch.float64))


def two_branches(net):
    def head(x):
        return net.linear(net.relu(net.conv2(x)).mean((2, 3)) + net.relu(net.conv3(x)).mean((2, 3)))

    return head


class Branches(Net):
    """Two branches whose maps are pooled apart."""

    def __init__(self):
        super().__init__()
        self.conv2, self.conv3 = nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 5)

    def forward(self, x):
        x = self.relu(self.norm(self.conv(x)))
        return two_branches(self)(x)


class Skip(Net):
    """The head gets the mean color beside the maps."""

    def forward(self, x):
        pooled = self.relu(self.norm(self.conv(x))).mean((2, 3))
        return self.linear(pooled + x.mean((1, 2, 3), keepdim=False)[:, None])


class Gate(Net):
    """Squeeze and excitation: maps times a number for each channel."""

    def forward(self, x):
        x = self.relu(self.norm(self.conv(x)))
        return self.linear((x * x.mean((2, 3), keepdim=True).sigmoid()).mean((2, 3)))


def test_gated_maps_are_a_cut():
    (source,), *_ = maps_of(seeded(Gate))
    assert source.function == "mul"
    assert source.is_affine


def test_branches_are_refused_by_name():
    with refuses(DataError, "layer='auto' cannot tell", "ReluBackward0", "(1, 8, ", "layer='name'"):
        maps_of(seeded(Branches))
    with refuses(DataError, "layer='auto' cannot tell", "past it", "layer='name'"):
        maps_of(seeded(Skip))
    for module, layer in ((Branches, "conv"), (Skip, "norm")):
        (source,), *_ = maps_of(seeded(module), [layer])
        assert source.is_cut == (module is Branches)


def test_network_without_maps():
    mlp = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, 8), nn.ReLU(), nn.Linear(8, 4)))
    with refuses(DataError, "layer='auto' finds no output with a height and a width", "token_grid"):
        maps_of(mlp)


class Scripted(Net):
    """The convolutional part is compiled, pooling is not."""

    def __init__(self):
        super().__init__()
        body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).double()
        self.body = torch.jit.script(body.eval())

    def forward(self, x):
        return self.linear(self.body(x).mean((2, 3)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_parts():
    with refuses(DataError, "TorchScript"):
        maps_of(seeded(Scripted))
    with refuses(DataError, "TorchScript", "Pass the module"):
        maps_of(seeded(Scripted), ["body"])
    whole = torch.jit.script(seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))))
    with refuses(DataError, "TorchScript"):
        maps_of(whole, ["0"])


def test_layers_that_do_not_count():
    net = seeded(Net)
    net.unused = nn.Conv2d(3, 3, 1)
    with refuses(DataError, "no layer", "'conv9'", "'conv'"):
        maps_of(net, ["conv9"])

    class Detached(Net):
        def forward(self, x):
            self.conv(x).detach()
            return self.linear(self.relu(x.mean((2, 3))).repeat(1, 3)[:, :8])

    with refuses(DataError, "do not depend on the output of layer 'conv'"):
        maps_of(seeded(Detached), ["conv"])


def test_forward_pass_that_depends_on_values():
    class Data(Net):
        def forward(self, x):
            x = self.relu(self.norm(self.conv(x)))
            return self.linear((x[:, :, ::2] if x.shape[0] > 1 else x).mean((2, 3)))

    with refuses(DataError, "another one than for the rows of fit", "(8, 14, 14)"):
        maps_of(seeded(Data, lambda x: x.relu_().mul(1.0) if x.shape[0] == 1 else x[:, :, 1:].relu_()))


@pytest.mark.parametrize("relu", ["in place", "method", "functional"])
def test_module_is_as_before(relu):
    net = seeded(Net, RELUS[relu]).train()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    maps_of(net)
    assert net.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert not any(part._forward_hooks for part in net.modules())


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("hooked", ["conv1", "stages.0.relu1", "stages.1", "pool", "linear"])
@pytest.mark.parametrize("layer", ["auto", "stages.0", "conv1"])
def test_full_backward_hooks_on_a_layer_change_nothing(hooked, layer):
    rows = pictures(2, 8)
    plain, other = seeded(ResNet), seeded(ResNet)
    other.get_submodule(hooked).register_full_backward_hook(lambda *_: None)
    explainers = (
        CamExplainer(module, layer=layer, method=["grad_cam", "ablation_cam"]) for module in (plain, other)
    )
    expected, values = (one.fit(rows).explain(rows).values for one in explainers)
    np.testing.assert_allclose(values, expected, atol=1e-12)


class Checkpointed(nn.Module):
    """A ResNet inside a checkpoint, or its head alone."""

    def __init__(self, reentrant, whole=True):
        super().__init__()
        self.net, self.reentrant, self.whole = ResNet(), reentrant, whole

    def forward(self, x):
        net = self.net
        if self.whole:
            return checkpoint(net, x, use_reentrant=self.reentrant)
        maps = checkpoint(net.conv1, x, use_reentrant=self.reentrant)
        return net.linear(net.pool(net.stages(net.relu1(net.norm1(maps)))).flatten(1))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("layer", ["auto", "net.stages.1"])
def test_maps_inside_a_reentrant_checkpoint_are_refused_by_its_name(layer):
    with refuses(DataError, "reentrant checkpoint", "use_reentrant=False"):
        CamExplainer(seeded(Checkpointed, True), layer=layer).fit(pictures(2, 8))
    CamExplainer(seeded(Checkpointed, False), layer="net.stages.1").fit(pictures(2, 8))


def test_maps_inside_a_checkpoint_have_to_be_named():
    rows = pictures(2, 8)
    module = seeded(Checkpointed, False)
    with refuses(DataError, "checkpoint", "layer='name'"):
        CamExplainer(module).fit(rows)
    values = CamExplainer(module, layer="net.stages.1").fit(rows).explain(rows).values
    expected = CamExplainer(seeded(ResNet), layer="stages.1").fit(rows).explain(rows).values
    np.testing.assert_allclose(values, expected, atol=1e-12)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_checkpoints_before_the_maps_do_not_matter():
    rows = pictures(2, 8)
    expected = CamExplainer(seeded(ResNet)).fit(rows).explain(rows).values
    for reentrant in (False, True):
        values = CamExplainer(seeded(Checkpointed, reentrant, False)).fit(rows).explain(rows).values
        np.testing.assert_allclose(values, expected, atol=1e-12)
