"""explain_gap: what is compared, what cannot be, and what is said."""

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, GapExplanation, explain_gap
from agnostix.exceptions import DataError
from tests.messages import assert_states, refuses
from tests.what_if.drift.pairs import (
    UNKNOWN,
    chance,
    gaussian,
    left_over,
    line,
    linear,
    linear_pair,
    parts,
    people,
    people_pair,
)


@pytest.fixture(scope="module")
def pair():
    return people_pair(300)


@pytest.fixture(scope="module")
def error_gap(pair):
    return explain_gap(*pair, metric="error_rate")


def with_tables(pair_of_tables, **params):
    return people_pair(tables=pair_of_tables, **params)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"match": "deciles"},
        {"metric": "error_rate"},
        {"metric": "log_loss", "columns": ["age", "sex"]},
        {"metric": "selection_rate", "where": {"sex": "Female"}},
        {"metric": "false_positive_rate", "threshold": 0.4},
    ],
)
def test_parts_sum_to_gap(pair, options):
    gap = explain_gap(*pair, **options)
    assert left_over(gap) < 1e-12
    a, b, total = gap.totals["value"]
    assert b - a == pytest.approx(total, abs=1e-15)
    assert (gap.frame["status"] == "ok").all()
    assert ((gap.frame["low"] <= gap.frame["value"]) & (gap.frame["value"] <= gap.frame["high"])).all()


def test_totals_are_the_tables_own(pair):
    gap = explain_gap(*pair, metric="error_rate")
    for name, one in zip("AB", pair, strict=True):
        own = one.baseline(metric="error_rate").iloc[0]
        assert gap.totals.loc[name, "value"] == pytest.approx(own["value"])
        assert gap.totals.loc[name, "std_error"] == pytest.approx(own["std_error"], rel=1e-6)


def test_conditional_part_is_what_changed_in_the_outcome():
    """The outcome is 0.5 higher in B for the same columns, by which a model that is right in A is off."""
    tables = gaussian(600, np.zeros(3), seed=0), gaussian(600, [0.4, 0.0, 0.0], seed=1, change=0.5)
    A, B = (EntropicProjection().fit(X, y, predictions=y_mean(X)) for X, y in tables)
    gap = explain_gap(A, B, metric="mean_squared_error", columns=["a", "b"])
    own = line(gap, "conditional")
    assert own["low"] <= 0.25 <= own["high"]
    assert all(
        line(gap, part)["low"] <= 0.0 <= line(gap, part)["high"] for part in ("margin of a", "dependence")
    )


def y_mean(X):
    return X.to_numpy() @ np.array([1.5, 1.0, -0.7])


def test_outcome_without_model_has_conditional_part():
    tables = gaussian(300, np.zeros(3), seed=0), gaussian(300, [0.4, 0.0, 0.0], seed=1, change=0.7)
    A, B = (EntropicProjection().fit(X, pd.Series(y, name="wage")) for X, y in tables)
    gap = explain_gap(A, B)
    assert (gap.metric, gap.output) == ("outcome", "wage")
    assert line(gap, "conditional")["low"] <= 0.7 <= line(gap, "conditional")["high"]
    assert left_over(gap) < 1e-12


def test_predictions_have_no_conditional_part(pair):
    gap = explain_gap(*pair)
    assert gap.frame["kind"].tolist() == ["margin"] * 4 + ["dependence"]
    assert gap.ratio == {}


def test_ratio_says_how_it_did(error_gap):
    assert set(error_gap.ratio) == {"model", "regression", "auc", "ess", "clipped", "largest"}
    assert 0.5 < error_gap.ratio["auc"] < 0.8
    assert error_gap.ratio["largest"] == 20.0


def test_ratios_that_are_cut_are_counted():
    A, B = linear_pair(n=400, shift=(1.5, 0.0, 0.0))
    gap = explain_gap(A, B, metric="mean_squared_error", max_ratio=3.0)
    assert gap.ratio["clipped"] > 0
    assert_states(" ".join(gap.notes), f"{gap.ratio['clipped']:,} of 400", "3 times")


