"""Parameters of samplings: as scikit-learn's, and strings as short forms of the defaults."""

import numpy as np
import pytest
from sklearn.base import clone

from agnostix import LimeExplainer
from agnostix.lime import KernelSampling, LocalSampling, TiltedSampling
from agnostix.lime.sampling import SAMPLINGS, resolve_sampling

TABLE = np.random.default_rng(0).normal(size=(60, 3))
KINDS = {"kernel": KernelSampling, "tilted": TiltedSampling, "local": LocalSampling}


def first_times_second(X):
    return X[:, 0] * X[:, 1]


def make(sampling):
    return LimeExplainer(first_times_second, sampling=sampling, n_samples=128, random_state=0)


def explain(sampling):
    return make(sampling).fit(TABLE).explain(TABLE[:3])


def test_samplings_by_name():
    assert SAMPLINGS == KINDS


@pytest.mark.parametrize("name", KINDS)
def test_string_is_short_for_defaults(name):
    by_name, by_object = explain(name), explain(KINDS[name]())
    np.testing.assert_array_equal(by_name.values, by_object.values)
    np.testing.assert_array_equal(by_name.std_errors, by_object.std_errors)
    assert by_name.params["sampling"] == name
    assert by_object.params["sampling"] == f"{KINDS[name].__name__}()"


@pytest.mark.parametrize(
    ("sampling", "text", "params"),
    [
        (KernelSampling(0.5), "KernelSampling(width=0.5)", {"width": 0.5, "discretizer": "quartile"}),
        (
            TiltedSampling(discretizer=None),
            "TiltedSampling(discretizer=None)",
            {"width": None, "discretizer": None},
        ),
        (LocalSampling(0.1, 2.0), "LocalSampling(radius=0.1, width=2.0)", {"radius": 0.1, "width": 2.0}),
    ],
)
def test_sampling_has_params_repr_and_clone(sampling, text, params):
    assert repr(sampling) == text
    assert sampling.get_params() == params
    copy = clone(sampling)
    assert copy is not sampling
    assert copy.get_params() == params
    explainer = make(sampling)
    assert {f"sampling__{name}" for name in params} <= set(explainer.get_params())
    assert clone(explainer).sampling.get_params() == params
    assert clone(explainer).sampling is not sampling


def test_set_params_reaches_sampling():
    explainer = make(KernelSampling()).set_params(sampling__width=0.9).fit(TABLE)
    assert explainer.kernel_width_ == 0.9
    np.testing.assert_array_equal(explainer.explain(TABLE[:3]).values, explain(KernelSampling(0.9)).values)


def test_fitted_explainer_keeps_its_sampling():
    sampling = LocalSampling(0.5)
    explainer = make(sampling).fit(TABLE)
    before = explainer.explain(TABLE[:3])
    sampling.set_params(radius=3.0)
    assert explainer.sampling_.radius == 0.5
    np.testing.assert_array_equal(explainer.explain(TABLE[:3]).values, before.values)


def test_resolve_sampling_validates_copy():
    sampling = KernelSampling(width=2)
    resolved = resolve_sampling(sampling)
    assert resolved is not sampling
    assert resolved.get_params() == sampling.get_params()
    with pytest.raises(ValueError, match="'width' parameter of KernelSampling"):
        resolve_sampling(KernelSampling(width="wide"))
