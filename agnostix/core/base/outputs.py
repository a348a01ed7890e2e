"""Which of the model's outputs are explained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from agnostix.core.typing import Codes, Floats, Numbers

MAX_OUTPUTS = 20
"""Outputs up to which all are explained by default; beyond, the predicted one."""


def select_outputs(wanted: Any, names: Sequence[str], answers: Floats) -> tuple[Codes, tuple[str, ...]]:
    """Read the ``outputs`` parameter.

    Parameters
    ----------
    wanted : None, "predicted", name, index, or sequence of names and indices
        Which outputs.
    names : sequence of str
        Names of all of them.
    answers : ndarray of shape (n_rows, n_outputs)
        The model's answers to the rows.

    Returns
    -------
    which : ndarray of int of shape (n_rows, n_selected)
        Positions of the outputs, for each row.
    selected : tuple of str
        Their names; "predicted" where it is another for each row.

    Raises
    ------
    ValueError
        If there is no such output.
    """
    if wanted is None:
        wanted = "predicted" if len(names) > MAX_OUTPUTS else list(range(len(names)))
    if isinstance(wanted, str) and wanted == "predicted" and wanted not in names:
        return answers.argmax(1)[:, None], ("predicted",)
    listed = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
    found = [_position(one, names) for one in listed]
    if not found or len(set(found)) < len(found):
        raise ValueError(
            f"The 'outputs' parameter must name at least one output, and none twice, got {wanted!r}."
        )
    return np.tile(np.array(found), (answers.shape[0], 1)), tuple(names[j] for j in found)


def _position(one: Any, names: Sequence[str]) -> int:
    if isinstance(one, int | np.integer) and not isinstance(one, bool) and 0 <= one < len(names):
        return int(one)
    if str(one) in names:
        return list(names).index(str(one))
    raise ValueError(f"There is no output {one!r}. The outputs: {', '.join(names)}.")


def picked(values: Numbers, which: Codes) -> Numbers:
    """The chosen outputs of each row.

    Parameters
    ----------
    values : ndarray of shape (n_rows, ..., n_outputs)
        Something of each output.
    which : ndarray of int of shape (n_rows, n_selected)
        Positions of the outputs, for each row.

    Returns
    -------
    ndarray of shape (n_rows, ..., n_selected)
    """
    if which.shape[1] == values.shape[-1] and (which == np.arange(which.shape[1])).all():
        return values
    between = (1,) * (values.ndim - 2)
    return np.take_along_axis(values, which.reshape(which.shape[0], *between, which.shape[1]), axis=-1)
