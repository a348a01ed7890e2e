import pytest

from tests.messages import assert_states, refuses

MESSAGE = "'budget' is 20 for x1, at least 30.5 is needed.\nUse budget=31."


@pytest.mark.parametrize(
    "facts", [["'budget'", "20", "x1", "31"], ["31", "20"], ["at least 30.5"], ["needed.\nUse"], []]
)
def test_assert_states_accepts_facts_in_any_order(facts):
    assert_states(MESSAGE, *facts)


@pytest.mark.parametrize("fact", ["'width'", "2", "0", "30", "5", "x", "x10", "Budget", "bud", "need"])
def test_assert_states_fails_on_missing_or_partial_fact(fact):
    with pytest.raises(AssertionError, match="budget"):
        assert_states(MESSAGE, "20", fact)


def test_assert_states_tells_signs_apart():
    assert_states("got -1", "got -1")
    with pytest.raises(AssertionError):
        assert_states("got -1", "1")


def test_refuses_checks_type_and_facts():
    with refuses(ValueError, "'budget'", "20") as error:
        raise ValueError(MESSAGE)
    assert str(error.value) == MESSAGE
    with pytest.raises(AssertionError), refuses(ValueError, "21"):
        raise ValueError(MESSAGE)
    with pytest.raises(KeyError), refuses(ValueError, "20"):
        raise KeyError(20)
