"""The same bits whatever the number of threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's matrix products run in one thread.

    Products over many threads sum in another order, so their last bits depend
    on the machine; and for the small products here, waiting for threads costs
    more than they save.

    Parameters
    ----------
    function : callable
        What is run so.

    Returns
    -------
    callable
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