def test_group_is_compared_with_the_group():
    tables = people(400), people(400, True)
    A, B = with_tables(tables)
    gap = explain_gap(A, B, where={"sex": "Female", "hours": (30, 45)})
    inside = [X[(X["sex"] == "Female") & X["hours"].between(30, 45)] for X in tables]
    assert gap.n_rows == tuple(len(X) for X in inside)
    assert gap.totals["value"][:2].tolist() == pytest.approx([chance(X).mean() for X in inside])
    alone = explain_gap(*with_tables(inside))
    assert parts(gap)["margin of age"] == pytest.approx(parts(alone)["margin of age"])
    assert parts(gap)["margin of sex"] == 0.0
    assert_states(repr(gap), "sex = Female", "hours 30 to 45", f"{len(inside[0])} and {len(inside[1])} rows")


@pytest.mark.parametrize(("positive", "threshold"), [(None, None), (0, 0.6), ("1", 0.6)])
def test_rates_are_those_of_counts(positive, threshold):
    pair = people_pair(60)
    label = 0 if positive == 0 else 1
    for name in ("selection_rate", "true_positive_rate", "false_positive_rate"):
        gap = explain_gap(*pair, metric=name, columns="sex", positive=positive, threshold=threshold)
        for which, one in zip("AB", pair, strict=True):
            predictions = one.predictions_
            p = predictions.values[:, 0] if label else 1.0 - predictions.values[:, 0]
            chosen = p >= (0.5 if threshold is None else threshold)
            among = {
                "selection_rate": np.ones(p.size, dtype=bool),
                "true_positive_rate": predictions.truth == label,
                "false_positive_rate": predictions.truth != label,
            }[name]
            assert gap.totals.loc[which, "value"] == pytest.approx(chosen[among].mean())


def test_output_is_chosen_by_name():
    X, other = people(100), people(100, True)
    three = [np.column_stack([chance(T) / 2, chance(T) / 2, 1 - chance(T)]) for T in (X, other)]
    frames = [pd.DataFrame(p, columns=["low", "middle", "high"]) for p in three]
    A, B = (EntropicProjection().fit(T, predictions=p) for T, p in zip((X, other), frames, strict=True))
    assert explain_gap(A, B, columns="sex").output == "high"
    gap = explain_gap(A, B, columns="sex", output="low")
    assert gap.totals.loc["A", "value"] == pytest.approx(frames[0]["low"].mean())
    with refuses(ValueError, "lo", "low, middle, high", "Did you mean"):
        explain_gap(A, B, output="lo")


def apart(X, **columns):
    return X.assign(**columns)


def test_new_level_is_named_and_the_rest_goes_on():
    X, other = people(200), people(200, True)
    town = np.array(["north", "south"])[np.arange(200) % 2]
    A, B = with_tables((apart(X, town=town), apart(other, town=np.where(np.arange(200) < 50, "west", town))))
    gap = explain_gap(A, B, metric="error_rate")
    lost = line(gap, "margin of town")
    assert np.isnan(lost["value"])
    assert lost["status"] == "not determined"
    assert_states(lost["reason"], "west", "25.00%")
    assert_states(" ".join(gap.notes), "town is not determined", "west")
    assert gap.frame["value"].notna().sum() == 6
    assert left_over(gap) < 1e-12
    without = explain_gap(*with_tables((X, other)))
    with_town = explain_gap(*with_tables((apart(X, town=town), apart(other, town=["west"] * 200))))
    assert parts(with_town)["margin of age"] == pytest.approx(parts(without)["margin of age"])


@pytest.mark.parametrize(
    ("in_a", "in_b", "facts"),
    [
        (2019.0 + np.arange(200) % 2, 2024.0 + np.arange(200) % 2, ("2019 to 2020", "no value of B")),
        (np.arange(200.0), np.arange(200.0) + 150.0, ("0 to 199", "249.5")),
        (np.full(200, 3.0), np.arange(200) % 7.0, ("every row of A has 3",)),
        (np.arange(200.0), np.where(np.arange(200) < 30, np.nan, 5.0), ("15.00%", "none of A")),
    ],
)
def test_ranges_that_do_not_meet_are_named(in_a, in_b, facts):
    A, B = with_tables((apart(people(200), year=in_a), apart(people(200, True), year=in_b)))
    gap = explain_gap(A, B)
    assert_states(line(gap, "margin of year")["reason"], *facts)
    assert np.isnan(line(gap, "margin of year")["low"])
    assert gap.frame["value"].notna().sum() == 5
    assert left_over(gap) < 1e-12


