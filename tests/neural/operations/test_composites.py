"""Attention and its like by simpler operations give what torch gives."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural.operations import composites  # noqa: E402
from agnostix.neural.operations.mode import Operation  # noqa: E402
from tests.messages import refuses  # noqa: E402


def numbers(*shape, seed=0):
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


QUERY, KEY, VALUE = numbers(2, 4, 3, 6), numbers(2, 4, 5, 6, seed=1), numbers(2, 4, 5, 7, seed=2)
SEEN = numbers(2, 1, 3, 5, seed=3) > -0.5
MASKS = {
    "none": None,
    "bool": SEEN,
    "one for all": SEEN[0, 0],
    "all hidden for a query": SEEN & (torch.arange(3) > 0)[:, None],
    "shifts": numbers(4, 3, 5, seed=4),
    "minus infinity": torch.where(SEEN, 0.0, -torch.inf),
}


def operation(function, *args, **kwargs):
    """The call of a function."""
    return Operation(function.__name__, function, args, kwargs)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_is_torchs(mask, scale):
    attend = functional.scaled_dot_product_attention
    call = operation(attend, QUERY, KEY, VALUE, attn_mask=MASKS[mask], scale=scale)
    torch.testing.assert_close(composites.attend(call), call.run(), rtol=0, atol=1e-14)


def test_causal_attention_is_torchs():
    call = operation(functional.scaled_dot_product_attention, QUERY, KEY, VALUE, None, 0.0, True)
    torch.testing.assert_close(composites.attend(call), call.run(), rtol=0, atol=1e-14)


def test_attention_of_grouped_queries_is_torchs():
    call = operation(
        functional.scaled_dot_product_attention, QUERY, KEY[:, :2], VALUE[:, :2], enable_gqa=True
    )
    torch.testing.assert_close(composites.attend(call), call.run(), rtol=0, atol=1e-14)


def test_random_attention_is_refused():
    call = operation(functional.scaled_dot_product_attention, QUERY, KEY, VALUE, dropout_p=0.1)
    with refuses(DataError, "scaled_dot_product_attention", "dropout_p=0.1", "dropout_p=0.0"):
        composites.attend(call)


@pytest.mark.parametrize(
    "equation",
    [
        "ij,jk,kl->il",
        "ij,jk,kl",
        "bi,ij,bj->b",
        "...i,ij,...j->...",
        "bhtd,bhsd,bhsv->bhtv",
        "ij,ij,ij->ij",
        "ab,bc,cd,da->",
        "i,j,k->kij",
        "ij , jk , kl -> l i",
    ],
)
def test_several_operands_two_at_a_time(equation):
    terms = equation.replace(" ", "").split("->")[0].split(",")
    sizes = dict(zip("abcdhijklstv", [2, 3, 2, 4, 2, 3, 2, 4, 3, 2, 3, 2], strict=True))
    operands = [
        numbers(*([2, 2] if "..." in term else []), *(sizes[one] for one in term.replace("...", "")), seed=k)
        for k, term in enumerate(terms)
    ]
    wanted = torch.einsum(equation, *operands)
    torch.testing.assert_close(composites.contract(equation, operands), wanted, rtol=0, atol=1e-12)


A, B, C = numbers(2, 3, 4), numbers(2, 4, 5, seed=1), numbers(2, 3, 5, seed=2)
SUMS = {
    "addmm": (torch.addmm, (C[0], A[0], B[0]), {"beta": 0.5, "alpha": 2}),
    "addmv": (torch.addmv, (C[0, :, 0], A[0], B[0, :, 0]), {"alpha": 3}),
    "baddbmm": (torch.baddbmm, (C, A, B), {"beta": 0.5}),
    "addbmm": (torch.addbmm, (C[0], A, B), {"alpha": 0.1}),
    "addcmul": (torch.addcmul, (A, A, A + 1), {"value": 0.3}),
    "addcdiv": (torch.addcdiv, (A, A, A.exp()), {"value": 0.3}),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_products_are_torchs(name):
    function, args, kwargs = SUMS[name]
    call = operation(function, *args, **kwargs)
    torch.testing.assert_close(composites.add_products(call), call.run(), rtol=0, atol=1e-14)


def test_gated_units_interpolation_and_linear_are_torchs():
    calls = [
        (composites.gate_linear_unit, operation(functional.glu, A)),
        (composites.gate_linear_unit, operation(functional.glu, QUERY, dim=1)),
        (composites.interpolate, operation(torch.lerp, A, A + 1, A.sigmoid())),
        (composites.multiply_linear, operation(functional.linear, A, B[0].T, C[0, 0])),
        (composites.multiply_linear, operation(functional.linear, A, B[0].T)),
    ]
    for write, call in calls:
        torch.testing.assert_close(write(call), call.run(), rtol=0, atol=1e-14)
