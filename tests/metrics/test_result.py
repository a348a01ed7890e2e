"""Results of metrics: means, intervals over rows and draws, pairs of results, tables, plots."""

import numpy as np
import pytest
from scipy import stats

from agnostix.exceptions import DataError
from agnostix.metrics import MetricCurve, MetricResult
from tests.messages import assert_states, refuses
from tests.reference.metrics_comparison import ends_of_mean

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=20)


def _result(scores=SCORES, **fields):
    known = {
        "name": "deletion",
        "greater_is_better": False,
        "made_for": ("relevance",),
        "quantity": "relevance",
    }
    return MetricResult(scores=scores, **known | fields)


def test_interval_is_that_of_the_definition():
    result = _result()
    np.testing.assert_allclose(result.interval(0.9), ends_of_mean(SCORES, 0.9), rtol=1e-12)
    symmetric = np.concatenate([SCORES, -SCORES])
    expected = stats.ttest_1samp(symmetric, 0.0).confidence_interval(0.9)
    np.testing.assert_allclose(_result(symmetric).interval(0.9), expected, rtol=1e-9)
    assert result.score == pytest.approx(SCORES.mean())
    assert result.std_error == pytest.approx(stats.sem(SCORES))
    assert (result.degrees_of_freedom, result.interval_source) == (19.0, "rows")


def test_several_outputs_have_their_own_interval():
    scores = RNG.normal(size=(9, 2))
    result = _result(scores, output_names=("a", "b"))
    for j in range(2):
        alone = _result(scores[:, j])
        assert result.score[j] == pytest.approx(alone.score)
        np.testing.assert_allclose([end[j] for end in result.interval()], alone.interval())


def test_rows_without_a_score_are_left_out():
    scores = SCORES.copy()
    scores[3] = np.nan
    assert _result(scores).score == pytest.approx(np.nanmean(scores))
    np.testing.assert_allclose(_result(scores).interval(), _result(np.delete(scores, 3)).interval())


def test_a_single_row_has_the_error_of_its_draws_alone():
    result = _result(np.array([0.4]), draw_errors=np.array([0.1]), n_draws=5)
    half = stats.t.ppf(0.975, 4) * 0.1
    np.testing.assert_allclose(result.interval(), (0.4 - half, 0.4 + half))
    assert result.interval_source == "draws"
    assert_states(repr(result), "5 draws", "1 row")
    exact = _result(np.array([0.4]))
    assert exact.interval() == (0.4, 0.4)
    assert_states(repr(exact), "no interval")


def test_proportions_have_the_interval_of_wilson():
    scores = np.repeat([1.0, 0.0], [7, 3])
    expected = stats.binomtest(7, 10).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(_result(scores, interval_kind="wilson").interval(), expected, rtol=1e-10)
    low, high = _result(np.ones(8), interval_kind="wilson").interval()
    assert low < 0.7
    assert high == pytest.approx(1.0)


def test_intervals_cover_with_the_spread_of_draws_inside():
    covered, n_redraws = 0, 1000
    for seed in range(n_redraws):
        rng = np.random.default_rng(seed)
        truth = rng.normal(1.0, 0.5, 15)
        draws = truth[:, None] + rng.normal(0.0, 1.0, (15, 3))
        low, high = _result(draws.mean(axis=1), draw_errors=draws.std(axis=1, ddof=1), n_draws=3).interval()
        covered += low < 1.0 < high
    assert 0.92 < covered / n_redraws < 0.98


def test_two_random_results_are_told_apart_in_5_percent_and_a_difference_is_found():
    apart, found = 0, 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        one, other = rng.normal(size=(2, 30))
        apart += not _covers_zero(_result(one).difference(_result(other)))
        moved = _result(one + 4.0 * np.sqrt(2.0 / 30.0)).difference(_result(other))
        found += not _covers_zero(moved)
    assert apart / 500 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 500)
    assert found / 500 >= 0.9


def _covers_zero(result):
    low, high = result.interval()
    return low <= 0.0 <= high


