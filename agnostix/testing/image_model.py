"""A model of images with gradients, made of a model of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from unittest import SkipTest

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import DataError

_STEP = 1e-4
_BATCH_ROWS = 64
"""Rows at a time whose differences are kept."""


@dataclass(frozen=True)
class ImageModel:
    """A model of tables as a differentiable model of images, with one column for each pixel.

    Gradients are central differences, pixel by pixel: equal to the bit in any
    batch, and 0 where a pixel is ignored. The model evaluates each row once
    for them, as a network does in its forward pass. In `session`, which needs
    torch, predictions are tensors with those gradients, and the image is the one
    feature map.

    Parameters
    ----------
    model : callable
        Predicts from (n_rows, n_columns).
    has_operations : bool, default=False
        Whether predictions in `session` are made of operations of torch, for
        explainers that compare those of two rows; a double of this package.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, ImageModel
    >>> model = ImageModel(AdditiveModel())
    >>> model(np.ones((1, 2, 2)))
    array([2.5])
    >>> model.gradients(np.ones((1, 2, 2)), 0).round(6)
    array([[[ 1. , -2. ],
            [ 0.5,  3. ]]])
    """

    model: Callable[[Any], Any]
    has_operations: bool = False

    def __call__(self, X: Any) -> Any:
        return self.model(X.reshape(len(X), -1))

    @property
    def __name__(self) -> str:
        """The name of the model in messages."""
        return type(self.model).__name__

    def gradients(self, X: Any, outputs: Any) -> Floats:
        """Differentiate outputs by the pixels.

        Parameters
        ----------
        X : ndarray of shape (n_rows, height, width)
            The images.
        outputs : int, or ndarray of int of shape (n_rows,) or (n_rows, n_selected)
            Which outputs.

        Returns
        -------
        ndarray of shape (n_rows, height, width), or with n_selected at its end
        """
        self(X.copy())
        outputs = np.asarray(outputs)
        indices = np.broadcast_to(outputs, (len(X), *outputs.shape[1:])).reshape(len(X), -1)
        gradients = np.take_along_axis(self.jacobian(X), indices[:, None, None], axis=-1)
        return gradients if outputs.ndim == 2 else gradients[..., 0]

    def jacobian(self, X: Any) -> Floats:
        """Differentiate all outputs; these evaluations are not counted, and do not fail.

        Parameters
        ----------
        X : ndarray of shape (n_rows, height, width)
            The images.

        Returns
        -------
        ndarray of shape (n_rows, height, width, n_outputs)
        """
        model: Any = self.model
        while hasattr(model, "model"):
            model = model.model
        flat = X.reshape(len(X), 1, -1).astype(float)
        shifts = _STEP * np.eye(flat.shape[-1])
        low, high = (
            np.asarray(model(rows.reshape(-1, flat.shape[-1]))) for rows in (flat - shifts, flat + shifts)
        )
        return ((high - low) / (2.0 * _STEP)).reshape(*X.shape, -1)

    @contextmanager
    def session(self) -> Iterator[_Session]:
        """Give tensors in and out, as `agnostix.core.models.Differentiable` has it.

        Yields
        ------
        Session

        Raises
        ------
        unittest.SkipTest
            If torch is not installed.
        """
        try:
            import torch  # noqa: F401
        except ImportError:
            raise SkipTest("torch is not installed") from None
        yield _Session(self)

    def activations(self, X: Any, layers: Sequence[Any]) -> NoReturn:
        """Refuse: the model has no layers.

        Parameters
        ----------
        X : ndarray of shape (n_rows, height, width)
            The images.
        layers : sequence
            Any.
        """
        raise DataError("ImageModel has no layers.")


@dataclass(frozen=True)
class _Session:
    """An `ImageModel` on tensors (n_rows, 1, height, width)."""

    model: ImageModel

    def tensor(self, X: Any, requires_grad: bool = False) -> Any:
        """Images (n_rows, height, width) with a channel axis, in double precision."""
        import torch

        return torch.tensor(np.asarray(X, dtype=float)[:, None], requires_grad=requires_grad)

    @property
    def dtype(self) -> Any:
        """Double precision."""
        import torch

        return torch.float64

    def rows(self, X: Any) -> Any:
        """Images (n_rows, height, width) in double precision."""
        return self.tensor(X)[:, 0]

    def prepare(self, rows: Any, dtype: Any) -> Any:
        """Images as `predict` takes them."""
        return rows[:, None]

    def score(self, inputs: Any) -> Any:
        """Predictions: there is no activation."""
        return self.predict(inputs)

    def activate(self, scores: Any) -> Any:
        """Predictions, as they are."""
        return scores

    def in_batches(
        self, X: Any, compute: Callable[[slice], Any], n_each: int = 1, n_numbers: int = 0
    ) -> list[Any]:
        """Results of compute for slices of few rows."""
        size = max(1, _BATCH_ROWS // n_each)
        return [compute(slice(start, min(start + size, len(X)))) for start in range(0, len(X), size)]

    def layers(self) -> Mapping[str, Any]:
        """None by name."""
        return {}

    def run_eagerly(self) -> None:
        """Change nothing: the model is not compiled."""

    def replace(self, layer: Any, output: Any) -> NoReturn:
        """Refuse: the model has no layers."""
        raise DataError("ImageModel has no layers.")

    def predict(self, inputs: Any) -> Any:
        """Predictions (n_rows, n_outputs); their graph is linear, with the model's Jacobian."""
        import torch

        maps = torch.conv2d(inputs, torch.ones_like(inputs[:1, :, :1, :1]))  # the one layer, of weight 1
        X = maps.detach().double().numpy()[:, 0]
        predictions = torch.as_tensor(np.asarray(self.model(X.copy())).reshape(len(X), -1)).to(inputs.dtype)
        if not maps.requires_grad:
            return predictions
        if self.model.has_operations and predictions.isfinite().all():
            from agnostix.testing.image_operations import evaluate

            return evaluate(self.model, maps.flatten(1).unbind(dim=1))
        jacobian = torch.as_tensor(self.model.jacobian(X)).to(inputs.dtype).flatten(1, 2)
        pixels = maps.flatten(1)
        # Adds 0 in the forward pass, and the gradients in the backward pass.
        own = torch.as_tensor(X.reshape(pixels.shape)).to(inputs.dtype)
        return predictions + (jacobian * (pixels - own)[:, :, None]).sum(dim=1)

    def activations(self, *layers: Any) -> Mapping[Any, Any]:
        """Nothing for no layers, and else refuse: layers have no names. The image is the one feature map."""
        if layers:
            raise DataError("ImageModel has no layers.")
        return {}
