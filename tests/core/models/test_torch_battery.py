"""The battery over explainers of torch modules."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agnostix.core.models import MaskComposer  # noqa: E402
from agnostix.testing.battery import checks_for  # noqa: E402
from agnostix.testing.harness import takes_tables  # noqa: E402
from tests.core.models.hosted import TorchLime, TorchOcclusion, TorchSaliency, TorchShap  # noqa: E402

EXPLAINERS = (TorchOcclusion(None), TorchShap(None), TorchLime(None), TorchSaliency(None))
NOT_MEANT = {
    "check_frame_dtypes_preserved": "modules take arrays of numbers",
    "check_no_feature_name_warning": "a Pipeline is no module",
    "check_input_unchanged": "modules take arrays of numbers",
    "check_pickle_round_trip": "its table holds labels",
    "check_without_model_and_attach": "the model that is attached is not hidden in a module",
    "check_clone_shares_fitted_model": "its model is an estimator",
    "check_save_and_load": "its table holds labels",
    "check_model_failure_reported": "the message names the module",
}
"""Checks whose models of tables cannot be wrapped in a module, and why."""
NOT_MEANT_FOR_IMAGES = ("check_without_model_and_attach", "check_model_failure_reported")
"""The same of images."""


@pytest.mark.parametrize(
    ("explainer", "check"),
    [
        pytest.param(
            explainer,
            check,
            id=f"{type(explainer).__name__}-{check.__name__}",
            marks=pytest.mark.slow if check.__name__ == "check_peak_memory" else (),
        )
        for explainer in EXPLAINERS
        for check in checks_for(explainer)
        if check.__name__ not in (NOT_MEANT if takes_tables(explainer) else NOT_MEANT_FOR_IMAGES)
    ],
)
def test_explainers_of_modules_pass_battery(explainer, check):
    check(explainer)


def test_modules_on_arrays_are_mask_composers():
    own = TorchOcclusion(lambda X: X.sum(axis=1)).fit(np.eye(4))
    assert own._predictor.supports(MaskComposer)
    assert own.explain(np.eye(4)).params["model"]["precision"] == "fp32"
