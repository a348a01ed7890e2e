"""From arrays to the input of a torch module, and from its outputs to a matrix."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch

from agnostix.core.frames import is_frame, to_array
from agnostix.core.inputs import are_within, find_extreme
from agnostix.core.masking.fills import MOST_CHANNELS, TO_CHANNELS_LAST, has_channels_first
from agnostix.core.models.outputs import are_probabilities
from agnostix.core.models.torch_failures import channels_hint
from agnostix.core.typing import Codes
from agnostix.exceptions import DataError, ModelOutputError

_BRIGHTEST = 2.0
_DARKEST = -1.0
_BYTES = 255.0
"""Images from 0 to 1 stay within these, even after cubic resizing or a little noise."""
CHANNELS_LAST = (
    "Parts of pictures are hidden with channels last: pass them as (n_rows, height, width, n_channels), "
    f"{TO_CHANNELS_LAST}, and use layout='HWC'."
)
_SELECT = (
    "Choose a place, as_predictor(module, output=lambda returned: returned[:, -1]), or wrap it in a module "
    "that pools or selects."
)
_ROUNDING = 1e-3
"""Deviation from 1 that the sum of probabilities may have, in single precision."""
_LOST = 1e-3
"""Share of a column's spread that rounding to single precision may take."""


@dataclass(frozen=True)
class TorchInput:
    """Layout, range and normalization of a module's input, see `as_predictor`."""

    name: str
    mean: Sequence[float] | None
    std: Sequence[float] | None
    layout: str
    value_range: str

    def load(self, rows: Any, device: Any, dtype: Any) -> Any:
        """Checked rows on the device, in their own layout and range."""
        is_bytes = rows.dtype == np.uint8  # cross to the device as such, four times smaller
        host = np.uint8 if is_bytes else np.float64 if dtype == torch.float64 else np.float32
        if rows.dtype.kind == "f" and rows.dtype.itemsize >= 4:
            self._check_sizes(rows, host)
        return torch.as_tensor(np.array(rows, dtype=host, order="C")).to(device).to(dtype)

    def prepare(self, batch: Any, is_bytes: bool, are_rows: bool = True) -> Any:
        """Loaded images with channels first and normalized; loaded tables as they are. Differentiable.

        Rows are checked to be in the range of images, which their noisy copies may leave.
        """
        if batch.ndim < 3:
            return batch
        if batch.ndim == 3:
            batch = batch[:, None]
        elif self.layout == "HWC":
            batch = batch.permute(0, 3, 1, 2)
        if self.value_range == "0-255" or (self.value_range == "auto" and is_bytes):
            batch = batch / 255.0
        if self.mean is not None:
            if are_rows:
                self._check_range(batch.detach())
            mean, std = (self._by_channel(values, batch) for values in (self.mean, self.std))
            batch = (batch - mean) / std
        return batch

    def shape_of(self, rows: Any) -> tuple[int, ...]:
        """Shape of one of the rows as the module takes it."""
        shape = tuple(rows.shape[1:])
        if len(shape) == 2:
            return (1, *shape)
        return shape[2:] + shape[:2] if len(shape) == 3 and self.layout == "HWC" else shape

    def to_layout(self, segments: Codes, X: Any) -> Codes:
        """Segments of rows' values in the layout of the module's input, one channel where they have none."""
        segments = np.ascontiguousarray(segments)
        if segments.ndim < X.ndim:
            self.check_channels_last(X[0])
        if segments.ndim == 4 and self.layout == "HWC":
            return np.ascontiguousarray(segments.transpose(0, 3, 1, 2))
        return segments[:, None] if segments.ndim == 3 else segments

    def check_channels_last(self, x: Any) -> None:
        """Check that masks over (height, width) fit an image."""
        if x.ndim == 3 and self.layout == "CHW":
            raise DataError(CHANNELS_LAST)

    def read(self, X: Any) -> Any:
        """Rows as a checked array."""
        rows = to_array(X) if is_frame(X) else np.asarray(X)
        if rows.dtype == object and all(isinstance(one, Real | np.bool_) for one in rows.flat):
            rows = rows.astype(float)  # frames of several types come as objects
        self._check(rows)
        self._check_layout(rows.shape)
        return rows

    def _check_layout(self, shape: tuple[int, ...]) -> None:
        """Refuse images whose channels are where the layout has none."""
        if len(shape) != 4:
            return
        if self.layout == "HWC" and has_channels_first(shape):
            raise DataError(
                f"The module {self.name} was wrapped for pictures with channels last, layout='HWC', and X "
                f"has shape {shape}. Pass {TO_CHANNELS_LAST}, or, for predictions alone, use "
                "layout='CHW'."
            )
        if self.layout == "CHW" and shape[3] <= MOST_CHANNELS < min(shape[1:3]):
            raise DataError(
                f"The module {self.name} was wrapped for pictures with channels first, layout='CHW', and X "
                f"has shape {shape}. Use layout='HWC'."
            )

    def _check(self, rows: Any) -> None:
        if rows.dtype.kind not in "biuf":
            raise DataError(
                f"The module {self.name} takes numbers, got rows of type {rows.dtype}. Encode other "
                "columns first, or wrap encoding and module in a function."
            )
        if not 2 <= rows.ndim <= 4 or 0 in rows.shape:
            raise DataError(
                f"The module {self.name} takes tables, or pictures of shape (n_rows, height, width) or with "
                f"channels, at least one of each, got shape {rows.shape}."
            )
        if (
            rows.ndim > 2
            and rows.dtype.kind in "iu"
            and rows.dtype != np.uint8
            and self.value_range == "auto"
        ):
            raise DataError(
                f"Pictures of type {rows.dtype} have no known range. Pass X.astype(np.uint8), or "
                "value_range='0-255', or decimal pictures from 0 to 1."
            )
        if rows.dtype.kind == "f" and not are_within(rows, sys.float_info.max):
            bad = np.flatnonzero(~np.isfinite(rows.reshape(rows.shape[0], -1)).all(axis=1))[0]
            raise DataError(
                f"Row {bad} holds NaN or infinity, for which the outputs of the module {self.name} are "
                "meaningless. Impute them first."
            )

    def _check_sizes(self, rows: Any, dtype: Any) -> None:
        """Refuse numbers so large that mixtures of rows are infinite in a type."""
        limit = float(np.finfo(dtype).max) / 4.0
        if are_within(rows, limit):
            return
        bad, largest = find_extreme(rows, limit)
        doubled = "as_predictor(copy.deepcopy(module).double())"
        remedy = f"Wrap it in double precision, {doubled}, or divide" if dtype == np.float32 else "Divide"
        raise DataError(
            f"The module {self.name} gets rows as {np.dtype(dtype)}, in which numbers must be below "
            f"{limit:.2g}, and row {bad} has {largest:.3g}. {remedy} the numbers."
        )

    def _check_range(self, batch: Any) -> None:
        lowest, highest = float(batch.min()), float(batch.max())
        if highest > _BRIGHTEST:
            raise DataError(
                f"The module {self.name} is normalized by mean and std of pictures from 0 to 1, and these "
                f"reach {highest:.6g}. Decimal pictures from 0 to 255 need value_range='0-255'."
            )
        if lowest < _DARKEST:
            raise DataError(
                f"The module {self.name} is normalized by mean and std of pictures from 0 to 1, and these "
                f"go down to {lowest:.6g}. Leave mean and std out if they are normalized already."
            )

    def _by_channel(self, values: Any, batch: Any) -> Any:
        given = torch.as_tensor(values, dtype=batch.dtype, device=batch.device).reshape(1, -1, 1, 1)
        if given.shape[1] not in (1, batch.shape[1]):
            raise DataError(
                f"mean and std of as_predictor have {given.shape[1]} channels, and the pictures have "
                f"{batch.shape[1]}.{channels_hint(given.shape[1], batch)}"
            )
        return given