def test_against_is_positive_where_the_explanation_is_better():
    references = {"random": SCORES + 0.1 + 0.01 * RNG.normal(size=20)}
    less = _result(references=references)
    assert less.against("random").interval()[0] > 0
    more = _result(greater_is_better=True, references=references).against("random")
    assert more.interval()[1] < 0
    assert more.greater_is_better is True
    with refuses(DataError, "'least'", "'random'"):
        less.against("least")


def test_difference_needs_the_same_rows_and_metric():
    keys = np.arange(20, dtype=np.uint64)
    one = _result(row_keys=keys)
    assert one.difference(_result(SCORES - 1.0, row_keys=keys)).score == pytest.approx(1.0)
    with refuses(DataError, "same rows", "2 of 20", "row 3"):
        one.difference(_result(row_keys=np.array([*keys[:3], 4, 3, *keys[5:]], dtype=np.uint64)))
    with refuses(DataError, "20", "19"):
        one.difference(_result(SCORES[:-1]))
    with refuses(DataError, "'deletion'", "'insertion'"):
        one.difference(_result(name="insertion"))
    with refuses(TypeError, "MetricResult", "int"):
        one.difference(3)


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({"scores": np.zeros((3, 2))}, ("(3, 2)", "1 output_names")),
        ({"scores": np.zeros(0)}, ("(0,)",)),
        ({"interval_kind": "normal"}, ("'student'", "'wilson'", "'normal'")),
        ({"draw_errors": np.zeros(3)}, ("draw_errors", "(20,)", "(3,)")),
        ({"references": {"random": np.zeros(3)}}, ("references['random']", "(3,)")),
        ({"params": {"model": object()}}, ("params['model']", "object")),
    ],
)
def test_bad_fields(fields, facts):
    with refuses(ValueError, *facts):
        _result(**{"scores": SCORES} | fields)


def test_arrays_are_read_only_and_the_callers_own_stay_writable():
    scores = SCORES.copy()
    result = _result(scores)
    with pytest.raises(ValueError, match="read-only"):
        result.scores[0] = 1.0
    scores[0] = 2.0


def test_frame_has_a_line_for_each_row_and_output():
    result = _result(
        np.arange(4.0).reshape(2, 2),
        output_names=("a", "b"),
        row_names=("x", "y"),
        references={"random": np.ones((2, 2))},
    )
    frame = result.to_frame()
    assert list(frame.columns) == ["row", "output", "score", "random"]
    assert frame[["row", "output", "score"]].to_numpy().tolist() == [
        ["x", "a", 0.0], ["x", "b", 1.0], ["y", "a", 2.0], ["y", "b", 3.0],
    ]  # fmt: skip


def test_representations_tell_score_interval_direction_cost_and_notes():
    result = _result(np.array([0.5, 0.7]), n_model_rows=1234, notes=("3 of 4 rows are equal.",))
    assert_states(repr(result), "deletion", "0.6", "less is better", "2 rows", "1,234", "3 of 4 rows")
    html = result._repr_html_()
    assert "<table" in html
    assert_states(html, "deletion", "3 of 4 rows")
    several = _result(np.zeros((2, 6)), output_names=tuple("abcdef"))
    assert ", ..." in repr(several)


def test_plots():
    pytest.importorskip("matplotlib").use("Agg")
    curve = MetricCurve(np.linspace(0, 1, 3), RNG.random((20, 3)), {"random": RNG.random((20, 3))})
    display = _result(curve=curve).plot()
    assert set(display.frame()["order"]) == {"explanation", "random"}
    assert display.ax_.get_xlabel() == "proportion hidden"
    scores = _result().plot()
    assert len(scores.frame()) == 20
    several = _result(RNG.random((5, 2)), output_names=("a", "b"))
    assert [label.get_text() for label in several.plot().ax_.get_yticklabels()] == ["a", "b"]


def test_curve_needs_one_x_for_each_point():
    with refuses(ValueError, "x", "(3,)", "(2,)"):
        MetricCurve(np.zeros(2), np.zeros((4, 3)))
    assert MetricCurve(np.zeros(3), np.zeros((4, 3, 2))).dims == ("row", "point", "output")
