"""Results of what-if analysis of pictures: a map of the pixels for each output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from agnostix.core.explanation.selection import find_place
from agnostix.core.explanation.views import table_html
from agnostix.core.typing import Floats

_BY_OUTPUT = "outputs"
_MOST_SHOWN = 12
"""Maps in the HTML."""


class _PixelMaps:
    """Maps of pixels with errors, of outputs and perhaps of groups: what both dataclasses share."""

    values: Floats
    std_errors: Floats
    low: Floats
    high: Floats

    axes: ClassVar[dict[str, str]]
    """Of each array, what its first axes are after the groups: "outputs", or "" for a single map."""
    output_names: tuple[str, ...]
    groups: tuple[Any, ...] | None
    status: np.ndarray

    def sel(self, *, outputs: Any = None, groups: Any = None) -> Self:
        """Select maps by name.

        Parameters
        ----------
        outputs : str, int or sequence of them, default=None
            Names or positions of outputs; None keeps all.
        groups : scalar or sequence, default=None
            Labels or positions of groups; None keeps all.

        Returns
        -------
        PixelEffects or PixelShifts

        Raises
        ------
        KeyError
            If there is no such output or group.
        """
        result: Any = self
        if groups is not None:
            if self.groups is None:
                raise KeyError("There are no groups here: pass by=labels to make maps of each.")
            places = _places("group", groups, self.groups)
            arrays = {name: getattr(result, name)[places] for name in self.axes}
            result = replace(result, groups=tuple(self.groups[k] for k in places), **arrays)
        if outputs is None:
            return result
        places = _places("output", outputs, self.output_names)
        of_outputs = [name for name, axis in self.axes.items() if axis == _BY_OUTPUT]
        axis = 0 if self.groups is None else 1
        arrays = {name: np.take(getattr(result, name), places, axis=axis) for name in of_outputs}
        return replace(result, output_names=tuple(self.output_names[k] for k in places), **arrays)

    def to_frame(self) -> pd.DataFrame:
        """One row for each group, output, pixel and channel.

        Returns
        -------
        DataFrame
            Columns group (None without groups), output, y, x, channel (None without
            channels), value, std_error, low, high, status.
        """
        groups = (None,) if self.groups is None else self.groups
        lead = (len(groups), len(self.output_names))
        shape = (*lead, *self._picture_shape)
        places = np.indices(shape).reshape(len(shape), -1)
        names = np.array(self.output_names, dtype=object)
        labels = np.fromiter(groups, dtype=object, count=len(groups))
        channel = places[4] if len(shape) == 5 else np.full(places.shape[1], None)
        parts = {"value": self.values, "std_error": self.std_errors, "low": self.low, "high": self.high}
        frame = {"group": labels[places[0]], "output": names[places[1]]}
        frame |= {"y": places[2], "x": places[3], "channel": channel}
        frame |= {name: part.ravel() for name, part in parts.items()}
        frame["status"] = self._status_of_maps(lead).ravel()
        return pd.DataFrame({name: pd.Series(part, dtype=part.dtype) for name, part in frame.items()})

    def _status_of_maps(self, lead: tuple[int, int]) -> np.ndarray:
        """Status in the shape of the values."""
        raise NotImplementedError

    @property
    def _picture_shape(self) -> tuple[int, ...]:
        """Height, width and, of color, channels."""
        return self.values.shape[1 if self.groups is None else 2 :]

    def __repr__(self) -> str:
        sides = " x ".join(map(str, self._picture_shape))
        names = ", ".join(self.output_names[:6]) + (", ..." if len(self.output_names) > 6 else "")
        of_groups = "" if self.groups is None else f"; groups {', '.join(map(str, self.groups))}"
        return f"{type(self).__name__}({names}: {sides} pixels{of_groups})"

    def _repr_html_(self) -> str:
        """The largest value of each map; all numbers are in `to_frame`."""
        lead = (1 if self.groups is None else len(self.groups), len(self.output_names))
        values = self.values.reshape(*lead, *self._picture_shape)
        rows = []
        for g, k in list(np.ndindex(*lead))[:_MOST_SHOWN]:
            size = np.nan_to_num(np.abs(values[g, k]))
            place = np.unravel_index(int(size.argmax()), size.shape)
            group = None if self.groups is None else self.groups[g]
            where = ", ".join(map(str, map(int, place)))
            rows.append([group, self.output_names[k], where, float(values[g, k][place])])
        return table_html(repr(self), ["group", "output", "largest at", "value"], rows)


def _places(what: str, wanted: Any, names: Sequence[Any]) -> list[int]:
    listed = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    texts = [str(name) for name in names]
    return [names.index(one) if one in names else find_place(what, one, texts) for one in listed]


@dataclass(frozen=True, eq=False, repr=False)
class PixelEffects(_PixelMaps):
    """What a pixel's average does to the outputs, one map for each output.

    A value is the mean output in the population in which the average of that pixel is shifted up, less the
    one in which it is shifted down. With `by`, all arrays have a first axis of groups. The last axis of
    color pictures is the channel.

    Attributes
    ----------
    values, std_errors, low, high : ndarray of shape (n_outputs, height, width[, n_channels])
        The effects in units of the output, with standard errors and intervals; NaN where a
        pixel is constant.
    down, up, down_std_errors, up_std_errors : ndarray of shape (n_outputs, height, width[, n_channels])
        The mean outputs in both populations.
    targets : ndarray of shape (2, height, width[, n_channels])
        The pixel's average in both, in its own units.
    kl, ess : ndarray of shape (2, height, width[, n_channels])
        Divergence of both from the data in nats, and effective pictures.
    status : ndarray of shape (height, width[, n_channels])
        "ok"; "thin" where few effective pictures carry the result; "boundary" where
        even the extreme is closer than the stated divergence; "not determined" where all
        pictures have the same value.
    averages : ndarray of shape (height, width[, n_channels])
        The average picture.
    base : ndarray of shape (n_outputs,)
        The mean outputs in the data.
    output_names : tuple of str
        Names of the outputs, or of the metrics.
    groups : tuple or None
        Labels of the groups.
    n_rows : int or tuple of int
        Pictures, with groups in each.
    confidence_level : float
        Nominal coverage of each interval.
    n_model_rows : int
        Pictures that the model evaluated, all of them in `fit`.
    params : dict
        Parameters of the explainer and of `explain`.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import PixelProjection
    >>> pictures = np.random.default_rng(0).integers(0, 17, (500, 6, 6))
    >>> effects = PixelProjection(lambda P: P[:, 2, 2] / 16).fit(pictures).explain()
    >>> effects.values.shape, [int(k) for k in np.unravel_index(effects.values[0].argmax(), (6, 6))]
    ((1, 6, 6), [2, 2])
    """

    values: Floats
    std_errors: Floats
    low: Floats
    high: Floats
    down: Floats
    up: Floats
    down_std_errors: Floats
    up_std_errors: Floats
    targets: Floats
    kl: Floats
    ess: Floats
    status: np.ndarray
    averages: Floats
    base: Floats
    output_names: tuple[str, ...]
    groups: tuple[Any, ...] | None
    n_rows: Any
    confidence_level: float
    n_model_rows: int
    params: dict[str, Any]

    axes = dict.fromkeys(
        ("values", "std_errors", "low", "high", "down", "up", "down_std_errors", "up_std_errors", "base"),
        _BY_OUTPUT,
    ) | dict.fromkeys(("targets", "kl", "ess", "status", "averages"), "")

    def _status_of_maps(self, lead: tuple[int, int]) -> np.ndarray:
        status = self.status.reshape(lead[0], 1, *self._picture_shape)
        return np.broadcast_to(status, (*lead, *self._picture_shape))


@dataclass(frozen=True, eq=False, repr=False)
class PixelShifts(_PixelMaps):
    """How the average picture shifts with an outcome, one map for each output or scenario.

    With `by`, all arrays have a first axis of groups. The last axis of color pictures is the channel.

    Attributes
    ----------
    values, std_errors, low, high : ndarray of shape (n_outputs, height, width[, n_channels])
        Average picture at the end less the one at the start, in the pixels' units, with
        standard errors and intervals.
    start, end : ndarray of shape (n_outputs, height, width[, n_channels])
        Average pictures: of `what_if` in the data and in the scenario, of `reverse` where the mean
        output is shifted down and up.
    spread : ndarray of shape (height, width[, n_channels])
        Standard deviation of each pixel in the data.
    targets : ndarray of shape (n_outputs, 2)
        Mean of the outcome at the start and at the end; NaN of several constraints.
    kl, ess : ndarray of shape (n_outputs, 2)
        Divergence of both from the data in nats, and effective pictures.
    status : ndarray of shape (n_outputs,)
        "ok", "thin", "boundary", or "not determined" where an outcome is constant.
    weights : ndarray of shape (n_outputs, 2, n_rows)
        Weight of each picture given to fit, in its order and with mean 1, at the start and at the end.
    output_names : tuple of str
        Names of the outputs, or of the scenario.
    groups : tuple or None
        Labels of the groups.
    n_rows : int or tuple of int
        Pictures, with groups in each.
    confidence_level : float
        Nominal coverage of each interval.
    n_model_rows : int
        Pictures that the model evaluated, all of them in `fit`.
    params : dict
        Parameters of the explainer and of the method.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import PixelProjection
    >>> pictures = np.random.default_rng(0).integers(0, 17, (500, 6, 6))
    >>> shifts = PixelProjection(lambda P: P[:, 2, 2] / 16).fit(pictures).what_if(prediction=0.6)
    >>> bool(abs(shifts.end[0, 2, 2] / 16 - 0.6) < 1e-8), shifts.status.tolist()
    (True, ['ok'])
    """

    values: Floats
    std_errors: Floats
    low: Floats
    high: Floats
    start: Floats
    end: Floats
    spread: Floats
    targets: Floats
    kl: Floats
    ess: Floats
    status: np.ndarray
    weights: Floats
    output_names: tuple[str, ...]
    groups: tuple[Any, ...] | None
    n_rows: Any
    confidence_level: float
    n_model_rows: int
    params: dict[str, Any]

    axes = dict.fromkeys(
        ("values", "std_errors", "low", "high", "start", "end", "targets", "kl", "ess", "status", "weights"),
        _BY_OUTPUT,
    ) | {"spread": ""}

    def _status_of_maps(self, lead: tuple[int, int]) -> np.ndarray:
        status = self.status.reshape(*lead, *(1 for _ in self._picture_shape))
        return np.broadcast_to(status, (*lead, *self._picture_shape))
