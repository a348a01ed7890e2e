"""LIME written a second time from its definitions, and its limits in closed form, in plain loops.

Nothing here imports the package. A bin is a `Bin`; a column is a list of bins; `row_bins` are those of the
explained row, one a column. Under LIME's kernel the columns of the binary design stay independent, each 1
with probability alpha instead of q, the mass of the row's bin: what is called tilted below.
"""

from __future__ import annotations

import math
from collections import namedtuple
from itertools import combinations, pairwise, product

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

Bin = namedtuple("Bin", "p mean sd lo hi")
Seen = namedtuple("Seen", "p values")
Fit = namedtuple("Fit", "coefficients intercept r2 prediction")

# ---------------------------------------------------------------- bins and their truncated normals


def quartile_edges(column):
    return np.unique(np.percentile(column, [25, 50, 75]))


def bin_of(value, edges):
    """Intervals (lo, hi]: a value on an edge belongs to the bin below."""
    return sum(1 for edge in edges if edge < value)


def bins_of(column, edges):
    """Share, mean, sd, least and largest of the values in each bin; no value, no numbers."""
    bins = []
    for b in range(len(edges) + 1):
        inside = [float(x) for x in column if bin_of(x, edges) == b]
        if not inside:
            bins.append(Bin(0.0, math.nan, math.nan, math.nan, math.nan))
            continue
        mean = math.fsum(inside) / len(inside)
        sd = math.sqrt(math.fsum((x - mean) ** 2 for x in inside) / len(inside))
        bins.append(Bin(len(inside) / len(column), mean, sd, min(inside), max(inside)))
    return bins


def between_edges(column, edges):
    """The bins with the edges as bounds in place of the extreme values within, the ends excepted."""
    ends = [float(min(column)), *map(float, edges), float(max(column))]
    return [
        one._replace(lo=lo, hi=hi)
        for one, lo, hi in zip(bins_of(column, edges), ends, ends[1:], strict=False)
    ]


def seen_bins(column, edges):
    """Frequency and values of each bin, for columns whose observed values are resampled."""
    sorted_in = [[x for x in column if bin_of(x, edges) == b] for b in range(len(edges) + 1)]
    return [Seen(len(inside) / len(column), inside) for inside in sorted_in]


def seen_levels(column):
    """The same, each distinct value a bin of its own, in the order in which they first occur."""
    levels = list(dict.fromkeys(column))
    return [Seen(column.count(level) / len(column), [level]) for level in levels]


def expectation(function, one, breaks=()):
    """Mean of a function under a bin's truncated normal, by quadrature; a bin of one value is a point.

    Of resampled values, their mean.

    The density is scaled by its own largest value in the bin, and left out below exp(-72) of that.
    """
    if isinstance(one, Seen):
        return math.fsum(function(x) for x in one.values) / len(one.values)
    if one.lo == one.hi or one.sd == 0.0:
        return float(function(min(max(one.mean, one.lo), one.hi)))
    a, b = (one.lo - one.mean) / one.sd, (one.hi - one.mean) / one.sd
    top = min(max(0.0, a), b)
    reach = math.sqrt(top**2 + 144.0)
    a, b = max(a, -reach), min(b, reach)
    inner = {(x - one.mean) / one.sd for x in breaks if math.isfinite(x)}
    cuts = [a, *sorted(t for t in inner | {top} if a < t < b), b]

    def density(t):
        return math.exp(-(t - top) * (t + top) / 2.0)

    def integral(g):
        return math.fsum(
            quad(g, lo, hi, epsabs=1e-15, epsrel=1e-12, limit=200)[0] for lo, hi in pairwise(cuts)
        )

    return integral(lambda t: density(t) * function(one.mean + one.sd * t)) / integral(density)


def interval_mass(one, lo, hi):
    """Probability of (lo, hi] under a bin's distribution."""
    return expectation(lambda x: 1.0 if lo < x <= hi else 0.0, one, breaks=(lo, hi))


def normal_draws(rng, one, n):
    """Samples of a bin's truncated normal, through the inverse of its distribution function."""
    if one.lo == one.hi or one.sd == 0.0:
        return np.full(n, min(max(one.mean, one.lo), one.hi))
    a, b = ndtr((one.lo - one.mean) / one.sd), ndtr((one.hi - one.mean) / one.sd)
    return np.clip(one.mean + one.sd * ndtri(a + (b - a) * rng.random(n)), one.lo, one.hi)


