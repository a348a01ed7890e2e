"""Surrogate trees: a small decision tree that approximates a model, with its fidelity.

Distillation of a model (Craven and Shavlik, 1996; Bastani, Kim and Bastani, 2017) into a tree (CART; Breiman,
Friedman, Olshen and Stone, 1984) with at most `max_leaf_nodes`. With f_i the model's predictions and w_i the
weights of the rows, a leaf t predicts the weighted mean m_t at the loss

    L(t) = sum_{i in t} w_i |f_i - m_t|**2

Queries          Observed and synthetic rows on which the model is evaluated: `training_rows`.
Growth           Best-first, with scikit-learn's splits, on soft or hard targets: `growth.TreeGrowth`.
Cross-fitting    Folds, and the candidate that they select: `cross_fitting.cross_fit`.
Pruning          Cost-complexity path: `pruning.weakest_links`. 1-SE rule: `pruning.one_se_alpha`.
Fidelity         Agreement of labels (Clopper-Pearson), R2, Kullback-Leibler: `fidelity.measure_fidelity`,
                 with intervals that know how few rows carry them: `measures`.
                 What cross-fitting adds to the variance: `cross_fitting.CrossFitSplit.variance_inflation`.
                 By leaf: `leaf_table`. By size: `fitted_tree`. Over resamples: `stability`.
Contributions    Of features on a row's path, with errors by cross-fitted residuals: `contributions`.
                 Importances with errors: `importances`.
Export           `export`: text, SQL, Python, JSON. `estimator`: predictions, all of them from `rule_tree`.
"""

from agnostix.surrogate_tree.explainer import MimicTree

__all__ = ["MimicTree"]
