"""A torch network inside a session: scores, and gradients at rows or at a layer. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from agnostix.core.evaluate import describe_error
from agnostix.core.models.torch_failures import is_out_of_memory
from agnostix.core.models.torch_functional import input_gradients
from agnostix.exceptions import DataError, EngineError, ModelOutputError

REENTRANT = "it has a reentrant checkpoint. Use checkpoint(..., use_reentrant=False)."
_NOT_DIFFERENTIABLE = {
    "modified by an inplace operation": "it writes over a tensor that its gradients need, as "
    "y = torch.relu(x); y += z does. Write y = y + z.",
    "use_reentrant": REENTRANT,
    "not compatible with .grad()": REENTRANT,
    "recomputation": "a checkpoint runs a part of it again, in which layer='auto' does not find feature "
    "maps. Name their layer: layer='name', or a module.",
    "is not implemented": "one of its operations has no derivative in torch. Write it by others.",
}
"""What messages of torch say of networks that run and have no gradients."""
_CHANNELS_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding)
"""Modules whose outputs have channels as their second, or as their last axis."""


class Network:
    """Scores of rows, and where their gradients are taken.

    Without a layer, points are the rows in the layout and units of X, so that gradients are per unit of X.
    With a layer they are its outputs: of an embedding, where rows of token ids have no gradient.
    """

    def __init__(self, session: Any, dtype: Any, target: str, layer: Any = None) -> None:
        self.session = session
        self._dtype = dtype  # of the array of rows: uint8 has a range of its own
        self._score = session.score if target == "logits" else session.predict
        self._is_predicted = target == "predictions"
        self._layer = layer
        self._recorded: Any = None if layer is None else session.activations(layer)

    @property
    def is_input(self) -> bool:
        """Whether points are the rows themselves."""
        return self._layer is None

    def points(self, X: Any) -> Any:
        """Rows X (n_rows, ...) as a tensor, or what the layer gives for them."""
        if self._layer is None:
            return self.session.rows(X)
        with torch.no_grad():
            self._score_through(None, X)
        return self._recorded[self._layer].detach()

    def scores(self, points: Any, X: Any) -> Any:
        """Scores (n_rows, n_outputs) of points, with their graph; X are the rows that come to the layer."""
        if self._layer is None:
            return self._score(self.session.prepare(points, self._dtype))
        scores = self._score_through(points, X)
        if points.requires_grad and not scores.requires_grad:
            raise DataError(
                f"The scores do not depend on the output of layer {self._layer!r}. Name a layer between the "
                "input and the output."
            )
        return scores

    def _score_through(self, points: Any, X: Any) -> Any:
        """Scores of rows X where the layer gives points, or its own output for None."""
        count = self.session.replace(self._layer, points)
        scores = self._score(self.session.tensor(X))
        if count() == 0:
            raise DataError(unused(self._layer))
        if count() > 1:
            raise DataError(
                f"Layer {self._layer!r} is used {count()} times in a forward pass, and has as many outputs. "
                "Name a layer that is used once, or give each use a module of its own."
            )
        return scores

    def check(self, X: Any) -> None:
        """Raise an error if rows X (n_rows, ...) cannot be differentiated as the method needs it."""

    def predictions(self, scores: Any) -> Any:
        """Predictions (n_rows, n_outputs) from scores, after the activation."""
        detached = scores.detach()
        return detached if self._is_predicted else self.session.activate(detached)

    def gradients(self, scores: Any, points: Any, columns: Any) -> Any:
        """Gradients points.shape + (n_selected,) of the scores in columns (n_rows, n_selected)."""
        selected = torch.as_tensor(columns, dtype=torch.int64, device=scores.device)
        with failures_explained():
            return input_gradients(scores, points, selected)


@contextmanager
def failures_named(model: str, first: int, last: int) -> Iterator[None]:
    """Context in which the model runs: EngineError names the rows where it fails, unless memory runs out."""
    try:
        yield
    except (DataError, EngineError, ModelOutputError):
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise
        rows = f"rows {first} to {last}" if last > first else f"row {first}"
        raise EngineError(f"The model {model} failed on {rows}: {describe_error(error)}") from error


@contextmanager
def failures_explained() -> Iterator[None]:
    """Context in which gradients are computed: DataError says why a network has none."""
    try:
        yield
    except RuntimeError as error:
        for sign, explanation in _NOT_DIFFERENTIABLE.items():
            if sign in str(error):
                raise not_differentiable(explanation) from error
        raise


def describe_layer(session: Any, layer: Any, n_axes: int) -> tuple[str, bool]:
    """Name of a layer, and whether its output, of so many axes, has channels as the last one.

    Of three axes that is said by the last module up to the layer of a kind that tells.
    """
    modules = session.layers()
    own = session.find_layer(layer)
    name = next(name for name, one in modules.items() if one is own) or type(own).__name__
    if n_axes != 3:
        return name, type(own) in _CHANNELS_LAST
    listed, inner = list(modules.values()), list(own.modules())
    end = 1 + max(i for i, one in enumerate(listed) if any(one is part for part in inner))
    kinds = _CHANNELS_FIRST + _CHANNELS_LAST
    telling = next((one for one in reversed(listed[:end]) if isinstance(one, kinds)), None)
    return name, not isinstance(telling, _CHANNELS_FIRST)


def unused(layer: Any) -> str:
    """Message for a layer of which there is no output."""
    name = layer if isinstance(layer, str) else type(layer).__name__
    return f"Layer {name!r} is not called in a forward pass. Name another layer."


def not_differentiable(explanation: str) -> DataError:
    """DataError that says why a network has no gradients."""
    return DataError(f"torch cannot differentiate the network: {explanation}")
