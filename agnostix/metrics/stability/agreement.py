"""How alike explanations stay when one thing is drawn anew: the seed, the background, the model's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length

from agnostix.core.explanation import Detail
from agnostix.core.models import as_predictor
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_explainer, check_one_of, check_whole
from agnostix.metrics.intervals import crossed
from agnostix.metrics.orders import row_seeds
from agnostix.metrics.refits import refit_of, rows_at
from agnostix.metrics.result import MetricResult
from agnostix.metrics.similarity import rank_agreement, sign_agreement, spearman, ssim, top_k_agreement
from agnostix.metrics.stability.explaining import RowExplainer

OVER = ("seed", "background", "refit")
SIMILARITIES = ("spearman", "absolute-spearman", "ssim", "top-k", "signs", "ranks")
_N_TRIES = 1000
"""Bootstrap samples that are drawn until one has all classes."""


def agreement(
    model: Any,
    X: Any,
    explainer: Any,
    *,
    data: Any,
    y: Any = None,
    over: str = "seed",
    n_draws: int = 10,
    similarity: str = "spearman",
    k: int = 5,
    refit: Callable[[Any, Any], Any] | None = None,
    outputs: Any = None,
    random_state: int = 0,
) -> MetricResult:
    """Similarity of a row's explanation to those with one thing drawn anew; greater is better.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that is explained; None: the explainer's.
    X : DataFrame, array-like, images or texts
        Rows to explain.
    explainer : fitted explainer
        It is not changed: copies of it are fitted.
    data : DataFrame, array-like, images or texts
        The rows that the explainer was fitted on.
    y : array-like of shape (n_data,), default=None
        Their labels, for ``over="refit"`` and explainers that are fitted with labels.
    over : {"seed", "background", "refit"}, default="seed"
        What is drawn anew. "seed": all that random_state decides; if the background is a sample of
        `data`, it too. "background": the rows that the explainer is fitted on, a bootstrap sample of
        `data`. "refit": the model, fitted on bootstrap samples; the explainer's rows and seed stay.
    n_draws : int, default=10
        Seeds, samples or models, the same for all rows.
    similarity : str, default="spearman"
        "spearman" or "absolute-spearman": rank correlation of values, or of their sizes; "ssim":
        structural similarity, for images; "top-k", "signs" or "ranks": proportion of the `k` largest
        that are the same features, with the same sign, or at the same place.
    k : int, default=5
        Features that "top-k", "signs" and "ranks" look at.
    refit : callable, default=None
        For ``over="refit"``: from (X, y) to a fitted model; None: a clone of the model, fitted.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain; None: the explainer's, or if it has none each row's predicted one. Refitted
        models are explained for the output that the model at hand predicts.
    random_state : int, default=0
        Of the draws.

    Returns
    -------
    MetricResult
        The interval is over rows and draws. ``details["similarities"]`` has each draw's.

    Raises
    ------
    TypeError
        If `explainer` is no explainer of rows.
    DataError
        If the explainer has no random_state, or the model cannot be fitted anew.

    References
    ----------
    .. [1] Krishna, S., Han, T., Gu, A., Pombra, J., Jabbari, S., Wu, S., Lakkaraju, H. (2022). The
       disagreement problem in explainable machine learning. https://doi.org/10.48550/arXiv.2202.01602
    .. [2] Owen, A. B. (2007). The pigeonhole bootstrap. Annals of Applied Statistics, 1(2).
       https://doi.org/10.1214/07-AOAS122

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import LimeExplainer
    >>> from agnostix.metrics import agreement
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> model = lambda X: np.sin(X).sum(axis=1)
    >>> explainer = LimeExplainer(model, n_samples=500, random_state=0).fit(X)
    >>> result = agreement(model, X[:20], explainer, data=X, n_draws=4)
    >>> bool(0.5 < result.score <= 1.0)
    True
    """
    by = "agreement"
    check_explainer(explainer, by)
    check_one_of(by, "over", over, OVER)
    check_similarity(similarity, k, by)
    check_whole(by, "n_draws", n_draws, 2)
    check_whole(by, "random_state", random_state, 0)
    explained = RowExplainer.from_explainer(model, X, explainer, outputs, by, by_pixel=similarity == "ssim")
    rows = np.arange(len(explained))
    by_draw, n_model_rows = [], explained.n_model_rows
    for twin in redrawn_explainers(explainer, data, y, over, n_draws, refit, random_state, by):
        values, n = replace(explained, explainer=twin).explain(rows_at(X, rows), rows)
        by_draw.append(compare_values(explained, explained.values, values, similarity, k))
        n_model_rows += n + int(getattr(twin, "n_model_rows_", 0))
    params = {"over": over, "similarity": similarity, "k": k, "random_state": random_state}
    return _result(explained, np.stack(by_draw, axis=1), n_model_rows, params)


def _result(
    explained: RowExplainer, by_draw: Floats, n_model_rows: int, params: dict[str, Any]
) -> MetricResult:
    """From similarities (n_rows, n_draws, n_selected), NaN where a row has one value everywhere."""
    undefined = np.asarray(np.isnan(by_draw).any(axis=(1, 2)))
    notes: tuple[str, ...] = ()
    if undefined.all():
        raise DataError(
            f"agreement has nothing to compare: {explained.own.method} gives every feature of a row the same "
            "value, in all rows. Is the prediction constant?"
        )
    if undefined.any():
        notes = (f"{int(undefined.sum())} of {len(undefined)} rows have no score: all their values are one.",)
    known = by_draw[~undefined]
    n_draws = by_draw.shape[1]
    if params["over"] == "seed" and (known > 1.0 - 1e-12).all():
        notes += (f"All {n_draws} seeds give the same order of features, or the explainer draws nothing.",)
    scores = np.where(undefined[:, None], np.nan, by_draw.mean(axis=1))
    return MetricResult(
        name=f"agreement over {params['over']}s",
        scores=explained.squeeze(scores),
        greater_is_better=True,
        draw_errors=explained.squeeze(by_draw.std(axis=1, ddof=1) / np.sqrt(n_draws)),
        shared_error=np.array([crossed(known[..., k])[2] for k in range(known.shape[2])]),
        n_draws=n_draws,
        n_model_rows=n_model_rows,
        row_keys=row_seeds(explained.own.data),
        params=params,
        details={"similarities": Detail(by_draw, ("row", "draw", "output"))},
        notes=notes,
        **explained.result_fields(),
    )


def check_similarity(similarity: Any, k: Any, by: str) -> None:
    """Raise DataError unless these are a similarity's name and a number of features."""
    check_one_of(by, "similarity", similarity, SIMILARITIES)
    check_whole(by, "k", k, 1)


