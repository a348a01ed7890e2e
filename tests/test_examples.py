import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("plot_*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_without_warnings(example, tmp_path):
    command = [sys.executable, "-W", "error", str(example)]
    found = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"MPLBACKEND": "agg"}, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
