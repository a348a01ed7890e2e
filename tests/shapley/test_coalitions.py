import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.shapley.coalitions import (
    CoalitionPlan,
    Coalitions,
    _least_similar,
    _Pool,
    count_pairs,
    count_pairs_of_size,
    sample_pairs,
)
from tests.messages import refuses


def as_pairs(masks):
    """Each pair as the set of its two sides."""
    return {frozenset([tuple(mask), tuple(~mask)]) for mask in masks}


@pytest.mark.parametrize("d", range(2, 11))
def test_sample_pairs_can_list_all_pairs_once(d):
    n = count_pairs(d)
    masks = sample_pairs(d, n, seed=3).masks
    assert len(as_pairs(masks)) == n == 2 ** (d - 1) - 1


@pytest.mark.parametrize(("d", "n"), [(20, 300), (60, 500), (1000, 1100)])
def test_sample_pairs_are_distinct(d, n):
    masks = sample_pairs(d, n, seed=0).masks
    assert len({mask.tobytes() for mask in np.vstack([masks, ~masks])}) == 2 * n
    sizes = masks.sum(1)
    assert sizes.min() == 1
    assert sizes.max() == d // 2


@given(st.integers(2, 14), st.integers(0, 2**40), st.data())
def test_sample_pairs_shorter_is_prefix_of_longer(d, seed, data):
    n = min(count_pairs(d), 40)
    short = data.draw(st.integers(0, n))
    longer = sample_pairs(d, n, seed)
    np.testing.assert_array_equal(sample_pairs(d, short, seed).masks, longer.prefix(short).masks)


def test_sample_pairs_depend_on_seed_only():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = sample_pairs(12, 60, 7), sample_pairs(12, 60, 7)
    np.testing.assert_array_equal(one.masks, two.masks)
    assert (one.masks != sample_pairs(12, 60, 8).masks).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@given(st.integers(2, 30), st.integers(0, 1000))
def test_sample_pairs_start_with_permutation_prefixes(d, seed):
    masks = sample_pairs(d, d - 1, seed).masks
    sides = [frozenset(np.flatnonzero(side)) for mask in masks for side in (mask, ~mask)]
    current = next(side for side in sides if len(side) == 1)
    for size in range(2, d):
        current = next(side for side in sides if len(side) == size and side > current)
    assert len(current) == max(1, d - 1)