def test_decile_that_a_lacks_is_named():
    A, B = with_tables(
        (apart(people(200), x=np.arange(200.0)), apart(people(200, True), x=np.arange(200.0) - 60))
    )
    assert line(explain_gap(A, B), "margin of x")["status"] == "ok"
    gap = explain_gap(A, B, match="deciles")
    assert_states(line(gap, "margin of x")["reason"], "proportion up to -41", "0.1")


def test_variance_that_a_cannot_have_is_named():
    inside, outside = np.tile([0.0, 1.0], 100), np.tile([-2.0, 3.0], 100)
    A, B = with_tables((apart(people(200), x=inside), apart(people(200, True), x=outside)))
    assert line(explain_gap(A, B), "margin of x")["status"] == "ok"
    assert_states(line(explain_gap(A, B, match="variances"), "margin of x")["reason"], "mean square", "6.25")


def test_tables_that_do_not_overlap_have_one_part_for_the_rest():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})
    far = pd.DataFrame({"a": rng.normal(2.0, 0.02, size=300), "b": rng.normal(size=300)})
    y, p = rng.normal(size=300), np.zeros(300)
    A, B = (EntropicProjection().fit(T, y, predictions=p) for T in (X, far))
    gap = explain_gap(A, B, metric="mean_squared_error", columns="b", max_ratio=1e6)
    assert gap.frame["kind"].tolist() == ["margin", "rest", "dependence", "conditional"]
    assert gap.frame["status"].tolist()[2:] == ["not determined"] * 2
    assert_states(line(gap, "conditional")["reason"], "effective rows", "AUC")
    assert left_over(gap) < 1e-12


def test_coalitions_out_of_reach_are_counted_named_and_taken_as_far_as_they_go():
    """A's rows have a + b <= 1; B wants 0.8 of both, each of which A can have alone."""
    corners = pd.DataFrame({"a": [0.0, 1.0, 0.0, 0.1], "b": [0.0, 0.0, 1.0, 0.1]})
    X = pd.concat([corners.assign(c=c) for c in (0.0, 1.0)] * 25, ignore_index=True)
    other = pd.DataFrame({"a": np.full(100, 0.8), "b": np.full(100, 0.8), "c": np.arange(100) % 2.0})
    other.loc[0, ["a", "b"]] = 0.79, 0.81
    A, B = (EntropicProjection().fit(T, predictions=T["a"] + 2 * T["b"]) for T in (X, other))
    gap = explain_gap(A, B)
    assert set(gap.unreached["columns"]) == {("a", "b"), ("a", "b", "c")}
    # From the mean (.275, .275) to (.8, .8): the sum is 1 after (1 - .55) / (1.6 - .55) of the way.
    assert gap.unreached["reached"].iloc[0] == pytest.approx(0.99 * 0.45 / 1.05, rel=1e-3)
    assert (gap.frame["status"] == "relaxed").all()
    assert_states(" ".join(gap.notes), "2 of 8", "a, b")
    assert left_over(gap) < 1e-12
    assert gap.frame["std_error"].notna().all()


def test_level_that_b_lacks_is_at_the_boundary():
    X, other = people(300), people(300, True)
    A, B = with_tables((X, other[other["job"] != "farmer"].reset_index(drop=True)))
    gap = explain_gap(A, B)
    assert line(gap, "margin of job")["status"] == "boundary"
    assert gap.statistics.query("statistic == 'proportion of farmer'")["matched"].item() == pytest.approx(0.0)
    assert left_over(gap) < 1e-12


def test_rare_levels_are_matched_together_and_named():
    X, other = people(300), people(300, True)
    town = np.repeat(["north", "south"], 150)
    own, its = town.astype(object), town.astype(object)
    own[:3], own[3:6], its[:2] = "hamlet", "farm", "isle"
    A, B = with_tables((apart(X, town=own), apart(other, town=its)))
    gap = explain_gap(A, B)
    assert line(gap, "margin of town")["status"] == "ok"
    assert np.isfinite(line(gap, "margin of town")["std_error"])
    assert_states(" ".join(gap.notes), "town", "farm or hamlet or isle")


