"""Evaluation of rows by a model: in batches that are reduced at once, by workers, followed by a bar."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from joblib import effective_n_jobs
from joblib.externals.loky.backend import reduction, resource_tracker
from sklearn.utils.parallel import Parallel, delayed
from tqdm.std import tqdm

from agnostix.core.files import describe_error
from agnostix.core.frames import as_table
from agnostix.core.masking import MaskBlock, MaskedRows, Masker, narrowed
from agnostix.core.models import Predictor
from agnostix.core.row_sources import MaskedRowSource, ModelCaller, RowSource, TableRows, batch_rows
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError, EngineError

R = TypeVar("R")
DELAY = 3.0
"""Seconds after which a bar appears, if the work is not done by then."""
_INTERVAL = 0.1
"""Seconds between looks at the workers' counts."""
_PARENT_INTERVAL = 2.0
"""Seconds between an idle worker's looks at its parent."""
_FORMAT = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
_OPEN_FORMAT = "{desc}{elapsed}{postfix}"


@runtime_checkable
class Reducer(Protocol):
    """From the predictions of masked rows to a few numbers a mask, and from these to results a row."""

    @property
    def n_kept(self) -> int:
        """Numbers that are kept of each mask and output."""

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """Draws (n_draws, n_rows, n_outputs), mask m at block.spans[m], to (n_masks, n_kept, n_rows, ...)."""

    def finalize(self, blocks: Floats) -> tuple[Floats, ...]:
        """From (all masks, n_kept, n_rows, n_outputs) to arrays of n_rows rows, row by row."""


@dataclass(frozen=True)
class MeanAndVariance:
    """Reducer to means and variances over background rows, each (n_rows, n_masks, n_outputs)."""

    n_kept: ClassVar[int] = 2

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """From (n_draws, n_rows, n_outputs) to (n_masks, 2, n_rows, n_outputs)."""
        apart, middle = block.counted(predictions)
        mean = block.averaging @ apart
        moments = np.empty((len(block.draws), 2, middle.shape[1]))
        with np.errstate(over="ignore", invalid="ignore"):  # `explain` refuses predictions of such a size
            np.multiply(apart, apart, out=apart)
            np.add(mean, middle, out=moments[:, 0])
            moments[:, 1] = np.maximum(block.averaging @ apart - mean * mean, 0.0)
        return moments.reshape(len(block.draws), 2, *predictions.shape[1:])

    def finalize(self, blocks: Floats) -> tuple[Floats, ...]:
        """Means and variances with rows first."""
        return blocks[:, 0].transpose(1, 0, 2), blocks[:, 1].transpose(1, 0, 2)


_REDUCER = ("n_kept", "reduce_block", "finalize")
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

    The tables of an iterable are chunks, which are read one after the other and never held together. Results
    are a list with an entry for each item, or what `source.collect` makes of it; of a table and of chunks
    without `reduce` they are the predictions (n_rows, n_outputs). They are the same to the bit for any
    n_jobs. Returns the results and the number of rows that the model was called with; raises EngineError,
    which names the rows and the cause, if the model fails or a worker dies.
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
        lacking = [repr(name) for name in _REDUCER if not hasattr(reduce, name)]
        raise TypeError(
            f"reduce must be a Reducer for rows under masks, got {type(reduce).__name__}, which has no "
            f"{' and no '.join(lacking)}. Its reduce_block reduces over the background rows."
        )
    n_workers = int(effective_n_jobs(n_jobs))
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


def mask_cost(masker: Masker, rows: MaskedRows, masks: Bools, features: Codes | None = None) -> int:
    """Model rows that masks take at most for each row, before anything runs; `features` as in the source."""
    masker, _, masks = narrowed(masker, rows, masks, features)
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
        predictions = _predict_block(source, block, batch_size, caller, progress)
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


def _predict_block(
    source: RowSource, block: int, batch_size: int, caller: ModelCaller, progress: WorkerProgress
) -> Floats:
    """Predictions of a block, batch by batch; a single batch's are the model's own array."""
    predictions = np.empty(0)
    for part in source.parts(block, batch_size):
        progress.check_parent()
        try:
            outputs = source.predict(block, part, caller)
        except Exception as error:
            raise EngineError(
                f"The model {caller.predictor.name} failed on {source.describe(block, part)} "
                f"({part.stop - part.start} model rows): {describe_error(error)}"
            ) from error
        n_rows = source.n_rows(block)
        if len(outputs) == n_rows:
            return outputs
        if part.start == 0:
            predictions = np.empty((n_rows, outputs.shape[1]))
        predictions[part] = outputs
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


