"""How the tests run: one thread a process, the slow tier, hypothesis' profiles, optional modules."""

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

# One worker of pytest-xdist a core: threads of BLAS, OpenMP and torch on top would wait for each other.
# The libraries read these when they are imported, so they are set before anything imports numpy.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("default", derandomize=True, max_examples=25, deadline=None)
settings.register_profile("nightly", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

NEEDS_TORCH = [
    "agnostix/core/models/torch_*.py",
    "agnostix/metrics/sanity/randomization.py",
    "agnostix/metrics/sanity/reset_layers.py",
    "agnostix/neural/*.py",
    "agnostix/neural/*/*.py",
    "docs/neural.md",
    "docs/pictures.md",
    "docs/relevance.md",
    "tests/core/models/hosted.py",
    "tests/metrics/sanity/sanity_networks.py",
]
collect_ignore_glob = [] if find_spec("torch") else NEEDS_TORCH

SLOW_CHECKS = {"check_n_jobs_and_backend_invariance", "check_no_worker_left"}
"""Of the battery: what starts processes and dask, or breaks off."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """0, tests in this process, where one file is named: it is done before workers have started."""
    files = {argument.split("::")[0] for argument in config.args}
    return 0 if len(files) == 1 and os.path.isfile(files.pop()) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the battery's slow checks of every explainer into the slow tier."""
    for item in items:
        check = getattr(item, "callspec", None) and item.callspec.params.get("check")
        if getattr(check, "__name__", "") in SLOW_CHECKS:
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Close what a test or an example of a docstring has drawn: pyplot keeps each figure, and warns at 20."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def seed_torch() -> None:
    """Give modules that a test makes the same weights in whatever order tests run."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
