"""Old names and long internal docstrings may become fewer, and never more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ratchets.docstrings import count_docstrings
from tests.ratchets.names import count_names
from tests.ratchets.source import PACKAGE
from tests.ratchets.tables import load, lower, risen_docstrings, risen_names, write


def test_old_names_do_not_return() -> None:
    risen = risen_names(count_names(PACKAGE), load("names"))
    assert not risen, "Use the term of the field (see OLD_NAMES in tests/ratchets/names.py)."


def test_internal_docstrings_do_not_grow() -> None:
    risen = risen_docstrings(count_docstrings(PACKAGE), load("docstrings"))
    assert not risen, "One line with shapes is enough for what no user sees; comments say why."


def test_tables_hold_counted_kinds_only() -> None:
    counted = {kind for kind, _ in (name.split() for name in load("names"))}
    assert counted <= {"class", "function", "parameter", "attribute", "module"}


def tree(folder: Path, files: dict[str, str]) -> Path:
    """A made-up package."""
    for name, source in files.items():
        path = folder / "agnostix" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder / "agnostix"


@pytest.mark.parametrize(
    ("file", "source", "name"),
    [
        ("what_if/curves.py", "class Lever: pass", "class Lever"),
        ("what_if/curves.py", "def f():\n    class Lever: pass", "class Lever"),
        ("what_if/curves.py", "class A:\n    def told(self): pass", "function told"),
        ("what_if/curves.py", "async def digest(): pass", "function digest"),
        ("surrogate_tree/a.py", "def f(x, *, given=1): pass", "parameter given"),
        ("lime/a.py", "def f(*drawn): pass", "parameter drawn"),
        ("surrogate_tree/a.py", "f = lambda real: real", "parameter real"),
        ("what_if/curves.py", "class A:\n    price: float", "attribute price"),
        ("what_if/curves.py", "class A:\n    def f(self):\n        self.told, x = 1, 2", "attribute told"),
        ("what_if/companions.py", "", "module companions"),
        ("what_if/statistic.py", "class Condition: pass", "class Condition"),
        ("occlusion/rise.py", "def f(share): pass", "parameter share"),
        (
            "lime/explainer.py",
            "class A:\n    def fit(self):\n        self.players_ = 1",
            "attribute players_",
        ),
    ],
)
def test_count_names_counts_definitions(tmp_path: Path, file: str, source: str, name: str) -> None:
    package = file.split("/")[0]
    counts = count_names(tree(tmp_path, {file: source}))
    assert counts == {name: {package: 1}}
    assert risen_names(counts, {}) == [f"{name}: {package} 0 -> 1"]
    assert risen_names(counts, {name: {package: 1}}) == []


@pytest.mark.parametrize(
    "source",
    [
        "given, told, found = 1, 2, 3\nfor drawn in []:\n    real = drawn",
        "x.told = 1\nprint(self.told, f(given=1))",
        "class Levers: pass\ndef tell(): pass",
        "def f(share, given, drawn): pass",
        "class Condition: pass",
        "class A:\n    def fit(self):\n        self.players_ = 1",
        "'class Lever: pass'  # told",
    ],
)
def test_count_names_ignores_other_uses(tmp_path: Path, source: str) -> None:
    assert count_names(tree(tmp_path, {"report/page.py": source})) == {}


def test_risen_names_allow_move_to_another_package() -> None:
    table = {"class Lever": {"population": 2}}
    assert risen_names({"class Lever": {"population": 1, "what_if": 1}}, table) == []
    assert risen_names({"class Lever": {"what_if": 1}}, table) == []
    assert risen_names({"class Lever": {"population": 2, "what_if": 1}}, table) == [
        "class Lever: what_if 0 -> 1"
    ]


PUBLIC = {
    "__init__.py": '__all__ = ["Explainer", "explain"]',
    "plotting/__init__.py": '__all__ = ["BarDisplay"]',
    "lime/explainer.py": '''class Base:
    """One.

    Two.
    """

    def fit(self):
        """Fit.

        Much more.
        """


class Explainer(module.Base):
    """One.

    Two.
    """

    def _check(self):
        """Check.

        And more.
        """


def explain():
    """One.

    Two.
    """

    def inner():
        """Inner."""
''',
}


def test_count_docstrings_ignores_public_names_and_bases(tmp_path: Path) -> None:
    counts = count_docstrings(tree(tmp_path, PUBLIC))
    assert counts["lime"] == {"docstring lines": 4 + 1, "code lines": 6}
    assert counts["plotting"] == counts["(root)"] == {"docstring lines": 0, "code lines": 1}


def test_count_docstrings_counts_internal_names(tmp_path: Path) -> None:
    source = '''"""A module."""

# a comment
LEVEL = 1
"""What it is."""


class Hidden:
    """Short."""

    def method(self):
        """Long.

        Longer.
        """
        return """
        code
        """
'''
    counts = count_docstrings(tree(tmp_path, {"lime/hidden.py": source}))
    assert counts == {"lime": {"docstring lines": 1 + 4, "code lines": 6}}


def lines(n_docstring: int, n_code: int) -> dict[str, int]:
    return {"docstring lines": n_docstring, "code lines": n_code}


@pytest.mark.parametrize(
    ("now", "risen"),
    [
        ({"lime": lines(40, 100), "core": lines(20, 100)}, []),
        ({"lime": lines(30, 100), "core": lines(20, 100)}, []),
        ({"lime": lines(45, 100), "core": lines(15, 100)}, []),
        ({"shapley": lines(40, 100), "core": lines(20, 100)}, []),
        ({"lime": lines(44, 100), "core": lines(20, 100)}, ["all packages", "lime"]),
        (
            {"lime": lines(40, 100), "core": lines(20, 100), "shapley": lines(60, 100)},
            ["all packages", "shapley"],
        ),
        ({"lime": lines(40, 80), "core": lines(20, 100)}, ["all packages", "lime"]),
    ],
)
def test_risen_docstrings_name_packages_that_grew(now: dict[str, dict[str, int]], risen: list[str]) -> None:
    table = {"lime": lines(40, 100), "core": lines(20, 100)}
    assert [line.split(":")[0] for line in risen_docstrings(now, table)] == risen


def test_lower_never_raises_tables(tmp_path: Path) -> None:
    long, short = '    """One.\n\n    Two.\n    """\n', '    """One."""\n'
    package = tree(tmp_path, {"lime/a.py": f"class Lever:\n{long}\nclass Course:\n{long}"})
    write("names", count_names(package), tmp_path)
    write("docstrings", count_docstrings(package), tmp_path)
    tree(tmp_path, {"lime/a.py": f"class Lever:\n{short}"})
    assert lower(package, tmp_path) == []
    assert load("names", tmp_path) == {"class Lever": {"lime": 1}}
    assert load("docstrings", tmp_path) == {"lime": lines(1, 1)}
    tree(tmp_path, {"lime/a.py": f"class Lever:\n{short}\nclass Course:\n{long}"})
    assert len(lower(package, tmp_path)) == 3
    assert load("names", tmp_path) == {"class Lever": {"lime": 1}}
