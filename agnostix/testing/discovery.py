"""Which explainers there are."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from agnostix.core.base import BaseExplainer

_TOP = __name__.partition(".")[0]
_NOT_METHODS = {"cli", "core", "plotting", "report", "testing"}


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
    packages = [module.name for module in iter_modules([str(Path(__file__).parents[1])]) if module.ispkg]
    modules = [import_module(f"{_TOP}.{name}") for name in packages if name not in _NOT_METHODS]
    explainers = {
        name: member
        for module in modules
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, BaseExplainer) and name[0] != "_"
    }
    return sorted(explainers.items())