def test_columns_that_are_equal_everywhere_explain_nothing():
    A, B = with_tables((apart(people(100), unit=1.0, kind="x"), apart(people(100, True), unit=1.0, kind="x")))
    gap = explain_gap(A, B)
    for name in ("unit", "kind"):
        own = line(gap, f"margin of {name}")
        assert (own["value"], own["std_error"], own["status"]) == (0.0, 0.0, "ok")
        assert_states(own["reason"], "one value")


@pytest.mark.parametrize(
    ("values", "fact"), [(pd.Timestamp("2020-01-01"), "dates"), ([[1, 2]] * 100, "lists")]
)
def test_dates_and_lists_are_not_determined(values, fact):
    A, B = with_tables((apart(people(100), other=values), apart(people(100, True), other=values)))
    own = line(explain_gap(A, B), "margin of other")
    assert own["status"] == "not determined"
    assert_states(own["reason"], fact)


def test_columns_that_one_table_lacks_are_left_out_and_named():
    A, B = with_tables((people(100).assign(only_a=1.0), people(100, True).assign(only_b=2.0)))
    gap = explain_gap(A, B)
    assert "only_a" not in set(gap.frame["column"])
    assert_states(" ".join(gap.notes), "only_a", "only_b")


def test_equal_tables_have_no_gap():
    A, B = with_tables((people(100), people(100)))
    gap = explain_gap(A, B)
    np.testing.assert_allclose(gap.frame["value"], 0.0, atol=1e-9)
    assert not gap.frame["moved"].eq(True).any()


def test_result_is_the_same_for_any_order_of_rows_and_number_of_threads(pair, error_gap):
    rng = np.random.default_rng(0)
    shuffled = []
    for X, k in ((people(300), 0), (people(300, True), 1)):
        y = (np.random.default_rng([0, 7, k]).random(len(X)) < chance(X)).astype(int)
        order = rng.permutation(len(X))
        shuffled.append(EntropicProjection().fit(X.iloc[order], y[order], predictions=chance(X)[order]))
    other = explain_gap(*shuffled, metric="error_rate", n_jobs=2)
    pd.testing.assert_frame_equal(error_gap.frame, other.frame, check_exact=True)
    pd.testing.assert_frame_equal(error_gap.totals, other.totals, check_exact=True)


def test_arrays_of_polars_and_pandas_give_the_same():
    pl = pytest.importorskip("polars")
    tables = people(100).drop(columns="age"), people(100, True).drop(columns="age")
    both = []
    for convert in (lambda X: X, pl.from_pandas):
        p = [0.5 + 0.01 * (X["hours"].to_numpy() - 38) for X in tables]
        A, B = (EntropicProjection().fit(convert(X), predictions=q) for X, q in zip(tables, p, strict=True))
        both.append(explain_gap(A, B).frame)
    pd.testing.assert_frame_equal(*both)


def test_weights_count_as_repeated_rows():
    tables = gaussian(60, np.zeros(3), seed=0)[0], gaussian(60, [0.3, 0, 0], seed=1)[0]
    counts = [np.random.default_rng(k).integers(1, 4, 60) for k in range(2)]
    weighted = [
        EntropicProjection().fit(X, None, n, predictions=np.exp(linear(X)))
        for X, n in zip(tables, counts, strict=True)
    ]
    repeated = [X.loc[X.index.repeat(n)].reset_index(drop=True) for X, n in zip(tables, counts, strict=True)]
    plain = [EntropicProjection().fit(X, predictions=np.exp(linear(X))) for X in repeated]
    one, other = parts(explain_gap(*weighted)), parts(explain_gap(*plain))
    assert one == pytest.approx(other, abs=1e-8)


