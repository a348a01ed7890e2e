"""Work in parallel shares: a bar with a forecast, and the task that a worker died at."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed
from tqdm.std import tqdm

from agnostix.core.typing import Codes
from agnostix.exceptions import EngineError

R = TypeVar("R")

DELAY = 3.0
"""Seconds after which a bar appears, if the work is not done by then."""
_INTERVAL = 0.1
"""Seconds between looks at the workers' counts."""
_FORMAT = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
_OPEN_FORMAT = "{desc}{elapsed}{postfix}"


class WorkerProgress:
    """Counts of what each worker has done, in a file that they write and the main process reads.

    Parameters
    ----------
    n_workers : int
        Workers that write.
    path : str or None
        The file; a worker on another machine does not find it and counts for itself. None for one worker.
    """

    def __init__(self, n_workers: int, path: str | None = None) -> None:
        self.n_workers = n_workers
        self.path = path
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

    def add_rows(self, worker: int, n_rows: int) -> None:
        """Count model rows."""
        self.counts[worker, 2] += n_rows

    def __getstate__(self) -> dict[str, Any]:
        return {"n_workers": self.n_workers, "path": self.path, "_counts": None}


class ProgressBar:
    """A bar with a forecast, shown in terminals and notebooks once work has taken a few seconds.

    Parameters
    ----------
    total : float or None
        Evaluations in all, where a model row, or a row under a mask, is one; None if unknown.
    verbose : int
        0 shows nothing.
    """

    def __init__(self, total: float | None, verbose: int) -> None:
        self.total = total
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
        with _bar_class()(total=self.total, bar_format=how, smoothing=0, delay=DELAY) as bar:
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
    """Run tasks 0 to n_tasks - 1, one contiguous share for each worker.

    `run(progress, worker, share)` is sent to each worker once; `describe(task)` names a task if a worker dies
    at it. The tasks are `size` evaluations to the bar.
    """
    shares = split_evenly(n_tasks, effective_n_jobs(n_jobs))
    with open_bar(verbose, size) as bar:
        if len(shares) == 1:
            progress = WorkerProgress(1)
            with bar.part(progress, n_tasks, size):
                return [run(progress, 0, shares[0])]
        with TemporaryDirectory(prefix="agnostix-") as folder:
            progress = WorkerProgress(len(shares), str(Path(folder) / "counts"))
            with bar.part(progress, n_tasks, size):
                try:
                    jobs = (delayed(run)(progress, worker, share) for worker, share in enumerate(shares))
                    return Parallel(n_jobs=n_jobs)(jobs)
                except BrokenExecutor as error:
                    raise EngineError(_describe_death(progress, shares, describe, error)) from error


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
