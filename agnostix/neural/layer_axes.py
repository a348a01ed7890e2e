"""Axes of a layer's output: which are summed over, and what the values that remain are of."""

from __future__ import annotations

from dataclasses import dataclass

from agnostix.exceptions import DataError

Axes = tuple[int, ...] | None
"""Axes of a tensor that are summed over; None for none."""
_PLACES = (("feature",), ("y", "x"), ("z", "y", "x"))
"""Dims of places, by how many axes they have."""


@dataclass(frozen=True)
class LayerAxes:
    """What the values of a layer are of: its places, its channels, or the columns or pixels of the rows."""

    name: str
    shape: tuple[int, ...]  # of the output, without its first axis for rows
    summed: tuple[int, ...]  # axes of the output (n_rows, ...)
    dims: tuple[str, ...]  # of the others, without "row"
    is_of_input: bool  # whether there is a value for each column or pixel of the rows

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the entries of the only axis that is left."""
        (axis,) = (axis for axis in range(1, len(self.shape) + 1) if axis not in self.summed)
        return tuple(f"{self.name}[{i}]" for i in range(self.shape[axis - 1]))

    def __str__(self) -> str:
        return f"{self.name}: {self.shape}"


def read_layer_axes(
    name: str, shape: tuple[int, ...], rows_shape: tuple[int, ...], has_channels_last: bool, kept: str
) -> LayerAxes:
    """Axes of an output (n_rows, *shape) of which "places" or "channels" are kept; DataError for none."""
    own = rows_shape[1:2] if len(rows_shape) == 2 else rows_shape[1:3]
    axes = tuple(range(1, len(shape) + 1))
    channels = _find_channels(shape, own, has_channels_last)
    if kept == "channels" and not channels and len(shape) > 1:
        raise DataError(
            f"Layer {name!r} gives (n_rows, {_listed(shape)}), one number for each pixel, and has no "
            "channels. Use layer_values='places'."
        )
    left = channels if kept == "channels" and channels else tuple(sorted({*axes} - {*channels}))
    if not 1 <= len(left) <= len(_PLACES):
        raise DataError(
            f"Layer {name!r} gives (n_rows, {_listed(shape)}), with places along {len(left)} axes, of which "
            f"an explanation has up to {len(_PLACES)}. Use layer_values='channels'."
        )
    sizes = tuple(shape[axis - 1] for axis in left)
    is_of_input = kept == "places" and sizes == own and len(shape) > 1
    return LayerAxes(name, shape, tuple(sorted({*axes} - {*left})), _PLACES[len(left) - 1], is_of_input)


def _find_channels(shape: tuple[int, ...], own: tuple[int, ...], has_channels_last: bool) -> tuple[int, ...]:
    """The axis of channels, if there is one; `own` are the columns, or height and width, of the rows."""
    if len(shape) < 2 or shape == own:
        return ()
    if len(own) == 1 and len(shape) == 2 and own[0] in shape:
        return (2,) if shape[0] == own[0] else (1,)  # a value for each column
    return (len(shape),) if has_channels_last else (1,)


def _listed(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
