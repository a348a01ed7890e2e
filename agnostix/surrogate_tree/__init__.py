"""Surrogate trees: a small decision tree that approximates a model, with its fidelity.

- `training_rows`: observed rows, and synthetic ones (queries) that the model is evaluated on
- `growth`: best-first growth on soft or hard targets
- `pruning`: cost-complexity path, and the 1-SE rule
- `cross_fitting`: candidates, and the folds that select and report
- `fidelity`: agreement of labels, R2 and Kullback-Leibler divergence, with intervals
- `contributions`: what each feature adds on the path to a leaf
- `rule_tree`, `fitted_tree`: the tree as arrays and rules; its leaves, pruning path and stability
- `estimator`, `export`: predictions; text, SQL, Python and JSON
"""

from agnostix.surrogate_tree.explainer import MimicTree

__all__ = ["MimicTree"]
