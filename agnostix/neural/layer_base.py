"""Base of the explainers of the input or of a layer: what their values are of, by the layer's output."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.base import Attribution, OutputSelection
from agnostix.core.explanation import Explanation
from agnostix.core.explanation.fields import LAYER
from agnostix.core.models import Differentiable, Predictor
from agnostix.core.sklearn_compat import HasMethods, StrOptions
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.neural.base import NetworkExplainer, as_array
from agnostix.neural.layer_axes import Axes, LayerAxes, read_layer_axes

_N_TRIED = 3
"""Copies of a row that tell where rows are in a layer's output."""


class LayerExplainer(NetworkExplainer):
    """Base of explainers whose values are of the network's input, or of what a layer gives for it.

    "Points" are the rows, or what the layer gives for them.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkExplainer._parameter_constraints,
        "layer": [str, HasMethods("forward"), None],
        "layer_values": [StrOptions({"places", "channels"})],
    }
    layer_values: str
    _layer_axes: LayerAxes | None = None

    @property
    def _dims(self) -> tuple[str, ...]:
        return super()._dims if self._layer_axes is None else ("row", *self._layer_axes.dims, "output")

    @property
    def _has_own_units(self) -> bool:
        """Whether values are of the layer's units, not of columns or pixels."""
        return self._layer_axes is not None and not self._layer_axes.is_of_input

    def _begin_fit(self) -> None:
        super()._begin_fit()
        self._layer_axes = None
        if self.layer is None and self.layer_values != "places":
            raise DataError(
                f"The 'layer_values' parameter of {type(self).__name__} is for layer=, got "
                f"layer_values={self.layer_values!r} and layer=None. Name a layer, or leave layer_values out."
            )

    def _try_model(
        self, predictor: Predictor, rows: Any, remember: bool = True, others: Any = None
    ) -> Floats:
        predictions = super()._try_model(predictor, rows, remember, others)
        if self.layer is not None:
            self._layer_axes = self._read_layer_axes(as_array(rows)[:1])
        return predictions

    def _read_layer_axes(self, row: Any) -> LayerAxes:
        """Axes of the layer's output, from a pass of one row; DataError where rows are not its first."""
        from agnostix.neural.network import Network, describe_layer, failures_named  # these import torch

        model = self._predictor.require(Differentiable, by=type(self).__name__)
        with model.session() as session, failures_named(self._predictor.name, 0, 0):
            network = Network(session, row.dtype, self.target, self.layer)
            points = network.points(np.concatenate([row] * _N_TRIED))
            shape = tuple(points.shape)
            name, has_channels_last = describe_layer(session, self.layer, len(shape))
        if len(shape) < 2 or shape[0] != _N_TRIED or not points.is_floating_point():
            raise DataError(
                f"Layer {name!r} gives a tensor of {points.dtype} of shape {shape} for {_N_TRIED} rows; "
                f"{type(self).__name__} needs floats of shape (n_rows, ...). Name another layer, or build a "
                "recurrent or attention layer with batch_first=True."
            )
        return read_layer_axes(name, shape[1:], row.shape, has_channels_last, self.layer_values)

    def _count_numbers(self, array: Any) -> int:
        axes = self._layer_axes
        return super()._count_numbers(array) if axes is None else math.prod(axes.shape)

    def _summed_axes(self, points: Any, rows: Any) -> Axes:
        """Axes of points that are put together to one value; rows are as they are given."""
        if self._layer_axes is None:
            n_axes = len(self._dims) - 1
            return None if points.ndim == n_axes else (n_axes,)
        wanted, shape = (len(rows), *self._layer_axes.shape), tuple(points.shape)
        if shape != wanted:
            raise DataError(
                f"Layer {self._layer_axes.name!r} gives a tensor of shape {shape} for {len(rows)} rows, and "
                f"gave (n_rows, ...) = {wanted} for the first row in fit. Name a layer whose output always "
                "has one shape, with the rows first."
            )
        return self._layer_axes.summed or None

    def _channel_axes(self, points: Any, rows: Any) -> Axes:
        """The same where points are the network's own input, in which channels come first."""
        if self._layer_axes is None:
            return (1,) if points.ndim == 4 else None
        return self._summed_axes(points, rows)

    def _feature_names(self, rows: Any) -> tuple[str, ...]:
        axes = self._layer_axes
        return super()._feature_names(rows) if axes is None or axes.is_of_input else axes.feature_names

    def _name_columns(self) -> tuple[str, ...]:
        is_listed = self._has_own_units and self._dims == ("row", "feature", "output")
        return self._feature_names(None) if is_listed else super()._name_columns()

    def _data(self, rows: Any) -> Any:
        """The rows; columns of an array get names, so that none is taken for the unit at its place."""
        if self._has_own_units and isinstance(rows, np.ndarray) and rows.ndim == 2:
            return pd.DataFrame(rows, columns=list(self.features_.names))
        return super()._data(rows)

    def _make_explanation(
        self, rows: Any, selection: OutputSelection, attribution: Attribution
    ) -> Explanation:
        explanation = super()._make_explanation(rows, selection, attribution)
        if not self._has_own_units:
            return explanation
        return replace(explanation, extras=explanation.extras | {LAYER: str(self._layer_axes)})

    def _describe_params(self) -> dict[str, Any]:
        params = super()._describe_params()
        return params if self._layer_axes is None else params | {"layer": self._layer_axes.name}
