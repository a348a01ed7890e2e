"""Relevance of a network's rows by `RelevanceMode` alone, with what is absorbed."""

from typing import NamedTuple

import torch

from agnostix.neural.lrp.composites import Composite
from agnostix.neural.lrp.conservation import Conservation
from agnostix.neural.lrp.direct import DirectOperations
from agnostix.neural.lrp.propagation import RelevanceMode
from agnostix.neural.operations.guard import find_unseen


class Pass(NamedTuple):
    """Relevance (n_rows, ...) of points, what all rows absorb by cause, and outputs (n_rows, ...)."""

    relevance: torch.Tensor
    absorbed: dict[str, float]
    outputs: torch.Tensor
    unseen: dict[str, str]

    @property
    def gap(self):
        """What is missing from the outputs, over the largest of its parts."""
        parts = [self.outputs.sum(), self.relevance.sum(), *self.absorbed.values()]
        size = max(1.0, self.relevance.abs().sum(), *(abs(float(part)) for part in parts))
        return abs(float(self.outputs.sum() - self.relevance.sum() - sum(self.absorbed.values()))) / size


def propagate(network, x, unit=1, composite="epsilon", attention="cp_lrp", bias=True):
    """Relevance for one output of rows; the sum of its outputs over all but the last axis."""
    points = torch.as_tensor(x).clone().requires_grad_()
    conservation = Conservation(1, None, bias)
    if isinstance(network, torch.nn.Module):
        network.requires_grad_(False)
    mode = RelevanceMode(Composite(composite, "LrpExplainer"), attention, conservation, DirectOperations())
    with mode:
        outputs = network(points)[..., unit]
    unseen = find_unseen(outputs.grad_fn)
    conservation.begin()
    (gradient,) = torch.autograd.grad(outputs.sum(), points)
    absorbed = {cause: float(one.sum()) for cause, one in conservation.absorbed.items()}
    return Pass((gradient * points).detach(), absorbed, outputs.detach(), dict(unseen))
