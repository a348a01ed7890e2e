"""Constraints that make no sense are refused with what is wrong, what may be, and a way out."""

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    Correlation,
    Covariance,
    EntropicProjection,
    ErrorRate,
    ExpectedShortfall,
    FalsePositiveRate,
    InfeasibleTargetError,
    Mean,
    Prediction,
    Proportion,
    Quantile,
    SelectionRate,
    TruePositiveRate,
    Variance,
)
from agnostix.exceptions import DataError
from tests.messages import assert_states, refuses
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people()
Y = truth(X)
N = len(X)
PROJECTION = fit_projection(X, Y)
THREE = EntropicProjection().fit(
    X,
    np.array(list("abc"))[np.arange(N) % 3],
    predictions=pd.DataFrame(
        np.column_stack([0.6 * chance(X), 0.4 * chance(X), 1.0 - chance(X)]), columns=list("abc")
    ),
)
NUMBERS = EntropicProjection().fit(X, predictions=3.0 * chance(X))


@pytest.mark.parametrize(
    ("make", "facts"),
    [
        (lambda: Mean("age", "about 5"), ["'age'", "'about 5'", "'+5', '-5' or '*1.1'"]),
        (lambda: Mean("age", "5"), ["'age'", "got '5'", "'+5'"]),
        (lambda: Mean("age", "+"), ["'age'", "got '+'"]),
        (lambda: Mean("age", "+nan"), ["'age'", "got '+nan'"]),
        (lambda: Mean("age", np.inf), ["'age'", "got inf"]),
        (lambda: Mean("age", (1, 2, 3)), ["'age'", "pair (low, high)", "(1, 2, 3)"]),
        (lambda: Mean("age", None), ["'age'", "got None"]),
        (lambda: Mean("age", 50, tolerance=-1), ["tolerance of 'age'", "0 or more", "got -1"]),
        (lambda: Mean("age", 50, tolerance="wide"), ["tolerance of 'age'", "got 'wide'"]),
        (lambda: Mean("age", 50, tolerance=np.nan), ["tolerance of 'age'", "got nan"]),
        (lambda: Mean("age", (40, 50), tolerance=1), ["tolerance of 'age'", "(40, 50) is a range"]),
        (lambda: Mean("age", 50, penalty=0), ["penalty of 'age'", "above 0", "got 0"]),
        (lambda: Mean("age", 50, penalty=np.inf), ["penalty of 'age'", "got inf"]),
        (lambda: Mean("age", 50, tolerance=1, penalty=2), ["'age'", "tolerance and a penalty", "Keep one"]),
        (lambda: Mean("age", 50, where="sex"), ["where must map columns", "{'sex': 'Female'", "got 'sex'"]),
        (lambda: Mean("age", 50, where={}), ["where must map columns", "got {}"]),
        (lambda: Proportion("sex", {}), ["block of 'sex'", "Proportion('sex', {'Female': 0.5})"]),
        (lambda: Proportion("sex", {"Female": 0.5}, 0.5), ["block of 'sex'", "target=0.5"]),
        (lambda: Proportion("sex", {"Female": "half"}), ["'sex = Female'", "'half'"]),
        (lambda: Quantile("age", 1.0, 40), ["'age'", "above 0 and below 1", "q=1.0"]),
        (lambda: Quantile("age", "median", 40), ["'age'", "such as 0.5", "q='median'"]),
        (lambda: ExpectedShortfall("age", 0, 40), ["'age'", "above 0 and below 1", "q=0"]),
        (lambda: ExpectedShortfall("age", 0.9, 60, quantile=(1, 2)), ["held at one number", "(1, 2)"]),
        (lambda: ExpectedShortfall("age", 0.9, 60, quantile="x"), ["quantile", "got 'x'"]),
        (lambda: Variance("age", 100, mean="loose"), ["variance of age", "'held' or 'free'", "'loose'"]),
        (lambda: Covariance("age", "age", 3), ["covariance", "two columns", "'age' twice", "Variance"]),
        (lambda: Correlation("age", "age", 0.3), ["correlation", "two columns", "'age' twice"]),
        (lambda: Prediction(0.3, quantile=0.5, above=0.2), ["both quantile=0.5 and above=0.2", "for each"]),
        (lambda: Prediction(0.3, quantile=2), ["'prediction'", "q=2"]),
        (lambda: Prediction(0.3, above="high"), ["above=", "number", "'high'"]),
    ],
)
def test_constraint_is_refused_where_it_is_stated(make, facts):
    with refuses(ValueError, *facts):
        make()


