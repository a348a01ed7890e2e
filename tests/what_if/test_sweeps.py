import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from agnostix import EntropicProjection, as_predictor
from tests.reference.what_if import effective_rows, slope_by_difference
from tests.what_if.doubles import chance, fit_projection, people, select_rows, truth

X = people()
N = len(X)
Y = truth(X)
METRICS = ["prediction", "accuracy", "log_loss", "brier_score", "roc_auc"]
SAME = ("value", "std_error", "low", "high")


def assert_row_is_scenario(row, scenario, rel=1e-8):
    outcome = select_rows(scenario.outcomes, quantity=row["quantity"], output=row["output"]).iloc[0]
    for name in SAME:
        assert row[name] == pytest.approx(outcome[name], rel=rel, abs=1e-12), name
    for name in ("kl", "ess", "max_weight"):
        assert row[name] == pytest.approx(getattr(scenario, name), rel=rel, abs=1e-12), name
    assert row["status"] == scenario.status


@pytest.mark.parametrize("n", [300, 6000], ids=["rows", "nodes"])
@pytest.mark.parametrize("target", [32.0, 40.5, 47.0, 58.0])
def test_curve_of_number_matches_what_if(n, target):
    X = people(n)
    projection = fit_projection(X, truth(X))
    curves = projection.explain(targets={"age": [target]}, metric=METRICS).frame
    scenario = projection.what_if({"age": target}, metric=METRICS)
    assert len(curves) == len(METRICS)
    for _, row in curves.iterrows():
        assert_row_is_scenario(row, scenario)


@pytest.mark.parametrize(
    ("feature", "level", "share"),
    [("job", "farmer", 0.05), ("job", "farmer", 0.6), ("sex", "Male", 0.5), ("member", True, 0.9)],
)
def test_curve_of_level_matches_what_if(feature, level, share):
    projection = fit_projection(X, Y)
    curves = projection.explain(targets={feature: {level: [share]}}, metric=METRICS).frame
    scenario = projection.what_if({feature: {level: share}}, metric=METRICS)
    for _, row in curves.iterrows():
        assert_row_is_scenario(row, scenario)
        assert row["level"] == level
        assert row["target"] == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("target", [0.0, 6000.0])
def test_curve_of_zero_inflated_number_matches_what_if(target):
    projection = fit_projection(X)
    row = projection.explain(targets={"gain": target}).frame.iloc[0]
    assert_row_is_scenario(row, projection.what_if({"gain": target}))


def test_curve_of_value_of_number_matches_what_if():
    projection = fit_projection(X)
    row = projection.explain(targets={"gain": {0: [0.7]}}).frame.iloc[0]
    scenario = projection.what_if({"gain": {0: 0.7}})
    assert_row_is_scenario(row, scenario)
    assert scenario.weights[X["gain"] == 0].sum() / N == pytest.approx(0.7, abs=1e-10)


@pytest.mark.parametrize(
    "weight", [None, np.random.default_rng(5).uniform(0.1, 2.0, N)], ids=["equal", "own"]
)
def test_curve_of_proportion_is_straight_line(weight):
    projection = fit_projection(X, weight=weight)
    shares = np.linspace(0.02, 0.98, 9)
    values = projection.explain(targets={"sex": {"Female": shares}}).frame["value"]
    women, w = X["sex"] == "Female", np.ones(N) if weight is None else weight
    inside, outside = (np.average(chance(X)[rows], weights=w[rows]) for rows in (women, ~women))
    np.testing.assert_allclose(values, shares * inside + (1 - shares) * outside, rtol=1e-10)


def test_curve_slope_of_proportion_is_difference_of_means():
    curves = fit_projection(X).explain(targets={"sex": {"Female": [0.2, 0.6]}}).frame
    women = X["sex"] == "Female"
    expected = chance(X)[women].mean() - chance(X)[~women].mean()
    np.testing.assert_allclose(curves["slope"], expected, rtol=1e-9)


