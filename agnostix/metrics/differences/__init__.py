"""Differences: do the values themselves say by how much the prediction changes?

`infidelity` has the metric of its name, under subsets of hidden units or under noise, `additive`;
`correlations` has `faithfulness_correlation` and `sensitivity_n`, computed in `sized`; `monotonicity` its
two definitions. `subsets` draws subsets and measures what hiding them changes, `patches` hides pixels
together, `quantities` turns sensitivities into contributions and back, and `association` has correlations
with their errors.
"""
