"""Parameters of samplings as scikit-learn's; the kernel and the sizes of masks against their formulas."""

import math
import re

import numpy as np
import pytest
from sklearn.base import clone

from agnostix import LimeExplainer
from agnostix.exceptions import DataError
from agnostix.lime import KernelSampling, LocalSampling, TiltedSampling
from agnostix.lime.sampling import (
    SAMPLINGS,
    Kernel,
    mask_size_probabilities,
    resolve_sampling,
    sums_of_squares,
)
from tests.messages import refuses
from tests.reference import lime as ref

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


# ---------------------------------------------------------------- the kernel

RNG = np.random.default_rng(0)
SQUARES = RNG.integers(0, 9, size=400).astype(float)
LOGS = np.log(RNG.uniform(0.5, 1.5, size=400))


def test_kernel_weights_are_gaussian():
    expected = [
        np.exp(log) * np.exp(-square / (2.0 * 0.7**2)) for square, log in zip(SQUARES, LOGS, strict=True)
    ]
    np.testing.assert_allclose(Kernel(0.7).weights(SQUARES, LOGS), expected, rtol=1e-13)


def design(n_features, n_samples=400):
    """Features that vary in any few samples."""
    return np.random.default_rng(1).normal(scale=9.0, size=(n_features, n_samples))


