"""Conflicts that are searched for over scalars: what is solved for them, and the limit of that."""

import numpy as np
import pytest

from agnostix import DisparateImpact, EntropicProjection, Mean, SelectionRate
from agnostix.exceptions import InfeasibleTargetError
from agnostix.what_if.conflicts import searched
from tests.messages import assert_states
from tests.what_if.doubles import chance, people

F, M = {"sex": "Female"}, {"sex": "Male"}
RATIO = DisparateImpact(3.0, group="sex", reference="Male", threshold=0.5)
RATES = [SelectionRate(0.5, threshold=0.5, where=F), SelectionRate((0.4, 0.6), threshold=0.5, where=M)]


@pytest.fixture
def programs(monkeypatch):
    """The number of searched linear programs."""
    solved = []
    least_cost = searched.least_cost
    monkeypatch.setattr(searched, "least_cost", lambda *a: solved.append(1) or least_cost(*a))
    return solved


def refused(constraints, n=600):
    X = people(n)
    projection = EntropicProjection().fit(X, predictions=chance(X))
    with pytest.raises(InfeasibleTargetError) as caught:
        projection.what_if(constraints)
    assert projection.what_if(**caught.value.nearest).gap <= 1e-9
    assert projection.what_if(**caught.value.ranges).gap <= 1e-9
    return caught.value


def test_few_programs_are_solved(programs):
    error = refused([RATIO, *RATES, Mean("age", (39, 43))])
    assert error.conflict == (RATIO.label, RATES[1].label)
    assert len(programs) <= 250


def test_work_is_limited_and_the_message_says_so(programs, monkeypatch):
    monkeypatch.setattr(searched, "_MAX_WORK", 0.0)
    error = refused([RATIO, *RATES, Mean("age", (39, 43))])
    assert len(error.conflict) == 4
    assert_states(
        error.reason, "these 4 together (fewer may be in conflict", "goes up to about 1.25", "not to 3"
    )
    assert "though some meet" not in error.reason
    assert len(programs) <= 120


def test_limit_counts_rows():
    work = searched.Work(n_programs=300)
    assert not work.is_done(10)
    assert not work.is_done(10_000)
    assert work.is_done(100_000)
    assert searched.Work(n_programs=10_000).is_done(10)


def two_classes(n=400):
    """A model of two classes whose most probable class is decided for, and its scores at 0.5."""
    rng = np.random.default_rng(0)
    X = people(n)
    score = rng.uniform(0.05, 0.95, n)
    y = np.array(["no", "yes"])[(rng.random(n) < score).astype(int)]
    return EntropicProjection().fit(X, y, predictions=np.c_[1.0 - score, score]), X, score


@pytest.mark.parametrize(
    "one", [{}, {"threshold": 0.5}, {"positive": "yes"}, {"positive": "yes", "threshold": 0.5}]
)
@pytest.mark.parametrize("other", [{}, {"threshold": 0.5}, {"favorable": "yes"}])
def test_rate_fixes_the_reference_however_the_decision_is_stated(one, other):
    projection, X, score = two_classes()
    rate = SelectionRate(0.2, where=F, **one)
    scenario = projection.what_if([rate, DisparateImpact(3.0, group="sex", reference="Female", **other)])
    assert len(scenario.searched) == 0
    weights, decided = scenario.weights / scenario.weights.sum(), score >= 0.5
    rates = [
        weights[g & decided].sum() / weights[g].sum() for g in (X["sex"] == s for s in ("Female", "Male"))
    ]
    np.testing.assert_allclose(rates, [0.2, 0.6], atol=1e-9)


def test_rate_in_a_range_is_searched_under_its_own_name():
    projection, *_ = two_classes()
    rate = SelectionRate((0.2, 0.3), where=F)
    ratio = DisparateImpact(3.0, group="sex", reference="Female", threshold=0.5)
    scenario = projection.what_if([rate, ratio])
    assert scenario.searched["name"].tolist() == [rate.label]
    assert 0.2 <= scenario.searched["value"][0] <= 0.3
    assert scenario.gap <= 1e-9


def test_other_threshold_is_another_rate():
    projection, *_ = two_classes()
    rate = SelectionRate(0.2, where=F, threshold=0.6)
    ratio = DisparateImpact(1.5, group="sex", reference="Female", threshold=0.5)
    scenario = projection.what_if([rate, ratio])
    assert len(scenario.searched) == 1
    assert scenario.gap <= 1e-9
