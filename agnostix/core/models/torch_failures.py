"""Errors of torch modules, explained: no memory, rows that do not fit, no gradients."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import Parameter
from itertools import chain
from typing import Any

import torch
from torch import nn

from agnostix.core.masking.fills import TO_CHANNELS_LAST
from agnostix.exceptions import DataError, ModelOutputError

_NO_MEMORY = ("out of memory", "allocate memory", "not enough memory", "alloc_failed")
_GUARD = "Guard failed"
_COMPILERS = ("torch._dynamo", "torch._inductor")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a module failed for lack of memory."""
    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(sign in words for sign in _NO_MEMORY)


def without_memory(name: str) -> ModelOutputError:
    """The error for a module that runs out of memory with a single row."""
    return ModelOutputError(
        f"Memory runs out for the module {name} with a single row. Use smaller "
        "pictures, precision='bf16', or another device."
    )


@contextmanager
def failures_named(module: Any, batch: Any) -> Iterator[None]:
    """Explain the error of a module that cannot take a batch; other errors pass as they are."""
    name = type(module).__name__
    try:
        yield
    except TypeError as error:
        inputs = _required_inputs(module)
        if len(inputs) < 2:
            raise
        raise DataError(
            f"The module {name} takes {len(inputs)} inputs ({', '.join(inputs)}), and rows "
            "come as one batch. Wrap it in a module whose forward takes the batch and splits it."
        ) from error
    except AssertionError as error:
        if not str(error).startswith(_GUARD):
            raise
        raise DataError(
            f"The exported program {name} takes no batch of shape {tuple(batch.shape)}: "
            f"{_first_line(error)}. Export it for any number of rows: torch.export.export(module, "
            "(example,), dynamic_shapes=({0: torch.export.Dim('n')},))."
        ) from error
    except RuntimeError as error:
        if type(error).__module__.startswith(_COMPILERS):
            raise ModelOutputError(
                f"torch cannot compile the module {name}: {_first_line(error)}. Use compiled=False."
            ) from error
        misfit = "" if is_out_of_memory(error) else _misfit(module, error, batch)
        if not misfit:
            raise
        raise DataError(f"The module {name} failed: {_first_line(error)}. It {misfit}") from error


def _required_inputs(module: Any) -> list[str]:
    """Parameters of a module's forward that have no default."""
    if isinstance(module, torch.jit.ScriptModule):
        return []
    parameters = inspect.signature(module.forward).parameters.values()
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in parameters if one.kind in positional and one.default is Parameter.empty]


def check_not_inference(module: Any) -> None:
    """DataError if parameters were made in inference mode, so that nothing can be differentiated."""
    if any(own.is_inference() for own in chain(module.parameters(), module.buffers())):
        raise DataError(
            f"The module {type(module).__name__} was made or loaded inside torch.inference_mode(), and "
            "has no gradients. Pass copy.deepcopy(module), made outside of it."
        )


def check_passes_gradients(module: Any, inputs: Any, outputs: Any) -> None:
    """Check that outputs can be differentiated by inputs that require gradients."""
    if not inputs.requires_grad or outputs.requires_grad:
        return
    table = next((name for name, part in module.named_modules() if isinstance(part, nn.Embedding)), None)
    if table is not None:
        reason = "it looks its input up in a table (Embedding), which is not differentiable by the row"
        remedy = f"Differentiate by what the table gives, layer={table!r} of SaliencyExplainer, or use"
    else:
        reason = "its forward detaches the input, rounds it, or runs without gradients"
        remedy = "Return outputs that torch can differentiate by the input, or use"
    raise DataError(
        f"No gradients pass through the module {type(module).__name__}: {reason}. {remedy} a method that "
        "needs predictions alone, as RiseExplainer or OcclusionExplainer."
    )


def _misfit(module: Any, error: RuntimeError, batch: Any) -> str:
    """What the layer that failed takes, if the rows came to it as they are; "" if it is none of these."""
    layer, given = _failed_layer(error)
    if isinstance(layer, nn.Embedding) and given.is_floating_point():
        return (
            "looks numbers up in a table (Embedding), which must be whole, and rows come to it as "
            f"{str(given.dtype).removeprefix('torch.')}. Wrap it in a module that calls x.long() on them."
        )
    weighted = (part for part in module.modules() if next(part.parameters(recurse=False), None) is not None)
    first = next(weighted, None)
    if isinstance(first, nn.Conv1d) and batch.ndim == 2:
        return (
            "begins with a layer Conv1d, which takes series of shape (n, channels, length), and rows come as "
            f"a table. Wrap it: nn.Sequential(nn.Unflatten(1, ({first.in_channels}, -1)), module)."
        )
    if given is None or given.numel() != batch.numel() or not _holds(given, batch):
        return ""  # the module has computed this, so the failure is its own
    if isinstance(layer, nn.Conv2d):
        return _wrong_picture(layer.in_channels, batch)
    if isinstance(layer, nn.Linear) and batch[0].numel() != layer.in_features:
        return (
            f"takes {layer.in_features} numbers a row, by its first linear layer, got rows of "
            f"{batch[0].numel()}."
        )
    return ""


def _failed_layer(error: RuntimeError) -> tuple[Any, Any]:
    """The innermost of torch's own layers that was running, and its input; None where there was none."""
    layer, given, trace = None, None, error.__traceback__
    while trace is not None:
        running = trace.tb_frame.f_locals.get("self")
        if isinstance(running, nn.Module):
            one = trace.tb_frame.f_locals.get("input")
            layer, given = (running, one) if isinstance(one, torch.Tensor) else (None, None)
        trace = trace.tb_next
    return layer, given


def _holds(given: Any, batch: Any) -> bool:
    """Whether a layer's input has the numbers of a batch, in the same order."""
    return torch.equal(given.reshape(-1).to(batch.dtype), batch.to(given.dtype).to(batch.dtype).reshape(-1))


def _wrong_picture(n_channels: int, batch: Any) -> str:
    if batch.ndim < 4:
        return f"takes pictures of {n_channels} channels, got a table of {batch.shape[1]} columns."
    if batch.shape[1] == n_channels:
        return ""
    return f"takes pictures of {n_channels} channels, got {batch.shape[1]}.{channels_hint(n_channels, batch)}"


def channels_hint(n_channels: int, batch: Any) -> str:
    """How to make images have n_channels channels: a sentence after a space, or ""."""
    if batch.shape[2] == n_channels:
        return f" If channels come first, put them last: {TO_CHANNELS_LAST}."
    if batch.shape[1] == 1:
        return (
            " Gray pictures can be repeated for a network of colors: "
            f"np.repeat(X.reshape(*X.shape[:3], 1), {n_channels}, axis=3)."
        )
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