def test_sampled_orders_have_an_error_of_their_own(pair):
    exact = explain_gap(*pair).frame.set_index("part")
    gap = explain_gap(*pair, n_orders=6, random_state=3)
    own = gap.frame.set_index("part").loc[exact.index]
    assert (own["sampling_error"][:4] > 0.0).all()
    assert exact["sampling_error"].eq(0.0).all()
    # Such an order is exact for pairs, so that little is left to sample.
    assert (abs(own["value"] - exact["value"])[:4] <= 5 * own["sampling_error"][:4] + 1e-12).all()
    assert (own["std_error"][:4] >= own["sampling_error"][:4]).all()
    assert_states(" ".join(gap.notes), "sampled")
    assert left_over(gap) < 1e-12
    again = explain_gap(*pair, n_orders=6, random_state=3)
    pd.testing.assert_frame_equal(gap.frame, again.frame, check_exact=True)


def test_more_than_twelve_columns_are_sampled():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 14)), columns=[f"x{j}" for j in range(14)])
    A, B = (EntropicProjection().fit(T, predictions=np.tanh(T.sum(axis=1))) for T in (X, X + 0.1))
    gap = explain_gap(A, B, n_orders=4)
    assert gap.n_coalitions < 4 * 14
    assert len(gap.frame) == 15
    assert left_over(gap) < 1e-12


def test_row_that_decides_alone_leaves_no_error():
    X = pd.DataFrame({"a": np.r_[np.zeros(39), 1.0], "b": np.arange(40) % 5.0})
    other = pd.DataFrame({"a": np.r_[np.zeros(30), np.ones(10)], "b": np.arange(40) % 5.0})
    A, B = (EntropicProjection().fit(T, predictions=T["a"] + T["b"]) for T in (X, other))
    gap = explain_gap(A, B)
    assert np.isinf(line(gap, "margin of a")["std_error"])
    assert left_over(gap) < 1e-12


@pytest.mark.parametrize(
    ("options", "error", "facts"),
    [
        ({"match": "quartiles"}, ValueError, ("match", "'means', 'variances', 'deciles'", "'quartiles'")),
        ({"n_orders": 2}, ValueError, ("n_orders", "4 or more", "2")),
        ({"n_orders": 8.5}, ValueError, ("n_orders", "8.5")),
        ({"max_ratio": 0.5}, ValueError, ("max_ratio", "above 1", "0.5")),
        ({"confidence_level": 95}, ValueError, ("confidence_level", "95")),
        ({"columns": []}, ValueError, ("columns", "empty")),
        ({"columns": ["aeg"]}, ValueError, ("'aeg'", "Did you mean 'age'")),
        ({"where": {"sex": "Divers"}}, ValueError, ("sex", "Divers", "'Female'")),
        ({"where": "sex"}, ValueError, ("where", "{'sex': 'Female'")),
        ({"where": {"age": (300, 400)}}, DataError, ("table A", "age 300 to 400")),
        ({"where": {"age": (38.9, 39.1), "sex": "Male"}}, DataError, ("Table A", "at least 10")),
        ({"metric": "roc_auc"}, ValueError, ("roc_auc", "means over rows", "'error_rate'")),
        ({"metric": "f1"}, ValueError, ("f1", "means over rows")),
        ({"metric": "error_rate", "output": "1"}, ValueError, ("output=", "error_rate")),
        ({"metric": "error_rate", "positive": 1}, ValueError, ("positive=", "selection_rate")),
        ({"threshold": 0.5}, ValueError, ("threshold=", "selection_rate")),
        ({"metric": "selection_rate", "positive": 2}, ValueError, ("no class 2", "0, 1")),
        ({"metric": "selection_rate", "threshold": "high"}, ValueError, ("threshold", "'high'")),
    ],
)
def test_wrong_parameters_are_refused(pair, options, error, facts):
    with refuses(error, *facts):
        explain_gap(*pair, **options)


