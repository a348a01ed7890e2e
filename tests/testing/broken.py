"""Explainers that break their word, each in one way: what the checks must catch.

Each is a class to be put before an explainer of rows or of populations. The values of what `explain`
returns are off by what `off` says.
"""

from __future__ import annotations

import copy
import threading
from dataclasses import replace

import numpy as np
from joblib import effective_n_jobs
from sklearn import get_config
from sklearn.exceptions import NotFittedError

from agnostix import Explanation, OcclusionExplainer, as_predictor
from agnostix.core.explanation import Detail
from agnostix.core.frames import is_frame


def broken(by, base):
    """An explainer of a kind, broken in one way; a class of this module, so that it can be pickled."""
    name = f"{by.__name__}{base.__name__}"
    globals()[name] = type(name, (by, base), {"__module__": __name__})
    return globals()[name]


class Off:
    """Values are off; by nothing, unless a subclass says by what."""

    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.seen_ = X
        return self

    def off(self, X):
        return 0.0

    def explain(self, *rows, **asked):
        found = super().explain(*rows, **asked)
        off = self.off(rows[0] if rows else self.seen_)
        if isinstance(found, Explanation):
            return replace(found, values=found.values + off)
        return replace(found, frame=found.frame.assign(value=found.frame["value"] + off))


class OffBy(Off):
    amount = 1e-6

    def off(self, X):
        return self.amount


class OffByALittle(OffBy):
    amount = 1e-15


class OffByNothingButNaN(Off):
    def explain(self, *rows, **asked):
        found = super().explain(*rows, **asked)
        if isinstance(found, Explanation):
            return replace(found, std_errors=np.full(found.values.shape, np.inf))
        return replace(found, frame=found.frame.assign(std_error=np.nan))


class CountsWorkers(Off):
    def off(self, X):
        return 1e-12 * effective_n_jobs(getattr(self, "n_jobs", None))


class LooksAtTheMemory(Off):
    def off(self, X):
        return 1e-12 * np.log(get_config()["working_memory"])


class LooksAtTheFirstRow(Off):
    def off(self, X):
        return 1e-12 * float(np.asarray(X)[0].sum())


class ForgetsItsSeed(Off):
    def fit(self, X, y=None, sample_weight=None):
        self.noise_ = np.random.default_rng().random()
        return super().fit(X, y, sample_weight)

    def off(self, X):
        return 1e-9 * self.noise_


class DrawsAgain(Off):
    def off(self, X):
        return 1e-9 * np.random.default_rng().random()


class ReplacesItsSeed(Off):
    def fit(self, X, y=None, sample_weight=None):
        self.random_state = 0
        return super().fit(X, y, sample_weight)


class DrawsGlobally(Off):
    def off(self, X):
        return 0.0 * np.random.random()  # noqa: NPY002


class ReadsGlobally(Off):
    def off(self, X):
        return 1e-12 * float(np.random.get_state()[1][1])  # noqa: NPY002


class Hoards(Off):
    def off(self, X):
        return float(np.zeros(2**21).sum())


class Casts(Off):
    def fit(self, X, y=None, sample_weight=None):
        return super().fit(np.asarray(X, dtype=object), y, sample_weight)

    def explain(self, *rows, **asked):
        return super().explain(*(np.asarray(X, dtype=object) for X in rows), **asked)


class PrefersFrames(Off):
    def off(self, X):
        return 1e-12 * is_frame(X)


class ReadsTheIndex(Off):
    def off(self, X):
        return 1e-12 * float(X.index[0] == 0)


class AsksWithoutNames(Off):
    def fit(self, X, y=None, sample_weight=None):
        if hasattr(self.model, "predict"):
            self.model.predict(np.asarray(X))
        return super().fit(X, y, sample_weight)


class WritesIntoTheTable(Off):
    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, y, sample_weight)
        if isinstance(X, np.ndarray):
            X[0, 0] += 1.0
        return self


class WritesIntoTheWeights(Off):
    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, y, sample_weight)
        if sample_weight is not None:
            sample_weight /= sample_weight.sum()
        return self


class LendsTheTable(Off):
    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.model(X)
        return self


class PicklesBadly(Off):
    def __getstate__(self):
        return super().__getstate__() | {"unpickled_": True}

    def off(self, X):
        return 1.0 if getattr(self, "unpickled_", False) else 0.0


class KeepsItsModel(Off):
    def without_model(self):
        return copy.copy(self)


class Parts(Off):
    """Lets its model go, and takes it back as it should."""

    def without_model(self):
        parted = copy.copy(self)
        parted.model = parted.model_ = parted._predictor = None
        return parted

    def explain(self, X, *, outputs=None):
        if getattr(self, "model_", None) is None:
            raise NotFittedError("There is no model.")
        return super().explain(X, outputs=outputs)

    def attach(self, model):
        whole = copy.copy(self)
        whole.model = whole.model_ = model
        whole._predictor = as_predictor(model)
        return whole


class AttachesBadly(Parts):
    def attach(self, model):
        whole = super().attach(model)
        whole.base_values_ = whole.base_values_ + 1e-12
        return whole


class GuessesWithoutModel(Parts):
    def explain(self, X, *, outputs=None):
        return None if self.model_ is None else super().explain(X, outputs=outputs)


class CopiesItsModel(Off):
    def __sklearn_clone__(self):
        return type(self)(copy.deepcopy(self.model))