@pytest.mark.parametrize(
    "weight", [None, np.random.default_rng(5).uniform(0.1, 2.0, N)], ids=["equal", "own"]
)
def test_curve_passes_through_baseline(weight):
    metrics = [*METRICS, accuracy_score]
    projection = fit_projection(X, Y, weight, n_targets=5)
    curves = projection.explain(metric=metrics, features=["age", "gain", "job"]).frame
    still = curves[curves["tau"] == 0.0]
    own = projection.baseline(metric=metrics).set_index("quantity")["value"]
    assert len(still) == len(metrics) * 5
    np.testing.assert_allclose(still["value"], own[still["quantity"]], rtol=1e-12)
    np.testing.assert_allclose(still["kl"], 0.0, atol=1e-13)
    assert (still["status"] == "ok").all()


@pytest.mark.parametrize("seed", [28, 147, 180, 195])
def test_curve_at_mean_is_not_thin_by_rounding(seed):
    rng = np.random.default_rng(seed)  # of these, some rows gain 1e-16 at the mean
    x = rng.normal(size=(int(rng.integers(100, 3000)), 1))
    curves = EntropicProjection(n_targets=3).fit(x, predictions=rng.random(len(x))).explain().frame
    assert (curves.loc[curves["tau"] == 0.0, "status"] == "ok").all()


