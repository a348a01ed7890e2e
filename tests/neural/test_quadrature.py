"""Integrals along paths: exact for polynomials, close for integrands that jump, each row by itself."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from agnostix.neural import quadrature  # noqa: E402
from agnostix.neural.quadrature import Ends, gauss_legendre, integrate  # noqa: E402

EPS = np.finfo(float).eps


class Antiderivatives:
    """Integrands as derivatives of functions (n_rows, n_places, n_outputs) of a position."""

    def __init__(self, function, derivative):
        self.function, self.derivative = function, derivative
        self.positions = []

    def __call__(self, rows, positions, outputs):
        self.positions.append(positions)
        values = self.derivative(positions[:, None, None, None], rows)
        return torch.tensor(values[..., outputs])

    @property
    def integrals(self):
        return self.function(1.0) - self.function(0.0)

    def integrate(self, tolerance=0.01, max_nodes=1000, gap=0.0):
        """With scores that differ by more than the integrals' sum."""
        end = self.integrals.sum(axis=1) + gap
        return integrate(self, Ends(np.zeros_like(end), end, EPS), tolerance, max_nodes)


def polynomials(coefficients):
    """From coefficients (n_rows, n_places, n_outputs, n_powers)."""
    powers = np.arange(coefficients.shape[-1])

    def derivative(a, rows):
        return (coefficients[rows] * a**powers).sum(axis=-1)

    return Antiderivatives(
        lambda a: (coefficients * a ** (powers + 1) / (powers + 1)).sum(axis=-1), derivative
    )


def steps(places, sizes, level=0.0):
    """Integrands that jump by sizes (n_rows, n_places, n_outputs, n_jumps) at places of that shape."""

    def derivative(a, rows):
        return (sizes[rows] * (a > places[rows])).sum(axis=-1) + (level[rows] if np.ndim(level) else level)

    return Antiderivatives(lambda a: (sizes * np.maximum(a - places, 0)).sum(axis=-1) + level * a, derivative)


def errors(result, integrand):
    """Relative to the largest value of a row and output."""
    apart = np.abs(result.values.numpy() - integrand.integrals).max(axis=1)
    return apart / np.abs(integrand.integrals).max(axis=1)


RNG = np.random.default_rng(0)


@pytest.mark.parametrize("n_nodes", [1, 2, 7, 50])
def test_gauss_legendre_is_exact_up_to_its_degree(n_nodes):
    nodes, weights = gauss_legendre(n_nodes)
    assert ((nodes > 0) & (nodes < 1)).all()
    for power in range(2 * n_nodes):
        assert weights @ nodes**power == pytest.approx(1 / (power + 1), rel=1e-12)


def test_first_nodes_are_exact_up_to_degree_five():
    integrand = polynomials(RNG.normal(size=(4, 3, 2, 6)))
    result = integrand.integrate(tolerance=1e6)
    assert (result.n_nodes == 11).all()
    np.testing.assert_allclose(result.values, integrand.integrals, rtol=1e-12, atol=1e-13)


def test_quadratic_integrands_take_first_nodes_and_converge():
    result = polynomials(RNG.normal(size=(4, 3, 2, 3))).integrate(tolerance=1e-5)
    assert (result.n_nodes == 11).all()
    assert result.is_converged.all()
    assert result.gaps.max() < 1e-12


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-3, 1e-4])
def test_smooth_integrands_converge_with_few_nodes(tolerance):
    rates = RNG.uniform(-4, 4, size=(6, 5, 2))
    integrand = Antiderivatives(
        lambda a: np.exp(rates * a), lambda a, r: rates[r] * np.exp(rates[r] * a[..., 0])
    )
    result = integrand.integrate(tolerance)
    assert result.is_converged.all()
    assert result.n_nodes.max() <= 83
    assert errors(result, integrand).max() <= tolerance


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("n_jumps", [1, 3, 20])
def test_jumps_are_integrated_within_tolerance(n_jumps, tolerance):
    shape = (20, 6, 2, n_jumps)
    places = np.broadcast_to(RNG.random((20, 1, 1, n_jumps)), shape)
    integrand = steps(places, RNG.normal(size=shape), RNG.normal(size=(20, 6, 2)))
    result = integrand.integrate(tolerance, max_nodes=20_000)
    assert result.is_converged.all()
    assert (errors(result, integrand) <= tolerance).mean() > 0.98