# ---------------------------------------------------------------- the plain algorithm


def kernel_width(d):
    return 0.75 * math.sqrt(d)


def flip_weight(d, width=None):
    """By how much one column outside the row's bin lowers the weight of a sample."""
    width = kernel_width(d) if width is None else width
    return math.exp(-1.0 / (2.0 * width**2))


def ridge(z, y, weights, alpha=1.0):
    """Weighted least squares with a penalty on all but the intercept, by its normal equations.

    Returns coefficients and intercept.
    """
    n, d = z.shape
    normal, right = np.zeros((d + 1, d + 1)), np.zeros(d + 1)
    design = [np.ones(n), *z.T]
    for i, first in enumerate(design):
        right[i] = math.fsum(weights * first * y)
        for j, second in enumerate(design):
            normal[i, j] = math.fsum(weights * first * second)
        if i:
            normal[i, i] += alpha
    solution = np.linalg.lstsq(normal, right, rcond=1e-14)[0]
    return solution[1:], solution[0]


def weighted_r2(y, fitted, weights):
    mean = math.fsum(weights * y) / math.fsum(weights)
    total, left = math.fsum(weights * (y - mean) ** 2), math.fsum(weights * (y - fitted) ** 2)
    if total == 0.0:
        return 1.0 if left == 0.0 else 0.0
    return 1.0 - left / total


def fit(z, y, weights, alpha=1.0):
    """The surrogate on samples of which the first is the row, of weight 0 where it is not counted."""
    coefficients, intercept = ridge(z, y, weights, alpha)
    fitted = intercept + z @ coefficients
    return Fit(coefficients, intercept, weighted_r2(y, fitted, weights), fitted[0])


def binned_samples(rng, n, columns, row, row_bins):
    """The row, then n samples of a bin by frequency and a value within; and whether it is the row's bin."""
    d = len(columns)
    x, z = np.empty((n + 1, d)), np.empty((n + 1, d))
    for j, bins in enumerate(columns):
        sampled = rng.choice(len(bins), size=n, p=[one.p for one in bins])
        x[0, j], z[0, j] = row[j], 1.0
        for b, one in enumerate(bins):
            here = np.flatnonzero(sampled == b)
            if here.size:
                x[1 + here, j] = normal_draws(rng, one, here.size)
            z[1 + here, j] = float(b == row_bins[j])
    return x, z


def flip_weights(z, width=None):
    """The kernel of the root of the number of columns outside the row's bins."""
    flips = (1.0 - z).sum(1)
    return flip_weight(z.shape[1], width) ** flips


def lime_binned(f, columns, row, row_bins, n, rng, alpha=1.0, width=None):
    x, z = binned_samples(rng, n, columns, row, row_bins)
    return fit(z, f(x), flip_weights(z, width), alpha)


def distance_weights(z, width=None):
    """The kernel of the distance of each row of the design from its first."""
    width = kernel_width(z.shape[1]) if width is None else width
    return np.exp(-((z - z[0]) ** 2).sum(1) / (2.0 * width**2))


def lime_gaussian(f, mean, sd, row, n, rng, alpha=1.0, width=None):
    """Without bins: normal samples around the columns' means, coefficients per standard deviation."""
    z = np.vstack([(row - mean) / sd, rng.standard_normal((n, len(row)))])
    return fit(z, f(np.vstack([row, mean + sd * z[1:]])), distance_weights(z, width), alpha)


def lime_around(f, sd, radius, row, n, rng, alpha=1.0, width=None):
    """Normal samples around the row, coefficients per `radius` standard deviations, counted from the row."""
    z = np.vstack([np.zeros(len(row)), rng.standard_normal((n, len(row)))])
    return fit(z, f(row + radius * sd * z), distance_weights(z, width), alpha)


# ---------------------------------------------------------------- which features


def forward_selection(z, y, weights, k):
    """Add the column that raises the weighted R2 of least squares most, the first of equal ones."""
    chosen = []
    for _ in range(min(k, z.shape[1])):
        best, top = None, -math.inf
        for j in range(z.shape[1]):
            if j in chosen:
                continue
            r2 = fit(z[:, [*chosen, j]], y, weights, alpha=0.0).r2
            if r2 > top + 1e-13:
                best, top = j, r2
        chosen.append(best)
    return chosen


