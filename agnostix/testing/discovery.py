"""Which explainers there are."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from agnostix.core.base import BaseExplainer

PACKAGES = ("agnostix.explainers", "agnostix.what_if")
"""Packages that hold explainers."""


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
    found = {
        name: thing
        for module in _modules()
        for name, thing in inspect.getmembers(module, inspect.isclass)
        if issubclass(thing, BaseExplainer) and thing.__module__.startswith(PACKAGES) and name[0] != "_"
    }
    return sorted(found.items())


def _modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        for module in iter_modules(import_module(package).__path__):
            yield import_module(f"{package}.{module.name}")
