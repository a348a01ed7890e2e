"""Evaluation of rows by a model, in batches whose predictions are reduced at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np
from joblib import effective_n_jobs

from agnostix.core.frames import as_table
from agnostix.core.masking import MaskBlock, Masker
from agnostix.core.models import Predictor
from agnostix.core.progress import ProgressBar, WorkerProgress, open_bar, run_in_shares
from agnostix.core.row_sources import MaskedRowSource, ModelCaller, RowSource, TableRows, batch_rows
from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError, EngineError


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
    is_chunks = isinstance(source, Iterable) and not isinstance(source, str | bytes | Mapping)
    if hasattr(source, "shape") or not (is_chunks or isinstance(source, RowSource)):
        raise TypeError(
            f"source must be a RowSource or an iterable of tables, got {type(source).__name__}. "
            "Pass TableRows(table)."
        )
    if not isinstance(source, RowSource):
        return _evaluate_chunks(predictor, source, reduce, n_outputs, n_jobs, verbose)
    if isinstance(source, MaskedRowSource) and not isinstance(reduce, Reducer):
        raise TypeError(
            f"reduce must be a Reducer for rows under masks, got {type(reduce).__name__}. Its reduce_block "
            "averages over the background rows."
        )
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


def mask_cost(masker: Masker, masks: Bools) -> int:
    """Model rows that masks take at most for each row, before anything runs."""
    return sum(draws.rows.size for draws in masker.draws(masks))


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
            if not hasattr(chunk, "__len__"):
                raise DataError(f"Chunk {len(results)} must be a table, got {type(chunk).__name__}.")
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