def test_one_jump_is_found_by_bisection():
    integrand = steps(np.full((1, 2, 1, 1), 0.4321), np.ones((1, 2, 1, 1)))
    result = integrand.integrate(tolerance=1e-6, max_nodes=2000)
    assert result.is_converged.all()
    assert result.n_nodes.max() < 400  # 18 nodes or 36 for each factor 3; a fixed rule needs some 100,000
    assert errors(result, integrand).max() <= 1e-6


def test_nodes_lie_inside_the_path_and_none_is_taken_twice():
    integrand = steps(np.full((1, 2, 1, 2), [0.2, 0.7]), np.ones((1, 2, 1, 2)))
    result = integrand.integrate(tolerance=1e-3)
    positions = np.concatenate(integrand.positions)
    assert len(positions) == result.n_nodes[0, 0]
    assert ((positions > 0) & (positions < 1)).all()
    assert np.diff(np.sort(positions)).min() > 1e-9


def mixed(n_rows=7, n_outputs=3):
    """Some rows smooth, others with many jumps, and outputs that differ."""
    random = np.random.default_rng(1)
    shape = (n_rows, 4, n_outputs, 12)
    sizes = random.normal(size=shape) * (np.arange(n_rows) % 3)[:, None, None, None]
    places = np.broadcast_to(random.random((n_rows, 1, n_outputs, 12)), shape)
    return steps(places, sizes, random.normal(size=shape[:3]))


FIELDS = ("values", "errors", "gaps", "n_nodes", "is_converged")


def assert_same(one, other, rows=slice(None), outputs=slice(None)):
    for name in FIELDS:
        expected = np.asarray(getattr(other, name))[rows][..., outputs]
        np.testing.assert_array_equal(np.asarray(getattr(one, name)), expected, err_msg=name)


def test_rows_do_not_depend_on_each_other():
    whole = mixed()
    result = whole.integrate()
    for rows in (np.array([2]), np.array([5, 1]), np.arange(7)[::-1]):
        part = Antiderivatives(
            lambda a, r=rows: whole.function(a)[r], lambda a, i, r=rows: whole.derivative(a, r[i])
        )
        assert_same(part.integrate(), result, rows=rows)


def test_outputs_do_not_depend_on_each_other():
    whole = mixed()
    result = whole.integrate()
    for outputs in ([1], [2, 0]):
        part = Antiderivatives(
            lambda a, k=outputs: whole.function(a)[..., k],
            lambda a, i, k=outputs: whole.derivative(a, i)[..., k],
        )
        assert_same(part.integrate(), result, outputs=outputs)


@pytest.mark.parametrize("n_bytes", [1, 5_000, 100_000])
def test_results_do_not_depend_on_memory(monkeypatch, n_bytes):
    expected = mixed().integrate()
    monkeypatch.setattr(quadrature, "_STATE_BYTES", n_bytes)
    assert_same(mixed().integrate(), expected)


@pytest.mark.parametrize("max_nodes", [11, 28, 29, 100])
def test_nodes_are_capped_and_status_says_so(max_nodes):
    integrand = mixed(3, 1)
    result = integrand.integrate(tolerance=1e-9, max_nodes=max_nodes)
    assert result.n_nodes.max() <= max_nodes
    assert result.is_converged.ravel().tolist() == [True, False, False]
    assert result.errors[0, 0] < 1e-9
    assert (result.errors[1:] > 1e-9).all()


