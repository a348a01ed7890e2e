"""Relevance through attention is the same however it is written, and kept under masks."""

import itertools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from tests.neural import networks  # noqa: E402
from tests.neural.as_layers import layers_of  # noqa: E402
from tests.neural.lrp.passes import propagate  # noqa: E402
from tests.reference.layers import Layer  # noqa: E402
from tests.reference.relevance import relevances  # noqa: E402

X = torch.as_tensor(np.random.default_rng(0).normal(size=(2, 5, 8)))
METHODS = ["cp_lrp", "attn_lrp"]
HIDDEN = torch.tensor([[False, False, False, True, True], [False] * 5])
"""Padding (n_rows, n_tokens)."""


def seeded(*args, **kwargs):
    """A module whose parameters need no gradient."""
    return networks.seeded(*args, **kwargs).requires_grad_(False)


MODULE = seeded(nn.MultiheadAttention, 8, 2, batch_first=True)
TIME_FIRST = seeded(nn.MultiheadAttention, 8, 2)
TIME_FIRST.load_state_dict(MODULE.state_dict())
LATER = torch.ones(5, 5, dtype=torch.bool).triu(1)


def heads(x):
    """Queries, keys and values (n, 2, n_tokens, 4)."""
    projected = functional.linear(x, MODULE.in_proj_weight, MODULE.in_proj_bias)
    return [part.unflatten(2, (2, 4)).transpose(1, 2) for part in projected.chunk(3, dim=2)]


def joined(mixed):
    """What heads (n, 2, n_tokens, 4) give together."""
    return MODULE.out_proj(mixed.transpose(1, 2).flatten(2))


def module(x, hidden=None):
    return MODULE(x, x, x, attn_mask=hidden)[0]


def module_without_weights(x, hidden=None):
    return MODULE(x, x, x, attn_mask=hidden, need_weights=False)[0]


def module_in_order_of_time(x, hidden=None):
    x = x.transpose(0, 1)
    return TIME_FIRST(x, x, x, attn_mask=hidden)[0].transpose(0, 1)


def function(x, hidden=None):
    return joined(
        functional.scaled_dot_product_attention(*heads(x), attn_mask=None if hidden is None else ~hidden)
    )


def function_with_shifts(x, hidden=None):
    shifts = None if hidden is None else torch.zeros(5, 5, dtype=x.dtype).masked_fill(hidden, -torch.inf)
    return joined(functional.scaled_dot_product_attention(*heads(x), shifts))


def by_hand(x, hidden=None):
    query, key, value = heads(x)
    scores = query @ key.transpose(2, 3) / math.sqrt(4)
    if hidden is not None:
        scores = scores.masked_fill(hidden, -torch.inf)
    return joined(functional.dropout(scores.softmax(dim=-1), 0.1, training=False) @ value)


def by_hand_with_large_shifts(x, hidden=None):
    query, key, value = heads(x)
    scores = torch.matmul(query * 0.5, key.mT)
    if hidden is not None:
        scores += hidden.to(x.dtype) * torch.finfo(x.dtype).min
    return joined(torch.matmul(functional.softmax(scores, -1), value))


def by_einsum(x, hidden=None):
    query, key, value = heads(x)
    scores = torch.einsum("bhtd,bhsd->bhts", query, key).mul_(0.5)
    if hidden is not None:
        scores = torch.where(hidden, torch.tensor(-torch.inf, dtype=x.dtype), scores)
    return joined(torch.einsum("bhts,bhsd->bhtd", torch.softmax(scores, dim=-1), value))


def by_exponentials(x, hidden=None):
    query, key, value = heads(x)
    scores = query @ key.transpose(2, 3) / math.sqrt(4)
    if hidden is not None:
        scores = scores.masked_fill(hidden, -torch.inf)
    weights = torch.exp(scores - scores.max(dim=-1, keepdim=True).values)
    return joined(weights / weights.sum(dim=-1, keepdim=True) @ value)


def by_batched_products(x, hidden=None):
    query, key, value = (part.flatten(0, 1) for part in heads(x))
    start = torch.zeros(5, 5, dtype=x.dtype)
    if hidden is not None:
        start.masked_fill_(hidden, -torch.inf)
    scores = torch.baddbmm(start.expand(4, 5, 5), query, key.mT, alpha=0.5)
    return joined(torch.bmm(scores.softmax(-1), value).unflatten(0, (2, 2)))


