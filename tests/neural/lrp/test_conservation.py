"""What is kept and absorbed, by cause and row, for any cut into batches and place of rows inside."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import LrpExplainer, as_predictor  # noqa: E402
from agnostix.neural import Epsilon  # noqa: E402
from agnostix.neural.lrp.conservation import Conservation  # noqa: E402
from agnostix.neural.operations.row_axis import RowAxis, RowsMixedError  # noqa: E402
from tests.neural.as_layers import layers_of  # noqa: E402
from tests.neural.lrp.comparison import (  # noqa: E402
    absorbed,
    assert_as_reference,
    assert_kept,
    explain,
    explain_flat,
    network,
)
from tests.neural.networks import seeded, spellings  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Relevance nearly cancels")
SERIES = np.random.default_rng(0).normal(size=(5, 4, 6))
LRP = {"default": Epsilon(0.1)}


class Series(nn.Module):
    """A network on series (n, 4, 6), which come with an axis of channels."""

    def __init__(self, inner, head=None):
        super().__init__()
        self.inner, self.head = inner(), nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.run(x.squeeze(1)).mean(dim=1))

    def run(self, x):
        return self.inner(x)


class RowsSecond(Series):
    """Rows are the second axis inside."""

    def run(self, x):
        return self.inner(x.transpose(0, 1)).transpose(0, 1)


class RowsSecondAttention(Series):
    def run(self, x):
        x = x.transpose(0, 1)
        return self.inner(x, x, x, need_weights=False)[0].transpose(0, 1)


class RowsByTokens(Series):
    """Rows are merged with tokens, rows first."""

    def run(self, x):
        return self.inner(x.reshape(-1, 6)).reshape(x.shape)


class TokensByRows(Series):
    """Tokens are merged with rows, tokens first."""

    def run(self, x):
        n, t, d = x.shape
        return self.inner(x.transpose(0, 1).reshape(-1, d)).reshape(t, n, d).transpose(0, 1)


class HeadsByRows(Series):
    """Batches of matrix products over heads and rows, heads first."""

    def run(self, x):
        n, t, d = x.shape
        parts = self.inner(x).reshape(n, t, 2, d // 2).permute(2, 0, 1, 3).reshape(2 * n, t, d // 2)
        mixed = torch.bmm(torch.softmax(torch.bmm(parts, parts.mT), dim=-1), parts)
        return mixed.reshape(2, n, t, d // 2).permute(1, 2, 0, 3).reshape(n, t, d)


class Twice(Series):
    """Every row is there two times, one after the other or all after all."""

    interleaved = True

    def run(self, x):
        n = len(x)
        if self.interleaved:
            return self.inner(x.repeat_interleave(2, dim=0)).reshape(n, 2, 4, 6).sum(dim=1)
        return self.inner(x.repeat(2, 1, 1)).reshape(2, n, 4, 6).sum(dim=0)


class TwiceInTurn(Twice):
    interleaved = False


class RowsInOne(Series):
    """All rows in one, so that they cannot be told apart inside."""

    def run(self, x):
        n, t, d = x.shape
        return self.inner(x.reshape(1, n * t * d).reshape(n * t, d)).reshape(n, t, d)


def dense():
    return nn.Sequential(nn.Linear(6, 6), nn.GELU(), nn.Linear(6, 6))


PLACED = {
    "rows first": lambda: Series(dense),
    "rows second": lambda: RowsSecond(dense),
    "rows by tokens": lambda: RowsByTokens(dense),
    "tokens by rows": lambda: TokensByRows(dense),
    "heads by rows": lambda: HeadsByRows(dense),
    "copies beside each other": lambda: Twice(dense),
    "copies in turn": lambda: TwiceInTurn(dense),
    "rows in one": lambda: RowsInOne(dense),
    "encoder, rows first": lambda: Series(lambda: nn.TransformerEncoderLayer(6, 2, 8, 0.0, batch_first=True)),
    "encoder, rows second": lambda: RowsSecond(lambda: nn.TransformerEncoderLayer(6, 2, 8, 0.0)),
    "attention, rows second": lambda: RowsSecondAttention(lambda: nn.MultiheadAttention(6, 3)),
}


@pytest.mark.parametrize("attention", ["cp_lrp", "attn_lrp"])
@pytest.mark.parametrize("rule", [Epsilon(0.1), Epsilon(0.1, relative=True)], ids=["epsilon", "relative"])
@pytest.mark.parametrize("name", PLACED)
def test_each_row_has_its_own_for_any_cut_into_batches(name, rule, attention):
    model = as_predictor(seeded(PLACED[name]), activation="none")
    fitted = LrpExplainer(model, composite={"default": rule}, attention=attention).fit(SERIES)
    whole = fitted.explain(SERIES)
    assert_kept(whole)
    assert absorbed(whole)[:, :2].all()
    for rows in (slice(0, 1), slice(1, 3), slice(2, 5), slice(4, 5)):
        part = fitted.explain(SERIES[rows])
        np.testing.assert_allclose(part.values, whole.values[rows], rtol=0, atol=1e-13)
        np.testing.assert_allclose(absorbed(part), absorbed(whole)[rows], rtol=0, atol=1e-13)
        sizes = [one.extras["largest_size"].array for one in (part, whole)]
        np.testing.assert_allclose(sizes[0], sizes[1][rows], rtol=1e-12)


def test_spellings_of_a_network_have_the_same_relevance_and_account():
    X = np.random.default_rng(0).random((3, 16, 16, 3))
    results = [explain(module, X, LRP) for module in spellings().values()]
    for one in results:
        assert_kept(one)
        np.testing.assert_allclose(one.values, results[0].values, rtol=0, atol=1e-12)
        np.testing.assert_allclose(absorbed(one).sum(axis=1), absorbed(results[0]).sum(axis=1), atol=1e-12)


@pytest.mark.parametrize("name", ["mlp", "convolutional", "residual"])
def test_offsets_and_biases_of_batch_norm_are_absorbed_by_cause(name):
    module, X = network(name)
    _, exp = explain_flat(module, X, LRP)
    assert_kept(exp)
    causes = absorbed(exp)
    assert causes[:, 0].any()
    assert causes[:, 1].any()
    _, distributed = explain_flat(module, X, LRP, bias="distributed")
    assert_kept(distributed)
    assert not absorbed(distributed)[:, 0].any()


def test_value_of_functions_at_0_is_an_offset():
    module = seeded(
        lambda: nn.Sequential(nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 4), nn.Softplus(), nn.Linear(4, 2))
    )
    X = np.random.default_rng(0).normal(size=(2, 5))
    values, exp = explain_flat(module, X, "epsilon")
    assert (np.abs(absorbed(exp)[:, 2]) > 1e-3).all()
    assert_as_reference(values, exp, layers_of(module), X, {})


def test_constants_that_are_added_are_offsets():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift, self.linear = nn.Parameter(torch.ones(3)), nn.Linear(3, 2, bias=False)

        def forward(self, x):
            return self.linear(
                torch.cat([x[:, :2] + self.shift[:2], self.shift[2:].expand(len(x), 1)], dim=1)
            )

    module, X = seeded(Shifted), np.random.default_rng(0).normal(size=(4, 2))
    exp = explain(module, X, {"default": Epsilon(0.0)})
    w = module.linear.weight.detach().numpy()
    np.testing.assert_allclose(exp.values, X[:, :, None] * w.T[:2], atol=1e-14)
    np.testing.assert_allclose(absorbed(exp)[:, 2], np.broadcast_to(w.sum(axis=1), (4, 2)), atol=1e-14)


def test_account_refuses_rows_that_it_cannot_tell_apart():
    conservation = Conservation(3, [RowAxis(), None, RowAxis(2), RowAxis()], True)
    conservation.enter((3, 4))
    with pytest.raises(RowsMixedError):
        conservation.enter((12,))
    conservation = Conservation(3, [RowAxis(1), RowAxis(2), RowAxis()], True)
    conservation.enter((4, 3))
    with pytest.raises(RowsMixedError):  # no such axis
        conservation.enter((4, 3))
    conservation = Conservation(3, [RowAxis()], True)
    with pytest.raises(RowsMixedError):
        conservation.enter((4, 3))  # not a multiple of the rows


def test_account_adds_up_by_cause_and_row():
    conservation = Conservation(2, [RowAxis(1), RowAxis()], True)
    first, second = conservation.enter((3, 2)), conservation.enter((2, 2))
    conservation.begin()
    first.absorb("bias", torch.tensor([[1.0, 10.0]]).expand(3, 2))
    second.absorb("bias", torch.tensor([[0.5, 0.5], [1.0, 1.0]]))
    second.absorb("epsilon", torch.tensor([[0.0, 0.25], [0.0, 0.0]]))
    assert {name: one.tolist() for name, one in conservation.absorbed.items()} == {
        "bias": [4.0, 32.0],
        "epsilon": [0.25, 0.0],
    }
    first.absorb("size", torch.tensor([[1.0, 2.0]] * 3))
    second.absorb("size", torch.tensor([[9.0, 0.0], [1.0, 0.0]]))
    assert conservation.largest_size.tolist() == [9.0, 6.0]
    conservation.begin()
    assert conservation.absorbed == {}
