"""Margins of cross tables against iterative proportional fitting."""

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, InfeasibleTargetError, Keep, Margins, Mean, Proportion
from tests.messages import refuses
from tests.reference.constraints import rake

N = 400
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "sex": RNG.choice(["F", "M"], N, p=[0.4, 0.6]),
        "job": RNG.choice(["clerk", "farmer", "teacher"], N, p=[0.5, 0.2, 0.3]),
        "size": RNG.choice([1, 2, 3], N),
        "age": RNG.normal(40.0, 10.0, N),
    }
)
WEIGHT = RNG.uniform(0.5, 2.0, N)
PROJECTION = EntropicProjection().fit(X, predictions=RNG.random(N), sample_weight=WEIGHT)
SEX = pd.Series({"F": 0.55, "M": 0.45}).rename_axis("sex")
JOB = pd.Series({"teacher": 0.4, "clerk": 0.35, "farmer": 0.25}).rename_axis("job")
SIZE = pd.Series({1: 0.2, 2: 0.3, 3: 0.5}).rename_axis("size")
CROSS = pd.DataFrame(
    [[0.2, 0.1, 0.2], [0.1, 0.1, 0.3]],
    index=pd.Index(["F", "M"], name="sex"),
    columns=pd.Index(["clerk", "farmer", "teacher"], name="job"),
)


def codes(*names):
    keys = list(zip(*(X[name] for name in names), strict=True))
    levels = sorted(set(keys))
    return np.array([levels.index(key) for key in keys]), levels


def margin(series, name):
    own, levels = codes(name)
    return own, np.array([series[level] for (level,) in levels])


def solve(*constraints):
    return PROJECTION.what_if(list(constraints), metric="prediction")


def test_three_margins_are_those_of_iterative_proportional_fitting():
    scenario = solve(Margins(SEX), Margins(JOB), Margins(SIZE))
    expected = rake([margin(SEX, "sex"), margin(JOB, "job"), margin(SIZE, "size")], WEIGHT)
    np.testing.assert_allclose(scenario.weights / N, expected, rtol=0, atol=1e-10 / N * 10)
    for series in (SEX, JOB, SIZE):
        for level, share in series.items():
            member = (X[series.index.name] == level).to_numpy()
            assert scenario.weights[member].sum() / N == pytest.approx(share, abs=1e-10)


def test_cells_of_two_columns_and_a_margin():
    own, levels = codes("sex", "job")
    expected = rake([(own, np.array([CROSS.loc[level] for level in levels])), margin(SIZE, "size")], WEIGHT)
    scenario = solve(Margins(CROSS), Margins(SIZE))
    np.testing.assert_allclose(scenario.weights / N, expected, rtol=1e-9)
    stacked = CROSS.stack()
    np.testing.assert_allclose(solve(Margins(stacked), Margins(SIZE)).weights, scenario.weights, rtol=1e-9)
    row = scenario.conditions.iloc[0]
    assert (row["feature"], row["level"]) == ("sex, job", ("F", "clerk"))
    assert row["label"] == "share of sex = F, job = clerk"


def test_cells_of_three_columns():
    table = pd.crosstab(X["sex"], [X["job"], X["size"]], values=WEIGHT**2, aggfunc="sum")
    own, levels = codes("sex", "job", "size")
    shares = np.array([table.loc[sex, (job, size)] for sex, job, size in levels])
    scenario = solve(Margins(table))
    np.testing.assert_allclose(scenario.weights / N, rake([(own, shares / shares.sum())], WEIGHT), rtol=1e-9)


def test_totals_are_divided_by_their_sum_which_is_said():
    scenario = solve(Margins(SEX * 1_250))
    np.testing.assert_allclose(scenario.weights, solve(Margins(SEX)).weights, rtol=1e-9)
    assert scenario.notes == ("The totals of sex sum to 1250 and were divided by that.",)
    rounded = solve(Margins(pd.Series({"F": 0.333, "M": 0.666}).rename_axis("sex")))
    assert rounded.notes == ("The shares of sex sum to 0.999 and were divided by that.",)
    assert solve(Margins(SEX)).notes == ()


def test_counts_of_another_table_are_margins():
    other = X.sample(150, random_state=0)
    scenario = solve(Margins(other["job"].value_counts()), Margins(pd.crosstab(other["sex"], other["size"])))
    for level, share in other["job"].value_counts(normalize=True).items():
        assert scenario.weights[(X["job"] == level).to_numpy()].sum() / N == pytest.approx(share, abs=1e-9)


def test_levels_left_out_get_no_weight_which_is_said():
    scenario = solve(Margins(pd.Series({"clerk": 0.5, "teacher": 0.5}).rename_axis("job")))
    assert scenario.notes == ("Rows with job = farmer are in no cell of the margins and get no weight.",)
    assert scenario.status == "boundary"
    assert (scenario.weights[(X["job"] == "farmer").to_numpy()] == 0.0).all()


