"""Noise that is added to columns or pixels: its size, perturbed rows and their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np

from agnostix.core.evaluate import evaluate
from agnostix.core.frames import build_table, column_names, is_frame, take_rows
from agnostix.core.models import Predictor
from agnostix.core.row_sources import RowSource, batch_rows
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.differences.quantities import check_single_columns, numbers_of
from agnostix.metrics.orders import generator
from agnostix.metrics.read import ExplainedRows

ADDITIVE = 32
"""Stream of a row's seed for noise that is added."""


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of rows, the same for all channels of a unit."""

    table: Any  # the rows as the model takes them, of floats
    numbers: Floats  # (n_rows, n_units, n_channels)
    scales: Floats  # (n_rows, n_units), standard deviations
    seeds: Any  # (n_rows,)
    n_samples: int
    is_of_pixels: bool

    def sizes(self, row: int) -> Floats:
        """Noise of each unit of a row, (n_samples, n_units)."""
        normal = generator(self.seeds[row], ADDITIVE).standard_normal((self.n_samples, self.scales.shape[1]))
        normal *= self.scales[row]
        return normal

    def perturbed(self, row: int) -> Floats:
        """Numbers of a row less its noise, (n_samples, n_units, n_channels), in the table's precision."""
        moved = self.numbers[row] - self.sizes(row).astype(self.numbers.dtype)[..., None]
        return moved if is_frame(self.table) else moved.astype(self.table.dtype, copy=False)

    def taken_away(self, row: int) -> Floats:
        """What the model saw taken from each unit of a row, (n_samples, n_units); 0 where it is missing."""
        if self.is_of_pixels:
            return self.sizes(row)
        # Numbers of columns may be so large that the noise is rounded.
        return np.nan_to_num(self.numbers[row] - self.perturbed(row).astype(float))[..., 0]

    def as_rows(self, moved: Floats) -> Any:
        """Perturbed numbers (n, n_units, n_channels) as the model takes them."""
        if not is_frame(self.table):
            return moved.reshape(len(moved), *self.table.shape[1:])
        like = take_rows(self.table, np.arange(1))
        return build_table(like, {place: moved[:, place, 0] for place in range(moved.shape[1])})


def make_noise(explained: ExplainedRows, noise: Any, n_samples: int, by: str) -> Noise:
    """Noise of columns or pixels; DataError where there is no size for it."""
    kind = explained.units.kind
    rows: Any = explained.units.rows
    if kind not in ("column", "pixel"):
        raise DataError(
            f"{by} adds noise to columns and pixels, and the explanation is of {kind}s. Use "
            "perturbation='subsets'."
        )
    if kind == "pixel":
        table, scales = rows.unmasked, _scales_of_pictures(rows.pixels, noise, by)
        numbers = rows.pixels.reshape(*scales.shape, -1)
    else:
        check_single_columns(explained, by)
        numbers = numbers_of(rows.unmasked, by)
        scales = np.broadcast_to(_scales_of_columns(explained, noise, by), numbers.shape)
        table, numbers = _as_floats(rows.unmasked), numbers[..., None]
    return Noise(table, numbers, scales, explained.seeds, n_samples, kind == "pixel")


def _scales_of_pictures(pixels: Any, noise: Any, by: str) -> Floats:
    """A share of each picture's range, (n_rows, n_pixels)."""
    if pixels.dtype.kind != "f":
        raise DataError(
            f"{by} adds noise to pictures of decimals, which are not rounded, and these are {pixels.dtype}. "
            "Explain X.astype('float32'), with as_predictor(model, value_range='0-255') for a network."
        )
    if not _is_size(noise):
        raise DataError(
            f"The 'noise' of {by} must be a number above 0 for pictures, a share of their range; got "
            f"{noise!r}."
        )
    flat = pixels.reshape(len(pixels), -1)
    n_pixels = int(np.prod(pixels.shape[1:3]))
    return np.repeat(float(noise) * np.ptp(flat, axis=1).astype(float)[:, None], n_pixels, axis=1)


