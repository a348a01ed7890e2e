"""What notebooks show of results, what tags say of models, and what the import leaves unsaid."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from agnostix import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    RiseExplainer,
    as_predictor,
)
from tests.report.test_page import Page

EVIL = '<script>alert(1)</script>"&'
EXPLAINERS = [
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    RiseExplainer,
]


@pytest.fixture(scope="module")
def results():
    """Results of what-if analysis and a fidelity, with names that are HTML."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({EVIL: rng.normal(size=80), "b": rng.choice([EVIL, "u"], 80)})
    many = pd.DataFrame(rng.normal(size=(80, 20)), columns=[f"x{j}" for j in range(20)])
    model = as_predictor(lambda X: X[EVIL].to_numpy(), task="regression", output_names=[EVIL])
    projection = EntropicProjection(model).fit(X)
    classes = as_predictor(
        lambda X: np.column_stack([X[EVIL] > 0, X[EVIL] <= 0]).astype(float), task="classification"
    )
    return {
        "curves": projection.explain(),
        "curves by group": projection.explain(by="b"),
        "many curves": EntropicProjection(lambda X: X["x0"].to_numpy()).fit(many).explain(),
        "scenario": projection.what_if({EVIL: 0.1, "b": {EVIL: 0.6}}),
        "fidelity": MimicTree(model, random_state=0).fit(X).fidelity(X),
        "fidelity of labels": MimicTree(classes, random_state=0)
        .fit(X)
        .fidelity(X, (X[EVIL] > 0).astype(int)),
    }


@pytest.mark.parametrize(
    "name", ["curves", "curves by group", "many curves", "scenario", "fidelity", "fidelity of labels"]
)
def test_results_have_html(results, name: str) -> None:
    page = Page(results[name]._repr_html_())
    assert page.problems == []
    assert page.open == []
    tags = [tag for tag, _ in page.elements]
    assert set(tags) == {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert tags.count("td") == tags.count("th") * (tags.count("tr") - 1)
    assert 2 <= tags.count("tr") <= 13
    shown = "".join(page.texts)
    if not name.startswith(("fidelity", "many")):
        assert EVIL in shown
    if name == "scenario":
        outcome = results[name].outcomes.iloc[0]
        assert f"{outcome['value']:.4g}" in shown


@pytest.mark.parametrize("explainer", EXPLAINERS)
@pytest.mark.parametrize(
    ("model", "allowed"),
    [
        (LinearRegression(), False),
        (BaggingRegressor(LinearRegression()), False),
        (HistGradientBoostingRegressor(), True),
        (BaggingRegressor(HistGradientBoostingRegressor()), True),
        (make_pipeline(LinearRegression()), False),
        (make_pipeline(SimpleImputer(), LinearRegression()), True),
        (make_pipeline(StandardScaler(), SimpleImputer(), LinearRegression()), True),
        (make_pipeline(StandardScaler(), LinearRegression()), False),
        (make_pipeline(PCA(), SimpleImputer(), LinearRegression()), False),
        (as_predictor(LinearRegression().fit([[0.0], [1.0]], [0, 1])), False),
        (as_predictor(HistGradientBoostingRegressor().fit([[0.0], [1.0]], [0, 1])), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_allow_nan_follows_the_model(explainer, model, allowed: bool) -> None:
    assert get_tags(explainer(model)).input_tags.allow_nan == allowed


@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_allow_nan_of_a_function(explainer) -> None:
    reads_all_in_fit = explainer is EntropicProjection
    assert get_tags(explainer(lambda X: X[:, 0])).input_tags.allow_nan != reads_all_in_fit


def test_allow_nan_without_a_model() -> None:
    assert get_tags(EntropicProjection()).input_tags.allow_nan


@pytest.mark.parametrize("hidden", [(), ("ipywidgets",), ("ipywidgets", "IPython", "notebook")])
def test_import_warns_of_nothing(hidden: tuple[str, ...]) -> None:
    code = f"""
import sys
for name in {hidden!r}: sys.modules[name] = None
import warnings; warnings.simplefilter("error")
import numpy as np
from agnostix import KernelShapExplainer
X = np.arange(20.0).reshape(10, 2)
KernelShapExplainer(lambda X: X[:, 0]).fit(X).explain(X)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_kernel_says_what_was_used() -> None:
    def model(Z):
        return Z[:, 0] * Z[:, 1] * Z[:, 2] + Z.sum(1)

    def additive(Z):
        return Z.sum(1)

    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 14))
    for kernel in ("pooled", "none"):
        explainer = KernelShapExplainer(additive, kernel=kernel, budget=128, random_state=0)
        assert explainer.fit(X).explain(X[:3]).extras["kernel"] == "none"
        explainer = KernelShapExplainer(model, kernel=kernel, budget=128, random_state=0)
        exp = explainer.fit(np.zeros((1, 14))).explain(X[:3])
        assert exp.extras["kernel"].array.tolist() == ["none"] * 3
    learned = KernelShapExplainer(model, kernel="pooled", budget=128, random_state=0).fit(X).explain(X[:3])
    assert learned.extras["kernel"] == "pooled"
