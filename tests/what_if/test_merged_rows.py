import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, InfeasibleTargetError, Keep, Margins, Mean, Proportion
from agnostix.what_if.merged_rows import MergedRows

RNG = np.random.default_rng(0)
N = 2_000
X = pd.DataFrame(
    {
        "job": RNG.choice(["clerk", "farmer", "teacher"], N, p=[0.5, 0.3, 0.2]),
        "size": RNG.integers(0, 5, N),
        "region": RNG.choice(list("abcd"), N),
        "income": RNG.lognormal(size=N),
    }
)
CHANCE = 1.0 / (1.0 + np.exp(-(X["size"] - 2.0 + RNG.normal(size=N))))
JOBS = {"clerk": 0.4, "farmer": 0.3, "teacher": 0.3}
QUESTIONS = {
    "margins": ({"job": JOBS, "region": {"a": 0.3, "b": 0.3}}, {}),
    "mean of few values": ({"size": 2.4, "job": {"clerk": 0.45}}, {}),
    "range": ({"size": (2.2, 2.5), "job": {"clerk": (0.3, 0.45)}}, {}),
    "cross table": ([Margins(pd.crosstab(X["job"], X["region"]).sample(frac=1.0, random_state=0) + 20)], {}),
    "kept": ([Mean("size", 2.5), Keep("job", "region")], {}),
    "within a group": ([Mean("size", 2.4, where={"job": "clerk"}), Proportion("region", "a", 0.3)], {}),
    "soft": ([Mean("size", 3.0, penalty=2.0), Proportion("job", "clerk", 0.4)], {}),
    "chi-square": ({"job": JOBS, "size": 2.3}, {"divergence": "chi_square"}),
    "empirical likelihood": ({"job": JOBS, "size": 2.3}, {"divergence": "empirical_likelihood"}),
    "bounded": ({"job": JOBS, "size": 2.2}, {"weight_bounds": (0.6, 1.8)}),
    "soft in a group": ([Mean("size", 3.5, where={"job": "clerk"}, penalty=5.0)], {}),
}


def fitted(**options):
    y = (RNG.random(N) < CHANCE).astype(int)
    return EntropicProjection(missing="omit").fit(X, y, predictions=CHANCE, **options)


def without_merging(monkeypatch):
    monkeypatch.setattr(MergedRows, "from_sample", classmethod(lambda cls, sample, features: None))


def assert_frames_close(one, other):
    pd.testing.assert_frame_equal(one, other, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_what_if_on_merged_rows_is_that_on_the_rows(name, weighted, monkeypatch):
    constraints, options = QUESTIONS[name]
    weights = np.random.default_rng(1).uniform(0.5, 2.0, N) if weighted else None
    projection = fitted(sample_weight=weights)
    merged = projection.what_if(constraints, **options)
    without_merging(monkeypatch)
    rows = projection.what_if(constraints, **options)
    np.testing.assert_allclose(merged.weights, rows.weights, rtol=1e-8)
    for frame in ("conditions", "outcomes", "searched"):
        assert_frames_close(getattr(merged, frame), getattr(rows, frame))
    shifts = [one.shifts.drop(columns=["rank"]) for one in (merged, rows)]
    assert_frames_close(*shifts)
    for number in ("kl", "ess", "ess_fraction", "max_weight"):
        assert getattr(merged, number) == pytest.approx(getattr(rows, number), rel=1e-8)
    assert merged.status == rows.status
    assert merged.n_rows == rows.n_rows
    assert merged.gap <= 1e-9


def test_rows_are_merged_for_margins_and_not_for_numbers_of_many_values(monkeypatch):
    made = []
    merge = MergedRows.from_sample.__func__

    def watched(cls, sample, features):
        made.append(merge(cls, sample, features))
        return made[-1]

    monkeypatch.setattr(MergedRows, "from_sample", classmethod(watched))
    projection = fitted()
    projection.what_if({"job": JOBS})
    projection.what_if({"job": JOBS, "income": 2.0})
    projection.what_if(prediction=0.6)
    assert made[0].cells.base.size == 3
    assert made[1] is None
    assert len(made) == 2  # a prediction is not about columns


def test_metric_without_derivative_on_merged_rows(monkeypatch):
    def median(y_true, y_pred, sample_weight):
        order = np.argsort(y_pred)
        return y_pred[order][np.searchsorted(np.cumsum(sample_weight[order]), 0.5 * sample_weight.sum())]

    projection = fitted()
    merged = projection.what_if({"job": JOBS}, metric=median)
    without_merging(monkeypatch)
    rows = projection.what_if({"job": JOBS}, metric=median)
    assert_frames_close(merged.outcomes, rows.outcomes)


def test_missing_values_leave_rows_out_before_merging(monkeypatch):
    table = X.copy()
    table.loc[::7, "job"] = None
    projection = EntropicProjection(missing="omit").fit(table, predictions=CHANCE)
    merged = projection.what_if({"job": JOBS, "size": 2.2})
    assert merged.n_rows == int(table["job"].notna().sum())
    without_merging(monkeypatch)
    rows = projection.what_if({"job": JOBS, "size": 2.2})
    np.testing.assert_allclose(merged.weights, rows.weights, rtol=1e-8)
    assert_frames_close(merged.shifts.drop(columns="rank"), rows.shifts.drop(columns="rank"))


def test_clusters_keep_the_rows(monkeypatch):
    groups = np.arange(N) // 3
    projection = fitted(groups=groups)
    scenario = projection.what_if({"job": JOBS})
    without_merging(monkeypatch)
    assert_frames_close(scenario.outcomes, projection.what_if({"job": JOBS}).outcomes)


def test_conflict_on_merged_rows_has_the_same_message(monkeypatch):
    projection = fitted()
    errors = []
    for _ in range(2):
        with pytest.raises(InfeasibleTargetError) as caught:
            projection.what_if({"size": 3.9, "job": {"clerk": 0.9}}, weight_bounds=(0.5, 2.0))
        errors.append(caught.value)
        without_merging(monkeypatch)
    assert str(errors[0]) == str(errors[1])
    assert projection.what_if(**errors[0].nearest).gap <= 1e-9


def test_merged_rows_ignore_the_order_of_the_rows():
    order = np.random.default_rng(2).permutation(N)
    one = EntropicProjection().fit(X, predictions=CHANCE).what_if({"job": JOBS, "size": 2.3})
    other = EntropicProjection().fit(X.iloc[order], predictions=CHANCE.to_numpy()[order])
    again = other.what_if({"job": JOBS, "size": 2.3})
    np.testing.assert_array_equal(again.weights, one.weights[order])
    pd.testing.assert_frame_equal(again.outcomes, one.outcomes)
    pd.testing.assert_frame_equal(again.shifts, one.shifts)