SPELLINGS = [
    module,
    module_without_weights,
    module_in_order_of_time,
    function,
    function_with_shifts,
    by_hand,
    by_hand_with_large_shifts,
    by_einsum,
    by_exponentials,
    by_batched_products,
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hidden", [None, LATER])
def test_all_spellings_have_the_relevance_of_the_loop(hidden, method, bias):
    layers = layers_of(MODULE)
    layers[0].params["mask"] = None if hidden is None else ~hidden.numpy()
    wanted = None
    for attend in SPELLINGS:
        found = propagate(lambda x: attend(x, hidden)[:, 2], X, attention=method, bias=bias)  # noqa: B023
        assert found.gap < 1e-12, attend
        assert not found.unseen, attend
        assert torch.isfinite(found.relevance).all(), attend
        torch.testing.assert_close(found.outputs, module(X, hidden)[:, 2, 1], rtol=0, atol=1e-13)
        wanted = wanted or found
        torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-10)
        for cause, amount in wanted.absorbed.items():
            assert found.absorbed[cause] == pytest.approx(amount, abs=1e-10), attend
    if bias:
        loop = relevances([*layers, Layer("select", index=2)], X.numpy(), 1, {"attention": method})
        np.testing.assert_allclose(wanted.relevance, loop.values, rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_causal_attention(method):
    wanted = propagate(lambda x: by_hand(x, LATER)[:, 2], X, attention=method)
    causal = propagate(
        lambda x: joined(functional.scaled_dot_product_attention(*heads(x), is_causal=True))[:, 2],
        X,
        attention=method,
    )
    torch.testing.assert_close(causal.relevance, wanted.relevance, rtol=0, atol=1e-10)
    assert (causal.relevance[:, 3:] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_grouped_queries(method):
    def repeated(x):
        query, key, value = heads(x)
        key, value = (one[:, :1].expand(-1, 2, -1, -1) for one in (key, value))
        return joined(functional.scaled_dot_product_attention(query, key, value))[:, 0]

    def grouped(x):
        query, key, value = heads(x)
        attended = functional.scaled_dot_product_attention(query, key[:, :1], value[:, :1], enable_gqa=True)
        return joined(attended)[:, 0]

    wanted, found = (propagate(one, X, attention=method) for one in (repeated, grouped))
    torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-10)


def test_one_token_has_the_relevance_of_its_value():
    x = X[:, :1]
    found = propagate(lambda x: module(x)[:, 0], x)
    wanted = propagate(
        lambda x: MODULE.out_proj(functional.linear(x, MODULE.in_proj_weight[16:], MODULE.in_proj_bias[16:]))[
            :, 0
        ],
        x,
    )
    torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-10)


OPTIONS = [
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"bias": False},
    {"kdim": 8, "vdim": 8},
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("weights", [True, False])
def test_options_of_the_module_conserve(options, method, weights):
    attention = seeded(nn.MultiheadAttention, 8, 2, batch_first=True, **options)
    found = propagate(
        lambda x: attention(x, x[:, :3], x[:, :3], key_padding_mask=HIDDEN[:, 1:4], need_weights=weights)[0],
        X,
        attention=method,
    )
    assert found.gap < 1e-12
    assert not found.unseen
    assert torch.isfinite(found.relevance).all()


ENCODERS = list(itertools.product([True, False], ["relu", "gelu"], METHODS))


@pytest.mark.parametrize(("is_norm_first", "activation", "method"), ENCODERS)
def test_encoder_layer_has_the_relevance_of_the_loop(is_norm_first, activation, method):
    layer = seeded(
        nn.TransformerEncoderLayer,
        8,
        2,
        12,
        batch_first=True,
        norm_first=is_norm_first,
        activation=activation,
    )
    found = propagate(lambda x: layer(x)[:, 2], X, attention=method)
    layers = [*layers_of(layer), Layer("select", index=2)]
    wanted = relevances(layers, X.numpy(), 1, {"attention": method})
    np.testing.assert_allclose(
        found.relevance, wanted.values, rtol=0, atol=1e-9 * np.abs(wanted.values).max()
    )
    assert found.gap < 1e-12
    assert not found.unseen


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_norm_first", [True, False])
def test_padded_tokens_of_an_encoder_have_no_relevance(is_norm_first, method):
    def encoder(norm_first):
        return nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=norm_first),
            2,
            norm=nn.LayerNorm(8),
            enable_nested_tensor=not norm_first,
        )

    net = seeded(encoder, is_norm_first)
    found = propagate(lambda x: net(x, src_key_padding_mask=HIDDEN)[:, 0], X, attention=method)
    assert found.gap < 1e-12
    assert not found.unseen
    assert (found.relevance[0, 3:] == 0).all()
    alone = propagate(lambda x: net(x)[:, 0], X[:1, :3], attention=method)
    torch.testing.assert_close(found.relevance[:1, :3], alone.relevance, rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_norm_first", [True, False])
def test_decoder_layer_conserves(is_norm_first, method):
    layer = seeded(nn.TransformerDecoderLayer, 8, 2, 12, batch_first=True, norm_first=is_norm_first)
    found = propagate(
        lambda x: layer(
            x[:, :4],
            x.flip(1),
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(4, dtype=x.dtype),
            tgt_is_causal=True,
            memory_key_padding_mask=HIDDEN,
        )[:, 1],
        X,
        attention=method,
    )
    assert found.gap < 1e-12
    assert not found.unseen
    assert torch.isfinite(found.relevance).all()
