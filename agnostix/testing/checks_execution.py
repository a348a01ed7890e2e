"""Checks of execution: results do not depend on how the work is divided; memory and cost are bounded."""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn import config_context

from agnostix.testing.doubles import AdditiveModel, CountingModel, InteractionModel, ProbabilityModel
from agnostix.testing.harness import (
    assert_identical,
    explains_population,
    explanation_arrays,
    fit_clone,
    make_rows,
    results,
)

WORKING_MEMORIES = (0.0005, 0.005, 0.05, 2000.0)
"""In MB: one row a batch, a few, many, all at once."""
MEMORY_LIMIT, POPULATION_MEMORY_LIMIT = 10.0, 12.0
"""Working memory in MB under which the peak is measured; the work in one batch would take more."""


def check_n_jobs_and_backend_invariance(explainer: Any) -> None:
    """Equal to the bit with one worker or two, as threads, as processes, and under dask."""
    X = make_rows(explainer)
    expected = results(fit_clone(explainer, ProbabilityModel(), X, n_jobs=1), X)
    for name, backend in _backends().items():
        with backend(), config_context(working_memory=0.005):
            actual = results(fit_clone(explainer, ProbabilityModel(), X, n_jobs=2), X)
        assert_identical(actual, expected, f"n_jobs=2 ({name}) instead of 1")


def _backends() -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    """A context for each backend."""
    # Made when entered: joblib's contexts hold from the moment they are made.
    joblib: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        name: partial(parallel_config, backend=name, n_jobs=2) for name in ("threading", "loky")
    }
    dask = {"dask": _dask} if _is_importable("dask.distributed") else {}
    return {"default": nullcontext} | joblib | dask


def _is_importable(name: str) -> bool:
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


def check_batch_size_invariance(explainer: Any) -> None:
    """Equal to the bit for any working memory, from one row a batch to all at once."""
    X = make_rows(explainer)
    expected = results(fit_clone(explainer, ProbabilityModel(), X), X)
    for memory in WORKING_MEMORIES:
        with config_context(working_memory=memory):
            actual = results(fit_clone(explainer, ProbabilityModel(), X), X)
        assert_identical(actual, expected, f"working_memory={memory} MB")


def check_row_subset_and_order_invariance(explainer: Any) -> None:
    """A row has the same explanation in any subset and order; a population in any order of its rows."""
    X, order = make_rows(explainer), np.random.default_rng(0).permutation(24)
    fitted = fit_clone(explainer, ProbabilityModel(), X)
    if explains_population(explainer):
        expected = results(fitted, X)
        permuted = results(fit_clone(explainer, ProbabilityModel(), X[order]), X[order])
        assert_identical(
            permuted, expected | {"weights": expected["weights"][order]}, "rows in another order"
        )
        return
    whole = fitted.explain(X)
    for rows in (order, order[:5], order[:1], np.array([3, 3])):
        subset = explanation_arrays(fitted.explain(X[rows]))
        assert_identical(subset, explanation_arrays(whole[rows]), f"rows {rows.tolist()} explained alone")


def check_seed_reproducibility(explainer: Any) -> None:
    """Equal to the bit after another fit with the same seed."""
    X = make_rows(explainer)
    first = results(fit_clone(explainer, ProbabilityModel(), X, random_state=7), X)
    again = results(fit_clone(explainer, ProbabilityModel(), X, random_state=7), X)
    assert_identical(again, first, "fitted again with the same seed")


def check_global_random_state_untouched(explainer: Any) -> None:
    """The global random states of numpy, Python and torch are neither read nor written."""
    X, initial = make_rows(explainer), (np.random.get_state(), random.getstate())  # noqa: NPY002
    actual = []
    try:
        for seed in (1, 2):
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            torch_state = _torch_random_state()
            actual.append(results(fit_clone(explainer, ProbabilityModel(), X), X))
            results(fit_clone(explainer, ProbabilityModel(), X, random_state=None), X)
            _assert_random_state_of(seed)
            assert _torch_random_state() == torch_state or not torch_state, (
                "the global random state of torch was used"
            )
    finally:
        np.random.set_state(initial[0])  # noqa: NPY002
        random.setstate(initial[1])
    assert_identical(actual[0], actual[1], "another global random state")


