import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.lime.lime_masks import MaskLaw
from agnostix.lime.lime_moments import Moments, additive_moments, row_shares, tilted
from agnostix.lime.lime_surrogate import mask_surrogate, surrogate_of
from tests.reference import lime as ref

LAWS = ["bernoulli", "sizes"]


def random_moments(rng, alphas, n_outputs=2):
    """Moments that some answers have: those of answers in each of the cells of z, and the cells."""
    cells = np.array(list(np.ndindex(*[2] * len(alphas))), dtype=float)
    chances = np.prod(np.where(cells == 1.0, alphas, 1.0 - alphas), axis=1)
    answers = rng.normal(size=(len(cells), n_outputs))
    mean = chances @ answers
    kappa = np.einsum("c,cj,ck->jk", chances, cells, answers) - alphas[:, None] * mean
    return Moments(mean[None], kappa[None], (chances @ answers**2)[None]), cells, chances, answers


@given(
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.sampled_from([0.3, 4.0, 5000.0]),
    st.sampled_from([0.1, 1.0, 100.0]),
    st.floats(0.1, 1.0),
)
def test_surrogate_of_matches_ridge_on_all_cells(seed, d, n, ridge, weight):
    rng = np.random.default_rng(seed)
    alphas = rng.choice([0.0, 1.0, 0.2, 0.5, 0.9], size=d)
    moments, cells, chances, answers = random_moments(rng, alphas)
    found = surrogate_of(alphas[None], np.array([weight]), n, moments, ridge)
    z, weights = np.vstack([np.ones(d), cells]), np.r_[0.0, n * weight * chances]
    varies = ((alphas > 0.0) & (alphas < 1.0)).any()
    for k in range(2):
        expected = ref.fit(z, np.r_[99.0, answers[:, k]], weights, ridge)
        np.testing.assert_allclose(found.coefficients[0, :, k], expected.coefficients, atol=1e-9)
        np.testing.assert_allclose(found.intercept[0, k], expected.intercept, atol=1e-9)
        np.testing.assert_allclose(found.outputs[0, k], expected.prediction, atol=1e-9)
        np.testing.assert_allclose(found.r2[0, k], expected.r2 if varies else 1.0, atol=1e-9)
    assert (found.coefficients[0, (alphas == 0.0) | (alphas == 1.0)] == 0.0).all()


@pytest.mark.parametrize("ridge", [0.0, 0.3, 1.0, 40.0])
def test_surrogate_of_shrinks_each_coefficient_alone(ridge):
    columns = [
        [ref.Bin(p, m, 0.0, m, m) for p, m in column]
        for column in ([(0.2, 1.0), (0.8, -1.0)], [(0.5, 0.0), (0.3, 2.0), (0.2, 7.0)])
    ]
    p, bins = [np.array([one.p for one in column]) for column in columns], np.array([[0, 2]])
    means = [np.array([[one.mean] for one in column]) for column in columns]
    moments = additive_moments(means, p, bins, 0.7)
    alpha, weight = tilted(row_shares(p, bins), 0.7)
    found = surrogate_of(alpha, weight, 50.0, moments, ridge)
    contrasts, mean = ref.linear([1.0, 1.0], columns, bins[0], 0.7)
    total = 50.0 * ref.mean_weight(columns, bins[0], 0.7)
    expected = ref.without_row(contrasts, alpha[0], total, ridge)
    np.testing.assert_allclose(found.coefficients[0, :, 0], expected, atol=1e-12)
    assert found.intercept[0, 0] == pytest.approx(mean - alpha[0] @ expected, abs=1e-12)
    assert found.outputs[0, 0] == pytest.approx(found.intercept[0, 0] + math.fsum(expected), abs=1e-12)
    assert found.r2 is None


@pytest.mark.parametrize("ridge", [0.0, 1.0])
@pytest.mark.parametrize("weight", [0.0, 1e-310])
def test_surrogate_of_zero_weight_predicts_mean(ridge, weight):
    """As where hundreds of columns meet a kernel that leaves nothing but the row's bins."""
    moments = Moments(np.array([[1.0]]), np.full((1, 2, 1), 0.1), np.array([[3.0]]))
    found = surrogate_of(np.full((1, 2), 0.5), np.array([weight]), 5000.0, moments, ridge)
    np.testing.assert_allclose(found.coefficients, 0.0 if ridge else 0.4, atol=1e-12)
    assert found.outputs[0, 0] == pytest.approx(1.0 if ridge else 1.4, abs=1e-12)