def highest_weights(z, y, weights, k, alpha=0.01):
    """Columns by the size of what they add to the surrogate at the row, the first row of the design."""
    parts = np.abs(ridge(z, y, weights, alpha)[0] * z[0])
    return sorted(range(z.shape[1]), key=lambda j: (-parts[j], j))[:k]


def lasso_path(z, y, weights, k):
    """Walk the knots of the lasso from least squares back to the first that uses at most k columns."""
    total = math.fsum(weights)
    root = np.sqrt(weights)
    centered = root[:, None] * (z - (weights[:, None] * z).sum(0) / total)
    target = root * (y - math.fsum(weights * y) / total)
    knots = lasso_knots(centered, target)
    for coefficients in knots[:0:-1]:
        chosen = [j for j, value in enumerate(coefficients) if value != 0.0]
        if len(chosen) <= k:
            break
    return chosen


def lasso_knots(x, y):
    """Coefficients at each knot of the lasso's path, from none to least squares, by following it."""
    d = x.shape[1]
    beta, active, signs = np.zeros(d), [], {}
    knots = [beta.copy()]
    level = np.abs(x.T @ y).max()
    if level == 0.0:
        return knots
    first = int(np.argmax(np.abs(x.T @ y)))
    active, signs = [first], {first: math.copysign(1.0, x[:, first] @ y)}
    while True:
        gram = x[:, active].T @ x[:, active]
        step = np.linalg.solve(gram, [signs[j] for j in active])
        pull = x.T @ (x[:, active] @ step)
        left = x.T @ (y - x @ beta)
        events = [(level, "end", None)]
        for j in range(d):
            if j in active:
                continue
            for sign in (1.0, -1.0):
                gap = 1.0 - sign * pull[j]
                length = (level - sign * left[j]) / gap if gap > 0.0 else math.inf
                if 1e-10 * level < length < level:
                    events.append((length, "in", (j, sign)))
        for position, j in enumerate(active):
            length = -beta[j] / step[position] if beta[j] * step[position] < 0.0 else math.inf
            if length < level:
                events.append((length, "out", j))
        length, kind, what = min(events, key=lambda event: event[0])
        beta[active] += length * step
        level -= length
        if kind == "out":
            active.remove(what)
            beta[what] = 0.0
        knots.append(beta.copy())
        if kind == "end":
            return knots
        if kind == "in":
            active.append(what[0])
            signs[what[0]] = what[1]


# ---------------------------------------------------------------- limits: tilted bins, the (d + 1) system


def tilted(q, r):
    """Chance of the row's bin once samples are weighted, and the mean weight of one column."""
    mass = q + (1.0 - q) * r
    return q / mass, mass


def row_masses(columns, row_bins):
    return [bins[b].p for bins, b in zip(columns, row_bins, strict=True)]


def mean_weight(columns, row_bins, r):
    return math.prod(tilted(q, r)[1] for q in row_masses(columns, row_bins))


def ridge_of_moments(total, mean_z, mean_zz, mean_f, mean_zf, mean_ff, row_z, row_f, alpha=1.0, counted=True):
    """The surrogate on samples of weight `total` known by their moments, and the row itself, of weight 1.

    The moments are weighted means of z (d,), z z' (d, d), f, z f (d,) and f f. One (d + 1) system. Where the
    row is not counted, its weight is 0; lime counts it.
    """
    d, own = len(mean_z), float(counted)
    system, right = np.zeros((d + 1, d + 1)), np.zeros(d + 1)
    means, row = [1.0, *mean_z], [1.0, *row_z]
    # Answers are counted from the row's, so that R2 keeps its digits where the row has most of the weight.
    crossed = [mean_f - row_f, *(zf - row_f * z for zf, z in zip(mean_zf, mean_z, strict=True))]
    for i in range(d + 1):
        right[i] = total * crossed[i]
        for j in range(d + 1):
            second = mean_zz[i - 1][j - 1] if i and j else means[i] * means[j]
            system[i, j] = total * second + own * row[i] * row[j]
        if i:
            system[i, i] += alpha
    solution = np.linalg.lstsq(system, right, rcond=1e-14)[0]
    # The residual is squares - 2 s'r + s'Gs with G = system - penalty, and (G + penalty) s = r.
    squares = total * (mean_ff - 2.0 * row_f * mean_f + row_f**2)
    left = squares - solution @ right - alpha * solution[1:] @ solution[1:]
    spread = squares - (total * crossed[0]) ** 2 / (total + own)
    r2 = 1.0 - left / spread if spread > 1e-14 * (total * mean_ff + own * row_f**2) else 1.0
    return Fit(solution[1:], solution[0] + row_f, r2, solution @ row + row_f)


