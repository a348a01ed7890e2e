"""Infidelity against plain loops; its optima on linear models; conversions, notes and bad input."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn import config_context
from sklearn.linear_model import LinearRegression, LogisticRegression

from agnostix import KernelShapExplainer, SaliencyExplainer, as_predictor
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker, TextMasker
from agnostix.metrics import infidelity
from tests.messages import assert_states, refuses
from tests.metrics.explanations import Counted, of_maps, of_table, softmax_model
from tests.reference import metrics_agreement as reference

RNG = np.random.default_rng(0)
TABLE, BACKGROUND = RNG.normal(size=(5, 4)), RNG.normal(size=(3, 4))
VALUES = RNG.normal(size=(5, 4, 1))
W, B = np.array([3.0, -2.0, 1.0, 0.5, -0.3, -1.0]), np.array([0.5, 1.0, -1.0, 2.0, 0.3, 0.7])
ROWS = RNG.normal(size=(30, 6))


def _curved(X):
    X = np.asarray(X)
    return np.sin(X[:, 0]) * X[:, 1] + X[:, 2] ** 2 - X[:, 3]


def _linear(X):
    return np.asarray(X) @ W


class Seen:
    """A model that keeps the rows that it predicts."""

    def __init__(self, function):
        self.function, self.rows = function, []

    def __call__(self, X):
        self.rows.append(np.array(X))
        return self.function(X)


@pytest.mark.parametrize("kind", ["sizes", "bernoulli"])
@pytest.mark.parametrize("scale", [False, True])
def test_all_subsets_of_few_columns_give_the_expectation(kind, scale):
    exp = of_table(VALUES, TABLE, _curved(TABLE)[:, None])
    result = infidelity(_curved, TABLE, exp, masker=BACKGROUND, subsets=kind, scale=scale)
    for row, own in enumerate(TABLE):
        args = _curved, own, BACKGROUND, VALUES[row, :, 0]
        expected = reference.infidelity_of_subsets(*args, kind, scale)
        assert result.scores[row] == pytest.approx(expected, rel=1e-10)
    assert result.greater_is_better is False
    assert result.draw_errors is None  # nothing was drawn
    assert result.notes == ()
    assert result.name == ("infidelity (scaled)" if scale else "infidelity")


def test_drawn_subsets_estimate_the_expectation():
    exp = of_table(VALUES, TABLE)
    for kind, scale in (("sizes", False), ("sizes", True), ("bernoulli", False)):
        exact = infidelity(_curved, TABLE, exp, masker=BACKGROUND, subsets=kind, scale=scale).scores
        drawn = [
            infidelity(
                _curved,
                TABLE,
                exp,
                masker=BACKGROUND,
                subsets=kind,
                scale=scale,
                n_samples=12,
                random_state=seed,
            )
            for seed in range(120)
        ]
        scores = np.array([one.scores for one in drawn])
        errors = np.array([one.draw_errors for one in drawn])
        spread = scores.std(axis=0, ddof=1)
        if not scale:  # the best multiple is fitted to the draws themselves
            assert (np.abs(scores.mean(axis=0) - exact) < 5 * spread / np.sqrt(120)).all()
            ratio = np.sqrt((errors**2).mean(axis=0)) / spread
            assert (np.abs(ratio - 1.0) < 0.25).all()
        else:
            assert (scores.mean(axis=0) < exact).all()


def test_noise_is_measured_by_what_the_model_saw():
    model = Seen(_curved)
    exp = of_table(VALUES, TABLE, quantity="sensitivity")
    result = infidelity(model, TABLE, exp, masker=BACKGROUND, n_samples=20)
    perturbed = np.concatenate([one for one in model.rows if len(one) > 5]).reshape(5, 20, 4)
    for row, own in enumerate(TABLE):
        expected = reference.infidelity_of_noise(_curved, own, perturbed[row], VALUES[row, :, 0])
        assert result.scores[row] == pytest.approx(expected, rel=1e-9)
    spread = (perturbed - TABLE[:, None]).std(axis=(0, 1))
    np.testing.assert_allclose(spread, 0.1 * BACKGROUND.std(axis=0), rtol=0.25)
    assert result.made_for == ("sensitivity",)
    assert result.name == "infidelity (noise)"
    assert result.fill == "Gaussian noise, 0.1 of each column's standard deviation"
    assert result.n_model_rows == 5 + 5 * 20


def test_optimum_of_a_linear_model_under_noise_is_the_gradient():
    best = of_table(np.tile(W, (30, 1))[..., None], ROWS, _linear(ROWS)[:, None], quantity="sensitivity")
    result = infidelity(_linear, ROWS, best, masker=ROWS)
    assert result.scores.max() < 1e-20
    assert result.notes == ()
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=(30, 6, 1))
        other = infidelity(_linear, ROWS, of_table(values, ROWS, quantity="sensitivity"), masker=ROWS)
        assert other.difference(result).interval()[0] > 0
        scaled = infidelity(
            _linear, ROWS, of_table(values, ROWS, quantity="sensitivity"), masker=ROWS, scale=True
        )
        assert scaled.interval()[0] > 0
    assert result.against("random").interval()[0] > 0
    # Contributions w (x - b) are not the gradient, but converted they are.
    as_gradient = replace(best, values=(W * (ROWS - B))[..., None])
    assert infidelity(_linear, ROWS, as_gradient, masker=ROWS).difference(result).interval()[0] > 0
    contributions = of_table((W * (ROWS - ROWS.mean(axis=0)))[..., None], ROWS)
    converted = infidelity(_linear, ROWS, contributions, masker=ROWS, perturbation="noise")
    assert converted.scores.max() < 1e-20
    assert_states(" ".join(converted.notes), "contribution", "divided", "baseline")


def test_optimum_of_a_linear_model_under_subsets_is_the_contributions():
    best = of_table((W * (ROWS - B))[..., None], ROWS, _linear(ROWS)[:, None])
    result = infidelity(_linear, ROWS, best, masker=B[None])
    assert result.scores.max() < 1e-20
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=(30, 6, 1))
        other = infidelity(_linear, ROWS, of_table(values, ROWS), masker=B[None], n_random=0)
        assert other.difference(result).interval()[0] > 0
    for naive in (W * ROWS, np.tile(W, (30, 1))):  # without the baseline, or the gradient
        other = infidelity(_linear, ROWS, of_table(naive[..., None], ROWS), masker=B[None])
        assert other.difference(result).interval()[0] > 0
    gradient = of_table(np.tile(W, (30, 1))[..., None], ROWS, quantity="sensitivity")
    converted = infidelity(_linear, ROWS, gradient, masker=B[None], perturbation="subsets")
    assert converted.scores.max() < 1e-20
    assert_states(" ".join(converted.notes), "sensitivity", "multiplied", "distance")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["sizes", "bernoulli"]))
def test_no_values_are_better_than_the_least_squares_solution(seed, kind):
    rng = np.random.default_rng(seed)
    subsets = list(reference.subsets_with_probability(4, kind))
    vectors = [np.isin(np.arange(4), subset).astype(float) for subset, _ in subsets]
    falls = [reference.fall(_curved, TABLE[0], BACKGROUND, subset) for subset, _ in subsets]
    best = reference.optimum(vectors, [p for _, p in subsets], falls)
    row = TABLE[:1]

    def measure(values):
        exp = of_table(values[None, :, None], row)
        return infidelity(_curved, row, exp, masker=BACKGROUND, subsets=kind).score

    other = best + rng.normal(size=4) * rng.choice([1e-3, 1.0])
    gap = other - best
    second = sum(p * np.outer(v, v) for v, (_, p) in zip(vectors, subsets, strict=True))
    assert measure(other) - measure(best) == pytest.approx(gap @ second @ gap, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(factor=st.floats(-50, 50).filter(lambda one: abs(one) > 0.02), n_samples=st.integers(5, 40))
def test_the_best_multiple_leaves_proportions_alone(factor, n_samples):
    options = {"masker": BACKGROUND, "scale": True, "n_samples": n_samples}
    one = infidelity(_curved, TABLE, of_table(VALUES, TABLE), **options)
    other = infidelity(_curved, TABLE, of_table(factor * VALUES, TABLE), **options)
    np.testing.assert_allclose(other.scores, one.scores, rtol=1e-9)
    scales = [each.details["scale"].array for each in (one, other)]
    np.testing.assert_allclose(factor * scales[1], scales[0], rtol=1e-9)
    plain = infidelity(_curved, TABLE, of_table(VALUES, TABLE), **options | {"scale": False})
    assert (one.scores <= plain.scores + 1e-12).all()
    assert (one.scores <= one.references["zero"] + 1e-12).all()


def test_values_of_nothing_have_the_score_of_zero():
    values = VALUES.copy()
    values[2] = 0.0
    result = infidelity(_curved, TABLE, of_table(values, TABLE), masker=BACKGROUND, scale=True)
    assert result.scores[2] == pytest.approx(result.references["zero"][2])
    assert result.details["scale"].array[2, 0] == 0.0


@pytest.mark.parametrize("perturbation", ["subsets", "noise"])
def test_rows_alone_are_rows_together(perturbation):
    quantity = "sensitivity" if perturbation == "noise" else "contribution"
    values = RNG.normal(size=(30, 6, 1))
    options = {"masker": ROWS, "n_samples": 15}
    exp = of_table(values, ROWS, quantity=quantity)
    whole = infidelity(_linear, ROWS, exp, **options)
    order = RNG.permutation(30)[:17]
    some = infidelity(
        _linear, ROWS[order], of_table(values[order], ROWS[order], quantity=quantity), **options
    )
    for name in ("scores", "draw_errors"):
        np.testing.assert_allclose(getattr(some, name), getattr(whole, name)[order], rtol=1e-9)
    np.testing.assert_allclose(some.references["random"], whole.references["random"][order], rtol=1e-9)
    with parallel_config(backend="threading"):
        np.testing.assert_allclose(
            infidelity(_linear, ROWS, exp, n_jobs=3, **options).scores, whole.scores, rtol=1e-9
        )
    with config_context(working_memory=1):
        np.testing.assert_allclose(infidelity(_linear, ROWS, exp, **options).scores, whole.scores, rtol=1e-9)
    single = infidelity(_linear, ROWS[:1], of_table(values[:1], ROWS[:1], quantity=quantity), **options)
    assert single.interval_source == "draws"
    low, high = single.interval()
    assert low < single.score < high


def test_cost_is_counted_and_equal_subsets_are_evaluated_once():
    model = Counted(_curved)
    result = infidelity(model, TABLE, of_table(VALUES, TABLE), masker=BACKGROUND)
    assert model.n_rows == result.n_model_rows == 5 + 5 * 15 * 3  # of 15 subsets that hide something
    model = Counted(_linear)
    exp = of_table(RNG.normal(size=(30, 6, 1)), ROWS, quantity="sensitivity")
    assert infidelity(model, ROWS, exp, masker=ROWS, n_samples=7).n_model_rows == model.n_rows == 30 * 8


def test_several_outputs():
    model = softmax_model(RNG.normal(size=(4, 1, 1, 3)))
    rows = RNG.normal(size=(6, 4))
    predict = lambda X: model(np.asarray(X)[:, :, None, None])  # noqa: E731
    values = RNG.normal(size=(6, 4, 3))
    exp = of_table(values, rows, predict(rows), ("a", "b", "c"))
    result = infidelity(predict, rows, exp, masker=BACKGROUND, outputs=["c", "a"])
    assert result.scores.shape == (6, 2)
    alone = infidelity(predict, rows, exp, masker=BACKGROUND, outputs="a")
    np.testing.assert_allclose(result.scores[:, 1], alone.scores, rtol=1e-12)
    chosen = predict(rows).argmax(axis=1)
    own = infidelity(predict, rows, exp, masker=BACKGROUND)
    for row in range(6):
        expected = reference.infidelity_of_subsets(
            lambda X, c=chosen[row]: predict(X)[:, c],
            rows[row],
            BACKGROUND,
            values[row, :, chosen[row]],
            "sizes",
        )
        assert own.scores[row] == pytest.approx(expected, rel=1e-9)


def test_frames_with_labels_have_subsets_and_whole_numbers_have_noise():
    table = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, -1.0]})
    model = LinearRegression().fit(table, [1.0, 2.5, 0.0])
    exp = of_table(np.tile(model.coef_, (3, 1))[..., None], table, quantity="sensitivity")
    assert infidelity(model, table, exp, masker=table).scores.max() < 1e-20
    assert infidelity(model, table, exp, noise=[2.0, 0.1]).scores.max() < 1e-20
    labeled = table.assign(c=["u", "v", "u"])
    labeled_model = lambda X: X["a"] * (X["c"] == "u")  # noqa: E731
    shapley = KernelShapExplainer(labeled_model, random_state=0).fit(labeled).explain(labeled)
    assert infidelity(labeled_model, labeled, shapley, masker=labeled).against("zero").score > 0
    with refuses(DataError, "infidelity", "numeric", "c", "perturbation='subsets'"):
        infidelity(labeled_model, labeled, shapley, masker=labeled, perturbation="noise")


def test_polars_frames_and_missing_values_under_noise():
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"a": [1, 2, 3], "b": [0.5, None, -1.0]})
    model = lambda X: X["a"].to_numpy() + np.nan_to_num(X["b"].to_numpy().astype(float))  # noqa: E731
    exp = of_table(np.tile([1.0, 1.5], (3, 1))[..., None], table, quantity="sensitivity")
    result = infidelity(model, table, exp, noise=[1.0, 1.0], n_samples=400)
    np.testing.assert_allclose(result.scores[[0, 2]], 0.25, rtol=0.3)
    assert result.scores[1] < 1e-20  # the missing value stays missing


def test_texts_of_unequal_length():
    texts = ["good food and beer", "bad service", "so good"]
    model = lambda rows: np.array([1.0 * row.count("good") - row.count("bad") for row in rows])  # noqa: E731
    exp = KernelShapExplainer(model, masker=TextMasker()).fit(texts).explain(texts)
    result = infidelity(model, texts, exp)
    assert result.scores.max() < 1e-20
    assert (result.references["zero"] > 0.3).all()
    assert result.against("random").score > 0
    with refuses(DataError, "noise", "words", "perturbation='subsets'"):
        infidelity(model, texts, exp, perturbation="noise")


PICTURES = RNG.random((4, 13, 12, 2))
WEIGHTS = RNG.normal(size=(13, 12, 2))


def _sum(X):
    return np.tensordot(X, WEIGHTS, axes=3)


@pytest.mark.parametrize("patch", [1, 3, 5])
def test_pixels_in_patches_have_their_own_optimum_and_the_rank_is_told(patch):
    values = (WEIGHTS * (PICTURES - 0.25)).sum(axis=-1)[..., None]
    exp = of_maps(values, _sum(PICTURES)[:, None])
    result = infidelity(_sum, PICTURES, exp, fill=0.25, patch=patch, n_samples=60)
    assert result.scores.max() < 1e-18
    assert (result.against("random").scores > 0).all()
    n_patches = -(-13 // patch) * -(-12 // patch)
    text = " ".join(result.notes)
    if patch > 1:
        assert_states(text, f"{n_patches} patches", "156 pixels")
        # Within patches values can be moved around, so that the least is that of many maps.
        moved = values.copy()
        moved[:, 0, 0] += 1.0
        moved[:, patch - 1, patch - 1] -= 1.0
        other = infidelity(_sum, PICTURES, of_maps(moved), fill=0.25, patch=patch, n_samples=60)
        np.testing.assert_allclose(other.scores, 0, atol=1e-18)
    if n_patches > 60:
        assert_states(text, f"rank 60 of {n_patches}", "scores alone")
        assert (result.details["rank"].array == 60).all()


def test_default_patch_is_a_fourteenth_of_the_shorter_side():
    pictures = RNG.random((2, 30, 41))
    values = pictures - 0.5
    model = lambda X: X.sum(axis=(1, 2))  # noqa: E731
    result = infidelity(model, pictures, of_maps(values[..., None]), fill=0.5, n_samples=5)
    assert_states(" ".join(result.notes), "140 patches", "1230 pixels")


def test_network_gradients_under_noise_and_times_distance_under_subsets():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(72, 3)).double().eval()
    predictor = as_predictor(network, activation="none")
    pictures = RNG.random((3, 6, 6, 2))
    exp = SaliencyExplainer(predictor, outputs=["output_1"]).fit(pictures).explain(pictures)
    assert infidelity(predictor, pictures, exp).score < 1e-12
    with refuses(DataError, "2 channels", "gradient_x_input"):
        infidelity(predictor, pictures, exp, perturbation="subsets")
    sizes = SaliencyExplainer(predictor, form="absolute").fit(pictures).explain(pictures)
    with refuses(DataError, "form='signed'"):
        infidelity(predictor, pictures, sizes)
    gray = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 2)).double().eval()
    predictor = as_predictor(gray, activation="softmax")
    pictures = RNG.random((3, 6, 6))
    exp = SaliencyExplainer(predictor, target="predictions").fit(pictures).explain(pictures)
    by_subsets = infidelity(predictor, pictures, exp, perturbation="subsets", fill=0.5)
    assert by_subsets.against("zero").score > 0
    logits = SaliencyExplainer(predictor).fit(pictures).explain(pictures)
    assert_states(" ".join(infidelity(predictor, pictures, logits).notes), "logits", "scale=True")
    assert "scale=True" not in " ".join(infidelity(predictor, pictures, logits, scale=True).notes)


def test_segments_are_hidden_whole():
    masker = SegmentMasker("grid", n_segments=6, fill=0.5)
    exp = KernelShapExplainer(_sum, masker=masker, random_state=0).fit(PICTURES).explain(PICTURES)
    assert infidelity(_sum, PICTURES, exp, masker=masker).scores.max() < 1e-18
    with refuses(DataError, "patch", "segments", "3"):
        infidelity(_sum, PICTURES, exp, masker=masker, patch=3)
    with refuses(DataError, "noise", "segments"):
        infidelity(_sum, PICTURES, exp, masker=masker, perturbation="noise")


def test_columns_without_noise_and_values_at_the_baseline_are_told():
    exp = of_table(np.tile(W, (30, 1))[..., None], ROWS, quantity="sensitivity")
    result = infidelity(_linear, ROWS, exp, noise=[0, 1, 1, 1, 1, 1])
    assert_states(" ".join(result.notes), "x0", "noise", "rank 5 of 6")
    rows = ROWS.copy()
    rows[3, 1] = B[1]
    exp = of_table(np.tile(W, (30, 1))[..., None], rows, quantity="sensitivity")
    result = infidelity(_linear, rows, exp, masker=B[None], perturbation="subsets")
    assert_states(" ".join(result.notes), "1 of 30", "columns")
    with refuses(DataError, "row 3", "column 1", "distance"):
        infidelity(_linear, rows, of_table((W * (rows - B))[..., None], rows), masker=B[None], noise=[1] * 6,
                   perturbation="noise")  # fmt: skip


def test_relevance_has_a_scale_of_its_own():
    exp = of_table(RNG.normal(size=(30, 6, 1)), ROWS, quantity="relevance")
    assert_states(" ".join(infidelity(_linear, ROWS, exp, masker=B[None]).notes), "relevance", "scale=True")
    with refuses(DataError, "sensitivity", "relevance", "perturbation='subsets'"):
        infidelity(_linear, ROWS, exp, masker=B[None], perturbation="noise", noise=[1] * 6)


@pytest.mark.parametrize("perturbation", ["subsets", "noise"])
def test_constant_predictions_are_refused(perturbation):
    model = lambda X: np.full(len(X), 0.3)  # noqa: E731
    exp = of_table((ROWS - 9.0)[..., None], ROWS)
    with refuses(DataError, "infidelity", "do not change", "30 rows"):
        infidelity(model, ROWS, exp, masker=ROWS, perturbation=perturbation)


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"perturbation": "patches"}, ("perturbation", "'subsets'", "'noise'", "'patches'")),
        ({"subsets": "half"}, ("subsets", "'sizes'", "'bernoulli'", "'half'")),
        ({"scale": "best"}, ("scale", "'best'")),
        ({"n_samples": 2}, ("n_samples", "at least 3", "2")),
        ({"n_random": -1}, ("n_random", "at least 0")),
        ({"patch": 2}, ("patch", "columns", "2")),
        ({"perturbation": "noise", "patch": 2}, ("patch", "noise", "2")),
        ({"perturbation": "noise", "noise": 0}, ("noise", "above 0", "6 standard deviations")),
        ({"perturbation": "noise", "noise": "0.1"}, ("noise", "'0.1'")),
        ({"perturbation": "noise", "noise": [1.0]}, ("noise", "6 standard deviations", "[1.0]")),
        ({"perturbation": "noise", "noise": [0] * 6}, ("noise", "not all 0")),
        ({"perturbation": "noise", "masker": B[None]}, ("noise", "background", "masker=X_train[:100]")),
    ],
)
def test_bad_parameters(options, facts):
    with refuses(DataError, "infidelity", *facts):
        infidelity(_linear, ROWS, of_table((ROWS - 9.0)[..., None], ROWS), **{"masker": ROWS} | options)


def test_bad_explanations():
    exp = of_table(VALUES, TABLE, _curved(TABLE)[:, None])
    options = {"masker": BACKGROUND}
    with refuses(DataError, "infidelity", "other rows", "row 0"):
        infidelity(_curved, TABLE[::-1], exp, **options)
    with refuses(DataError, "infidelity", "another model", "row"):
        infidelity(lambda X: 2 * _curved(X), TABLE, exp, **options)
    holes = VALUES.copy()
    holes[1, 2] = np.nan
    with refuses(DataError, "infidelity", "NaN", "row 1"):
        infidelity(_curved, TABLE, of_table(holes, TABLE), **options)
    with refuses(DataError, "infidelity", "same value" if len(TABLE) == 1 else "one value"):
        infidelity(_curved, TABLE, of_table(np.ones((5, 4, 1)), TABLE), **options)
    with refuses(DataError, "uint8", "astype('float32')"):
        pictures = (255 * PICTURES[..., 0]).astype(np.uint8)
        infidelity(
            lambda X: X.sum(axis=(1, 2)),
            pictures,
            of_maps(RNG.normal(size=(4, 13, 12, 1)), quantity="sensitivity"),
        )
    groups = {"ab": ["x0", "x1"]}
    shapley = KernelShapExplainer(_curved, feature_groups=groups).fit(BACKGROUND).explain(TABLE)
    with refuses(DataError, "grouped"):
        infidelity(_curved, TABLE, shapley, perturbation="noise", **options)


def test_classifier_by_its_predicted_class():
    y = (ROWS[:, 0] > 0).astype(int)
    model = LogisticRegression().fit(ROWS, y)
    exp = KernelShapExplainer(model, random_state=0).fit(ROWS).explain(ROWS[:10])
    result = infidelity(model, ROWS[:10], exp, masker=ROWS)
    assert result.against("random").interval()[0] > 0
    assert result.against("zero").interval()[0] > 0
