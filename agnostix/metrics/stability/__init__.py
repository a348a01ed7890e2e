"""Stability: does the explanation stay the same where it should?

`sensitivities` has `max_sensitivity`, `avg_sensitivity` and `local_lipschitz`; `adversary` has
`explanation_adversary`, which searches for the neighbor that is explained most otherwise; `agreement`
compares seeds, backgrounds and refits. Neighbors are in `neighbors`, and rows are explained anew in
`explaining`.
"""
