"""Rows chosen to stand for a table: distances, herding, weights, rare parts and the error that is left."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from agnostix import representative_sample
from agnostix.core.background.chosen import choose_rows, error_of_rows
from agnostix.core.background.coordinates import read_columns
from agnostix.core.background.herding import herd, kernel_weights
from agnostix.core.background.kernel import TableKernel
from agnostix.core.background.kriging import SMOOTHER, TOGETHER, kriging_map
from agnostix.core.background.rare import rare_parts
from agnostix.exceptions import DataError
from agnostix.testing.checks_execution import peak_mb
from tests.messages import refuses
from tests.reference import background as ref

RNG = np.random.default_rng(0)
NUMBERS = np.column_stack([RNG.normal(size=40), np.exp(RNG.normal(size=40)), RNG.integers(0, 4, 40)])
EVEN = np.full(40, 1 / 40)


def kernel_of(table, weights):
    return TableKernel.from_columns(read_columns(table), weights, np.random.default_rng(0))


@pytest.mark.parametrize("weighted", [False, True])
def test_kernel_is_half_the_energy_distance(weighted):
    weights = RNG.dirichlet(np.ones(40)) if weighted else EVEN
    between = ref.distances(NUMBERS, weights)
    chosen, own = np.array([3, 8, 11, 30]), np.array([0.1, 0.4, 0.3, 0.2])
    kernel = kernel_of(NUMBERS, weights)
    expected = ref.half_energy(between, chosen, own, weights)
    np.testing.assert_allclose(own @ kernel.of_rows(chosen) @ own, expected, rtol=1e-8)
    assert kernel.size == pytest.approx(0.5 * weights @ between @ weights, rel=1e-12)
    np.testing.assert_allclose(weights @ kernel.of_rows(np.arange(40)) @ weights, 0.0, atol=1e-9)


def test_labels_differ_by_one_and_missing_ones_are_a_level():
    table = pd.DataFrame({"a": ["x", "y", None, "x", "z", "x", None, "y"], "b": [1.0, np.nan] * 4})
    kernel = kernel_of(table, np.full(8, 1 / 8))
    for column, codes in ((0, [0, 1, 2, 0, 3, 0, 2, 1]), (1, [0, 1] * 4)):
        differ = np.not_equal.outer(codes, codes).astype(float)
        own = differ.mean(axis=1)
        expected = 0.5 * (own[:, None] + own[None] - differ - differ.mean())
        np.testing.assert_allclose(kernel.column_of_rows(column, np.arange(8)).kernel(), expected, atol=1e-14)


def test_weights_are_those_of_least_discrepancy():
    kernel = kernel_of(NUMBERS, EVEN).of_rows(np.array([0, 5, 9, 14, 22, 31]))
    weights = kernel_weights(kernel)
    ridge = 1e-4 * np.trace(kernel) / 6 * np.eye(6)
    best = minimize(
        lambda w: w @ (kernel + ridge) @ w,
        np.full(6, 1 / 6),
        bounds=[(0, None)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-15},
    ).x
    np.testing.assert_allclose(weights, best, atol=2e-3)
    assert weights @ kernel @ weights <= best @ kernel @ best * (1 + 1e-3)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)


def test_herding_takes_the_row_that_brings_the_sample_nearest():
    kernel = kernel_of(NUMBERS, EVEN).of_rows(np.arange(40))
    chosen = herd(kernel, [], np.arange(40), 12)
    for n in range(12):
        before = list(chosen[:n])
        left = [j for j in range(40) if j not in before]
        far = [np.mean(kernel[np.ix_([*before, j], [*before, j])]) for j in left]
        assert chosen[n] == left[int(np.argmin(far))]


def test_kriging_errors_are_those_of_leaving_rows_out():
    chosen, weights = np.array([2, 7, 13, 21, 28, 39]), RNG.dirichlet(np.ones(6))
    table = kernel_of(NUMBERS, EVEN)
    values = RNG.normal(size=6)
    errors = kriging_map(table, chosen, weights, np.random.default_rng(0))
    for (smooth, nugget), covariance in zip(TOGETHER, errors.covariances, strict=True):
        components = covariance.components @ errors.functionals.T @ values
        own = table.of_rows(chosen) + smooth * table.of_means(chosen) + nugget * table.size * np.eye(6)
        expected = weights * ref.left_out(own, values)
        np.testing.assert_allclose(components / components[0], expected / expected[0], rtol=1e-7)


def test_error_is_right_where_the_covariance_holds():
    """Mean squares of what is known to be off and of what is left, over draws of contributions."""
    chosen = np.array([2, 7, 13, 21, 28, 39, 4, 33])
    weights = np.full(8, 1 / 8)
    table = kernel_of(NUMBERS, EVEN)
    errors = kriging_map(table, chosen, weights, np.random.default_rng(0))
    every = np.arange(40)
    apart = -EVEN.copy()
    apart[chosen] += weights
    for (smooth, nugget), one in zip(TOGETHER, errors.covariances, strict=True):
        covariance = table.of_rows(every) + smooth * table.of_means(every) + nugget * table.size * np.eye(40)
        made = apart @ covariance @ apart
        kept = errors.functionals.T @ covariance[np.ix_(chosen, chosen)] @ errors.functionals
        best = ref.best_mean(covariance, chosen)
        off = errors.functionals @ one.off
        np.testing.assert_allclose(off, weights - best, atol=1e-7)
        stated = np.trace(one.components @ kept @ one.components.T) + one.off @ kept @ one.off
        assert stated == pytest.approx(made, rel=1e-6)
        np.testing.assert_allclose(one.whitened @ kept @ one.whitened.T, np.eye(7), atol=1e-6)
        assert one.log_determinant == pytest.approx(np.linalg.slogdet(kept)[1], rel=1e-7)


def test_error_is_a_mean_over_covariances_by_restricted_likelihood():
    chosen = choose_rows(NUMBERS, 12, 0, None)
    errors, values = chosen.errors, np.sin(3.0 * NUMBERS[chosen.rows, :1])
    kept = errors.of_means(values)[:, 0]
    variances, likelihoods = [], []
    for one in errors.covariances:
        inverse = one.whitened.T @ one.whitened
        variances.append(SMOOTHER * np.square(one.components @ kept).sum() + (one.off @ kept) ** 2)
        likelihoods.append(-0.5 * one.log_determinant - 0.5 * len(kept) * np.log(kept @ inverse @ kept))
    shares = np.exp(0.3 * (np.array(likelihoods) - max(likelihoods)))
    expected = shares @ variances / shares.sum()
    (error,) = errors.error(kept[None, :, None]).variances
    np.testing.assert_allclose(error, expected, rtol=1e-9)
    assert min(variances) < expected < max(variances)


@pytest.mark.parametrize("size", [60, 120, 450])
def test_errors_of_many_rows_have_fifty_components(size):
    table = np.random.default_rng(0).normal(size=(900, 2))
    chosen = choose_rows(table, size, 0, None)
    values = np.sin(3.0 * table[chosen.rows])
    kept = chosen.errors.of_means(values)
    error = chosen.errors.error(kept[None])
    assert error.components.shape[:2] == (1, 51)
    apart = np.abs(chosen.weights @ values - np.sin(3.0 * table).mean(axis=0))
    assert (apart < 5.0 * np.sqrt(error.variances[0])).all()


def test_errors_of_one_column_are_how_far_its_distribution_is_off():
    table = rare_table()
    rows = np.random.default_rng(1).choice(len(table), 50, replace=False)
    errors = error_of_rows(table, rows, np.full(50, 0.02), 0, None).of_features([[2]], alone=True)
    third = table["third"].to_numpy().astype(float)
    made = third[rows].mean() - third.mean()
    error = errors.error(errors.of_means(third[rows, None])[None])
    assert error.components[0, 0, 0] == pytest.approx(made, rel=0.05)
    assert np.sqrt(error.variances.item()) == pytest.approx(abs(made), rel=0.1)


def rare_table(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "half_percent": np.where(rng.random(n) < 0.005, "yes", "no"),
            "two_percent": rng.random(n) < 0.02,
            "third": rng.random(n) < 0.3,
            "mostly_zero": np.where(rng.random(n) < 0.9, 0.0, rng.exponential(size=n)),
            "lognormal": np.exp(1.5 * rng.normal(size=n)),
            "missing": np.where(rng.random(n) < 0.01, np.nan, rng.normal(size=n)),
            "normal": rng.normal(size=n),
        }
    )


@pytest.mark.parametrize("size", [20, 50])
def test_rare_parts_are_in_with_their_weight(size):
    table = rare_table()
    sample = representative_sample(table, size)
    rows, weights = sample.rows, sample.weights
    assert len(rows) <= size
    for name, part in {
        "half_percent": lambda t: t["half_percent"] == "yes",
        "two_percent": lambda t: t["two_percent"],
        "mostly_zero": lambda t: t["mostly_zero"] > 0,
        "missing": lambda t: t["missing"].isna(),
    }.items():
        assert part(rows).any(), name
        assert weights @ part(rows) == pytest.approx(part(table).mean(), rel=0.1 if size == 50 else 0.4), name
    assert weights @ rows["lognormal"] == pytest.approx(table["lognormal"].mean(), rel=0.1)


def test_parts_of_a_column():
    table = rare_table()
    parts = rare_parts(read_columns(table), np.full(3000, 1 / 3000), 50)
    by_column = {name: [part for part in parts if part.column == j] for j, name in enumerate(table)}
    counts = {name: [int(part.members.sum()) for part in own] for name, own in by_column.items()}
    assert counts["half_percent"] == [(table["half_percent"] == "yes").sum()]
    assert counts["missing"] == [table["missing"].isna().sum()]
    assert counts["third"] == counts["normal"] == []
    (tail,) = by_column["lognormal"]
    outside = table["lognormal"][tail.members]
    assert outside.min() > table["lognormal"][~tail.members].max()
    assert len(outside) == 60


def test_rarest_levels_of_a_column_are_put_together():
    levels = np.repeat(np.arange(40), [961, *[1] * 39])
    parts = rare_parts(read_columns(pd.DataFrame({"a": levels.astype(str)})), np.full(1000, 0.001), 8)
    assert [int(part.members.sum()) for part in parts] == [36, 1, 1, 1]


def test_known_values_of_a_column_that_is_mostly_missing_are_a_part():
    known = np.arange(4000.0) < 40
    table = pd.DataFrame({"a": np.arange(4000.0), "b": np.where(known, np.arange(4000.0), np.nan)})
    sample = representative_sample(table, 20)
    assert sample.weights @ sample.rows["b"].notna() == pytest.approx(0.01, rel=0.1)


def test_memory_does_not_grow_with_labels_times_rows():
    n = 6000
    labels = np.random.default_rng(0).integers(0, 150, (n, 3)).astype(str)
    table = pd.DataFrame(labels).assign(name=[f"n{i}" for i in range(n)])
    representative_sample(table[:1200], 20)  # imports
    assert peak_mb(lambda: representative_sample(table, 20)) < 60.0


def same_rows(one, other, table, order):
    names = list(table.columns)
    first = one.rows.assign(weight=one.weights).sort_values(names).reset_index(drop=True)
    second = other.rows.assign(weight=other.weights).sort_values(names).reset_index(drop=True)
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_any_order_of_rows_gives_the_same_sample():
    table = rare_table(1700)
    order = np.random.default_rng(3).permutation(1700)
    weight = np.random.default_rng(4).integers(0, 3, 1700)
    one = representative_sample(table, 40, sample_weight=weight)
    other = representative_sample(table.iloc[order].reset_index(drop=True), 40, sample_weight=weight[order])
    same_rows(one, other, table, order)


def test_repeated_rows_count_as_weights():
    table = rare_table(300)
    times = np.random.default_rng(4).integers(1, 4, 300)
    one = representative_sample(table, 25, sample_weight=times)
    other = representative_sample(table.iloc[np.repeat(np.arange(300), times)].reset_index(drop=True), 25)
    for name in ("normal", "lognormal", "third"):  # rounding may decide between two rows that are as near
        means = [part.weights @ part.rows[name].to_numpy(dtype=float) for part in (one, other)]
        assert abs(means[0] - means[1]) < 0.1 * table[name].std()


def test_all_distinct_rows_are_the_table():
    table = pd.DataFrame({"a": ["x", "y", "x", "y", "x"], "b": [1, 1, 1, 2, 1]})
    chosen = choose_rows(table, 3, 0, [1.0, 2.0, 3.0, 4.0, 0.0])
    np.testing.assert_array_equal(chosen.rows, [0, 1, 3])
    np.testing.assert_allclose(chosen.weights, [0.4, 0.2, 0.4])
    assert chosen.errors.n_components == 0
    assert choose_rows(table, 2, 0, None).errors.n_components > 0


def test_rows_without_weight_are_never_chosen():
    weight = (np.arange(40) % 2).astype(float)
    assert (choose_rows(NUMBERS, 10, 0, weight).rows % 2 == 1).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_tables_of_a_few_rows(n):
    for size in (1, 2, 3, 50):
        chosen = choose_rows(NUMBERS[:n], size, 0, None)
        assert 1 <= chosen.rows.size <= min(size, n)
        assert chosen.weights.sum() == pytest.approx(1.0, abs=1e-12)
        assert (chosen.errors.n_components == 0) == (size >= n)


DATES = pd.date_range("2020-01-01", periods=60)
TABLES = {
    "constant": np.ones((60, 2)),
    "one column": np.arange(60.0)[:, None],
    "huge numbers": np.arange(60.0)[:, None] * 1e300,
    "tiny numbers": np.arange(60.0)[:, None] * 1e-300,
    "infinite": np.where(np.arange(60) % 7 == 0, np.inf, np.arange(60.0))[:, None],
    "all missing": np.full((60, 1), np.nan),
    "booleans": (np.arange(60)[:, None] % [2, 3]).astype(bool),
    "text": np.array([[f"l{j % 7}", f"{j}"] for j in range(60)]),
    "objects": np.array([[j % 3, None if j % 5 else "a"] for j in range(60)], dtype=object),
    "dates": pd.DataFrame({"d": DATES, "t": DATES - DATES[3], "p": DATES.to_period("M").astype(str)}),
    "lists": pd.DataFrame({"l": [[j % 4] for j in range(60)], "x": range(60)}),
    "nullable": pd.DataFrame({"a": pd.array([1, None, 3] * 20, dtype="Int64"), "b": range(60)}),
    "categories": pd.DataFrame({"a": pd.Categorical(["u", "v", "w"] * 20, ordered=True), "b": range(60)}),
    "polars": pl.DataFrame({"a": ["u", None, "w"] * 20, "b": list(range(60)), "d": list(DATES)}),
    "names": pd.DataFrame({"id": [f"n{j}" for j in range(60)]}),
    "sixty columns": RNG.normal(size=(60, 60)),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_any_table_has_a_sample(table):
    sample = representative_sample(table, 9)
    assert type(sample.rows) is type(table)
    assert 1 <= sample.weights.size == len(sample.rows) <= 9
    assert sample.weights.min() > 0
    assert sample.weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.isfinite(choose_rows(table, 9, 0, None).errors.functionals).all()


def test_large_table_has_candidates_by_seed():
    table = np.random.default_rng(0).normal(size=(5000, 3))
    one, again, other = (choose_rows(table, 20, seed, None) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.rows, again.rows)
    assert not np.array_equal(one.rows, other.rows)
    for chosen in (one, other):
        assert np.abs(chosen.weights @ table[chosen.rows] - table.mean(axis=0)).max() < 0.05


def test_means_are_nearer_than_those_of_twice_as_many_random_rows():
    table = rare_table(1000).drop(columns=["missing"])
    numbers = np.column_stack(
        [table["normal"], np.log(table["lognormal"]), table["mostly_zero"], table["third"]]
    )
    chosen = choose_rows(table, 50, 0, None)
    apart = (chosen.weights @ numbers[chosen.rows] - numbers.mean(axis=0)) / numbers.std(axis=0)
    assert np.square(apart).mean() < 0.01 / 5  # that of 100 random rows is 1/100


def test_errors_of_other_choices():
    chosen = choose_rows(NUMBERS, 8, 0, None)
    errors = error_of_rows(NUMBERS, chosen.rows, chosen.weights, 0, None)
    values = NUMBERS[chosen.rows, :1]
    own, same = (one.error(one.of_means(values)[None]).variances.item() for one in (chosen.errors, errors))
    assert own == pytest.approx(same, rel=1e-9)


@pytest.mark.parametrize("n_rows", [0, -3, 2.5, True, "ten", None])
def test_sample_refuses_bad_numbers_of_rows(n_rows):
    with refuses(ValueError, "n_rows", "at least 1", f"got {n_rows!r}"):
        representative_sample(NUMBERS, n_rows)


def test_sample_refuses_weights_of_other_rows():
    with refuses(DataError, "sample_weight", "40 rows"):
        representative_sample(NUMBERS, 5, sample_weight=np.ones(3))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 12), st.integers(0, 10**6))
def test_samples_of_small_random_tables(n, d, size, seed):
    table = np.random.default_rng(seed).integers(0, 4, (n, d)).astype(float)
    chosen = choose_rows(table, size, seed, None)
    n_distinct = len(np.unique(table, axis=0))
    assert np.unique(table[chosen.rows], axis=0).shape[0] == chosen.rows.size <= min(size, n_distinct)
    assert (np.diff(chosen.rows) > 0).all()
    assert chosen.weights.min() > 0
    assert chosen.weights.sum() == pytest.approx(1.0, abs=1e-12)
    functionals = chosen.errors.functionals
    if chosen.rows.size > 1:
        np.testing.assert_allclose(functionals.sum(axis=0), 0.0, atol=1e-9)


LOSSY = {
    "infinite": np.tile([np.nan, np.inf, -np.inf, 0.0], 10),
    "identifiers": 2**60 + np.arange(40) % 4,
    "nullable": pd.array(2**60 + np.arange(40) % 3, dtype="Int64").take(
        np.where(np.arange(40) % 4 < 3, np.arange(40), -1), allow_fill=True
    ),
    "nanoseconds": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(40) % 4, unit="ns"),
}


@pytest.mark.parametrize("to_polars", [False, True])
@pytest.mark.parametrize("name", LOSSY)
def test_rows_that_differ_by_less_than_floating_point_numbers_are_told_apart(name, to_polars):
    table = pd.DataFrame({"a": LOSSY[name], "b": np.repeat([0.0, 1.0], 20)})
    table = pl.from_pandas(table, nan_to_null=False) if to_polars else table
    whole = choose_rows(table, 8, 0, None)
    assert whole.errors.n_components == 0
    np.testing.assert_allclose(whole.weights, 1 / 8)
    assert choose_rows(table, 7, 0, None).errors.n_components > 0
