"""How many coalitions a row may take, by its players alone."""

from __future__ import annotations

from agnostix.exceptions import DataError

AUTO_TOL = 0.1
"""Tolerance of budget="auto": on boosted trees errors of 1 to 2 % of a row's largest value in the median."""
MAX_EXACT_PLAYERS = 12
"""Players up to which budget="auto" evaluates all coalitions if there is no tolerance."""
MAX_EXACT_AT_ONCE = 6
"""Players up to which all coalitions are evaluated at once: looking at fewer before saves little."""

_FEWER = {True: "group columns with feature_groups", False: "use a masker with fewer features"}
"""How to have fewer features, by whether they are columns of a table."""


def auto_budget(n_players: int, tol: float | None) -> int:
    """Coalitions of a row at most, the empty and the full one included."""
    if tol is None and n_players <= MAX_EXACT_PLAYERS:
        return 2**n_players
    return min(2**n_players, max(512, 8 * n_players))


def check_budget(budget: int, n_players: int, *, is_table: bool) -> int:
    """The budget, if it determines the values of so many players; DataError otherwise."""
    least = min(2 * n_players + 2, 2**n_players)
    if budget < least:
        raise DataError(
            f"The 'budget' parameter of KernelShapExplainer must be 'auto' or at least {least} for "
            f"{n_players} features, got {budget}. Fewer coalitions do not determine the values: "
            f"increase budget, or {_FEWER[is_table]}."
        )
    return int(budget)
