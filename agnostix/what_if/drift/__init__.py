"""Drift: why a prediction, an error or a rate differs between two tables.

The metric's mean theta in table A is led to that in table B in steps, each a reweighting of A's rows:

    A  ->  A with the margins of some columns  ->  A with B's covariates  ->  B
           sum over columns of Shapley values      dependence                conditional

Margins       v(S) is the mean of the metric under the entropic projection of A on B's statistics of the
              columns S (means and proportions, also variances or deciles): `margins`. A column's part is its
              Shapley value in the game v: `coalitions`, all 2^p subsets, or sampled orders of columns.
Dependence    What B's covariates have beyond these statistics. Of predictions, which are functions of the
              covariates, it is theta_B - v(all); of errors, mean_B mu(x) + mean_A ratio (loss - mu) - v(all)
              with the density ratio of B to A and the mean loss mu(x) in A, both cross-fitted: `density`.
Conditional   What no shift of the covariates explains: theta_B less that mean (Cai, Namkoong and Yadlowsky's
              Y | X shift).
Errors        Influence values of both samples, `influence`; a Shapley value's is the average of its solves'.
Tables        Shared columns, their levels, the rows of a group: `tables`. The metric as a ratio of means:
              `rates`.
"""

from agnostix.what_if.drift.explain import explain_gap

__all__ = ["explain_gap"]
