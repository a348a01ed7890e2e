"""torch modules as functions from arrays to arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import torch

from agnostix.core.masking.fills import SoftMaskBatch
from agnostix.core.models.torch_failures import (
    check_not_inference,
    failures_named,
    is_out_of_memory,
    without_memory,
)
from agnostix.core.models.torch_functional import (
    MaskedBatch,
    evaluating,
    find_layer,
    frozen,
    hard_weights,
    input_gradients,
    measure_outputs,
    nearly_equal,
    noise_like,
    soft_weights,
    to_array,
    uncompiled,
    widest,
    without_gradients,
)
from agnostix.core.models.torch_params import PRECISIONS, check_params, normalization
from agnostix.core.models.torch_session import TorchSession
from agnostix.core.models.torch_tensors import TorchInput, TorchOutputs, check_precision, check_range
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
GRAPH_BYTES = 192 * 2**20
"""Of all tensors inside a network on a CPU that are kept for gradients, within the working memory."""
_TUNING_ROWS = 256
_KEPT = ("are_probabilities", "dtype", "channels_last", "is_checked")
"""What a pickled model keeps of what it has found out."""


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
        known = {name: self._cache[name] for name in _KEPT if name in self._cache}
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
        self._check_values(rows)
        return self._predict(rows.shape[0], size, lambda part: self.to_tensor(rows[part]))

    def predict_masked(
        self, x: Any, masks: Bools | SoftMaskBatch, fill: Any, segments: Codes | None
    ) -> Floats:
        """Predictions (n_rows, n_masks, n_fill, n_outputs) of rows that are masked on the module's device."""
        own, n_axes = self.to_tensor(x), fill.shape[:2]
        fills = np.broadcast_to(fill, (*n_axes, *x.shape[1:])).reshape(-1, *x.shape[1:])
        if "is_checked" not in self._cache:
            self._check_values(np.concatenate([x, fills]))
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
        check_not_inference(self._module)
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            self._without_autocast(),
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
        """Gradients as `Differentiable` has them; in double precision if the module takes it, else single."""
        rows = self._input.read(X)
        self._settle(rows[:1])
        selected = _select(outputs, len(rows))
        wanted = selected.reshape(len(rows), -1)
        size = self.graph_rows(rows)
        with self.session() as session:
            parts = self.in_batches(
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

            parts = self.in_batches(len(rows), size, compute)
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

    def to_tensor(self, rows: Any) -> Any:
        """Rows as the module's input, on its device."""
        rows = self._input.read(rows)
        return self.prepare(self.load(rows), rows.dtype)

    def load(self, rows: Any) -> Any:
        """Rows on the module's device, in their own layout and units."""
        rows = self._input.read(rows)
        self._settle(rows[:1])
        return self._input.load(rows, self._device, self.dtype)

    def prepare(self, loaded: Any, dtype: Any, are_rows: bool = True) -> Any:
        """Loaded rows, or their noisy copies, of an array of some dtype, as the module's input."""
        return self._arrange(self._input.prepare(loaded, dtype == np.uint8, are_rows))

    def activate(self, outputs: Any) -> Any:
        """Outputs (n_rows, n_outputs) of the module after the activation."""
        return self._outputs.activate(outputs)

    def before_activation(self) -> TorchModel:
        """The same model without its activation, which knows what this one has found out."""
        twin = replace(self, activation="none")
        twin._cache.update(self._cache)
        return twin

    def graph_rows(self, rows: Any, n_numbers: int = 0) -> int:
        """Rows in a batch whose inner tensors are all kept for gradients, of n_numbers a row."""
        return self._graph_rows(self.to_tensor(rows[:1]), n_numbers)

    def forward(self, batch: Any, eager: bool = False, activated: bool = True) -> Any:
        """Outputs (n_rows, n_outputs), after the activation if `activated`; eager runs it uncompiled."""
        module = self.observed if eager else self._runner
        with self._autocast(batch), failures_named(self.module, batch):
            given = module(self._arrange(batch.to(self._own_dtype)))
        return self._outputs.to_matrix(given, batch.shape[0], activated)

    def find_layer(self, layer: Any) -> Any:
        """A layer of the module that runs, by its name or the module itself."""
        name = find_layer(uncompiled(self.module), layer, self.__name__)
        return self.observed.get_submodule(name)

    @property
    def observed(self) -> Any:
        """The module that runs in a session whose hooks have to see it."""
        return uncompiled(self._module)

    @property
    def dtype(self) -> Any:
        """Precision of rows, masks and gradients before they are the module's own: single or double."""
        return torch.promote_types(self._own_dtype, torch.float32)

    @property
    def computed_in(self) -> Any:
        """Precision in which the module computes."""
        return PRECISIONS[self.precision] or self._own_dtype

    @property
    def _input(self) -> TorchInput:
        return TorchInput(self.__name__, self.mean, self.std, self.layout, self.value_range)

    @property
    def _outputs(self) -> TorchOutputs:
        return TorchOutputs(self.module, self.output, self.activation, self._cache)

    def _predict(self, n_rows: int, size: int, make: Callable[[slice], Any]) -> Floats:
        """Outputs (n_rows, n_outputs) of batches as make builds them."""
        with without_gradients(), evaluating(self._runner), self._without_autocast():
            parts = self.in_batches(n_rows, size, lambda part: to_array(self.forward(make(part))))
        return np.concatenate(parts)

    def in_batches(self, n_rows: int, size: int, compute: Callable[[slice], Any]) -> list[Any]:
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
        leaf = self.load(rows).requires_grad_()
        outputs = session.predict(session.prepare(leaf, rows.dtype))
        if selected.size and (selected.min() < 0 or selected.max() >= outputs.shape[1]):
            raise DataError(
                f"The module {self.__name__} has {outputs.shape[1]} outputs, got outputs from "
                f"{selected.min()} to {selected.max()}. Number them from 0 to {outputs.shape[1] - 1}."
            )
        columns = torch.as_tensor(selected, dtype=torch.int64, device=outputs.device)
        return to_array(input_gradients(outputs, leaf, columns))

    def _without_autocast(self) -> Any:
        """Context in which a caller's autocast does not reach what is computed around the module."""
        return torch.autocast(self._device.type, enabled=False)

    def _autocast(self, batch: Any) -> Any:
        dtype = PRECISIONS[self.precision]
        return torch.autocast(batch.device.type, dtype=dtype, enabled=dtype is not None)

    @property
    def _own_dtype(self) -> Any:
        """Type of the module's input: that of its parameters, or the one `_settle` has found."""
        first = next(self._own_dtypes(), None)
        return self._cache.get("dtype", {}).get(first, first or torch.float32)

    def _own_dtypes(self) -> Iterator[Any]:
        return (own.dtype for own in self._own_tensors() if own.is_floating_point())

    def _settle(self, row: Any) -> None:
        """Find out, once for each shape of a row (1, ...), the type and memory layout that the module takes.

        The widest of its types comes first: a network in single precision may begin with a standardization
        in double, and parameters say nothing of one that is frozen to TorchScript or has none.
        """
        layouts, shape = self._cache.setdefault("channels_last", {}), self._input.shape_of(row)
        if shape in layouts:
            return
        types, first = self._cache.setdefault("dtype", {}), next(self._own_dtypes(), None)
        if first not in types:
            own = first or torch.float32
            tried = [*dict.fromkeys([widest(self._own_dtypes()), own])]
            tried += [] if first else [torch.float16, torch.bfloat16]
            works = (one for one in tried if self._try(self._load_row(row, one)) is not None)
            types[first] = own if len(tried) == 1 else next(works, own)
        layouts[shape] = len(shape) > 1 and self._takes_channels_last(row)

    def _check_values(self, rows: Any) -> None:
        """Warn, by the first rows, of columns that single precision cannot hold, and of a likely range."""
        if "is_checked" not in self._cache and (len(rows) > 1 or rows.ndim > 2):
            self._cache["is_checked"] = True
            check_precision(self.__name__, rows, self.dtype)
            check_range(self.__name__, rows, self.value_range, self.mean is not None)

    def _takes_channels_last(self, row: Any) -> bool:
        """Whether the module predicts the same of images whose channels are last in memory."""
        images = noise_like(self._load_row(row, self._own_dtype).repeat(2, 1, 1, 1))
        last = images.contiguous(memory_format=torch.channels_last)
        if last.is_contiguous():  # of one channel, so that there is no other layout
            return True
        one, other = self._try(images), self._try(last)
        return one is not None and other is not None and nearly_equal(one, other)

    def _load_row(self, row: Any, dtype: Any) -> Any:
        """A row as the module's input of some type, in the usual memory layout."""
        loaded = self._input.load(row, self._device, torch.promote_types(dtype, torch.float32))
        return self._input.prepare(loaded, row.dtype == np.uint8).to(dtype).contiguous()

    def _try(self, rows: Any) -> Any:
        """Outputs (n_rows, n_outputs) of a copy of rows, before the activation; None if the module fails."""
        module = uncompiled(self._module)
        with without_gradients(), evaluating(module), self._autocast(rows):
            try:
                return self._outputs.read(module(rows.clone()), rows.shape[0])
            except Exception as error:  # it comes up again where it is explained
                if isinstance(error, RuntimeError) and is_out_of_memory(error):
                    raise without_memory(self.__name__) from error
                return None

    def _arrange(self, batch: Any) -> Any:
        """A batch in the memory layout that is fastest for the module, among those that it takes."""
        if batch.ndim != 4:
            return batch
        is_last = self._cache.get("channels_last", {}).get(batch.shape[1:])
        return batch.contiguous(memory_format=torch.channels_last if is_last else torch.contiguous_format)

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

    def _graph_rows(self, row: Any, n_numbers: int) -> int:
        if self.batch_size is not None:
            return self.batch_size
        room = GRAPH_BYTES if row.device.type != "cuda" else torch.cuda.mem_get_info(self._device)[0] // 2
        # A list of gradients, and the tensor that is made of it.
        bytes_each = self._bytes_inside(row)[1] + 2 * n_numbers * self.dtype.itemsize
        return max(1, min(self._batch_rows(row), room // bytes_each))

    def _bytes_inside(self, row: Any) -> tuple[int, int]:
        """Bytes of the largest tensor that a layer makes of a row, and of all of them together."""
        known = self._cache.setdefault("bytes", {})
        if row.shape not in known:
            with failures_named(self.module, row):
                # A copy, since the module may write into its input, and the row may be part of another.
                own = self._arrange(row.to(self._own_dtype, copy=True))
                known[row.shape] = measure_outputs(self._module, own, self._autocast(row))
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
