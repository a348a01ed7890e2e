import numpy as np
import pytest

from tests.what_if.doubles import fit_projection, people, select_rows

X = people(2000)


def curve(X, feature, level=None, **params):
    frame = fit_projection(X, **params).explain(features=feature).frame
    return frame if level is None else select_rows(frame, level=level)


@pytest.mark.parametrize("n_targets", [3, 4, 9, 10, 41])
def test_n_targets_include_mean(n_targets):
    for feature, level in (("age", None), ("gain", None), ("job", "farmer")):
        frame = curve(X, feature, level, n_targets=n_targets)
        assert len(frame) == n_targets
        still = frame.loc[frame["tau"] == 0.0, "target"]
        mean = X[feature].mean() if level is None else (X[feature] == level).mean()
        assert still.tolist() == pytest.approx([mean], rel=1e-12)
        assert (np.diff(frame["target"]) > 0.0).all()
        assert frame["tau"].iloc[[0, -1]].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("quantiles", [(0.05, 0.95), (0.2, 0.7)])
def test_quantiles_end_equally_spaced_targets(quantiles):
    frame = curve(X, "age", n_targets=9, quantiles=quantiles)
    target, mean = frame["target"].to_numpy(), X["age"].mean()
    low, high = np.quantile(X["age"], quantiles, method="inverted_cdf")
    np.testing.assert_allclose(target[:5], np.linspace(low, mean, 5), rtol=1e-12)
    np.testing.assert_allclose(target[4:], np.linspace(mean, high, 5), rtol=1e-12)


def test_quantiles_are_weighted():
    weight = np.where(X["age"] > 45.0, 1.0, 0.001)
    frame = fit_projection(X, weight=weight, n_targets=3).explain(features="age").frame
    assert frame["target"].iloc[0] > 44.9
    assert (frame["status"] != "infeasible").all()


def test_targets_stop_short_of_extremes():
    frame = curve(X, "age", n_targets=5, quantiles=(0.0, 1.0))
    mean, low, high = X["age"].mean(), X["age"].min(), X["age"].max()
    assert frame["target"].iloc[0] == pytest.approx(mean + 0.95 * (low - mean))
    assert frame["target"].iloc[-1] == pytest.approx(mean + 0.95 * (high - mean))
    assert not frame["status"].isin(["boundary", "infeasible"]).any()


def test_targets_of_zero_inflated_number_move_both_ways():
    X_ = X.assign(gain=np.where(np.arange(len(X)) % 25 == 0, X["age"] * 100.0, 0.0))
    assert np.quantile(X_["gain"], 0.95) == 0.0
    frame = curve(X_, "gain", n_targets=9)
    assert frame["target"].iloc[0] < X_["gain"].mean() < frame["target"].iloc[-1]
    assert (frame["target"] > 0.0).all()
    assert frame["kl"].iloc[-1] == pytest.approx(0.5, rel=1e-9)
    assert not frame["status"].isin(["boundary", "infeasible"]).any()


@pytest.mark.parametrize("share", [0.003, 0.2, 0.5, 0.97])
def test_targets_of_proportion_are_spaced_by_root_of_kl(share):
    X_ = X.assign(job=np.where(np.arange(len(X)) < share * len(X), "pilot", "other"))
    frame = curve(X_, "job", "pilot", n_targets=9)
    assert frame["target"].between(0.0, 1.0, inclusive="neither").all()
    assert not frame["status"].isin(["boundary", "infeasible"]).any()
    for sign, edge in ((-1, -np.log1p(-share)), (1, -np.log(share))):
        side = frame[np.sign(frame["tau"]) == sign]
        np.testing.assert_allclose(side["kl"], side["tau"] ** 2 * min(0.5, 0.9 * edge), rtol=1e-9)
