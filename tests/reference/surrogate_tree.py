"""Second formulation of surrogate trees, in plain loops. Nothing here imports the package."""

from __future__ import annotations

import math
from itertools import combinations

from scipy.stats import loggamma


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


def best_two_sets(codes, predictions, weights, n_levels):
    """The least squared error over all divisions of the labels in two sets."""
    best = math.inf
    for size in range(1, n_levels):
        for chosen in combinations(range(n_levels), size):
            total = 0.0
            for side in (True, False):
                rows = [k for k, code in enumerate(codes) if (int(code) in chosen) == side]
                total += squares(rows, predictions, weights)
            best = min(best, total)
    return best


def squares(rows, predictions, weights):
    """Weighted squared distance of rows from their mean, summed over outputs."""
    total_weight = math.fsum(weights[k] for k in rows)
    if not total_weight:
        return 0.0
    total = 0.0
    for j in range(len(predictions[0])):
        mean = math.fsum(weights[k] * predictions[k][j] for k in rows) / total_weight
        total += math.fsum(weights[k] * (predictions[k][j] - mean) ** 2 for k in rows)
    return total


def leaves_under(node, left, right, cut):
    if left[node] < 0 or node in cut:
        return [node]
    return leaves_under(left[node], left, right, cut) + leaves_under(right[node], left, right, cut)


def pruning_path(left, right, loss):
    """(ccp_alpha, n_leaves) along the cost-complexity path, until the root is left."""
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


def binomial_tail(hits, n, p):
    """Probability of at least so many hits."""
    return math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(hits, n + 1))


def clopper_pearson(hits, n, level=0.95):
    """Probabilities at which as many hits or more, and as few or fewer, have half of 1 - level."""
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _root(lambda p: binomial_tail(hits, n, p) - tail)
    high = 1.0 if hits == n else _root(lambda p: tail - (1 - binomial_tail(hits + 1, n, p)))
    return low, high


def _root(rising):
    low, high = 0.0, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def r2(predictions, outputs):
    """1 - residual sum of squares / total sum of squares, over all outputs."""
    n, n_outputs = len(predictions), len(predictions[0])
    means = [math.fsum(row[j] for row in predictions) / n for j in range(n_outputs)]
    residual = math.fsum(
        (c - a) ** 2
        for one, other in zip(predictions, outputs, strict=True)
        for a, c in zip(one, other, strict=True)
    )
    spread = math.fsum((row[j] - means[j]) ** 2 for row in predictions for j in range(n_outputs))
    return 1 - residual / spread


def divergence(predictions, outputs, smallest):
    """Mean of sum p log(p / q), q not below the smallest."""
    total = 0.0
    for one, other in zip(predictions, outputs, strict=True):
        floored = [max(q, smallest) for q in other]
        total += math.fsum(
            p * math.log(p / (q / math.fsum(floored))) for p, q in zip(one, floored, strict=True) if p > 0
        )
    return total / len(predictions)


def path_to(node, left, right):
    for k in range(len(left)):
        if left[k] >= 0 and node in (left[k], right[k]):
            return [*path_to(k, left, right), node]
    return [node]


def contributions(leaf, feature, left, right, means, n_features):
    """Differences of node means along the path, added up by feature."""
    path, total = path_to(leaf, left, right), [0.0] * n_features
    for k in range(len(path) - 1):
        total[feature[path[k]]] += means[path[k + 1]] - means[path[k]]
    return total


def contribution_error(leaf, position, feature, left, right, leaf_of, targets, weights, cluster, expected):
    """Root of the summed squared influence of clusters of rows, residuals being to what is expected."""
    path, nodes = path_to(leaf, left, right), []
    for k in range(len(path) - 1):
        if feature[path[k]] == position:
            nodes += [(path[k], -1.0), (path[k + 1], 1.0)]
    below = {node: set(leaves_under(node, left, right, set())) for node, _ in nodes}
    influence = dict.fromkeys(cluster, 0.0)
    for node, sign in nodes:
        rows = [k for k in range(len(leaf_of)) if leaf_of[k] in below[node]]
        total_weight = math.fsum(weights[k] for k in rows)
        mean = math.fsum(weights[k] * targets[k] for k in rows) / total_weight
        for k in rows:
            mates = [m for m in rows if leaf_of[m] == leaf_of[k]]
            of_leaf = math.fsum(weights[m] * targets[m] for m in mates) / math.fsum(weights[m] for m in mates)
            change = (targets[k] - expected[k]) + (of_leaf - mean)
            influence[cluster[k]] += sign * weights[k] * change / total_weight
    squares = [one**2 for one in influence.values()]
    n = len(squares)
    return math.sqrt(math.fsum(squares) * n / (n - 1)), chi_square_dof(squares)


