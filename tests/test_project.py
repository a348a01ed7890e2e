"""Files about the project agree with the package: metadata, constraints, matrix, recipes, pages."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from agnostix.testing import check_explainer, check_random_case
from agnostix.testing.battery import CHECKS, checks_for
from conftest import SLOW_CHECKS
from tests.messages import refuses

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED_EXTRAS = ("cli", "images", "polars", "shap", "torch", "tests")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def lower_bounds() -> dict[str, str]:
    """The oldest version that pyproject.toml allows, of each package that the tests need."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in PINNED_EXTRAS for line in extras[extra])]
    return dict(line.split(">=") for line in lines if ">=" in line)


def pins(name: str) -> dict[str, str]:
    lines = [line for line in read(name).splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def is_at_least(version: str, bound: str) -> bool:
    """Whether a version is the bound or one of its patch releases."""
    parts, least = ([int(part) for part in text.split(".")] for text in (version, bound))
    return parts[: len(least)] == least


def test_oldest_constraints_are_lower_bounds() -> None:
    oldest, bounds = pins("constraints-oldest.txt"), lower_bounds()
    assert sorted(set(bounds) - set(oldest)) == []
    assert [name for name, bound in bounds.items() if not is_at_least(oldest[name], bound)] == []


def test_tested_constraints_are_within_bounds() -> None:
    newest, bounds = pins("constraints-tests.txt"), lower_bounds()
    assert sorted(set(bounds) - set(newest) - {"tqdm"}) == []


def test_matrix_runs_test_command_of_readme_on_three_pythons() -> None:
    workflow = read(".github/workflows/tests.yml")
    command = re.search(r"<!-- tests -->\n```sh\n(.*)\n```", read("README.md"))
    assert command is not None
    assert command[1].replace("constraints-tests.txt", "${{ matrix.constraints }}") in workflow
    versions = {
        tuple(map(int, version.split("."))) for version in re.findall(r'python: "([\d.]+)"', workflow)
    }
    oldest = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    assert min(versions) == oldest
    assert len(versions) == 3
    constraints = re.findall(r"constraints: ([\w.-]+)", workflow)
    assert set(constraints) == {"constraints-oldest.txt", "constraints-tests.txt"}
    assert all((ROOT / name).is_file() for name in constraints)


def test_citation_states_version_and_license() -> None:
    citation = read("CITATION.cff")
    assert f"version: {PROJECT['version']}\n" in citation
    assert f"license: {PROJECT['license']}\n" in citation
    assert f"- name: {PROJECT['authors'][0]['name']}\n" in citation


def test_architecture_is_one_page() -> None:
    page = read("docs/architecture.md")
    assert len(page.split()) <= 1500
    glossary = page[page.index("## Glossary") :]
    assert 0 < len(re.findall(r"^\| ", glossary, re.MULTILINE)) - 2 <= 25
    assert len(read("CONTRIBUTING.md").splitlines()) <= 80


def module_files(page: str) -> list[str]:
    """Paths of modules and packages in backticks."""
    return re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", read(page))


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_paths_in_page_exist(page: str) -> None:
    paths = set(module_files(page)) - {"agnostix/spread/", "tests/spread/"}
    assert len(paths) >= 5
    assert [
        path for path in paths if not any((top / path).exists() for top in (ROOT, ROOT / "agnostix"))
    ] == []


def test_classes_in_architecture_exist() -> None:
    page = read("docs/architecture.md")
    names = set(re.findall(r"\*\*`?([A-Z]\w+)`?\*\*", page)) | set(
        re.findall(r"\b\w+(?:Explainer|Tree)\b", page)
    )
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "agnostix").rglob("*.py"))
    assert len(names) >= 15
    assert [name for name in names if not re.search(rf"^(class {name}\b)", source, re.MULTILINE)] == []


def test_decisions_are_all_listed_and_complete() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\(([\w-]+\.md)\)", read("docs/decisions/README.md"))
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")
    for name in listed:
        text = (folder / name).read_text(encoding="utf-8")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert len(text.split()) < 250


@pytest.fixture(scope="module")
def recipe() -> type:
    """The explainer of CONTRIBUTING.md, in a module of its own so that it pickles."""
    code = re.search(r"```python\n(.*?)```", read("CONTRIBUTING.md"), re.DOTALL)
    assert code is not None
    module = ModuleType("recipe_of_contributing")
    sys.modules[module.__name__] = module
    exec(compile(code[1], "CONTRIBUTING.md", "exec"), vars(module))
    return module.SpreadExplainer


def test_recipe_of_contributing_passes_battery(recipe: type, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = [check for check in CHECKS if check.__name__ not in SLOW_CHECKS]
    monkeypatch.setattr("agnostix.testing.battery.CHECKS", tuple(quick))
    statuses = {entry["check_name"]: entry["status"] for entry in check_explainer(recipe(None))}
    assert statuses.keys() == {check.__name__ for check in checks_for(recipe(None))}
    skipped = {name for name, status in statuses.items() if status == "skipped"}
    assert skipped <= {
        "check_completeness", "check_constant_feature_is_zero", "check_values_sum_to_zero_over_outputs"
    }  # fmt: skip
    for seed in range(12):
        check_random_case(recipe(None), seed)


def test_recipe_of_contributing_refuses_invalid_parameter(recipe: type) -> None:
    with refuses(ValueError, "'squared' parameter of SpreadExplainer", "Got 'yes'"):
        recipe(lambda X: X[:, 0], squared="yes").fit([[1.0], [2.0]])
