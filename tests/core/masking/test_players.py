import re

import pytest

from agnostix.core.masking import Players
from agnostix.exceptions import DataError

NAMES = ["a", "b", "c", "d"]


def test_players_of_columns():
    players = Players.from_names(NAMES)
    assert players.names == ("a", "b", "c", "d")
    assert players.columns == ((0,), (1,), (2,), (3,))
    assert Players.from_names(NAMES, {}) == players


def test_players_group_takes_place_of_first_column():
    players = Players.from_names(NAMES, {"late": ["d", "b"], "c alone": ["c"]})
    assert players.names == ("a", "late", "c alone")
    assert players.columns == ((0,), (3, 1), (2,))


def test_players_group_may_be_named_as_own_column():
    players = Players.from_names(NAMES, {"b": ["b", "c"]})
    assert players.names == ("a", "b", "d")
    assert players.columns == ((0,), (1, 2), (3,))


def test_players_numeric_names_are_text():
    players = Players.from_names(["0", "1", "2"], {7: [2, 1]})
    assert players.names == ("0", "7")
    assert players.columns == ((0,), (2, 1))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"g": []}, "The group 'g' of feature_groups must be a list of columns, got []."),
        ({"g": "ab"}, "The group 'g' of feature_groups must be a list of columns, got 'ab'."),
        ({"g": 3}, "The group 'g' of feature_groups must be a list of columns, got 3."),
        (
            {"g": ["a", "z"]},
            "The group 'g' of feature_groups names the column 'z', which is not there. "
            "The columns: a, b, c, d.",
        ),
        (
            {"g": ["a", "b"], "h": ["c", "b"]},
            "The column 'b' is in two groups of feature_groups, 'g' and 'h'.",
        ),
        ({"g": ["a", "b", "a"]}, "The group 'g' of feature_groups names the column 'a' twice."),
        ({"a": ["b", "c"]}, "The group 'a' of feature_groups bears the name of a column outside it."),
    ],
)
def test_players_refuse_bad_groups(groups, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        Players.from_names(NAMES, groups)