def test_projections_that_cannot_be_compared_are_refused(pair):
    A, _ = pair
    with refuses(TypeError, "B", "fitted EntropicProjection", "DataFrame"):
        explain_gap(A, people(20))
    other = EntropicProjection().fit(people(50), np.arange(50.0))
    with refuses(DataError, "B has no predictions"):
        explain_gap(A, other)
    named = EntropicProjection().fit(people(50), predictions=pd.DataFrame({"risk": chance(people(50))}))
    with refuses(DataError, "risk", "same model"):
        explain_gap(A, named)
    foreign = EntropicProjection().fit(
        np.ones((50, 1)) * np.arange(50)[:, None], predictions=chance(people(50))
    )
    mine = EntropicProjection().fit(people(50), predictions=chance(people(50)))
    with refuses(DataError, "no column in common", "age", "x0"):
        explain_gap(mine, foreign)
    as_text = EntropicProjection().fit(people(50).assign(age="old"), predictions=chance(people(50)))
    with refuses(DataError, "'age'", "labels in B", "to_numeric"):
        explain_gap(mine, as_text)
    with refuses(DataError, "false positive rates", "pass y"):
        explain_gap(mine, mine, metric="true_positive_rate", threshold=0.5)
    with refuses(ValueError, "without classes", "threshold=0.5"):
        explain_gap(mine, mine, metric="selection_rate")
    gap = explain_gap(mine, mine, metric="selection_rate", threshold=0.5)
    assert gap.totals.loc["A", "value"] == pytest.approx((chance(people(50)) >= 0.5).mean())
    with refuses(DataError, "selection_rate", "needs predictions"):
        explain_gap(other, other, metric="selection_rate")


def test_unfitted_projection_is_refused(pair):
    with pytest.raises(Exception, match="not fitted"):
        explain_gap(pair[0], EntropicProjection())


def test_remedy_of_new_level_works():
    """Merging the level into another, as the message's reason suggests, determines the part."""
    X, other = people(200), people(200, True)
    town = np.array(["north", "south"])[np.arange(200) % 2]
    its = np.where(np.arange(200) < 50, "west", town)
    A, B = with_tables((apart(X, town=town), apart(other, town=np.where(its == "west", "south", its))))
    assert line(explain_gap(A, B), "margin of town")["status"] == "ok"


def test_two_models_are_noted():
    from sklearn.linear_model import LinearRegression

    X, y = gaussian(50, np.zeros(3))
    models = [LinearRegression().fit(X, y) for _ in range(2)]
    one, other = (EntropicProjection(model).fit(X, y) for model in models)
    assert_states(" ".join(explain_gap(one, other).notes), "two model objects")
    same = explain_gap(one, EntropicProjection(models[0]).fit(X + 0.1, y))
    assert "two model" not in " ".join(same.notes)


def test_text_and_html_name_the_parts(error_gap):
    assert isinstance(error_gap, GapExplanation)
    text = repr(error_gap)
    assert_states(text, "error_rate", "margin of age", "conditional", "Matched: means")
    html = error_gap._repr_html_()
    assert_states(html, "margin of age", "conditional", "Matched")
    assert html.count("<tr>") == 1 + len(error_gap.frame)
    frame = error_gap.to_frame()
    frame["value"] = 0.0
    assert (error_gap.frame["value"] != 0.0).any()


@pytest.mark.slow
def test_intervals_hold_dependence_and_conditional_part():
    """Squared errors of a model whose slopes are off, with another correlation and another outcome in B."""

    def mean_error(mean, rho, change):
        sigma = np.full((3, 3), rho) + (1.0 - rho) * np.eye(3)
        return UNKNOWN @ sigma @ UNKNOWN + (mean @ UNKNOWN + change) ** 2 + 1.0

    shift, zero = np.array([0.4, 0.0, 0.0]), np.zeros(3)
    # In a normal law the other means go along with those that are matched, which are all.
    truth = [mean_error(shift, 0.5, 0.0) - mean_error(shift, 0.2, 0.0)]
    truth.append(mean_error(shift, 0.5, 0.6) - mean_error(shift, 0.5, 0.0))
    hits = []
    for seed in range(30):
        tables = gaussian(500, zero, 0.2, seed), gaussian(500, shift, 0.5, seed + 500, 0.6)
        A, B = (EntropicProjection().fit(X, y, predictions=linear(X)) for X, y in tables)
        own = explain_gap(A, B, metric="mean_squared_error", n_jobs=2).frame.set_index("part")
        own = own.loc[["dependence", "conditional"]]
        hits.append((own["low"] <= truth) & (truth <= own["high"]))
    assert (np.mean(hits, axis=0) >= 0.92 - 2 * np.sqrt(0.05 * 0.95 / 30)).all()
