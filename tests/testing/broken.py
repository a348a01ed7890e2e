"""Explainers that break an invariant, each in one way, which a check must catch.

Each class is a mixin that `broken` puts before an explainer of rows, images or a population.
"""

from __future__ import annotations

import copy
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from joblib import effective_n_jobs
from sklearn import get_config
from sklearn.exceptions import NotFittedError

from agnostix import Explanation, OcclusionExplainer, PixelEffects, as_predictor
from agnostix.core.explanation import Detail
from agnostix.core.frames import is_frame


def broken(by, base):
    """A subclass of `base` that is broken by a mixin; it is put into this module, so that it pickles."""
    name = f"{by.__name__}{base.__name__}"
    globals()[name] = type(name, (by, base), {"__module__": __name__})
    return globals()[name]


class Unbroken:
    """Adds `error` to the values, which is 0 unless a subclass overrides it."""

    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.fitted_on_ = X
        return self

    def error(self, X):
        return 0.0

    def explain(self, *rows, **selection):
        result = super().explain(*rows, **selection)
        error = self.error(rows[0] if rows else self.fitted_on_)
        if isinstance(result, Explanation | PixelEffects):
            return replace(result, values=result.values + error)
        return replace(result, frame=result.frame.assign(value=result.frame["value"] + error))


class AddsToValues(Unbroken):
    amount = 1e-6

    def error(self, X):
        return self.amount


class AddsRoundingError(AddsToValues):
    amount = 1e-15


class GivesInvalidStdErrors(Unbroken):
    def explain(self, *rows, **selection):
        result = super().explain(*rows, **selection)
        if isinstance(result, Explanation | PixelEffects):
            return replace(result, std_errors=np.full(result.values.shape, np.inf))
        return replace(result, frame=result.frame.assign(std_error=np.nan))


class OverstatesSharedErrors(Unbroken):
    def explain(self, *rows, **selection):
        result = super().explain(*rows, **selection)
        errors = np.full_like(result.values, 0.1)
        shared = Detail(1.5 * errors[..., None], (*result.dims, "component"))
        return replace(result, std_errors=errors, extras={**result.extras, "shared_errors": shared})


class LosesDegreesOfFreedomInLoad(Unbroken):
    def explain(self, *rows, **selection):
        result = super().explain(*rows, **selection)
        extras = {**result.extras, "degrees_of_freedom": Detail(np.array(3.0), ())}
        kept = {name: getattr(result, name) for name in result.__dataclass_fields__}
        kept |= {"std_errors": np.full_like(result.values, 0.1), "extras": extras}
        return ForgetsDegreesOfFreedom(**kept)


class ForgetsDegreesOfFreedom(Explanation):
    @classmethod
    def load(cls, path):
        loaded = super().load(path)
        return replace(loaded, extras={k: v for k, v in loaded.extras.items() if k != "degrees_of_freedom"})


class StatesNoErrors(Unbroken):
    def error(self, X):
        return 0.001 * (self.random_state or 0)

    def explain(self, *rows, **selection):
        result = super().explain(*rows, **selection)
        return replace(result, std_errors=np.zeros_like(result.values))


class DependsOnNJobs(Unbroken):
    def error(self, X):
        return 1e-12 * effective_n_jobs(getattr(self, "n_jobs", None))


class DependsOnWorkingMemory(Unbroken):
    def error(self, X):
        return 1e-12 * np.log(get_config()["working_memory"])


class DependsOnFirstRow(Unbroken):
    def error(self, X):
        return 1e-12 * float(np.asarray(X)[0].sum())


