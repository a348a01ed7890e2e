"""Neighbors of rows: real ones of tables, and points of a ball around pictures and numbers.

Distances are Euclidean, of differences in units of the data's spread: of a picture's range, of the range of a
column of numbers or dates. Two labels differ by 0 or 1, a missing value from any other by 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from agnostix.core.base.explainer import read_rows_or_images
from agnostix.core.features import read_like
from agnostix.core.frames import build_table, column_values, is_float, is_integer, take_rows
from agnostix.core.masking.fills import as_type
from agnostix.core.neighbors import find_neighbors
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_one_of, check_whole
from agnostix.metrics.orders import generator, row_seeds
from agnostix.metrics.units import is_table

KINDS = ("auto", "real", "ball")
CONVENTIONS = {"captum": (0.02, 10), "quantus": (0.2, 200)}
"""Radius of the ball, and draws."""
N_REAL = 10
"""Real neighbors of a row."""
BALL = 31
"""Stream of a row's seed: points of the ball."""


@dataclass(frozen=True)
class NeighborRows:
    """Neighbors of some rows, those of one row after another."""

    rows: Any  # (n_neighbors, ...), a table or pictures
    owners: Codes  # (n_neighbors,), ascending: the row that each is a neighbor of
    places: Codes  # (n_neighbors,): which of its row's neighbors it is
    distances: Floats  # (n_neighbors,)


@dataclass(frozen=True)
class RealNeighbors:
    """The nearest rows of a table by Gower's distance, none equal to the row itself."""

    rows: Any
    seeds: Codes
    data: Any
    positions: tuple[Codes, ...]  # in data, the nearest first
    distances: tuple[Floats, ...]
    n_neighbors: int
    radius: float | None
    n_drawn: int = 0  # by chance

    @classmethod
    def from_data(
        cls, rows: Any, seeds: Codes, data: Any, n_neighbors: int, radius: float | None, by: str
    ) -> RealNeighbors:
        """Of data, or where that is None of the rows themselves; `radius`: the most in Gower's distance."""
        own = tuple(range(rows.shape[0])) if data is None else (None,) * rows.shape[0]
        data = rows if data is None else read_like(data, rows, "data")
        positions, distances = [], []
        for one in _find_different(data, rows, own, n_neighbors):
            is_near = (one.distances > 0.0) & (one.distances <= (np.inf if radius is None else radius))
            places = np.flatnonzero(is_near)[:n_neighbors]
            positions.append(one.positions[places])
            distances.append(np.sqrt(np.square(one.parts[places]).sum(axis=1)))
        if not any(place.size for place in positions):
            near = "" if radius is None else f" within radius={radius:g}"
            raise DataError(
                f"{by} found no neighbor{near} of any of the {rows.shape[0]} rows of X among the "
                f"{data.shape[0]} rows of data, those equal to the row left out. Pass more rows, such as "
                f"data=X_train{'' if radius is None else ', or a larger radius'}."
            )
        return cls(rows, seeds, data, tuple(positions), tuple(distances), n_neighbors, radius)

    @property
    def params(self) -> dict[str, Any]:
        """How neighbors are chosen, as results have it."""
        return {"neighbors": "real", "n_neighbors": self.n_neighbors, "radius": self.radius}

    def around(self, rows: Codes) -> NeighborRows:
        """Neighbors of some rows."""
        counts = [self.positions[row].size for row in rows]
        places = np.concatenate([np.arange(n) for n in counts])
        positions = np.concatenate([self.positions[row] for row in rows])
        distances = np.concatenate([self.distances[row] for row in rows])
        return NeighborRows(take_rows(self.data, positions), np.repeat(rows, counts), places, distances)


def _find_different(data: Any, rows: Any, own: tuple[int | None, ...], n_neighbors: int) -> list[Any]:
    """The nearest rows of each, enough of them that n_neighbors are not equal to the row."""
    candidates = np.arange(data.shape[0])
    neighbors = find_neighbors(data, rows, candidates, own, n_neighbors)
    n_equal = max(one.n_equal for one in neighbors)
    if n_equal:
        neighbors = find_neighbors(data, rows, candidates, own, n_neighbors + n_equal)
    return neighbors