@pytest.mark.parametrize(
    ("constraint", "facts"),
    [
        (Mean("Age", 50), ["no column 'Age'", "Did you mean 'age'?"]),
        (Mean("sex", 0.5), ["'sex'", "labels", "no average", "{'sex': {'Female': 0.5}}"]),
        (Quantile("sex", 0.5, 1), ["'sex'", "labels", "no average"]),
        (Variance("sex", 1), ["'sex'", "labels", "no average"]),
        (Correlation("age", "sex", 0.2), ["'sex'", "labels", "no average"]),
        (Correlation("age", "hour", 0.2), ["no column 'hour'", "Did you mean 'hours'?"]),
        (Mean("age", 50, where={"Sex": "Male"}), ["no column 'Sex'", "Did you mean 'sex'?"]),
        (Mean("age", 50, where={"sex": "male"}), ["'sex'", "no level 'male'", "'Female', 'Male'"]),
        (Mean("age", 50, where={"hours": (90, 99)}), ["No row meets where hours 90 to 99", "Widen"]),
        (Mean("age", 50, where={"hours": (99, 90)}), ["'hours'", "low <= high", "(99, 90)"]),
        (Mean("age", 50, where={"hours": (1, 2, 3)}), ["'hours'", "(1, 2, 3)"]),
        (Mean("age", 50, where={"hours": "long"}), ["'hours'", "holds numbers", "'long'"]),
        (
            Proportion("sex", "Female", 0.5, where={"sex": "Female"}),
            ["sex = Female is 1 in every row where sex = Female", "cannot be shifted"],
        ),
        (
            Proportion("sex", "Female", 0.5, where={"sex": "Male"}),
            ["sex = Female is 0 in every row where sex = Male"],
        ),
        (Proportion("sex", "Female", 1.5), ["proportion of sex = Female", "between 0 and 1", "1.5"]),
        (Proportion("sex", "Female", "*4"), ["proportion of sex = Female", "between 0 and 1"]),
        (Proportion("sex", "Other", 0.5), ["'sex'", "no level 'Other'"]),
        (Proportion("job", {"clerk": 0.7, "farmer": 0.6}), ["'job'", "sum to 1.3", "clerk 0.7, farmer 0.6"]),
        (
            Proportion("job", {"clerk": 0.7, "farmer": 0.6}, where={"sex": "Male"}),
            ["'job' where sex = Male sum to 1.3"],
        ),
        (
            Quantile("age", 0.5, 200),
            ["0.5 quantile of age", "cannot be 200", "run from", f"{X['age'].max():.6g}"],
        ),
        (Quantile("age", 0.5, (-9, -5)), ["cannot be from -9 to -5"]),
        (Variance("age", -1), ["variance of age", "0 or more", "-1"]),
        (Correlation("age", "hours", 1.2), ["correlation of age and hours", "-1", "1.2"]),
        (ExpectedShortfall("age", 0.9, 45), ["expected shortfall", "above the quantile", "Raise it"]),
        (SelectionRate(1.2), ["between 0 and 1", "1.2"]),
        (SelectionRate(0.3, positive="yes"), ["no class 'yes'", "0, 1"]),
        (SelectionRate(0.3, threshold="high"), ["threshold", "number", "'high'"]),
        (SelectionRate(0.3, threshold=2.0), ["0 in every row"]),
        (Prediction(0.3, output="2"), ["no output '2'", "outputs: 1"]),
        (Prediction(0.3, above=5.0), ["0 in every row"]),
    ],
    ids=str,
)
def test_constraint_is_refused_by_the_data(constraint, facts):
    with refuses(ValueError, *facts):
        PROJECTION.what_if([constraint])


def test_rate_among_no_rows_is_refused():
    X_ = X.assign(kind=np.where(Y == 1, "good", "bad"))
    projection = fit_projection(X_, Y)
    with refuses(DataError, "true positive rate", "no row where kind = bad", "class 1", "Widen where="):
        projection.what_if([TruePositiveRate(0.5, where={"kind": "bad"})])
    with refuses(DataError, "false positive rate", "no row where kind = good", "another class than 1"):
        projection.what_if([FalsePositiveRate(0.5, where={"kind": "good"})])


@pytest.mark.parametrize("rate", [SelectionRate, TruePositiveRate, FalsePositiveRate])
def test_positive_class_of_three_is_named(rate):
    with refuses(ValueError, "3 classes", "a, b, c", "positive='c'"):
        THREE.what_if([rate(0.3)])
    assert THREE.what_if([rate(0.3, positive="c")]).conditions["level"][0] == "c"


