"""Faithfulness correlation and sensitivity-n: do sums of values go along with falls of the prediction?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.exceptions import DataError
from agnostix.metrics.differences.patches import in_patches
from agnostix.metrics.differences.quantities import as_contributions
from agnostix.metrics.differences.sized import checked_sizes, correlate_sizes, sizes_of_rows
from agnostix.metrics.differences.subsets import DrawSpec
from agnostix.metrics.intervals import mean_known
from agnostix.metrics.read import ATTRIBUTIONS, ExplainedRows, read_explanation
from agnostix.metrics.result import MetricCurve, MetricResult

SIZES = (0.1, 0.2, 0.4, 0.6, 0.8)
"""Proportions of units that sensitivity-n hides: up to the 80 % of Ancona et al."""


def faithfulness_correlation(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    subset_size: float = 0.3,
    n_samples: int = 100,
    patch: int | None = None,
    fill: Any = None,
    masker: Any = None,
    outputs: Any = None,
    n_random: int = 1,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Correlate sums of values with falls of the prediction, over subsets of one size; greater is better.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that was explained.
    X : DataFrame, array-like, images or texts
        The rows that were explained.
    explanation : Explanation
        With a value for each column, pixel, segment or word of each row.
    subset_size : float or int, default=0.3
        Units that are hidden: a proportion of the row's, rounded up, or a whole number.
    n_samples : int, default=100
        Subsets of each row; where there are no more, each is taken once.
    patch : int, default=None
        Maps of pixels: side of the squares that are hidden together, in pixels; 1 for single
        pixels. None: a fourteenth of the shorter side, rounded up.
    fill : str, float, sequence of float, array of images or callable, default=None
        What replaces pixels or segments of pictures, as in `deletion`; None: "mean".
    masker : Masker or table, default=None
        What hides columns or words: background rows for tables, whose predictions are
        averaged (a fitted explainer or a `RepresentativeSample` gives them weights), or a
        Masker such as TextMasker().
    outputs : str, int or list of these, default=None
        Which of the explained outputs; None: the one explained, or each row's predicted one.
    n_random : int, default=1
        Random orders of each row's values to average over: reference "random"; 0 for none.
    random_state : int, default=0
        Of all draws, which depend on it and on what a row holds.
    n_jobs : int, default=None
        Workers for the model, as in joblib.
    verbose : int, default=1
        1 shows a bar once work has taken a few seconds; 0 none.

    Returns
    -------
    MetricResult
        Scores are Pearson correlations of each row [1]_, NaN where undefined: where the prediction
        or the sums do not change, which `notes` tells.

    Raises
    ------
    DataError
        If the explanation is of other rows or another model, has NaN, or no correlation is defined.

    Notes
    -----
    Scores are 1 for the contributions w (x - b) of a linear model, and for these times any positive
    number plus any other: neither the scale nor the sum of values counts. Sensitivities are
    multiplied by x - b.

    References
    ----------
    .. [1] Bhatt, U., Weller, A., Moura, J. M. F. (2020). Evaluating and aggregating feature-based
       model explanations. IJCAI. https://doi.org/10.24963/ijcai.2020/417

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.metrics import faithfulness_correlation
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = Ridge().fit(X, y)
    >>> exp = KernelShapExplainer(model, random_state=0).fit(X.tail(30)).explain(X.head(20))
    >>> result = faithfulness_correlation(model, X.head(20), exp, masker=X.tail(30))
    >>> round(result.score, 6)
    1.0
    """
    by = "faithfulness_correlation"
    if np.iterable(subset_size):
        raise DataError(
            f"The 'subset_size' of {by} must be one number, got {subset_size!r}. sensitivity_n takes several."
        )
    sizes = checked_sizes(by, "subset_size", subset_size)
    options = {"masker": masker, "fill": fill, "outputs": outputs, "n_jobs": n_jobs, "verbose": verbose}
    spec = DrawSpec(n_samples, n_random, random_state).checked(by)
    explained = read_contributions(by, model, X, explanation, patch, spec, **options)
    return correlation_result(explained, spec, sizes, by, n_jobs, verbose)


