"""KernelShapExplainer: Shapley values by KernelSHAP (Lundberg and Lee, 2017), with standard errors.

With the value of a coalition v(S) = h(mean f(x_S, b)) over background rows b and the link h,

    phi = argmin sum_S k(S) (v(S) - v(0) - sum_{i in S} phi_i)**2  such that  sum_i phi_i = v(all) - v(0)

Coalitions       `coalitions`: all of them, or pairs of complements by leverage score sampling
                 (`sample_pairs`). A `CoalitionPlan` has their masks, for rows in which the same players vary.
Shapley kernel   k(S): `Coalitions.kernel_weights`.
Solver           All coalitions: `exact.exact_weights`. Pairs: `pair_regression`, weighted least squares, and
                 `kriging` of its residuals under a covariance kernel of interactions (`odd_kernel`), whose
                 parameters maximize the restricted likelihood (`kriging.learn_kernel`). Each is one matrix.
                 Under a kernel of a row's own, its games are solved by themselves (`game_kriging`).
Standard error   Coalitions: the variance of kriging, in units of a noise variance that leans on pilot rows
                 (`residual_noise.NoisePrior`, `estimation.PairOperator.game_variances`), or in what a
                 `jackknife` says that learns the row's own kernel anew; without a kernel that of least
                 squares under an `exchangeable_kernel`. Background: linear components of its error
                 (`coalition_values.LinkedValues.components`).
Background       Rows chosen in `fit`: `core.background`; with a masker its fill.
Interactions     Of pairs, from the same coalitions: `interactions`.
Stopping         A row stops once its errors are within `tol`: `stopping`, `estimation.RowEstimation`.
"""

from agnostix.shapley.explainer import KernelShapExplainer

__all__ = ["KernelShapExplainer"]
