"""torch modules as functions from arrays to arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import chain
from numbers import Integral
from typing import Any

import numpy as np
import torch

from agnostix.core.masking.fills import SoftMaskBatch
from agnostix.core.models.torch_functional import (
    MaskedBatch,
    evaluating,
    find_layer,
    frozen,
    hard_weights,
    input_gradients,
    measure_outputs,
    record_output,
    soft_weights,
    to_array,
    uncompiled,
)
from agnostix.core.models.torch_tensors import (
    TorchInput,
    TorchOutputs,
    check_passes_gradients,
    failures_named,
    is_out_of_memory,
    without_memory,
)
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

CPU_BYTES = 20_000_000
"""Of the largest tensor inside a network on a CPU: much larger ones are allocated anew each time, and
leave the caches."""
CPU_ROWS = 256
"""In a batch on a CPU, however small the network."""
GPU_NUMBERS = 256 * 3 * 224 * 224
"""Numbers in a batch on a GPU, if its memory allows."""
GPU_BYTES_PER_NUMBER = 600
"""Estimate of what a network holds on a GPU for each number of its input."""
GRAPH_BYTES = 128 * 2**20
"""Of all tensors inside a network on a CPU that are kept for gradients: half of the working memory."""
_TUNING_ROWS = 256
ACTIVATIONS = ("auto", "softmax", "sigmoid", "none")
LAYOUTS = ("HWC", "CHW")
RANGES = ("auto", "0-1", "0-255")
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_WORDS: dict[str, Sequence[Any]] = {
    "activation": ACTIVATIONS,
    "layout": LAYOUTS,
    "value_range": RANGES,
    "precision": tuple(PRECISIONS),
    "compiled": (True, False),
}


@dataclass(frozen=True)
class TorchModel:
    """A torch module as a function from arrays to arrays, a `MaskComposer` and `Differentiable`.

    It has the parameters that `as_predictor` has for torch modules.
    """

    module: Any
    activation: str = "auto"
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    layout: str = "HWC"
    value_range: str = "auto"
    device: str = "auto"
    precision: str = "fp32"
    output: Any = None
    compiled: bool = False
    batch_size: int | None = None
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_params(self)
        for name, values in zip(("mean", "std"), normalization(self.mean, self.std), strict=True):
            object.__setattr__(self, name, values)

    def __getstate__(self) -> dict[str, Any]:
        known = {name: self._cache[name] for name in ("are_probabilities",) if name in self._cache}
        return self.__dict__ | {"_cache": known}

    @property
    def __name__(self) -> str:
        return type(self.module).__name__

    def prediction_params(self) -> dict[str, Any]:
        """Settings that predictions depend on: the activation in use, device, precision, compiled."""
        return {
            "activation": self._outputs.applied,
            "device": str(self._device),
            "precision": self.precision,
            "compiled": self.compiled,
        }

    def __call__(self, X: Any) -> Floats:
        """Predictions (n_rows, n_outputs) of images in the given layout, or of a table of numbers."""
        rows = self._input.read(X)
        size = self.batch_size or self._batch_rows(self.to_tensor(rows[:1]))
        return self._predict(rows.shape[0], size, lambda part: self.to_tensor(rows[part]))

    def predict_masked(
        self, x: Any, masks: Bools | SoftMaskBatch, fill: Any, segments: Codes | None
    ) -> Floats:
        """Predictions (n_rows, n_masks, n_fill, n_outputs) of rows that are masked on the module's device."""
        own, n_axes = self.to_tensor(x), fill.shape[:2]
        fills = np.broadcast_to(fill, (*n_axes, *x.shape[1:])).reshape(-1, *x.shape[1:])
        if isinstance(masks, SoftMaskBatch):
            self._input.check_channels_last(x[0])
            weights = soft_weights(masks, own)
        else:
            assert segments is not None
            weights = hard_weights(masks, self._input.to_layout(segments, x), own)
        batch = MaskedBatch(own, self.to_tensor(fills).unflatten(0, n_axes), len(masks), weights)
        outputs = self._predict(int(np.prod(batch.shape)), self._batch_rows(own[:1]), batch.compose)
        return outputs.reshape(*batch.shape, -1)

    @contextmanager
    def session(self) -> Iterator[TorchSession]:
        """Yield a TorchSession; on exit, also after an exception, hooks, modes and flags are as before."""
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            evaluating(self._runner),
            frozen(self._module),
            ExitStack() as hooks,
        ):
            try:
                yield TorchSession(self, hooks)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                raise without_memory(self.__name__) from error

    def gradients(self, X: Any, outputs: Any) -> Floats:
        """Gradients as `Differentiable` has them; in double precision for float64 modules, else in single."""
        rows = self._input.read(X)
        selected = _select(outputs, len(rows))
        wanted = selected.reshape(len(rows), -1)
        size = self._graph_rows(self.to_tensor(rows[:1]))
        with self.session() as session:
            parts = self._in_batches(
                len(rows), size, lambda part: self._differentiate(session, rows[part], wanted[part])
            )
        gradients = np.concatenate(parts)
        return gradients if selected.ndim == 2 else gradients[..., 0]

    def activations(self, X: Any, layers: Sequence[Any]) -> dict[Any, Floats]:
        """Activations as `Differentiable` has them, images with channels first."""
        if isinstance(layers, str):
            raise DataError(f"layers must be a sequence of layers, got {layers!r}. Pass [{layers!r}].")
        rows = self._input.read(X)
        size = self.batch_size or self._batch_rows(self.to_tensor(rows[:1]))
        with self.session() as session, torch.no_grad():
            recorded = session.activations(*layers)

            def compute(part: slice) -> list[Floats]:
                session.predict(session.tensor(rows[part]))
                return [to_array(recorded[layer]) for layer in layers]

            parts = self._in_batches(len(rows), size, compute)
        return {layer: np.concatenate([part[i] for part in parts]) for i, layer in enumerate(layers)}

    def tune(self, x: Any, sizes: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256)) -> TorchModel:
        """A copy with the fastest batch size for a row x; none is tried after twice the best time."""
        from time import perf_counter

        best, best_size = np.inf, 1
        for size in sizes:
            rows = np.repeat(np.asarray(x)[None], min(size, _TUNING_ROWS), axis=0)
            tried = replace(self, batch_size=size)
            tried(rows[:size])
            start = perf_counter()
            tried(rows)
            each = (perf_counter() - start) / rows.shape[0]
            if each < best:
                best, best_size = each, size
            elif each > 2.0 * best:
                break
        return replace(self, batch_size=best_size)

    def to_tensor(self, rows: Any, dtype: Any = torch.float32) -> Any:
        """Rows as the module's input, on its device."""
        return self._input.to_tensor(rows, self._device, dtype)

    def forward(self, batch: Any, eager: bool = False) -> Any:
        """Outputs (n_rows, n_outputs) after the activation, on the device; eager runs it uncompiled."""
        module = uncompiled(self._module) if eager else self._runner
        with self._autocast(batch), failures_named(self.module, batch):
            given = module(batch.to(self._own_dtype))
        return self._outputs.to_matrix(given, batch.shape[0])

    def find_layer(self, layer: Any) -> Any:
        """A layer of the module that runs, by its name or the module itself."""
        name = find_layer(uncompiled(self.module), layer, self.__name__)
        return uncompiled(self._module).get_submodule(name)

    @property
    def dtype(self) -> Any:
        """Precision of inputs that gradients are computed by: double for float64 modules, else single."""
        return torch.promote_types(self._own_dtype, torch.float32)

    @property
    def _input(self) -> TorchInput:
        return TorchInput(self.__name__, self.mean, self.std, self.layout, self.value_range)

    @property
    def _outputs(self) -> TorchOutputs:
        return TorchOutputs(self.module, self.output, self.activation, self._cache)

    def _predict(self, n_rows: int, size: int, make: Callable[[slice], Any]) -> Floats:
        """Outputs (n_rows, n_outputs) of batches as make builds them."""
        with torch.inference_mode(), evaluating(self._runner):
            parts = self._in_batches(n_rows, size, lambda part: to_array(self.forward(make(part))))
        return np.concatenate(parts)

    def _in_batches(self, n_rows: int, size: int, compute: Callable[[slice], Any]) -> list[Any]:
        """Results batch by batch; the size is halved when memory runs out."""
        results, start = [], 0
        while start < n_rows:
            part = slice(start, min(start + size, n_rows))
            try:
                results.append(compute(part))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    raise without_memory(self.__name__) from error
                size = max(1, size // 2)
                continue
            start = part.stop
        return results

    def _differentiate(self, session: TorchSession, rows: Any, selected: Codes) -> Floats:
        """Gradients rows.shape + (n_selected,) of the selected outputs, per unit of the rows as given."""
        # The leaf comes before normalization and the change of layout, so that the chain rule undoes both.
        leaf = self._input.load(rows, self._device, self.dtype).requires_grad_()
        outputs = session.predict(self._input.prepare(leaf, rows.dtype == np.uint8))
        if selected.size and (selected.min() < 0 or selected.max() >= outputs.shape[1]):
            raise DataError(
                f"The module {self.__name__} has {outputs.shape[1]} outputs, got outputs from "
                f"{selected.min()} to {selected.max()}. Number them from 0 to {outputs.shape[1] - 1}."
            )
        columns = torch.as_tensor(selected, dtype=torch.int64, device=outputs.device)
        return to_array(input_gradients(outputs, leaf, columns))

    def _autocast(self, batch: Any) -> Any:
        dtype = PRECISIONS[self.precision]
        return torch.autocast(batch.device.type, dtype=dtype, enabled=dtype is not None)

    @property
    def _own_dtype(self) -> Any:
        """Precision of the module's parameters."""
        dtypes = (own.dtype for own in self._own_tensors() if own.is_floating_point())
        return next(dtypes, torch.float32)

    def _own_tensors(self) -> Iterator[Any]:
        return chain(self.module.parameters(), self.module.buffers())

    @property
    def _device(self) -> Any:
        if self.device != "auto":
            return torch.empty(0, device=self.device).device  # with its number, as tensors have it
        return next((own.device for own in self._own_tensors()), torch.device("cpu"))

    @property
    def _module(self) -> Any:
        """The module on its device."""
        if "module" not in self._cache:
            is_elsewhere = any(own.device != self._device for own in self._own_tensors())
            away = self.device != "auto" and is_elsewhere
            self._cache["module"] = deepcopy(self.module).to(self._device) if away else self.module
        return self._cache["module"]

    @property
    def _runner(self) -> Any:
        """The same, compiled if `compiled`."""
        if "runner" not in self._cache:
            self._cache["runner"] = torch.compile(self._module) if self.compiled else self._module
        return self._cache["runner"]

    def _batch_rows(self, row: Any) -> int:
        """Rows in a batch, from one that is ready for the module."""
        if self.batch_size is not None:
            return self.batch_size
        if row.device.type != "cuda":
            return max(1, min(CPU_ROWS, CPU_BYTES // self._bytes_inside(row)[0]))
        free = torch.cuda.mem_get_info(self._device)[0]
        return max(1, min(GPU_NUMBERS, free // GPU_BYTES_PER_NUMBER) // row[0].numel())

    def _graph_rows(self, row: Any) -> int:
        """Rows in a batch whose inner tensors are all kept for gradients."""
        if self.batch_size is not None:
            return self.batch_size
        room = GRAPH_BYTES if row.device.type != "cuda" else torch.cuda.mem_get_info(self._device)[0] // 2
        return max(1, min(self._batch_rows(row), room // self._bytes_inside(row)[1]))

    def _bytes_inside(self, row: Any) -> tuple[int, int]:
        """Bytes of the largest tensor that a layer makes of a row, and of all of them together."""
        known = self._cache.setdefault("bytes", {})
        if row.shape not in known:
            with failures_named(self.module, row):
                known[row.shape] = measure_outputs(self._module, row.to(self._own_dtype), self._autocast(row))
        return known[row.shape]


def _select(outputs: Any, n_rows: int) -> Codes:
    """Outputs as ints (n_rows,) or (n_rows, n_selected)."""
    selected = np.asarray(outputs)
    fits = selected.ndim == 0 or (selected.ndim <= 2 and len(selected) == n_rows and selected.size > 0)
    if selected.dtype.kind not in "iu" or not fits:
        raise DataError(
            f"The 'outputs' of gradients must be an int, or ints of shape ({n_rows},) or "
            f"({n_rows}, n_selected) for {n_rows} rows, got {outputs!r}."
        )
    return np.full(n_rows, selected) if selected.ndim == 0 else selected.copy()


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
            hook = record_output(recorded, layer)
            self._hooks.callback(self._model.find_layer(layer).register_forward_hook(hook).remove)
            self._observes = True
        return recorded


def check_params(model: Any) -> None:
    """Check the parameters of a TorchModel one by one."""
    for name, words in _WORDS.items():
        given = getattr(model, name)
        if not any(type(word) is type(given) and word == given for word in words):
            raise _refused(name, f"one of {', '.join(map(repr, words))}", given)
    size = model.batch_size
    if size is not None and (not isinstance(size, Integral) or isinstance(size, bool) or size < 1):
        raise _refused("batch_size", "a whole number of at least 1, or None", size)
    if isinstance(model.output, bool) or not isinstance(model.output, str | int | None):
        raise _refused(
            "output", "a place in a tuple, a key of a dict, or None for a torch module", model.output
        )
    if model.device != "auto":
        _check_device(model.device)


def normalization(mean: Any, std: Any) -> tuple[Any, Any]:
    """Mean and std as tuples of floats, or None for both."""
    if (mean is None) != (std is None):
        raise DataError("as_predictor needs both mean and std of a network's normalization, or neither.")
    if mean is None:
        return None, None
    means, stds = _numbers("mean", mean), _numbers("std", std)
    if len(means) != len(stds):
        raise DataError(
            "mean and std of as_predictor must have one number for each channel, got "
            f"{len(means)} and {len(stds)}."
        )
    if max(map(abs, means)) > 1:
        raise DataError(
            "The 'mean' parameter of as_predictor is that of pictures from 0 to 1, got "
            f"{mean!r}. Divide mean and std of pictures from 0 to 255 by 255."
        )
    if min(stds) <= 0:
        raise _refused("std", "numbers above 0, one for each channel", std)
    return means, stds


def _numbers(name: str, given: Any) -> tuple[float, ...]:
    try:
        numbers = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.ndim > 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise _refused(name, "finite numbers, one for each channel", given)
    return tuple(float(one) for one in numbers.ravel())


def _check_device(given: Any) -> None:
    try:
        device = torch.device(given)
    except (RuntimeError, TypeError):
        raise _refused(
            "device", "'auto', 'cpu', 'cuda', 'cuda:1' or another device of torch", given
        ) from None
    way_out = "Use device='auto' or 'cpu'."
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        raise DataError(
            f"The 'device' parameter of as_predictor is {given!r}, and torch finds "
            f"{'only ' + ', '.join(devices) if devices else 'no CUDA'} here. {way_out}"
        )
    try:
        torch.empty(1, device=device).cpu()
    except (RuntimeError, AssertionError):
        raise DataError(
            f"The 'device' parameter of as_predictor is {given!r}, which torch cannot use here. {way_out}"
        ) from None


def _refused(name: str, allowed: str, given: Any) -> DataError:
    return DataError(f"The {name!r} parameter of as_predictor must be {allowed}, got {given!r}.")
