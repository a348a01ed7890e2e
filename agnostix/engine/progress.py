"""Which task each worker is at: for the bar, and for the message when a worker dies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm.auto import tqdm

_PAUSE = 0.1
"""Seconds between looks at the workers' marks."""


class Marks:
    """A few numbers in a file that workers write and the main process reads.

    Parameters
    ----------
    path : str
        The file; where a worker on another machine does not find it, its marks are lost, and nothing else.
    n_workers : int
        How many write.
    """

    def __init__(self, path: str, n_workers: int) -> None:
        self.path = path
        self.n_workers = n_workers

    def open(self) -> np.ndarray:
        """Open the file.

        Returns
        -------
        ndarray of int of shape (n_workers, 2)
            For each worker 1 if it is at work, and how many of its tasks are done.
        """
        shape = (self.n_workers, 2)
        if not Path(self.path).exists():
            return np.zeros(shape, dtype=np.int64)
        return np.memmap(self.path, dtype=np.int64, mode="r+", shape=shape)


@contextmanager
def followed(n_workers: int, n_tasks: int, verbose: int) -> Iterator[Marks]:
    """Keep marks while workers are at work, and show a bar of them.

    Parameters
    ----------
    n_workers : int
        How many there are.
    n_tasks : int
        Tasks of all.
    verbose : int
        1 shows the bar.

    Yields
    ------
    Marks
    """
    with TemporaryDirectory(prefix="agnostix-") as folder:
        path = str(Path(folder) / "marks")
        np.zeros((n_workers, 2), dtype=np.int64).tofile(path)
        marks = Marks(path, n_workers)
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(marks, n_tasks, over), daemon=True)
        if verbose:
            watcher.start()
        try:
            yield marks
        finally:
            over.set()
            if verbose:
                watcher.join()


def _watch(marks: Marks, n_tasks: int, over: threading.Event) -> None:
    written = marks.open()
    with tqdm(total=n_tasks, unit="batch") as bar:
        while not over.wait(_PAUSE):
            bar.update(int(written[:, 1].sum()) - bar.n)
        bar.update(int(written[:, 1].sum()) - bar.n)