class FitsTheModelItself(Off):
    def fit(self, X, y=None, sample_weight=None):
        if y is not None:
            self.model.fit(X, y)
        return super().fit(X, y, sample_weight)


class SaysAdditive(Off):
    def explain(self, X, *, outputs=None):
        return replace(
            super().explain(X, outputs=outputs), quantity="contribution", completeness="outputs - base_values"
        )


class SaysSurrogate(Off):
    def explain(self, X, *, outputs=None):
        exp = super().explain(X, outputs=outputs)
        return replace(
            exp,
            quantity="contribution",
            completeness="surrogate",
            extras={"surrogate_outputs": Detail(exp.outputs, ("row", "output"))},
        )


class MovesWhatDoesNotVary(Off):
    def explain(self, *rows, **asked):
        return replace(super().explain(*rows, **asked), skipped=())


class ForgetsWhichOutput(Off):
    def explain(self, X, *, outputs=None):
        return super().explain(X)


class FirstIsPredicted(Off):
    def explain(self, X, *, outputs=None):
        return super().explain(X, outputs=0 if outputs == "predicted" else outputs)


class FirstOutputAlone(Off):
    """Outputs by themselves, each with an operator of its own."""

    def explain(self, *rows, **asked):
        found = super().explain(*rows, **asked)
        if isinstance(found, Explanation):
            return replace(found, values=found.values + 1e-6 * np.eye(found.values.shape[-1])[0])
        first = found.frame["output"] == found.frame["output"].iloc[0]
        return replace(found, frame=found.frame.assign(value=found.frame["value"] + 1e-6 * first))


class NeglectsGroups(Off):
    def fit(self, X, y=None, sample_weight=None):
        groups, self.feature_groups = self.feature_groups, None
        super().fit(X, y, sample_weight)
        self.feature_groups = groups
        return self


class IsFree(Off):
    def cost(self, X):
        return 0


class AsksForItsCost(Off):
    def cost(self, X):
        self.model(X)
        return super().cost(X)


class Miscounts(Off):
    def explain(self, *rows, **asked):
        found = super().explain(*rows, **asked)
        return replace(found, n_model_rows=found.n_model_rows - 1)


class Forgetful(Explanation):
    @classmethod
    def load(cls, path):
        return replace(super().load(path), n_model_rows=0)


class StoresBadly(Off):
    def explain(self, X, *, outputs=None):
        exp = super().explain(X, outputs=outputs)
        return Forgetful(**{name: getattr(exp, name) for name in exp.__dataclass_fields__})


class TransformsByRows(OcclusionExplainer):
    def transform(self, X):
        values = self.explain(X).values
        return values.reshape(len(values), -1)


class NamesBadly(Off):
    def get_feature_names_out(self, input_features=None):
        return super().get_feature_names_out()[::-1]


class SaysNoMore(Off):
    """All errors are one."""

    def fit(self, X, y=None, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except Exception:
            raise ValueError("Something went wrong.") from None

    def explain(self, *rows, **asked):
        try:
            return super().explain(*rows, **asked)
        except Exception:
            raise ValueError("Something went wrong.") from None


class ExplainsOn(Off):
    """What fails is left out."""

    def explain(self, *rows, **asked):
        try:
            return super().explain(*rows, **asked)
        except Exception:
            return super().explain(self.seen_[:1])


class BlamesAnotherRow(Off):
    def explain(self, X, *, outputs=None):
        try:
            return super().explain(X, outputs=outputs)
        except RuntimeError as error:
            raise RuntimeError("rows 0 to 1: " + str(error)) from error


class LeavesAWorker(Off):
    done = threading.Event()

    def _start(self):
        threading.Thread(target=self.done.wait, name="left behind", daemon=True).start()

    def fit(self, X, y=None, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except ArithmeticError:
            self._start()
            raise

    def explain(self, *rows, **asked):
        try:
            return super().explain(*rows, **asked)
        except RuntimeError:
            self._start()
            raise


class SwallowsInterrupts(Off):
    def fit(self, X, y=None, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except KeyboardInterrupt:
            return super().fit(X[:3], y, sample_weight)

    def explain(self, *rows, **asked):
        try:
            return super().explain(*rows, **asked)
        except KeyboardInterrupt:
            return None


class AcceptsAnyParameter(Off):
    def _validate_params(self):
        pass


class HidesAParameter(Off):
    @property
    def _parameter_constraints(self):
        declared = super()._parameter_constraints
        return {name: allowed for name, allowed in declared.items() if name != "verbose"}


class PutsColumnsInOrder(Off):
    def explain(self, X, *, outputs=None):
        names = list(getattr(self, "feature_names_in_", []))
        return super().explain(X[names] if names and set(names) <= set(X) else X, outputs=outputs)


class AnswersBeforeFit(Off):
    def explain(self, *rows, **asked):
        if not hasattr(self, "seen_"):
            return None
        return super().explain(*rows, **asked)


class TakesAnyImages:
    """Images of another size are read as they are."""

    def _read(self, X):
        return np.asarray(X)


class WritesIntoImages:
    def explain(self, X, *, outputs=None):
        X[0, 0, 0] += 1.0
        return super().explain(X, outputs=outputs)


class ForgetsTheCost:
    def _count_model_rows(self, rows):
        return len(rows)
