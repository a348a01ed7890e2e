"""Rows to evaluate, in batches that fit the working memory, and how a model is called with one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn import get_config

from agnostix.core.frames import copy_table, take_rows
from agnostix.core.masking import MaskBlock, MaskedRows, Masker, SoftMaskBatch, narrowed, widen_masks
from agnostix.core.models import MaskComposer, Predictor, wants_to_write
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError, ModelOutputError

MAX_BYTES = 256 * 2**20
"""Working memory, unless scikit-learn's setting was changed."""
BATCH_BYTES = 40 * 2**20
"""A batch's part of it: larger ones leave the processor's caches, smaller ones call the model too often."""
MERGED_NUMBERS = 2**17
"""Predictions of one row among which equal perturbed rows are merged, whatever the working memory."""
_SKLEARN_DEFAULT = 1024 * 2**20
_COPIES = 5
"""Times a built row is held at once: built, converted by the model, predictions, our sums, what is kept."""


class RowSource(ABC):
    """Rows to evaluate, as items whose predictions are reduced one by one.

    An item is evaluated in `n_blocks` blocks, which workers may share, and a block in batches. Blocks are
    numbered through: block b belongs to item b // n_blocks.
    """

    @property
    def n_blocks(self) -> int:
        """Blocks of an item."""
        return 1

    @property
    @abstractmethod
    def n_items(self) -> int:
        """Items, one or more."""

    @property
    @abstractmethod
    def n_columns(self) -> int:
        """Numbers in a row, or as many as are held of one."""

    @abstractmethod
    def n_rows(self, block: int) -> int:
        """Model rows of a block, one or more."""

    @abstractmethod
    def build(self, block: int, part: slice) -> Any:
        """Some rows of a block, as the model takes them."""

    @abstractmethod
    def describe(self, block: int, part: slice | None = None) -> str:
        """What these rows are called in an error; None for all of the block."""

    @property
    def n_evaluations(self) -> int:
        """Size of the work to a progress bar."""
        return sum(self.n_rows(block) for block in range(self.n_items * self.n_blocks))

    def plan(self, predictor: Predictor, n_outputs: int, n_workers: int, n_kept: int) -> RowSource:
        """Cut into blocks that fit the working memory; `n_kept` numbers are kept of each mask."""
        for item in range(self.n_items):
            if self.n_rows(item) == 0:
                raise DataError(f"Item {item} of {type(self).__name__} has no rows to evaluate.")
        return self

    def for_worker(self) -> RowSource:
        """A copy for one worker alone, which may hold state from block to block."""
        return self

    def parts(self, block: int, batch_size: int) -> list[slice]:
        """The batches of a block."""
        n = self.n_rows(block)
        return [slice(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]

    def predict(self, block: int, part: slice, caller: ModelCaller) -> Floats:
        """Predictions of a batch, of shape (n_rows, n_outputs)."""
        return caller.predict(self.build(block, part), self.is_intact)

    def is_intact(self, table: Any) -> bool:
        """Whether the model has left a batch as it was, if that matters to the next one."""
        return True

    def span(self, block: int) -> slice:
        """Where the reduced predictions of a block belong among those of its item."""
        return slice(0, self.n_rows(block))

    def arrange(self, block: int, predictions: Floats) -> tuple[Floats, Any]:
        """Predictions of a block as its reducer takes them, and what they are predictions of."""
        return predictions, block

    def collect(self, results: list[Any]) -> Any:
        """From the results of all items to what `evaluate` returns."""
        return results


class ModelCaller:
    """Calls a model with n_outputs outputs, with copies of the tables once it has changed one."""

    def __init__(self, predictor: Predictor, n_outputs: int) -> None:
        self.predictor = predictor
        self._n_outputs = n_outputs

    def predict(self, table: Any, is_intact: Callable[[Any], bool]) -> Floats:
        """Predictions (n_rows, n_outputs); a model that has changed a table gets copies from then on."""
        try:
            predictions = self.predictor.predict_batch(table)
        except ValueError as error:
            if self.predictor.copies or not wants_to_write(error):
                raise
            self.predictor = replace(self.predictor, copies=True)
            predictions = self.predictor.predict_batch(table)
        if not is_intact(table):
            self.predictor = replace(self.predictor, copies=True)
        return self._checked(predictions)

    def predict_masked(
        self, x: Any, masks: Bools | SoftMaskBatch, fill: Any, segments: Codes | None = None
    ) -> Floats:
        """Predictions (n_rows, n_masks, n_fill, n_outputs) of a model that composes masked rows itself."""
        return self._checked(self.predictor.predict_masked(x, masks, fill, segments))

    def _checked(self, predictions: Floats) -> Floats:
        if predictions.shape[-1] != self._n_outputs:
            raise ModelOutputError(f"{predictions.shape[-1]} outputs where {self._n_outputs} are expected.")
        return predictions


class TableRows(RowSource):
    """Some rows (n_rows,) of a table, or all, as a single item; `name` is what errors call them."""

    def __init__(self, table: Any, rows: Codes | None = None, name: str = "rows") -> None:
        self.table = table
        self.rows = np.arange(table.shape[0]) if rows is None else rows
        self.name = name
        self._length = self.rows.size

    @property
    def n_items(self) -> int:
        return min(1, self.rows.size)

    @property
    def n_blocks(self) -> int:
        return -(-self.rows.size // self._length)

    @property
    def n_columns(self) -> int:
        return int(np.prod(self.table.shape[1:]))

    def plan(self, predictor: Predictor, n_outputs: int, n_workers: int, n_kept: int) -> TableRows:
        planned = copy(self)
        planned._length = min(
            batch_rows(self.n_columns, n_outputs, n_workers), -(-self.rows.size // n_workers)
        )
        return planned

    def n_rows(self, block: int) -> int:
        return min(self._length, self.rows.size - block * self._length)

    def build(self, block: int, part: slice) -> Any:
        start = block * self._length
        return self.take(slice(start + part.start, start + part.stop))

    def take(self, part: slice) -> Any:
        """Some of the rows, a copy."""
        rows = self.rows[part]
        # pandas takes all rows in order as a view
        is_whole = rows.size == self.table.shape[0] and np.array_equal(rows, np.arange(rows.size))
        return copy_table(self.table) if is_whole else take_rows(self.table, rows)

    def describe(self, block: int, part: slice | None = None) -> str:
        start = block * self._length
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"{self.name} {self.rows[start + first]} to {self.rows[start + last]}"

    def span(self, block: int) -> slice:
        start = block * self._length
        return slice(start, start + self.n_rows(block))

    def collect(self, results: list[Any]) -> Any:
        return results[0]


@dataclass
class MaskedRowSource(RowSource):
    """Rows under masks, for a Reducer. An item is some rows, a block of it some of the masks.

    Perturbed rows are counted by draw (mask after mask), then by row. Equal ones are merged before any is
    built, where the masker says that it pays. A model that composes masked rows itself gets rows and masks.
    """

    masker: Masker
    table: MaskedRows
    masks: Bools  # (n_masks, n_features), True where the row's own values stay
    rows: Codes  # (n_distinct,): rows of the table that are evaluated, one of each kind
    inverse: Codes  # (n_rows,): for each row that results are returned for, its place in `rows`
    names: Codes  # what the rows of the table are called in errors
    batches: BatchPlan | None = None
    blocks: tuple[MaskBlock, ...] = ()
    is_composed: bool = False
    features: Codes | None = None  # (n_narrow,): those that the masks are of, where others stay as they are
    _item: tuple[int, Any] = field(default=(-1, None), init=False, repr=False)
    _merged: tuple[int, Any] = field(default=(-1, None), init=False, repr=False)

    @classmethod
    def from_rows(
        cls,
        masker: Masker,
        table: MaskedRows,
        masks: Bools,
        names: Codes | None = None,
        features: Codes | None = None,
    ) -> MaskedRowSource:
        """All rows, those that are alike evaluated once; `names` where they are part of another table.

        Masks (n_masks, n_narrow) of some `features` leave all others as they are in the row.
        """
        rows, inverse = table.distinct()
        names = np.arange(inverse.size) if names is None else names
        return cls(masker, table, masks, rows, inverse, names, features=features)

    @property
    def n_items(self) -> int:
        return -(-self.rows.size // self._n_together)

    @property
    def n_blocks(self) -> int:
        return len(self.blocks)

    @property
    def n_columns(self) -> int:
        return self.masks.shape[1] if self.is_composed else self.table.n_values

    @property
    def n_evaluations(self) -> int:
        return self.rows.size * self.masks.shape[0]

    def plan(self, predictor: Predictor, n_outputs: int, n_workers: int, n_kept: int) -> MaskedRowSource:
        if len(self.masks) == 0:
            raise DataError("There are no masks to evaluate the rows under.")
        is_composed = predictor.supports(MaskComposer) and self.table.compose(self.rows[:1]) is not None
        masker, table, masks = self.masker, self.table, self.masks
        if is_composed and self.features is not None:
            masks = widen_masks(masks, self.features, len(table.features.names))
        elif not is_composed:
            masker, table, masks = narrowed(masker, table, masks, self.features)
        source = replace(self, masker=masker, table=table, masks=masks, is_composed=is_composed)
        draws = source.masker.draws(source.masks)
        source.batches = batches = BatchPlan.from_sizes(
            self.rows.size,
            np.array([part.rows.size for part in draws]),
            source.n_columns,
            n_outputs,
            n_kept,
            n_workers,
            merges=source.masker.merges and not is_composed,
            n_whole=self.table.n_values * self.masker.weights.size if is_composed else 0,
        )
        source.blocks = tuple(
            MaskBlock(part, source.masks[part], tuple(draws[part])) for part in batches.masks
        )
        return source

    def for_worker(self) -> MaskedRowSource:
        return replace(self)

    def n_rows(self, block: int) -> int:
        merged = self._merged_cells(block)
        return self._n_cells(block) if merged is None else merged[0].size

    def parts(self, block: int, batch_size: int) -> list[slice]:
        return [slice(0, self._n_cells(block))] if self.is_composed else super().parts(block, batch_size)

    def build(self, block: int, part: slice) -> Any:
        item, place = divmod(block, self.n_blocks)
        merged = self._merged_cells(block)
        return self._prepare(item).build(self.blocks[place], part if merged is None else merged[0][part])

    def predict(self, block: int, part: slice, caller: ModelCaller) -> Floats:
        return self._compose(block, caller) if self.is_composed else super().predict(block, part, caller)

    def is_intact(self, table: Any) -> bool:
        return self._item[1].is_whole(table)

    def span(self, block: int) -> slice:
        return self.blocks[block % self.n_blocks].places

    def arrange(self, block: int, predictions: Floats) -> tuple[Floats, MaskBlock]:
        item, place = divmod(block, self.n_blocks)
        merged = self._merged_cells(block)
        every = predictions if merged is None else predictions[merged[1]]
        shape = (self.blocks[place].n_draws, self._rows_of(item).size, predictions.shape[1])
        return every.reshape(shape), self.blocks[place]

    def collect(self, results: list[Any]) -> tuple[Floats, ...]:
        arrays = tuple(np.concatenate(parts) for parts in zip(*results, strict=True))
        if self.inverse.size == self.rows.size:  # no two are alike
            return arrays
        return tuple(array[self.inverse] for array in arrays)

    def describe(self, block: int, part: slice | None = None) -> str:
        item, place = divmod(block, self.n_blocks)
        masks, rows = self.blocks[place], self._rows_of(item)
        first, last = masks.places.start, masks.places.stop - 1
        if part is not None:
            merged = self._merged_cells(block)
            cells = np.arange(part.start, part.stop) if merged is None else merged[0][part]
            draws, places = np.divmod(cells, rows.size)
            first, last = masks.places.start + np.searchsorted(masks.starts, draws[[0, -1]], "right") - 1
            rows = rows[np.unique(places)]
        return f"rows {self.names[rows[0]]} to {self.names[rows[-1]]} under masks {first} to {last}"

    def _rows_of(self, item: int) -> Codes:
        return self.rows[item * self._n_together : (item + 1) * self._n_together]

    @property
    def _n_together(self) -> int:
        return max(1, self.rows.size if self.batches is None else self.batches.n_rows)

    def _n_cells(self, block: int) -> int:
        item, place = divmod(block, self.n_blocks)
        return self.blocks[place].n_draws * self._rows_of(item).size

    def _prepare(self, item: int) -> Any:
        """The builder of an item, or its composition: kept from block to block."""
        if self._item[0] != item:
            self._item = -1, None  # before another is made, since it holds a batch
            rows = self._rows_of(item)
            if self.is_composed:
                self._item = item, self.table.compose(rows)
            else:
                assert self.batches is not None
                self._item = item, self.table.builder(rows, self.batches.capacity)
        return self._item[1]

    def _merged_cells(self, block: int) -> tuple[Codes, Codes] | None:
        """First cell of each kind and the kind of every cell; None where no two are merged."""
        if self.is_composed:
            return None
        if self._merged[0] != block:
            item, place = divmod(block, self.n_blocks)
            self._merged = block, self._prepare(item).distinct(self.blocks[place])
        return self._merged[1]

    def _compose(self, block: int, caller: ModelCaller) -> Floats:
        item, place = divmod(block, self.n_blocks)
        masks, pieces = self.blocks[place], self._prepare(item)
        by_fill: dict[bytes, list[int]] = {}
        for mask, draws in enumerate(masks.draws):  # masks with the same fill go in one call
            by_fill.setdefault(draws.rows.tobytes(), []).append(mask)
        predictions: Any = None
        for some in by_fill.values():
            fill = pieces.fill[:, masks.draws[some[0]].rows]
            outputs = caller.predict_masked(pieces.x, masks.masks[some], fill, pieces.labels)
            if predictions is None:
                predictions = np.empty((masks.n_draws, outputs.shape[0], outputs.shape[3]))
            for place, mask in enumerate(some):
                predictions[masks.spans[mask]] = outputs[:, place].swapaxes(0, 1)
        return predictions.reshape(-1, predictions.shape[2])


@dataclass(frozen=True)
class BatchPlan:
    """Rows and masks that are evaluated together."""

    n_rows: int  # rows that go together
    masks: tuple[slice, ...]  # masks that go together, all of them in order
    capacity: int  # perturbed rows of the largest block, if a batch holds it; 0 where blocks are cut

    @classmethod
    def from_sizes(
        cls,
        n_rows: int,
        n_draws: Codes,
        n_columns: int,
        n_outputs: int,
        n_kept: int,
        n_workers: int,
        *,
        merges: bool,
        n_whole: int = 0,
    ) -> BatchPlan:
        """Plan for n_rows rows under masks that take n_draws (n_masks,) model rows each.

        `n_kept` numbers are kept for each mask and output, and `n_whole` numbers are held for each row beside
        its batches, for a model that composes masked rows itself.
        """
        batch_size = batch_rows(n_columns, n_outputs, n_workers)
        n_bytes = 8 * n_draws.size * n_kept * n_outputs + _COPIES * 8 * n_whole
        n_together = min(n_rows, max(1, _batch_bytes(n_workers) // n_bytes), -(-n_rows // n_workers))
        if merges:
            # Which masks go together decides what is merged, so it must not depend on the memory.
            masks = _slice_masks(n_draws, max(1, MERGED_NUMBERS // n_outputs))
            largest = max(int(n_draws[part].sum()) for part in masks)
            n_together = min(n_together, max(1, batch_size // largest))
        else:
            n_together = min(n_together, max(1, batch_size // int(n_draws.max())))
            masks = _slice_masks(n_draws, batch_size // n_together)
            largest = max(int(n_draws[part].sum()) for part in masks)
        n_cells = n_together * largest
        return cls(n_together, tuple(masks), n_cells if n_cells <= batch_size else 0)


def batch_rows(n_columns: int, n_outputs: int, n_workers: int) -> int:
    """Largest number of rows in one call of the model."""
    return max(1, _batch_bytes(n_workers) // (_COPIES * 8 * max(n_columns, n_outputs, 1)))


def working_memory() -> int:
    """Bytes that all workers together may hold: scikit-learn's setting where it was changed, else 256 MB."""
    setting = int(get_config()["working_memory"] * 2**20)
    return MAX_BYTES if setting == _SKLEARN_DEFAULT else setting


def _batch_bytes(n_workers: int) -> int:
    return min(working_memory() // n_workers, BATCH_BYTES)


def _slice_masks(n_draws: Codes, most: int) -> list[slice]:
    """Cut the masks so that no slice of several takes more than `most` model rows for a row."""
    slices, start, held = [], 0, 0
    for j, size in enumerate(n_draws):
        if j > start and held + size > most:
            slices.append(slice(start, j))
            start, held = j, 0
        held += int(size)
    return [*slices, slice(start, n_draws.size)]
