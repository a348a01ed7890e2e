"""A network whose points are its own input, after layout, range and normalization. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agnostix.exceptions import DataError
from agnostix.neural.network import Network


class PreparedNetwork(Network):
    """Scores of points in the units of the network's input, whose 0 is where relevance starts.

    Operations run uncompiled and in full precision, since rules need their operands.
    """

    def __init__(self, session: Any, dtype: Any, target: str, layer: Any, name: str, owner: str) -> None:
        super().__init__(session, dtype, target, layer)
        self.name = name  # of the model
        self.owner = owner  # the explainer
        session.run_eagerly()
        if str(session.dtype) in ("torch.float16", "torch.bfloat16"):
            raise DataError(
                f"{owner} needs single or double precision, and the model {name} computes in "
                f"{session.dtype}: shares of sums that nearly cancel are lost. Use "
                "as_predictor(copy.deepcopy(module).float())."
            )

    def points(self, X: Any) -> Any:
        """Rows X (n_rows, ...) as the network's input, images with channels first, or the layer's output."""
        if self.is_input:
            return self.session.prepare(self.session.rows(X), self._dtype).detach()
        return super().points(X)

    def _score_points(self, points: Any, X: Any) -> Any:
        """Scores of points, without the rules of a method."""
        return self._score(points) if self.is_input else Network.scores(self, points, X)


class LayerNames:
    """Which layer runs, by hooks on all of them."""

    def __init__(self, session: Any) -> None:
        self._layers = session.layers()
        self._running: list[str] = []

    def current(self) -> str:
        """Name of the innermost layer that runs; "" for none."""
        return self._running[-1] if self._running else ""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Context of a forward pass."""
        hooks = []
        for name, layer in self._layers.items():
            hooks.append(layer.register_forward_pre_hook(self._enter(name)))
            hooks.append(layer.register_forward_hook(self._leave))
        try:
            yield
        finally:
            self._running.clear()
            for hook in hooks:
                hook.remove()

    def _enter(self, name: str) -> Any:
        def enter(_layer: Any, _inputs: Any) -> None:
            self._running.append(name)

        return enter

    def _leave(self, _layer: Any, _inputs: Any, _output: Any) -> None:
        self._running.pop()
