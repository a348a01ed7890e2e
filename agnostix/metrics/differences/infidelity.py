"""Infidelity: what an explanation says that a perturbation does, against what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.differences.additive import make_noise, predict_noisy_falls, without_noise
from agnostix.metrics.differences.patches import in_patches
from agnostix.metrics.differences.quantities import as_contributions, as_sensitivities
from agnostix.metrics.differences.subsets import (
    DrawSpec,
    Subsets,
    bernoulli_subsets,
    check_falls,
    predict_falls,
    shuffled_values,
    subsets_by_size,
    values_of,
)
from agnostix.metrics.read import ATTRIBUTIONS, ExplainedRows, check_explanation, read_explanation
from agnostix.metrics.result import MetricResult

PERTURBATIONS = ("subsets", "noise")
SUBSETS = {"sizes": subsets_by_size, "bernoulli": bernoulli_subsets}
MADE_FOR = {"subsets": ("contribution", "effect"), "noise": ("sensitivity",)}


def infidelity(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    perturbation: str | None = None,
    scale: bool = False,
    n_samples: int = 100,
    subsets: str = "sizes",
    noise: Any = 0.1,
    patch: int | None = None,
    fill: Any = None,
    masker: Any = None,
    outputs: Any = None,
    n_random: int = 1,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Infidelity: how far the changes that values promise are from those of the prediction; less is better.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that was explained.
    X : DataFrame, array-like, images or texts
        The rows that were explained.
    explanation : Explanation
        With a value for each column, pixel, segment or word of each row.
    perturbation : {"subsets", "noise"}, default=None
        "subsets": units are hidden, z of 0 and 1, for contributions. "noise": Gaussian noise is
        taken away, for sensitivities. None: "noise" for sensitivities, else "subsets". Pass the
        same one for explanations that you compare.
    scale : bool, default=False
        Whether each row's values are first multiplied by the number that fits best, so that
        only their proportions count.
    n_samples : int, default=100
        Perturbations of each row; where there are no more subsets, each is taken once.
    subsets : {"sizes", "bernoulli"}, default="sizes"
        "sizes": 1 to all units hidden, each number equally likely; "bernoulli": each unit with
        probability 1/2.
    noise : float or sequence of float, default=0.1
        Standard deviation of the noise: a share of that of each column over the background rows
        of `masker`, or of each picture's range; or a list, one for each column, in its units.
    patch : int, default=None
        Maps of pixels: side of the squares that are hidden together, in pixels; 1 for single
        pixels. None: a fourteenth of the shorter side, rounded up.
    fill : str, float, sequence of float, array of images or callable, default=None
        What replaces pixels or segments of pictures, as in `deletion`; None: "mean".
    masker : Masker or table, default=None
        What hides columns or words: background rows for tables, whose predictions are
        averaged (a fitted explainer or a `RepresentativeSample` gives them weights), or a
        Masker such as TextMasker(). A single row b is a baseline.
    outputs : str, int or list of these, default=None
        Which of the explained outputs; None: the one explained, or each row's predicted one.
    n_random : int, default=1
        Random orders of each row's values to average over: reference "random".
    random_state : int, default=0
        Of all draws, which depend on it and on what a row holds.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    verbose : int, default=1
        1 shows a bar once work has taken a few seconds; 0 none.

    Returns
    -------
    MetricResult
        Scores are means over perturbations I of (sum(I * values) - (f(x) - f(x - I))) ** 2 [1]_,
        with z in place of I for subsets. Reference "zero" is the score of values that are all 0,
        so that ``result.score / result.references["zero"].mean()`` is the unexplained share.
        ``details["scale"]`` has the best multiples, ``details["rank"]`` the perturbations' rank.

    Raises
    ------
    DataError
        If the explanation is of other rows or another model, has NaN, or a quantity that neither
        fits the perturbation nor can be converted.

    Notes
    -----
    For a linear model the least infidelity is 0: under noise of all columns at the gradient alone,
    for subsets at the contributions w (x - b) alone. Otherwise it is the best linear fit to these
    very perturbations, and depends on them. Sensitivities are converted for subsets, times
    x - b, and contributions for noise, divided by it.

    References
    ----------
    .. [1] Yeh, C.-K., Hsieh, C.-Y., Suggala, A., Inouye, D., Ravikumar, P. (2019). On the
       (in)fidelity and sensitivity of explanations. NeurIPS.
       https://doi.org/10.48550/arXiv.1901.09392

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.metrics import infidelity
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = Ridge().fit(X, y)
    >>> background = X.tail(30)
    >>> exp = KernelShapExplainer(model, random_state=0).fit(background).explain(X.head(20))
    >>> result = infidelity(model, X.head(20), exp, masker=background)
    >>> bool(result.score < 1e-9 * result.references["zero"].mean())
    True
    """
    spec = DrawSpec(n_samples, n_random, random_state).checked("infidelity")
    kind = _checked_kind(explanation, perturbation, subsets, scale, patch)
    if kind == "noise" and masker is None and np.iterable(noise) and not isinstance(noise, str):
        masker = X if "y" not in explanation.dims else None  # only read: the noise has its own sizes
    explained = read_explanation(
        model,
        X,
        explanation,
        by="infidelity",
        made_for=(*ATTRIBUTIONS, "sensitivity"),
        by_size={},
        masker=masker,
        fill=fill,
        outputs=outputs,
        random_state=random_state,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    if kind == "noise":
        return noise_infidelity(explained, spec, noise, scale, n_jobs, verbose)
    return subset_infidelity(explained, spec, subsets, scale, patch, n_jobs, verbose)


def _checked_kind(explanation: Any, perturbation: Any, subsets: Any, scale: Any, patch: Any) -> str:
    """The perturbation, by the explanation's quantity where none was chosen."""
    check_explanation(explanation, "infidelity")
    if perturbation not in (None, *PERTURBATIONS):
        raise DataError(
            f"The 'perturbation' of infidelity must be None, 'subsets' or 'noise'; got {perturbation!r}."
        )
    if subsets not in SUBSETS:
        raise DataError(f"The 'subsets' of infidelity must be 'sizes' or 'bernoulli'; got {subsets!r}.")
    if not isinstance(scale, bool | np.bool_):
        raise DataError(f"The 'scale' of infidelity must be True or False, got {scale!r}.")
    kind = perturbation or ("noise" if explanation.quantity == "sensitivity" else "subsets")
    if kind == "noise" and patch is not None:
        raise DataError(
            f"The 'patch' of infidelity must be None under noise, which each pixel has of its own; got "
            f"{patch!r}."
        )
    return str(kind)


@dataclass(frozen=True)
class RowPerturbations:
    """Perturbations of one row as vectors (n, n_units), and how much predictions (n, n_selected) fall."""

    vectors: Floats
    falls: Floats
    weights: Floats  # (n,), adding up to 1
    is_all: bool
    rank: int


def subset_infidelity(
    explained: ExplainedRows,
    spec: DrawSpec,
    subsets: str,
    scale: bool,
    patch: Any,
    n_jobs: Any,
    verbose: Any,
) -> MetricResult:
    """Infidelity of rows that were read, under subsets of units that are hidden."""
    explained = as_contributions(explained, "infidelity")
    n_pixels = explained.units.n_units
    explained = in_patches(explained, patch, "infidelity")
    notes: tuple[str, ...] = ()
    if explained.units.kind == "patch":
        notes = (
            f"Pixels of a patch are hidden together, {explained.units.n_units} patches of all {n_pixels} "
            "pixels: how values are spread within a patch does not matter.",
        )
    n_units = explained.units.n_units
    plan = []
    for row, present in enumerate(explained.units.present):
        units = np.flatnonzero(present)
        own = SUBSETS[subsets](units.size, spec.n_samples, explained.seeds[row])
        plan.append((row, own.among(units, n_units)))
    falls, n = predict_falls(explained, plan, n_jobs, verbose)
    rows = [_of_subsets(own, fall) for (_, own), fall in zip(plan, falls, strict=True)]
    params = {"perturbation": "subsets", "subsets": subsets}
    return _result(explained, spec, rows, scale, n, params, notes)


def _of_subsets(own: Subsets, falls: Floats) -> RowPerturbations:
    return RowPerturbations(own.hidden.astype(float), falls, own.weights, own.is_all, own.rank)


def noise_infidelity(
    explained: ExplainedRows, spec: DrawSpec, noise: Any, scale: bool, n_jobs: Any, verbose: Any
) -> MetricResult:
    """Infidelity of rows that were read, under Gaussian noise."""
    made = make_noise(explained, noise, spec.n_samples, "infidelity")
    explained = as_sensitivities(explained, "infidelity")
    falls, n = predict_noisy_falls(explained, made, n_jobs, verbose)
    weights = np.full(spec.n_samples, 1.0 / spec.n_samples)
    n_noisy = (made.scales > 0).sum(axis=1)
    rows = [
        RowPerturbations(made.taken_away(row), fall, weights, False, int(min(n_noisy[row], spec.n_samples)))
        for row, fall in enumerate(falls)
    ]
    sizes = float(noise) if np.ndim(noise) == 0 else [float(one) for one in noise]
    params = {"perturbation": "noise", "noise": sizes}
    notes = without_noise(explained, made)
    of = "picture's range" if explained.units.kind == "pixel" else "column's standard deviation"
    share = f", {sizes:g} of each {of}" if np.ndim(noise) == 0 else ""
    explained = replace(explained, units=replace(explained.units, fill=f"Gaussian noise{share}"))
    return _result(explained, spec, rows, scale, n, params, notes)


def _result(
    explained: ExplainedRows,
    spec: DrawSpec,
    rows: Sequence[RowPerturbations],
    scale: bool,
    n_model_rows: int,
    params: dict[str, Any],
    notes: tuple[str, ...],
) -> MetricResult:
    """Scores of all rows, with those of shuffled values and of none."""
    by, squeeze = "infidelity", explained.squeeze
    check_falls(explained, range(len(rows)), [one.falls for one in rows], by)
    shape = (len(explained), explained.n_selected)
    scores, errors, factors, zero, random = (np.zeros(shape) for _ in range(5))
    for row, one in enumerate(rows):
        factors[row], scores[row], errors[row] = score_values(one, values_of(explained, row), scale)
        zero[row] = one.weights @ one.falls**2
        for draw in range(spec.n_random):
            random[row] += score_values(one, shuffled_values(explained, row, draw), scale)[1] / spec.n_random
    kind = str(params["perturbation"])
    words = [word for word, used in (("noise", kind == "noise"), ("scaled", scale)) if used]
    is_drawn = not all(one.is_all for one in rows)
    references = {"random": squeeze(random)} if spec.n_random else {}
    return MetricResult(
        name=f"{by} ({', '.join(words)})" if words else by,
        scores=squeeze(scores),
        greater_is_better=False,
        made_for=MADE_FOR[kind],
        draw_errors=squeeze(errors) if is_drawn else None,
        n_draws=spec.n_samples if is_drawn else 0,
        references=references | {"zero": squeeze(zero)},
        n_model_rows=explained.n_model_rows + n_model_rows,
        params=params
        | {"scale": bool(scale), "n_samples": spec.n_samples}
        | {"n_random": spec.n_random, "random_state": spec.random_state},
        details={
            "scale": Detail(factors, ("row", "output")),
            "rank": Detail(np.array([one.rank for one in rows]), ("row",)),
        },
        notes=explained.notes + notes + _notes_on_scale(explained, scale) + _notes_on_rank(explained, rows),
        **explained.result_fields(),
    )


def score_values(one: RowPerturbations, values: Floats, scale: bool) -> tuple[Floats, Floats, Floats]:
    """Best multiple, infidelity and its error over draws, (n_selected,), of values (n_units, n_selected)."""
    promised = one.vectors @ values
    size = one.weights @ promised**2
    factor = one.weights @ (promised * one.falls) / np.where(size > 0, size, 1.0)  # 0 for values of 0
    squares = ((factor if scale else 1.0) * promised - one.falls) ** 2
    score = one.weights @ squares
    n = len(squares)
    # At its best the factor does not change the score at first order, nor does its own error.
    error = np.zeros_like(score) if one.is_all else squares.std(axis=0, ddof=1) / np.sqrt(n)
    return factor, score, error


def _notes_on_scale(explained: ExplainedRows, scale: bool) -> tuple[str, ...]:
    """That values are on another scale than predictions, where that counts."""
    explanation = explained.explanation
    if scale:
        return ()
    if explanation.units in ("logits", "log-odds"):
        return (
            f"Values in {explanation.units} are held against changes of predictions in other units: "
            "scale=True compares their proportions.",
        )
    if explanation.quantity in ("relevance", "mask"):
        return (f"A {explanation.quantity} is on a scale of its own: scale=True compares proportions.",)
    return ()


def _notes_on_rank(explained: ExplainedRows, rows: Sequence[RowPerturbations]) -> tuple[str, ...]:
    """That the perturbations leave directions out, in which values can be anything."""
    n_units = explained.units.present.sum(axis=1)
    ranks = np.array([one.rank for one in rows])
    low = np.flatnonzero(ranks < n_units)
    if not low.size:
        return ()
    first = low[0]
    return (
        f"In {low.size} of {len(rows)} rows the perturbations do not span all {explained.units.kind}s (rank "
        f"{ranks[first]} of {n_units[first]} in row {first}): other values have the same score, so compare "
        "explanations by their scores alone.",
    )
