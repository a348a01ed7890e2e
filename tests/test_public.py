"""The public names: complete, sorted, explained."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import agnostix
import agnostix.maskers
import agnostix.metrics
import agnostix.plotting
import agnostix.report
import agnostix.testing
from agnostix.what_if.constraints import Constraint
from tests.messages import refuses

HOUSES = [agnostix, agnostix.maskers, agnostix.metrics, agnostix.plotting, agnostix.report, agnostix.testing]
NAMED = [(house, name) for house in HOUSES for name in house.__all__]
MADE_BY_USERS = [(house, name) for house, name in NAMED if not name.endswith("Error")]


@pytest.mark.parametrize("house", HOUSES, ids=lambda house: house.__name__)
def test_all_is_sorted_and_exists(house: ModuleType) -> None:
    assert list(house.__all__) == sorted(house.__all__)
    assert len(set(house.__all__)) == len(house.__all__)
    for name in house.__all__:
        assert hasattr(house, name)


@pytest.mark.parametrize("house", HOUSES, ids=lambda house: house.__name__)
def test_all_is_complete(house: ModuleType) -> None:
    """Classes and functions of the package that stand in its namespace are public."""
    own = [
        name
        for name, value in ((name, getattr(house, name)) for name in dir(house))
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith("agnostix")
    ]
    assert sorted(own) == list(house.__all__)


def test_displays_are_public() -> None:
    found = {
        name
        for module in pkgutil.iter_modules(agnostix.plotting.__path__)
        for name in vars(importlib.import_module(f"agnostix.plotting.{module.name}"))
        if name.endswith("Display")
    }
    assert found == set(agnostix.plotting.__all__)


@pytest.mark.parametrize(("house", "name"), NAMED, ids=lambda part: getattr(part, "__name__", part))
def test_public_names_have_docstrings(house: ModuleType, name: str) -> None:
    public = getattr(house, name)
    assert inspect.getdoc(public)
    members = vars(public).items() if inspect.isclass(public) else []
    for member, value in members:
        if not member.startswith("_") and (
            inspect.isfunction(value) or isinstance(value, classmethod | property)
        ):
            doc = inspect.getdoc(getattr(public, member))
            assert doc, f"{name}.{member} has no docstring"


@pytest.mark.parametrize(("house", "name"), MADE_BY_USERS, ids=lambda part: getattr(part, "__name__", part))
def test_parameters_are_in_docstring(house: ModuleType, name: str) -> None:
    public = getattr(house, name)
    described = [(public, public)]
    if inspect.isclass(public) and not issubclass(public, Constraint):  # stated as data, not called
        described += [
            (getattr(public, member), value)
            for member, value in vars(public).items()
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, classmethod))
        ]
    for callable_, _ in described:
        doc = inspect.getdoc(callable_) or ""
        for parameter in inspect.signature(callable_).parameters.values():
            if parameter.name in ("self", "cls"):
                continue
            assert parameter.name in doc, f"{callable_.__qualname__}: {parameter.name}"


def test_public_names_are_imported_at_first_use() -> None:
    from agnostix.lime import LimeExplainer

    assert agnostix.LimeExplainer is LimeExplainer
    assert agnostix.plotting.BarDisplay is importlib.import_module("agnostix.plotting").BarDisplay
    assert {"LimeExplainer", "plotting", "__version__"} <= set(dir(agnostix))


def test_unknown_public_name_is_refused() -> None:
    with refuses(AttributeError, "'agnostix'", "no attribute 'LimeExplanier'"):
        _ = agnostix.LimeExplanier
    with refuses(ImportError, "'LimeExplanier'", "'agnostix'"):
        from agnostix import LimeExplanier  # noqa: F401


def test_version_matches_package() -> None:
    from importlib.metadata import version

    assert agnostix.__version__ == version("agnostix")
