"""A network whose gradients are relevance over input, and relevance of its outputs. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from agnostix.exceptions import DataError
from agnostix.neural.backward_rules import interpreted
from agnostix.neural.lrp.box import Box
from agnostix.neural.lrp.composites import Composite
from agnostix.neural.lrp.conservation import CAUSES, Conservation
from agnostix.neural.lrp.direct import Bounds, DirectOperations, Reached
from agnostix.neural.lrp.propagation import RelevanceMode
from agnostix.neural.network import failures_explained
from agnostix.neural.operations.derived import DerivedWeights
from agnostix.neural.operations.guard import find_unseen
from agnostix.neural.operations.network import LayerNames, PreparedNetwork
from agnostix.neural.operations.row_axis import RowAxis, find_row_axis


@dataclass(frozen=True)
class Relevance:
    """Relevance of the points of some rows for one output."""

    values: Any  # as the points
    absorbed: Any  # (n_rows, n_causes)
    largest_size: Any  # (n_rows,)


class RelevanceNetwork(PreparedNetwork):
    """A network in which relevance is propagated by the rules of a composite."""

    def __init__(
        self,
        session: Any,
        dtype: Any,
        target: str,
        layer: Any,
        name: str,
        owner: str,
        composite: Composite,
        attention: str,
        absorbs_bias: bool,
        row_axes: Sequence[RowAxis | None] | None = None,
        box: Box | None = None,
        n_direct: int = 0,
    ) -> None:
        super().__init__(session, dtype, target, layer, name, owner)
        self.composite = composite
        self._attention = attention
        self._absorbs_bias = absorbs_bias
        self._row_axes = row_axes
        self._box = box
        self.n_model_rows = 0  # that operations were run on
        self._n_direct = n_direct  # as an earlier pass had them
        self._bounds: list[Bounds] | None = None
        self._derived = DerivedWeights()
        self._names = LayerNames(session) if composite.needs_layers else None
        self.conservation: Conservation
        self._direct: DirectOperations
        self._scale: Any = None  # of the gradient by points, with direct rules

    def scores(self, points: Any, X: Any) -> Any:
        """Scores (n_rows, n_outputs) of points with the graph of the rules; DataError names what has none."""
        if self._n_direct and self._bounds is None:
            self._bounds = self._find_bounds(points, X)
        scores = self._evaluate(points, X)
        if self.has_direct and self._bounds is None:
            self._n_direct = self.n_direct
            self._bounds = self._find_bounds(points, X)
            scores = self._evaluate(points, X)
        unseen = find_unseen(scores.grad_fn)
        if unseen:
            raise DataError(refusal(self.owner, self.name, unseen))
        if self.has_direct:
            self._direct.check(scores)
            self._scale = self._direct.scales(points)
            self.conservation.ignore(self._direct.nodes_before)  # what comes to them is not times a gradient
        return scores

    @property
    def n_direct(self) -> int:
        """Operations of the last forward pass with rules that give relevance itself."""
        return len(self._direct.operations)

    @property
    def has_direct(self) -> bool:
        """Whether there were any."""
        return self.n_direct > 0

    def _evaluate(self, points: Any, X: Any) -> Any:
        """Scores, as far as the bounds of operations with direct rules are known."""
        self._direct = DirectOperations(self._bounds)
        self.n_model_rows += len(X)
        return self._run(points, X)

    def _run(self, points: Any, X: Any) -> Any:
        self.conservation = Conservation(len(points), self._row_axes, self._absorbs_bias)
        names = self._names
        mode = RelevanceMode(
            self.composite,
            self._attention,
            self.conservation,
            self._direct,
            self._derived,
            (lambda: "") if names is None else names.current,
        )
        with interpreted(), nullcontext() if names is None else names.watched(), mode:
            return self._score_points(points, X)

    def _find_bounds(self, points: Any, X: Any) -> list[Bounds]:
        """What the inputs of operations with direct rules are at the corners of the box, or at 0 and 1.

        The passes stop at these operations, and are no evaluations of the model.
        """
        some = points.detach()[:1]
        corners = torch.zeros_like(some), torch.ones_like(some)
        if self._box is not None:
            corners = self.points(self._box.low), self.points(self._box.high)
        found = []
        for corner in corners:
            self._direct = DirectOperations(n_wanted=self._n_direct)
            with suppress(Reached):
                self._run(corner.requires_grad_(), X[:1])
            found.append([one.input.value for one in self._direct.operations])
        return [Bounds(low.minimum(high), high.maximum(low)) for low, high in zip(*found, strict=True)]

    def relevance(self, scores: Any, points: Any, column: Any) -> Relevance:
        """Relevance of points for the scores (n_rows, n_outputs) in a column (n_rows,)."""
        chosen = torch.as_tensor(column, dtype=torch.int64, device=scores.device)[:, None]
        self.conservation.begin()
        with failures_explained():
            gradients = torch.autograd.grad(scores.gather(1, chosen).sum(), points, retain_graph=True)[0]
        if self.has_direct:
            values = gradients / torch.where(self._scale == 0, 1.0, self._scale)
        else:
            values = gradients * points
        zeros = torch.zeros(len(points), dtype=torch.float64, device=scores.device)
        absorbed, largest = self.conservation.absorbed, self.conservation.largest_size
        own = values.detach().abs().flatten(1).sum(dim=1).double()
        return Relevance(
            values.detach(),
            torch.stack([absorbed.get(cause, zeros) for cause in CAUSES], dim=1).detach(),
            own if largest is None else own.maximum(largest),
        )


def find_row_axes(network: RelevanceNetwork, rows: Any) -> list[RowAxis | None]:
    """Where the rows are in the outputs of operations, by a trial with one row and with two."""
    shapes = []
    for n in (1, 2):
        pair = np.concatenate([rows[:1]] * n)
        points = network.points(pair).requires_grad_()
        network.scores(points, pair)
        shapes.append([account.shape for account in network.conservation.accounts])
    if len(shapes[0]) != len(shapes[1]):
        return [None] * len(shapes[1])
    axes = [find_row_axis(one, two) for one, two in zip(*shapes, strict=True)]
    merged = {
        place: axis.axis
        for place, axis in enumerate(axes)
        if axis is not None and shapes[0][place][axis.axis] > 1
    }
    if merged:
        _settle_merged(network, points, pair, axes, merged)
    return axes


def _settle_merged(
    network: RelevanceNetwork, points: Any, pair: Any, axes: list[RowAxis | None], merged: dict[int, int]
) -> None:
    """Find whether rows are before or after what is merged into their axis: the second row is changed."""
    before = [network.conservation.accounts[place].output.detach().clone() for place in merged]
    changed = points.detach().clone()
    changed[1] = 0.9 * changed[1] + 0.1 * changed[1].roll(1) + 0.01
    network.scores(changed.requires_grad_(), pair)
    if len(network.conservation.accounts) != len(axes):
        axes[:] = [None] * len(axes)
        return
    for (place, axis), own in zip(merged.items(), before, strict=True):
        output = network.conservation.accounts[place].output.detach()
        if output.shape != own.shape:
            axes[place] = None
            continue
        moves = (output != own).movedim(axis, 0).flatten(1).any(dim=1)
        if moves[: len(moves) // 2].any():
            axes[place] = None if moves[::2].any() else RowAxis(axis, is_inner=True)


def refusal(owner: str, model: str, unseen: Any) -> str:
    """Message for operations without a rule, by name, and what to do about them."""
    hints = " ".join(dict.fromkeys(hint for hint in unseen.values() if hint))
    free = [name for name, hint in unseen.items() if not hint]
    way = ""
    if free:
        way = (
            "Write them by operations that have rules: linear ones, functions of one number that are finite "
            "at 0, products, softmax, normalization, pooling and changes of shape. SaliencyExplainer and "
            "IntegratedGradientsExplainer need no rules."
        )
    return (
        f"{owner} has no rule for operations that the network {model} runs: {', '.join(unseen)}. "
        f"{' '.join(filter(None, (hints, way)))}"
    )
