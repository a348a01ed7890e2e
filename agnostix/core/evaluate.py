"""The one place where rows meet the model: batches in, predictions reduced where they come up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np
from joblib import effective_n_jobs

from agnostix.core.batching import BatchPlan, batch_rows
from agnostix.core.frames import as_table, take_rows
from agnostix.core.masking import MaskBlock, MaskedRows, Masker, SoftMaskBatch
from agnostix.core.models import MaskComposer, Predictor, wants_to_write
from agnostix.core.progress import ProgressBar, WorkerProgress, open_bar, run_in_shares
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError, EngineError, ModelOutputError


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


@runtime_checkable
class Reducer(Protocol):
    """From the predictions of masked rows to a few numbers a mask, and from these to results a row."""

    @property
    def n_kept(self) -> int:
        """Numbers that are kept of each mask and output."""

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """From (n_draws, n_rows, n_outputs) to (n_masks, n_kept, n_rows, n_outputs), mask by mask."""

    def finalize(self, blocks: Floats) -> tuple[Floats, ...]:
        """From (all masks, n_kept, n_rows, n_outputs) to arrays of n_rows rows, row by row."""


Reduce = Reducer | Callable[[Any, int, Floats], Any] | None
"""A Reducer for masked rows; or reduce(source, item, predictions), called with a worker's source."""


