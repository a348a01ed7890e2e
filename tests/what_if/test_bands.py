import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr
from scipy.stats import t as student
from sklearn.metrics import accuracy_score

from agnostix import EntropicProjection
from agnostix.what_if.inference.bands import critical_value
from tests.reference.what_if import standardize, tilted
from tests.what_if.doubles import chance, people, truth

X = people(300)
N = len(X)


def fit(n=N, groups=None, **params):
    return EntropicProjection(**params).fit(X[:n], truth(X)[:n], predictions=chance(X)[:n], groups=groups)


def test_band_is_an_interval_at_the_level_of_correlated_errors():
    targets = [36.0, 40.0, 44.0]
    curves = fit().explain(targets={"age": targets}, simultaneous=True)
    z, base = standardize(X["age"])
    y, psi = chance(X), []
    for target in targets:
        weights, at = None, (target - X["age"].mean()) / X["age"].std(ddof=0)
        low, high = -20.0, 20.0
        for _ in range(100):
            middle = 0.5 * (low + high)
            weights = tilted(z, base, middle)
            low, high = (low, middle) if weights @ z > at else (middle, high)
        c = z - at
        own = y - weights @ y
        residual = own - (weights * c) @ own / ((weights * c) @ c) * c
        leverage = weights * (1.0 + c**2 / ((weights * c) @ c))
        psi.append(weights * residual / (1.0 - leverage))
    correlation = np.corrcoef(psi) * 0.0
    for i in range(3):
        for j in range(3):
            correlation[i, j] = psi[i] @ psi[j] / np.sqrt((psi[i] @ psi[i]) * (psi[j] @ psi[j]))
    level = 2.0 * ndtr(critical_value(correlation, 0.95)) - 1.0
    for row, own in zip(curves.frame.to_dict("records"), psi, strict=True):
        assert row["std_error"] == pytest.approx(np.sqrt(own @ own), rel=1e-7)
        carried = 2.0 / 3.0 / ((own**4).sum() / (own @ own) ** 2 - 1.0 / own.size)
        degrees = min(row["ess"] / 3.0, carried)
        half = student(degrees).ppf(0.5 + 0.5 * level)
        skewness = (own**3).sum() / (own @ own) ** 1.5
        further = student(3.0 * degrees).ppf(0.5 + 0.5 * level)  # by Hall's cubic, on the side of the tail
        further = -3.0 / abs(skewness) * (np.cbrt(1.0 - abs(skewness) * (further + abs(skewness) / 6)) - 1.0)
        up, down = (max(half, further if side else 0.0) for side in (skewness > 0, skewness < 0))
        assert row["band_high"] - row["value"] == pytest.approx(up * row["std_error"], rel=1e-5)
        assert row["value"] - row["band_low"] == pytest.approx(down * row["std_error"], rel=1e-5)


@pytest.mark.parametrize("groups", [None, np.arange(N) // 3], ids=["rows", "clusters"])
@pytest.mark.parametrize("how", ["delta", "bootstrap"])
def test_bands_hold_intervals(groups, how):
    projection = fit(n_targets=7, groups=groups, std_errors=how, n_bootstrap=40, random_state=0)
    metric = ["prediction", "error_rate", "roc_auc", accuracy_score]
    features = ["age", "job"] if how == "delta" else ["age"]
    plain = projection.explain(features=features, metric=metric)
    frame = projection.explain(features=features, metric=metric, simultaneous=True).frame
    pd.testing.assert_frame_equal(frame.drop(columns=["band_low", "band_high"]), plain.frame)
    assert "band_low" not in plain.frame
    ok = frame["status"] == "ok"
    assert ((frame["band_low"] <= frame["low"]) & (frame["band_high"] >= frame["high"]))[ok].all()
    wider = (frame["band_high"] - frame["band_low"]) / (frame["high"] - frame["low"])
    assert 1.0 < wider[ok].median() < 1.6


def test_band_of_one_target_is_its_interval():
    frame = fit().explain(targets={"age": [44.0]}, simultaneous=True).frame
    np.testing.assert_allclose(frame[["band_low", "band_high"]], frame[["low", "high"]])


def test_infeasible_targets_have_no_band():
    frame = fit().explain(targets={"age": [36.0, 44.0, 500.0]}, simultaneous=True).frame
    assert frame["band_low"].isna().tolist() == [False, False, True]
    alone = fit().explain(targets={"age": [36.0, 44.0]}, simultaneous=True).frame
    np.testing.assert_allclose(frame["band_high"][:2], alone["band_high"], rtol=1e-6)


@pytest.mark.slow
def test_bands_hold_whole_curves_at_nominal_level():
    # y = x^2 + noise: under tilting to mean t, x is normal about t, and the curve is 1 + t^2
    targets = np.linspace(-0.7, 0.7, 9)
    whole = each = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=400)
        projection = EntropicProjection().fit(x[:, None], predictions=0.5 * x**2 + x + rng.normal(size=400))
        frame = projection.explain(targets={"x0": targets}, simultaneous=True).frame
        expected = 0.5 * (1.0 + targets**2) + targets
        whole += bool(((frame["band_low"] <= expected) & (expected <= frame["band_high"])).all())
        each += bool(((frame["low"] <= expected) & (expected <= frame["high"])).all())
    assert whole / 300 >= 0.92 - 2 * np.sqrt(0.05 * 0.95 / 300)
    assert each < whole - 15
