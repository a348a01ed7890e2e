"""What KernelShapExplainer does with pairs of features: `explain_interactions`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from agnostix.core.background import BackgroundMeans, Elsewhere, ErrorMap
from agnostix.core.base import OutputSelection
from agnostix.core.evaluate import ProgressBar
from agnostix.core.explanation import Detail, Explanation
from agnostix.core.explanation.selection import find_places
from agnostix.core.features import row_names
from agnostix.core.frames import take_rows
from agnostix.core.masking import MaskedRows
from agnostix.core.row_sources import working_memory
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.shapley.coalition_values import find_lacking
from agnostix.shapley.errors import ErrorParts
from agnostix.shapley.estimation import ShapleyResult, estimate
from agnostix.shapley.exact_trees import ExactTrees
from agnostix.shapley.interactions.game_kernel import Targets
from agnostix.shapley.interactions.indices import pair_places
from agnostix.shapley.interactions.operators import ExactInteractions, SampledInteractions
from agnostix.shapley.trees import INDICES, tree_interactions

MOST_FEATURES = 64
"""Features whose pairs are explained at once."""
_MEANS_FRACTION = 0.125
"""Fraction of the working memory for the mean predictions of rows that are evaluated together."""


class Interactions(ExactTrees):
    """Interactions of pairs of features, from the same coalitions, background and trees as Shapley values.

    A subclass has `_plan_by_pattern`, `_kernel_of`, `_operator`, `_evaluate_means` and `_link_values`.
    """

    def explain_interactions(
        self, X: Any, *, index: str = "k-SII", features: Any = None, outputs: Any = None
    ) -> Explanation:
        """Explain rows by features and pairs of features, with a standard error for each.

        The values of a pair say how far the effect of one feature depends on
        whether the other is known. They rest on the same coalitions, background
        and trees as those of `explain`, and are exact where these are.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), or what the masker takes
            Rows to explain.
        index : {"k-SII", "SII", "STII", "FSII"}, default="k-SII"
            "SII": the Shapley interaction index of pairs, with Shapley values of single
            features, which sum to nothing together. "k-SII": the same pairs, half of
            each taken off the values of both features, so that all sum to the
            prediction minus the base value. "STII": Shapley-Taylor, where a feature
            has what it adds to nobody, and pairs have all else. "FSII": the game of
            single features and pairs that is nearest to the model.
        features : None, str, int or list of these, default=None
            Features whose values and pairs are computed, by name or place; None:
            all, of at most 64. Others take part all the same.
        outputs : None, "predicted", name, index or list of these, default=None
            Outputs to explain, in place of the parameter of the constructor.

        Returns
        -------
        Explanation
            Of quantity "interaction", with dims ("row", "feature", "feature",
            "output"). Values are symmetric: that of a pair is in both places, and
            counts once in sums; those of single features are on the diagonal.

        Raises
        ------
        ValueError
            If the rows, `index`, `features` or `outputs` cannot be used, or there are
            more than 64 features.
        EngineError
            If the model fails.

        Notes
        -----
        Coalitions are those of `budget`; `tol` stops no row, so that "auto" takes all
        of up to 12 features. Where not all are evaluated, each row has a Gaussian
        process of its own, whose posterior variance is the error; see
        docs/interactions.md. It takes up to 2,048 pairs of coalitions.

        References
        ----------
        .. [1] Grabisch, M., Roubens, M. (1999). An axiomatic approach to the concept of
           interaction among players in cooperative games. International Journal of
           Game Theory, 28. https://doi.org/10.1007/s001820050125
        .. [2] Bordt, S., von Luxburg, U. (2023). From Shapley values to generalized additive
           models and back. AISTATS. https://doi.org/10.48550/arXiv.2209.04012
        .. [3] Sundararajan, M., Dhamdhere, K., Agarwal, A. (2020). The Shapley Taylor
           interaction index. ICML. https://doi.org/10.48550/arXiv.1902.05622
        .. [4] Tsai, C.-P., Yeh, C.-K., Ravikumar, P. (2023). Faith-Shap: the faithful Shapley
           interaction index. JMLR, 24. https://doi.org/10.48550/arXiv.2203.00870

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.ensemble import HistGradientBoostingRegressor
        >>> from agnostix import KernelShapExplainer
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> model = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(X, y)
        >>> explainer = KernelShapExplainer(model, random_state=0).fit(X)
        >>> exp = explainer.explain_interactions(X.head(2))
        >>> exp.values.shape
        (2, 10, 10, 1)
        >>> exp.check_additivity() < 1e-8
        True
        """
        check_is_fitted(self)
        if index not in INDICES:
            raise ValueError(f"index must be one of {', '.join(map(repr, INDICES))}; got {index!r}.")
        self._check_has_model()
        rows, selection = self._read(X), self._select_outputs(outputs)
        chosen = self._choose_features(features)
        if self.algorithm_ == "tree":
            result, n_model_rows = self._tree_interactions(rows, chosen, index)
        else:
            result, n_model_rows = self._coalition_interactions(rows, chosen, index)
        return self._to_explanation(rows, selection, chosen, index, result, n_model_rows)

    def _choose_features(self, features: Any) -> Codes:
        """Places of the features whose pairs are asked for."""
        if not self._masker.same_features:
            raise DataError(
                "explain_interactions needs features that are the same in all rows, and the masker gives "
                "each row features of its own. Use SegmentMasker('grid') or one label map for all pictures, "
                "or explain(X) for single features."
            )
        names = self.features_.names
        try:
            chosen = np.arange(len(names)) if features is None else find_places("feature", features, names)
        except KeyError as error:
            raise ValueError(f"The 'features' parameter of explain_interactions: {error.args[0]}") from None
        chosen = np.asarray(chosen, dtype=np.intp)
        if chosen.size == 0 or np.unique(chosen).size < chosen.size:
            raise ValueError(
                "The 'features' parameter of explain_interactions must name at least one feature, and none "
                f"twice, got {features!r}."
            )
        if chosen.size > MOST_FEATURES:
            raise DataError(
                f"explain_interactions explains pairs of at most {MOST_FEATURES} features, and there are "
                f"{chosen.size}, which make {chosen.size * (chosen.size - 1) // 2:,} pairs. Name those that "
                "matter, such as the largest of explain(X).aggregate(): explain_interactions(X, "
                "features=[...]); or group columns with feature_groups."
            )
        return chosen

    def _tree_interactions(self, rows: MaskedRows, chosen: Codes, index: str) -> tuple[ShapleyResult, int]:
        """Exact interactions of trees over the whole table, and model rows."""
        first, which = rows.distinct()
        table, targets = take_rows(rows.unmasked, first), _all_targets(index, chosen.size)
        trees, predictions = self._check_trees(rows.unmasked, table, first)
        n_players = len(self.features_.names)
        if n_players > MOST_FEATURES:
            raise DataError(
                f"Exact interactions of trees are of tables with up to {MOST_FEATURES} features, got "
                f"{n_players}. Use algorithm='kernel' with features=[...], or group columns with "
                "feature_groups."
            )
        weights = self._masker.weights
        found = tree_interactions(trees, table, self.background_, weights, n_players, index, self.verbose)
        result = ShapleyResult.zeros(_present(first.size, targets), len(self.output_names_), 0)
        result.predictions[:] = result.outputs[:] = predictions
        result.base_values[:] = self.base_values_
        second = np.concatenate([targets.players, targets.second])
        chosen_first = chosen[np.concatenate([targets.players, targets.first])]
        result.values[:] = found[:, chosen_first, chosen[second]]
        return result.take(which), first.size

    def _coalition_interactions(
        self, rows: MaskedRows, chosen: Codes, index: str
    ) -> tuple[ShapleyResult, int]:
        """Interactions from the coalitions of `explain`, and model rows."""
        first, which = rows.distinct()
        n_outputs, n_components = len(self.output_names_), self._errors.n_components
        present = _present(len(rows), _all_targets(index, chosen.size))
        result = ShapleyResult.zeros(present, n_outputs, n_components)
        plans = self._plan_by_pattern(rows, first, None)
        n_evaluations = sum(some.size * plan.n_evaluations for plan, some in plans())
        n_model_rows = 0
        with ProgressBar(n_evaluations, self.verbose) as bar:
            background_means = BackgroundMeans(self._errors)
            for plan, some in plans():
                evaluate = partial(self._evaluate_means, rows, background_means, bar, plan.players)
                n_bytes = 8 * len(plan.masks) * (1 + n_components) * n_outputs
                n_together = max(1, int(_MEANS_FRACTION * working_memory() / n_bytes))
                for start in range(0, some.size, n_together):
                    chunk = some[start : start + n_together]
                    means, n = evaluate(plan.masks, chunk)
                    self._solve(plan, chunk, means, chosen, index, result)
                    n_model_rows += n
        return (result if first.size == len(rows) else result.take(first[which])), n_model_rows

    def _solve(
        self, plan: Any, rows: Codes, means: Floats, chosen: Codes, index: str, result: ShapleyResult
    ) -> None:
        """Fill in the interactions of rows from means (n_rows, n_masks, n_kept, n_outputs)."""
        own, places = _own_targets(plan.players, chosen, index)
        linked, n_players = self._link_values(), plan.players.size
        if plan.coalitions is None:
            part = estimate(plan, ExactInteractions(n_players, own), linked, means)
            result.put(rows, places, part)
            return
        shapley = None if index == "STII" else self._operator(plan, self._kernel_of(plan))
        for place, row in enumerate(rows):
            one = means[place : place + 1]
            values = linked.values(one.transpose(1, 2, 0, 3))
            operator = SampledInteractions.learn(plan.coalitions, values, own, shapley)
            result.put(np.array([row]), places, estimate(plan, operator, linked, one))

    def _to_explanation(
        self,
        rows: MaskedRows,
        selection: OutputSelection,
        chosen: Codes,
        index: str,
        result: ShapleyResult,
        n_model_rows: int,
    ) -> Explanation:
        self._check_sizes(result.predictions, self._trial_predictions, result.values, result.base_values)
        pick = partial(selection.pick, predictions=result.predictions)
        targets = _all_targets(index, chosen.size)
        values = pick(result.values)
        elsewhere = self._elsewhere(rows, result.predictions, selection)
        if elsewhere is not None:
            elsewhere = _of_targets(elsewhere, targets, chosen, np.moveaxis(values, 1, 0))
        errors = ErrorParts.from_result(result, self._errors_of_targets(targets, chosen), elsewhere, pick)
        outputs = pick(result.outputs)
        std_errors, lacking = errors.std_errors, find_lacking(pick(result.outside), selection.names)
        values, std_errors = (np.where(lacking[:, None], np.nan, one) for one in (values, std_errors))
        square = _square(targets)
        details: dict[str, Any] = {
            "index": index,
            "algorithm": self.algorithm_,
            "evaluations": Detail(result.evaluations, ("row",)),
        }
        details |= errors.details(self._masker.weights.size)
        if self.link != "identity":
            details["raw_outputs"] = Detail(pick(result.predictions), ("row", "output"))
        data = self._data(rows)
        is_complete = index != "SII" and chosen.size == len(self.features_.names)
        return Explanation(
            values=values[:, square],
            dims=("row", "feature", "feature", "output"),
            std_errors=std_errors[:, square],
            base_values=pick(result.base_values),
            outputs=np.where(lacking, np.nan, outputs),
            data=data,
            row_names=row_names(data),
            feature_names=tuple(self.features_.names[j] for j in chosen),
            output_names=selection.names,
            quantity="interaction",
            completeness="outputs - base_values" if is_complete else None,
            units=self._units,
            method=type(self).__name__,
            params=self._describe_params(),
            n_model_rows=n_model_rows,
            extras=self._describe_fit()
            | selection.details(result.predictions)
            | {name: _in_square(detail, square) for name, detail in details.items()},
        )

    def _errors_of_targets(self, targets: Targets, chosen: Codes) -> ErrorMap:
        """Errors of values that depend on the columns of both features of a pair."""
        columns = [tuple(self.features_.columns[j]) for j in chosen]
        pairs = zip(targets.first, targets.second, strict=True)
        return self._errors.of_features([*columns, *((*columns[i], *columns[j]) for i, j in pairs)])


def _all_targets(index: str, n_features: int) -> Targets:
    return Targets(index, np.arange(n_features), *pair_places(n_features))


def _present(n_rows: int, targets: Targets) -> Bools:
    return np.ones((n_rows, targets.n_targets), dtype=bool)


def _own_targets(players: Codes, chosen: Codes, index: str) -> tuple[Targets, Codes]:
    """Chosen features among the players of a plan, and their places among all targets."""
    is_player = np.isin(chosen, players)
    those = np.flatnonzero(is_player)  # among the chosen
    own = Targets(index, np.searchsorted(players, chosen[those]), *pair_places(those.size))
    square = _square(_all_targets(index, chosen.size))
    return own, np.concatenate([those, square[those[own.first], those[own.second]]])


def _square(targets: Targets) -> Codes:
    """Place of each pair among targets, (n_features, n_features), and of single features on the diagonal."""
    n = targets.players.size
    square = np.empty((n, n), dtype=np.intp)
    square[np.arange(n), np.arange(n)] = np.arange(n)
    square[targets.first, targets.second] = square[targets.second, targets.first] = n + np.arange(
        targets.first.size
    )
    return square


def _in_square(detail: Any, square: Codes) -> Any:
    """A Detail of targets as one of both features of a pair."""
    if not isinstance(detail, Detail) or "feature" not in detail.dims:
        return detail
    axis = detail.dims.index("feature")
    array = np.moveaxis(np.moveaxis(detail.array, axis, 0)[square], (0, 1), (axis, axis + 1))
    return Detail(array, (*detail.dims[:axis], "feature", *detail.dims[axis:]))


def _of_targets(elsewhere: Elsewhere, targets: Targets, chosen: Codes, values: Floats) -> Elsewhere:
    """What may be where no background row is: of pairs as much less as they are smaller here."""
    n, last = chosen.size, slice(-1, None)
    typical, spread = elsewhere.typical[chosen], elsewhere.spread[chosen]
    is_exact, kurtosis = elsewhere.is_exact[chosen], elsewhere.kurtosis[chosen]
    first, second = targets.first, targets.second
    squares = [np.square(part).mean(axis=0) if len(part) else 0.0 for part in (values[:n], values[n:])]
    share = np.divide(squares[1], squares[0], out=np.zeros(values.shape[1:]), where=squares[0] > 0)
    of_pairs = {
        "typical": np.minimum(share, 1.0) * np.minimum(typical[first], typical[second]),
        "spread": spread[first],
        "is_exact": np.logical_or(is_exact[first], is_exact[second]),
        "kurtosis": np.maximum(kurtosis[first], kurtosis[second]),
    }
    parts = {
        name: np.concatenate([getattr(elsewhere, name)[chosen], own, getattr(elsewhere, name)[last]])
        for name, own in of_pairs.items()
    }
    return Elsewhere(**parts)
