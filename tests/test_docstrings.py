"""The public names' docstrings: complete, in numpydoc's form, with examples that run."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import pkgutil
import re
from configparser import ConfigParser
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate

import agnostix
from agnostix.what_if.constraints import Constraint

SETTINGS = ConfigParser()
SETTINGS.read(Path(__file__).parents[1] / "setup.cfg")
UNASKED = set(SETTINGS["tool:numpydoc_validation"]["checks"].split()) - {"all"}


def _own_methods(thing: type) -> list[str]:
    """Public methods written here, not by scikit-learn."""
    if issubclass(thing, Constraint):  # it is stated, as data; what its methods compile is internal
        return []
    return [
        name
        for name, value in inspect.getmembers(thing, inspect.isroutine)
        # From Python 3.13 on a cached_property is a routine too.
        if callable(value)
        and not name.startswith("_")
        and str(getattr(value, "__module__", "")).startswith("agnostix")
    ]


def _public_names() -> list[str]:
    names = []
    for name in agnostix.__all__:
        names.append(name)
        thing = getattr(agnostix, name)
        if inspect.isclass(thing):
            names += [f"{name}.{method}" for method in _own_methods(thing)]
    return names


def _find(name: str) -> object:
    thing: object = agnostix
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


def _is_error(name: str) -> bool:
    thing = _find(name)
    return inspect.isclass(thing) and issubclass(thing, Exception)


def _is_result(name: str) -> bool:
    """Made by this package and not by its user, who reads its attributes."""
    return _is_error(name) or (is_dataclass(_find(name)) and not issubclass(_find(name), Constraint))


PUBLIC = _public_names()


@pytest.mark.parametrize("name", PUBLIC)
def test_public_docstring_is_complete(name):
    thing = _find(name)
    told = validate(f"{thing.__module__}.{thing.__qualname__}")["errors"]
    unasked = UNASKED | {"PR01"} if _is_result(name) else UNASKED
    assert [f"{code}: {message}" for code, message in told if code not in unasked] == []


@pytest.mark.parametrize(
    "name", [name for name in agnostix.__all__ if is_dataclass(_find(name)) and _is_result(name)]
)
def test_result_docstring_lists_its_attributes(name):
    told = ClassDoc(_find(name))["Attributes"]
    names = [part.strip() for entry in told for part in entry.name.split(",")]
    assert names == [field.name for field in fields(_find(name))]


@pytest.mark.parametrize("name", [name for name in agnostix.__all__ if not _is_error(name)])
def test_public_name_has_example(name):
    thing = _find(name)
    methods = _own_methods(thing) if inspect.isclass(thing) else []
    parts = [thing, *(getattr(thing, method) for method in methods)]
    finder = doctest.DocTestFinder(recurse=False)
    assert any(found.examples for part in parts for found in finder.find(part, name))


def test_public_names_cover_methods():
    assert {"EntropicProjection.what_if", "EntropicProjection.set_params", "WhatIfCurves.sel"} <= set(PUBLIC)
    assert "as_predictor" in PUBLIC
    assert "EntropicProjection.get_metadata_routing" not in PUBLIC
    assert sorted(agnostix.__all__) == list(agnostix.__all__)


METRICS = ("comparison", "differences", "doubt", "removal", "sanity", "shape", "stability")
PACKAGES = (
    *("lime", "metrics", "neural", "occlusion", "shapley", "surrogate_tree", "what_if"),
    *(f"metrics.{name}" for name in METRICS),
)
"""Packages whose docstring says in which module a reader finds what."""


@pytest.mark.parametrize("package", PACKAGES)
def test_package_docstring_names_what_exists(package):
    home = importlib.import_module(f"agnostix.{package}")
    assert [word for word in re.findall(r"`([\w.]+)`", home.__doc__) if not _is_known(word, home)] == []


@pytest.mark.parametrize(
    "word", ["tilting.solve", "Tilts", "core.masking.colors", "core.evaluate.Median", "price"]
)
def test_package_docstring_of_unknown_name_is_noticed(word):
    assert not _is_known(word, importlib.import_module("agnostix.what_if"))


def _is_known(word: str, package: object) -> bool:
    """Whether a word is a name in a package, its modules or `agnostix`, or a parameter or method there."""
    if word.startswith("core."):
        module, _, name = f"agnostix.{word}".rpartition(".")
        return _has(importlib.import_module(module), name) or _is_module(f"agnostix.{word}")
    if _is_module(f"{package.__name__}.{word}"):
        return True
    for module in pkgutil.iter_modules(package.__path__):
        if module.name in ("mask_search", "reset_layers"):
            pytest.importorskip("torch")
        importlib.import_module(f"{package.__name__}.{module.name}")
    explainers = [getattr(package, name) for name in getattr(package, "__all__", ())]
    modules = [value for value in vars(package).values() if inspect.ismodule(value)]
    if any(_has(home, word) for home in (package, *modules, *explainers)):
        return True
    return any(inspect.isclass(one) and word in inspect.signature(one).parameters for one in explainers)


def _is_module(name: str) -> bool:
    """Whether a dotted name is that of a module; what lies in a module that is no package is none."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _has(home: object, word: str) -> bool:
    for name in word.split("."):
        if not hasattr(home, name):
            return False
        home = getattr(home, name)
    return True