def test_curves_of_binary_probabilities_mirror_each_other():
    both = np.column_stack([1.0 - chance(X), chance(X)])
    curves = EntropicProjection(n_targets=7).fit(X, Y, predictions=both).explain().frame
    no, yes = (select_rows(curves, output=name).reset_index(drop=True) for name in ("0", "1"))
    np.testing.assert_allclose(no["value"], 1.0 - yes["value"], rtol=1e-12)
    np.testing.assert_allclose(no["std_error"], yes["std_error"], rtol=1e-9)
    np.testing.assert_allclose(no["slope"], -yes["slope"], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(no["low"], 1.0 - yes["high"], rtol=1e-9)


def test_curve_of_constant_model_is_flat_without_error():
    projection = EntropicProjection(as_predictor(lambda X: np.full(len(X), 0.3)), n_targets=5).fit(X)
    curves = projection.explain().frame
    assert (curves["value"] == 0.3).all()
    assert (curves["std_error"] == 0.0).all()
    assert (curves["slope"].fillna(0.0) == 0.0).all()
    assert (projection.rank()["change"] == 0.0).all()
    assert projection.what_if({"age": 50}).outcomes["change"][0] == 0.0


def test_curve_of_column_itself_follows_target():
    for n in (300, 6000):
        X = people(n)
        projection = EntropicProjection(n_targets=9).fit(X, predictions=2.0 * X["age"] + 1.0)
        curves = projection.explain(features="age").frame
        np.testing.assert_allclose(curves["value"], 2.0 * curves["target"] + 1.0, rtol=1e-10)
        np.testing.assert_allclose(curves["slope"], 2.0, rtol=1e-8)
        assert (curves["std_error"] < 1e-7 * X["age"].std()).all()


@pytest.mark.parametrize("metric", ["prediction", "accuracy", "brier_score", "roc_auc"])
@pytest.mark.parametrize("target", [36.0, 46.0])
def test_curve_slope_is_derivative(metric, target):
    projection = fit_projection(X, Y)

    def value(at):
        return projection.explain(targets={"age": [at]}, metric=metric).frame["value"][0]

    slope = projection.explain(targets={"age": [target]}, metric=metric).frame["slope"][0]
    assert slope == pytest.approx(slope_by_difference(value, target, 0.05), rel=1e-6)


def test_curve_beyond_range_is_infeasible_and_nan():
    curves = fit_projection(X, Y).explain(
        targets={"age": [45.0, 500.0, -3.0], "job": {"clerk": [1.5]}}, metric=["prediction", "roc_auc"]
    )
    frame = curves.frame
    beyond = frame["status"] == "infeasible"
    assert frame.loc[beyond, "target"].tolist() == pytest.approx([500.0, -3.0, 500.0, -3.0, 1.5, 1.5])
    numbers = ["value", "std_error", "low", "high", "slope", "kl", "ess", "max_weight"]
    assert frame.loc[beyond, numbers].isna().all(axis=None)
    assert frame.loc[~beyond, numbers].notna().all(axis=None)


def test_curve_at_extreme_is_boundary():
    top = X["age"].idxmax()
    row = fit_projection(X).explain(targets={"age": [X["age"].max()]}).frame.iloc[0]
    assert row["status"] == "boundary"
    assert row["value"] == pytest.approx(chance(X)[top])
    assert row["ess"] == pytest.approx(1.0)
    assert row["kl"] == pytest.approx(np.log(N))
    assert np.isnan(row["slope"])


def test_status_of_rare_level_raised_tenfold_is_thin():
    X = people(3000)
    X["job"] = np.where(np.arange(3000) < 6, "pilot", X["job"])
    curves = fit_projection(X).explain(targets={"job": {"pilot": [0.02]}}).frame.iloc[0]
    scenario = fit_projection(X).what_if({"job": {"pilot": 0.02}})
    for ess, status in ((curves["ess"], curves["status"]), (scenario.ess, scenario.status)):
        assert ess > 0.2 * 3000
        assert status == "thin"


def test_status_thin_below_min_ess_fraction():
    X = people(3000)
    far = X["age"].mean() + 1.4 * X["age"].std()
    for fraction, status in ((0.2, "thin"), (0.05, "ok")):
        projection = fit_projection(X, min_ess_fraction=fraction)
        assert projection.explain(targets={"age": [far]}).frame["status"][0] == status
        assert projection.what_if({"age": far}).status == status


def test_confidence_level_widens_intervals():
    narrow, wide = (
        fit_projection(X, Y, confidence_level=level, n_targets=5).explain(features="age").frame
        for level in (0.8, 0.99)
    )
    assert ((wide["high"] - wide["low"]) > (narrow["high"] - narrow["low"])).all()
    np.testing.assert_array_equal(wide["std_error"], narrow["std_error"])


def test_intervals_of_proportions_stay_in_0_1():
    curves = fit_projection(X, Y, confidence_level=0.9999999).explain(metric=["accuracy", "roc_auc"]).frame
    assert curves["low"].min() >= 0.0
    assert curves["high"].max() <= 1.0
    assert (curves["high"] == 1.0).any()


def test_explain_by_group_matches_rows_alone():
    curves = fit_projection(X, Y, n_targets=5).explain(by="sex", metric=["prediction", "accuracy"])
    assert set(curves.frame["group"]) == {"Female", "Male"}
    assert "sex" not in set(curves.frame["feature"])
    for sex in ("Female", "Male"):
        rows = (X["sex"] == sex).to_numpy()
        alone = fit_projection(X[rows], Y[rows], n_targets=5).explain(metric=["prediction", "accuracy"])
        result = select_rows(curves.frame, group=sex).drop(columns="group").reset_index(drop=True)
        expected = alone.frame.drop(columns="group")
        pd.testing.assert_frame_equal(result, expected, rtol=1e-7, check_dtype=False)
        histogram = curves.distributions[curves.distributions["group"] == sex]
        np.testing.assert_allclose(histogram["share"], alone.distributions["share"])


def test_explain_by_number_or_boolean_keeps_values():
    X_ = X.assign(decade=(X["age"] // 20).astype(int))
    assert sorted(set(fit_projection(X_).explain(features="hours", by="member").frame["group"])) == [
        False,
        True,
    ]
    groups = set(fit_projection(X_).explain(features="hours", by="decade").frame["group"])
    assert groups == set(X_["decade"].value_counts()[lambda count: count > 1].index)


def test_explain_by_skips_column_constant_in_group():
    X_ = X.assign(hours=np.where(X["sex"] == "Male", X["hours"], 20.0))
    curves = fit_projection(X_, n_targets=3).explain(by="sex")
    assert curves.skipped == (("hours", "Female", "it is constant: every row has 20"),)
    assert set(select_rows(curves.frame, feature="hours")["group"]) == {"Male"}
    asked_for = fit_projection(X_, n_targets=3).explain(by="sex", features=["hours"])
    assert asked_for.skipped == curves.skipped


def test_explain_by_skips_group_of_one_row():
    X_ = X.assign(job=np.where(np.arange(N) == 4, "pilot", X["job"]))
    curves = fit_projection(X_, n_targets=3).explain(by="job", features="age")
    assert curves.skipped == (("job", "pilot", "the group has a single row"),)
    assert set(curves.frame["group"]) == {"clerk", "farmer", "teacher"}


def test_explain_by_omits_level_absent_from_group():
    X_ = X[~((X["sex"] == "Male") & (X["job"] == "farmer"))]
    curves = fit_projection(X_, n_targets=3).explain(by="sex", features="job").frame
    assert set(select_rows(curves, group="Male")["level"]) == {"clerk", "teacher"}
    assert set(select_rows(curves, group="Female")["level"]) == {"clerk", "farmer", "teacher"}
    shares = fit_projection(X_).explain(by="sex", targets={"job": {"farmer": [0.5]}}).frame
    assert shares["group"].tolist() == ["Female"]


def test_explain_by_counts_levels_within_group():
    rng = np.random.default_rng(0)
    town = np.where(np.arange(N) < 40, "small", rng.choice([f"town {j:02d}" for j in range(30)], N))
    X_ = X.assign(town=town, early=np.where(np.arange(N) < 44, "yes", "no"))
    curves = fit_projection(X_, n_targets=3).explain(by="early")
    assert select_rows(curves.frame, feature="town", group="yes").shape[0] > 0
    assert curves.skipped == ()


@pytest.mark.parametrize("n", [300, 6000], ids=["rows", "nodes"])
@pytest.mark.parametrize("kl", [0.1, 0.02, 1.4])
def test_rank_moves_all_columns_to_same_kl(kl, n):
    X = people(n)
    projection = fit_projection(X)
    ranking = projection.rank(kl)
    assert len(ranking) == 2 * (3 + 2 + 3 + 2)
    reached = ranking["status"] != "boundary"
    np.testing.assert_allclose(ranking.loc[reached, "kl"], kl, rtol=1e-9)
    assert (ranking.loc[~reached, "kl"] < kl).all()
    assert (
        np.sign(ranking["target"] - ranking["start"]) == ranking["direction"].map({"up": 1, "down": -1})
    ).all()
    np.testing.assert_allclose(ranking["change"], ranking["value"] - ranking["base"], atol=1e-15)


def test_rank_row_matches_what_if():
    projection = fit_projection(X, Y)
    ranking = projection.rank(0.2, metric=["prediction", "roc_auc"], simultaneous=False)
    for feature, level in (("age", None), ("gain", None), ("job", "farmer")):
        for _, row in select_rows(ranking, feature=feature, level=level).iterrows():
            target = row["target"] if level is None else {level: row["target"]}
            outcomes = projection.what_if({feature: target}, metric="roc_auc").outcomes
            outcome = select_rows(outcomes, quantity=row["quantity"]).iloc[0]
            for name in ("base", "value", "low", "high", "change"):
                assert row[name] == pytest.approx(outcome[name], rel=1e-6, abs=1e-12), name


def test_rank_is_boundary_if_extreme_is_nearer_than_kl():
    X_ = X.assign(member=np.arange(N) < 0.8 * N)
    ranking = select_rows(fit_projection(X_).rank(0.5, features="member"), level=True, direction="up")
    assert ranking["status"].tolist() == ["boundary"]
    assert ranking["target"].iloc[0] == pytest.approx(1.0)
    assert ranking["kl"].iloc[0] == pytest.approx(-np.log(0.8))


@pytest.mark.parametrize("n", [300, 6000], ids=["rows", "nodes"])
def test_rank_beyond_any_row_rests_on_extreme_row(n):
    X = people(n)
    ranking = fit_projection(X).rank(50.0, features="age")
    assert ranking["status"].tolist() == ["boundary", "boundary"]
    np.testing.assert_allclose(ranking["target"], [X["age"].min(), X["age"].max()])
    np.testing.assert_allclose(ranking["kl"], np.log(n))


@pytest.mark.parametrize("n", [300, 10_000], ids=["rows", "nodes"])
@pytest.mark.parametrize("short", [1e-3, 1e-6])
def test_rank_kl_just_below_extreme_is_reached(n, short):
    rng = np.random.default_rng(0)
    x, y = rng.standard_t(2, n), rng.random(n)
    kl = np.log(n) - short
    ranking = EntropicProjection().fit(x[:, None], predictions=y).rank(kl)
    assert ranking["status"].tolist() == ["thin", "thin"]
    np.testing.assert_allclose(ranking["kl"], kl, rtol=1e-9)
    np.testing.assert_allclose(ranking["value"], y[[x.argmin(), x.argmax()]], atol=short)


def test_rank_simultaneous_intervals_are_wider():
    together, single = (fit_projection(X).rank(simultaneous=both) for both in (True, False))
    inside = (together["change_low"] < single["change_low"]) & (
        together["change_high"] > single["change_high"]
    )
    assert inside.all()
    np.testing.assert_array_equal(together["std_error"], single["std_error"])
    alone = fit_projection(X).rank(features=["age"])
    age = select_rows(together, feature="age").reset_index(drop=True)
    assert (alone["change_high"] < age["change_high"]).all()


@pytest.mark.parametrize("by", [None, "sex"])
def test_rank_orders_features_by_largest_change(by):
    metric = ["prediction", "accuracy"]
    ranking = fit_projection(X, Y).rank(metric=metric, by=by)
    for _, part in ranking.groupby(["quantity", "group"], dropna=False):
        largest = part.groupby(["feature", "level"], dropna=False)["change"].apply(lambda c: c.abs().max())
        ranks = part.groupby(["feature", "level"], dropna=False)["rank"].agg(["min", "max"])
        assert (ranks["min"] == ranks["max"]).all()  # both directions share it
        expected = largest.round(12).rank(ascending=False, method="min")
        np.testing.assert_array_equal(ranks["min"], expected)
    assert ranking["rank"].dtype.kind == "i"


@pytest.mark.parametrize("by", [None, "sex"])
def test_rank_gives_the_largest_change_first(by):
    ranking = fit_projection(X, Y).rank(metric=["prediction", "accuracy"], by=by)
    assert ranking.columns[0] == "rank"
    assert ranking["rank"].is_monotonic_increasing
    for _, part in ranking.groupby(["quantity", "group"], dropna=False):
        largest = part["change"].abs().to_numpy().reshape(-1, 2).max(axis=1)
        assert (np.diff(largest) < 1e-9 * largest[0]).all()
        assert part["direction"].tolist() == ["down", "up"] * largest.size


def test_rank_is_shared_by_mirrored_levels():
    ranking = select_rows(fit_projection(X).rank(), feature="sex")
    assert ranking["level"].nunique() == 2
    assert ranking["rank"].nunique() == 1


def test_rank_by_group_matches_rows_alone():
    ranking = fit_projection(X).rank(by="sex", features=["age", "job"], simultaneous=False)
    rows = (X["sex"] == "Male").to_numpy()
    alone = fit_projection(X[rows]).rank(features=["age", "job"], simultaneous=False).drop(columns="group")
    result = select_rows(ranking, group="Male").drop(columns="group").reset_index(drop=True)
    pd.testing.assert_frame_equal(result, alone, rtol=1e-7, check_dtype=False)


def test_curves_frame_has_documented_columns():
    curves = fit_projection(X, n_targets=3).explain()
    assert list(curves.frame) == [
        *("feature", "level", "group", "tau", "target", "quantity", "output", "value", "std_error"),
        *("low", "high", "slope", "slope_std_error", "slope_low", "slope_high"),
        *("kl", "ess", "max_weight", "status", "n_rows"),
    ]
    assert len(curves) == 3 * (3 + 2 + 3 + 2)
    assert curves.params["n_targets"] == 3
    assert curves.n_model_rows == 0
    assert curves.skipped == ()


def test_explain_moves_only_requested_features():
    projection = fit_projection(X, n_targets=3)
    assert set(projection.explain(features="age").frame["feature"]) == {"age"}
    assert set(projection.explain(targets={"hours": 40}).frame["feature"]) == {"hours"}
    both = projection.explain(features=["age", "hours"], targets={"hours": [40, 41]}).frame
    assert both["feature"].tolist() == ["age"] * 3 + ["hours"] * 2
    assert both["tau"].isna().tolist() == [False] * 3 + [True] * 2
    assert projection.explain(features=[]).frame.empty


def test_explain_keeps_boolean_levels_of_single_column():
    frame = fit_projection(X, n_targets=3).explain(features="member").frame
    assert {type(level) for level in frame["level"]} == {bool}
    assert frame["n_rows"].dtype.kind == "i"


WEIGHT = np.random.default_rng(3).uniform(0.2, 3.0, N)


def test_baseline_is_data_mean_with_standard_error():
    frame = fit_projection(X, Y).baseline()
    assert frame["value"][0] == pytest.approx(chance(X).mean(), rel=1e-12)
    assert frame["std_error"][0] == pytest.approx(chance(X).std(ddof=1) / np.sqrt(N), rel=0.01)
    assert frame["n_rows"][0] == N
    assert frame["group"][0] is None


def test_baseline_std_error_is_weighted():
    base = WEIGHT / WEIGHT.sum()
    frame = fit_projection(X, Y, WEIGHT).baseline()
    mean = base @ chance(X)
    assert frame["value"][0] == pytest.approx(mean)
    residual = (chance(X) - mean) * base / (1.0 - base)
    assert frame["std_error"][0] == pytest.approx(np.sqrt(residual @ residual))
    assert effective_rows(WEIGHT) < N


def test_baseline_of_metrics_has_similar_std_errors():
    frame = fit_projection(X, Y).baseline(metric=["accuracy", accuracy_score, "roc_auc"])
    assert frame["quantity"].tolist() == ["accuracy", "accuracy_score", "roc_auc"]
    assert frame["value"][0] == pytest.approx(frame["value"][1])
    assert frame["std_error"][1] == pytest.approx(frame["std_error"][0], rel=0.35)
    assert (frame["low"] < frame["value"]).all()
    assert (frame["value"] < frame["high"]).all()


def test_baseline_matches_scenario_and_group():
    projection = fit_projection(X, Y, WEIGHT)
    outcomes = projection.what_if({"age": 45}).outcomes
    own = projection.baseline(metric=list(outcomes["quantity"]))
    np.testing.assert_allclose(own["value"], outcomes["base"], rtol=1e-12)
    groups = projection.baseline(by="sex", metric=["prediction", "roc_auc"])
    for sex in ("Female", "Male"):
        rows = (X["sex"] == sex).to_numpy()
        alone = fit_projection(X[rows], Y[rows], WEIGHT[rows]).baseline(metric=["prediction", "roc_auc"])
        result = select_rows(groups, group=sex)
        for name in ("value", "std_error", "low", "high", "n_rows"):
            np.testing.assert_allclose(result[name], alone[name], rtol=1e-9)


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
