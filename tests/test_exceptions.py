import copy
import pickle

import pytest

from agnostix.exceptions import DataError, InfeasibleTargetError, ModelOutputError


@pytest.mark.parametrize("kind", [DataError, ModelOutputError, InfeasibleTargetError])
def test_errors_are_value_errors(kind):
    assert issubclass(kind, ValueError)
    assert str(kind("no")) == "no"


@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_infeasible_target_error_survives_pickle_and_copy(again):
    error = InfeasibleTargetError("too far", {"age": 60.0, "sex": {"F": 0.5}}, 0.7)
    other = again(error)
    assert (str(other), other.nearest, other.reachable) == ("too far", {"age": 60.0, "sex": {"F": 0.5}}, 0.7)


def test_infeasible_target_error_without_nearest():
    error = InfeasibleTargetError("none")
    assert (error.nearest, error.reachable) == ({}, 0.0)
