"""Removal: what the prediction does as units are hidden or shown in an order, or seen through a map.

`curves` has `deletion`, `insertion`, `comprehensiveness` and `sufficiency`, with the literature's fills in
`fills`; `road` hides pixels behind their neighbors' means, solved in `imputation`. Orders of units, the
curves and their means are in `ordered`. `fill_rankings` has `rank_by_fill`; `masked_scores` has
`average_drop`, `average_gain` and `average_increase`.
"""
