"""Tasks handed to workers, one share each, and who it was if one dies."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor
from typing import Any, Protocol

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed
from tqdm.auto import tqdm

from agnostix.core.models import Predictor
from agnostix.engine.progress import Marks, followed
from agnostix.exceptions import EngineError


class Worker(Protocol):
    """Does tasks one after the other."""

    def do(self, task: Any) -> Any:
        """Do one of them."""


class Job(Protocol):
    """All that a worker needs, sent once."""

    @property
    def predictor(self) -> Predictor:
        """The model."""

    def worker(self) -> Worker:
        """Make somebody who does its tasks."""

    def told(self, task: Any) -> str:
        """Name a task."""


def carry_out(job: Job, tasks: list[Any], n_jobs: int | None, verbose: int) -> list[Any]:
    """Do all tasks of a job.

    Parameters
    ----------
    job : Job
        Sent to each worker once.
    tasks : list
        In their order.
    n_jobs : int or None
        Workers, as in joblib.
    verbose : int
        1 shows the progress.

    Returns
    -------
    list
        What each task came to.

    Raises
    ------
    EngineError
        If a worker dies.
    """
    parts = shares(tasks, effective_n_jobs(n_jobs))
    if len(parts) == 1:
        worker = job.worker()
        return [worker.do(task) for task in tqdm(tasks, disable=not verbose, unit="batch")]
    with followed(len(parts), len(tasks), verbose) as marks:
        try:
            found = Parallel(n_jobs=n_jobs)(delayed(_share)(job, p, marks, j) for j, p in enumerate(parts))
        except BrokenExecutor as error:
            raise EngineError(_who_died(job, parts, marks, error)) from error
    return [one for share in found for one in share]


def shares(tasks: list[Any], n_workers: int) -> list[list[Any]]:
    """One contiguous share of the tasks for each worker.

    Parameters
    ----------
    tasks : list
        All of them.
    n_workers : int
        How many workers there are.

    Returns
    -------
    list of list
    """
    parts = np.array_split(np.arange(len(tasks)), max(1, min(n_workers, len(tasks))))
    return [[tasks[j] for j in part] for part in parts]


def _share(job: Job, tasks: list[Any], marks: Marks, number: int) -> list[Any]:
    worker, written = job.worker(), marks.open()
    done = []
    for task in tasks:
        written[number, 0] = 1
        done.append(worker.do(task))
        written[number] += (-1, 1)
    return done


def _who_died(job: Job, parts: list[list[Any]], marks: Marks, error: BaseException) -> str:
    written = marks.open()
    at_work = [job.told(part[n]) for part, (busy, n) in zip(parts, written, strict=True) if busy]
    where = " or ".join(at_work) or "its first batch"
    cause = " ".join(str(error).split())
    return (
        f"A worker died while the model {job.predictor.name} was asked about {where}: "
        f"{type(error).__name__}: {cause} If memory ran out, lower n_jobs or scikit-learn's working_memory."
    )
