"""Every measure of every group, with intervals of its own and of all together."""

import numpy as np
import pandas as pd
import pytest

from agnostix import DisparateImpact, EntropicProjection, measure_fairness
from agnostix.exceptions import DataError
from tests.messages import assert_states, refuses
from tests.reference.fairness import group_comparisons, group_rates
from tests.what_if.fairness.people import people

X, Y, SCORE = people()
N = len(X)
PROJECTION = EntropicProjection().fit(X, Y, predictions=SCORE)
SEX = {"group": "sex", "reference": "Male"}
JOB = {"group": "job", "reference": "clerk"}


def rates(column, level, weights, decisions=SCORE >= 0.5, X=X, Y=Y):
    return group_rates(decisions, Y, (X[column] == level).to_numpy(), weights)


@pytest.mark.parametrize("threshold", [None, 0.6])
def test_measures_are_those_of_the_rows(threshold):
    weights = np.random.default_rng(0).uniform(0.5, 2.0, N)
    projection = EntropicProjection().fit(X, Y, sample_weight=weights, predictions=SCORE)
    frame = measure_fairness(projection, **JOB, threshold=threshold).frame
    decisions = (threshold or 0.5) <= SCORE
    own = {f"job = {job}": rates("job", job, weights, decisions) for job in ("clerk", "farmer", "teacher")}
    assert len(frame) == 4 * 3 + 6 * 2
    for line in frame.to_dict("records"):
        expected = own[line["group"]]
        if line["reference"] is not None:
            assert line["reference"] == "job = clerk"
            expected = group_comparisons(expected, own["job = clerk"])
        assert line["value"] == pytest.approx(expected[line["measure"]], abs=1e-12)


def test_lines_agree_with_the_baseline_of_a_measure():
    frame = measure_fairness(PROJECTION, **SEX).frame
    line = frame[frame["measure"] == "disparate impact"].iloc[0]
    own = PROJECTION.baseline(metric=DisparateImpact(**SEX)).iloc[0]
    for name in ("value", "std_error", "low", "high"):
        assert line[name] == pytest.approx(own[name], abs=1e-12)


def test_bands_hold_intervals_and_are_within_bonferroni():
    frame = measure_fairness(PROJECTION, **JOB).frame
    assert (frame["band_low"] <= frame["low"]).all()
    assert (frame["band_high"] >= frame["high"]).all()
    share = 0.05 / len(frame)
    wider = measure_fairness(PROJECTION, **JOB, confidence_level=1.0 - share).frame
    assert (frame["band_high"] <= wider["high"] + 1e-12).all()
    assert (frame["band_high"] < wider["high"] - 1e-6).any()  # sup-t: measures are correlated


def test_rows_and_effective_rows_are_those_of_the_smallest_group():
    weights = np.random.default_rng(1).uniform(0.5, 2.0, N)
    projection = EntropicProjection().fit(X, Y, sample_weight=weights, predictions=SCORE)
    frame = measure_fairness(projection, **SEX).frame.set_index(["measure", "group"])
    female, positive = (X["sex"] == "Female").to_numpy(), np.asarray(Y) == 1
    for key, rows in {
        ("true positive rate", "sex = Female"): female & positive,
        ("selection rate", "sex = Male"): ~female,
        ("disparate impact", "sex = Female"): female,  # the smaller group
    }.items():
        own = weights[rows]
        assert frame.loc[key, "n_rows"] == rows.sum()
        assert frame.loc[key, "ess"] == pytest.approx(own.sum() ** 2 / (own**2).sum())


def test_small_groups_are_thin_and_keep_their_bounds():
    frame = pd.DataFrame({"g": ["a"] * 8 + ["b"] * 12 + ["c"] * 80})
    decided = [0] * 8 + [1] * 12 + [1, 0] * 40
    projection = EntropicProjection().fit(frame, predictions=decided)
    lines = measure_fairness(projection, group="g", reference="c").frame.set_index(["measure", "group"])
    assert lines["status"].to_dict()["selection rate", "g = a"] == "thin"
    assert lines["status"].to_dict()["selection rate", "g = c"] == "ok"
    none, all_ = (lines.loc[("selection rate", f"g = {g}")] for g in "ab")
    assert none["low"] == none["band_low"] == 0.0
    assert none["high"] == pytest.approx(1.0 - 0.025 ** (1 / 8))
    assert none["band_high"] == pytest.approx(1.0 - (0.025 / len(lines)) ** (1 / 8))  # by Bonferroni
    assert all_["high"] == all_["band_high"] == 1.0
    assert all_["low"] == pytest.approx(0.025 ** (1 / 12))