def independent_seconds(alphas):
    """Means of z z' for independent z of 0 and 1."""
    d = len(alphas)
    return [[alphas[i] if i == j else alphas[i] * alphas[j] for j in range(d)] for i in range(d)]


def binned_ridge(
    columns, row_bins, n, mean_f, contrasts, mean_ff, row_f, alpha=1.0, width=None, counted=True
):
    """The limit for n samples, from E~f and the contrasts E~[f | z_j = 1] - E~[f | z_j = 0]."""
    r = flip_weight(len(columns), width)
    alphas = [tilted(q, r)[0] for q in row_masses(columns, row_bins)]
    crossed = [a * mean_f + a * (1.0 - a) * c for a, c in zip(alphas, contrasts, strict=True)]
    total = n * mean_weight(columns, row_bins, r)
    seconds = independent_seconds(alphas)
    return ridge_of_moments(
        total, alphas, seconds, mean_f, crossed, mean_ff, [1.0] * len(alphas), row_f, alpha, counted
    )


def without_row(beta, alphas, total, penalty):
    """Coefficients shrunk by the penalty where the row itself is not among the samples."""
    return [b * a * (1.0 - a) / (a * (1.0 - a) + penalty / total) for b, a in zip(beta, alphas, strict=True)]


def enumerated(f, columns, row_bins, r):
    """All cells of bins: their weight, their z and the mean of f within, f a function of a tuple of bins."""
    for cell in product(*(range(len(bins)) for bins in columns)):
        probability = math.prod(columns[j][b].p for j, b in enumerate(cell))
        if probability == 0.0:
            continue
        z = [1.0 if b == row_bins[j] else 0.0 for j, b in enumerate(cell)]
        yield probability * r ** (len(z) - sum(z)), z, f(cell)


def enumerated_draws(columns, row_bins, r):
    """All possible samples of resampled columns: weight, z and values of each."""
    places = [[(b, x) for b, one in enumerate(bins) for x in dict.fromkeys(one.values)] for bins in columns]
    for cell in product(*places):
        parts = zip(columns, cell, strict=True)
        probability = math.prod(
            bins[b].p * bins[b].values.count(x) / len(bins[b].values) for bins, (b, x) in parts
        )
        z = [float(b == own) for (b, _), own in zip(cell, row_bins, strict=True)]
        yield probability * r ** (len(z) - sum(z)), z, [x for _, x in cell]


def enumerated_moments(f, columns, row_bins, r):
    """W, E~f, E~[f z] and E~[f f] over all cells, f constant in each."""
    cells = list(enumerated(f, columns, row_bins, r))
    total = math.fsum(w for w, _, _ in cells)
    mean = math.fsum(w * y for w, _, y in cells) / total
    square = math.fsum(w * y * y for w, _, y in cells) / total
    crossed = [math.fsum(w * z[j] * y for w, z, y in cells) / total for j in range(len(columns))]
    return total, mean, crossed, square


# ---------------------------------------------------------------- limits of families of models


def inside_outside(values, bins, row_bin):
    """Value in the row's bin, and mean over the other bins by their frequencies."""
    others = math.fsum(one.p for b, one in enumerate(bins) if b != row_bin)
    outside = [one.p * values[b] for b, one in enumerate(bins) if b != row_bin and one.p]
    inside = values[row_bin] if bins[row_bin].p else 0.0
    return inside, (math.fsum(outside) / others if others else 0.0)


def additive(parts, columns, row_bins, r):
    """Of f = sum of f_j(x_j): contrasts and E~f."""
    contrasts, mean = [], 0.0
    for f, bins, b in zip(parts, columns, row_bins, strict=True):
        inside, outside = inside_outside([expectation(f, o) if o.p else 0.0 for o in bins], bins, b)
        a = tilted(bins[b].p, r)[0]
        contrasts.append(inside - outside)
        mean += a * inside + (1.0 - a) * outside
    return contrasts, mean


