"""A double of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from agnostix.core.typing import Floats

_STEP = 1e-4


@dataclass(frozen=True)
class ImageModel:
    """A model of tables as one of images, with a column for each pixel; it can be differentiated.

    Gradients are central differences, pixel by pixel, so that a row's are the
    same to the bit in any batch, and 0 where a pixel is ignored. The model
    itself evaluates the rows once for them.

    Parameters
    ----------
    model : callable
        What answers, from (n_rows, n_columns).

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
        """Differentiate all outputs; this is not counted, and does not fail where the model does.

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
        flat, columns = X.reshape(len(X), -1), []
        for pixel in range(flat.shape[1]):
            low, high = flat.astype(float), flat.astype(float)
            low[:, pixel] -= _STEP
            high[:, pixel] += _STEP
            rise = np.asarray(model(high)) - np.asarray(model(low))
            columns.append(rise.reshape(len(flat), -1) / (2.0 * _STEP))
        return np.stack(columns, axis=1).reshape(*X.shape, -1)

    def session(self) -> NoReturn:
        """There are no tensors here."""
        raise NotImplementedError("ImageModel has gradients alone.")

    def activations(self, X: Any, layers: Sequence[Any]) -> NoReturn:
        """There are no layers here.

        Parameters
        ----------
        X : ndarray of shape (n_rows, height, width)
            The images.
        layers : sequence
            None.
        """
        raise NotImplementedError("ImageModel has gradients alone.")