def test_surrogate_of_constant_model_has_no_coefficients():
    value, alpha = 0.3, np.array([[0.4, 0.9]])
    moments = Moments(np.array([[value]]), np.zeros((1, 2, 1)), np.array([[value**2]]))
    found = surrogate_of(alpha, np.array([0.5]), 5000.0, moments)
    assert not found.coefficients.any()
    assert (found.intercept[0, 0], found.outputs[0, 0], found.r2[0, 0]) == (value, value, 1.0)


@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.sampled_from(LAWS),
    st.sampled_from([2.0, 1000.0]),
    st.sampled_from([0.2, 1.0]),
)
def test_mask_surrogate_matches_ridge_on_all_masks(seed, d, law, n, ridge):
    answers = iter(np.random.default_rng(seed).normal(size=2**d).tolist())
    table = {tuple(z): next(answers) for _, z in ref.mask_distribution(d, law=law)}
    masks = MaskLaw.of(d, 0.25, law)
    _, mean, crossed, square = ref.mask_moments(lambda z: table[tuple(z)], d, law=law)
    kappa = np.array(crossed) - masks.alpha * mean
    moments = Moments(np.array([[mean]]), kappa[None, :, None], np.array([[square]]))
    found = mask_surrogate(masks, n, moments, ridge)
    cells = list(ref.mask_distribution(d, law=law))
    z = np.array([[1.0] * d, *(z for _, z in cells)])
    y = np.array([99.0, *(table[tuple(z)] for _, z in cells)])
    expected = ref.fit(z, y, np.array([0.0, *(n * w for w, _ in cells)]), ridge)
    np.testing.assert_allclose(found.coefficients[0, :, 0], expected.coefficients, atol=1e-10)
    np.testing.assert_allclose(found.intercept[0, 0], expected.intercept, atol=1e-10)
    np.testing.assert_allclose(found.outputs[0, 0], expected.prediction, atol=1e-10)
    np.testing.assert_allclose(found.r2[0, 0], expected.r2, atol=1e-10)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("d", [2, 3, 40, 1000])
def test_mask_surrogate_of_product_matches_closed_form(d, law):
    members = {0, d - 1}
    kappa, mean = ref.mask_product(members, d, law=law)
    moments = Moments(np.array([[mean]]), np.array(kappa)[None, :, None])
    found = mask_surrogate(MaskLaw.of(d, 0.25, law), 5000.0, moments, 0.0)
    expected = ref.mask_coefficients(kappa, ref.mask_alphas(d, law=law))
    np.testing.assert_allclose(found.coefficients[0, :, 0], expected, atol=1e-10)


def test_mask_surrogate_zero_weight_predicts_mean():
    masks = MaskLaw.of(2, 1e-3, "sizes")
    assert masks.weight == 0.0
    moments = Moments(np.array([[1.0]]), np.array([[[0.25], [-0.25]]]), np.array([[2.0]]))
    free, held = (mask_surrogate(masks, 5000.0, moments, ridge) for ridge in (0.0, 1.0))
    np.testing.assert_allclose(free.coefficients[0, :, 0], [0.5, -0.5])
    np.testing.assert_allclose(held.coefficients, 0.0, atol=1e-100)
    assert held.outputs[0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_surrogate_bits_of_row_ignore_other_rows(n_outputs):
    rng = np.random.default_rng(0)
    alpha, weight = rng.random((7, 40)), rng.random(7)
    kappa = 0.01 * rng.normal(size=(7, 40, n_outputs))
    mean, square = rng.normal(size=(7, n_outputs)), 9.0 + rng.random((7, n_outputs))
    masks = MaskLaw.of(40, 0.25, "sizes")

    def both(part):
        moments = Moments(mean[part], kappa[part], square[part])
        yield surrogate_of(alpha[part], weight[part], 50.0, moments)
        yield mask_surrogate(masks, 50.0, moments)

    for i in range(7):
        for one, whole in zip(both(slice(i, i + 1)), both(slice(None)), strict=True):
            for name in ("coefficients", "intercept", "outputs", "r2"):
                np.testing.assert_array_equal(getattr(one, name)[0], getattr(whole, name)[i])
