"""No hostile table has a wrong value in silence, an error from the depths, a hang or anything left behind."""

import pytest

from tests.slow.hostile import assert_well
from tests.slow.hostile_tables import CHUNK, chunk_cases, chunks


@pytest.mark.slow
@pytest.mark.parametrize(("family", "number"), chunks())
def test_hostile_tables_are_explained_or_refused(family, number):
    assert_well(chunk_cases(family, number), CHUNK)


@pytest.mark.slow
def test_hostile_tables_are_many_and_the_same_in_every_run():
    names = {f"{family} {case.name}" for family, number in chunks() for case in chunk_cases(family, number)}
    assert len(names) >= 2_000
    first, again = ([case.name for case in chunk_cases("models", 0)] for _ in range(2))
    assert first == again
