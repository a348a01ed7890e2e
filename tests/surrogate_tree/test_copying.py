"""Cross-fitting, held-out rows, tables of leaves and sizes, stability."""

import numpy as np
import pandas as pd
import pytest

from agnostix.surrogate_tree import division as dividing
from agnostix.surrogate_tree.copying import copied
from agnostix.surrogate_tree.division import Division
from agnostix.surrogate_tree.growth import Growth
from agnostix.surrogate_tree.sources import DrawnOnce, GivenAlone
from agnostix.surrogate_tree.stability import stability_of
from agnostix.surrogate_tree.tables import frontier_frame, leaves_frame
from agnostix.surrogate_tree.way import Way
from tests.reference import mimic as reference
from tests.surrogate_tree.materials import material


def ways(one):
    growths = {kind: Growth(kind, 8, 1, ("a", "b", "c")) for kind in ("soft", "hard")}
    sources = {"none": GivenAlone(), "bootstrap": DrawnOnce(one)}
    return [Way(name, growths[kind], source) for name, source in sources.items() for kind in growths]


def rows(n=400, n_real=120, seed=0):
    X = pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 3)), columns=list("xyz"))
    return material(X, n_real, seed=seed, n_outputs=3, shares=True)


def copy_of(one, crossed, monkeypatch=None):
    if monkeypatch is not None and not crossed:
        monkeypatch.setattr(dividing, "SET_ASIDE_FROM", 0)
    division = Division.of(one.n_real, 0)
    one = one.divided(np.where(one.parent >= 0, division.part[one.parent], -1))
    assert division.crossed is crossed
    given = type(one)(
        one.features, one.numbers[: one.n_real], one.answers[: one.n_real], one.fold[: one.n_real],
        one.parent[: one.n_real], one.n_real, True,
    )  # fmt: skip
    return copied(given, ways(one), division, "label"), division, one


@pytest.mark.parametrize("crossed", [True, False])
def test_fidelity_of_fold_ignores_outputs_of_fold(crossed, monkeypatch):
    one = rows()
    first, division, _ = copy_of(one, crossed, monkeypatch)
    part = first.tested[division.part[first.tested] == 0]
    kin = np.flatnonzero(np.isin(one.parent, part))
    one.answers[kin] = one.answers[kin][:, [2, 0, 1]]
    again, _, _ = copy_of(one, crossed, monkeypatch)
    place = np.isin(first.tested, part)
    if crossed:
        others = division.part[first.tested] == 0
        np.testing.assert_array_equal(first.copies[others].shape, again.copies[others].shape)
    np.testing.assert_array_equal(first.tested, again.tested)
    if not crossed:
        np.testing.assert_array_equal(first.copies[place], again.copies[place])
        np.testing.assert_array_equal(first.grown.tree.values, again.grown.tree.values)
        assert again.fidelity.label < first.fidelity.label


def test_split_cross_fits_few_and_holds_out_many(monkeypatch):
    few = Division.of(103, 0)
    assert (few.n_parts, few.crossed, few.source, few.set_aside) == (5, True, "cross-fitted", set())
    assert few.tests == [(k, {k}) for k in range(5)]
    assert np.ptp(np.bincount(few.part)) <= 1
    assert few.inflation == 2.25
    many = Division.of(5000, 0)
    assert (many.crossed, many.source, many.set_aside, many.inflation) == (False, "held out", {0}, 1.0)
    assert many.tests == [(1, {0, 1})]
    assert Division.of(2, 0).n_parts == 2
    assert (Division.of(103, 1).part != few.part).any()


@pytest.mark.parametrize("crossed", [True, False])
def test_leaves_frame_and_path_use_held_out_rows(crossed, monkeypatch):
    copy, _division, one = copy_of(rows(), crossed, monkeypatch)
    told, tree = leaves_frame(copy, ["p", "q", "r"]), copy.grown.tree
    assert list(told.index) == list(tree.leaves)
    real = tree.apply_read(one.numbers[: one.n_real])
    at = tree.apply_read(one.numbers[copy.tested])
    answers = one.answers[copy.tested]
    share = copy.fidelity.n_effective / copy.fidelity.n_rows
    for leaf, row in told.iterrows():
        inside = np.flatnonzero(at == leaf)
        hits = int((answers[inside].argmax(1) == copy.copies[inside].argmax(1)).sum())
        assert row["n_tested"] == inside.size
        assert row["n_real"] == (real == leaf).sum()
        if inside.size:
            assert row["fidelity"] == hits / inside.size
        if share == 1.0:
            np.testing.assert_allclose(
                [row["fidelity_low"], row["fidelity_high"]],
                reference.clopper_pearson(hits, inside.size),
                atol=1e-9,
            )
        np.testing.assert_allclose(row["mean b"], one.answers[: one.n_real][real == leaf, 1].mean())
        np.testing.assert_allclose(row["sd b"], one.answers[: one.n_real][real == leaf, 1].std())
        assert row["label"] == ["p", "q", "r"][int(tree.values[leaf].argmax())]
        assert row["rule"] == tree.rule(leaf)
    assert told["coverage"].sum() == pytest.approx(1.0)
    sizes = frontier_frame(copy, True)
    assert sizes["leaves"].is_monotonic_increasing
    assert sizes["leaves"].iloc[0] == 1
    assert sizes["chosen"].sum() == 1
    assert int(sizes.loc[sizes["chosen"], "leaves"].iloc[0]) == tree.leaves.size


def test_held_out_rows_are_never_grown_on(monkeypatch):
    copy, division, one = copy_of(rows(), False, monkeypatch)
    assert (one.fold[copy.rows] != 0).all()
    np.testing.assert_array_equal(copy.tested, np.flatnonzero(division.part == 0))
    tree = copy.grown.tree
    np.testing.assert_array_equal(copy.copies, tree.values[tree.apply_read(one.numbers[copy.tested])])


def test_stability_compares_refitted_trees():
    copy, _, _one = copy_of(rows(), True)
    found = stability_of(copy, 4, seed=0)
    assert found.n_refits == found.leaves.size == 4
    assert 0.5 < found.agreement <= 1.0
    assert 0.0 < found.jaccard <= 1.0
    assert list(found.used.index) == ["x", "y", "z"]
    again = stability_of(copy, 4, seed=0)
    assert (again.agreement, again.r2) == (found.agreement, found.r2)
    assert stability_of(copy, 4, seed=1).r2 != found.r2


def test_stability_of_single_rule_model():
    one = rows()
    one.answers[:] = np.where(one.numbers[:, [0]] > 0, [0.9, 0.1, 0.0], [0.0, 0.2, 0.8])
    found = stability_of(copy_of(one, True)[0], 5, seed=0)
    assert (found.jaccard, found.used["x"], list(found.leaves)) == (1.0, 1.0, [2] * 5)
    assert found.agreement > 0.97
