"""Why a torch module failed, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from agnostix.exceptions import DataError, ModelOutputError

_NO_MEMORY = ("out of memory", "allocate memory", "not enough memory", "alloc_failed")
_COMPILERS = ("torch._dynamo", "torch._inductor")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell a lack of memory from other failures.

    Parameters
    ----------
    error : RuntimeError
        How a module failed.

    Returns
    -------
    bool
    """
    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(sign in words for sign in _NO_MEMORY)


def without_memory(name: str) -> ModelOutputError:
    """The error where memory does not do for one row.

    Parameters
    ----------
    name : str
        The module's.

    Returns
    -------
    ModelOutputError
    """
    return ModelOutputError(
        f"Memory runs out for the module {name} with a single row. Use smaller "
        "pictures, precision='bf16', or another device."
    )


@contextmanager
def failures_named(module: Any, batch: Any) -> Iterator[None]:
    """Say what does not fit where a module cannot take a batch; other failures stay as they are.

    Parameters
    ----------
    module : torch.nn.Module
        Which.
    batch : tensor of n_rows rows
        As it gets it.
    """
    try:
        yield
    except RuntimeError as error:
        name = type(module).__name__
        if type(error).__module__.startswith(_COMPILERS):
            raise ModelOutputError(
                f"torch cannot compile the module {name}: {_first_line(error)}. Use compiled=False."
            ) from error
        misfit = "" if is_out_of_memory(error) else _misfit(module, batch)
        if not misfit:
            raise
        raise DataError(f"The module {name} {misfit}") from error


def check_passes_gradients(name: str, batch: Any, answers: Any) -> None:
    """Check that a mask can be learned through a module.

    Parameters
    ----------
    name : str
        The module's.
    batch, answers : tensor
        What went in, and what came out.

    Raises
    ------
    DataError
        If only the first of them knows gradients.
    """
    if batch.requires_grad and not answers.requires_grad:
        raise DataError(
            f"No gradients pass through the module {name}, and method='mask' of OcclusionExplainer "
            "needs them. Use method='rise' or 'window', which only ask."
        )


def _misfit(module: Any, batch: Any) -> str:
    """What the first layer that says takes, and what it got; "" where these agree."""
    kinds = (nn.Conv2d, nn.Linear, nn.Embedding)
    first = next((part for part in module.modules() if isinstance(part, kinds)), None)
    if isinstance(first, nn.Conv2d):
        return _wrong_picture(first.in_channels, batch)
    if isinstance(first, nn.Linear) and batch[0].numel() != first.in_features:
        return (
            f"takes {first.in_features} numbers a row, by its first linear layer, got rows of "
            f"{batch[0].numel()}."
        )
    if isinstance(first, nn.Embedding):
        return (
            "looks numbers up in a table (Embedding), which must be whole, and rows come to it as "
            f"{str(batch.dtype).removeprefix('torch.')}. Wrap it in a module that calls x.long() on them."
        )
    return ""


def _wrong_picture(n_channels: int, batch: Any) -> str:
    if batch.ndim < 4:
        return f"takes pictures of {n_channels} channels, got a table of {batch.shape[1]} columns."
    if batch.shape[1] == n_channels:
        return ""
    return f"takes pictures of {n_channels} channels, got {batch.shape[1]}.{channels_hint(n_channels, batch)}"


def channels_hint(n_channels: int, batch: Any) -> str:
    """What to do with pictures that have another number of channels.

    Parameters
    ----------
    n_channels : int
        What is needed.
    batch : tensor of shape (n_rows, other, height, width)
        What there is.

    Returns
    -------
    str
        Begins with a space; "" where nothing can be said.
    """
    if batch.shape[2] == n_channels:
        return " If channels come first, put them last: X.transpose(0, 2, 3, 1)."
    if batch.shape[1] == 1:
        return (
            " Grey pictures can be repeated for a network of colours: "
            f"np.repeat(X.reshape(*X.shape[:3], 1), {n_channels}, axis=3)."
        )
    return ""


def _first_line(error: RuntimeError) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