@pytest.mark.parametrize(("d", "n"), [(9, 60), (10, 60), (24, 200), (60, 400)])
def test_sample_pairs_sizes_are_balanced(d, n):
    coalitions = sample_pairs(d, n, seed=1)
    count = np.bincount(coalitions.sizes, minlength=d // 2 + 1)[1:]
    per_size = count / np.where(2 * np.arange(1, d // 2 + 1) == d, 0.5, 1.0)
    full = count == [count_pairs_of_size(d, s) for s in range(1, d // 2 + 1)]
    assert np.ptp(per_size[~full]) <= 2
    assert (per_size[full] <= per_size[~full].max()).all()


def test_coalitions_weights_sum_to_kernel_weight_per_size():
    d = 6
    coalitions = sample_pairs(d, 20, seed=0)
    both = np.vstack([coalitions.masks, ~coalitions.masks]).sum(1)
    weights = np.r_[coalitions.kernel_weights(), coalitions.kernel_weights()]
    for s in range(1, d):
        assert weights[both == s].sum() == pytest.approx(1 / (s * (d - s)))


def test_coalitions_n_evaluations_counts_empty_and_full():
    coalitions = sample_pairs(5, 7, seed=0)
    assert (coalitions.n_pairs, coalitions.n_players, coalitions.n_evaluations) == (7, 5, 16)
    assert isinstance(coalitions.prefix(3), Coalitions)


def test_least_similar_minimizes_sum_of_fourth_powers():
    rng = np.random.default_rng(0)
    candidates, before = rng.random((6, 7)) < 0.4, rng.random((5, 7)) < 0.4
    similarity = [
        sum(sum((1 if a == b else -1) for a, b in zip(one, other, strict=True)) ** 4 for other in before)
        for one in candidates
    ]
    assert _least_similar(candidates, 2.0 * before - 1.0) == similarity.index(min(similarity))


def test_similarity_is_sum_of_squared_fourth_moments():
    x = 2.0 * sample_pairs(5, 9, seed=0).masks - 1.0
    moments = np.einsum("ja,jb,jc,jd->abcd", x, x, x, x)
    assert (np.square(moments)).sum() == pytest.approx(((x @ x.T) ** 4).sum())


def test_sample_pairs_spread_more_evenly_than_random():
    def similarity(masks):
        x = 2.0 * masks - 1.0
        return ((x @ x.T) ** 4).sum()

    chosen, random = [], []
    for seed in range(5):
        coalitions = sample_pairs(12, 80, seed)
        rng = np.random.default_rng(seed)
        shuffled = np.array([rng.permutation(mask) for mask in coalitions.masks])
        chosen.append(similarity(coalitions.masks))
        random.append(similarity(shuffled))
    assert max(chosen) < min(random)


@pytest.mark.parametrize(("d", "size"), [(6, 2), (6, 3), (30, 15)])
def test_pool_never_draws_used_coalitions(d, size):
    rng = np.random.default_rng(0)
    used = np.zeros((1, d), dtype=bool)
    used[0, :size] = True
    pool, seen = _Pool(d, size, used), {used[0].tobytes()}
    for _ in range(min(9, count_pairs_of_size(d, size) - 1)):
        candidates = pool.draw(3, rng)
        assert {int(mask.sum()) for mask in candidates} == {size}
        assert not seen & {mask.tobytes() for mask in candidates}
        if 2 * size == d:
            assert candidates[:, 0].all()
        seen.add(pool.remove(len(candidates) - 1).tobytes())
    assert len(seen) == min(10, count_pairs_of_size(d, size))


def test_count_pairs_of_size():
    assert [count_pairs_of_size(6, s) for s in (1, 2, 3)] == [6, 15, 10]
    assert sum(count_pairs_of_size(9, s) for s in range(1, 5)) == count_pairs(9)
    assert count_pairs_of_size(40, 20) == math.comb(40, 20) // 2


@pytest.mark.parametrize(
    ("args", "facts"),
    [
        ((1, 0, 0), ["n_players", "at least 2", "got 1"]),
        ((4, 8, 0), ["n_pairs", "between 0 and 7", "4 players", "got 8"]),
        ((4, -1, 0), ["n_pairs", "between 0 and 7", "4 players", "got -1"]),
    ],
)
def test_sample_pairs_refuses_bad_n_players_and_n_pairs(args, facts):
    with refuses(ValueError, *facts):
        sample_pairs(*args)


varying = st.lists(st.booleans(), min_size=1, max_size=7).map(lambda flags: np.array(flags, dtype=bool))


def sampled(varies, n_pairs, evaluates_empty=False):
    return CoalitionPlan(varies, sample_pairs(int(varies.sum()), n_pairs, seed=0), evaluates_empty)


@given(varying, st.booleans())
def test_plan_lists_every_coalition_of_varying_once(varies, evaluates_empty):
    plan = CoalitionPlan(varies, None, evaluates_empty)
    masks = plan.masks
    assert masks[0].all()
    t = int(varies.sum())
    assert masks.shape[1] == t
    evaluated = {tuple(mask) for mask in masks.tolist()}
    full, empty = (True,) * t, (False,) * t
    n_evaluated = max(2**t, 1) if evaluates_empty and t else max(2**t - 1, 1)
    assert len(evaluated) == n_evaluated
    assert full in evaluated
    assert (empty in evaluated) == (evaluates_empty or t == 0)
    assert plan.n_evaluations == 2**t
    if evaluates_empty:
        assert not masks[1].any()
    codes = [sum(2**i for i, known in enumerate(mask) if known) for mask in masks[1 + evaluates_empty :]]
    assert codes == list(range(1, 2**t - 1))


@given(st.integers(3, 7), st.booleans(), st.data())
def test_plan_holds_pairs_side_by_side(t, evaluates_empty, data):
    varies = np.array([True] * t + [False] * data.draw(st.integers(0, 3)))
    varies = varies[data.draw(st.permutations(range(varies.size)))]
    plan = sampled(varies, data.draw(st.integers(t - 1, 2 ** (t - 1) - 1)), evaluates_empty)
    masks = plan.masks
    assert masks.shape[1] == t
    assert masks[0].all()
    rest = masks[1 + evaluates_empty :]
    np.testing.assert_array_equal(rest[0::2], plan.coalitions.masks)
    np.testing.assert_array_equal(rest[1::2], ~plan.coalitions.masks)
    assert plan.n_evaluations == masks.shape[0] + (not evaluates_empty)
    np.testing.assert_array_equal(plan.players, [j for j, one in enumerate(varies) if one])


@pytest.mark.parametrize("evaluates_empty", [False, True])
@pytest.mark.parametrize("n_pairs", [5, 12, 31])
def test_plan_prefix_is_evaluated_before_the_rest(n_pairs, evaluates_empty):
    plan = sampled(np.array([True, False, True, True, True, True, True]), 31, evaluates_empty)
    prefix = plan.prefix(n_pairs)
    np.testing.assert_array_equal(prefix.masks, plan.masks[: prefix.masks.shape[0]])
    assert prefix.evaluates_empty == evaluates_empty
    assert prefix.is_exact == (n_pairs == 31)
    assert prefix.others.shape == (2 * n_pairs, 6)


@pytest.mark.parametrize(("n_players", "n_pairs"), [(5, 4), (5, 15), (6, 20), (7, 40), (8, 100)])
def test_unsampled_shares_match_counts(n_players, n_pairs):
    design = sample_pairs(n_players, n_pairs, seed=0)
    every = Counter(min(k, n_players - k) for k in map(int.bit_count, range(1, 2**n_players - 1)))
    chosen = Counter(design.sizes.tolist())
    expected = [1.0 - 2 * chosen[size] / every[size] for size in design.sizes.tolist()]
    np.testing.assert_allclose(design.unsampled_shares(), expected, atol=1e-15)
    assert (n_pairs == count_pairs(n_players)) == (design.unsampled_shares() == 0.0).all()
