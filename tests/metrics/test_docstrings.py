"""Docstrings of the public names: complete, in numpydoc's form."""

import inspect
from configparser import ConfigParser
from pathlib import Path

import pytest
from numpydoc.validate import validate

from agnostix import metrics

SETTINGS = ConfigParser()
SETTINGS.read(Path(__file__).parents[2] / "setup.cfg")
UNASKED = set(SETTINGS["tool:numpydoc_validation"]["checks"].split()) - {"all"}


def _names():
    for name in metrics.__all__:
        yield name
        thing = getattr(metrics, name)
        if inspect.isclass(thing):
            functions = (key for key, value in vars(thing).items() if inspect.isfunction(value))
            yield from (f"{name}.{key}" for key in functions if not key.startswith("_"))


@pytest.mark.parametrize("name", list(_names()))
def test_docstring_is_complete(name):
    thing = metrics
    for part in name.split("."):
        thing = getattr(thing, part)
    unasked = UNASKED | ({"PR01"} if inspect.isclass(thing) else set())
    errors = validate(f"{thing.__module__}.{thing.__qualname__}")["errors"]
    assert [error for error in errors if error[0] not in unasked] == []