def linear(slopes, columns, row_bins, r):
    """Of f = sum of a_j x_j."""
    return additive([lambda x, a=a: a * x for a in slopes], columns, row_bins, r)


def aligned_box(members, columns, row_bins, r):
    """Of f = 1 where all columns of `members` are in the row's bins: contrasts and E~f."""
    alphas = [tilted(q, r)[0] for q in row_masses(columns, row_bins)]
    contrasts = [
        math.prod(alphas[k] for k in members if k != j) if j in members else 0.0 for j in range(len(columns))
    ]
    return contrasts, math.prod(alphas[k] for k in members)


def box(sides, columns, row_bins, r):
    """Of f = 1 where lo < x_k <= hi for each k: (lo, hi) of `sides`: contrasts and E~f."""
    within = {}
    for k, (lo, hi) in sides.items():
        values = [interval_mass(one, lo, hi) if one.p else 0.0 for one in columns[k]]
        within[k] = inside_outside(values, columns[k], row_bins[k])
    whole = {}
    for k, (inside, outside) in within.items():
        a = tilted(columns[k][row_bins[k]].p, r)[0]
        whole[k] = a * inside + (1.0 - a) * outside
    contrasts = []
    for j in range(len(columns)):
        if j not in sides:
            contrasts.append(0.0)
            continue
        rest = math.prod(whole[k] for k in sides if k != j)
        contrasts.append((within[j][0] - within[j][1]) * rest)
    return contrasts, math.prod(whole.values())


def sum_of_boxes(boxes, columns, row_bins, r):
    """Of f = sum of v times a box, for (sides, v) of `boxes`: contrasts and E~f."""
    contrasts, mean = np.zeros(len(columns)), 0.0
    for sides, value in boxes:
        one, probability = box(sides, columns, row_bins, r)
        contrasts += value * np.array(one)
        mean += value * probability
    return contrasts, mean


def tree_steps(tree, own):
    """Changes of the mean of a scikit-learn tree_ along a row's path, summed by the feature of the split."""
    node, parts = 0, np.zeros(len(own))
    while tree.children_left[node] != -1:
        j = tree.feature[node]
        after = (tree.children_left if own[j] <= tree.threshold[node] else tree.children_right)[node]
        parts[j] += tree.value[after].item() - tree.value[node].item()
        node = after
    return parts


def tree_boxes(tree, node=0, sides=None):
    """Leaves of a fitted scikit-learn `tree_` as (sides, value), by walking it."""
    sides = {} if sides is None else sides
    if tree.children_left[node] == -1:
        return [(dict(sides), np.array(tree.value[node]).ravel())]
    column, cut = int(tree.feature[node]), float(tree.threshold[node])
    lo, hi = sides.get(column, (-math.inf, math.inf))
    below = tree_boxes(tree, tree.children_left[node], {**sides, column: (lo, min(hi, cut))})
    return below + tree_boxes(tree, tree.children_right[node], {**sides, column: (max(lo, cut), hi)})


def gaussian_law(row_z, width):
    """Without bins: means and variance of the standardized columns under the kernel, and the mean weight.

    `row_z` is the row in standard deviations from the mean, or 0 where samples are taken around the row.
    """
    d, variance = len(row_z), width**2 / (1.0 + width**2)
    squared = math.fsum(z * z for z in row_z)
    weight = variance ** (d / 2.0) * math.exp(-squared / (2.0 * (1.0 + width**2)))
    return [z / (1.0 + width**2) for z in row_z], variance, weight


def gaussian_quadratic(slopes, curves, row_z, width):
    """Of f = sum of a_j z_j + c_j z_j**2: by Stein's identity beta_j is E~ of a slope. And E~f, E~[f f]."""
    means, variance, _ = gaussian_law(row_z, width)
    beta = [a + 2.0 * c * m for a, c, m in zip(slopes, curves, means, strict=True)]
    mean = math.fsum(a * m + c * (m * m + variance) for a, c, m in zip(slopes, curves, means, strict=True))
    spread = math.fsum(
        b * b * variance + 2.0 * (c * variance) ** 2 for b, c in zip(beta, curves, strict=True)
    )
    return beta, mean, mean**2 + spread