@dataclass(frozen=True)
class PictureNumbers:
    """All pixels of pictures, in units of their range, which they do not leave."""

    rows: Any
    low: float
    high: float

    def read(self, rows: Codes) -> Floats:
        """Numbers (n, n_numbers) of some rows."""
        return (self.rows[rows].reshape(rows.size, -1).astype(float) - self.low) / (self.high - self.low)

    def build(self, rows: Codes, numbers: Floats) -> tuple[Any, Floats]:
        """Copies of rows (n,) with other numbers (n, n_numbers), and the numbers as these hold them."""
        pixels = self.low + np.clip(numbers, 0.0, 1.0) * (self.high - self.low)
        built = as_type(pixels.reshape(rows.size, *self.rows.shape[1:]), self.rows.dtype)
        held = built.reshape(rows.size, -1).astype(float)
        return built, (held - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class ColumnNumbers:
    """Columns of numbers of a table, in units of their range; whole numbers stay whole, all else as it is."""

    rows: Any
    columns: Codes  # positions of those that move
    spans: Floats  # (n_moving,)

    @classmethod
    def from_data(cls, rows: Any, data: Any, by: str) -> ColumnNumbers:
        """Columns with a range in the data, or where that is None in the rows."""
        data = rows if data is None else read_like(data, rows, "data")
        columns, spans = [], []
        for position in range(rows.shape[1]):
            values = column_values(data, position)
            if not (is_float(values) or is_integer(values)) or not is_plain(values):
                continue
            numbers = np.asarray(values, dtype=float)
            known = numbers[np.isfinite(numbers)]
            if known.size and np.ptp(known) > 0:
                columns.append(position)
                spans.append(float(np.ptp(known)))
        if not columns:
            raise DataError(
                f"neighbors='ball' of {by} moves columns of numbers, and none of the {rows.shape[1]} columns "
                f"has numbers that differ. Pass more rows as data, or neighbors='real'."
            )
        return cls(rows, np.array(columns), np.array(spans))

    def read(self, rows: Codes) -> Floats:
        """Numbers (n, n_numbers) of some rows."""
        own = take_rows(self.rows, rows)
        numbers = [np.asarray(column_values(own, position), dtype=float) for position in self.columns]
        return np.column_stack(numbers) / self.spans

    def build(self, rows: Codes, numbers: Floats) -> tuple[Any, Floats]:
        """Copies of rows (n,) with other numbers (n, n_numbers), and the numbers as these hold them."""
        own = take_rows(self.rows, rows)
        values = {position: column_values(own, position) for position in range(own.shape[1])}
        for position, moved in zip(self.columns, (numbers * self.spans).T, strict=True):
            dtype = np.asarray(values[position]).dtype
            values[position] = (np.round(moved) if dtype.kind in "iu" else moved).astype(dtype)
        built = build_table(own, values)
        held = np.column_stack([np.asarray(values[position], dtype=float) for position in self.columns])
        return built, held / self.spans


def is_plain(values: Any) -> bool:
    """Whether a column becomes numbers of its own type, without missing values that integers cannot hold."""
    dtype = np.asarray(values).dtype
    if is_integer(values):
        return dtype.kind in "iu" and str(values.dtype).lower() == str(dtype)
    return dtype.kind == "f"


@dataclass(frozen=True)
class Ball:
    """Points drawn evenly from the cube of numbers that differ from the row's by at most the radius."""

    space: Any
    seeds: Codes
    radius: float
    n_neighbors: int

    @property
    def rows(self) -> Any:
        """The rows that the balls are around."""
        return self.space.rows

    @property
    def n_drawn(self) -> int:
        """Neighbors that are drawn by chance: all of them."""
        return self.n_neighbors

    @property
    def params(self) -> dict[str, Any]:
        """How neighbors are chosen, as results have it."""
        return {"neighbors": "ball", "n_neighbors": self.n_neighbors, "radius": self.radius}

    def around(self, rows: Codes) -> NeighborRows:
        """Neighbors of some rows."""
        centers = self.space.read(rows)
        offsets = np.concatenate([self.draw(row, centers.shape[1]) for row in rows])
        return self.move(np.repeat(rows, self.n_neighbors), np.repeat(centers, self.n_neighbors, 0), offsets)

    def draw(self, row: int, n_numbers: int) -> Floats:
        """Offsets (n_neighbors, n_numbers) within the radius."""
        draws = [
            generator(self.seeds[row], BALL, d).uniform(-1, 1, n_numbers) for d in range(self.n_neighbors)
        ]
        return self.radius * np.array(draws)

    def move(self, owners: Codes, centers: Floats, offsets: Floats) -> NeighborRows:
        """Rows at offsets (n, n_numbers) from the centers of their owners (n,), ascending."""
        built, held = self.space.build(owners, centers + offsets)
        moved = np.nan_to_num(held - centers)  # missing values stay missing
        places = np.arange(owners.size) - np.searchsorted(owners, owners)
        return NeighborRows(built, owners, places, np.sqrt(np.square(moved).sum(axis=1)))


Neighborhood = RealNeighbors | Ball
"""Where the neighbors of rows come from."""


@dataclass(frozen=True)
class NeighborOptions:
    """Parameters that choose neighbors, of the metric `by`."""

    neighbors: str = "auto"
    data: Any = None
    convention: str = "captum"
    radius: float | None = None
    n_neighbors: int | None = None
    value_range: Any = None
    random_state: int = 0
    by: str = "neighbors"

    def check(self) -> None:
        """Raise DataError for values that are not allowed."""
        check_one_of(self.by, "neighbors", self.neighbors, KINDS)
        check_one_of(self.by, "convention", self.convention, tuple(CONVENTIONS))
        check_whole(self.by, "random_state", self.random_state, 0)
        if self.n_neighbors is not None:
            check_whole(self.by, "n_neighbors", self.n_neighbors, 1)
        radius = self.radius
        if radius is not None and not (isinstance(radius, Real) and 0 < radius < np.inf):
            raise DataError(f"The 'radius' of {self.by} must be a positive number or None, got {radius!r}.")

    def make(self, X: Any) -> Neighborhood:
        """Neighbors of tables and pictures; DataError for parameters that do not fit them."""
        self.check()
        rows = read_rows_or_images(X)
        seeds = row_seeds(rows, self.random_state)
        radius, n_neighbors = CONVENTIONS[self.convention]
        if is_table(rows):
            if self.value_range is not None:
                raise DataError(
                    f"The 'value_range' of {self.by} must be None for tables, got {self.value_range!r}."
                )
            if self.neighbors != "ball":
                n_real = self.n_neighbors or N_REAL
                return RealNeighbors.from_data(rows, seeds, self.data, n_real, self.radius, self.by)
            space: Any = ColumnNumbers.from_data(rows, self.data, self.by)
        else:
            _check_no_real(self.neighbors, self.data, self.by)
            space = PictureNumbers(rows, *_read_range(rows, self.value_range, self.by))
        return Ball(space, seeds, float(self.radius or radius), self.n_neighbors or n_neighbors)


def _check_no_real(neighbors: str, data: Any, by: str) -> None:
    for name, value in (("neighbors", "real" if neighbors == "real" else None), ("data", data)):
        if value is not None:
            shown = repr(value) if isinstance(value, str) else type(value).__name__
            raise DataError(
                f"The {name!r} of {by} is for tables, whose neighbors are rows of data; got {shown} with "
                "pictures. Use neighbors='ball' and a radius."
            )


def _read_range(pixels: Any, value_range: Any, by: str) -> tuple[float, float]:
    """Least and largest value that a pixel can have."""
    if value_range is not None:
        ends = np.asarray(value_range, dtype=float) if np.shape(value_range) == (2,) else np.zeros(2)
        if not (np.isfinite(ends).all() and ends[0] < ends[1]):
            raise DataError(
                f"The 'value_range' of {by} must be (low, high), two numbers, or None, got {value_range!r}."
            )
        low, high = map(float, ends)
    elif pixels.dtype == np.uint8:
        low, high = 0.0, 255.0
    else:
        low, high = 0.0, 1.0
    least, largest = float(pixels.min()), float(pixels.max())
    if least < low or largest > high:
        where = "value_range" if value_range is not None else f"type {pixels.dtype}"
        raise DataError(
            f"The radius of {by} is in units of the pictures' range, {low:g} to {high:g} by their {where}, "
            f"and their pixels reach from {least:.4g} to {largest:.4g}. Pass value_range=(low, high)."
        )
    return low, high


def blocks_of(neighborhood: Neighborhood, n_numbers: int, room: int) -> list[Codes]:
    """Rows cut into blocks whose neighbors have at most `room` numbers together, or of one row each."""
    n_rows = int(neighborhood.rows.shape[0])
    size = max(1, room // max(1, n_numbers * neighborhood.n_neighbors))
    return [np.arange(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]