@dataclass(frozen=True)
class TorchOutputs:
    """Selects the output tensor and applies the activation."""

    module: Any
    output: Any
    activation: str
    known: dict[str, Any]  # whether the first outputs were probabilities; kept from call to call

    @property
    def name(self) -> str:
        """Class of the module."""
        return type(self.module).__name__

    @property
    def applied(self) -> str:
        """The activation in use; "auto" until outputs have been seen that decide it."""
        if self.activation != "auto" or "are_probabilities" not in self.known:
            return self.activation
        return "none" if self.known["are_probabilities"] else "softmax"

    def to_matrix(self, given: Any, n_rows: int, activated: bool = True) -> Any:
        """Outputs (n_rows, n_outputs) in single precision, or the module's own if that is finer."""
        outputs = self.read(given, n_rows)
        return self.activate(outputs) if activated else _at_least_single(outputs)

    def activate(self, outputs: Any) -> Any:
        """Outputs (n_rows, n_outputs) after the activation."""
        are_probabilities = self._decide(outputs) if self.activation == "auto" else None
        outputs = _at_least_single(outputs)
        if self.activation == "softmax" or are_probabilities is False:
            return torch.softmax(outputs, dim=1)
        return torch.sigmoid(outputs) if self.activation == "sigmoid" else outputs

    def read(self, given: Any, n_rows: int) -> Any:
        """Outputs (n_rows, n_outputs) before the activation."""
        return self._matrix(self._entry(given), n_rows)

    def _entry(self, given: Any) -> Any:
        """The tensor among what the module returned, or what the function makes of it."""
        if callable(self.output):
            made = self.output(given)
            if not isinstance(made, torch.Tensor):
                raise ModelOutputError(
                    f"The function 'output' of as_predictor returned {_kind(made)} for what the module "
                    f"{self.name} returned, {_kind(given)}. Return a tensor (n,) or (n, n_outputs)."
                )
            return made
        if isinstance(given, torch.Tensor):
            if self.output is not None:
                raise ModelOutputError(
                    f"The 'output' parameter of as_predictor is {self.output!r}, and the module {self.name} "
                    "returned one tensor. Leave output out."
                )
            return given
        parts = _parts(given)
        if not parts:
            raise ModelOutputError(
                f"The module {self.name} returned {_kind(given)}; a tensor is needed, or a tuple or dict "
                "with one. Wrap the module in one that returns it."
            )
        if self.output not in parts:
            known = ", ".join(repr(name) for name in parts)
            raise ModelOutputError(
                f"The module {self.name} returned a {type(given).__name__} with entries {known}. Choose "
                f"one: as_predictor(module, output={next(iter(parts))!r})."
            )
        if not isinstance(parts[self.output], torch.Tensor):
            raise ModelOutputError(
                f"Entry {self.output!r} of the output of module {self.name} is "
                f"{_kind(parts[self.output])}; a tensor is needed. Wrap the module in one that returns it."
            )
        return parts[self.output]

    def _matrix(self, outputs: Any, n_rows: int) -> Any:
        if outputs.is_nested:
            raise ModelOutputError(
                f"The module {self.name} returned a nested tensor, whose rows may differ in length. Wrap it "
                "in a module that pads them: y.to_padded_tensor(0.0)."
            )
        if outputs.layout != torch.strided:
            outputs = outputs.to_dense()
        if n_rows == 1 and outputs.ndim < 2:  # some modules squeeze away the axis of a single row
            outputs = outputs.reshape(1, -1)
        shape, is_made = tuple(outputs.shape), callable(self.output)
        maker = f"function 'output' of as_predictor, for the module {self.name}," if is_made else None
        maker = maker or f"module {self.name}"
        if outputs.is_complex():
            raise ModelOutputError(f"The {maker} returned complex numbers; return their real part.")
        if outputs.ndim == 0 or shape[0] != n_rows:
            raise ModelOutputError(
                f"The {maker} returned a tensor of shape {shape} for {n_rows} rows; ({n_rows},) or "
                f"({n_rows}, n_outputs) is needed."
            )
        if outputs.ndim > 2 and outputs[0].numel() != shape[1]:
            raise ModelOutputError(
                f"The {maker} returned a tensor of shape {shape}; (n,) or (n, n_outputs) is needed. "
                + ("Let it pool or select." if is_made else _SELECT)
            )
        return outputs.flatten(1) if outputs.ndim > 1 else outputs[:, None]

    def _decide(self, outputs: Any) -> bool | None:
        """Whether outputs are probabilities, as decided by the first; None if there are none to decide by."""
        outputs = outputs.detach()
        outputs = outputs[outputs.isfinite().all(dim=1)]
        if outputs.shape[1] < 2 or len(outputs) == 0:
            return None
        if self.known.get("are_probabilities") is False:
            return False
        are_now = self._are_probabilities(outputs)
        if self.known.setdefault("are_probabilities", are_now) and not are_now:
            raise ModelOutputError(
                f"The module {self.name} returned probabilities at first, and now numbers from "
                f"{float(outputs.min()):.6g} to {float(outputs.max()):.6g}, which are not probabilities. "
                "Pass as_predictor(module, activation='softmax') for logits, activation='none' to leave "
                "them as they are."
            )
        return bool(self.known["are_probabilities"])

    def _are_probabilities(self, outputs: Any) -> bool:
        """Whether rows sum to 1, or the module ends in a sigmoid."""
        if not bool((outputs >= 0).all() & (outputs <= 1 + _ROUNDING).all()):
            return False
        if isinstance(list(self.module.modules())[-1], torch.nn.Sigmoid):
            return True
        eps = torch.finfo(outputs.dtype).eps if outputs.is_floating_point() else 0.0
        apart = (outputs.sum(dim=1, dtype=torch.float32) - 1.0).abs()
        if bool((apart < max(_ROUNDING, 2.0 * eps)).all()):
            return True
        return are_probabilities(outputs.double().cpu().numpy())  # computed in half precision, and converted


