"""Effects of pixels against loops over pictures, and against `EntropicProjection` on columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, PixelProjection
from tests.reference import pixels as reference
from tests.what_if.pixels.doubles import digits, labels, scores, with_noise

PICTURES = digits()
N = len(PICTURES)
SCORES = scores(PICTURES)
WEIGHT = np.random.default_rng(5).uniform(0.3, 2.0, N)
KINDS = {"merged": PICTURES, "row by row": with_noise(PICTURES)}
PLACES = [(0, 1), (1, 2), (3, 3)]


def fitted(pictures, weight=None, **given):
    return PixelProjection(min_ess_fraction=0.3).fit(pictures, sample_weight=weight, **given)


def base_of(weight):
    return list(np.full(N, 1.0 / N) if weight is None else weight / weight.sum())


def columns(pictures):
    flat = pictures.reshape(len(pictures), -1)
    return pd.DataFrame(flat, columns=[f"p{j}" for j in range(flat.shape[1])])


def assert_is_effect(effects, k, place, expected, shares_leverage=False):
    """Pictures of one value have the leverage of a typical one, which is their own if weights are equal."""
    at, rtol = (k, *place), 0.04 if shares_leverage else 1e-8
    for name in ("value", "down", "up"):
        actual = getattr(effects, "values" if name == "value" else name)[at]
        np.testing.assert_allclose(actual, expected[name], rtol=1e-8, atol=1e-12)
    errors = [effects.std_errors[at], effects.down_std_errors[at], effects.up_std_errors[at]]
    np.testing.assert_allclose(errors, [expected["std_error"], *expected["end_errors"]], rtol=rtol)
    for name in ("ess", "kl"):
        np.testing.assert_allclose(getattr(effects, name)[(slice(None), *place)], expected[name], rtol=1e-7)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_effects_match_loop_over_pictures(kind, weight, place):
    effects = fitted(KINDS[kind], weight, predictions=SCORES).explain()
    x, base = KINDS[kind][(slice(None), *place)].astype(float), base_of(weight)
    low, high = effects.targets[(slice(None), *place)]
    shares = kind == "merged" and weight is not None
    for k in range(3):
        assert_is_effect(effects, k, place, reference.effect(SCORES[:, k], x, base, low, high), shares)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_effects_of_stated_divergence_match_loop_over_pictures(kind, weight):
    effects = fitted(KINDS[kind], weight, predictions=SCORES).explain(kl=0.08)
    for place in PLACES:
        x = KINDS[kind][(slice(None), *place)].astype(float)
        expected = reference.effect_of_kl(SCORES[:, 1], x, base_of(weight), 0.08)
        shares = kind == "merged" and weight is not None
        assert_is_effect(effects, 1, place, expected, shares)
        np.testing.assert_allclose(
            effects.targets[(slice(None), *place)], expected["targets"], rtol=1e-8, atol=1e-10
        )


@pytest.mark.parametrize("kl", [None, 0.2])
def test_reference_influence_is_derivative_by_weights(kl):
    """Without leverage the rows' parts are derivatives: a second formulation of the reference."""
    x, y, base = PICTURES[:40, 1, 2].astype(float), SCORES[:40, 0], list(np.full(40, 1.0 / 40))
    fixed = reference.standardized(x, base)[0]
    target = reference.mean_of(fixed, base) + 0.4

    def multiplier(weights):
        if kl is None:
            return reference.multiplier_of_mean(fixed, weights, target)
        return reference.multiplier_of_kl(fixed, weights, kl, 1)

    def statistic(weights):
        return reference.mean_of(y, reference.tilted(fixed, weights, multiplier(weights)))

    rows = reference.influence(y, fixed, base, multiplier(base), leverage=False, kl_is_target=kl is not None)
    np.testing.assert_allclose(rows, reference.derivative_by_weights(statistic, base), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_effects_match_curves_of_columns(kind, weight):
    pictures = KINDS[kind]
    effects = fitted(pictures, weight, predictions=SCORES).explain()
    projection = EntropicProjection(n_targets=3, min_ess_fraction=0.3)
    projection.fit(columns(pictures), sample_weight=weight, predictions=SCORES)
    curves = projection.explain().frame
    assert "p0" not in set(curves["feature"])
    by_name = curves.set_index(["feature", "output", "tau"])
    for k, output in enumerate(effects.output_names):
        for j in range(1, pictures[0].size):
            for end, tau in enumerate((-1.0, 1.0)):
                curve, place = by_name.loc[(f"p{j}", output, tau)], (j // 4, j % 4)
                values = (
                    (effects.down, effects.up)[end],
                    (effects.down_std_errors, effects.up_std_errors)[end],
                )
                np.testing.assert_allclose(effects.targets[(end, *place)], curve["target"], atol=1e-9)
                np.testing.assert_allclose(values[0][(k, *place)], curve["value"], atol=1e-9)
                np.testing.assert_allclose(values[1][(k, *place)], curve["std_error"], rtol=1e-8)
                np.testing.assert_allclose(effects.ess[(end, *place)], curve["ess"], rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_status_is_the_worse_of_both_ends(kind):
    pictures = KINDS[kind]
    params = {"quantiles": (0.3, 0.7), "min_ess_fraction": 0.6}
    effects = PixelProjection(**params).fit(pictures, predictions=SCORES).explain()
    projection = EntropicProjection(n_targets=3, **params)
    curves = projection.fit(columns(pictures), predictions=SCORES).explain().frame
    both = curves[curves["tau"] != 0.0].groupby("feature")["status"].agg(set)
    expected = ["thin" if "thin" in both[f"p{j}"] else "ok" for j in range(1, pictures[0].size)]
    assert effects.status.ravel()[1:].tolist() == expected
    assert {"ok", "thin"} == set(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_effects_of_divergence_match_ranking_of_columns(kind):
    pictures = KINDS[kind]
    effects = fitted(pictures, predictions=SCORES).explain(kl=0.1)
    ranking = EntropicProjection().fit(columns(pictures), predictions=SCORES).rank(0.1)
    by_name = ranking.set_index(["feature", "output", "direction"])
    for j in range(1, pictures[0].size):
        change = [by_name.loc[(f"p{j}", "output_2", way)]["change"] for way in ("down", "up")]
        np.testing.assert_allclose(effects.values[2].flat[j], change[1] - change[0], atol=1e-10)


def test_weights_reach_the_averages():
    """The averages under weights recomputed from the targets are the targets, to 1e-9 standard deviations."""
    for pictures in KINDS.values():
        effects = fitted(pictures, predictions=SCORES).explain()
        for place in PLACES:
            x = pictures[(slice(None), *place)].astype(float)
            expected = reference.effect(
                SCORES[:, 0], x, base_of(None), *effects.targets[(slice(None), *place)]
            )
            reached = [reference.mean_of(x, w) for w in expected["weights"]]
            np.testing.assert_allclose(reached, effects.targets[(slice(None), *place)], atol=1e-9 * x.std())


def test_targets_are_quantiles_where_these_enclose_the_average():
    pictures = with_noise(digits(side=3))
    effects = PixelProjection(quantiles=(0.2, 0.7)).fit(pictures, predictions=scores(pictures)).explain()
    for place in ((1, 1), (2, 0)):
        x = pictures[(slice(None), *place)]
        expected = [reference.quantile(x, base_of(None), q) for q in (0.2, 0.7)]
        np.testing.assert_allclose(effects.targets[(slice(None), *place)], expected, rtol=1e-12)


def test_mostly_empty_pixel_is_shifted_by_divergence():
    effects = fitted(PICTURES, predictions=SCORES).explain()
    assert np.quantile(PICTURES[:, 0, 1], 0.05) == 0  # so is its least value: shifted by 95 % of the way
    np.testing.assert_allclose(effects.targets[0, 0, 1], 0.05 * PICTURES[:, 0, 1].mean(), rtol=1e-9)
    sparse = digits()
    sparse[:, 1, 1] = np.where(np.arange(N) < 4, 5, 0)
    shifted = fitted(sparse, predictions=SCORES).explain()
    np.testing.assert_allclose(shifted.kl[1, 1, 1], 0.5, rtol=1e-9)


def test_constant_pixel_is_not_determined():
    effects = fitted(PICTURES, predictions=SCORES).explain()
    assert effects.status[0, 0] == "not determined"
    for name in ("values", "std_errors", "low", "high", "down", "up", "targets", "ess", "kl"):
        assert np.isnan(getattr(effects, name)[..., 0, 0]).all()
    assert effects.averages[0, 0] == 3.0
    assert np.isfinite(effects.values.reshape(3, -1)[:, 1:]).all()


def test_all_pixels_constant():
    same = np.full((30, 2, 3), 7, dtype=np.uint8)
    y = np.arange(30.0)
    effects = fitted(same, predictions=y).explain()
    assert (effects.status == "not determined").all()
    assert np.isnan(effects.values).all()
    shifts = fitted(same, predictions=y).what_if(prediction=18.0)
    assert (shifts.values == 0.0).all()
    assert (shifts.std_errors == 0.0).all()


def test_divergence_beyond_the_extreme_is_on_the_boundary():
    half = digits()
    half[:, 1, 1] = np.arange(N) % 2
    effects = fitted(half, predictions=SCORES).explain(kl=2.0)
    assert effects.status[1, 1] == "boundary"  # half of the pictures have the largest value
    expected = SCORES[1::2].mean(0) - SCORES[::2].mean(0)
    np.testing.assert_allclose(effects.values[:, 1, 1], expected, rtol=1e-12)


def test_values_do_not_depend_on_units_of_pixels():
    effects = fitted(PICTURES, predictions=SCORES).explain()
    for other in (PICTURES * 1e-9 + 1e3, PICTURES.astype(np.float32) * 255, PICTURES.astype(np.int32) - 4):
        again = fitted(other, predictions=SCORES).explain()
        np.testing.assert_allclose(again.values, effects.values, atol=2e-6 if other.dtype == float else 1e-12)
    flipped = fitted(8 - PICTURES, predictions=SCORES).explain(kl=0.1)
    np.testing.assert_allclose(
        flipped.values, -fitted(PICTURES, predictions=SCORES).explain(kl=0.1).values, atol=1e-12
    )


def test_merged_and_single_rows_agree():
    many = np.r_[PICTURES, PICTURES, PICTURES]
    p = np.r_[SCORES, SCORES * 0.9, SCORES * 1.05]
    merged = fitted(many, predictions=p).explain()
    jitter = np.random.default_rng(0).uniform(-1e-12, 1e-12, many.shape)
    jitter[:, 0, 0] = 0.0
    apart = fitted(many + jitter, predictions=p).explain()
    np.testing.assert_allclose(apart.values, merged.values, atol=1e-9)
    np.testing.assert_allclose(apart.std_errors, merged.std_errors, rtol=1e-7)


def test_metrics_are_outcomes():
    y = labels(PICTURES)
    effects = fitted(PICTURES, y=y, predictions=SCORES).explain(
        metric=["prediction", "accuracy", "error_rate"]
    )
    assert effects.output_names == ("0", "1", "2", "accuracy", "error_rate")
    np.testing.assert_allclose(effects.values[3], -effects.values[4], atol=1e-12)
    right = (SCORES.argmax(1) == y).astype(float)
    x = PICTURES[:, 1, 2].astype(float)
    expected = reference.effect(right, x, base_of(None), *effects.targets[:, 1, 2])
    assert_is_effect(effects, 3, (1, 2), expected)
    assert effects.base[3] == pytest.approx(right.mean())


def test_channels_keep_their_signs():
    rng = np.random.default_rng(0)
    color = rng.integers(0, 9, (400, 3, 3, 3), dtype=np.uint8)
    p = 1.0 / (1.0 + np.exp(-(0.5 * color[:, 1, 1, 0] - 0.5 * color[:, 1, 1, 2].astype(float))))
    effects = fitted(color, predictions=p).explain()
    assert effects.values.shape == (1, 3, 3, 3)
    assert effects.values[0, 1, 1, 0] > 0.3
    assert effects.values[0, 1, 1, 2] < -0.3
    gray = fitted(color[..., 2], predictions=p).explain()
    np.testing.assert_allclose(effects.values[..., 2], gray.values, atol=1e-12)
