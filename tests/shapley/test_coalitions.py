import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.shapley.coalitions import Coalitions, _most_unlike, leverage_pairs, n_pairs_of_all
from agnostix.shapley.same_size import SameSize, n_pairs_of_size
from tests.messages import refuses


def as_pairs(masks):
    """Each pair as the set of its two sides."""
    return {frozenset([tuple(mask), tuple(~mask)]) for mask in masks}


@pytest.mark.parametrize("d", range(2, 11))
def test_leverage_pairs_can_list_all_pairs_once(d):
    n = n_pairs_of_all(d)
    masks = leverage_pairs(d, n, seed=3).masks
    assert len(as_pairs(masks)) == n == 2 ** (d - 1) - 1


@pytest.mark.parametrize(("d", "n"), [(20, 300), (60, 500), (1000, 1100)])
def test_leverage_pairs_are_distinct(d, n):
    masks = leverage_pairs(d, n, seed=0).masks
    assert len({mask.tobytes() for mask in np.vstack([masks, ~masks])}) == 2 * n
    sizes = masks.sum(1)
    assert sizes.min() == 1
    assert sizes.max() == d // 2


@given(st.integers(2, 14), st.integers(0, 2**40), st.data())
def test_leverage_pairs_shorter_is_prefix_of_longer(d, seed, data):
    n = min(n_pairs_of_all(d), 40)
    short = data.draw(st.integers(0, n))
    longer = leverage_pairs(d, n, seed)
    np.testing.assert_array_equal(leverage_pairs(d, short, seed).masks, longer.prefix(short).masks)


def test_leverage_pairs_depend_on_seed_only():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = leverage_pairs(12, 60, 7), leverage_pairs(12, 60, 7)
    np.testing.assert_array_equal(one.masks, two.masks)
    assert (one.masks != leverage_pairs(12, 60, 8).masks).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@given(st.integers(2, 30), st.integers(0, 1000))
def test_leverage_pairs_start_with_permutation_prefixes(d, seed):
    masks = leverage_pairs(d, d - 1, seed).masks
    sides = [frozenset(np.flatnonzero(side)) for mask in masks for side in (mask, ~mask)]
    current = next(side for side in sides if len(side) == 1)
    for size in range(2, d):
        current = next(side for side in sides if len(side) == size and side > current)
    assert len(current) == max(1, d - 1)


@pytest.mark.parametrize(("d", "n"), [(9, 60), (10, 60), (24, 200), (60, 400)])
def test_leverage_pairs_sizes_are_balanced(d, n):
    coalitions = leverage_pairs(d, n, seed=1)
    count = np.bincount(coalitions.sizes, minlength=d // 2 + 1)[1:]
    per_size = count / np.where(2 * np.arange(1, d // 2 + 1) == d, 0.5, 1.0)
    full = count == [n_pairs_of_size(d, s) for s in range(1, d // 2 + 1)]
    assert np.ptp(per_size[~full]) <= 2
    assert (per_size[full] <= per_size[~full].max()).all()


def test_coalitions_weights_sum_to_kernel_weight_per_size():
    d = 6
    coalitions = leverage_pairs(d, 20, seed=0)
    both = np.vstack([coalitions.masks, ~coalitions.masks]).sum(1)
    weights = np.r_[coalitions.weights(), coalitions.weights()]
    for s in range(1, d):
        assert weights[both == s].sum() == pytest.approx(1 / (s * (d - s)))


def test_coalitions_n_evaluations_counts_empty_and_full():
    coalitions = leverage_pairs(5, 7, seed=0)
    assert (coalitions.n_pairs, coalitions.n_players, coalitions.n_evaluations) == (7, 5, 16)
    assert isinstance(coalitions.prefix(3), Coalitions)


def test_most_unlike_minimizes_fourth_power_likeness():
    rng = np.random.default_rng(0)
    offered, before = rng.random((6, 7)) < 0.4, rng.random((5, 7)) < 0.4
    likeness = [
        sum(sum((1 if a == b else -1) for a, b in zip(one, other, strict=True)) ** 4 for other in before)
        for one in offered
    ]
    assert _most_unlike(offered, 2.0 * before - 1.0) == likeness.index(min(likeness))


def test_likeness_is_sum_of_squared_fourth_moments():
    x = 2.0 * leverage_pairs(5, 9, seed=0).masks - 1.0
    moments = np.einsum("ja,jb,jc,jd->abcd", x, x, x, x)
    assert (np.square(moments)).sum() == pytest.approx(((x @ x.T) ** 4).sum())


def test_leverage_pairs_spread_more_evenly_than_random():
    def likeness(masks):
        x = 2.0 * masks - 1.0
        return ((x @ x.T) ** 4).sum()

    chosen, chance = [], []
    for seed in range(5):
        coalitions = leverage_pairs(12, 80, seed)
        rng = np.random.default_rng(seed)
        drawn = np.array([rng.permutation(mask) for mask in coalitions.masks])
        chosen.append(likeness(coalitions.masks))
        chance.append(likeness(drawn))
    assert max(chosen) < min(chance)


@pytest.mark.parametrize(("d", "size"), [(6, 2), (6, 3), (30, 15)])
def test_same_size_never_offers_taken_coalitions(d, size):
    rng = np.random.default_rng(0)
    taken = np.zeros((1, d), dtype=bool)
    taken[0, :size] = True
    stock, seen = SameSize(d, size, taken), {taken[0].tobytes()}
    for _ in range(min(9, n_pairs_of_size(d, size) - 1)):
        offered = stock.offer(3, rng)
        assert {int(mask.sum()) for mask in offered} == {size}
        assert not seen & {mask.tobytes() for mask in offered}
        if 2 * size == d:
            assert offered[:, 0].all()
        seen.add(stock.take(len(offered) - 1).tobytes())
    assert len(seen) == min(10, n_pairs_of_size(d, size))


def test_n_pairs_of_size():
    assert [n_pairs_of_size(6, s) for s in (1, 2, 3)] == [6, 15, 10]
    assert sum(n_pairs_of_size(9, s) for s in range(1, 5)) == n_pairs_of_all(9)
    assert n_pairs_of_size(40, 20) == math.comb(40, 20) // 2


@pytest.mark.parametrize(
    ("args", "facts"),
    [
        ((1, 0, 0), ["n_players", "at least 2", "got 1"]),
        ((4, 8, 0), ["n_pairs", "between 0 and 7", "4 players", "got 8"]),
        ((4, -1, 0), ["n_pairs", "between 0 and 7", "4 players", "got -1"]),
    ],
)
def test_leverage_pairs_refuses_bad_n_players_and_n_pairs(args, facts):
    with refuses(ValueError, *facts):
        leverage_pairs(*args)