def effective_samples(width, squares=SQUARES, logs=LOGS):
    weights = Kernel(width).weights(squares, logs)
    return min(weights.sum(), weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0


@pytest.mark.parametrize("n_features", [3, 20, 80])
def test_kernel_error_states_least_width_that_works(n_features):
    squares = SQUARES + 3.0
    with pytest.raises(DataError) as error:
        Kernel(0.05).check(squares, LOGS, design(n_features), 7)
    least = float(re.search(r"smallest width that works for it is (\S+)\.", str(error.value))[1])
    Kernel(least).check(squares, LOGS, design(n_features), 7)
    assert effective_samples(least, squares) >= n_features + 1
    assert effective_samples(0.98 * least, squares) < n_features + 1


def test_kernel_small_sample_needs_a_quarter():
    Kernel(5.0).check(np.zeros(40), np.zeros(40), design(500, 40), 0)
    with refuses(DataError, "need 10"):
        Kernel(0.01).check(np.r_[np.zeros(9), np.full(31, 9.0)], np.zeros(40), design(500, 40), 0)


CASES = {
    "four of the same": (
        np.repeat([0.0, 4.0], [4, 396]),
        0.2,
        10,
        ["is 0.2", "4 of 400 samples", "10 features need 11", "smallest width that works for it is 0.708"],
    ),
    "all far away": (
        np.full(400, 2000.0),
        0.2,
        10,
        ["is 0.2", "0 of 400 samples", "10 features need 11", "smallest width that works for it is 16.8"],
    ),
    "many features": (
        np.repeat([0.0, 9.0], [150, 1850]),
        0.1,
        200,
        ["is 0.1", "150 of 2000 samples", "200 features need 201", "width that works for it is 1.13"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_kernel_refuses_too_few_effective_samples(case):
    squares, width, n_features, facts = CASES[case]
    with refuses(
        DataError, "'width' of KernelSampling", "row 3", f"sampling=TiltedSampling({width})", *facts
    ):
        Kernel(width).check(squares, np.zeros(squares.size), design(n_features, squares.size), 3)


def test_kernel_refuses_uneven_importance_weights():
    logs = np.r_[0.0, np.full(399, -80.0)]
    facts = (
        "'width' of KernelSampling is 1",
        "1 of 400 samples",
        "10 features need 11",
        "Raise n_samples",
    )
    with refuses(DataError, *facts):
        Kernel(1.0).check(np.zeros(400), logs, design(10), 3)


def test_kernel_error_for_feature_that_hardly_varies():
    flips = np.repeat([0.0, 1.0], [200, 200])
    one = 1.0 - flips[None]
    facts = ("'width' of KernelSampling is 0.2", "200 of 400 samples", "row 3", "one of its features")
    with refuses(DataError, *facts) as error:
        Kernel(0.2).check(flips, np.zeros(400), one, 3)
    least = float(re.search(r"works for it is (\S+)\.", str(error.value))[1])
    Kernel(least).check(flips, np.zeros(400), one, 3)
    outside = 200 * np.exp(-0.5 / least**2)  # and 200 inside: squares about the mean of 1 at least
    assert 1.0 <= outside * 200 / (200 + outside) < 1.1


def test_kernel_accepts_rare_feature():
    rare = np.r_[np.zeros(399), 1.0][None]
    Kernel(0.5).check(np.zeros(400), np.zeros(400), rare, 3)


def test_sums_of_squares_match_loops():
    weights = np.array([0.5, 2.0, 1.0])
    rows = np.array([[0.0, 1.0, 1.0], [0.0, 3.0, 0.0], [5.0] * 3])
    means = [np.average(row, weights=weights) for row in rows]
    expected = [
        sum(w * (x - mean) ** 2 for w, x in zip(weights, row, strict=True))
        for row, mean in zip(rows, means, strict=True)
    ]
    np.testing.assert_allclose(sums_of_squares(rows, weights), expected, atol=1e-12)
    assert sums_of_squares(rows, np.zeros(3)).tolist() == [0.0] * 3


# ---------------------------------------------------------------- masks


def size_moments(d, width, distribution):
    """Mean of z_1, of z_1 z_2, and the variance of the number kept, from the probabilities of sizes."""
    probabilities, kept = mask_size_probabilities(d, width, distribution), np.arange(d + 1.0)
    pairs = probabilities @ (kept * (kept - 1.0)) / max(1, d * (d - 1))
    mean = probabilities @ kept
    return mean / d, pairs, probabilities @ (kept - mean) ** 2


DISTRIBUTIONS = ["bernoulli", "sizes"]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("width", [0.05, 0.25, 3.0])
@pytest.mark.parametrize("d", [1, 2, 3, 10, 200, 1000])
def test_mask_sizes_match_sums_over_sizes(d, width, distribution):
    weight, one, two = ref.mask_alphas(d, width, distribution)
    alpha, pairs, _ = size_moments(d, width, distribution)
    np.testing.assert_allclose([alpha, pairs], [one / weight, two / weight], rtol=1e-12)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("d", [2, 3, 7])
def test_mask_size_moments_match_enumeration(d, distribution):
    cells = list(ref.mask_distribution(d, 0.25, distribution))
    z, weights = np.array([z for _, z in cells]), np.array([w for w, _ in cells])
    covariance = np.cov(z.T, aweights=weights, ddof=0)
    alpha, pairs, variance = size_moments(d, 0.25, distribution)
    assert alpha == pytest.approx(np.average(z[:, 0], weights=weights), abs=1e-15)
    assert alpha - pairs == pytest.approx(covariance[0, 0] - covariance[0, 1], abs=1e-15)
    assert variance / d == pytest.approx(covariance[0].sum(), abs=1e-15)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_mask_size_variance_of_1000_features(distribution):
    d = 1000
    sizes = [
        math.comb(d, k) / 2**d if distribution == "bernoulli" else float(k < d) / d for k in range(d + 1)
    ]
    weights = [s * ref.mask_kernel(d - k, d) for k, s in enumerate(sizes)]
    mean = math.fsum(k * w for k, w in enumerate(weights)) / math.fsum(weights)
    expected = math.fsum((k - mean) ** 2 * w for k, w in enumerate(weights)) / math.fsum(weights)
    assert size_moments(d, 0.25, distribution)[2] == pytest.approx(expected, rel=1e-13)


def test_mask_sizes_of_single_feature():
    alpha = 1.0 / (1.0 + math.exp(-8.0))
    assert mask_size_probabilities(1, 0.25, "sizes").tolist() == pytest.approx([1.0 - alpha, alpha])


def test_mask_sizes_with_vanishing_kernel_weights():
    assert mask_size_probabilities(2, 1e-3, "sizes").tolist() == [0.0, 1.0, 0.0]
