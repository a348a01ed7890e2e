"""Explainers compared: tables of the result against plain formulations, cost, guards, what is refused."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from agnostix import KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer, as_predictor
from agnostix.maskers import SegmentMasker, TextMasker
from agnostix.metrics import (
    MetricResult,
    average_drop,
    average_gain,
    compare_explainers,
    comprehensiveness,
    deletion,
    infidelity,
    insertion,
    pointing_game,
    sufficiency,
)
from agnostix.metrics.comparison.named import metric_functions
from tests.messages import assert_states, refuses
from tests.metrics.explanations import Counted, of_maps, of_table, softmax_model
from tests.reference import metrics_comparison as reference

RNG = np.random.default_rng(3)
N = 24
WEIGHTS = RNG.normal(size=6)
TABLE = RNG.normal(size=(N, 6))
BACKGROUND = RNG.normal(size=(5, 6))


def model(X):
    return np.asarray(X) @ WEIGHTS


PREDICTED = model(TABLE)[:, None]
TRUE = of_table((WEIGHTS * (TABLE - BACKGROUND.mean(axis=0)))[..., None], TABLE, PREDICTED)


def noisy(scale, seed=0, rows=TABLE):
    """The true contributions with noise."""
    noise = np.random.default_rng(seed).normal(size=rows.shape)
    values = WEIGHTS * (rows - BACKGROUND.mean(axis=0)) + scale * noise
    return of_table(values[..., None], rows, model(rows)[:, None])


EXPLANATIONS = {"true": TRUE, "noisy": noisy(0.5), "random": noisy(100.0)}
METRICS = ["deletion", "insertion", "sufficiency"]


@pytest.fixture(scope="module")
def result():
    return compare_explainers(model, TABLE, EXPLANATIONS, metrics=METRICS, masker=BACKGROUND, k=3)


def test_scores_are_those_of_the_metrics(result):
    frame = result.to_frame().set_index(["metric", "explainer"])
    for metric in (deletion, insertion, sufficiency):
        for name, exp in EXPLANATIONS.items():
            alone = metric(model, TABLE, exp, masker=BACKGROUND)
            line = frame.loc[metric.__name__, name]
            assert line["score"] == pytest.approx(alone.score)
            np.testing.assert_allclose([line["low"], line["high"]], alone.interval())
            assert line["random"] == pytest.approx(alone.references["random"].mean())
    assert frame.loc["deletion", "true"]["rank"] == 1


def test_pairs_are_those_of_paired_t_tests_after_holm(result):
    pairs = result.to_frame("pairs")
    expected = []
    for row in pairs.to_dict("records"):
        one, other = (result.results[row["metric"]][row[which]].scores for which in ("one", "other"))
        p = reference.paired_p_value(one, other)
        assert row["difference"] == pytest.approx(np.mean(one - other))
        expected.append(p)
    assert len(expected) == 9
    np.testing.assert_allclose(pairs["p"], expected, rtol=1e-8)
    np.testing.assert_allclose(pairs["p_holm"], reference.holm(expected), rtol=1e-8)
    for row in pairs.to_dict("records"):
        scores = [result.results[row["metric"]][row[which]].score for which in ("one", "other")]
        less = row["metric"] != "insertion"
        better = row["one"] if (scores[0] < scores[1]) == less else row["other"]
        assert row["better"] == (better if row["p_holm"] < 0.05 else None)


def test_best_is_that_of_the_definition(result):
    best = result.to_frame("best").set_index(["metric", "explainer"])
    for metric, by_name in result.results.items():
        sign = 1.0 if metric == "insertion" else -1.0
        scores = [(sign * one.scores).tolist() for one in by_name.values()]
        np.testing.assert_allclose(
            best.loc[metric][["low", "high"]], reference.intervals_against_the_best(scores, 0.95), atol=1e-12
        )
    assert best.loc["deletion", "true"]["may_be_best"]
    assert not best.loc["deletion", "random"]["may_be_best"]


def test_agreement_is_that_of_the_definition(result):
    frame = result.to_frame("agreement").set_index(["one", "other", "measure"])
    for pair in (("true", "noisy"), ("noisy", "random")):
        first, second = (EXPLANATIONS[name].values[..., 0] for name in pair)
        shares = [reference.most_relevant_in_common(a, b, 3) for a, b in zip(first, second, strict=True)]
        assert frame.loc[(*pair, "top-k")]["mean"] == pytest.approx(np.mean(shares))
        ranks = [
            pd.Series(a).corr(pd.Series(b), method="spearman") for a, b in zip(first, second, strict=True)
        ]
        assert frame.loc[(*pair, "spearman")]["mean"] == pytest.approx(np.mean(ranks))
    one, other = (RNG.normal(size=(2000, 6)) for _ in range(2))
    chance = (
        of_table(one[..., None], one, model(one)[:, None]),
        of_table(other[..., None], one, model(one)[:, None]),
    )
    drawn = compare_explainers(
        model, one, dict(zip("ab", chance, strict=True)), metrics=[_constant], masker=BACKGROUND, k=3
    ).to_frame("agreement")
    assert (drawn["low"] - 0.02 < drawn["chance"]).all()
    assert (drawn["chance"] < drawn["high"] + 0.02).all()
    assert frame.loc[("true", "noisy", "top-k")]["mean"] > frame.loc[("true", "random", "top-k")]["mean"]


def _constant(model, X, explanation):
    return MetricResult(
        name="constant", scores=np.zeros(len(X)), greater_is_better=True, made_for=(), quantity="contribution"
    )


def test_verdicts_say_who_is_better_and_who_is_not(result):
    first = result.verdicts[0]
    assert_states(first, "deletion", "less is better", "true is better than noisy and random")
    assert_states(first, "cannot be told from chance: random")
    alike = compare_explainers(
        model, TABLE, {"a": TRUE, "b": TRUE, "c": TRUE}, metrics=["deletion"], masker=BACKGROUND
    )
    assert_states(alike.verdicts[0], "the 3 explainers cannot be told apart")
    assert (alike.to_frame("pairs")["p"] == 1.0).all()
    assert_states(repr(result), "3 explainers", "3 metrics", "24 rows", "agreement", "model rows")
    assert "<table" in result._repr_html_()
    with refuses(ValueError, "'scores'", "'pairs'", "'score'"):
        result.to_frame("score")


def test_frames_are_copies(result):
    frame = result.to_frame()
    frame["score"] = 0.0
    assert result.to_frame()["score"].abs().sum() > 0


def test_what_explanations_share_is_evaluated_once():
    counted = Counted(model)
    found = compare_explainers(
        counted, TABLE, EXPLANATIONS, metrics=["deletion", "insertion"], masker=BACKGROUND
    )
    assert found.n_model_rows == counted.n_rows
    masks = {row: set() for row in range(N)}
    for exp in [*EXPLANATIONS.values()]:
        for row, order in enumerate(np.argsort(-exp.values[..., 0], axis=1)):
            for k in range(1, 7):
                masks[row] |= {frozenset(order[:k]), frozenset(order[k - 1 :])}
    own = sum(len(hidden - {frozenset()}) for hidden in masks.values()) * len(BACKGROUND)
    without_random = compare_explainers(
        (quiet := Counted(model)),
        TABLE,
        EXPLANATIONS,
        metrics={"deletion": partial(deletion, n_random=0), "insertion": partial(insertion, n_random=0)},
        masker=BACKGROUND,
    )
    # Rows under a mask may be equal for several background rows, and are then evaluated once.
    assert quiet.n_rows <= own + N
    assert quiet.n_rows >= own + N - N * len(BACKGROUND)
    alone = sum(
        metric(model, TABLE, exp, masker=BACKGROUND, least=False, n_random=0).n_model_rows
        for metric in (deletion, insertion)
        for exp in EXPLANATIONS.values()
    )
    assert without_random.n_model_rows < 0.8 * alone


def test_explainers_explain_once_and_their_cost_is_told():
    X = pd.DataFrame(TABLE, columns=list("abcdef"))
    counted = Counted(model)
    explainers = {
        "Shapley": KernelShapExplainer(counted, random_state=0).fit(X),
        "occlusion": OcclusionExplainer(counted, random_state=0).fit(X),
        "LIME": LimeExplainer(counted, n_samples=300, values="coef_x", random_state=0).fit(X),
        "tree": MimicTree(counted, max_queries=400, random_state=0).fit(X),
    }
    before = counted.n_rows
    found = compare_explainers(counted, X.head(8), explainers, metrics=["deletion"])
    assert counted.n_rows - before == found.n_model_rows
    cost = found.to_frame("cost").set_index("explainer")
    assert cost.loc["Shapley"]["model_rows"] == explainers["Shapley"].explain(X.head(8)).n_model_rows
    assert cost.loc["tree"]["fit_model_rows"] == explainers["tree"].n_model_rows_
    assert np.isnan(cost.loc["occlusion"]["fit_model_rows"])
    assert (cost["seconds"] > 0).all()
    assert_states(" ".join(found.notes), "as Shapley does it", "no masker")


def test_defaults_fit_the_data_and_say_what_was_left_out():
    table = compare_explainers(model, TABLE, EXPLANATIONS, masker=BACKGROUND)
    assert {"deletion", "insertion"} <= set(table.metrics)
    assert "average_drop" not in table.metrics
    pictures = RNG.random((6, 5, 5))
    maps = {
        str(j): of_maps(RNG.normal(size=(6, 5, 5, 1)), (5 * pictures.sum(axis=(1, 2)))[:, None])
        for j in (0, 1)
    }
    found = compare_explainers(lambda X: 5 * X.sum(axis=(1, 2)), pictures, maps)
    assert found.metrics == ("deletion", "insertion")
    assert_states(" ".join(found.notes), "average_drop is left out", "between 0 and 1")


def test_infidelity_is_compared_by_one_perturbation_for_all_quantities():
    slope = of_table(np.broadcast_to(WEIGHTS, (N, 6))[..., None], TABLE, PREDICTED, quantity="sensitivity")
    both = {"true": TRUE, "slope": slope}
    by_default = compare_explainers(model, TABLE, both, masker=BACKGROUND)
    assert "infidelity" not in by_default.metrics
    assert_states(" ".join(by_default.notes), "infidelity is left out", "perturbation='subsets'", "'noise'")
    remedy = partial(infidelity, perturbation="subsets")
    found = compare_explainers(model, TABLE, both, metrics=[remedy], masker=BACKGROUND[:1])
    assert found.metrics == ("infidelity, perturbation='subsets'",)


def test_texts_are_compared():
    texts = ["good food in a quiet place", "the service was good and fast", "not good at all"]

    def praise(rows):
        return [text.count("good") - text.count("not") for text in rows]

    explainers = {
        "Shapley": KernelShapExplainer(praise, masker=TextMasker(), random_state=0).fit(texts),
        "occlusion": OcclusionExplainer(praise, masker=TextMasker()).fit(texts),
    }
    found = compare_explainers(praise, texts, explainers)
    assert found.metrics == ("deletion", "insertion", "comprehensiveness", "sufficiency")
    expected = comprehensiveness(praise, texts, explainers["occlusion"].explain(texts), masker=TextMasker())
    assert found.results["comprehensiveness"]["occlusion"].score == pytest.approx(expected.score)


PICTURES = RNG.random((5, 6, 6, 3))
CLASSES = softmax_model(RNG.normal(size=(6, 6, 3, 3)) * 0.3)
NAMES = ("a", "b", "c")


def test_segments_are_painted_where_others_have_pixels():
    masker = SegmentMasker("grid", n_segments=4)
    counted = Counted(CLASSES)
    predictor = as_predictor(counted, output_names=list(NAMES))
    explainers = {
        "Shapley": KernelShapExplainer(predictor, masker=masker, random_state=0).fit(PICTURES),
        "map": of_maps(RNG.normal(size=(5, 6, 6, 3)), CLASSES(PICTURES), NAMES, quantity="sensitivity"),
    }
    before = counted.n_rows
    metrics = ["average_drop", "average_gain"]
    found = compare_explainers(predictor, PICTURES, explainers, metrics=metrics, outputs="predicted")
    assert counted.n_rows - before == found.n_model_rows
    painted = found.explanations["Shapley"]
    assert painted.dims == ("row", "y", "x", "output")
    for metric in (average_drop, average_gain):
        expected = metric(predictor, PICTURES, painted)
        np.testing.assert_allclose(found.results[metric.__name__]["Shapley"].scores, expected.scores)
        alone = metric(predictor, PICTURES, explainers["Shapley"].explain(PICTURES, outputs="predicted"))
        np.testing.assert_allclose(alone.scores, expected.scores, atol=1e-12)
    assert found.results["average_gain"]["Shapley"].n_model_rows == 0  # seen by average_drop
    agreement = found.to_frame("agreement").set_index("measure")
    assert np.isnan(agreement.loc["signs"]["mean"])  # of sensitivities
    assert_states(" ".join(found.notes), "Shapley has one value", "segment", "map", "sizes are ranked")


def test_callables_and_their_names():
    def spread(model, X, explanation):
        scores = explanation.values.std(axis=(1, 2))
        return MetricResult(
            name="spread",
            scores=scores,
            greater_is_better=None,
            made_for=("contribution",),
            quantity="contribution",
        )

    half = partial(comprehensiveness, proportions=[0.5])
    chosen = [spread, half, partial(sufficiency, n_ties=3)]
    found = compare_explainers(model, TABLE, EXPLANATIONS, metrics=chosen, masker=BACKGROUND)
    assert found.metrics == ("spread", "comprehensiveness", "sufficiency, n_ties=3")
    assert_states(found.verdicts[0], "random is larger than", "true")
    named = compare_explainers(model, TABLE, EXPLANATIONS, metrics={"fall": half}, masker=BACKGROUND)
    assert named.metrics == ("fall",)


def test_one_row_has_no_verdict():
    one = {name: exp[:1] for name, exp in EXPLANATIONS.items()}
    found = compare_explainers(model, TABLE[:1], one, metrics=["deletion"], masker=BACKGROUND)
    assert found.to_frame("pairs")["p"].isna().all()
    assert_states(found.verdicts[0], "too few rows")


def test_random_maps_are_told_apart_in_5_percent_and_a_planted_difference_is_found():
    apart, found, n, n_planted = 0, 0, 80, 20
    for seed in range(n):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(16, 6))
        maps = {
            "one": of_table(rng.normal(size=(16, 6, 1)), rows, model(rows)[:, None]),
            "other": of_table(rng.normal(size=(16, 6, 1)), rows, model(rows)[:, None]),
            "true": noisy(0.0, rows=rows),
        }
        two = {name: maps[name] for name in ("one", "other")}
        options = {"metrics": ["deletion", "insertion"], "masker": BACKGROUND[:1]}
        apart += bool(
            (compare_explainers(model, rows, two, **options).to_frame("pairs")["p_holm"] < 0.05).any()
        )
        if seed >= n_planted:
            continue
        planted = {name: maps[name] for name in ("one", "true")}
        better = compare_explainers(model, rows, planted, **options).to_frame("pairs")["better"]
        found += bool((better == "true").all())
    assert apart / n <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / n)
    assert found / n_planted >= 0.9


def test_worse_than_chance_is_said():
    turned = of_table(-TRUE.values, TABLE, PREDICTED)
    found = compare_explainers(
        model, TABLE, {"true": TRUE, "turned": turned}, metrics=["deletion"], masker=BACKGROUND
    )
    assert_states(found.verdicts[0], "true is better than turned", "worse than chance: turned")
    for name, result in found.results["deletion"].items():
        alone = deletion(model, TABLE, {"true": TRUE, "turned": turned}[name], masker=BACKGROUND)
        np.testing.assert_allclose(result.references["random"], alone.references["random"])
    randoms = [one.references["random"] for one in found.results["deletion"].values()]
    np.testing.assert_array_equal(*randoms)


def test_every_metric_by_name_fits_in():
    X = pd.DataFrame(RNG.normal(size=(9, 4)), columns=list("abcd"))

    def classes(rows):
        scores = np.exp(np.asarray(rows)[:, :3])
        return scores / scores.sum(axis=1, keepdims=True)

    explainers = {
        "Shapley": KernelShapExplainer(classes, random_state=0).fit(X),
        "occlusion": OcclusionExplainer(classes, random_state=0).fit(X),
    }
    refused = {"average_drop", "average_gain", "average_increase", "road", "model_randomization"}
    names = [name for name in metric_functions() if name not in refused]
    found = compare_explainers(classes, X, explainers, metrics=names)
    assert {"deletion", "avg_sensitivity", "random_logit", "sparseness"} <= set(found.metrics)
    assert found.to_frame()["score"].notna().all()
    maps = {str(j): of_maps(RNG.normal(size=(5, 6, 6, 3)), CLASSES(PICTURES), NAMES) for j in range(2)}
    inside = np.zeros((5, 6, 6), dtype=bool)
    inside[:, :3] = True
    pointing = compare_explainers(
        as_predictor(CLASSES, output_names=list(NAMES)),
        PICTURES,
        maps,
        metrics=[partial(pointing_game, regions=inside)],
    )
    assert pointing.metrics == ("pointing_game",)
