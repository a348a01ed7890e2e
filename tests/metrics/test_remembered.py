"""A predictor that remembers gives what one that does not gives, and evaluates nothing twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix.core.masking import Features, TabularMasker
from agnostix.metrics import (
    average_drop,
    average_gain,
    comprehensiveness,
    deletion,
    infidelity,
    insertion,
    sufficiency,
)
from agnostix.metrics.remembered import RememberingPredictor, keys_of_masks
from tests.metrics.explanations import Counted, of_maps, of_table, softmax_model

RNG = np.random.default_rng(0)
TABLE, BACKGROUND = RNG.normal(size=(7, 5)), RNG.normal(size=(3, 5))


def model(X):
    return np.asarray(X) @ np.arange(1.0, 6.0) + np.asarray(X)[:, 0] ** 2


def masker_of(background):
    return TabularMasker(background, np.full(3, 1 / 3), Features.from_names([f"x{j}" for j in range(5)]))


EXPLANATIONS = [of_table(RNG.normal(size=(7, 5, 1)), TABLE, model(TABLE)[:, None]) for _ in range(3)]


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=2, max_size=6))
def test_masks_have_the_same_key_where_they_hide_the_same_units(groupings):
    seen = {}
    for grouping in groupings:
        masks = RNG.random((5, 4)) < 0.5
        keys = keys_of_masks(b"row", np.array([0]), b"", np.array(grouping), masks)
        for mask, key in zip(masks, keys, strict=True):
            hidden = frozenset(u for u in range(4) if not mask[grouping[u]])
            assert seen.setdefault(hidden, key) == key
    assert len(set(seen.values())) == len(seen)


def test_rows_outputs_and_kinds_have_keys_of_their_own():
    mask = np.array([[True, False]])
    keys = {
        keys_of_masks(row, np.array([output]), kind, np.array([0, 1]), mask)[0]
        for row in (b"a", b"b")
        for output in (0, 1)
        for kind in (b"", b"squared")
    }
    assert len(keys) == 8


@settings(max_examples=10, deadline=None)
@given(st.permutations([deletion, insertion, comprehensiveness, sufficiency]))
def test_results_are_those_without_memory(metrics):
    counted = Counted(model)
    predictor = RememberingPredictor.from_model(counted)
    masker = masker_of(BACKGROUND)
    n_model_rows = 0
    for metric in metrics:
        for exp in EXPLANATIONS:
            own = metric(predictor, TABLE, exp, masker=masker)
            n_model_rows += own.n_model_rows
            alone = metric(model, TABLE, exp, masker=BACKGROUND)
            np.testing.assert_allclose(own.scores, alone.scores, atol=1e-12)
            for name, scores in alone.references.items():
                np.testing.assert_allclose(own.references[name], scores, atol=1e-12)
    assert counted.n_rows == n_model_rows
    assert counted.n_rows <= 7 * (1 + 3 * 2**5)
    again = deletion(predictor, TABLE, EXPLANATIONS[0], masker=masker)
    assert again.n_model_rows == 0


def test_other_backgrounds_and_rows_are_evaluated():
    predictor = RememberingPredictor.from_model(model)
    options = {"least": False, "n_random": 0}
    first = deletion(predictor, TABLE, EXPLANATIONS[0], masker=masker_of(BACKGROUND), **options)
    other = deletion(predictor, TABLE, EXPLANATIONS[0], masker=masker_of(BACKGROUND + 1.0), **options)
    expected = deletion(model, TABLE, EXPLANATIONS[0], masker=BACKGROUND + 1.0, **options)
    np.testing.assert_allclose(other.scores, expected.scores)
    assert np.abs(other.scores - first.scores).min() > 1e-6
    rows = TABLE[::-1]
    turned = deletion(predictor, rows, EXPLANATIONS[0][::-1], masker=masker_of(BACKGROUND), **options)
    np.testing.assert_allclose(turned.scores, first.scores[::-1])


@pytest.mark.parametrize("fill", ["mean", "noise", 0.2])
def test_pictures_behind_each_fill(fill):
    pictures = RNG.random((4, 5, 5, 3))
    classes = softmax_model(RNG.normal(size=(5, 5, 3, 3)))
    exp = of_maps(RNG.normal(size=(4, 5, 5, 3)), classes(pictures), ("a", "b", "c"))
    predictor = RememberingPredictor.from_model(counted := Counted(classes))
    for one in (fill, 0.0):  # the same predictor, another fill
        own = deletion(predictor, pictures, exp, fill=one)
        np.testing.assert_allclose(own.scores, deletion(classes, pictures, exp, fill=one).scores, atol=1e-12)
    drop = average_drop(predictor, pictures, exp, fill=0.1)
    before = counted.n_rows
    gain = average_gain(predictor, pictures, exp, fill=0.1)
    assert counted.n_rows == before
    assert gain.n_model_rows == 0
    np.testing.assert_allclose(drop.scores, average_drop(classes, pictures, exp, fill=0.1).scores)
    np.testing.assert_allclose(gain.scores, average_gain(classes, pictures, exp, fill=0.1).scores)
    assert average_gain(predictor, pictures, exp, fill=0.1, mask="min-max").n_model_rows == 4


def test_infidelity_shares_its_subsets_with_other_explanations():
    predictor = RememberingPredictor.from_model(model)
    masker = masker_of(BACKGROUND)
    options = {"n_samples": 10, "masker": masker}
    first, *others = (infidelity(predictor, TABLE, exp, **options) for exp in EXPLANATIONS)
    assert first.n_model_rows > 0
    assert all(other.n_model_rows == 0 for other in others)
    for own, exp in zip([first, *others], EXPLANATIONS, strict=True):
        np.testing.assert_allclose(own.scores, infidelity(model, TABLE, exp, **options).scores, atol=1e-9)
