import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection
from tests.what_if.doubles import fit_projection, people, select_rows

X = people()


def test_distributions_are_shares_of_rows():
    curves = fit_projection(X, n_targets=3).explain()
    histograms = curves.distributions
    assert set(histograms["feature"]) == {"age", "hours", "gain"}
    for name in ("age", "gain"):
        bars = select_rows(histograms, feature=name)
        assert bars["share"].sum() == pytest.approx(1.0)
        edges = np.append(bars["left"], bars["right"].iloc[-1])
        counts, _ = np.histogram(X[name], edges)
        np.testing.assert_allclose(bars["share"], counts / len(X))
        assert len(bars) <= 41


def test_distributions_of_integers_have_bin_per_value():
    X_ = pd.DataFrame({"n": np.arange(60) % 5, "big": (np.arange(60) % 7) * 1000})
    bars = EntropicProjection(n_targets=3).fit(X_, predictions=X_["n"]).explain().distributions
    np.testing.assert_allclose(select_rows(bars, feature="n")["left"], np.arange(5) - 0.5)
    assert len(select_rows(bars, feature="big")) <= 41
    assert select_rows(bars, feature="big")["share"].sum() == pytest.approx(1.0)


def test_distributions_of_constant_have_one_bin():
    X_ = X.assign(age=np.where(X["sex"] == "Male", X["age"], 20.25))
    bars = fit_projection(X_, n_targets=3).explain(by="sex").distributions
    still = select_rows(bars, feature="age", group="Female")
    assert still[["left", "right", "share"]].to_numpy().tolist() == [[19.75, 20.75, pytest.approx(1.0)]]


def test_distributions_leave_out_missing_values():
    X_ = X.assign(age=X["age"].where(np.arange(len(X)) % 3 > 0))
    bars = (
        EntropicProjection(n_targets=3, missing="omit").fit(X_, predictions=X["age"]).explain().distributions
    )
    assert select_rows(bars, feature="age")["share"].sum() == pytest.approx(2 / 3)
