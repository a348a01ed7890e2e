"""Norms read as means and deviations over axes give what torch gives."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from agnostix.neural.operations.mode import OperationMode  # noqa: E402
from agnostix.neural.operations.normalization import read_normalization  # noqa: E402


def numbers(*shape, seed=0):
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Norms(OperationMode):
    """Norms as they are read."""

    def __init__(self):
        super().__init__()
        self.norms = []

    def _rule_normalization(self, operation):
        self.norms.append(read_normalization(operation))
        return operation.run()


X, W, B = numbers(3, 6, 4, 2), numbers(6, seed=1), numbers(6, seed=2)
MEAN, VARIANCE = numbers(6, seed=3), numbers(6, seed=4).exp()
CASES = {
    "layer": lambda x: functional.layer_norm(x, (4, 2), numbers(4, 2), numbers(4, 2, seed=5)),
    "layer without weights": lambda x: functional.layer_norm(x, (2,), eps=0.1),
    "group": lambda x: functional.group_norm(x, 3, W, B, 1e-3),
    "group of all": lambda x: functional.group_norm(x, 1),
    "instance": lambda x: functional.instance_norm(x, None, None, W, B),
    "root mean square": lambda x: functional.rms_norm(x, (2,), numbers(2)),
    "root mean square of two": lambda x: functional.rms_norm(x, (4, 2), None, 0.1),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_torchs(name):
    with Norms() as mode:
        wanted = CASES[name](X.clone().requires_grad_()).detach()
    (norm,) = mode.norms
    x = X.detach()
    found = norm.scale(norm.center(x), norm.deviation(x))
    found = found if norm.bias is None else found + norm.bias
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_centering_is_its_own_transpose(name):
    with Norms() as mode:
        CASES[name](X.clone().requires_grad_())
    a, b = numbers(*X.shape, seed=6), numbers(*X.shape, seed=7)
    center = mode.norms[0].center
    torch.testing.assert_close((center(a) * b).sum(), (a * center(b)).sum())


def test_instance_norm_by_running_statistics_is_no_norm_of_the_row():
    with Norms() as mode:
        functional.instance_norm(X.clone().requires_grad_(), MEAN, VARIANCE, W, B, use_input_stats=False)
    assert mode.norms == [None]
