"""Means over rows with what rows share, and differences, against loops and by coverage."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix import Explanation
from agnostix.core.explanation import Detail
from agnostix.core.explanation.row_means import folding
from tests.messages import refuses
from tests.reference import row_means as reference

DIMS = ("row", "feature", "output")


def made(seed: int = 0, n_rows: int = 12, n_components: int = 4, **changes: Any) -> Explanation:
    """Values with errors of their own, of a shared background and of a shared design."""
    rng = np.random.default_rng(seed)
    shape = (n_rows, 3, 2)
    shared = 0.2 * rng.normal(size=(*shape, n_components))
    design, own = 0.1 * rng.random(shape), 0.3 * rng.random(shape)
    told = {
        "values": rng.normal(size=shape) * [[[1.0], [0.3], [0.0]]],
        "std_errors": np.sqrt(np.square(shared).sum(axis=-1) + design**2 + own**2),
        "feature_names": ("a", "b", "c"),
        "output_names": ("no", "yes"),
        "row_names": tuple(f"r{i}" for i in range(n_rows)),
        "quantity": "effect",
        "method": "by hand",
        "extras": {
            "shared_errors": Detail(shared, (*DIMS, "component")),
            "shared_degrees_of_freedom": Detail(np.array(9.0), ()),
            "design_errors": Detail(design, DIMS),
            "design_degrees_of_freedom": Detail(np.array([5.0, 7.0, 6.0]), ("feature",)),
            "degrees_of_freedom": Detail(np.linspace(4.0, 20.0, n_rows), ("row",)),
        },
    }
    return Explanation(**{**told, **changes})


def column(exp: Explanation, j: int, k: int) -> tuple[Any, ...]:
    """Values, errors, shared and design of a feature and output, as the reference takes them."""
    return (
        exp.values[:, j, k].tolist(),
        exp.std_errors[:, j, k].tolist(),
        exp.extras["shared_errors"].array[:, j, k].tolist(),
        exp.extras["design_errors"].array[:, j, k].tolist(),
    )


@given(st.floats(-5.0, 5.0), st.floats(0.01, 3.0))
def test_what_noise_adds_is_the_integral_over_it(value: float, error: float) -> None:
    found = folding(np.array([value, value, 0.0]), np.array([error, 0.0, 0.0]))
    assert found[0] == pytest.approx(reference.added_by_noise(value, error), abs=1e-8)
    assert found[1:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("how", ["mean", "mean_abs"])
@pytest.mark.parametrize("seed", [0, 1])
def test_means_match_loops(how: str, seed: int) -> None:
    exp = made(seed)
    total = exp.aggregate(how=how)
    dofs = (11.0, 9.0, None, np.inf)
    for j in range(3):
        for k in range(2):
            value, variances = reference.aggregate(*column(exp, j, k), how)
            own = (*dofs[:2], (5.0, 7.0, 6.0)[j], dofs[3])
            error, dof = reference.standard_error(variances, own)
            assert total.values[j, k] == pytest.approx(value, abs=1e-8)
            assert total.std_errors[j, k] == pytest.approx(error, abs=1e-8)
            assert total.extras["degrees_of_freedom"].array[j, k] == pytest.approx(dof, rel=1e-6)


@pytest.mark.parametrize("how", ["mean", "mean_abs"])
def test_differences_of_means_match_loops(how: str) -> None:
    exp = made(2)
    found = exp.difference("a", "c", how=how)
    assert (found.dims, found.feature_names) == (("feature", "output"), ("a - c",))
    for k in range(2):
        value, variances = reference.difference(column(exp, 0, k), column(exp, 2, k), how)
        error, dof = reference.standard_error(variances, (11.0, 9.0, 5.0, np.inf))
        assert found.values[0, k] == pytest.approx(value, abs=1e-8)
        assert found.std_errors[0, k] == pytest.approx(error, abs=1e-8)
        assert found.extras["degrees_of_freedom"].array[0, k] == pytest.approx(dof, rel=1e-6)
    whole = exp.aggregate(how=how)
    np.testing.assert_allclose(found.values[0], whole.values[0] - whole.values[2], atol=1e-12)


def test_means_of_one_difference_are_the_difference_of_means() -> None:
    exp = made(3, extras={})
    one, other = exp.difference("a", "b").aggregate(how="mean"), exp.difference("a", "b", how="mean")
    np.testing.assert_allclose(one.values, other.values, atol=1e-12)
    np.testing.assert_allclose(one.std_errors, other.std_errors, atol=1e-12)


def test_groups_are_means_of_their_rows_with_their_details() -> None:
    exp = made()
    labels = np.array(["x", "y", "x"] * 4)
    by_group = exp.aggregate(by=labels)
    for j, label in enumerate(["x", "y"]):
        alone = exp[labels == label].aggregate()
        np.testing.assert_array_equal(by_group.values[j], alone.values)
        np.testing.assert_array_equal(by_group.std_errors[j], alone.std_errors)
        for key in ("degrees_of_freedom", "shared_errors", "design_errors", "shared_degrees_of_freedom"):
            np.testing.assert_array_equal(by_group.extras[key].array[j], alone.extras[key].array)
    assert by_group.extras["shared_errors"].dims == ("group", "feature", "output", "component")


def test_details_survive_rows_selection_pickle_and_storage(tmp_path: Path) -> None:
    exp = made()
    whole = exp.aggregate()
    part = exp.sel(features=["c", "a"], outputs="yes")[::-1].aggregate()
    np.testing.assert_allclose(part.values[:, 0], whole.values[[2, 0], 1], rtol=1e-13)
    np.testing.assert_allclose(part.std_errors[:, 0], whole.std_errors[[2, 0], 1], rtol=1e-13)
    np.testing.assert_allclose(part.interval(0.8)[0][:, 0], whole.interval(0.8)[0][[2, 0], 1], rtol=1e-12)
    exp.save(tmp_path / "exp.npz")
    whole.save(tmp_path / "whole.npz")
    for copy in (pickle.loads(pickle.dumps(exp)), Explanation.load(tmp_path / "exp.npz")):
        np.testing.assert_array_equal(copy.aggregate().std_errors, whole.std_errors)
        np.testing.assert_array_equal(
            copy.difference("a", "b").std_errors, exp.difference("a", "b").std_errors
        )
    stored = Explanation.load(tmp_path / "whole.npz")
    np.testing.assert_array_equal(np.stack(stored.interval(0.99)), np.stack(whole.interval(0.99)))


def test_errors_that_all_rows_share_do_not_average_out() -> None:
    components = np.zeros((400, 1, 1, 2))
    components[..., 0] = 0.5
    exp = Explanation(
        values=np.ones((400, 1, 1)),
        std_errors=np.full((400, 1, 1), 0.5),
        feature_names=("a",),
        output_names=("y",),
        quantity="effect",
        method="by hand",
        extras={"shared_errors": Detail(components, (*DIMS, "component"))},
    )
    assert exp.aggregate(how="mean").std_errors[0, 0] == pytest.approx(0.5)
    apart = exp.difference(3, 5, dim="row")
    assert apart.values.item() == apart.std_errors.item() == 0.0
    alternating = exp.values * np.array([1.0, -1.0] * 200)[:, None, None]
    signed = Explanation(**{**vars(exp), "values": alternating})
    assert signed.aggregate(how="mean").extras["shared_errors"].array[0, 0, 0] == pytest.approx(0.5)
    assert signed.aggregate().extras["shared_errors"].array[0, 0, 0] == pytest.approx(0.0)


def test_what_is_not_determined_is_left_out_and_nothing_seen_adds_up() -> None:
    kinds = np.full((12, 3, 2), "student", dtype="<U14")
    kinds[0, 0], kinds[:, 1] = "undetermined", "rule_of_three"
    exp = made(extras={"interval_kind": Detail(kinds, DIMS)})
    total, rest = exp.aggregate(how="mean"), made(extras={})[1:].aggregate(how="mean")
    np.testing.assert_allclose(total.values[0], rest.values[0])
    np.testing.assert_allclose(total.std_errors[0], rest.std_errors[0])
    alone = made(extras={}).aggregate(how="mean").std_errors[1]
    half = exp.std_errors[:, 1].mean(axis=0) * -np.log(0.05) / 1.959963984540054
    np.testing.assert_allclose(total.std_errors[1], np.hypot(alone, half))
    unclear = exp.difference("a", "b")
    assert np.isinf(unclear.interval()[0][0]).all()
    assert np.isfinite(unclear.interval()[0][1:]).all()


def test_differences_of_values_pair_what_they_share() -> None:
    exp = made(4)
    found = exp.difference("b", "a")
    assert (found.feature_names, found.dims, found.row_names) == (("b - a",), DIMS, exp.row_names)
    i, k = 3, 1
    parts = [(column(exp, j, k)) for j in (1, 0)]
    apart = sum((a - b) ** 2 for a, b in zip(parts[0][2][i], parts[1][2][i], strict=True))
    together = (parts[0][3][i] + parts[1][3][i]) ** 2
    own = sum(e[i] ** 2 - sum(c * c for c in s[i]) - d[i] ** 2 for _, e, s, d in parts)
    assert found.values[i, 0, k] == pytest.approx(exp.values[i, 1, k] - exp.values[i, 0, k])
    assert found.std_errors[i, 0, k] == pytest.approx(np.sqrt(apart + together + own))


def test_differences_of_rows_and_groups_are_named() -> None:
    exp = made()
    rows = exp.difference("r2", "r0", dim="row")
    assert (rows.row_names, rows.dims) == (("r2 - r0",), DIMS)
    np.testing.assert_allclose(rows.values[0], exp.values[2] - exp.values[0])
    np.testing.assert_allclose(exp.difference(2, 0, dim="row").std_errors, rows.std_errors)
    groups = exp.aggregate(by=np.array([4, 7] * 6), how="mean")
    between = groups.difference(7, 4, dim="group")
    assert between.labels("group").tolist() == ["7 - 4"]
    np.testing.assert_allclose(between.values[0], groups.values[1] - groups.values[0])
    outputs = exp.difference("yes", "no", dim="output", how="mean")
    assert (outputs.output_names, outputs.feature_names) == (("yes - no",), ("a", "b", "c"))
    exact = made(std_errors=None, extras={}).difference("a", "b")
    assert exact.std_errors is None


def test_differences_refuse_what_has_no_pairs() -> None:
    exp = made()
    with refuses(ValueError, "Means of two features", "rows", "difference(..., dim='feature', how='mean')"):
        exp.aggregate(how="mean").difference("a", "b")
    assert exp.difference("a", "b", dim="feature", how="mean").values.shape == (1, 2)
    for bad in ({"how": "max_abs"}, {"how": "mean", "dim": "row"}):
        with refuses(ValueError, "how must be None", "'mean' or 'mean_abs'", "('row', 'feature', 'output')"):
            exp.difference(0, 1, **bad)
    with refuses(ValueError, "how must be one of", "got 'median'"):
        exp.difference(0, 1, how="median")
    with refuses(ValueError, "dim must be one of", "got 'group'"):
        exp.difference(0, 1, dim="group")
    with refuses(KeyError, "No feature 'd'", "a, b, c"):
        exp.difference("a", "d")


@pytest.mark.parametrize(
    ("key", "detail", "facts"),
    [
        ("shared_errors", Detail(np.zeros((12, 3, 2)), DIMS), ["'component'", str(DIMS)]),
        ("shared_errors", 3.0, ["must be a Detail", "got float"]),
        ("design_errors", Detail(np.zeros(3), ("feature",)), [str(DIMS), "('feature',)"]),
        ("shared_degrees_of_freedom", Detail(np.zeros(4), ("component",)), ["dims among", "('component',)"]),
        ("design_degrees_of_freedom", Detail(np.array("a"), ()), ["must hold numbers", "<U1"]),
    ],
)
def test_details_that_do_not_match_are_refused(key: str, detail: Any, facts: list[str]) -> None:
    with refuses(ValueError, f"extras['{key}']", *facts):
        made(extras={key: detail})


@pytest.mark.parametrize(
    ("extras", "dof"),
    [
        ({}, 1.0),
        ({"degrees_of_freedom": Detail(np.array([5.0, 8.0, 20.0]), ("feature",))}, 5.0),
        ({"shared_degrees_of_freedom": Detail(np.array(3.0), ())}, 3.0),
    ],
)
def test_degrees_of_freedom_of_what_is_shared(extras: dict[str, Any], dof: float) -> None:
    """Of errors that are all shared, those of a mean over equal rows are those of what is shared."""
    shared = Detail(np.ones((12, 3, 2, 2)), (*DIMS, "component"))
    equal = {"values": np.ones((12, 3, 2)), "std_errors": np.full((12, 3, 2), 2**0.5)}
    exp = made(**equal, extras={"shared_errors": shared, **extras})
    total = exp.aggregate(how="mean")
    np.testing.assert_allclose(total.std_errors, 2**0.5)
    np.testing.assert_allclose(total.extras["degrees_of_freedom"].array[0], dof)


def test_texts_keep_kinds_and_degrees_by_word() -> None:
    words = np.array([["good", "film", ""], ["film", "bad", "end"]])
    kinds = np.array([["student", "undetermined", "student"], ["rule_of_three", "student", "student"]])
    exp = Explanation(
        values=np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]])[..., None],
        std_errors=np.full((2, 3, 1), 0.1),
        feature_names=("word 1", "word 2", "word 3"),
        output_names=("y",),
        quantity="effect",
        method="by hand",
        extras={
            "words": Detail(words, ("row", "feature")),
            "interval_kind": Detail(kinds, ("row", "feature")),
            "degrees_of_freedom": Detail(np.array([4.0, 5.0, 6.0]), ("feature",)),
        },
    )
    total = exp.aggregate(how="mean")
    by_word = dict(zip(total.feature_names, total.values[:, 0], strict=True))
    assert by_word == {"good": 1.0, "film": 3.0, "bad": 4.0, "end": 5.0}  # of "film" one is not determined


def _background(seed: int, n_rows: int = 200, n_background: int = 40) -> tuple[Explanation, np.ndarray]:
    """Contributions over background rows with a jackknife over ten groups; truths are known."""
    rng = np.random.default_rng(seed)
    x, b = rng.normal(size=(n_rows, 4)), rng.normal(size=(n_background, 4))
    parts = x[:, :, None] - b.T
    parts[:, 2] = (x[:, 2, None] - b[:, 2]) * x[:, 3, None]
    parts[:, 3] = 0.0
    group = np.arange(n_background) % 10
    values = parts.mean(axis=-1)
    without = np.stack([parts[..., group != g].mean(axis=-1) for g in range(10)], axis=-1)
    components = np.sqrt(0.9) * (without - values[..., None])
    noise = np.array([0.0, 0.2, 0.1, 0.2])
    exp = Explanation(
        values=(values + noise * rng.normal(size=values.shape))[..., None],
        std_errors=np.sqrt(np.square(components).sum(axis=-1) + noise**2)[..., None],
        feature_names=tuple("abcd"),
        output_names=("y",),
        quantity="effect",
        method="by hand",
        extras={"shared_errors": Detail(components[:, :, None], (*DIMS, "component"))},
    )
    return exp, np.array([np.sqrt(2 / np.pi), np.sqrt(2 / np.pi), 2 / np.pi, 0.0])


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_of_means_cover_with_shared_errors(level: float) -> None:
    covered: dict[str, list[np.ndarray]] = {"mean": [], "mean_abs": [], "difference": []}
    for seed in range(200):
        exp, sizes = _background(seed)
        for how, truth in (("mean", np.zeros(4)), ("mean_abs", sizes)):
            low, high = (end[:, 0] for end in exp.aggregate(how=how).interval(level))
            covered[how].append((low <= truth) & (truth <= high))
        low, high = (end.item() for end in exp.difference("a", "c", how="mean_abs").interval(level))
        covered["difference"].append(np.array(low <= sizes[0] - sizes[2] <= high))
    shares = {name: np.mean(one, axis=0) for name, one in covered.items()}
    assert shares["mean"] == pytest.approx(np.full(4, level), abs=0.06)
    assert (shares["mean_abs"][:3] >= level - 0.06).all()
    assert shares["mean_abs"][3] >= level  # an idle column's bar does not leave out 0
    assert shares["difference"] >= level - 0.06


@pytest.mark.parametrize("how", ["mean", "mean_abs"])
@pytest.mark.parametrize("part", ["shared_errors", "design_errors"])
def test_means_of_values_with_unknown_shared_errors_have_none(how: str, part: str) -> None:
    exp = made()
    array = exp.extras[part].array.copy()
    array[3, 1] = np.nan
    errors = exp.std_errors.copy()
    errors[3, 1] = np.nan
    unknown = made(std_errors=errors, extras={**exp.extras, part: Detail(array, exp.extras[part].dims)})
    mean = unknown.aggregate(how=how)
    assert np.isnan(mean.std_errors[1]).all()
    assert np.isnan(mean.interval()[0][1]).all()
    np.testing.assert_array_equal(mean.std_errors[[0, 2]], exp.aggregate(how=how).std_errors[[0, 2]])
    assert np.isnan(unknown.difference("a", "b", how=how).std_errors).all()
