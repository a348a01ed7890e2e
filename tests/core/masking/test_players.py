import pytest

from agnostix.core.masking import Features
from agnostix.exceptions import DataError
from tests.messages import refuses

NAMES = ["a", "b", "c", "d"]


def test_players_of_columns():
    players = Features.from_names(NAMES)
    assert players.names == ("a", "b", "c", "d")
    assert players.columns == ((0,), (1,), (2,), (3,))
    assert Features.from_names(NAMES, {}) == players


def test_players_group_takes_place_of_first_column():
    players = Features.from_names(NAMES, {"late": ["d", "b"], "c alone": ["c"]})
    assert players.names == ("a", "late", "c alone")
    assert players.columns == ((0,), (3, 1), (2,))


def test_players_group_may_be_named_as_own_column():
    players = Features.from_names(NAMES, {"b": ["b", "c"]})
    assert players.names == ("a", "b", "d")
    assert players.columns == ((0,), (1, 2), (3,))


def test_players_numeric_names_are_text():
    players = Features.from_names(["0", "1", "2"], {7: [2, 1]})
    assert players.names == ("0", "7")
    assert players.columns == ((0,), (2, 1))


@pytest.mark.parametrize(
    ("groups", "facts"),
    [
        ({"g": []}, ["group 'g'", "list of columns", "got []"]),
        ({"g": "ab"}, ["group 'g'", "list of columns", "got 'ab'"]),
        ({"g": 3}, ["group 'g'", "list of columns", "got 3"]),
        ({"g": ["a", "z"]}, ["group 'g'", "column 'z'", "not there", "a, b, c, d"]),
        ({"g": ["a", "b"], "h": ["c", "b"]}, ["column 'b'", "two groups", "'g' and 'h'"]),
        ({"g": ["a", "b", "a"]}, ["group 'g'", "column 'a' twice"]),
        ({"a": ["b", "c"]}, ["group 'a'", "name of a column that is not in it"]),
    ],
)
def test_players_refuse_bad_groups(groups, facts):
    with refuses(DataError, "feature_groups", *facts):
        Features.from_names(NAMES, groups)