def gaussian_ridge(row_z, width, n, beta, mean_f, mean_ff, row_f, alpha=1.0, counted=True):
    """The limit of the surrogate of n normal samples, from the slopes without penalty and E~f."""
    means, variance, weight = gaussian_law(row_z, width)
    d = len(row_z)
    seconds = [[means[i] * means[j] + (variance if i == j else 0.0) for j in range(d)] for i in range(d)]
    crossed = [m * mean_f + variance * b for m, b in zip(means, beta, strict=True)]
    return ridge_of_moments(
        n * weight, means, seconds, mean_f, crossed, mean_ff, row_z, row_f, alpha, counted
    )


# ---------------------------------------------------------------- images and texts


def mask_kernel(off, d, width=0.25):
    """Weight of a mask with `off` of d features hidden: the kernel of its cosine distance to the full one."""
    return math.exp(-((1.0 - math.sqrt(1.0 - off / d)) ** 2) / (2.0 * width**2))


def mask_alphas(d, width=0.25, distribution="bernoulli", up_to=2):
    """Mean of the weight times z_1 ... z_p, p = 0, ..., by sums over sizes in whole numbers.

    Images: each feature is kept with probability 1/2. Texts: 1 to d features are hidden, each number equally
    likely; but a single feature is kept with probability 1/2.
    """
    alphas = []
    for p in range(up_to + 1):
        terms = []
        for off in range(d + 1):
            ways = math.comb(d - p, off) if p <= d else 0
            if distribution == "bernoulli" or d == 1:
                terms.append(ways / 2**d * mask_kernel(off, d, width))
            elif off:
                terms.append(ways / math.comb(d, off) / d * mask_kernel(off, d, width))
        alphas.append(math.fsum(terms))
    return alphas


def mask_distribution(d, width=0.25, distribution="bernoulli"):
    """All masks with their probability times weight, one by one."""
    for off in range(d + 1):
        for away in combinations(range(d), off):
            z = [0.0 if j in away else 1.0 for j in range(d)]
            probability = 1.0 / d / math.comb(d, off) if off else 0.0
            if distribution == "bernoulli" or d == 1:
                probability = 1.0 / 2**d
            yield probability * mask_kernel(off, d, width), z


def mask_moments(f, d, width=0.25, distribution="bernoulli"):
    """W, E~f, E~[f z] and E~[f f] over all masks, f a function of a list of 0 and 1."""
    cells = [(w, z, f(z)) for w, z in mask_distribution(d, width, distribution)]
    total = math.fsum(w for w, _, _ in cells)
    mean = math.fsum(w * y for w, _, y in cells) / total
    square = math.fsum(w * y * y for w, _, y in cells) / total
    crossed = [math.fsum(w * z[j] * y for w, z, y in cells) / total for j in range(d)]
    return total, mean, crossed, square


def mask_product(members, d, width=0.25, distribution="bernoulli"):
    """Of f = product of z_j over `members`: covariances of f with each z, and E~f."""
    alphas = mask_alphas(d, width, distribution, up_to=len(members) + 1)
    a = [value / alphas[0] for value in alphas]
    p = len(members)
    covariances = [a[p] * (1.0 - a[1]) if j in members else a[p + 1] - a[1] * a[p] for j in range(d)]
    return covariances, a[p]


def mask_coefficients(covariances, alphas):
    """Least squares over all masks, from the covariances of f with each z."""
    d = len(covariances)
    a1, a2 = alphas[1] / alphas[0], alphas[2] / alphas[0]
    v, c = a1 - a1**2, a2 - a1**2
    shared = c / (v + (d - 1) * c) * math.fsum(covariances)
    return [(k - shared) / (a1 - a2) for k in covariances]


def mask_ridge(
    d, n, mean_f, mean_zf, mean_ff, row_f, alpha=1.0, width=0.25, distribution="bernoulli", counted=True
):
    """The limit of the surrogate of n masks and of the full mask, the row itself, where it is counted."""
    alphas = mask_alphas(d, width, distribution)
    a1, a2 = alphas[1] / alphas[0], alphas[2] / alphas[0]
    seconds = [[a1 if i == j else a2 for j in range(d)] for i in range(d)]
    total = n * alphas[0]
    return ridge_of_moments(
        total, [a1] * d, seconds, mean_f, mean_zf, mean_ff, [1.0] * d, row_f, alpha, counted
    )
