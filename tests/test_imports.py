"""What an import costs: the heavy libraries are loaded where they are used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ["matplotlib", "cvxpy", "torch", "jinja2", "skops", "polars", "skimage"]


def _loaded_by(statement: str) -> set[str]:
    script = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "statement", ["import agnostix", "import agnostix.cli", "import agnostix.cli.run, agnostix.cli.demo"]
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    assert sorted(_loaded_by(statement) & set(HEAVY)) == []


def test_a_heavy_import_would_be_seen() -> None:
    assert "jinja2" in _loaded_by("import jinja2")
