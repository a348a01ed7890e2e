"""Perturbation curves: predictions while units are hidden or shown in the order of an explanation.

Every curve comes with that of the least relevant units first and of random orders, see `ordered`.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from agnostix.core.models import Predictor, as_predictor
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_whole
from agnostix.metrics.read import ExplainedRows, read_explanation
from agnostix.metrics.removal.fills import BLUR_SIZE, CONVENTIONS, STEP_ROWS, KernelBlur, ZeroInput
from agnostix.metrics.removal.ordered import (
    OrderSpec,
    average_orders,
    counts_of,
    ordered_result,
    orders_of_rows,
    predict_orders,
)
from agnostix.metrics.result import MetricResult

PROPORTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Of units that sufficiency and comprehensiveness look at, as in ERASER."""


def deletion(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    convention: str = "rise",
    step: int | None = None,
    fill: Any = None,
    masker: Any = None,
    outputs: Any = None,
    least: bool = True,
    n_random: int = 1,
    n_ties: int = 2,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Area under the prediction while the most relevant units are hidden first; less is better.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that was explained.
    X : DataFrame, array-like, images or texts
        The rows that were explained.
    explanation : Explanation
        With a value for each column, pixel, segment or word of each row.
    convention : {"rise", "lecture"}, default="rise"
        Of pictures: the default step and fill. "rise" [1]_: a row of pixels a step; "lecture":
        eight rows. Both hide pixels behind zeros of the network's normalized input.
    step : int, default=None
        Units hidden in a step; None: as `convention` has it for pixels, else 1.
    fill : str, float, sequence of float, array of images or callable, default=None
        What replaces pixels or segments of pictures: "mean", "blur", "noise", a number, one a
        channel, pictures, or a function from the pictures to fills of their shape. None: as
        `convention` has it.
    masker : Masker or table, default=None
        What hides columns or words: background rows for tables, whose predictions are
        averaged (a fitted explainer or a `RepresentativeSample` gives them weights), or a
        Masker such as TextMasker().
    outputs : str, int or list of these, default=None
        Which of the explained outputs; None: the one explained, or each row's predicted one.
    least : bool, default=True
        Whether to hide the least relevant units first, too: reference "least".
    n_random : int, default=1
        Random orders of each row to average over: reference "random"; 0 for none.
    n_ties : int, default=2
        Orders of each row where units of equal value would be hidden in different steps.
        Their spread is the error that ties leave in the score.
    random_state : int, default=0
        Of ties and random orders, which depend on it and on what a row holds.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    verbose : int, default=1
        1 shows a bar once work has taken a few seconds; 0 none.

    Returns
    -------
    MetricResult
        Scores are sum(p) - (p[0] + p[-1]) / 2 over n_points - 1, of predictions p from nothing to
        everything hidden. ``against("least")`` and ``against("random")`` give the advantage;
        ``details["random"]`` has the score of each random order.

    Raises
    ------
    DataError
        If the explanation is of other rows or another model, has NaN, or ranks nothing.

    Notes
    -----
    Rankings of explainers change with the fill, since a fill that is far from all that the model
    was trained on measures its response to that too: `fill` is stored in the result.

    References
    ----------
    .. [1] Petsiuk, V., Das, A., Saenko, K. (2018). RISE: Randomized input sampling for
       explanation of black-box models. BMVC. https://doi.org/10.48550/arXiv.1806.07421

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.metrics import deletion
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = Ridge().fit(X, y)
    >>> exp = KernelShapExplainer(model, random_state=0).fit(X).explain(X.head(20))
    >>> result = deletion(model, X.head(20), exp, masker=X.tail(30))
    >>> low, high = result.against("random").interval()
    >>> low > 0
    True
    """
    spec = OrderSpec(least, n_random, n_ties, random_state)
    options = {"masker": masker, "outputs": outputs, "n_jobs": n_jobs, "verbose": verbose}
    return _curve("deletion", model, X, explanation, convention, step, fill, spec, **options)


def insertion(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    convention: str = "rise",
    step: int | None = None,
    fill: Any = None,
    masker: Any = None,
    outputs: Any = None,
    least: bool = True,
    n_random: int = 1,
    n_ties: int = 2,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Area under the prediction while the most relevant units are shown first; greater is better.

    Parameters
    ----------
    model, X, explanation : object
        As in `deletion`.
    convention : {"rise", "lecture"}, default="rise"
        Of pictures: the default step and fill. Pixels appear on the picture blurred by a
        Gaussian of 5 pixels, cut to 11 x 11 pixels ("rise" [1]_) or 5 x 5 ("lecture").
    step, fill, masker, outputs, least, n_random, n_ties, random_state, n_jobs, verbose : object
        As in `deletion`.

    Returns
    -------
    MetricResult
        Scores are sum(p) - (p[0] + p[-1]) / 2 over n_points - 1, of predictions p from nothing to
        everything shown.

    Raises
    ------
    DataError
        If the explanation is of other rows or another model, has NaN, or ranks nothing.

    References
    ----------
    .. [1] Petsiuk, V., Das, A., Saenko, K. (2018). RISE: Randomized input sampling for
       explanation of black-box models. BMVC. https://doi.org/10.48550/arXiv.1806.07421

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import RiseExplainer
    >>> from agnostix.metrics import insertion
    >>> images = np.random.default_rng(0).random((6, 8, 8))
    >>> model = lambda X: X[:, :4, :4].mean((1, 2))
    >>> explainer = RiseExplainer(model, n_masks=256, n_cells=4, fill=0, random_state=0)
    >>> exp = explainer.fit(images).explain(images)
    >>> result = insertion(model, images, exp, fill=0)
    >>> bool(result.score > result.references["random"].mean())
    True
    """
    spec = OrderSpec(least, n_random, n_ties, random_state)
    options = {"masker": masker, "outputs": outputs, "n_jobs": n_jobs, "verbose": verbose}
    return _curve("insertion", model, X, explanation, convention, step, fill, spec, **options)


def comprehensiveness(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    proportions: Sequence[float] = PROPORTIONS,
    fill: Any = None,
    masker: Any = None,
    outputs: Any = None,
    least: bool = True,
    n_random: int = 1,
    n_ties: int = 2,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Fall of the prediction when the most relevant units are hidden; greater is better.

    Parameters
    ----------
    model, X, explanation : object
        As in `deletion`.
    proportions : sequence of float, default=(0.01, 0.05, 0.1, 0.2, 0.5)
        Of units, above 0 and below 1, whose falls are averaged; at least one unit each.
    fill, masker, outputs, least, n_random, n_ties, random_state, n_jobs, verbose : object
        As in `deletion`.

    Returns
    -------
    MetricResult
        Scores are the mean over proportions of f(x) - f(x without the most relevant), as in [1]_.

    Raises
    ------
    DataError
        If the explanation is of other rows or another model, has NaN, or ranks nothing.

    References
    ----------
    .. [1] DeYoung, J., et al. (2020). ERASER: A benchmark to evaluate rationalized NLP models.
       ACL. https://doi.org/10.18653/v1/2020.acl-main.408

    Examples
    --------
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.maskers import TextMasker
    >>> from agnostix.metrics import comprehensiveness
    >>> praise = lambda texts: [text.count("good") for text in texts]
    >>> texts = ["good food in a quiet place", "the service was good and fast"]
    >>> exp = KernelShapExplainer(praise, masker=TextMasker()).fit(texts).explain(texts)
    >>> comprehensiveness(praise, texts, exp, proportions=[0.2], masker=TextMasker()).scores
    array([1., 1.])
    """
    spec = OrderSpec(least, n_random, n_ties, random_state)
    options = {"fill": fill, "masker": masker, "outputs": outputs, "n_jobs": n_jobs, "verbose": verbose}
    return _change("comprehensiveness", model, X, explanation, proportions, spec, **options)


def sufficiency(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    proportions: Sequence[float] = PROPORTIONS,
    fill: Any = None,
    masker: Any = None,
    outputs: Any = None,
    least: bool = True,
    n_random: int = 1,
    n_ties: int = 2,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Fall of the prediction when the most relevant units alone are shown; less is better.

    Parameters
    ----------
    model, X, explanation : object
        As in `deletion`.
    proportions : sequence of float, default=(0.01, 0.05, 0.1, 0.2, 0.5)
        Of units, above 0 and below 1, whose falls are averaged; at least one unit each.
    fill, masker, outputs, least, n_random, n_ties, random_state, n_jobs, verbose : object
        As in `deletion`.

    Returns
    -------
    MetricResult
        Scores are the mean over proportions of f(x) - f(the most relevant alone), as in [1]_.

    Raises
    ------
    DataError
        If the explanation is of other rows or another model, has NaN, or ranks nothing.

    References
    ----------
    .. [1] DeYoung, J., et al. (2020). ERASER: A benchmark to evaluate rationalized NLP models.
       ACL. https://doi.org/10.18653/v1/2020.acl-main.408

    Examples
    --------
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.maskers import TextMasker
    >>> from agnostix.metrics import sufficiency
    >>> praise = lambda texts: [text.count("good") for text in texts]
    >>> texts = ["good food in a quiet place", "the service was good and fast"]
    >>> exp = KernelShapExplainer(praise, masker=TextMasker()).fit(texts).explain(texts)
    >>> sufficiency(praise, texts, exp, proportions=[0.2], masker=TextMasker()).scores
    array([0., 0.])
    """
    spec = OrderSpec(least, n_random, n_ties, random_state)
    options = {"fill": fill, "masker": masker, "outputs": outputs, "n_jobs": n_jobs, "verbose": verbose}
    return _change("sufficiency", model, X, explanation, proportions, spec, **options)


def area_under(p: Floats) -> float:
    """Area under predictions (n_points,) at points of equal distance, as in RISE."""
    return float((p.sum() - (p[0] + p[-1]) / 2.0) / (p.size - 1))


def curve_result(
    explained: ExplainedRows,
    spec: OrderSpec,
    step: int,
    name: str,
    params: dict[str, Any],
    n_jobs: Any,
    verbose: Any,
) -> MetricResult:
    """Deletion or insertion, `step` units a step."""
    present = explained.units.present.sum(axis=1)
    counts = [np.append(np.arange(0, n, step), n) for n in present]
    longest = max(counts, key=len)
    orders = orders_of_rows(explained, spec, counts)
    reveals = name == "insertion"
    answers, n = predict_orders(explained, orders, reveals=reveals, n_jobs=n_jobs, verbose=verbose)
    curves = average_orders(
        explained, orders, answers, longest / longest[-1], lambda _row, _selected, p: area_under(p)
    )
    return ordered_result(
        explained,
        spec,
        curves,
        name,
        n,
        greater_is_better=reveals,
        x_label=f"proportion of {explained.units.kind}s {'shown' if reveals else 'hidden'}",
        params=params | {"step": step},
    )


def change_result(
    explained: ExplainedRows, spec: OrderSpec, proportions: Floats, name: str, n_jobs: Any, verbose: Any
) -> MetricResult:
    """Sufficiency or comprehensiveness."""
    counts = counts_of(explained, proportions)
    orders = orders_of_rows(explained, spec, counts)
    reveals = name == "sufficiency"
    answers, n = predict_orders(explained, orders, reveals=reveals, n_jobs=n_jobs, verbose=verbose)
    whole = explained.scores
    curves = average_orders(
        explained,
        orders,
        answers,
        proportions,
        lambda row, selected, p: float(whole[row, selected] - p.mean()),
    )
    return ordered_result(
        explained,
        spec,
        curves,
        name,
        n,
        greater_is_better=not reveals,
        x_label=f"proportion of {explained.units.kind}s {'shown' if reveals else 'hidden'}",
        params={"proportions": proportions.tolist()},
    )


def _curve(
    name: str,
    model: Any,
    X: Any,
    explanation: Any,
    convention: str,
    step: Any,
    fill: Any,
    spec: OrderSpec,
    **options: Any,
) -> MetricResult:
    """Deletion or insertion by its conventions."""
    if convention not in CONVENTIONS:
        known = ", ".join(map(repr, CONVENTIONS))
        raise DataError(f"The 'convention' of {name} must be one of {known}; got {convention!r}.")
    if step is not None:
        check_whole(name, "step", step, 1)
    spec = spec.checked(name)
    predictor = as_predictor(model)
    if fill is None and options["masker"] is None and _is_of_pictures(explanation):
        fill = conventional_fill(name, convention, predictor)
    n_jobs, verbose = options["n_jobs"], options["verbose"]
    explained = read_explanation(
        predictor, X, explanation, by=name, fill=fill, random_state=spec.random_state, **options
    )
    if step is None:
        is_pixel = explained.units.kind == "pixel"
        step = STEP_ROWS[convention] * explained.units.rows.unmasked.shape[2] if is_pixel else 1
    return curve_result(explained, spec, int(step), name, {"convention": convention}, n_jobs, verbose)


def conventional_fill(name: str, convention: str, predictor: Predictor) -> Any:
    """What the literature hides pixels behind in deletion, and insertion starts from."""
    return KernelBlur(predictor, BLUR_SIZE[convention]) if name == "insertion" else ZeroInput(predictor)


def _is_of_pictures(explanation: Any) -> bool:
    return "y" in getattr(explanation, "dims", ()) or "segments" in getattr(explanation, "extras", ())


def _change(
    name: str, model: Any, X: Any, explanation: Any, proportions: Any, spec: OrderSpec, **options: Any
) -> MetricResult:
    """Sufficiency or comprehensiveness."""
    spec, shares = spec.checked(name), checked_proportions(name, proportions)
    n_jobs, verbose = options["n_jobs"], options["verbose"]
    explained = read_explanation(model, X, explanation, by=name, random_state=spec.random_state, **options)
    return change_result(explained, spec, shares, name, n_jobs, verbose)


def checked_proportions(by: str, proportions: Any) -> Floats:
    """Proportions (n_points,) in ascending order; DataError unless all are above 0 and below 1."""
    listed = list(proportions) if np.iterable(proportions) else [proportions]
    if not listed or not all(isinstance(one, Real) and 0 < float(one) < 1 for one in listed):
        raise DataError(
            f"The 'proportions' of {by} must be numbers above 0 and below 1, at least one; got "
            f"{proportions!r}."
        )
    return np.unique(np.array(listed, dtype=float))
