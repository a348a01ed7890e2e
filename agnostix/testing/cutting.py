"""Checks that answers do not depend on how the work is cut up, nor memory on how much there is of it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn import config_context

from agnostix.testing.asking import answers, assert_same, fitted, is_population, rows_for, told
from agnostix.testing.doubles import AdditiveModel, ProbabilityModel

MEMORIES = (0.0005, 0.005, 0.05, 2000.0)
"""Working memories in MB: a row at a time, some, many, everything at once."""
ROOM, ROOM_FOR_POPULATIONS = 10.0, 12.0
"""Working memory in MB under which the peak is measured; all of the work at once would take more."""


def check_same_bits_for_any_n_jobs_and_backend(explainer: Any) -> None:
    """The same bits with one worker and with two, as threads, as processes, and under dask.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    expected = answers(fitted(explainer, ProbabilityModel(), X, n_jobs=1), X)
    for name, backend in _backends().items():
        with backend(), config_context(working_memory=0.005):
            found = answers(fitted(explainer, ProbabilityModel(), X, n_jobs=2), X)
        assert_same(found, expected, f"n_jobs=2 ({name}) instead of 1")


def _backends() -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    """What makes each the backend: joblib's own contexts hold from the moment they are made."""
    found: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        name: partial(parallel_config, backend=name, n_jobs=2) for name in ("threading", "loky")
    }
    dask = {"dask": _dask} if _importable("dask.distributed") else {}
    return {"default": nullcontext} | found | dask


def _importable(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True


@contextmanager
def _dask() -> Iterator[None]:
    from dask.distributed import Client

    client = Client(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
    with client, parallel_config(backend="dask"):
        yield


def check_same_bits_for_any_batch_size(explainer: Any) -> None:
    """The same bits for any working memory: a row at a time or all at once.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    expected = answers(fitted(explainer, ProbabilityModel(), X), X)
    for memory in MEMORIES:
        with config_context(working_memory=memory):
            found = answers(fitted(explainer, ProbabilityModel(), X), X)
        assert_same(found, expected, f"a working memory of {memory} MB")


def check_row_subset_and_order(explainer: Any) -> None:
    """Each row explained as if it were alone; a population whatever the order of its rows.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X, order = rows_for(explainer), np.random.default_rng(0).permutation(24)
    own = fitted(explainer, ProbabilityModel(), X)
    if is_population(explainer):
        expected = answers(own, X)
        turned = answers(fitted(explainer, ProbabilityModel(), X[order]), X[order])
        assert_same(turned, expected | {"weights": expected["weights"][order]}, "the rows in another order")
        return
    whole = own.explain(X)
    for rows in (order, order[:5], order[:1], np.array([3, 3])):
        assert_same(told(own.explain(X[rows])), told(whole[rows]), f"rows {rows.tolist()} by themselves")


def check_same_seed_same_bits(explainer: Any) -> None:
    """The same bits from another fit with the same seed.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer)
    first = answers(fitted(explainer, ProbabilityModel(), X, random_state=7), X)
    again = answers(fitted(explainer, ProbabilityModel(), X, random_state=7), X)
    assert_same(again, first, "fitted again with the same seed")


def check_peak_memory(explainer: Any) -> None:
    """Beyond inputs and result, explain holds no more than the ``working_memory``, over all workers.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    """
    X = rows_for(explainer, *((60_000, 4) if is_population(explainer) else (60, 30)))
    rows = () if is_population(explainer) else (X,)
    room = ROOM_FOR_POPULATIONS if is_population(explainer) else ROOM
    for n_jobs in (1, 2):
        with parallel_config(backend="threading"), config_context(working_memory=room):
            own = fitted(explainer, AdditiveModel(), X, n_jobs=n_jobs)
            own.explain(*(table[:4] for table in rows))  # what is imported and set up once is not counted
            peak = peak_mb(partial(own.explain, *rows))
        assert peak <= room, f"with n_jobs={n_jobs} {peak:.1f} MB were held, and {room} MB are allowed"


def peak_mb(call: Callable[[], Any]) -> float:
    """Call, and measure how much was held at once beyond what was held before and what is returned.

    Parameters
    ----------
    call : callable
        Without arguments.

    Returns
    -------
    float
        In MB of 2**20 bytes.
    """
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        result = call()
        held, peak = tracemalloc.get_traced_memory()
        del result
    finally:
        if not running:
            tracemalloc.stop()
    return (peak - held) / 2**20
