"""A torch module in evaluation mode, for work on tensors: outputs, gradients and activations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch

from agnostix.core.models.torch_failures import check_passes_gradients
from agnostix.exceptions import DataError

if TYPE_CHECKING:
    from agnostix.core.models.torch_model import TorchModel

_N_LAYERS_NAMED = 10
"""Layers that a message lists."""


class _SharedFlags:
    """A boolean attribute that threads and nested blocks override: the last one to leave restores it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._original: dict[int, bool] = {}
        self._n_holders: dict[int, int] = {}

    @contextmanager
    def held(self, owners: Iterable[Any]) -> Iterator[None]:
        """Remember the attribute of each owner, and restore it on exit where nobody else holds it."""
        owners = list(owners)
        with self._lock:
            for owner in owners:
                self._original.setdefault(id(owner), getattr(owner, self._name))
                self._n_holders[id(owner)] = self._n_holders.get(id(owner), 0) + 1
        try:
            yield
        finally:
            with self._lock:
                for owner in owners:
                    self._n_holders[id(owner)] -= 1
                    if self._n_holders[id(owner)] == 0:
                        del self._n_holders[id(owner)]
                        setattr(owner, self._name, self._original.pop(id(owner)))


# Global, since a module may be wrapped more than once, and two modules may share layers; empty at rest.
_TRAINING = _SharedFlags("training")
_REQUIRES_GRAD = _SharedFlags("requires_grad")


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Put a module in evaluation mode; each layer's own mode is restored on exit."""
    with _TRAINING.held(module.modules()):
        module.eval()
        yield


@contextmanager
def frozen(module: Any) -> Iterator[None]:
    """Let a module's parameters need no gradients; each one's own flag is restored on exit."""
    parameters = list(module.parameters())
    with _REQUIRES_GRAD.held(parameters):
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield


class TorchSession:
    """What `TorchModel.session` gives, see `agnostix.core.models.capabilities.Session`."""

    def __init__(self, model: TorchModel, hooks: ExitStack) -> None:
        self._model = model
        self._hooks = hooks
        self._observes = False

    def tensor(self, X: Any, requires_grad: bool = False) -> Any:
        """Rows as the module's input, on its device; requires_grad makes it a leaf to differentiate by."""
        return self._model.to_tensor(X, self._model.dtype).requires_grad_(requires_grad)

    def predict(self, inputs: Any) -> Any:
        """Outputs (n_rows, n_outputs) after the activation, with their graph."""
        # A clone, so that an in-place operation at the module's start leaves the caller's tensor alone.
        outputs = self._model.forward(inputs.clone(), eager=self._observes)
        check_passes_gradients(self._model.module, inputs, outputs)
        return outputs

    def activations(self, *layers: Any) -> Mapping[Any, Any]:
        """Outputs of layers, by the names or modules given: those of the latest `predict`, in its graph."""
        recorded: dict[Any, Any] = {}
        for layer in layers:
            hook = _recorder(recorded, layer)
            self._hooks.callback(self._model.find_layer(layer).register_forward_hook(hook).remove)
            self._observes = True
        return recorded


def _recorder(recorded: dict[Any, Any], layer: Any) -> Any:
    def record(_module: Any, _inputs: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor):
            raise DataError(
                f"Layer {layer!r} gives a {type(output).__name__}, and activations need one tensor. Name a "
                "layer inside it, or wrap it in a module that returns the tensor."
            )
        if torch.is_grad_enabled() and not output.requires_grad and output.is_floating_point():
            # Nothing before the layer has a graph (an Embedding's input is whole numbers): it starts here.
            output = output.detach().requires_grad_()
        recorded[layer] = output
        return output.clone()  # a later in-place operation (ReLU) must not change what is recorded

    return record


def find_layer(module: Any, layer: Any, called: str) -> str:
    """Name of a layer, given by its name or as the module itself."""
    if isinstance(module, torch.jit.ScriptModule):
        raise DataError(
            f"The module {called} is compiled to TorchScript, whose layers cannot be observed. Pass the "
            "module it was made from."
        )
    parts = dict(module.named_modules(remove_duplicate=False))
    names = [name for name, part in parts.items() if layer in (name, part)]
    if not names:
        listed = ", ".join(map(repr, list(parts)[1 : _N_LAYERS_NAMED + 1]))
        more = ", ..." if len(parts) > _N_LAYERS_NAMED + 1 else ""
        wanted = layer if isinstance(layer, str) else type(layer).__name__
        raise DataError(f"The module {called} has no layer {wanted!r}. It has: {listed}{more}.")
    return names[0]