def test_capped_values_are_the_best_that_there_are():
    """All panels count, those that could not be divided too."""
    integrand = mixed(3, 1)
    few, many = (integrand.integrate(1e-9, max_nodes=n) for n in (100, 3000))
    assert errors(few, integrand)[1:].max() < 0.2
    assert errors(many, integrand)[1:].max() < 0.01


@pytest.mark.parametrize("gap", [0.5, -3.0])
def test_gap_that_nodes_do_not_close_ends_the_search(gap):
    integrand = polynomials(np.ones((2, 3, 1, 2)))
    result = integrand.integrate(gap=gap)
    assert not result.is_converged.any()
    assert result.n_nodes.max() <= 83
    assert result.errors.max() < 1e-9
    np.testing.assert_allclose(result.gaps, abs(gap) / np.maximum(abs(4.5 + gap), 0.45), rtol=1e-6)
    np.testing.assert_allclose(result.values, integrand.integrals, rtol=1e-12)  # none of the gap is spread


def test_small_gap_alone_is_no_convergence():
    """Places whose errors cancel: the sum is exact with any nodes, the values are not."""
    shape = (1, 2, 1, 1)
    integrand = steps(
        np.full(shape, 0.3456), np.array([1.0, -1.0]).reshape(shape), np.array([[[2.0], [3.0]]])
    )
    result = integrand.integrate(tolerance=1e-3)
    assert result.is_converged.all()
    assert result.n_nodes.min() > 80
    assert errors(result, integrand).max() < 1e-3


def test_difference_near_zero_is_measured_by_a_tenth_of_the_variation():
    """Scores that rise and fall again: their difference is 0, and the gap is relative to the way."""
    integrand = Antiderivatives(
        lambda a: np.sin(np.pi * a).reshape(1, 1, 1) * np.ones((1, 3, 1)),
        lambda a, _: np.pi * np.cos(np.pi * a[..., 0]) * np.ones((1, 3, 1)),
    )
    result = integrand.integrate(tolerance=0.01, gap=0.0005)
    assert result.is_converged.all()
    np.testing.assert_allclose(result.gaps, 0.0005 / (0.1 * 3 * 2.0), rtol=0.02)  # the mean of |slopes| is 2


def test_zero_integrand_is_exact():
    result = polynomials(np.zeros((2, 3, 2, 1))).integrate()
    assert result.is_converged.all()
    assert not result.values.any()
    assert not result.errors.any()


def test_not_a_number_ends_without_convergence():
    integrand = Antiderivatives(lambda a: np.ones((1, 2, 1)), lambda a, _: np.full((len(a), 2, 1), np.nan))
    end = np.ones((1, 1))
    result = integrate(integrand, Ends(np.zeros_like(end), end, EPS), 0.01, 500)
    assert not result.is_converged.any()
    assert result.values.isnan().all()


@given(
    seed=st.integers(0, 10**6), n_jumps=st.integers(0, 8), tolerance=st.sampled_from([0.1, 0.03, 0.01]),
    max_nodes=st.integers(11, 400),
)  # fmt: skip
def test_any_integrand_keeps_cap_and_reports_what_it_has_done(seed, n_jumps, tolerance, max_nodes):
    random = np.random.default_rng(seed)
    shape = (3, 2, 2, n_jumps)
    integrand = steps(random.random(shape), random.normal(size=shape), random.normal(size=shape[:3]))
    result = integrand.integrate(tolerance, max_nodes)
    assert ((result.n_nodes >= 11) & (result.n_nodes <= max_nodes)).all()
    met = (result.errors <= tolerance) & (result.gaps <= tolerance)
    assert result.is_converged.tolist() == met.tolist()
    sums = result.values.numpy().sum(axis=1) - integrand.integrals.sum(axis=1)
    spans = np.abs(sums) / np.maximum(result.gaps, 1e-300)
    assert (
        spans[result.gaps > 1e-9] >= 0.999 * np.abs(integrand.integrals.sum(axis=1))[result.gaps > 1e-9]
    ).all()
