"""Work on a torch module's tensors, with hooks that end with the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from agnostix.core.models.torch_failures import check_passes_gradients
from agnostix.core.models.torch_functional import (
    add_hook,
    check_not_scripted,
    record_output,
    recurrent_gradients,
)

if TYPE_CHECKING:
    from agnostix.core.models.torch_model import TorchModel


class TorchSession:
    """What `TorchModel.session` gives, see `agnostix.core.models.capabilities.Session`."""

    def __init__(self, model: TorchModel, hooks: ExitStack) -> None:
        self._model = model
        self._hooks = hooks
        self._observes = False

    @property
    def dtype(self) -> Any:
        """Precision in which the module computes."""
        return self._model.computed_in

    def tensor(self, X: Any, requires_grad: bool = False) -> Any:
        """Rows as the module's input, on its device; requires_grad makes it a leaf to differentiate by."""
        return self._model.to_tensor(X).requires_grad_(requires_grad)

    def rows(self, X: Any) -> Any:
        """Rows on the module's device, in the layout and units of X."""
        self._model.to_tensor(X)  # or an error, if they are out of range
        return self._model.load(X)

    def prepare(self, rows: Any, dtype: Any) -> Any:
        """Rows as `rows` gives them of an array of some dtype, or others, as the module's input."""
        return self._model.prepare(rows, dtype, are_rows=False)

    def predict(self, inputs: Any) -> Any:
        """Outputs (n_rows, n_outputs) after the activation, with their graph."""
        return self._run(inputs, activated=True)

    def score(self, inputs: Any) -> Any:
        """Outputs (n_rows, n_outputs) before the activation, such as logits, with their graph."""
        return self._run(inputs, activated=False)

    def activate(self, scores: Any) -> Any:
        """Outputs after the activation, from those before."""
        return self._model.activate(scores)

    def in_batches(self, X: Any, compute: Callable[[slice], Any], n_each: int = 1) -> list[Any]:
        """Results of compute for slices of X that leave memory for the graphs of n_each rows a row."""
        size = max(1, self._model.graph_rows(X) // n_each)
        return self._model.in_batches(len(X), size, compute)

    def layers(self) -> dict[str, Any]:
        """Layers that run, by name; one that is used under several names has the first."""
        return dict(self._model.observed.named_modules())

    def run_eagerly(self) -> None:
        """Run the module's own operations from now on, not compiled ones; DataError if they are not there."""
        self._observes = True
        check_not_scripted(self._model.module, "operations")

    @contextmanager
    def replaced(self, layer: Any, output: Any) -> Iterator[None]:
        """Let a layer, by its name or the module itself, give this output instead of its own."""
        self._observes = True
        remove = add_hook(self._model.find_layer(layer), lambda *_: output.clone())
        try:
            yield
        finally:
            remove()

    def _run(self, inputs: Any, activated: bool) -> Any:
        # A clone, so that an in-place operation at the module's start leaves the caller's tensor alone.
        with recurrent_gradients(self._model.module, inputs.device):
            outputs = self._model.forward(inputs.clone(), eager=self._observes, activated=activated)
        check_passes_gradients(self._model.module, inputs, outputs)
        return outputs

    def activations(self, *layers: Any) -> Mapping[Any, Any]:
        """Outputs of layers, by the names or modules given: those of the latest `predict`, in its graph."""
        recorded: dict[Any, Any] = {}
        for layer in layers:
            hook = record_output(recorded, layer)
            self._hooks.callback(add_hook(self._model.find_layer(layer), hook))
            self._observes = True
        return recorded