def chi_square_dof(squares):
    """Degrees of freedom of a chi-square with the mean and variance of a sum of squares, at most n - 1."""
    n, total = len(squares), math.fsum(squares)
    fourth = math.fsum(one**2 for one in squares)
    if total == 0:
        return math.inf
    kurtosis = n * fourth / total**2
    return n - 1 if kurtosis <= 1 + 1e-12 else min(2 * n / (kurtosis - 1), n - 1)


def n_carrying(sizes):
    """Kish's number of equal parts of a sum."""
    return math.fsum(sizes) ** 2 / math.fsum(one**2 for one in sizes)


def importances(leaves, feature, left, right, leaf_of, targets, weights, n_features):
    """Fraction of the squared error that the splits on each feature take away, by loops over nodes."""
    gains = [0.0] * n_features
    for node in range(len(left)):
        if left[node] < 0:
            continue
        sides = []
        for child in (left[node], right[node]):
            below = set(leaves_under(child, left, right, set()))
            sides.append([k for k in range(len(leaf_of)) if leaf_of[k] in below])
        gains[feature[node]] += squares(sides[0] + sides[1], targets, weights) - sum(
            squares(side, targets, weights) for side in sides
        )
    total = math.fsum(gains)
    return [gain / total for gain in gains]


def leaf_scales(squares, usual, inflation=1.0):
    """Mean squares of leaves of equal weights by lists: drawn, error of the log, dof, what may lie beyond."""
    n_all, everything = sum(map(len, squares)), math.fsum(map(math.fsum, squares))
    near = [(math.fsum(own) + 2 * everything / n_all) / (len(own) + 2) for own in squares]
    fourth = pairs = 0.0
    for own, unit in zip(squares, near, strict=True):
        fourth += math.fsum((q / unit) ** 2 for q in own) if len(own) > 1 else 0.0
        for i in range(len(own)):
            for j in range(len(own)):
                pairs += own[i] * own[j] / unit**2 / (len(own) - 1) if i != j else 0.0
    kurtosis = max(fourth / pairs, 3.0)
    known = [k for k, own in enumerate(squares) if math.fsum(own) > 0]
    # A mean square is the true one times a gamma variable of mean 1.
    shape = {k: max(len(squares[k]) / (kurtosis - 1) / inflation, 0.25) for k in known}
    logs = {
        k: math.log(math.fsum(squares[k]) / len(squares[k])) - loggamma(shape[k], -math.log(shape[k])).mean()
        for k in known
    }
    noise = {k: float(loggamma(shape[k]).var()) for k in known}
    total = math.fsum(1 / (1 + noise[k]) for k in known)
    weight = {k: 1 / (1 + noise[k]) / total for k in known}
    mean = math.fsum(weight[k] * logs[k] for k in known)
    spread = math.fsum(weight[k] * (logs[k] - mean) ** 2 for k in known) * len(known) / max(len(known) - 1, 1)
    apart = max(spread - math.fsum(weight[k] * min(noise[k], 5.0) for k in known), 0.3)
    drawn, errors = [], []
    for k in range(len(squares)):
        of_leaf = 1 / noise[k] if k in known else 0.0  # precisions
        variance = 1 / (of_leaf + 1 / apart)
        drawn.append(math.exp((of_leaf * logs.get(k, 0.0) + mean / apart) * variance))
        errors.append(math.sqrt(variance + (variance / apart) ** 2 * apart / len(known)))
    relative = sorted((q / unit for own, unit in zip(squares, near, strict=True) for q in own), reverse=True)
    k = min(max(n_all // 10, 4), n_all - 1)
    index = min(max(1 / (math.fsum(math.log(q / relative[k]) for q in relative[:k]) / k), 1.1), 10.0)
    beyond = [
        -math.log(0.025) / len(own) * relative[min(n_all // len(own), n_all - 1)] * index / (index - 1)
        for own in squares
    ]
    return (
        drawn,
        [max(*pair) for pair in zip(drawn, usual, strict=True)],
        errors,
        n_carrying(relative) / 2,
        beyond,
    )
