"""What a model can do beyond predicting: compose masked rows itself, or differentiate its outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from agnostix.core.masking.fills import SoftMaskBatch
from agnostix.core.typing import Bools, Codes, Floats


@runtime_checkable
class MaskComposer(Protocol):
    """A model that composes masked rows itself, so that only rows, fill and masks cross to its device."""

    def predict_masked(self, x: Any, masks: Bools | SoftMaskBatch, fill: Any, segments: Codes | None) -> Any:
        """Predictions (n_rows, n_masks, n_fill[, n_outputs]) of rows x (n_rows, ...) under masks.

        Bool masks (n_masks, n_segments) are True for the segments that keep the row's own values; `segments`
        (n_rows or 1, ...) has the segment of each value of a row, or of its leading axes. A SoftMaskBatch has
        a weight between 0 and 1 for each pixel, and segments is None. `fill` (n_rows or 1, n_fill, ...)
        replaces masked values, for each row or for all.
        """


class Session(Protocol):
    """A differentiable model that is ready for work on tensors, inside `Differentiable.session`."""

    @property
    def dtype(self) -> Any:
        """Precision in which the model computes."""

    def tensor(self, X: Any, requires_grad: bool = False) -> Any:
        """Rows (n_rows, ...) as the model's input, on its device, and if asked for a leaf of the graph."""

    def rows(self, X: Any) -> Any:
        """Rows (n_rows, ...) on the model's device, in the layout and units of X."""

    def prepare(self, rows: Any, dtype: Any) -> Any:
        """Rows as `rows` gives them of an array of some dtype, as the model's input. Differentiable."""

    def predict(self, inputs: Any) -> Any:
        """Outputs (n_rows, n_outputs) for inputs as `tensor` or `prepare` make them, with their graph."""

    def score(self, inputs: Any) -> Any:
        """The same before the activation, such as logits."""

    def activate(self, scores: Any) -> Any:
        """Outputs after the activation, from those before."""

    def in_batches(
        self, X: Any, compute: Callable[[slice], Any], n_each: int = 1, n_numbers: int = 0
    ) -> list[Any]:
        """Results of compute for slices of X that leave memory for the graphs of n_each rows a row.

        n_numbers are those of a row's gradients, which come beside the graph.

        When memory runs out, a slice is halved and computed again.
        """

    def layers(self) -> Mapping[str, Any]:
        """Layers by name."""

    def find_layer(self, layer: Any) -> Any:
        """A layer, by its name or the module itself."""

    def run_eagerly(self) -> None:
        """Run the model's own operations from now on, as hooks on its graph need, not compiled ones."""

    def replace(self, layer: Any, output: Any) -> Callable[[], int]:
        """Let a layer, by its name or the module itself, give another output, or None for its own again.

        It does so until the session ends, since checkpoints run again for gradients. The result counts its
        uses so far.
        """

    def activations(self, *layers: Any) -> Mapping[Any, Any]:
        """Outputs of layers, by the names or modules given: those of the latest `predict`, in its graph."""


@runtime_checkable
class Differentiable(Protocol):
    """A model whose outputs can be differentiated by its inputs."""

    def session(self) -> AbstractContextManager[Session]:
        """Context of work on tensors; on exit, also after an exception, the model is as before."""

    def gradients(self, X: Any, outputs: Any) -> Floats:
        """Gradients of outputs by the rows X (n_rows, ...), per unit of X.

        outputs: an int for all rows, or ints (n_rows,) or (n_rows, n_selected). Shape as X, and for several
        outputs a last axis (n_selected,).
        """

    def activations(self, X: Any, layers: Sequence[Any]) -> dict[Any, Floats]:
        """Outputs (n_rows, ...) of layers, by the names or modules given."""


@runtime_checkable
class Configured(Protocol):
    """A model that was wrapped with settings, which explanations report."""

    def prediction_params(self) -> dict[str, Any]:
        """Settings that predictions depend on, as plain values."""


NEEDS: dict[type, tuple[str, str]] = {
    MaskComposer: (
        "a model that composes masked rows itself",
        "Wrap a torch module with as_predictor(module), or give the callable a method "
        "predict_masked(x, masks, fill, segments).",
    ),
    Differentiable: (
        "gradients",
        "Pass a torch module, or wrap one with as_predictor(module). OcclusionExplainer, KernelShapExplainer "
        "and LimeExplainer need predictions alone.",
    ),
}
"""What each capability is called in messages, and how to get it."""
