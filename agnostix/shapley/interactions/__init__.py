"""Interactions of order 2: SII, k-SII, STII and FSII of pairs, from the coalitions of Shapley values.

- `indices`: each index as weights of coalitions, and as measures of how likely players take part.
- `operators`: from the values of coalitions to interactions: of all coalitions, or of sampled pairs.
- `game_kernel`: covariances of games that are even or odd under complements; `likelihood`: how they are
  learned; `game_process`: interactions given values, and their errors.
- `explaining`: `explain_interactions`. Of trees: `agnostix.shapley.trees.interactions`.
"""
