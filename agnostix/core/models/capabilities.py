"""What a model can do beyond predicting: compose masked rows itself, or differentiate its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from agnostix.core.masking.fills import SoftMaskBatch
from agnostix.core.typing import Bools, Codes, Floats


@runtime_checkable
class MaskComposer(Protocol):
    """A model that composes masked rows itself, for example where its network lives.

    Only the rows, the fill and the masks cross to it, not the masked rows.
    """

    def predict_masked(self, x: Any, masks: Bools | SoftMaskBatch, fill: Any, segments: Codes | None) -> Any:
        """Predict rows whose segments are replaced by a fill.

        Parameters
        ----------
        x : ndarray of shape (n_rows, ...)
            The rows.
        masks : ndarray of bool of shape (n_masks, n_segments), or SoftMaskBatch
            True for the segments that keep the row's own values. A SoftMaskBatch (from
            `RiseExplainer`) has a weight between 0 and 1 for each pixel:
            ``masks.to_array()`` has shape (n_masks, height, width).
        fill : ndarray of shape (n_rows or 1, n_fill, ...)
            What replaces the masked values, for each row or for all.
        segments : ndarray of int of shape (n_rows or 1, ...), or None
            The segment of each value of a row, or of its leading axes; None for a SoftMaskBatch.

        Returns
        -------
        ndarray of shape (n_rows, n_masks, n_fill) or (n_rows, n_masks, n_fill, n_outputs)
        """


class Session(Protocol):
    """A differentiable model that is ready for work on tensors, inside `Differentiable.session`."""

    def tensor(self, X: Any, requires_grad: bool = False) -> Any:
        """Rows as the model's input, on its device; requires_grad makes it a leaf to differentiate by.

        Parameters
        ----------
        X : ndarray of shape (n_rows, ...)
            Rows as `predict` takes them.
        requires_grad : bool, default=False
            Whether outputs will be differentiated by it.

        Returns
        -------
        tensor of shape (n_rows, ...)
            In the model's own layout and range: images have channels first and are normalized.
        """

    def predict(self, inputs: Any) -> Any:
        """Outputs of the model, with their graph.

        Parameters
        ----------
        inputs : tensor of shape (n_rows, ...)
            As `tensor` makes them.

        Returns
        -------
        tensor of shape (n_rows, n_outputs)
            After the response (softmax and so on), as `Predictor.predict` gives them.
        """

    def activations(self, *layers: Any) -> Mapping[Any, Any]:
        """Record what layers give from now on.

        Parameters
        ----------
        *layers : str or module
            Names as in ``module.named_modules()``, or the modules themselves.

        Returns
        -------
        mapping from each of the layers to a tensor
            Of the latest `predict`, part of its graph; empty before the first.
        """


@runtime_checkable
class Differentiable(Protocol):
    """A model whose outputs can be differentiated by its inputs."""

    def session(self) -> AbstractContextManager[Session]:
        """Make the model ready for work on tensors.

        Returns
        -------
        context manager of Session
            Inside, the model is in evaluation mode and its parameters need no gradients. On exit,
            also after an exception, hooks are removed and modes and flags restored.
        """

    def gradients(self, X: Any, outputs: Any) -> Floats:
        """Differentiate outputs by the rows.

        Parameters
        ----------
        X : ndarray of shape (n_rows, ...)
            Rows as `predict` takes them.
        outputs : int, or ndarray of int of shape (n_rows,) or (n_rows, n_selected)
            Which outputs: one for all rows, one for each, or several for each.

        Returns
        -------
        ndarray of X's shape, or X.shape + (n_selected,)
            Change of the output per unit of X, in X's own range and layout.
        """

    def activations(self, X: Any, layers: Sequence[Any]) -> dict[Any, Floats]:
        """Compute what layers give for the rows.

        Parameters
        ----------
        X : ndarray of shape (n_rows, ...)
            Rows as `predict` takes them.
        layers : sequence of str or module
            Names as in ``module.named_modules()``, or the modules themselves.

        Returns
        -------
        dict from each of the layers to an ndarray of shape (n_rows, ...)
        """


@runtime_checkable
class Configured(Protocol):
    """A model that was wrapped with settings, which explanations report."""

    def prediction_params(self) -> dict[str, Any]:
        """Settings that predictions depend on.

        Returns
        -------
        dict of str to plain values
        """


NEEDS: dict[type, tuple[str, str]] = {
    MaskComposer: (
        "a model that composes masked rows itself",
        "Wrap a torch module with as_predictor(module), or give the callable a method "
        "predict_masked(x, masks, fill, segments).",
    ),
    Differentiable: ("gradients", "Pass a torch module, or wrap one with as_predictor(module)."),
}
"""What each capability is called in messages, and how to get it."""