def compare_values(explained: RowExplainer, one: Floats, other: Floats, similarity: str, k: int) -> Floats:
    """Similarities (n_rows, n_selected) of values (n_rows, n_units, n_selected)."""
    n_rows, _, n_selected = one.shape
    first, second = (values.transpose(0, 2, 1).reshape(n_rows * n_selected, -1) for values in (one, other))
    if similarity == "ssim":
        shape = _map_shape(explained)
        compared = ssim(first.reshape(-1, *shape), second.reshape(-1, *shape))
    elif similarity.endswith("spearman"):
        compared = spearman(first, second, absolute=similarity.startswith("absolute"))
    else:
        measure = {"top-k": top_k_agreement, "signs": sign_agreement, "ranks": rank_agreement}[similarity]
        compared = measure(first, second, k)
    return np.asarray(compared).reshape(n_rows, n_selected)


def _map_shape(explained: RowExplainer) -> tuple[int, int]:
    """Height and width of the maps."""
    own = explained.own
    segments = own.extras.get("segments")
    if "y" in own.dims:
        height, width = (own.values.shape[own.dims.index(dim)] for dim in ("y", "x"))
    elif isinstance(segments, Detail):
        height, width = segments.array.shape[1:]
    else:
        raise DataError(
            f"similarity='ssim' of {explained.by} is of images, and {own.method} explains features. Use "
            "'spearman' or 'top-k'."
        )
    return height, width


def redrawn_explainers(
    explainer: Any, data: Any, y: Any, over: str, n_draws: int, refit: Any, random_state: int, by: str
) -> Iterator[Any]:
    """Fitted copies of an explainer, in each of which one thing is drawn anew."""
    check_consistent_length(data, y)
    if "random_state" not in explainer.get_params(deep=False):
        raise DataError(
            f"{by} sets the random_state of copies of the explainer, and {type(explainer).__name__} has none."
        )
    if over == "refit":
        refit = _choose_refit(explainer, y, refit, by)
    elif refit is not None:
        raise DataError(f"The 'refit' of {by} is for over='refit', and over is {over!r}.")
    n_rows = len(y) if y is not None else len(data)
    for draw in range(n_draws):
        rng = np.random.default_rng([random_state, OVER.index(over), draw])
        seed, model, rows = int(explainer._seed), explainer.model_, np.arange(n_rows)
        if over == "seed":
            seed = int(rng.integers(2**31))
        elif over == "background":
            rows = rng.integers(n_rows, size=n_rows)
        else:
            model = refit(*_bootstrap(explainer, data, y, rng, by))
        twin = clone(explainer).set_params(model=model, random_state=seed)
        yield twin.fit(rows_at(data, rows), None if y is None else rows_at(y, rows))


def _choose_refit(explainer: Any, y: Any, refit: Any, by: str) -> Callable[[Any, Any], Any]:
    """What fits a model to (X, y)."""
    if y is None:
        raise DataError(f"over='refit' of {by} fits the model on bootstrap samples of (data, y). Pass y.")
    return refit_of(explainer.model_, refit, by, "Or use over='seed' or 'background', which train none.")


def _bootstrap(explainer: Any, data: Any, y: Any, rng: Any, by: str) -> tuple[Any, Any]:
    """A bootstrap sample of (data, y), with all classes where the model is a classifier."""
    labels = np.asarray(y)
    is_classifier = as_predictor(explainer.model_).task == "classification" and labels.ndim == 1
    n_classes = len(set(labels.tolist())) if is_classifier else 0
    for _ in range(_N_TRIES):
        rows: Codes = rng.integers(len(labels), size=len(labels))
        if not is_classifier or len(set(labels[rows].tolist())) == n_classes:
            return rows_at(data, rows), rows_at(y, rows)
    raise DataError(
        f"over='refit' of {by} found no bootstrap sample of the {len(labels)} rows of data that has all "
        f"{n_classes} classes. Leave out the rarest, or pass more rows."
    )
