"""Which explainers there are."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from agnostix.core.base import BaseExplainer


def all_explainers() -> list[tuple[str, type[BaseExplainer]]]:
    """Find all explainers of the package.

    Returns
    -------
    list of tuple of (str, type)
        Name and class, in the order of the names.

    Examples
    --------
    >>> from agnostix.testing import all_explainers
    >>> "OcclusionExplainer" in dict(all_explainers())
    True
    """
    here = __name__.rpartition(".")[0]
    modules = [
        import_module(f"{here}.{module.name}") for module in iter_modules([str(Path(__file__).parent)])
    ]
    found = {
        name: thing
        for module in modules
        for name, thing in inspect.getmembers(module, inspect.isclass)
        if issubclass(thing, BaseExplainer) and thing.__module__.startswith(here) and name[0] != "_"
    }
    return sorted(found.items())