def test_cells_without_rows_may_have_the_share_0():
    table = CROSS.assign(pilot=0.0)
    np.testing.assert_allclose(solve(Margins(table)).weights, solve(Margins(CROSS)).weights, rtol=1e-9)
    with refuses(
        ValueError, "'pilot'", "no row has in column 'job'", "'clerk', 'farmer', 'teacher'", "share 0"
    ):
        solve(Margins(CROSS.assign(pilot=0.1) / 1.2))


def test_tolerance_ranges_and_penalty_of_cells():
    loose = solve(Margins(SEX, tolerance=0.02))
    near = SEX["F"] - 0.02
    np.testing.assert_allclose(loose.weights, solve(Proportion("sex", "F", near)).weights, rtol=1e-9)
    ranges = pd.Series({"F": (near, SEX["F"] + 0.02), "M": (0.0, 1.0)}).rename_axis("sex")
    np.testing.assert_allclose(solve(Margins(ranges)).weights, loose.weights, rtol=1e-9)
    soft = solve(Margins(SEX, penalty=5.0)).conditions
    assert soft["before"][0] < soft["reached"][0] < SEX["F"]


def test_nearest_of_margins_is_margins():
    table = SEX * 0.99 + pd.Series({"F": 0.01, "M": 0.0}).rename_axis("sex")
    for constraints in ([Margins(CROSS), Margins(table)], [Margins(CROSS), {"sex": {"F": 0.51}}]):
        with pytest.raises(InfeasibleTargetError) as caught:
            PROJECTION.what_if(constraints)
        for arguments in (caught.value.nearest, caught.value.ranges):
            assert isinstance(arguments["constraints"][0], Margins)
            assert type(arguments["constraints"][1]) is type(constraints[1])
            assert PROJECTION.what_if(**arguments).gap <= 1e-9


def test_nearest_of_kept_columns_is_kept_or_spelled_out():
    projection = EntropicProjection().fit(X.assign(twice=2.0 * X["age"]), predictions=RNG.random(N))
    with pytest.raises(InfeasibleTargetError) as caught:
        projection.what_if([Keep("twice", "sex"), Mean("age", 45.0)])
    assert projection.what_if(**caught.value.nearest).gap <= 1e-9
    assert projection.what_if(**caught.value.ranges).gap <= 1e-9


@pytest.mark.parametrize(
    ("make", "facts"),
    [
        (lambda: Margins({"sex": {"F": 0.5}}), ["Series or DataFrame of pandas", "pandas.crosstab", "dict"]),
        (lambda: Margins(pd.Series(dtype=float)), ["Series or DataFrame"]),
        (lambda: Margins(pd.Series({"F": 0.5, "M": 0.5})), ["name of a column", "rename_axis", "[None]"]),
        (
            lambda: solve(Margins(SEX.rename_axis("Sex"))),
            ["no column 'Sex'", "Did you mean 'sex'?"],
        ),
        (lambda: Margins(-SEX), ["hold -0.55", "'F'", "0 or more"]),
        (lambda: Margins(SEX * np.nan), ["'F'", "got nan", "number"]),
        (lambda: Margins(SEX * 0.5), ["sum to 0.5", "neither shares", "state a Proportion"]),
        (lambda: Margins(SEX.replace(0.55, "+0.1")), ["'+0.1'", "numbers of 0 or more"]),
        (lambda: Margins(pd.concat([SEX, SEX])), ["name ('F',) twice", "sex"]),
        (lambda: Margins(SEX, tolerance=0.1, penalty=1.0), ["tolerance and a penalty", "Keep one"]),
        (
            lambda: solve(Margins(pd.crosstab(X["sex"], X["job"], margins=True))),
            ["'All'", "column 'job'", "crosstab(margins=True)"],
        ),
        (lambda: solve(Margins(SEX), Margins(SEX)), ["proportion of sex = F", "stated twice"]),
        (lambda: solve(Margins(SEX), Proportion("sex", "F", 0.6)), ["proportion of sex = F", "twice", "0.6"]),
        (lambda: Keep(), ["Keep('age', 'sex')", "got ()"]),
        (lambda: Keep(["age"]), ["Keep('age', 'sex')", "(['age'],)"]),
        (lambda: solve(Keep("height")), ["no column 'height'"]),
    ],
)
def test_bad_margins_are_refused(make, facts):
    with refuses(ValueError, *facts):
        make()


def test_cell_without_rows_and_with_a_share_is_refused():
    X_ = X.assign(job=X["job"].where(X["sex"] == "F", "clerk"))
    projection = EntropicProjection().fit(X_, predictions=RNG.random(N))
    with refuses(ValueError, "No row has sex = M, job = farmer", "0.1", "share 0", "merge levels"):
        projection.what_if([Margins(CROSS)])
