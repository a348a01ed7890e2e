"""Relevance is the same where a network writes in place, and kept in whole networks."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural.lrp.rules import AlphaBeta, Epsilon, Gamma, ZPlus  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural import networks  # noqa: E402
from tests.neural.lrp.passes import propagate  # noqa: E402


def numbers(*shape, seed=0):
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


FIRST, SECOND, BIAS = numbers(4, 3, 3, 3), numbers(4, 4, 3, 3, seed=1), numbers(4, seed=2)
X = numbers(2, 3, 6, 6, seed=3)
HEAD, HEAD_BIAS = numbers(5, 4, seed=4), numbers(5, seed=5)
CLASS_TOKEN, POSITIONS = numbers(1, 1, 4, seed=6), numbers(1, 37, 4, seed=7)


def conv(x, weight):
    return functional.conv2d(x, weight, BIAS, padding=1)


def pool(x):
    return functional.linear(x.mean((2, 3)), HEAD, HEAD_BIAS)


SPELLINGS = {
    "relu_": [
        lambda x: pool(functional.relu(conv(x, FIRST))),
        lambda x: pool(conv(x, FIRST).relu_()),
        lambda x: pool(functional.relu(conv(x, FIRST), inplace=True)),
    ],
    "res": [
        lambda x: pool((lambda y: y + conv(y.relu(), SECOND))(conv(x, FIRST)).relu()),
        lambda x: pool((lambda y: conv(y.relu(), SECOND).add_(y))(conv(x, FIRST)).relu_()),
        lambda x: pool((lambda y: y.add_(conv(y.relu(), SECOND)))(conv(x, FIRST)).relu_()),
    ],
}


def preact_a(x):
    y = conv(x, FIRST)
    z = conv(y, SECOND)
    y = y * 2
    y = y + z
    y = torch.sigmoid(y)
    return pool(y)


def preact_b(x):
    y = conv(x, FIRST)
    z = conv(y, SECOND)
    y.mul_(2)
    y += z
    y.sigmoid_()
    return pool(y)


def preact_c(x):
    y = conv(x, FIRST)
    z = conv(y, SECOND)
    y *= 2
    y.add_(z)
    torch.sigmoid_(y)
    return pool(y)


SPELLINGS["written over input of conv"] = [preact_a, preact_b, preact_c]


def part_a(x):
    y = conv(x, FIRST)
    y = torch.cat([y[:, :1], y[:, 1:].relu()], 1)
    return pool(conv(y, SECOND))


def part_b(x):
    y = conv(x, FIRST)
    y[:, 1:] = y[:, 1:].relu()
    return pool(conv(y, SECOND))


def part_c(x):
    y = conv(x, FIRST)
    y[:, 1:].relu_()
    return pool(conv(y, SECOND))


def part_d(x):
    y = conv(x, FIRST)
    out = torch.empty_like(y)
    out[:, 0] = y[:, 0]
    out[:, 1:] = functional.relu(y[:, 1:])
    return pool(conv(out, SECOND))


def part_e(x):
    y = conv(x, FIRST)
    out = x.new_zeros(2, 4, 6, 6)
    for i in range(4):
        out[:, i] = y[:, i] if i == 0 else y[:, i].relu()
    return pool(conv(out, SECOND))


def part_f(x):
    y = conv(x, FIRST)
    v = y[:, 1:]
    v.clamp_(min=0)
    return pool(conv(y, SECOND))


def part_g(x):
    y = conv(x, FIRST)
    out = x.new_zeros(2, 4, 6, 6)
    out[:, 0].copy_(y[:, 0])
    out[:, 1:].copy_(y[:, 1:].relu())
    return pool(conv(out, SECOND))


SPELLINGS["parts"] = [part_a, part_b, part_c, part_d, part_e, part_f, part_g]


def gate_a(x):
    y = conv(x, FIRST)
    s = torch.sigmoid(y.mean((2, 3), keepdim=True) @ torch.eye(1, dtype=x.dtype))
    return pool(y * s)


def gate_b(x):
    y = conv(x, FIRST)
    s = (y.mean((2, 3), keepdim=True) @ torch.eye(1, dtype=x.dtype)).sigmoid_()
    y *= s
    return pool(y)


def gate_c(x):
    y = conv(x, FIRST)
    s = (y.mean((2, 3), keepdim=True) @ torch.eye(1, dtype=x.dtype)).sigmoid_()
    y[:, :2].mul_(s[:, :2])
    y[:, 2:] *= s[:, 2:]
    return pool(y)


def gate_d(x):
    y = conv(x, FIRST)
    s = y.mean((2, 3), keepdim=True) @ torch.eye(1, dtype=x.dtype)
    return pool(torch.mul(y, torch.sigmoid(s)))


SPELLINGS["gates"] = [gate_a, gate_b, gate_c, gate_d]


def tok_a(x):
    t = conv(x, FIRST).flatten(2).transpose(1, 2)
    t = torch.cat([CLASS_TOKEN.expand(2, -1, -1), t], 1) + POSITIONS
    return functional.linear(torch.tanh(t).mean(1), HEAD, HEAD_BIAS)


def tok_b(x):
    t = conv(x, FIRST).flatten(2).transpose(1, 2)
    o = x.new_zeros(2, 37, 4)
    o[:, 0] = CLASS_TOKEN[:, 0]
    o[:, 1:] = t
    o += POSITIONS
    return functional.linear(o.tanh_().mean(1), HEAD, HEAD_BIAS)


def tok_c(x):
    t = conv(x, FIRST).flatten(2).transpose(1, 2)
    o = CLASS_TOKEN.repeat(2, 37, 1)
    o[:, 1:] = t
    o[:, 1:] += POSITIONS[:, 1:]
    o[:, 0] += POSITIONS[:, 0]
    return functional.linear(o.tanh().mean(1), HEAD, HEAD_BIAS)


def tok_d(x):
    t = conv(x, FIRST).flatten(2).transpose(1, 2)
    t.add_(POSITIONS[:, 1:])
    o = torch.cat([(CLASS_TOKEN + POSITIONS[:, :1]).expand(2, 1, 4), t], 1)
    return functional.linear(o.tanh().mean(1), HEAD, HEAD_BIAS)


def tok_e(x):
    t = conv(x, FIRST).flatten(2).transpose(1, 2)
    o = torch.cat([t[:, :1], t], 1)
    o[:, 0] = 0
    o[:, 0].add_(CLASS_TOKEN[:, 0])
    o[:, :].add_(POSITIONS)
    v = o[:, :]
    v.tanh_()
    return functional.linear(o.mean(1), HEAD, HEAD_BIAS)


def tok_f(x):
    t = conv(x, FIRST).flatten(2).transpose(1, 2)
    o = torch.cat([t[:, :1], t], 1)
    o[:, 0].fill_(0.0)
    o[:, 0].copy_(CLASS_TOKEN[:, 0].expand(2, 4))
    o.index_put_((torch.arange(2)[:, None], torch.arange(37)), POSITIONS.expand(2, 37, 4), accumulate=True)
    return functional.linear(o.tanh().mean(1), HEAD, HEAD_BIAS)


def tok_g(x):
    t = conv(x, FIRST).flatten(2).transpose(1, 2)
    o = torch.cat([t[:, :1], t], 1)
    o[:, 0].zero_()
    o[:, 0] += CLASS_TOKEN[:, 0]
    o = o.index_add(1, torch.arange(37), POSITIONS.expand(2, 37, 4))
    return functional.linear(o.tanh().mean(1), HEAD, HEAD_BIAS)


SPELLINGS["tokens"] = [tok_a, tok_b, tok_c, tok_d, tok_e, tok_f, tok_g]


def sm_a(x):
    y = conv(x, FIRST).flatten(2).transpose(1, 2)
    a = (y @ y.mT) / 2
    a = a.softmax(-1)
    return functional.linear((a @ y).mean(1), HEAD, HEAD_BIAS)


def sm_b(x):
    y = conv(x, FIRST).flatten(2).transpose(1, 2)
    a = torch.bmm(y, y.transpose(1, 2))
    a /= 2
    a = a.softmax(-1)
    o = torch.bmm(a, y)
    y.zero_()
    a.fill_(7.0)
    return functional.linear(o.mean(1), HEAD, HEAD_BIAS)


def sm_c(x):
    y = conv(x, FIRST).flatten(2).transpose(1, 2)
    a = torch.einsum("btd,bsd->bts", y, y)
    a.div_(2)
    a = functional.softmax(a, -1)
    return functional.linear(torch.einsum("bts,bsd->btd", a, y).mean(1), HEAD, HEAD_BIAS)


def sm_d(x):
    y = conv(x, FIRST).flatten(2).transpose(1, 2)
    return functional.linear(functional.scaled_dot_product_attention(y, y, y).mean(1), HEAD, HEAD_BIAS)


SPELLINGS["attention overwritten"] = [sm_a, sm_b, sm_c, sm_d]


def rs_a(x):
    y = conv(x, FIRST)
    return pool(y * (1 / torch.sqrt(y.pow(2).mean((1, 2, 3), keepdim=True) + 1)))


def rs_b(x):
    y = conv(x, FIRST)
    s = y.pow(2).mean((1, 2, 3), keepdim=True)
    s += 1
    s.rsqrt_()
    y *= s
    return pool(y)


def rs_c(x):
    y = conv(x, FIRST)
    s = y.pow(2).mean((1, 2, 3), keepdim=True).repeat(1, 1, 1, 2)
    v = s[..., :1]
    v += 1
    v.sqrt_()
    y /= v
    return pool(y)


SPELLINGS["norm"] = [rs_a, rs_b, rs_c]


def bn_a(x):
    y = functional.batch_norm(conv(x, FIRST), BIAS, BIAS.exp(), BIAS, BIAS)
    return pool(y.relu())


def bn_b(x):
    y = conv(x, FIRST)
    z = functional.batch_norm(y, BIAS, BIAS.exp(), BIAS, BIAS)
    y.zero_()
    return pool(z.relu_())


def bn_c(x):
    x = x * 1
    y = conv(x, FIRST)
    x.zero_()
    z = functional.batch_norm(y, BIAS, BIAS.exp(), BIAS, BIAS)
    return pool(z.relu_())


def bn_d(x):
    mean, variance, scale, shift = (one[None, :, None, None] for one in (BIAS, BIAS.exp(), BIAS, BIAS))
    return pool(((conv(x, FIRST) - mean) / torch.sqrt(variance + 1e-5) * scale + shift).relu())


def bn_e(x):
    shift = (BIAS / torch.sqrt(BIAS.exp() + 1e-5))[:, None, None]
    y = conv(x, FIRST)
    y *= shift
    y += BIAS[:, None, None] - BIAS[:, None, None] * shift
    return pool(y.relu_())


SPELLINGS["bn"] = [bn_a, bn_b, bn_c, bn_d, bn_e]

COMPOSITES = {
    "epsilon": "epsilon",
    "plus": "epsilon_plus",
    "gamma": {"convolution": Gamma(0.25), "linear": Epsilon()},
    "alpha_beta": "epsilon_alpha2_beta1",
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("name", SPELLINGS)
def test_writing_in_place_changes_nothing(name, composite, bias):
    wanted = None
    for k, network in enumerate(SPELLINGS[name]):
        found = propagate(
            lambda x: network(x * 1.0),  # noqa: B023
            X,
            composite=COMPOSITES[composite],
            attention="attn_lrp",
            bias=bias,
        )
        torch.testing.assert_close(found.outputs, network(X.clone())[:, 1], rtol=0, atol=1e-12)
        assert found.gap < 1e-12, k
        assert not found.unseen, k
        wanted = wanted or found
        torch.testing.assert_close(found.relevance, wanted.relevance, rtol=1e-8, atol=1e-9, msg=str(k))


@pytest.mark.parametrize("attention", ["cp_lrp", "attn_lrp"])
def test_four_spellings_of_a_network(attention):
    rows = torch.as_tensor(networks.pictures()).permute(0, 3, 1, 2)
    wanted = None
    for name, network in networks.spellings().items():
        found = propagate(network, rows, attention=attention)
        assert found.gap < 1e-12, name
        assert not found.unseen, name
        torch.testing.assert_close(found.outputs, network(rows)[:, 1], rtol=0, atol=1e-12)
        wanted = wanted or found
        torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_single_precision_conserves_to_its_rounding(bias):
    rows = torch.as_tensor(networks.pictures(), dtype=torch.float32).permute(0, 3, 1, 2)
    for name, network in networks.spellings(dtype=torch.float32).items():
        found = propagate(network, rows, attention="attn_lrp", bias=bias)
        assert found.gap < 1e-6, name


def test_two_batch_norms_after_a_convolution_whose_input_is_gone():
    def network(x, is_gone):
        x = x * 1.0
        y = conv(x, FIRST)
        if is_gone:
            x.zero_()
        y = functional.batch_norm(y, BIAS, BIAS.exp(), BIAS, BIAS)
        return pool(functional.batch_norm(y, BIAS, BIAS.exp(), BIAS.exp(), BIAS))

    wanted, found = (propagate(lambda x: network(x, gone), X, composite="epsilon_plus") for gone in (0, 1))  # noqa: B023
    torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-12)
    assert found.absorbed == pytest.approx(wanted.absorbed, abs=1e-12)


@pytest.mark.parametrize("rule", [ZPlus(), Gamma(), AlphaBeta()], ids=repr)
def test_batch_norm_is_merged_into_the_outputs_of_a_transposed_convolution(rule):
    torch.manual_seed(0)
    up, norm, last = nn.ConvTranspose2d(3, 3, 2), nn.BatchNorm2d(3), nn.Linear(75, 2)
    norm.weight.data, norm.running_mean.data = torch.tensor([0.2, -3.0, 1.0]), torch.tensor([0.1, -0.2, 0.3])
    network = nn.Sequential(up, norm, nn.ReLU(), nn.Flatten(), last).double().eval()
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    merged = nn.ConvTranspose2d(3, 3, 2).double()
    merged.weight.data = up.weight * scale[:, None, None]
    merged.bias.data = norm.bias + (up.bias - norm.running_mean) * scale
    x = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    one = propagate(network, x, composite={"default": rule})
    other = propagate(nn.Sequential(merged, *network[2:]).eval(), x, composite={"default": rule})
    torch.testing.assert_close(one.relevance, other.relevance)


def test_batch_norm_over_another_axis_than_the_outputs_is_refused_where_a_rule_splits_products():
    norm = nn.BatchNorm1d(4)
    norm.weight.data = torch.tensor([0.2, -3.0, 1.0, 2.0])
    network = nn.Sequential(nn.Linear(4, 4), norm, nn.Flatten(), nn.Linear(16, 2)).double().eval()
    x = torch.rand(1, 4, 4, dtype=torch.float64)
    with refuses(DataError, "batch_norm over other axes", "linear", "Epsilon"):
        propagate(network, x, composite={"default": ZPlus()})
    assert propagate(network, x, composite="epsilon").gap < 1e-12
