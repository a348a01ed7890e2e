from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    DisparateImpact,
    EntropicProjection,
    EqualizedOdds,
    EqualOpportunity,
    Mean,
    SelectionRate,
    StatisticalParity,
    Variance,
)
from agnostix.what_if.calibration import CHI_SQUARE
from agnostix.what_if.calibration.merged import MergedProblem
from agnostix.what_if.constraints.base import Compiled, Condition, Context, Scalar
from agnostix.what_if.constraints.compilation import compile_constraints
from agnostix.what_if.program import Program, solve_program
from agnostix.what_if.sample import Sample, Statistic
from agnostix.what_if.scenario_influence import compute_influence
from tests.messages import assert_states, refuses
from tests.what_if.constraints.test_fairness import JOB, SEX, people


def context(*constraints, n=240, seed=0):
    X, y, score = people(n, seed)
    projection = EntropicProjection().fit(X, y, predictions=score)
    sample = Sample.from_table(projection.table_, ())
    return Context(sample, projection.predictions_, constraints)


def solve(*constraints, n=240, **options):
    given = context(*constraints, n=n)
    return solve_program(compile_constraints(given), given.base, **options), given


def columns(given):
    """Age, the indicator of women and the score: what is averaged."""
    sample = given.sample
    sex = sample.column("sex")
    return np.column_stack(
        [sample.column("age").values, sex.values == sex.level_code("Female"), given.predictions.values[:, 0]]
    ).astype(float)


