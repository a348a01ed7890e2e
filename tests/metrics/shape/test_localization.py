"""The pointing games against plain loops, with ties, tolerance and rows whose region is empty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix import KernelShapExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker
from agnostix.metrics import energy_inside, pointing_game
from tests.messages import assert_states, refuses
from tests.metrics.explanations import of_maps, of_table
from tests.reference import metrics_sanity as reference

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(10, 7, 9))
EXP = of_maps(MAPS[..., None])
BOXES = np.array([[r % 4, r % 5, r % 4 + 3, r % 5 + 2] for r in range(10)])


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 4])
def test_hits_are_those_of_a_loop(tolerance):
    result = pointing_game(None, None, EXP, regions=BOXES, tolerance=tolerance)
    np.testing.assert_array_equal(result.scores, reference.pointing(MAPS, BOXES, tolerance))
    assert result.interval_kind == "wilson"
    assert result.greater_is_better


def test_energy_is_that_of_a_loop():
    result = energy_inside(None, None, EXP, regions=BOXES)
    np.testing.assert_allclose(result.scores, reference.energy(MAPS, BOXES), atol=1e-12)
    np.testing.assert_allclose(result.references["random"], 6 / 63)
    scaled = energy_inside(None, None, of_maps(1e-200 * MAPS[..., None]), regions=BOXES)
    np.testing.assert_allclose(scaled.scores, result.scores, atol=1e-12)


@given(st.integers(0, 6), st.integers(0, 8))
def test_a_single_pixel_is_found_where_it_is(i, j):
    one = np.zeros((1, 7, 9, 1))
    one[0, i, j] = 1.0
    region = np.zeros((1, 7, 9), dtype=bool)
    region[0, i, j] = True
    for metric in (pointing_game, energy_inside):
        assert metric(None, None, of_maps(one), regions=region).scores[0] == 1.0
        assert metric(None, None, of_maps(one), regions=~region).scores[0] == 0.0
    assert pointing_game(None, None, of_maps(one), regions=~region, tolerance=1).scores[0] == 1.0


def test_masks_are_as_boxes():
    masks = np.zeros(MAPS.shape, dtype=bool)
    for mask, (top, left, bottom, right) in zip(masks, BOXES, strict=True):
        mask[top:bottom, left:right] = True
    for metric in (pointing_game, energy_inside):
        by_box = metric(None, None, EXP, regions=BOXES)
        for regions in (masks, masks.astype(int), masks.tolist()):
            np.testing.assert_array_equal(metric(None, None, EXP, regions=regions).scores, by_box.scores)


def test_of_several_largest_pixels_the_mean_counts():
    maps = np.zeros((2, 4, 4, 1))
    maps[0, :2, 0] = 1.0
    maps[1, 3, 3] = 1.0
    result = pointing_game(None, None, of_maps(maps), regions=[[0, 0, 1, 4]] * 2)
    np.testing.assert_array_equal(result.scores, [0.5, 0.0])
    assert result.interval_kind == "student"
    assert_states(" ".join(result.notes), "1 of 2", "largest")


def test_what_chance_and_the_middle_reach():
    result = pointing_game(None, None, EXP, regions=[[2, 3, 5, 6]] * 10)
    np.testing.assert_allclose(result.references["random"], 9 / 63)
    np.testing.assert_array_equal(result.references["center"], 1.0)
    advantage = result.against("random")
    np.testing.assert_allclose(advantage.scores, result.scores - 9 / 63)


def test_sizes_of_sensitivities_count():
    maps = np.zeros((1, 4, 4, 1))
    maps[0, 0, 0], maps[0, 3, 3] = -2.0, 1.0
    sensitivity = of_maps(maps, quantity="sensitivity")
    assert pointing_game(None, None, sensitivity, regions=[[0, 0, 1, 1]]).score == 1.0
    assert energy_inside(None, None, sensitivity, regions=[[0, 0, 1, 1]]).score == pytest.approx(2 / 3)
    assert energy_inside(None, None, of_maps(maps), regions=[[0, 0, 1, 1]]).score == 0.0


def test_segments_are_painted():
    pictures = RNG.random((4, 8, 8))

    def model(X):
        return X[:, :4, :4].mean(axis=(1, 2))

    masker = SegmentMasker("grid", n_segments=4, fill=0.0)
    exp = KernelShapExplainer(model, masker=masker, random_state=0).fit(pictures).explain(pictures)
    assert energy_inside(model, pictures, exp, regions=[[0, 0, 4, 4]] * 4).score == pytest.approx(1.0)
    assert pointing_game(model, pictures, exp, regions=[[0, 0, 4, 4]] * 4).score == 1.0


def test_rows_without_a_region_or_a_positive_value_have_no_score():
    boxes = BOXES.copy()
    boxes[3, 2:] = boxes[3, :2]
    result = pointing_game(None, None, EXP, regions=boxes, tolerance=20)
    assert np.flatnonzero(np.isnan(result.scores)).tolist() == [3]
    assert result.score == 1.0
    assert_states(" ".join(result.notes), "1 of 10", "empty")
    maps = MAPS.copy()
    maps[5] = -np.abs(maps[5])
    result = energy_inside(None, None, of_maps(maps[..., None]), regions=BOXES)
    assert np.flatnonzero(np.isnan(result.scores)).tolist() == [5]
    assert_states(" ".join(result.notes), "1 of 10", "positive")


@pytest.mark.parametrize(
    "regions",
    [BOXES[:4], BOXES + 5, -BOXES - 1, BOXES[:, [2, 3, 0, 1]], np.full(MAPS.shape, 0.5), "box", BOXES * 1j],
)
def test_regions_that_do_not_fit_are_refused(regions):
    with refuses(DataError, "'regions'", "pointing_game", "(10, 4)", "7 x 9", "(10, 7, 9)"):
        pointing_game(None, None, EXP, regions=regions)


def test_bad_input_is_refused():
    with refuses(DataError, "energy_inside", "empty", "10"):
        energy_inside(None, None, EXP, regions=np.zeros(MAPS.shape))
    with refuses(DataError, "energy_inside", "columns", "comprehensiveness"):
        energy_inside(None, None, of_table(RNG.normal(size=(3, 4, 1)), RNG.normal(size=(3, 4))), regions=[])
    for tolerance in (-1, np.nan, "15"):
        with refuses(DataError, "'tolerance'", "pointing_game", repr(tolerance)):
            pointing_game(None, None, EXP, regions=BOXES, tolerance=tolerance)
    with refuses(TypeError, "energy_inside", "Explanation", "ndarray"):
        energy_inside(None, None, MAPS, regions=BOXES)