def evaluate(
    predictor: Predictor,
    source: RowSource | Iterable[Any],
    reduce: Reduce = None,
    *,
    n_outputs: int,
    n_jobs: int | None = None,
    verbose: int | ProgressBar = 1,
) -> tuple[Any, int]:
    """Predict all rows of a source, in batches under the working memory, and reduce the predictions.

    The results are the same to the bit for any n_jobs. The model is sent to each worker once; with chunks,
    once a chunk.

    Parameters
    ----------
    predictor : Predictor
        The model.
    source : RowSource or iterable of DataFrame or ndarray
        What is predicted. The tables of an iterable are chunks, which are read one after the other and never
        held together; each is an item.
    reduce : Reducer, callable or None
        What is kept: of masked rows what the Reducer makes of them, else reduce(source, item, predictions).
        None keeps the predictions.
    n_outputs : int
        Outputs of the model; another number is an error.
    n_jobs : int, default=None
        Workers, as in joblib.
    verbose : int or ProgressBar, default=1
        1 shows a bar when the work takes a few seconds; a bar that is open already is advanced.

    Returns
    -------
    results : list, or as `source.collect` puts them together
        One for each item; of a table and of chunks without `reduce` the predictions (n_rows, n_outputs).
    n_model_rows : int
        Rows that the model was called with.

    Raises
    ------
    EngineError
        If the model fails, returns what cannot be used, or a worker dies: names the rows and the cause.
    DataError
        If there are no rows.
    """
    if hasattr(source, "shape"):
        raise TypeError(
            f"source must be a RowSource or an iterable of tables, got {type(source).__name__}. "
            "Pass TableRows(table)."
        )
    if not isinstance(source, RowSource):
        return _evaluate_chunks(predictor, source, reduce, n_outputs, n_jobs, verbose)
    n_workers = effective_n_jobs(n_jobs)
    if source.n_items == 0:
        raise DataError("There are no rows to evaluate.")
    n_kept = reduce.n_kept if isinstance(reduce, Reducer) else 1
    source = source.plan(predictor, n_outputs, n_workers, n_kept)
    batch_size = batch_rows(source.n_columns, n_outputs, n_workers)
    shares = run_in_shares(
        partial(_evaluate_blocks, predictor, n_outputs, batch_size, source, reduce),
        source.n_items * source.n_blocks,
        lambda block: f"the model {predictor.name} on {source.describe(block)}",
        size=source.n_evaluations,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    results: list[Any] = []
    pending: list[Floats] = []
    for is_complete, value in chain.from_iterable(outcomes for outcomes, _ in shares):
        if not is_complete:  # blocks of an item that workers have shared
            pending.append(value)
            item = len(results)
            if sum(map(len, pending)) < source.span((item + 1) * source.n_blocks - 1).stop:
                continue
            value = _finalize(reduce, source, item, np.concatenate(pending))
            pending = []
        results.append(value)
    return source.collect(results), sum(n for _, n in shares)


def evaluate_adaptive(
    predictor: Predictor,
    source: MaskedRowSource,
    stages: tuple[Bools, ...],
    reducer: Reducer,
    keep_going: Callable[[int, tuple[Floats, ...]], Bools],
    *,
    n_outputs: int,
    n_jobs: int | None = None,
    verbose: int | ProgressBar = 1,
) -> list[tuple[Codes, tuple[Floats, ...], int]]:
    """Predict rows under ever more masks, until they need no more.

    Parameters
    ----------
    predictor, reducer, n_outputs, n_jobs, verbose
        As in `evaluate`.
    source : MaskedRowSource
        The rows; its masks are not used.
    stages : tuple of ndarray of bool of shape (n_masks_of_the_stage, n_players)
        The masks.
    keep_going : callable
        From a stage's number and its results to a mask of the rows that go on; it sees one of each kind.

    Returns
    -------
    list of (rows, results, n_model_rows)
        For each stage that any row came to: these rows, the reducer's results for them, and the model rows.
    """
    going = np.arange(source.rows.size)
    which = source.inverse
    done = []
    for number, masks in enumerate(stages):
        stage = replace(source, masks=masks, rows=source.rows[going], inverse=np.arange(going.size))
        results, n_model_rows = evaluate(
            predictor, stage, reducer, n_outputs=n_outputs, n_jobs=n_jobs, verbose=verbose
        )
        place = np.full(source.rows.size, -1)
        place[going] = np.arange(going.size)
        rows = np.flatnonzero(place[which] >= 0)
        done.append((rows, tuple(array[place[which[rows]]] for array in results), n_model_rows))
        going = going[keep_going(number, results)]
        if going.size == 0:
            break
    return done


def mask_cost(masker: Masker, masks: Bools) -> int:
    """Model rows that masks take at most for each row, before anything runs."""
    return sum(draws.rows.size for draws in masker.draws(masks))


class ModelCaller:
    """Calls a model with tables that it may not change, and notices if it does.

    Parameters
    ----------
    predictor : Predictor
        The model.
    n_outputs : int
        Outputs of the model; another number is an error.
    """

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
    """Some rows of a table, as a single item.

    Parameters
    ----------
    table : DataFrame or ndarray
        The table.
    rows : ndarray of int of shape (n_rows,) or None
        Which of its rows; None for all.
    name : str
        What rows are called in errors.
    """

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
        return take_rows(self.table, self.rows[part])

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

    Attributes
    ----------
    masker : Masker
        Hides features behind background rows or fill values.
    table : MaskedRows
        The rows, as the masker has read them.
    masks : ndarray of bool of shape (n_masks, n_players)
        True where the row's own values stay.
    rows : ndarray of int of shape (n_distinct,)
        Rows of the table that are evaluated, one of each kind.
    inverse : ndarray of int of shape (n_rows,)
        For each row that results are returned for, its place in `rows`.
    names : ndarray of int of shape (n_rows_of_the_table,)
        What the rows of the table are called in errors.
    """

    masker: Masker
    table: MaskedRows
    masks: Bools
    rows: Codes
    inverse: Codes
    names: Codes
    batches: BatchPlan | None = None
    blocks: tuple[MaskBlock, ...] = ()
    is_composed: bool = False
    _item: tuple[int, Any] = field(default=(-1, None), init=False, repr=False)
    _merged: tuple[int, Any] = field(default=(-1, None), init=False, repr=False)

    @classmethod
    def from_rows(
        cls, masker: Masker, table: MaskedRows, masks: Bools, names: Codes | None = None
    ) -> MaskedRowSource:
        """All rows, those that are alike evaluated once; `names` where they are part of another table."""
        rows, inverse = table.distinct()
        return cls(masker, table, masks, rows, inverse, np.arange(inverse.size) if names is None else names)

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
        is_composed = predictor.supports(MaskComposer) and self.table.compose(self.rows[:1]) is not None
        source = replace(self, is_composed=is_composed)
        draws = self.masker.draws(self.masks)
        source.batches = batches = BatchPlan.from_sizes(
            self.rows.size,
            np.array([part.rows.size for part in draws]),
            source.n_columns,
            n_outputs,
            n_kept,
            n_workers,
            merges=self.masker.merges and not is_composed,
            n_whole=self.table.n_values * self.masker.weights.size if is_composed else 0,
        )
        source.blocks = tuple(MaskBlock(part, self.masks[part], tuple(draws[part])) for part in batches.masks)
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
        return self._opened(item).build(self.blocks[place], part if merged is None else merged[0][part])

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

    def _opened(self, item: int) -> Any:
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
            self._merged = block, self._opened(item).distinct(self.blocks[place])
        return self._merged[1]

    def _compose(self, block: int, caller: ModelCaller) -> Floats:
        item, place = divmod(block, self.n_blocks)
        masks, pieces = self.blocks[place], self._opened(item)
        by_fill: dict[bytes, list[int]] = {}
        for mask, draws in enumerate(masks.draws):  # masks with the same fill go in one call
            by_fill.setdefault(draws.rows.tobytes(), []).append(mask)
        predictions: Any = None
        for some in by_fill.values():
            fill = pieces.fill[:, masks.draws[some[0]].rows]
            found = caller.predict_masked(pieces.x, masks.masks[some], fill, pieces.labels)
            if predictions is None:
                predictions = np.empty((masks.n_draws, found.shape[0], found.shape[3]))
            for place, mask in enumerate(some):
                predictions[masks.spans[mask]] = found[:, place].swapaxes(0, 1)
        return predictions.reshape(-1, predictions.shape[2])


def _evaluate_blocks(
    predictor: Predictor,
    n_outputs: int,
    batch_size: int,
    source: RowSource,
    reduce: Reduce,
    progress: WorkerProgress,
    worker: int,
    blocks: range,
) -> tuple[list[tuple[bool, Any]], int]:
    """Results of items, what is kept of those of which only some blocks are here, and model rows."""
    source, caller = source.for_worker(), ModelCaller(predictor, n_outputs)
    reducer = reduce if isinstance(reduce, Reducer) else None
    outcomes: list[tuple[bool, Any]] = []
    kept, start, n_model_rows = np.empty(0), 0, 0
    for block in progress.follow(worker, blocks):
        item = block // source.n_blocks
        first, end = max(blocks.start, item * source.n_blocks), min(blocks.stop, (item + 1) * source.n_blocks)
        predictions = _predict_block(source, block, batch_size, caller)
        n_model_rows += len(predictions)
        progress.add_rows(worker, len(predictions))
        if reducer is not None:
            predictions = reducer.reduce_block(*source.arrange(block, predictions))
        span = source.span(block)
        if block == first:
            start = span.start
            kept = np.empty((source.span(end - 1).stop - start, *predictions.shape[1:]))
        # Copied, since the model may write its next predictions into the same array.
        kept[span.start - start : span.stop - start] = predictions
        del predictions
        if block == end - 1:
            is_complete = end - first == source.n_blocks
            outcomes.append((is_complete, _finalize(reduce, source, item, kept) if is_complete else kept))
            kept = np.empty(0)
    return outcomes, n_model_rows


def _predict_block(source: RowSource, block: int, batch_size: int, caller: ModelCaller) -> Floats:
    """Predictions of a block, batch by batch; a single batch's are the model's own array."""
    predictions = np.empty(0)
    for part in source.parts(block, batch_size):
        try:
            found = source.predict(block, part, caller)
        except Exception as error:
            raise EngineError(
                f"The model {caller.predictor.name} failed on {source.describe(block, part)} "
                f"({part.stop - part.start} model rows): {type(error).__name__}: {error}"
            ) from error
        n_rows = source.n_rows(block)
        if len(found) == n_rows:
            return found
        if part.start == 0:
            predictions = np.empty((n_rows, found.shape[1]))
        predictions[part] = found
    return predictions


def _finalize(reduce: Reduce, source: RowSource, item: int, kept: Floats) -> Any:
    if reduce is None:
        return kept
    return reduce.finalize(kept) if isinstance(reduce, Reducer) else reduce(source, item, kept)


def _evaluate_chunks(
    predictor: Predictor,
    chunks: Iterable[Any],
    reduce: Reduce,
    n_outputs: int,
    n_jobs: int | None,
    verbose: int | ProgressBar,
) -> tuple[Any, int]:
    """Chunk by chunk, so that never more than one is held."""
    results: list[Any] = []
    n_model_rows = 0
    with open_bar(verbose, None) as bar:
        for chunk in chunks:
            if len(chunk) == 0:
                raise DataError(f"There are no rows to evaluate in chunk {len(results)}.")
            table = chunk if getattr(chunk, "ndim", 2) > 2 else as_table(chunk)
            source = TableRows(table, name=f"chunk {len(results)}, rows")
            predictions, n = evaluate(predictor, source, n_outputs=n_outputs, n_jobs=n_jobs, verbose=bar)
            results.append(_finalize(reduce, source, len(results), predictions))
            n_model_rows += n
            del chunk, table, source  # before the next is made
    if not results:
        raise DataError("There are no rows to evaluate: the source gave no chunks.")
    return (np.concatenate(results) if reduce is None else results), n_model_rows
