"""No text of the project names a path of the machine that it was written on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*", "examples/*.py", "agnostix/**/*.py")
    for path in sorted(ROOT.glob(pattern))
    if path.suffix in (".md", ".py")
]
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|home|work|Users)/")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_names_no_path_of_a_machine(path: Path) -> None:
    assert MACHINE_PATH.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", ['File "/root/.pyenv/x.py"', "see /home/me/model.skops", "(/work/main/x)"])
def test_machine_path_is_found(text: str) -> None:
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["docs/work/flow.md", "https://example.org/home/page", "./root/x"])
def test_other_path_is_not_found(text: str) -> None:
    assert not MACHINE_PATH.search(text)
