"""Maps of what shifting pixels does to outputs, or outputs to pixels, on the average picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import PixelEffects, PixelShifts
from agnostix.core.files import one_line
from agnostix.core.typing import Bools, Floats
from agnostix.plotting.display import Display
from agnostix.plotting.images import frame_panels, hatch, pale
from agnostix.plotting.style import INK, MUTED, add_colorbar, color_scale, diverging
from agnostix.plotting.words import wrap_lines

_SIZE = 1.9
"""Inches of a panel's longer side."""
_PER_INCH = 11
"""Characters of a name to an inch."""
_N_ABREAST = 5
"""Panels side by side at most, where they need not stand in a grid."""
_COLORS = ("red", "green", "blue", "alpha")
_UNKNOWN = 0.93
"""Gray level of pixels without a value."""
_NOTES = {"unsure": "hatched: the interval contains 0", "thin": "dotted: few pictures support it"}


@dataclass(eq=False, repr=False)
class PixelEffectDisplay(Display):
    """Maps of pixels, one for each output, over the average picture.

    Blue is positive, orange negative, white 0; all maps have one color scale. Groups
    have a row each, and so have color channels, which stand side by side if there is
    one output. A pixel is darker where the average picture
    is, hatched where its interval contains 0, dotted where few effective pictures
    support it, and light gray without a dot of color where it is constant.

    Parameters
    ----------
    values : ndarray of shape (n_down, n_across, height, width)
        In units of the output, or of the pixels.
    pictures : ndarray of shape (n_down, n_across, height, width)
        Average picture behind each map, as gray levels from 0 to 1.
    column_names : sequence of str
        Names of the outputs.
    row_names : sequence of str
        Names of groups and channels.
    unsure : ndarray of bool of shape (n_down, n_across, height, width)
        Where the interval contains 0.
    thin : ndarray of bool of shape (n_down, n_across, height, width)
        Where the status is "thin" or "boundary".
    label : str, default="value"
        Name of the color scale.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        Where it was drawn, row by row.
    ax_, figure_ : matplotlib Axes and Figure
        The first of them, and their figure.
    colorbar_ : matplotlib Colorbar
        The color scale.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import PixelProjection
    >>> from agnostix.plotting import PixelEffectDisplay
    >>> pictures = np.random.default_rng(0).integers(0, 17, (300, 6, 6))
    >>> effects = PixelProjection(lambda P: P[:, 2, 2] / 16).fit(pictures).explain()
    >>> display = PixelEffectDisplay.from_explanation(effects).plot()
    >>> display.frame().shape
    (36, 6)
    """

    values: Floats
    pictures: Floats
    column_names: Sequence[str]
    row_names: Sequence[str]
    unsure: Bools
    thin: Bools
    label: str = "value"

    axes_: ClassVar[Any]
    colorbar_: ClassVar[Any]

    @classmethod
    def from_explanation(
        cls, explanation: PixelEffects | PixelShifts, *, outputs: Any = None, groups: Any = None
    ) -> PixelEffectDisplay:
        """Select maps.

        Parameters
        ----------
        explanation : PixelEffects or PixelShifts
            The result of `PixelProjection.explain`, `reverse` or `what_if`.
        outputs : str, int or sequence of them, default=None
            Names or positions of outputs; by default all.
        groups : scalar or sequence, default=None
            Labels or positions of groups; by default all.

        Returns
        -------
        PixelEffectDisplay
        """
        shown = explanation.sel(outputs=outputs, groups=groups)
        groups_ = shown.groups or (None,)
        shape = shown.values.shape[1 if shown.groups is None else 2 :]
        channels = range(shape[2]) if len(shape) == 3 else range(1)
        lead = (len(groups_), len(shown.output_names), *shape[:2], len(channels))

        is_abreast = lead[1] == 1 and len(channels) > 1
        outputs_, names = [one_line(name) for name in shown.output_names], _channel_names(len(channels))
        columns = [", ".join(filter(None, (outputs_[0], name))) for name in names] if is_abreast else outputs_
        rows = [None] if is_abreast else names

        def by_row(array: Any) -> Any:
            """From ([n_groups,] n_outputs, height, width[, n_channels]) to the arrangement of the panels."""
            return np.moveaxis(np.reshape(array, lead), -1, 1).reshape(-1, len(columns), *shape[:2])

        of_all = np.broadcast_to(_status(shown, len(shape)), shown.values.shape)
        unsure = (shown.low <= 0.0) & (shown.high >= 0.0) & (shown.high > shown.low)
        return cls(
            by_row(shown.values),
            _backgrounds(shown, shape, by_row),
            columns,
            [_join(group, name) for group in groups_ for name in rows],
            by_row(unsure),
            by_row(np.isin(of_all, ["thin", "boundary"])),
            _label(shown),
        )

    def frame(self) -> pd.DataFrame:
        """All pixels of each map, row by row.

        Returns
        -------
        DataFrame
            Columns output, row (name of group and channel), y, x, value, is_unsure.
        """
        down, across, y, x = np.indices(self.values.shape).reshape(4, -1)
        return pd.DataFrame(
            {
                "output": np.array(self.column_names, dtype=object)[across],
                "row": np.array(self.row_names, dtype=object)[down],
                "y": y,
                "x": x,
                "value": self.values.ravel(),
                "is_unsure": self.unsure.ravel(),
            }
        )

    @property
    def _grid(self) -> tuple[int, int]:
        """Panels down and across."""
        n_down, n_across = self.values.shape[:2]
        if n_down > 1:
            return n_down, n_across
        rows = -(-n_across // _N_ABREAST)
        return rows, -(-n_across // rows)

    def _figsize(self) -> tuple[float, float]:
        height, width = self.values.shape[2:]
        scale = (2.0 * _SIZE if self.values.shape[:2] == (1, 1) else _SIZE) / max(height, width)
        down, across = self._grid
        return across * (scale * width + 0.15) + 1.5, down * (scale * height + 0.35) + 0.45

    def _set_axes(self, ax: Any) -> None:
        n = self.values.shape[0] * self.values.shape[1]
        if ax is None:
            import matplotlib.pyplot as plt

            figure = plt.figure(figsize=self._figsize(), layout="compressed")  # as shapes are fixed
            axes = list(figure.subplots(*self._grid, squeeze=False).flat)
            for unused in axes[n:]:
                unused.set_axis_off()
            axes = axes[:n]
        else:
            axes = list(np.ravel(ax))
            if len(axes) != n:
                raise ValueError(f"ax must be {n} axes, one for each map, got {len(axes)}.")
        self.axes_, self.ax_, self.figure_ = axes, axes[0], axes[0].figure  # type: ignore[misc]
        frame_panels(axes)

    def _draw(self, factor: float = 1.0, suffix: str = "", cmap: Any = None) -> None:
        numbers = factor * self.values
        known = pd.Series(numbers[np.isfinite(numbers)])
        colors = color_scale(known, cmap or diverging(pale=True))
        n_down, n_across = self.values.shape[:2]
        for i, k in np.ndindex(n_down, n_across):
            panel, values = self.axes_[i * n_across + k], numbers[i, k]
            shown = colors.to_rgba(np.nan_to_num(values))[..., :3] * pale(self.pictures[i, k])
            shown[np.isnan(values)] = _UNKNOWN
            panel.imshow(shown, interpolation="nearest")
            hatch(panel, self.unsure[i, k])
            hatch(panel, self.thin[i, k] & ~self.unsure[i, k], pattern="...")
            self._name_panel(panel, i, k)
        self.colorbar_ = add_colorbar(  # type: ignore[misc]
            colors, self.axes_, self.label, suffix, aspect=28, shrink=0.8
        )
        self._add_notes()

    def _name_panel(self, panel: Any, i: int, k: int) -> None:
        n_down, n_across = self.values.shape[:2]
        height, width = self.values.shape[2:]
        inches = _SIZE / max(height, width)
        if i == 0 and (n_across > 1 or n_down == 1):
            words = wrap_lines(self.column_names[k], max(int(_PER_INCH * inches * width), 9), 2)
            panel.set_title(words, fontsize=10, parse_math=False)
        elif i == 0 and n_across == 1:
            panel.set_title(wrap_lines(self.column_names[k], 24, 2), fontsize=10, parse_math=False)
        if k == 0 and self.row_names[i]:
            words = wrap_lines(self.row_names[i], max(int(_PER_INCH * inches * height), 9), 2)
            panel.set_ylabel(words, color=INK, fontsize=9, parse_math=False)

    def _add_notes(self) -> None:
        """What hatches mean, below the first map of the last row."""
        marks = {"unsure": self.unsure.any(), "thin": (self.thin & ~self.unsure).any()}
        notes = [_NOTES[name] for name, is_there in marks.items() if is_there]
        if notes:
            down, across = self._grid
            below = self.axes_[(down - 1) * across]
            below.set_xlabel("\n".join(notes), color=MUTED, fontsize=8, loc="left")


def _status(shown: Any, n_axes: int) -> np.ndarray:
    """Status of each pixel, or of each map, to be broadcast over the values."""
    n_groups = 0 if shown.groups is None else 1
    if isinstance(shown, PixelEffects):
        return np.expand_dims(shown.status, n_groups)
    return shown.status.reshape(*shown.status.shape, *(1,) * n_axes)


def _backgrounds(shown: Any, shape: tuple[int, ...], by_row: Callable[[Any], Any]) -> Floats:
    """Gray levels of the average picture of each group, in the arrangement of the maps."""
    averages = shown.averages if isinstance(shown, PixelEffects) else _middle(shown)
    low, high = averages.min(), averages.max()
    gray = (averages - low) / (high - low) if high > low else np.ones_like(averages)
    behind = np.expand_dims(gray, gray.ndim - len(shape))
    levels: Floats = by_row(np.broadcast_to(behind, shown.values.shape))
    return levels


def _middle(shown: PixelShifts) -> Floats:
    """The average picture between start and end, over outputs."""
    axis = 0 if shown.groups is None else 1
    middle: Floats = 0.5 * (shown.start + shown.end)
    return np.nan_to_num(middle).mean(axis)


def _channel_names(n_channels: int) -> list[str | None]:
    """Colors of three or four channels, numbers of others; None for gray pictures."""
    if n_channels == 1:
        return [None]
    return list(_COLORS[:n_channels] if n_channels in (3, 4) else (f"channel {c}" for c in range(n_channels)))


def _join(group: Any, channel: str | None) -> str:
    return ", ".join([*([] if group is None else [one_line(str(group))]), *([channel] if channel else [])])


def _label(shown: PixelEffects | PixelShifts) -> str:
    if isinstance(shown, PixelEffects):
        name = shown.output_names[0] if len(shown.output_names) == 1 else "the output"
        return f"mean of {one_line(name)}, pixel up less down"
    return "average picture, end less start (units of the pixels)"
