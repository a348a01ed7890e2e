"""Means over rows with shared errors, and differences, by loops over rows and components."""

from __future__ import annotations

import math

from scipy import integrate, stats

from tests.reference.intervals import degrees_of_freedom


def added_by_noise(value, error):
    """What normal noise adds to the size of a value, by the integral over the noise."""
    if error == 0:
        return 0.0

    def size(z):
        return abs(value + error * z) * stats.norm.pdf(z)

    crossing = min(max(-value / error, -12.0), 12.0)
    return integrate.quad(size, -12.0, 12.0, points=[crossing], limit=200)[0] - abs(value)


def mean_size(values, errors):
    """Mean size without what noise adds, and what of it may be left."""
    n = len(values)
    added = math.fsum(map(added_by_noise, values, errors)) / n
    mean = math.fsum(map(abs, values)) / n
    if added == 0:
        return mean, 0.0
    squares = [v * v - e * e for v, e in zip(values, errors, strict=True)]
    middle = math.fsum(squares) / n
    reach = math.inf
    if n > 1:
        reach = math.sqrt(math.fsum((s - middle) ** 2 for s in squares) / (n - 1) / n)
    most = math.sqrt(max(middle + reach, 0.0))
    least = max(min(mean - added, most), 0.0)
    return least, max(added, min(math.sqrt(2.0) * added, least))


def _signs(values, how):
    return [1.0 if how == "mean" else math.copysign(1.0, v) if v else 0.0 for v in values]


def _scores(values, how):
    return [v if how == "mean" else abs(v) for v in values]


def _variance_of_mean(scores):
    n, middle = len(scores), math.fsum(scores) / len(scores)
    return math.fsum((s - middle) ** 2 for s in scores) / (n - 1) / n


def aggregate(values, errors, shared, design, how):
    """Mean of one feature over rows: value, variances of rows, what is shared, the design and noise."""
    n = len(values)
    value, noise = mean_size(values, errors) if how == "mean_abs" else (math.fsum(values) / n, 0.0)
    signs = _signs(values, how)
    components = [
        math.fsum(sign * own[c] for sign, own in zip(signs, shared, strict=True)) / n
        for c in range(len(shared[0]))
    ]
    worst = math.fsum(design) / n
    return value, [
        _variance_of_mean(_scores(values, how)),
        math.fsum(c * c for c in components),
        worst**2,
        noise**2,
    ]


def difference(one, other, how):
    """Mean of one feature less that of another, paired by rows; each a tuple as `aggregate` takes it."""
    parts = [aggregate(*each, how) for each in (one, other)]
    scores = [a - b for a, b in zip(_scores(one[0], how), _scores(other[0], how), strict=True)]
    n, n_components = len(scores), len(one[2][0])
    components = [
        math.fsum(
            s * a[c] - t * b[c]
            for s, a, t, b in zip(_signs(one[0], how), one[2], _signs(other[0], how), other[2], strict=True)
        )
        / n
        for c in range(n_components)
    ]
    design = sum(math.sqrt(variances[2]) for _, variances in parts)
    noise = sum(variances[3] for _, variances in parts)
    return parts[0][0] - parts[1][0], [
        _variance_of_mean(scores),
        math.fsum(c * c for c in components),
        design**2,
        noise,
    ]


def standard_error(variances, dofs):
    return math.sqrt(math.fsum(variances)), degrees_of_freedom(variances, dofs)
