from threading import Event, Thread

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import OcclusionExplainer, as_predictor  # noqa: E402
from agnostix.core.models import torch_functional  # noqa: E402
from agnostix.core.models.torch_functional import evaluating  # noqa: E402
from agnostix.maskers import SlidingWindow  # noqa: E402

X = np.zeros((1, 3))
PICTURES = np.random.default_rng(0).random((3, 6, 6))


class Gate(nn.Module):
    """Returns 1 if it is in training mode when called or when the gate opens."""

    def __init__(self):
        super().__init__()
        self.arrived, self.open = Event(), Event()

    def forward(self, x):
        before = self.training
        self.arrived.set()
        assert self.open.wait(30)
        return torch.full((len(x), 1), float(before or self.training))


def predict(predictor, found):
    found.append(predictor.predict(X)[0, 0])


@pytest.mark.parametrize("wrapped", [False, True], ids=["same", "shared part"])
def test_evaluating_holds_for_concurrent_threads(wrapped):
    gate = Gate().train()
    found = []
    first = Thread(target=predict, args=(as_predictor(gate), found))
    first.start()
    assert gate.arrived.wait(30)
    with evaluating(nn.Sequential(gate) if wrapped else gate):
        gate.open.set()
        first.join(30)
        assert not gate.training  # the first has left, and the second is still there
    assert found == [0.0]
    assert gate.training


def test_evaluating_nested_restores_first_mode():
    gate = Gate().train()
    with evaluating(gate):
        gate.open.set()
        assert as_predictor(gate).predict(X) == 0.0
        assert not gate.training
    assert gate.training


def test_evaluating_restores_mode_of_each_part():
    module = nn.Sequential(nn.Linear(2, 2).eval(), nn.Sequential(nn.ReLU()).train()).train()
    module[0].eval()
    found = [part.training for part in module.modules()]
    with evaluating(module):
        assert not any(part.training for part in module.modules())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), evaluating(module):
        module(torch.zeros(1, 3))
    assert [part.training for part in module.modules()] == found == [True, False, True, True]
    assert not torch_functional._TRAINING._original
    assert not torch_functional._TRAINING._n_holders


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_n_jobs_keeps_mode_and_values(backend):
    from joblib import parallel_config

    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Dropout(0.5), nn.Linear(8, 3)).train()
    alone, shared = (
        OcclusionExplainer(module, masker=SlidingWindow(2, 1), n_jobs=n_jobs).fit(PICTURES)
        for n_jobs in (1, 2)
    )
    with parallel_config(backend):
        found = shared.explain(PICTURES).values
    np.testing.assert_allclose(found, alone.explain(PICTURES).values, atol=1e-6)
    assert all(part.training for part in module.modules())


def test_gradients_can_be_part_of_a_loss():
    """Of f(x) = w . x**2, the gradient by x is 2 w x, and the squared gradient's by w 8 w x**2."""
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]], dtype=torch.float64, requires_grad=True)
    outputs = torch.stack([(x**2) @ weights, x.sum(dim=1)], dim=1)
    columns = torch.tensor([[0, 1], [0, 1]])
    gradients = torch_functional.input_gradients(outputs, x, columns, create_graph=True)
    assert torch.equal(gradients[..., 0], 2 * weights * x)
    assert torch.equal(gradients[..., 1], torch.ones_like(x))
    (gradients[..., 0] ** 2).sum().backward()
    torch.testing.assert_close(weights.grad, (8 * weights * x**2).sum(dim=0))


@pytest.mark.parametrize("module", [nn.Sequential(nn.Linear(2, 2), nn.GRU(2, 2)), nn.Linear(2, 2)])
def test_recurrent_layers_on_a_gpu_are_differentiated_without_cudnn(module):
    is_recurrent = not isinstance(module, nn.Linear)
    with torch_functional.recurrent_gradients(module, torch.device("cuda")):
        assert torch.backends.cudnn.enabled != is_recurrent
    with torch_functional.recurrent_gradients(module, torch.device("cpu")):
        assert torch.backends.cudnn.enabled
    with pytest.raises(ArithmeticError), torch_functional.recurrent_gradients(module, torch.device("cuda")):
        raise ArithmeticError
    assert torch.backends.cudnn.enabled