def test_rates_need_what_they_are_made_of():
    for one in (TruePositiveRate(0.5), FalsePositiveRate(0.5)):
        with refuses(DataError, "pass y", "fit"):
            NUMBERS.what_if([one])
    with refuses(ValueError, "without classes", "threshold=0.5"):
        NUMBERS.what_if([SelectionRate(0.5)])
    assert NUMBERS.what_if([SelectionRate(0.5, threshold=1.4)]).gap <= 1e-9
    with refuses(DataError, "error_rate", "classifier", "pass y to fit"):
        NUMBERS.what_if([ErrorRate(0.5)])


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (
            {"divergence": "hellinger"},
            ["'kullback_leibler', 'chi_square', 'empirical_likelihood'", "'hellinger'"],
        ),
        ({"divergence": None}, ["divergence", "got None"]),
        ({"divergence": ["chi_square"]}, ["divergence", "got ['chi_square']"]),
        ({"weight_bounds": (1.5, 3)}, ["weight_bounds", "low < 1 < high", "(1.5, 3)"]),
        ({"weight_bounds": (0.2, 0.9)}, ["weight_bounds", "(0.2, 0.9)"]),
        ({"weight_bounds": (-1, 3)}, ["weight_bounds", "(-1, 3)"]),
        ({"weight_bounds": 5}, ["weight_bounds", "two ratios", "got 5"]),
        ({"weight_bounds": ("a", 2)}, ["weight_bounds", "('a', 2)"]),
    ],
    ids=str,
)
def test_divergence_and_bounds_are_checked(options, facts):
    with refuses(ValueError, *facts):
        PROJECTION.what_if({"age": 45}, **options)


def test_shortfall_out_of_reach_says_how_far_it_goes():
    with pytest.raises(InfeasibleTargetError) as caught:
        PROJECTION.what_if([ExpectedShortfall("age", 0.5, 1000)])
    facts = ("No weights reach expected shortfall beyond the 0.5 quantile of age 1000", "goes up to")
    assert_states(str(caught.value), *facts)
    assert PROJECTION.what_if(**caught.value.nearest).gap <= 1e-9


def test_column_that_is_constant_is_no_obstacle_in_where():
    projection = fit_projection(X.assign(land="home"), Y)
    one = projection.what_if([Mean("age", 45, where={"land": "home"})])
    np.testing.assert_allclose(one.weights, PROJECTION.what_if({"age": 45}).weights, rtol=1e-8)


def test_rows_without_a_value_of_a_column_in_where_are_left_out():
    X_ = X.assign(sex=X["sex"].where(np.arange(N) % 4 > 0))
    projection = EntropicProjection(missing="omit").fit(X_, Y, predictions=chance(X))
    scenario = projection.what_if([Mean("age", 45, where={"sex": "Male"})])
    assert scenario.n_rows == X_["sex"].notna().sum()
    with pytest.warns(UserWarning, match="'sex' 75"):
        EntropicProjection().fit(X_, Y, predictions=chance(X)).what_if(
            [Mean("age", 45, where={"sex": "Male"})]
        )


def test_floor_and_cap_hold():
    scenario = PROJECTION.what_if({"age": 45}, weight_bounds=(0.5, 2.0))
    assert scenario.weights.min() >= 0.5 - 1e-9
    assert scenario.weights.max() <= 2.0 + 1e-9
    assert scenario.weights @ X["age"] / N == pytest.approx(45.0, rel=1e-9)
    assert scenario.max_weight == pytest.approx(scenario.weights.max())


@pytest.mark.parametrize("divergence", ["chi_square", "empirical_likelihood"])
def test_divergence_by_name_is_least(divergence):
    scenario = PROJECTION.what_if({"age": 44, "sex": {"Female": 0.4}}, divergence=divergence)
    assert scenario.divergence == divergence
    w = scenario.weights
    u = w - 1.0 if divergence == "chi_square" else 1.0 - 1.0 / w
    design = np.c_[np.ones(N), X["age"], X["sex"] == "Female"].astype(float)
    live = w > 0.0
    assert (u[~live] >= (design @ np.linalg.lstsq(design[live], u[live], rcond=None)[0])[~live]).all()
    design, u = design[live], u[live]
    left = u - design @ np.linalg.lstsq(design, u, rcond=None)[0]
    assert np.abs(left).max() < 1e-9
    assert w @ X["age"] / N == pytest.approx(44.0, rel=1e-10)
    assert scenario.kl > PROJECTION.what_if({"age": 44, "sex": {"Female": 0.4}}).kl