def _scales_of_columns(explained: ExplainedRows, noise: Any, by: str) -> Floats:
    """Standard deviations (n_columns,): given, or a share of those over the background rows."""
    n = explained.units.n_units
    if isinstance(noise, str) or not (np.iterable(noise) or _is_size(noise)):
        raise DataError(
            f"The 'noise' of {by} must be a number above 0, a share of each column's standard deviation, or "
            f"a list of {n} standard deviations; got {noise!r}."
        )
    if np.iterable(noise):
        listed = list(noise)
        if len(listed) != n or not all(one == 0 or _is_size(one) for one in listed) or not any(listed):
            raise DataError(
                f"The 'noise' of {by} must be {n} standard deviations, one for each column, of at least 0 "
                f"and not all 0; got {noise!r}."
            )
        return np.array(listed, dtype=float)
    masker = explained.units.masker
    background = getattr(masker, "background", None)
    if background is None or background.shape[0] < 2:
        raise DataError(
            f"{by} has a share of each column's standard deviation as noise, and no background rows to take "
            "it from. Pass several as masker, such as masker=X_train[:100], or a list of standard deviations "
            "as noise."
        )
    numbers, weights = numbers_of(background, by), np.asarray(masker.weights)
    known = ~np.isnan(numbers) * weights[:, None]
    known = known / np.maximum(known.sum(axis=0), 1e-300)
    centered = np.nan_to_num(numbers - (known * np.nan_to_num(numbers)).sum(axis=0))
    return np.asarray(float(noise) * np.sqrt((known * centered**2).sum(axis=0)))


def _is_size(noise: Any) -> bool:
    return isinstance(noise, Real) and not isinstance(noise, bool) and 0 < float(noise) < np.inf


def without_noise(explained: ExplainedRows, noise: Noise) -> tuple[str, ...]:
    """A note where some units have no noise."""
    none = (noise.scales == 0).any(axis=0)
    if not none.any():
        return ()
    if explained.units.kind == "pixel":
        n = int((noise.scales == 0).all(axis=1).sum())
        return (f"{n} of {len(explained)} pictures are of one color and get no noise.",)
    names = [name for name, one in zip(column_names(noise.table), none, strict=True) if one]
    return (f"No noise in {', '.join(names[:6])}: the score does not depend on the values there.",)


def _as_floats(table: Any) -> Any:
    """A table with all columns of floats."""
    if not is_frame(table):
        return table if table.dtype.kind == "f" else table.astype(float)
    return nw.from_native(table, eager_only=True).with_columns(nw.all().cast(nw.Float64)).to_native()


@dataclass
class NoisyRows(RowSource):
    """Rows under noise. An item is some rows, each with all of its draws."""

    noise: Noise
    outputs: Any  # (n_rows, n_selected)
    n_together: int = 1
    _moved: tuple[int, Any] = field(default=(-1, None), init=False, repr=False)

    @property
    def n_items(self) -> int:
        return -(-len(self.outputs) // self.n_together)

    @property
    def n_columns(self) -> int:
        return int(np.prod(self.noise.numbers.shape[1:]))

    def plan(self, predictor: Predictor, n_outputs: int, n_workers: int, n_kept: int) -> NoisyRows:
        room = batch_rows(self.n_columns, n_outputs, n_workers) // self.noise.n_samples
        return replace(self, n_together=max(1, min(room, -(-len(self.outputs) // n_workers))))

    def for_worker(self) -> NoisyRows:
        return replace(self)

    def n_rows(self, block: int) -> int:
        return len(self._rows_of(block)) * self.noise.n_samples

    def build(self, block: int, part: slice) -> Any:
        rows, draws = np.divmod(np.arange(part.start, part.stop), self.noise.n_samples)
        own = self._rows_of(block)
        return self.noise.as_rows(
            np.concatenate([self._move(own[row])[draws[rows == row]] for row in np.unique(rows)])
        )

    def describe(self, block: int, part: slice | None = None) -> str:
        rows = self._rows_of(block)
        return f"rows {rows[0]} to {rows[-1]} under noise"

    def collect_outputs(self, item: int, predictions: Floats) -> list[Floats]:
        """Predictions (n_samples, n_selected) of each row."""
        by_row = predictions.reshape(-1, self.noise.n_samples, predictions.shape[1])
        return [one[:, self.outputs[row]] for row, one in zip(self._rows_of(item), by_row, strict=True)]

    def _rows_of(self, item: int) -> Sequence[int]:
        return range(item * self.n_together, min((item + 1) * self.n_together, len(self.outputs)))

    def _move(self, row: int) -> Floats:
        if self._moved[0] != row:
            self._moved = -1, None  # before others are made
            self._moved = row, self.noise.perturbed(row)
        return np.asarray(self._moved[1])


def predict_noisy_falls(
    explained: ExplainedRows, noise: Noise, n_jobs: Any, verbose: Any
) -> tuple[list[Floats], int]:
    """By how much predictions (n_samples, n_selected) of each row fall under its noise, and model rows."""
    answers, n = evaluate(
        explained.predictor,
        NoisyRows(noise, explained.outputs),
        NoisyRows.collect_outputs,
        n_outputs=explained.predictions.shape[1],
        n_jobs=n_jobs,
        verbose=verbose,
    )
    flat = [one for item in answers for one in item]
    return [whole - one for whole, one in zip(explained.scores, flat, strict=True)], n