def _at_least_single(outputs: Any) -> Any:
    """Outputs in single precision, or their own if that is finer."""
    # Whole numbers go to double: single precision holds them up to 2**24 alone.
    finest = torch.float32 if outputs.is_floating_point() else torch.float64
    return outputs.to(torch.promote_types(outputs.dtype, finest))


def _parts(given: Any) -> dict[Any, Any]:
    """Entries of a tuple or dict by name and position; empty for other objects."""
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, tuple | list):
        return {}
    return getattr(given, "_asdict", dict)() | dict(enumerate(given))


def _kind(given: Any) -> str:
    if isinstance(given, tuple | list | Mapping) and len(given) == 0:
        return f"an empty {type(given).__name__}"
    return "None" if given is None else f"something of type {type(given).__name__}"


def check_precision(name: str, rows: Any, dtype: Any) -> None:
    """Warn of a column of a table (n_rows, n_columns) that a type rounds by more than its spread allows."""
    if rows.ndim != 2 or rows.dtype.itemsize < 4 or dtype == torch.float64:
        return
    values = rows.astype(float)
    with np.errstate(over="ignore"):
        rounding = np.abs(values.astype(np.float32) - values).max(axis=0)
    spread = np.ptp(values, axis=0)
    column = int((rounding - _LOST * spread).argmax())
    if rounding[column] <= _LOST * spread[column] or spread[column] == 0:
        return
    warnings.warn(
        f"The module {name} takes single precision, which rounds column {column} by up to "
        f"{rounding[column]:.3g}, and the values of this column differ by {spread[column]:.3g}. Wrap it in "
        "double precision, as_predictor(copy.deepcopy(module).double()), or subtract an offset from the "
        "column.",
        UserWarning,
        stacklevel=2,
    )


def check_range(name: str, images: Any, value_range: str, normalized: bool) -> None:
    """Warn of decimal images (n_rows, ...) that look like bytes, where no range was given."""
    if images.ndim < 3 or value_range != "auto" or normalized or images.dtype.kind != "f":
        return
    lowest, highest = float(images.min()), float(images.max())
    if lowest < 0 or highest <= _BRIGHTEST or highest > _BYTES:
        return
    warnings.warn(
        f"Pictures of type {images.dtype} reach {highest:.6g}, and the module {name} gets them as they are, "
        "while those of type uint8 are divided by 255. Pass as_predictor(module, value_range='0-255') to "
        "divide these too, or value_range='0-1' to divide neither.",
        UserWarning,
        stacklevel=2,
    )
