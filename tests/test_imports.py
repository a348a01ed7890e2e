"""What an import costs: the heavy libraries are loaded where they are used."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.messages import assert_states

HEAVY = ["matplotlib", "cvxpy", "torch", "jinja2", "skops", "polars", "skimage"]


def _loaded_by(statement: str) -> set[str]:
    script = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "statement", ["from agnostix import *", "import agnostix.cli.run, agnostix.cli.demo"]
)
def test_import_loads_no_heavy_package(statement: str) -> None:
    assert sorted(_loaded_by(statement) & set(HEAVY)) == []


NOT_YET = {"numpy", "pandas", "sklearn", "scipy", "matplotlib", "narwhals", "joblib"}

COMMAND = """
import sys
from agnostix.cli import main
sys.stdout = sys.stderr = open({null!r}, "w")
status = main({argv})
sys.stdout = sys.__stdout__
assert status == {status}, status
"""


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["--version"], 0),
        (["--help"], 0),
        (["report", "--help"], 0),
        (["report"], 2),
        (["report", "model.skops", "data.csv", "--what"], 2),
        (["report", "model.skops", "data.csv", "--what-if", "age"], 2),
        (["report", "model.skops", "data.csv", "--output", "report.txt"], 2),
        (["report", "there_is_no_such.skops", "data.csv"], 2),
        (["demo", "--output", "report.txt"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_command_without_work_loads_no_library(argv: list[str], status: int) -> None:
    command = COMMAND.format(null=os.devnull, argv=argv, status=status)
    assert sorted(_loaded_by(f"exec({command!r})") & NOT_YET) == []


def test_import_agnostix_loads_no_library() -> None:
    assert sorted(_loaded_by("import agnostix") & NOT_YET) == []
    assert {"numpy", "pandas", "sklearn"} <= _loaded_by("import agnostix; agnostix.LimeExplainer")


def test_heavy_import_is_detected() -> None:
    assert "jinja2" in _loaded_by("import jinja2")


OPTIONAL = """
import sys
sys.modules["skimage"] = None
import numpy as np
from agnostix import KernelShapExplainer
from agnostix.core.masking import SegmentMasker, TextMasker
pictures = np.arange(32.0).reshape(2, 4, 4)
for segments in ("grid", np.eye(4, dtype=int), lambda picture: np.eye(4, dtype=int)):
    masker = SegmentMasker(segments, n_segments=4)
    KernelShapExplainer(lambda X: X.mean(axis=(1, 2)), masker=masker).fit(pictures).explain(pictures)
TextMasker().read(["a b"])
for segments in ("slic", "quickshift"):
    try:
        SegmentMasker(segments).read(pictures)
    except ImportError as error:
        print(error)
"""


def test_scikit_image_needed_for_slic_and_quickshift_only() -> None:
    done = subprocess.run([sys.executable, "-c", OPTIONAL], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for name, line in zip(("slic", "quickshift"), lines, strict=True):
        assert_states(
            line, f"SegmentMasker({name!r})", "scikit-image", "pip install 'agnostix[images]'", "'grid'"
        )


WITHOUT_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoTorch())
import numpy as np
from agnostix import ExtremalMaskExplainer, OcclusionExplainer, RiseExplainer
from agnostix.maskers import SegmentMasker, SlidingWindow
pictures = np.arange(32.0).reshape(2, 4, 4)
model = lambda X: X.mean(axis=(1, 2))
for explainer in (
    OcclusionExplainer(model, masker=SlidingWindow(2, 1)),
    OcclusionExplainer(model, masker=SegmentMasker()),
    RiseExplainer(model, n_masks=32, n_cells=2),
    ExtremalMaskExplainer(model),
):
    try:
        print(explainer.fit(pictures).explain(pictures).values.shape)
    except ValueError as error:
        print(error)
"""


def test_torch_needed_for_learned_masks_only() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "(2, 4, 4, 1)",
        "(2, 16, 1)",
        "(2, 4, 4, 1)",
        "ExtremalMaskExplainer needs gradients, and the model is function. Pass a torch module, or wrap one "
        "with as_predictor(module). OcclusionExplainer, KernelShapExplainer and LimeExplainer need "
        "predictions alone.",
    ]
