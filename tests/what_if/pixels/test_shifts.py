"""Shifts of the average picture against loops over pictures, and against scenarios on columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, PixelProjection, Prediction
from agnostix.exceptions import InfeasibleTargetError
from tests.messages import refuses
from tests.reference import pixels as reference
from tests.what_if.pixels.doubles import digits, labels, scores, with_noise

PICTURES = digits()
N = len(PICTURES)
SCORES = scores(PICTURES)
Y = labels(PICTURES)
WEIGHT = np.random.default_rng(5).uniform(0.3, 2.0, N)
KINDS = {"merged": PICTURES, "row by row": with_noise(PICTURES)}
SEX = np.where(np.random.default_rng(9).random(N) < 0.4, "woman", "man")
CASES = {
    "a mean": {"prediction": {"1": 0.3}},
    "two means": {"prediction": {"1": 0.35, "2": 0.38}},
    "a range": {"prediction": {"0": (0.36, 0.4)}},
    "a range that holds": {"prediction": {"0": (0.0, 0.9)}},
    "an error rate": {"error_rate": 0.5},
    "both": {"prediction": {"1": 0.3}, "error_rate": 0.5},
    "relative": {"prediction": {"1": "*0.9"}},
    "soft": {"constraints": [Prediction(0.25, output="1", penalty=3.0)]},
    "chi-square": {"prediction": {"1": 0.3}, "divergence": "chi_square"},
    "bounded weights": {"prediction": {"1": 0.17}, "weight_bounds": (0.5, 1.6)},
    "a quantile": {"constraints": [Prediction(0.3, output="1", quantile=0.5)]},
}


def fitted(pictures=PICTURES, weight=None, y=Y, **given):
    return PixelProjection().fit(pictures, y, weight, predictions=SCORES, **given)


def columns(pictures):
    flat = pictures.reshape(len(pictures), -1)
    return pd.DataFrame(flat, columns=[f"p{j}" for j in range(flat.shape[1])])


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_what_if_matches_scenario_of_columns(kind, weight, case):
    pictures = KINDS[kind]
    shifts = fitted(pictures, weight).what_if(**CASES[case])
    projection = EntropicProjection().fit(columns(pictures), Y, weight, predictions=SCORES)
    scenario = projection.what_if(**CASES[case])
    np.testing.assert_allclose(shifts.weights[0, 1], scenario.weights, rtol=1e-7)
    np.testing.assert_allclose(shifts.weights[0, 0], np.ones(N) if weight is None else weight / weight.mean())
    np.testing.assert_allclose(
        [shifts.kl[0, 1], shifts.ess[0, 1]], [scenario.kl, scenario.ess], rtol=1e-7, atol=1e-12
    )
    assert shifts.status[0] == scenario.status
    own = scenario.shifts.set_index("feature")
    spread = shifts.spread.ravel()
    for j in range(1, pictures[0].size):
        row = own.loc[f"p{j}"]
        found = [shifts.start.flat[j], shifts.end.flat[j], shifts.values.flat[j] / spread[j]]
        np.testing.assert_allclose(found, [row["before"], row["after"], row["shift"]], rtol=1e-8, atol=1e-9)
        found = [getattr(shifts, name).flat[j] / spread[j] for name in ("std_errors", "low", "high")]
        np.testing.assert_allclose(
            found, row[["std_error", "low", "high"]].astype(float), rtol=1e-7, atol=1e-9
        )


def test_what_if_of_constant_pixel_is_0():
    shifts = fitted().what_if(prediction={"1": 0.3})
    assert shifts.values[0, 0, 0] == shifts.std_errors[0, 0, 0] == shifts.spread[0, 0] == 0.0
    assert shifts.start[0, 0, 0] == shifts.end[0, 0, 0] == 3.0


def test_what_if_says_what_was_reached():
    shifts = fitted().what_if(prediction={"1": 0.3})
    np.testing.assert_allclose(shifts.targets[0], [SCORES[:, 1].mean(), 0.3], atol=1e-9)
    np.testing.assert_allclose(shifts.weights[0, 1] @ SCORES[:, 1] / N, 0.3, atol=1e-9)
    assert np.isnan(fitted().what_if(**CASES["both"]).targets).all()


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_reverse_matches_loop_over_pictures(kind, weight):
    pictures = KINDS[kind]
    shifts = fitted(pictures, weight).reverse(0.12, metric=["prediction", "error_rate"])
    assert shifts.output_names == ("0", "1", "2", "error_rate")
    base = list(np.full(N, 1.0 / N) if weight is None else weight / weight.sum())
    outcomes = [*SCORES.T, (SCORES.argmax(1) != Y).astype(float)]
    for k in (0, 3):
        for place in ((0, 1), (2, 2)):
            x = pictures[(slice(None), *place)].astype(float)
            expected = reference.effect_of_kl(x, outcomes[k], base, 0.12)
            at = (k, *place)
            found = [shifts.start[at], shifts.end[at], shifts.values[at], shifts.std_errors[at]]
            wanted = [expected[name] for name in ("down", "up", "value", "std_error")]
            np.testing.assert_allclose(found, wanted, rtol=1e-7)
        np.testing.assert_allclose(shifts.targets[k], expected["targets"], rtol=1e-8)
        np.testing.assert_allclose(shifts.ess[k], expected["ess"], rtol=1e-7)
        np.testing.assert_allclose(shifts.kl[k], 0.12, rtol=1e-7)
        np.testing.assert_allclose(shifts.weights[k] / N, expected["weights"], rtol=1e-6, atol=1e-12)


def test_reverse_of_constant_output_is_not_determined():
    both = np.c_[SCORES[:, 0], np.full(N, 0.5)]
    shifts = PixelProjection().fit(PICTURES, predictions=both).reverse()
    assert shifts.status.tolist()[1] == "not determined"
    assert np.isnan(shifts.values[1]).all()
    alone = PixelProjection().fit(PICTURES, predictions=both[:, 0]).reverse()
    np.testing.assert_allclose(shifts.values[0], alone.values[0], rtol=1e-12)


def test_reverse_beyond_the_extreme_is_on_the_boundary():
    half = (np.arange(N) % 2).astype(float)
    shifts = PixelProjection().fit(PICTURES, predictions=half).reverse(2.0)
    assert shifts.status.tolist() == ["boundary"]
    np.testing.assert_allclose(shifts.values[0], PICTURES[1::2].mean(0) - PICTURES[::2].mean(0), atol=1e-12)


def test_attributes_are_constrained():
    frame = pd.DataFrame({"sex": SEX, "age": np.random.default_rng(2).normal(40.0, 9.0, N)})
    shifts = fitted(attributes=frame).what_if({"sex": {"woman": 0.6}, "age": (41, 50)})
    scenario = (
        EntropicProjection()
        .fit(frame, Y, predictions=SCORES)
        .what_if({"sex": {"woman": 0.6}, "age": (41, 50)})
    )
    np.testing.assert_allclose(shifts.weights[0, 1], scenario.weights, rtol=1e-7)
    expected = np.average(PICTURES, axis=0, weights=scenario.weights) - PICTURES.mean(0)
    np.testing.assert_allclose(shifts.values[0], expected, atol=1e-9)


def test_every_group_meets_the_constraints():
    shifts = fitted(attributes=pd.DataFrame({"sex": SEX})).what_if(prediction={"1": 0.33}, by="sex")
    assert shifts.groups == ("man", "woman")
    for g, name in enumerate(shifts.groups):
        own = name == SEX
        assert (shifts.weights[g, 0, 1, ~own] == 0.0).all()
        alone = (
            PixelProjection()
            .fit(PICTURES[own], predictions=SCORES[own])
            .what_if(prediction={"output_1": 0.33})
        )
        np.testing.assert_allclose(shifts.values[g], alone.values, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(shifts.std_errors[g], alone.std_errors, rtol=1e-7)


def test_unreachable_prediction_names_the_group():
    own = np.where(np.arange(N) < 60, "a", "b")
    bounded = np.where(own == "a", SCORES[:, 0], 0.2 * SCORES[:, 0])
    projection = PixelProjection().fit(PICTURES, predictions=bounded)
    with refuses(InfeasibleTargetError, "In the group 'b'", "0.5"):
        projection.what_if(prediction=0.5, by=own)
    with pytest.raises(InfeasibleTargetError) as caught:
        projection.what_if(prediction=1.5)
    assert projection.what_if(**caught.value.nearest).status[0] in ("thin", "boundary")
