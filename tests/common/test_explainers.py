"""The battery over every explainer of the package, and random cases on each."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given

import agnostix
from agnostix import (
    CamExplainer,
    DeepLiftExplainer,
    IntegratedGradientsExplainer,
    LimeExplainer,
    LrpExplainer,
    MimicTree,
    OcclusionExplainer,
    RiseExplainer,
    SaliencyExplainer,
)
from agnostix.lime import TiltedSampling
from agnostix.maskers import SlidingWindow
from agnostix.neural import Epsilon, WSquare, ZBox
from agnostix.testing import (
    all_explainers,
    check_case,
    check_random_case,
    parametrize_with_explainer_checks,
    random_case,
)
from tests.common.strategies import cases

OF_NETWORKS = {
    "CamExplainer",
    "DeepLiftExplainer",
    "ExtremalMaskExplainer",
    "IntegratedGradientsExplainer",
    "LrpExplainer",
    "SaliencyExplainer",
}
NEEDS_OPERATIONS = {"DeepLiftExplainer"}
"""Explainers that compare operations on two inputs, which doubles do not have: see `test_networks`."""
NEEDS_TORCH = set() if find_spec("torch") else OF_NETWORKS
SMALL = {"ExtremalMaskExplainer": {"n_steps": 3, "n_cells": 4}, "RiseExplainer": {"n_masks": 256}}
"""Parameters of explainers that would take long on the battery's small images with their defaults."""

# Each with its defaults, and some with parameters that take another path through the code.
EXPLAINERS = [
    *(
        explainer(None, **SMALL.get(name, {}))
        for name, explainer in all_explainers()
        if name not in NEEDS_TORCH | NEEDS_OPERATIONS
    ),
    OcclusionExplainer(None, background_size=7),
    MimicTree(None, synthetic="leaf", max_leaf_nodes=4, max_queries=200),
    LimeExplainer(None, n_samples=400, sampling=TiltedSampling(2.0)),
    LimeExplainer(None, n_samples=300, surrogate="tree"),
]
if not NEEDS_TORCH:
    EXPLAINERS += [
        CamExplainer(None, method=["hires_cam", "score_cam", "ablation_cam"]),
        DeepLiftExplainer(None, rule="reveal_cancel", baseline="mean", target="predictions"),
        DeepLiftExplainer(None, baseline="data", n_samples=5),
        IntegratedGradientsExplainer(None, method="gauss-legendre", n_steps=7, baseline="mean"),
        IntegratedGradientsExplainer(None, baseline="data", n_samples=32),
        LrpExplainer(None, composite="epsilon"),
        LrpExplainer(None, composite="epsilon_alpha2_beta1", bias="distributed"),
        LrpExplainer(None, composite={"default": Epsilon(0.1, relative=True)}, target="predictions"),
        LrpExplainer(None, composite={"first": ZBox(-1e4, 1e4)}),
        LrpExplainer(None, composite={"first": WSquare()}),
        SaliencyExplainer(None, form="absolute", target="predictions", n_samples=3),
        SaliencyExplainer(None, method="gradient_x_input"),
        SaliencyExplainer(None, method="guided", form="squared"),
    ]
WINDOWS = OcclusionExplainer(None, masker=SlidingWindow(1, 1, fill=0.1))


def expected(explainer):
    """What RISE's smooth masks, a CAM's feature maps and a baseline do not promise."""
    names = ("check_ignored_feature", "check_constant_feature_is_zero")
    if isinstance(explainer, RiseExplainer):
        return dict.fromkeys(names, "a pixel has part of its neighbors' saliency")
    of_baselines = (DeepLiftExplainer, IntegratedGradientsExplainer)
    if isinstance(explainer, of_baselines) and explainer.baseline != "data":
        return {"check_constant_feature_is_zero": "a constant pixel differs from the baseline"}
    if isinstance(explainer, CamExplainer):
        reasons = {"check_ignored_feature": "a pixel has the weight of its whole feature map"}
        if "score_cam" in explainer.method:
            reasons["check_constant_model_is_zero"] = "equal predictions give all maps the same weight"
        return reasons
    return {}


# Integrated gradients warn of models that jump, as some doubles do.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_explainer_checks([*EXPLAINERS, WINDOWS], expected_failed_checks=expected)
def test_explainer_passes_battery(explainer, check):
    check(explainer)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("explainer", EXPLAINERS, ids=str)
@given(case=cases())
def test_explainer_passes_random_cases(explainer, case):
    check_case(explainer, case)


@pytest.mark.parametrize("seed", [0, np.random.default_rng(3)])
def test_check_random_case_from_seed_or_generator(seed):
    check_random_case(OcclusionExplainer(None), seed)
    assert random_case(np.random.default_rng(1)) == random_case(np.random.default_rng(1))


def test_all_explainers_are_public():
    explainers = all_explainers()
    assert [name for name, explainer in explainers if getattr(agnostix, name, None) is not explainer] == []
    assert {name for name, _ in explainers} <= set(agnostix.__all__)
    assert [name for name, _ in explainers] == sorted(name for name, _ in explainers)
    assert {"EntropicProjection", "LimeExplainer", "OcclusionExplainer"} <= {name for name, _ in explainers}


def test_all_explainers_leave_out_base_classes():
    assert not {"BaseExplainer", "AttributionExplainer"} & {name for name, _ in all_explainers()}