SCENARIOS = {
    "ratio": (DisparateImpact(1.1, **SEX),),
    "ratio and mean": (DisparateImpact(0.9, **SEX), Mean("age", 42.0)),
    "opportunity": (EqualOpportunity(0.1, **SEX),),
    "odds": (EqualizedOdds(0.1, **SEX),),
    "soft": (StatisticalParity(0.2, **SEX, penalty=5.0),),
    "variance": (Variance("age", 150.0, mean="free"),),
    "variance and range": (Variance("age", 90.0), Mean("age", (30.0, 60.0))),
    "held": (Variance("age", 120.0), SelectionRate(0.4, where={"sex": "Female"}, penalty=5.0)),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_resolved_solution_is_that_of_the_whole_search(name):
    solution, given = solve(*SCENARIOS[name])
    rng = np.random.default_rng(0)
    base = given.base * rng.uniform(0.8, 1.2, given.base.size)
    base /= base.sum()
    again = solution.resolve(base)
    anew = replace(solution.program, base=base).solve()
    np.testing.assert_allclose(again.weights, anew.projection.weights, atol=1e-10)


@pytest.mark.parametrize("n", [240, 3_000])
def test_resolve_with_rows_left_out(n):
    solution, given = solve(*SCENARIOS["odds"], n=n)
    base = np.random.default_rng(0).multinomial(n, given.base) / n
    again = solution.resolve(base)
    assert (again.weights[base == 0.0] == 0.0).all()
    assert again.weights.sum() == pytest.approx(1.0)
    reached = given.constraints[0].measure(given, again.weights)
    assert reached == pytest.approx(0.1, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_standard_errors_match_bootstrap_with_search(name):
    n, n_draws = 1_200, 400
    solution, given = solve(*SCENARIOS[name], n=n)
    values = columns(given)
    influence = compute_influence(given, solution)
    errors = influence.errors(values)[0]
    rng = np.random.default_rng(1)
    means = []
    for _ in range(n_draws):
        drawn = rng.multinomial(n, given.base) / n
        means.append(solution.resolve(drawn).weights @ values)
    spread = np.std(means, axis=0, ddof=1)
    moves = spread > 1e-6
    assert moves.any()
    np.testing.assert_allclose(errors[moves], spread[moves], rtol=0.15)


@pytest.mark.parametrize("name", SCENARIOS)
def test_influence_is_derivative_by_base_weight_of_a_row(name):
    solution, given = solve(*SCENARIOS[name])
    values, base = columns(given), given.base
    influence = compute_influence(given, solution)
    own = replace(influence, inflated=influence.weights).of_rows(values)
    step = 1e-3
    for row in (0, 17, 101):
        ends = []
        for sign in (1.0, -1.0):
            moved = base.copy()
            moved[row] *= 1.0 + sign * step
            ends.append(_scenario_at(given, moved / moved.sum(), solution).weights @ values)
        expected = (ends[0] - ends[1]) / (2.0 * step)
        assert (np.abs(own[row] - expected) <= 2e-5 * np.abs(own).max(0) + 1e-9).all()


def _scenario_at(given, base, solution):
    """The scenario at other base weights: what is held at the data's value is held at the new one."""
    compiled = compile_constraints(replace(given, sample=replace(given.sample, base=base)))
    return replace(solution.program, compiled=compiled, base=base).solve().projection


def test_scalars_at_end_of_range_have_no_influence_of_their_own():
    solution, given = solve(Variance("age", 150.0), Mean("age", (42.0, 45.0)))
    assert solution.values.tolist() == [42.0]
    fixed, _ = solve(Variance("age", 150.0), Mean("age", 42.0))
    np.testing.assert_allclose(solution.projection.weights, fixed.projection.weights, atol=1e-10)
    assert compute_influence(given, solution).estimating.shape[1] == 2


@pytest.mark.parametrize("options", [{}, {"divergence": CHI_SQUARE}, {"weight_bounds": (0.2, 5.0)}])
def test_merged_rows_have_the_same_solution(options):
    constraints = (DisparateImpact(0.95, **SEX), EqualOpportunity(-0.05, **JOB, compared="farmer"))
    given = context(*constraints, n=2_000)
    program = Program(compile_constraints(given), given.base, **options)
    fixed = np.array([scalar.start for scalar in program.compiled.scalars])
    problem = program.given(fixed)
    merged = MergedProblem.from_problem(problem, given.base)
    assert merged.cells.first.size <= 24
    cells = merged.on(given.base, program.solve_on)
    for theta in (problem.start, problem.start + 0.07):
        one, two = problem.at(theta), cells.at(theta)
        assert two.value == pytest.approx(one.value, abs=1e-12)
        np.testing.assert_allclose(two.slope, one.slope, atol=1e-9)
        np.testing.assert_allclose(two.curvature, one.curvature, atol=1e-8)


def test_rows_that_differ_are_not_merged():
    given = context(DisparateImpact(0.95, **SEX), Mean("age", 41.0), n=2_000)
    program = Program(compile_constraints(given), given.base)
    assert MergedProblem.from_problem(program.given(np.array([0.5])), given.base) is None


def _choice(n_choices):
    """A constraint on the mean of x that is one of several numbers."""
    x = np.linspace(-1.0, 1.0, 50)
    statistic = Statistic.from_numbers("x", None, x, np.full(50, 0.02))
    texts = tuple(f"number {i}" for i in range(n_choices))
    scalar = Scalar("case", 0.0, 0.0, n_choices - 1.0, texts)

    def conditions(values):
        target = 0.5 - 0.4 * values[0] / n_choices
        return [Condition(statistic, target, target)]

    return Compiled(conditions, (scalar,), notes=("A note.",))


def test_choice_is_the_closest_of_all_cases():
    solution = solve_program(_choice(4), np.full(50, 0.02))
    assert solution.values.tolist() == [3.0]
    assert_states(" ".join(solution.notes), "A note.", "case: number 3", "closest of 4 cases")
    assert len(solution.searched) == 0


def test_too_many_cases_are_refused_with_a_way_out():
    with refuses(ValueError, "65 cases", "64", "case (65)", "compared=[...]"):
        solve_program(_choice(65), np.full(50, 0.02))


def test_search_is_described():
    solution, _ = solve(DisparateImpact(0.9, **SEX))
    row = solution.searched.iloc[0]
    assert row["low"] <= row["value"] <= row["high"]
    assert row["name"] == "selection rate where sex = Male"
    assert_states(
        " ".join(solution.notes), "linear only given", "selection rate where sex = Male", "from 0 to 1"
    )


def test_nothing_is_searched_where_all_is_linear():
    solution, _ = solve(Mean("age", 42.0))
    assert solution.result is None
    assert solution.notes == ()
    assert isinstance(solution.searched, pd.DataFrame)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scalars_at_which_some_weights_will_do_take_fewer_solves(name):
    best, _ = solve(*SCENARIOS[name])
    some, given = solve(*SCENARIOS[name], any_will_do=True)
    assert some.projection.status == "ok"
    for condition in some.conditions:
        if np.isinf(condition.penalty):
            mean = some.projection.weights @ np.asarray(condition.statistic.values, dtype=float)
            assert condition.low - 1e-8 <= mean <= condition.high + 1e-8
    assert some.projection.weights.size == given.base.size
    assert some.counts[0] < best.counts[0]
