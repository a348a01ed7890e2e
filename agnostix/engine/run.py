"""The one place where perturbed rows meet the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed
from tqdm.auto import tqdm

from agnostix.engine.batches import Batch, cut, shares
from agnostix.exceptions import EngineError, ModelOutputError
from agnostix.models import Predictor
from agnostix.perturb import Draws, Plan, TabularMasker
from agnostix.typing import Floats


@dataclass(frozen=True)
class Answered:
    """What the model said to a plan, averaged over what stood in for the hidden values.

    Attributes
    ----------
    means : ndarray of shape (n_rows, n_masks, n_outputs)
        Weighted means over the draws, in model output units.
    variances : ndarray of shape (n_rows, n_masks, n_outputs)
        Weighted variances over the draws.
    n_model_rows : int
        Rows that the model was asked about.
    """

    means: Floats
    variances: Floats
    n_model_rows: int


def cost(plan: Plan, masker: TabularMasker, n_rows: int) -> int:
    """Model rows that a plan takes, before anything runs.

    Parameters
    ----------
    plan : Plan
        The masks.
    masker : TabularMasker
        What stands in for hidden values.
    n_rows : int
        Rows to be explained.

    Returns
    -------
    int
    """
    return n_rows * sum(part.rows.size for part in masker.draws(plan))


def run(
    predictor: Predictor,
    masker: TabularMasker,
    plan: Plan,
    X: Any,
    *,
    n_outputs: int,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Answered:
    """Put a plan to the model for every row of a table.

    Parameters
    ----------
    predictor : Predictor
        The model.
    masker : TabularMasker
        What stands in for hidden values.
    plan : Plan
        The masks.
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The table; not changed.
    n_outputs : int
        How many the model has; another number in its answers is an error.
    n_jobs : int, default=None
        Workers, as in joblib; the model is sent to each once.
    verbose : int, default=0
        1 shows the progress.

    Returns
    -------
    Answered

    Raises
    ------
    EngineError
        If the model fails or answers what cannot be used: names the batch and the cause.
    """
    draws = masker.draws(plan)
    n_workers = effective_n_jobs(n_jobs)
    sizes = np.array([part.rows.size for part in draws])
    batches = cut(X.shape[0], sizes, max(X.shape[1], n_outputs), n_workers)
    job = _Job(predictor, masker, plan, draws, X, n_outputs)
    parts = shares(batches, n_workers)
    if len(parts) == 1:
        found: Iterable[list[tuple[Floats, Floats]]] = [_work(job, parts[0], verbose)]
    else:
        found = Parallel(n_jobs=n_jobs)(delayed(_work)(job, part, 0) for part in parts)
    answered = [pair for part in found for pair in part]
    shape = (X.shape[0], plan.n_masks, n_outputs)
    means, variances = np.empty(shape), np.empty(shape)
    for batch, (mean, variance) in zip(batches, answered, strict=True):
        means[batch.rows, batch.masks] = mean
        variances[batch.rows, batch.masks] = variance
    return Answered(means, variances, X.shape[0] * int(sizes.sum()))


@dataclass(frozen=True)
class _Job:
    """All that a worker needs, sent once."""

    predictor: Predictor
    masker: TabularMasker
    plan: Plan
    draws: list[Draws]
    X: Any
    n_outputs: int


def _work(job: _Job, batches: list[Batch], verbose: int) -> list[tuple[Floats, Floats]]:
    return [_answer(job, batch) for batch in tqdm(batches, disable=not verbose, unit="batch")]


def _answer(job: _Job, batch: Batch) -> tuple[Floats, Floats]:
    rows = np.arange(batch.rows.start, batch.rows.stop)
    draws = job.draws[batch.masks]
    table = job.masker.build(job.X, rows, job.plan.masks[batch.masks], draws)
    try:
        answers = job.predictor.predict(table)
        if answers.shape[1] != job.n_outputs:
            raise ModelOutputError(f"{answers.shape[1]} outputs where {job.n_outputs} are expected.")
    except Exception as error:
        raise EngineError(
            f"The model {job.predictor.name} failed on rows {rows[0]} to {rows[-1]} under masks "
            f"{batch.masks.start} to {batch.masks.stop - 1} ({table.shape[0]} model rows): "
            f"{type(error).__name__}: {error}"
        ) from error
    return _averages(answers, rows.size, draws)


def _averages(answers: Floats, n_rows: int, draws: list[Draws]) -> tuple[Floats, Floats]:
    """Weighted means and variances over the draws, each mask by itself, in one order of summing."""
    n_outputs = answers.shape[1]
    means = np.empty((n_rows, len(draws), n_outputs))
    variances = np.zeros_like(means)
    start = 0
    for j, part in enumerate(draws):
        size = n_rows * part.rows.size
        block = np.ascontiguousarray(answers[start : start + size])
        block = block.reshape(n_rows, part.rows.size, n_outputs)
        start += size
        apart = block - block[:, :1]  # from the first draw, so that equal answers average to themselves
        weights = part.weights[:, None]
        mean = (apart * weights).sum(axis=1)  # einsum's order of summing depends on how many rows there are
        means[:, j] = block[:, 0] + mean
        apart -= mean[:, None]
        variances[:, j] = (apart * apart * weights).sum(axis=1)
    return means, variances
