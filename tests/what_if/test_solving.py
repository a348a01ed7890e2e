"""Equal rows merged into cells change no result."""

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    EntropicProjection,
    InfeasibleTargetError,
    Keep,
    Margins,
    Mean,
    Proportion,
    Quantile,
    Variance,
)
from agnostix.what_if import solving
from agnostix.what_if.constraints import quantiles
from agnostix.what_if.inference import CellInfluence, Influence
from tests.reference.constraints import is_quantile
from tests.reference.what_if import errors_by_rows

N = 1_500
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "sex": RNG.choice(["F", "M"], N, p=[0.4, 0.6]),
        "job": RNG.choice(["clerk", "farmer", "teacher"], N, p=[0.5, 0.2, 0.3]),
        "size": RNG.integers(1, 6, N).astype(float),
        "age": RNG.normal(40.0, 10.0, N),
        "town": np.where(RNG.random(N) < 0.1, None, RNG.choice(list("ab"), N)),
    }
)
P = (1.0 / (1.0 + np.exp(-0.05 * (X["age"] - 40.0) - 0.8 * (X["sex"] == "F") + 0.2 * X["size"]))).to_numpy()
Y = (RNG.random(N) < P).astype(int)
WEIGHT = RNG.uniform(0.5, 2.0, N)
SEX = pd.Series({"F": 0.5, "M": 0.5}).rename_axis("sex")
CROSS = pd.crosstab(X["job"], X["size"], values=1.0 + X["size"], aggfunc="sum")

SCENARIOS = {
    "proportion": [Proportion("sex", "F", 0.5)],
    "margins": [Margins(SEX), Margins(CROSS)],
    "mean of whole numbers": [Mean("size", 3.3), Proportion("job", {"clerk": 0.4})],
    "range": [Mean("size", (3.2, 4.0)), Proportion("sex", "F", (0.2, 0.9))],
    "in a group": [Mean("size", 3.3, where={"sex": "F"})],
    "quantile": [Quantile("size", 0.5, 4.0)],
    "variance": [Variance("size", 2.2)],
    "boundary": [Proportion("job", "farmer", 0.0)],
    "soft": [Proportion("sex", "F", 0.6, penalty=5.0)],
    "relative": [Mean("size", "+0.2")],
    "kept": [Proportion("sex", "F", 0.5), Keep("size")],
}


def solve(constraints, monkeypatch, few_rows, **how):
    monkeypatch.setattr(solving, "_FEW_ROWS", few_rows)
    projection = EntropicProjection(missing="omit").fit(X, Y, WEIGHT, predictions=P)
    return projection.what_if(constraints, **how)


@pytest.mark.parametrize("name", SCENARIOS)
def test_cells_give_the_result_of_rows(name, monkeypatch):
    merged, rows = (solve(SCENARIOS[name], monkeypatch, few) for few in (0, N))
    np.testing.assert_allclose(merged.weights, rows.weights, rtol=1e-9, atol=1e-12)
    for table in ("conditions", "outcomes", "shifts"):
        left, right = getattr(merged, table), getattr(rows, table)
        pd.testing.assert_frame_equal(left, right, rtol=1e-7, atol=1e-9)
    assert merged.gap <= 1e-9
    for name_ in ("kl", "ess", "max_weight"):
        assert getattr(merged, name_) == pytest.approx(getattr(rows, name_), rel=1e-9)
    assert (merged.status, merged.notes) == (rows.status, rows.notes)


def test_cells_are_used_where_columns_of_few_values_decide(monkeypatch):
    used = []
    for kind in (CellInfluence, Influence):
        inner = kind.from_weights.__func__

        def noted(cls, *args, inner=inner, **kwargs):
            used.append(cls)
            return inner(cls, *args, **kwargs)

        monkeypatch.setattr(kind, "from_weights", classmethod(noted))
    for constraints, expected in (
        (SCENARIOS["margins"], CellInfluence),
        ([Mean("age", 42.0)], Influence),
        ([Proportion("sex", "F", 0.5), Mean("age", 42.0)], Influence),
    ):
        solve(constraints, monkeypatch, 1_000)
        assert used.pop() is expected


def test_standard_errors_of_cells_are_those_of_the_rows_one_by_one(monkeypatch):
    scenario = solve(SCENARIOS["proportion"], monkeypatch, 0, metric="prediction")
    base, weights = WEIGHT / WEIGHT.sum(), scenario.weights / N
    phi = (X["sex"] == "F").to_numpy(float)
    own, change = errors_by_rows(P, phi, np.array([0.5]), weights, base)
    assert scenario.outcomes["std_error"][0] == pytest.approx(own, rel=1e-9)
    assert scenario.outcomes["change_std_error"][0] == pytest.approx(change, rel=1e-9)
    shifts = scenario.shifts.set_index(["feature", "level"])
    for name in ("job", "sex"):
        for level in X[name].unique():
            values = (X[name] == level).to_numpy(float)
            deviation = np.sqrt(base @ values * (1.0 - base @ values))
            _, change = errors_by_rows(values, phi, np.array([0.5]), weights, base)
            assert shifts.loc[(name, level), "std_error"] == pytest.approx(change / deviation, rel=1e-7)


def test_conflict_of_cells_is_named_and_solved(monkeypatch):
    constraints = [Margins(CROSS), Proportion("job", "farmer", 0.9)]
    texts = []
    for few in (0, N):
        with pytest.raises(InfeasibleTargetError) as caught:
            solve(constraints, monkeypatch, few)
        texts.append(str(caught.value))
        assert solve(**caught.value.nearest, monkeypatch=monkeypatch, few_rows=few).gap <= 1e-9
    assert texts[0] == texts[1]


def test_rows_in_another_order_have_the_same_weights(monkeypatch):
    order = RNG.permutation(N)
    scenario = solve(SCENARIOS["margins"], monkeypatch, 0)
    other = EntropicProjection(missing="omit").fit(
        X.iloc[order].reset_index(drop=True), Y[order], WEIGHT[order], predictions=P[order]
    )
    np.testing.assert_array_equal(scenario.weights[order], other.what_if(SCENARIOS["margins"]).weights)


def test_rank_is_by_the_largest_shift_of_a_column():
    shifts = EntropicProjection(missing="omit").fit(X, predictions=P).what_if(prediction=0.6).shifts
    largest = shifts["shift"].abs().groupby(shifts["feature"]).max().sort_values(ascending=False)
    assert shifts.drop_duplicates("feature").set_index("feature")["rank"].to_dict() == {
        name: 1 + place for place, name in enumerate(largest.index)
    }


@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0], ids=["equal", "unequal", "far from equal"])
def test_quantiles_of_many_rows_need_not_sort_them_all(spread, monkeypatch):
    rng = np.random.default_rng(1)
    values = np.round(rng.normal(size=30_000), 3)
    weights = np.exp(spread * rng.normal(size=values.size) + spread * values)
    for q in (0.001, 0.25, 0.5, 0.95, 0.9999):
        found = quantiles.quantiles_of(values, None, weights, q)
        monkeypatch.setattr(quantiles, "_MANY", 10**9)
        assert found == quantiles.quantiles_of(values, None, weights, q)
        monkeypatch.undo()
        assert all(is_quantile(value, q, values, weights) for value in found)
