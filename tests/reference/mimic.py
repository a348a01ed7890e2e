"""Trees that copy a model a second time, in plain loops. Nothing here imports the package."""

from __future__ import annotations

import math
from itertools import combinations


def leaf_of(row, feature, threshold, levels, missing_left, left, right):
    """Walk down: numbers up to the threshold go left, labels of the set, missing values where sent."""
    node = 0
    while left[node] >= 0:
        value = row[feature[node]]
        if value != value:
            goes_left = missing_left[node]
        elif levels[node]:
            goes_left = value in levels[node]
        else:
            goes_left = value <= threshold[node]
        node = left[node] if goes_left else right[node]
    return node


def admitted(value, low, high, levels, missing):
    """Whether a value satisfies a condition."""
    if value != value:
        return missing
    if levels is not None:
        return value in levels
    return low < value <= high


def best_two_sets(codes, answers, weights, n_levels):
    """The least squared error over all ways to part labels in two."""
    best = math.inf
    for size in range(1, n_levels):
        for chosen in combinations(range(n_levels), size):
            total = 0.0
            for side in (True, False):
                rows = [k for k, code in enumerate(codes) if (int(code) in chosen) == side]
                total += squares(rows, answers, weights)
            best = min(best, total)
    return best


def squares(rows, answers, weights):
    """Weighted squared distance of rows from their mean, summed over outputs."""
    held = math.fsum(weights[k] for k in rows)
    if not held:
        return 0.0
    total = 0.0
    for j in range(len(answers[0])):
        mean = math.fsum(weights[k] * answers[k][j] for k in rows) / held
        total += math.fsum(weights[k] * (answers[k][j] - mean) ** 2 for k in rows)
    return total


def leaves_under(node, left, right, cut):
    if left[node] < 0 or node in cut:
        return [node]
    return leaves_under(left[node], left, right, cut) + leaves_under(right[node], left, right, cut)


def pruning_path(left, right, loss):
    """(price, leaves) along the cost-complexity path: the weakest link is cut until the root is left."""
    cut, path = set(), []
    while True:
        inner = [node for node in range(len(left)) if left[node] >= 0 and _alive(node, left, right, cut)]
        if not inner:
            return path
        cost = {}
        for node in inner:
            under = leaves_under(node, left, right, cut)
            cost[node] = (loss[node] - math.fsum(loss[k] for k in under)) / (len(under) - 1)
        weakest = min(inner, key=lambda node: cost[node])
        cut.add(weakest)
        path.append((cost[weakest], len(leaves_under(0, left, right, cut))))


def _alive(node, left, right, cut):
    """Whether a node still splits: neither it nor one above it is cut."""
    if node in cut:
        return False
    for k in range(len(left)):
        if left[k] >= 0 and node in (left[k], right[k]):
            return _alive(k, left, right, cut)
    return True


def binomial_tail(hits, n, share):
    """Chance of at least so many hits."""
    return math.fsum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(hits, n + 1))


def clopper_pearson(hits, n, level=0.95):
    """Shares at which as many hits or more, and as few or fewer, have a chance of half of what is left."""
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _root(lambda share: binomial_tail(hits, n, share) - tail)
    high = 1.0 if hits == n else _root(lambda share: tail - (1 - binomial_tail(hits + 1, n, share)))
    return low, high


def _root(rising):
    low, high = 0.0, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def r2(answers, copies):
    """One less the squares left over, over those there were, over all outputs."""
    n, n_outputs = len(answers), len(answers[0])
    means = [math.fsum(row[j] for row in answers) / n for j in range(n_outputs)]
    lost = math.fsum(
        (c - a) ** 2
        for one, other in zip(answers, copies, strict=True)
        for a, c in zip(one, other, strict=True)
    )
    spread = math.fsum((row[j] - means[j]) ** 2 for row in answers for j in range(n_outputs))
    return 1 - lost / spread


def divergence(answers, copies, smallest):
    """Mean of sum p log(p / q), q not below the smallest."""
    total = 0.0
    for one, other in zip(answers, copies, strict=True):
        floored = [max(q, smallest) for q in other]
        total += math.fsum(
            p * math.log(p / (q / math.fsum(floored))) for p, q in zip(one, floored, strict=True) if p > 0
        )
    return total / len(answers)


def path_to(node, left, right):
    for k in range(len(left)):
        if left[k] >= 0 and node in (left[k], right[k]):
            return [*path_to(k, left, right), node]
    return [node]


def contributions(leaf, feature, left, right, means, n_features):
    """Differences of node means along the path, added up by feature."""
    path, found = path_to(leaf, left, right), [0.0] * n_features
    for k in range(len(path) - 1):
        found[feature[path[k]]] += means[path[k + 1]] - means[path[k]]
    return found


def contribution_error(leaf, place, feature, left, right, at, wanted, weights, kin):
    """Root of the summed squares of what each given row and its kin move, in the linear approximation."""
    path, nodes = path_to(leaf, left, right), []
    for k in range(len(path) - 1):
        if feature[path[k]] == place:
            nodes += [(path[k], -1.0), (path[k + 1], 1.0)]
    below = {node: set(leaves_under(node, left, right, set())) for node, _ in nodes}
    moved = dict.fromkeys(kin, 0.0)
    for node, sign in nodes:
        rows = [k for k in range(len(at)) if at[k] in below[node]]
        held = math.fsum(weights[k] for k in rows)
        mean = math.fsum(weights[k] * wanted[k] for k in rows) / held
        for k in rows:
            moved[kin[k]] += sign * weights[k] * (wanted[k] - mean) / held
    n = len(moved)
    return math.sqrt(math.fsum(one**2 for one in moved.values()) * n / (n - 1))
