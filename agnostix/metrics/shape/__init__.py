"""Shape: how few units carry the values, and where they lie, whatever the model does.

`concentration` has `sparseness`, `complexity` and `effective_features`; `localization` has `pointing_game`
and `energy_inside`.
"""