class WorkerProgress:
    """Counts of what each worker has done, in a file that they write and the main process reads."""

    def __init__(self, n_workers: int, path: str | None = None) -> None:
        self.n_workers = n_workers
        self._main = os.getpid()
        self._is_child: bool | None = None  # whether this is a process that the main one has started
        self.path = path  # None for one worker; one on another machine finds no file and counts for itself
        self._counts: Codes | None = None
        if path is not None:
            np.zeros((n_workers, 3), dtype=np.int64).tofile(path)

    @property
    def counts(self) -> Codes:
        """For each worker 1 if it is at work, its tasks done, its model rows done: shape (n_workers, 3)."""
        if self._counts is None:
            self._counts = np.zeros((self.n_workers, 3), dtype=np.int64)
            if self.path is not None and Path(self.path).exists():
                self._counts = np.memmap(self.path, np.int64, "r+", shape=self._counts.shape)
        return self._counts

    def follow(self, worker: int, tasks: Iterable[int]) -> Iterator[int]:
        """Give the tasks of a worker one by one, and count them."""
        for task in tasks:
            self.counts[worker, 0] = 1
            yield task
            self.counts[worker, :2] += (-1, 1)

    def check_parent(self) -> None:
        """End a worker whose main process was killed: nobody waits for what it does, or tidies up."""
        if self._is_child is None:
            self._is_child = os.getppid() == self._main != os.getpid()
            if self._is_child:
                _end_with_parent(self._main)
        if self._is_child and os.getppid() != self._main:
            if self.path is not None:
                shutil.rmtree(Path(self.path).parent, ignore_errors=True)
            os._exit(1)  # an error would leave it waiting for tasks for minutes

    def add_rows(self, worker: int, n_rows: int) -> None:
        """Count model rows."""
        self.counts[worker, 2] += n_rows

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_counts": None, "_is_child": None}


@lru_cache(maxsize=1)
def _end_with_parent(parent: int) -> None:
    """Let a thread end this worker, which would else wait minutes for tasks, when its parent is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_INTERVAL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class ProgressBar:
    """A bar with a forecast, shown in terminals and notebooks once work has taken a few seconds."""

    def __init__(self, total: float | None, verbose: int, describe: Callable[[], str] | None = None) -> None:
        self.total = total  # model rows, or rows under a mask; None if unknown
        self._describe = describe  # what the work is said to take, asked for when the bar is shown
        self._is_shown = bool(verbose) and is_interactive()
        # Evaluations and model rows done, and what runs: replaced at once, since another thread reads it.
        self._state: tuple[float, int, tuple[WorkerProgress, float] | None] = (0.0, 0, None)
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> ProgressBar:
        if self._is_shown:
            self._watcher = threading.Thread(target=self._watch, args=(time.time(),), daemon=True)
            self._watcher.start()
        return self

    def __exit__(self, error: object, *details: object) -> None:
        if error is None and self.total is not None:
            # Rows that stopped early, or are alike, are done too.
            self._state = float(self.total), self._state[1], None
        self._over.set()
        if self._watcher is not None:
            self._watcher.join()

    @contextmanager
    def part(self, progress: WorkerProgress, n_tasks: int, size: float) -> Iterator[None]:
        """Advance by `size` evaluations in all while workers do n_tasks tasks."""
        done, n_rows, _ = self._state
        self._state = done, n_rows, (progress, size / n_tasks)
        yield
        self._state = done + size, n_rows + int(progress.counts[:, 2].sum()), None

    def advance(self, size: float) -> None:
        """Note that so many evaluations more are done, by work that calls no model."""
        done, n_rows, _ = self._state
        self._state = done + size, n_rows, None

    def _now(self) -> tuple[float, int]:
        """Evaluations and model rows that are done."""
        done, n_rows, part = self._state
        if part is None:
            return done, n_rows
        _, n_tasks, n_running = part[0].counts.sum(axis=0)
        return done + float(n_tasks) * part[1], n_rows + int(n_running)

    def _watch(self, start: float) -> None:
        if self._over.wait(DELAY):
            return
        # Made now and not before, since a bar that exists is drawn; it counts from the start of the work.
        how = _FORMAT if self.total is not None else _OPEN_FORMAT
        what = None if self._describe is None else self._describe()
        with _bar_class()(desc=what, total=self.total, bar_format=how, smoothing=0, delay=DELAY) as bar:
            bar.start_t = start
            is_over = False
            while True:
                done, n_rows = self._now()
                bar.n = done if self.total is None else min(done, self.total)
                bar.set_postfix_str(f"{n_rows:,} model rows", refresh=False)
                bar.refresh()
                if is_over:
                    break
                is_over = self._over.wait(_INTERVAL)


def is_interactive() -> bool:
    """Whether a bar would be seen: in a terminal or a notebook."""
    return _in_notebook() or bool(getattr(sys.stderr, "isatty", lambda: False)())


def split_evenly(n_tasks: int, n_workers: int) -> list[range]:
    """One contiguous share of the tasks for each worker, none of them empty."""
    ends = np.cumsum([part.size for part in np.array_split(np.arange(n_tasks), min(n_workers, n_tasks))])
    return [range(start, end) for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]


def run_in_shares(
    run: Callable[[WorkerProgress, int, range], R],
    n_tasks: int,
    describe: Callable[[int], str],
    *,
    size: float,
    n_jobs: int | None,
    verbose: int | ProgressBar,
) -> list[R]:
    """Results of `run(progress, worker, share)` for shares of n_tasks tasks, `size` evaluations in all."""
    shares = split_evenly(n_tasks, int(effective_n_jobs(n_jobs)))
    with open_bar(verbose, size) as bar:
        if len(shares) == 1:
            progress = WorkerProgress(1)
            with bar.part(progress, n_tasks, size):
                return [run(progress, 0, shares[0])]
        with _tracked_folder() as folder:
            progress = WorkerProgress(len(shares), str(Path(folder) / "counts"))
            with bar.part(progress, n_tasks, size):
                try:
                    jobs = (delayed(run)(progress, worker, share) for worker, share in enumerate(shares))
                    return Parallel(n_jobs=n_jobs)(jobs)
                except BrokenExecutor as error:
                    raise EngineError(_describe_death(progress, shares, describe, error)) from error
                except pickle.PicklingError as error:
                    raise EngineError(_describe_unpicklable(run, len(shares), error)) from error


@contextmanager
def _tracked_folder() -> Iterator[str]:
    """A temporary folder, removed by joblib's resource tracker if this process is killed."""
    with TemporaryDirectory(prefix="agnostix-") as folder:
        resource_tracker.register(folder, "folder")
        try:
            yield folder
        finally:
            resource_tracker.unregister(folder, "folder")


