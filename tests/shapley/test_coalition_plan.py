import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.shapley.coalition_plan import CoalitionPlan
from agnostix.shapley.coalitions import leverage_pairs

varying = st.lists(st.booleans(), min_size=1, max_size=7).map(lambda flags: np.array(flags, dtype=bool))


def sampled(varies, n_pairs, evaluates_empty=False):
    return CoalitionPlan(varies, leverage_pairs(int(varies.sum()), n_pairs, seed=0), evaluates_empty)


@given(varying, st.booleans())
def test_plan_lists_every_coalition_of_varying_once(varies, evaluates_empty):
    plan = CoalitionPlan(varies, None, evaluates_empty)
    masks = plan.masks
    assert masks[0].all()
    assert masks[:, ~varies].all()
    assert plan.is_exact
    t = int(varies.sum())
    asked = {tuple(mask) for mask in masks[:, varies].tolist()}
    full, empty = (True,) * t, (False,) * t
    n_asked = max(2**t, 1) if evaluates_empty and t else max(2**t - 1, 1)
    assert len(asked) == n_asked
    assert full in asked
    assert (empty in asked) == (evaluates_empty or t == 0)
    assert plan.n_evaluations == 2**t
    if evaluates_empty:
        assert not masks[1, varies].any()
    codes = [
        sum(2**i for i, known in enumerate(mask) if known) for mask in masks[1 + evaluates_empty :, varies]
    ]
    assert codes == list(range(1, 2**t - 1))


@given(st.integers(3, 7), st.booleans(), st.data())
def test_plan_holds_pairs_side_by_side(t, evaluates_empty, data):
    varies = np.array([True] * t + [False] * data.draw(st.integers(0, 3)))
    varies = varies[data.draw(st.permutations(range(varies.size)))]
    plan = sampled(varies, data.draw(st.integers(t - 1, 2 ** (t - 1) - 1)), evaluates_empty)
    masks = plan.masks
    assert masks[:, ~varies].all()
    assert masks[0].all()
    rest = masks[1 + evaluates_empty :, varies]
    np.testing.assert_array_equal(rest[0::2], plan.coalitions.masks)
    np.testing.assert_array_equal(rest[1::2], ~plan.coalitions.masks)
    assert plan.n_evaluations == masks.shape[0] + (not evaluates_empty)
    assert not plan.is_exact
    np.testing.assert_array_equal(plan.players, [j for j, one in enumerate(varies) if one])


@pytest.mark.parametrize("evaluates_empty", [False, True])
@pytest.mark.parametrize(("n_pairs", "ends"), [(31, [6, 12, 24, 31]), (24, [6, 12, 24]), (6, [6]), (5, [5])])
def test_plan_prefixes_double_up_to_all(n_pairs, ends, evaluates_empty):
    varies = np.array([True, False, True, True, True, True, True])
    plan = sampled(varies, n_pairs, evaluates_empty)
    prefixes = plan.prefixes()
    assert [prefix.coalitions.n_pairs for prefix in prefixes] == ends
    assert prefixes[-1] is plan
    for prefix in prefixes:
        np.testing.assert_array_equal(prefix.masks, plan.masks[: prefix.masks.shape[0]])
    stages = plan.stages(prefixes)
    np.testing.assert_array_equal(np.concatenate(stages), plan.masks)
    assert np.cumsum([len(stage) for stage in stages]).tolist() == [len(one.masks) for one in prefixes]


def test_plan_exact_is_one_stage():
    plan = CoalitionPlan(np.ones(3, dtype=bool), None, evaluates_empty=True)
    assert plan.prefixes() == [plan]
    (stage,) = plan.stages([plan])
    np.testing.assert_array_equal(stage, plan.masks)