@pytest.mark.slow
def test_simultaneous_intervals_hold_all_measures_together():
    rng, held, n_samples = np.random.default_rng(5), 0, 200
    big, y, score = people(200_000, seed=9)
    truth = measure_fairness(EntropicProjection().fit(big, y, predictions=score), **SEX).frame["value"]
    for _ in range(n_samples):
        rows = rng.integers(0, len(big), 500)
        projection = EntropicProjection().fit(big.iloc[rows], y.iloc[rows], predictions=score[rows])
        frame = measure_fairness(projection, **SEX).frame
        held += bool(((frame["band_low"] <= truth) & (truth <= frame["band_high"])).all())
    assert held / n_samples >= 0.95 - 2.0 * np.sqrt(0.95 * 0.05 / n_samples)


def test_without_true_classes_only_selections_are_measured():
    measures = measure_fairness(EntropicProjection().fit(X, predictions=SCORE), **SEX, threshold=0.5)
    assert set(measures.frame["measure"]) == {"selection rate", "disparate impact", "statistical parity"}
    assert_states(" ".join(measures.notes), "true classes", "selection rates", "Pass y")


def test_reference_rate_of_0_has_no_ratio():
    frame = pd.DataFrame({"g": ["a"] * 30 + ["b"] * 30})
    projection = EntropicProjection().fit(frame, predictions=[1, 0] * 15 + [0] * 30)
    lines = measure_fairness(projection, group="g", reference="b").frame.set_index("measure")
    assert np.isnan(lines.loc["disparate impact", "value"])
    assert lines.loc["statistical parity", "value"] == pytest.approx(0.5)
    assert lines.loc["statistical parity", "low"] < 0.3


def test_result_says_what_it_is():
    measures = measure_fairness(PROJECTION, **SEX)
    assert measures.reference == "sex = Male"
    assert len(measures.rates) == 8
    assert len(measures.comparisons) == 6
    for text in (repr(measures), measures._repr_html_()):
        assert_states(text, "sex = Male", "disparate impact", "band_low")
    copy = measures.to_frame()
    copy["value"] = 0.0
    assert (measures.frame["value"] != 0.0).any()


REFUSED = {
    "projection": (lambda: measure_fairness(X, **SEX), TypeError, ["EntropicProjection", "DataFrame"]),
    "level": (lambda: measure_fairness(PROJECTION, group="sex", reference="M"), ValueError, ["'sex'", "'M'"]),
    "column": (lambda: measure_fairness(PROJECTION, group="gender", reference="M"), ValueError, ["gender"]),
    "confidence": (
        lambda: measure_fairness(PROJECTION, **SEX, confidence_level=2),
        ValueError,
        ["confidence_level", "2"],
    ),
    "no row of a class": (
        lambda: measure_fairness(
            EntropicProjection().fit(X, np.where(X["sex"] == "Female", 0, Y), predictions=SCORE), **SEX
        ),
        DataError,
        ["true positive rate", "sex = Female", "compared=[...]"],
    ),
}


@pytest.mark.parametrize(("call", "error", "facts"), REFUSED.values(), ids=list(REFUSED))
def test_bad_calls_are_refused(call, error, facts):
    with refuses(error, *facts):
        call()


def test_group_that_lacks_a_class_can_be_left_out():
    y = np.where(X["job"] == "farmer", 0, Y)
    projection = EntropicProjection().fit(X, y, predictions=SCORE)
    with refuses(DataError, "true positive rate", "job = farmer", "compared=[...]"):
        measure_fairness(projection, **JOB)
    frame = measure_fairness(projection, **JOB, compared=["teacher"]).frame
    assert set(frame["group"]) == {"job = clerk", "job = teacher"}