def sensitivity_n(
    model: Any,
    X: Any,
    explanation: Any,
    *,
    sizes: Sequence[float] = SIZES,
    n_samples: int = 50,
    patch: int | None = None,
    fill: Any = None,
    masker: Any = None,
    outputs: Any = None,
    n_random: int = 1,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> MetricResult:
    """Correlate sums of values with falls of the prediction for each size of subset; greater is better.

    Parameters
    ----------
    model, X, explanation : object
        As in `faithfulness_correlation`.
    sizes : sequence of float or of int, default=(0.1, 0.2, 0.4, 0.6, 0.8)
        Units that are hidden: proportions of the row's, rounded up, or whole numbers.
    n_samples : int, default=50
        Subsets of each row and size; where there are no more, each is taken once.
    patch, fill, masker, outputs, n_random, random_state, n_jobs, verbose : object
        As in `faithfulness_correlation`.

    Returns
    -------
    MetricResult
        Scores are means over sizes of each row's Pearson correlations [1]_, which are in `curve`.

    Raises
    ------
    DataError
        If the explanation is of other rows or another model, has NaN, or no correlation is defined.

    Notes
    -----
    A curve that falls with the size says that values add up only while little is hidden.

    References
    ----------
    .. [1] Ancona, M., Ceolini, E., Öztireli, C., Gross, M. (2018). Towards better understanding of
       gradient-based attribution methods for deep neural networks. ICLR.
       https://doi.org/10.48550/arXiv.1711.06104

    Examples
    --------
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.maskers import TextMasker
    >>> from agnostix.metrics import sensitivity_n
    >>> praise = lambda texts: [text.count("good") - text.count("bad") for text in texts]
    >>> texts = ["good food in a bad place", "the service was good and fast"]
    >>> exp = KernelShapExplainer(praise, masker=TextMasker()).fit(texts).explain(texts)
    >>> result = sensitivity_n(praise, texts, exp, sizes=[1, 2, 3], masker=TextMasker())
    >>> result.curve.values.round(6)
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    by = "sensitivity_n"
    checked = checked_sizes(by, "sizes", sizes)
    options = {"masker": masker, "fill": fill, "outputs": outputs, "n_jobs": n_jobs, "verbose": verbose}
    spec = DrawSpec(n_samples, n_random, random_state).checked(by)
    explained = read_contributions(by, model, X, explanation, patch, spec, **options)
    return correlation_result(explained, spec, checked, by, n_jobs, verbose)


def read_contributions(
    by: str, model: Any, X: Any, explanation: Any, patch: Any, spec: DrawSpec, **options: Any
) -> ExplainedRows:
    """Read an explanation as contributions, pixels in patches."""
    explained = read_explanation(
        model,
        X,
        explanation,
        by=by,
        made_for=(*ATTRIBUTIONS, "sensitivity"),
        by_size={},
        random_state=spec.random_state,
        **options,
    )
    return in_patches(as_contributions(explained, by), patch, by)


def correlation_result(
    explained: ExplainedRows, spec: DrawSpec, sizes: Any, by: str, n_jobs: Any, verbose: Any
) -> MetricResult:
    """Faithfulness correlation or sensitivity-n of rows that were read."""
    of_rows, squeeze = sizes_of_rows(explained, sizes), explained.squeeze
    found = correlate_sizes(explained, of_rows, spec, by, n_jobs, verbose)
    curves = {} if found.random is None else {"random": found.random}
    curve = None
    if by == "sensitivity_n":
        others = {name: squeeze(one) for name, one in curves.items()}
        curve = MetricCurve(of_rows.x, squeeze(found.values), others, of_rows.label, "correlation")
    name = "subset_size" if by == "faithfulness_correlation" else "sizes"
    return MetricResult(
        name=by,
        scores=squeeze(found.scores),
        greater_is_better=True,
        made_for=ATTRIBUTIONS,
        draw_errors=squeeze(found.score_errors) if found.is_drawn else None,
        n_draws=spec.n_samples if found.is_drawn else 0,
        curve=curve,
        references={name: squeeze(mean_known(one, axis=1)) for name, one in curves.items()},
        n_model_rows=explained.n_model_rows + found.n_model_rows,
        params={name: sizes.tolist() if curve is not None else sizes.tolist()[0]}
        | {"n_samples": spec.n_samples, "n_random": spec.n_random, "random_state": spec.random_state},
        details={"size": Detail(np.array(of_rows.by_row), ("row", "point"))},
        notes=explained.notes + found.notes,
        **explained.result_fields(),
    )