def _assert_random_state_of(seed: int) -> None:
    """Fail if numbers were drawn since the global states were seeded."""
    array, number = np.random.random(3), random.random()  # noqa: NPY002
    expected = np.random.RandomState(seed).random(3)
    assert np.array_equal(array, expected), "the global random state of numpy was used"
    assert number == random.Random(seed).random(), "the global random state of Python was used"


def _torch_random_state() -> bytes:
    """The global random state of torch; empty where torch has not been imported."""
    torch = sys.modules.get("torch")
    return b"" if torch is None else torch.random.get_rng_state().numpy().tobytes()


def check_random_state_none_draws_seed_once(explainer: Any) -> None:
    """With ``random_state=None`` or a generator one seed is drawn, in fit; explain repeats itself."""
    X = make_rows(explainer)
    for state in (None, np.random.default_rng(0), np.random.RandomState(0)):
        fitted = fit_clone(explainer, ProbabilityModel(), X, random_state=state)
        first = results(fitted, X)
        assert_identical(results(fitted, X), first, f"explained again, random_state={state!r}")
        assert fitted.get_params(deep=False).get("random_state", state) is state, "random_state is replaced"


def check_peak_memory(explainer: Any) -> None:
    """Beyond inputs and result, explain holds at most ``working_memory``, shared over workers."""
    is_population = explains_population(explainer)
    X = make_rows(explainer, *((60_000, 4) if is_population else (60, 30)))
    rows = () if is_population else (X,)
    limit = POPULATION_MEMORY_LIMIT if is_population else MEMORY_LIMIT
    for n_jobs in (1, 2):
        with parallel_config(backend="threading"), config_context(working_memory=limit):
            fitted = fit_clone(explainer, AdditiveModel(), X, n_jobs=n_jobs)
            fitted.explain(
                *(table[:4] for table in rows)
            )  # imports and caches of the first call do not count
            peak = peak_mb(partial(fitted.explain, *rows))
        assert peak <= limit, f"n_jobs={n_jobs}: peak memory is {peak:.1f} MB, working_memory is {limit} MB"


def peak_mb(call: Callable[[], Any]) -> float:
    """Peak memory of a call in MB of 2**20 bytes, beyond what was held before and what is returned."""
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        result = call()
        held, peak = tracemalloc.get_traced_memory()
        del result
    finally:
        if not was_tracing:
            tracemalloc.stop()
    return (peak - held) / 2**20


def check_cost_bounds_model_rows(explainer: Any) -> None:
    """``cost(X)`` is an upper bound of the rows the model evaluates, and ``n_model_rows`` their number."""
    X, model = make_rows(explainer), CountingModel(InteractionModel())
    fitted = fit_clone(explainer, model, X)
    if explains_population(explainer):
        results(fitted, X)
        stated = fitted.explain().n_model_rows
        assert model.n_rows == stated, f"the model evaluated {model.n_rows} rows, n_model_rows is {stated}"
        return
    for rows in (X[:1], X[:7]):
        model.sizes.clear()
        bound = fitted.cost(rows)
        assert model.n_rows == 0, "cost calls the model"
        assert_model_rows(fitted.explain(rows), model.n_rows, bound)


def assert_model_rows(exp: Any, n_rows: int, bound: int) -> None:
    """Fail unless `n_model_rows` is the number of rows that were evaluated, and `cost` was no less."""
    assert exp.n_model_rows == n_rows, (
        f"the model evaluated {n_rows} rows, n_model_rows is {exp.n_model_rows}"
    )
    assert n_rows <= bound, f"the model evaluated {n_rows} rows, cost was {bound}"
