"""The battery's random cases as a hypothesis strategy, so that failing ones are shrunk."""

from hypothesis import strategies as st

from agnostix.testing import Case
from agnostix.testing.random_cases import (
    FORMS,
    MAX_COLUMNS,
    MAX_EXPLAINED,
    MAX_FITTED,
    MODELS,
    WORKING_MEMORIES,
)


def cases():
    """Any `Case`; simpler ones first."""
    return st.builds(
        Case,
        form=st.sampled_from(FORMS),
        model=st.sampled_from(MODELS),
        n_columns=st.integers(1, MAX_COLUMNS),
        n_fitted=st.integers(2, MAX_FITTED),
        n_explained=st.integers(1, MAX_EXPLAINED),
        weighted=st.booleans(),
        grouped=st.booleans(),
        n_jobs=st.integers(1, 2),
        working_memory=st.sampled_from(WORKING_MEMORIES[::-1]),
        seed=st.integers(0, 2**31),
    )