class IgnoresSeed(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        self.noise_ = np.random.default_rng().random()
        return super().fit(X, y, sample_weight)

    def error(self, X):
        return 1e-9 * self.noise_


class SamplesInExplain(Unbroken):
    def error(self, X):
        return 1e-9 * np.random.default_rng().random()


class ReplacesRandomState(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        self.random_state = 0
        return super().fit(X, y, sample_weight)


class WritesGlobalRandomState(Unbroken):
    def error(self, X):
        return 0.0 * np.random.random()  # noqa: NPY002


class ReadsGlobalRandomState(Unbroken):
    def error(self, X):
        return 1e-12 * float(np.random.get_state()[1][1])  # noqa: NPY002


class WritesTorchRandomState(Unbroken):
    def error(self, X):
        return 0.0 * float(pytest.importorskip("torch").rand(1))


class HoldsMemory(Unbroken):
    def error(self, X):
        return float(np.zeros(2**21).sum())


class CastsToObjects(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        return super().fit(np.asarray(X, dtype=object), y, sample_weight)

    def explain(self, *rows, **selection):
        return super().explain(*(np.asarray(X, dtype=object) for X in rows), **selection)


class DependsOnContainer(Unbroken):
    def error(self, X):
        return 1e-12 * is_frame(X)


class DependsOnIndex(Unbroken):
    def error(self, X):
        return 1e-12 * float(X.index[0] == 0)


class DropsFeatureNames(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        if hasattr(self.model, "predict"):
            self.model.predict(np.asarray(X))
        return super().fit(X, y, sample_weight)


class WritesIntoTable(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, y, sample_weight)
        if isinstance(X, np.ndarray):
            X[0, 0] += 1.0
        return self


class WritesIntoWeights(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, y, sample_weight)
        if sample_weight is not None:
            sample_weight /= sample_weight.sum()
        return self


class PassesTableToModel(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.model(X)
        return self


class LosesStateInPickle(Unbroken):
    def __getstate__(self):
        return super().__getstate__() | {"unpickled_": True}

    def error(self, X):
        return 1.0 if getattr(self, "unpickled_", False) else 0.0


class KeepsModel(Unbroken):
    def without_model(self):
        return copy.copy(self)


class DetachesModel(Unbroken):
    """Detaches and attaches its model as it should."""

    def without_model(self):
        detached = copy.copy(self)
        detached.model = detached.model_ = detached._predictor = None
        return detached

    def explain(self, X, *, outputs=None):
        if getattr(self, "model_", None) is None:
            raise NotFittedError("The explainer has no model.")
        return super().explain(X, outputs=outputs)

    def attach(self, model):
        attached = copy.copy(self)
        attached.model = attached.model_ = model
        attached._predictor = as_predictor(model)
        return attached


class AttachesBadly(DetachesModel):
    def attach(self, model):
        attached = super().attach(model)
        attached.base_values_ = attached.base_values_ + 1e-12
        return attached


class ExplainsWithoutModel(DetachesModel):
    def explain(self, X, *, outputs=None):
        return None if self.model_ is None else super().explain(X, outputs=outputs)


class CopiesModel(Unbroken):
    def __sklearn_clone__(self):
        return type(self)(copy.deepcopy(self.model))


class FitsModelInPlace(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        if y is not None:
            self.model.fit(X, y)
        return super().fit(X, y, sample_weight)


class ClaimsCompleteness(Unbroken):
    def explain(self, X, *, outputs=None):
        return replace(
            super().explain(X, outputs=outputs), quantity="contribution", completeness="outputs - base_values"
        )


class ClaimsSurrogateCompleteness(Unbroken):
    def explain(self, X, *, outputs=None):
        exp = super().explain(X, outputs=outputs)
        return replace(
            exp,
            quantity="contribution",
            completeness="surrogate",
            extras={"surrogate_outputs": Detail(exp.outputs, ("row", "output"))},
        )


class HidesSkippedColumns(Unbroken):
    def explain(self, *rows, **selection):
        return replace(super().explain(*rows, **selection), skipped=())


class DeterminesAllPixels(Unbroken):
    def explain(self, **selection):
        result = super().explain(**selection)
        return replace(result, status=np.full(result.status.shape, "ok", dtype=object))


class FillsConstantPixels(Unbroken):
    def explain(self, **selection):
        result = super().explain(**selection)
        return replace(result, values=np.nan_to_num(result.values))


class IgnoresOutputs(Unbroken):
    def explain(self, X, *, outputs=None):
        return super().explain(X)


class PredictsFirstOutput(Unbroken):
    def explain(self, X, *, outputs=None):
        return super().explain(X, outputs=0 if outputs == "predicted" else outputs)


class ShiftsFirstOutput(Unbroken):
    """Treats outputs differently."""

    def explain(self, *rows, **selection):
        result = super().explain(*rows, **selection)
        if isinstance(result, Explanation):
            return replace(result, values=result.values + 1e-6 * np.eye(result.values.shape[-1])[0])
        first = result.frame["output"] == result.frame["output"].iloc[0]
        return replace(result, frame=result.frame.assign(value=result.frame["value"] + 1e-6 * first))


class WithoutBaseValues(Unbroken):
    """Breaks nothing: base values are not needed."""

    def explain(self, X, *, outputs=None):
        return replace(super().explain(X, outputs=outputs), base_values=None)


class IgnoresGroups(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        groups, self.feature_groups = self.feature_groups, None
        super().fit(X, y, sample_weight)
        self.feature_groups = groups
        return self


class StatesNoCost(Unbroken):
    def cost(self, X):
        return 0


class CallsModelInCost(Unbroken):
    def cost(self, X):
        self.model(X)
        return super().cost(X)


class MiscountsModelRows(Unbroken):
    def explain(self, *rows, **selection):
        result = super().explain(*rows, **selection)
        return replace(result, n_model_rows=result.n_model_rows - 1)


class LosingExplanation(Explanation):
    @classmethod
    def load(cls, path):
        return replace(super().load(path), n_model_rows=0)


class LosesFieldInLoad(Unbroken):
    def explain(self, X, *, outputs=None):
        exp = super().explain(X, outputs=outputs)
        return LosingExplanation(**{name: getattr(exp, name) for name in exp.__dataclass_fields__})


class FlattensInOtherOrder(OcclusionExplainer):
    def transform(self, X):
        values = self.explain(X).values
        return values.reshape(len(values), -1)


class ReversesNames(Unbroken):
    def get_feature_names_out(self, input_features=None):
        return super().get_feature_names_out()[::-1]


class HidesCause(Unbroken):
    """Replaces every error by a vague one."""

    def fit(self, X, y=None, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except Exception:
            raise ValueError("Something went wrong.") from None

    def explain(self, *rows, **selection):
        try:
            return super().explain(*rows, **selection)
        except Exception:
            raise ValueError("Something went wrong.") from None


class SwallowsErrors(Unbroken):
    """Explains other rows where it fails."""

    def explain(self, *rows, **selection):
        try:
            return super().explain(*rows, **selection)
        except Exception:
            return super().explain(self.fitted_on_[:1])


class NamesWrongRow(Unbroken):
    def explain(self, X, *, outputs=None):
        try:
            return super().explain(X, outputs=outputs)
        except RuntimeError as error:
            raise RuntimeError("rows 0 to 1: " + str(error)) from error


class LeavesWorker(Unbroken):
    done = threading.Event()

    def _start(self):
        threading.Thread(target=self.done.wait, name="left behind", daemon=True).start()

    def fit(self, X, y=None, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except RuntimeError:
            self._start()
            raise

    def explain(self, *rows, **selection):
        try:
            return super().explain(*rows, **selection)
        except RuntimeError:
            self._start()
            raise


class SwallowsInterrupts(Unbroken):
    def fit(self, X, y=None, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except KeyboardInterrupt:
            return super().fit(X[:3], y, sample_weight)

    def explain(self, *rows, **selection):
        try:
            return super().explain(*rows, **selection)
        except KeyboardInterrupt:
            return None


class ValidatesNothing(Unbroken):
    def _validate_params(self):
        pass


class OmitsConstraint(Unbroken):
    @property
    def _parameter_constraints(self):
        declared = super()._parameter_constraints
        return {name: allowed for name, allowed in declared.items() if name != "verbose"}


class ReadsColumnsByPlace(Unbroken):
    def explain(self, X, *, outputs=None):
        names = list(getattr(self, "feature_names_in_", []))
        is_mixed = isinstance(X, pd.DataFrame) and names and sorted(X.columns) == sorted(names)
        return super().explain(X.set_axis(names, axis=1) if is_mixed else X, outputs=outputs)


class ExplainsBeforeFit(Unbroken):
    def explain(self, *rows, **selection):
        if not hasattr(self, "fitted_on_"):
            return None
        return super().explain(*rows, **selection)


class AcceptsAnyImages:
    """Reads images without validation."""

    def _read(self, X):
        return np.asarray(X)


class WritesIntoImages:
    def explain(self, X, *, outputs=None):
        X[0, 0, 0] += 1.0
        return super().explain(X, outputs=outputs)


class OmitsCost:
    def _count_model_rows(self, rows):
        return len(rows)