@contextmanager
def open_bar(verbose: int | ProgressBar, total: float | None) -> Iterator[ProgressBar]:
    """The bar that is open already, or one for this work."""
    if isinstance(verbose, ProgressBar):
        yield verbose
        return
    with ProgressBar(total, verbose) as bar:
        yield bar


def _describe_death(
    progress: WorkerProgress, shares: list[range], describe: Callable[[int], str], error: BaseException
) -> str:
    pairs = zip(shares, progress.counts, strict=True)
    at_work = [describe(share[int(n_done)]) for share, (is_busy, n_done, _) in pairs if is_busy]
    cause = " ".join(str(error).split())
    return (
        f"A worker died while evaluating {' or '.join(at_work) or 'its first batch'}: "
        f"{type(error).__name__}: {cause} "
        "If memory ran out, lower n_jobs or scikit-learn's working_memory."
    )


def _describe_unpicklable(run: Callable[..., Any], n_workers: int, error: BaseException) -> str:
    """Which part of a task cannot be sent to other processes, and what works."""
    remedy = 'Use n_jobs=1, or threads: with joblib.parallel_config(backend="threading").'
    for part in (*getattr(run, "args", ()), *getattr(run, "keywords", {}).values()):
        cause, names = _pickling_error(part), [type(part).__name__]
        own = (
            vars(part).items()
            if cause and not isinstance(part, Predictor) and hasattr(part, "__dict__")
            else ()
        )
        names += [name for name, value in own if _pickling_error(value)][:1]
        if cause is not None:
            what = f"model {part.name}" if isinstance(part, Predictor) else " of ".join(names[::-1])
            return f"The {what} cannot be sent to {n_workers} processes: {describe_error(cause)}. {remedy}"
    return f"A task cannot be sent to {n_workers} processes: {describe_error(error)}. {remedy}"


def _pickling_error(value: Any) -> Exception | None:
    try:
        reduction.dumps(value)
    except Exception as error:  # whatever the value's own methods raise
        return error
    return None


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return "IPKernelApp" in getattr(shell, "config", {})


def _bar_class() -> Any:
    """A widget in a notebook that can show one, else a line of text; imported only when it is shown."""
    if _in_notebook() and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm as widget

        return widget
    return tqdm
