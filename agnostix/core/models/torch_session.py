"""Work on a torch module's tensors, with hooks that end with the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
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
        self._replacements: dict[Any, _Replacement] = {}

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

    def in_batches(
        self, X: Any, compute: Callable[[slice], Any], n_each: int = 1, n_numbers: int = 0
    ) -> list[Any]:
        """Results of compute for slices that leave memory for n_each graphs and n_numbers of gradients."""
        size = max(1, self._model.graph_rows(X, n_numbers) // n_each)
        return self._model.in_batches(len(X), size, compute)

    def layers(self) -> dict[str, Any]:
        """Layers that run, by name; one that is used under several names has the first."""
        return dict(self._model.observed.named_modules())

    def find_layer(self, layer: Any) -> Any:
        """A layer that runs, by its name or the module itself; DataError, which lists them, for none."""
        return self._model.find_layer(layer)

    def run_eagerly(self) -> None:
        """Run the module's own operations from now on, not compiled ones; DataError if they are not there."""
        self._observes = True
        check_not_scripted(self._model.module, "operations")

    def replace(self, layer: Any, output: Any) -> Callable[[], int]:
        """Let a layer give this output from now on, or its own for None; a function that counts its uses."""
        self._observes = True
        if layer not in self._replacements:
            self._replacements[layer] = _Replacement()
            self._hooks.callback(add_hook(self.find_layer(layer), self._replacements[layer]))
        replacement = self._replacements[layer]
        replacement.output, replacement.n_uses = output, 0
        return lambda: replacement.n_uses

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
            self._hooks.callback(add_hook(self.find_layer(layer), hook))
            self._observes = True
        return recorded


class _Replacement:
    """Forward hook that gives another output, if it has one, and counts the uses of its layer."""

    def __init__(self) -> None:
        self.output: Any = None
        self.n_uses = 0

    def __call__(self, _layer: Any, _inputs: Any, _output: Any) -> Any:
        self.n_uses += 1
        return None if self.output is None else self.output.clone()
